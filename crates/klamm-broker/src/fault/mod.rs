//! Faults on purpose: rules that say which requests fail, and how; and what carries them out.

mod apply;
mod faults;
pub(crate) mod name;
mod response;
mod rule;
mod rules;
mod verdict;

pub(crate) use self::apply::{carry_out, cut, delay, spoil};
pub(crate) use self::faults::Faults;
pub(crate) use self::response::Faulty;
pub use self::rule::{Action, Rule, RuleError};
pub use self::rules::{AddedRule, TooManyRules};
pub(crate) use self::rules::{Keys, Seen, Target};
pub(crate) use self::verdict::{Course, TopicFault, code_for};
