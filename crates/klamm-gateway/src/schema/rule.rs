//! Pure: what a schema asks of a value, ready to be held against many.

use super::pattern::Pattern;
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A place in the list of schemas.
pub(super) type Id = usize;

/// A schema or one within it.
#[derive(Debug)]
pub(super) enum Node {
    /// Everything is right, or nothing is.
    Always(bool),
    /// All of these have to be held.
    All(Vec<Rule>),
}

#[derive(Debug)]
pub(super) enum Rule {
    Type(Vec<Type>),
    /// As [`written`](super::equal::written).
    Enum(Vec<String>),
    Number(OfNumber),
    Text(OfText),
    List(OfList),
    Object(OfObject),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
}

#[derive(Debug)]
pub(super) enum OfNumber {
    /// It has to be of one of these orders to the bound.
    Bound {
        bound: Number,
        good: &'static [Ordering],
        words: &'static str,
    },
    MultipleOf(Number),
}

#[derive(Debug)]
pub(super) enum OfText {
    Length(Count),
    Pattern(Pattern),
}

#[derive(Debug)]
pub(super) enum OfList {
    Items(Count),
    Unique,
    Prefix(Vec<Id>),
    /// Those from a place on.
    Rest {
        from: usize,
        schema: Id,
    },
    Contains {
        schema: Id,
        count: Count,
    },
}

#[derive(Debug)]
pub(super) enum OfObject {
    Members(Count),
    Required(Vec<String>),
    Properties(Properties),
    Names(Id),
    DependentRequired(BTreeMap<String, Vec<String>>),
    DependentSchemas(BTreeMap<String, Id>),
}

/// What the members of an object have to be.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) named: BTreeMap<String, Id>,
    pub(super) patterns: Vec<(Pattern, Id)>,
    /// Those that neither names nor patterns are about.
    pub(super) others: Option<Id>,
}

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Count {
    pub(super) fn has(self, count: usize) -> bool {
        u64::try_from(count).is_ok_and(|count| (self.from..=self.to).contains(&count))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    Object,
    Array,
    Number,
    String,
    Integer,
}

impl Type {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "object" => Self::Object,
            "array" => Self::Array,
            "number" => Self::Number,
            "string" => Self::String,
            "integer" => Self::Integer,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Object => "object",
            Self::Array => "array",
            Self::Number => "number",
            Self::String => "string",
            Self::Integer => "integer",
        }
    }

    pub(super) fn has(self, value: &Value) -> bool {
        match value {
            Value::Null => self == Self::Null,
            Value::Bool(_) => self == Self::Boolean,
            Value::Object(_) => self == Self::Object,
            Value::Array(_) => self == Self::Array,
            Value::String(_) => self == Self::String,
            Value::Number(number) => {
                self == Self::Number || self == Self::Integer && is_whole(number)
            }
        }
    }
}

/// 1.0 is an integer, too.
fn is_whole(number: &Number) -> bool {
    number.as_f64().is_none_or(|number| number.fract() == 0.0)
}
