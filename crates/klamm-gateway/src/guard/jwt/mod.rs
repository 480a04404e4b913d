//! JSON Web Tokens: whoever an issuer's signature names, with keys that the issuer publishes and changes.

mod algorithm;
mod config;
mod fetch;
mod jwks;
mod keys;
#[cfg(test)]
mod tests;
mod token;

pub use self::algorithm::Algorithm;
pub use self::config::{KeySource, TokenConfig, WrongSource};
pub(crate) use self::keys::{Keys, NotProven};
