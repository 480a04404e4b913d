//! Pure: what stands in a file, with its places.

use super::error::Wrong;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, and the byte at which it begins.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Real(f64),
    Flag(bool),
    List(Vec<Given>),
    Table(Table),
    /// Nothing that any key takes: a date, a number that is too large.
    Other,
}

/// Keys with their places, in alphabetical order.
pub(super) type Table = Vec<(Key, Given)>;

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) at: usize,
    pub(super) name: String,
}

impl Given {
    /// A text, number or flag as text.
    pub(super) fn to_text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::List(_) | Value::Table(_) | Value::Other => None,
        }
    }
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Table, Wrong> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Wrong::new(at, error.message().to_owned())
    })?;
    Ok(table(parsed.into_inner()))
}

fn table(table: DeTable<'_>) -> Table {
    let pair = |(name, value): (Spanned<_>, _)| {
        let at = name.span().start;
        let name: std::borrow::Cow<'_, str> = name.into_inner();
        (Key { at, name: name.into_owned() }, given(value))
    };
    table.into_iter().map(pair).collect()
}

/// It goes as deep as the parser did, which has a limit.
fn given(spanned: Spanned<DeValue<'_>>) -> Given {
    let at = spanned.span().start;
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or(Value::Other, Value::Number)
        }
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Real),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(_) => Value::Other,
        DeValue::Array(items) => Value::List(items.into_iter().map(given).collect()),
        DeValue::Table(inner) => Value::Table(table(inner)),
    };
    Given { at, value }
}
