//! Where requests go: the paths of the configuration and those that are always there, and what becomes of a request on
//! its way; all of it pure.
//!
//! A [`Route`] is a [`Pattern`] of paths and the [`Rules`] for what comes there. [`Routes::find`] gives what a request
//! [`Matched`]: its topic, its limits, and how its records get key, partition, timestamp and headers.

mod matched;
mod pattern;
mod pointer;
mod rules;
mod table;
#[cfg(test)]
mod tests;

pub use self::matched::{Matched, Target};
pub use self::pattern::{Pattern, PatternError, Template, TemplateError};
pub use self::pointer::{Pointer, PointerError};
pub use self::rules::{HeaderRule, HeaderRuleError, Rules, Source};
pub use self::table::{Missed, Route, RouteError, Routes};
