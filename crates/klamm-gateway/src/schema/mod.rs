//! JSON Schema of 2020-12, and what draft 7 has in common with it: which values a route takes.
//!
//! A schema that says more than is understood here is refused when it is read, so that none is held only in part. Nothing is
//! fetched: a `$ref` leads to another place of the same file. `format`, `contentEncoding` and `contentMediaType` are notes, as
//! the standard has it.

mod check;
mod compile;
mod equal;
mod pattern;
mod rule;
#[cfg(test)]
mod tests;

pub use self::check::Mismatch;
pub use self::compile::{Schema, WrongSchema};
