//! Signatures over the raw bytes of a body, as senders of webhooks make them.

mod scheme;
mod secrets;
#[cfg(test)]
mod tests;
mod verifier;

pub use self::scheme::{Encoding, Hash, HmacHeader, Scheme, SignatureConfig};
pub use self::secrets::WrongSecret;
pub(crate) use self::verifier::Verifier;
