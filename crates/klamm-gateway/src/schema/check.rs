//! Pure: holding a value against a schema.

use super::compile::Schema;
use super::equal::written;
use super::rule::{Id, Node, OfList, OfNumber, OfObject, OfText, Properties, Rule, Type};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use thiserror::Error;

/// Schemas within each other that are held against a value at a time; JSON itself goes 128 deep.
const DEPTH_MAX: usize = 400;
/// Steps that every value may take.
const STEPS: usize = 10_000;
/// Steps more for each of its bytes.
const STEPS_PER_BYTE: usize = 64;

type Members = Map<String, Value>;

/// Where a value is not what its schema says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at {pointer:?}: {reason}")]
pub struct Mismatch {
    /// The place in it, as RFC 6901 has it; empty for the whole.
    pub pointer: String,
    /// What is wrong there. Nothing of the value is repeated.
    pub reason: String,
}

/// What is wrong, on the way back to the outermost value.
struct Wrong {
    /// The innermost part first.
    path: Vec<String>,
    reason: Cow<'static, str>,
    /// It is not the value that is wrong: no alternative helps.
    given_up: bool,
}

impl Wrong {
    fn within(mut self, part: impl ToString) -> Self {
        self.path.push(part.to_string().replace('~', "~0").replace('/', "~1"));
        self
    }
}

fn wrong<T>(reason: impl Into<Cow<'static, str>>) -> Result<T, Wrong> {
    Err(Wrong { path: Vec::new(), reason: reason.into(), given_up: false })
}

fn hold(good: bool, reason: &'static str) -> Result<(), Wrong> {
    if good { Ok(()) } else { wrong(reason) }
}

impl Schema {
    /// Whether the bytes are JSON that the schema allows. Takes time in proportion to their number: what would take more is
    /// refused.
    ///
    /// # Errors
    /// The first place at which they are not.
    pub fn check(&self, json: &[u8]) -> Result<(), Mismatch> {
        let value: Value = serde_json::from_slice(json).map_err(|_| Mismatch {
            pointer: String::new(),
            reason: "it is not JSON".to_owned(),
        })?;
        let steps = STEPS.saturating_add(json.len().saturating_mul(STEPS_PER_BYTE));
        let mut checking = Checking { nodes: self.nodes(), steps, depth: 0 };
        checking.node(0, &value).map_err(|wrong| Mismatch {
            pointer: wrong.path.iter().rev().map(|part| format!("/{part}")).collect(),
            reason: wrong.reason.into_owned(),
        })
    }
}

struct Checking<'a> {
    nodes: &'a [Node],
    steps: usize,
    depth: usize,
}

impl<'a> Checking<'a> {
    fn node(&mut self, id: Id, value: &Value) -> Result<(), Wrong> {
        self.spend(1)?;
        if self.depth == DEPTH_MAX {
            return self.give_up();
        }
        self.depth += 1;
        let nodes = self.nodes;
        let held = match nodes.get(id) {
            Some(Node::All(rules)) => rules.iter().try_for_each(|rule| self.rule(rule, value)),
            Some(Node::Always(true)) => Ok(()),
            Some(Node::Always(false)) | None => wrong("nothing may stand here"),
        };
        self.depth -= 1;
        held
    }

    fn spend(&mut self, steps: usize) -> Result<(), Wrong> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => self.give_up(),
        }
    }

    fn give_up<T>(&self) -> Result<T, Wrong> {
        let reason = "holding it against the schema takes too long".into();
        Err(Wrong { path: Vec::new(), reason, given_up: true })
    }

    /// Whether it is held; fails only when it cannot be found out.
    fn fits(&mut self, id: Id, value: &Value) -> Result<bool, Wrong> {
        match self.node(id, value) {
            Ok(()) => Ok(true),
            Err(wrong) if wrong.given_up => Err(wrong),
            Err(_) => Ok(false),
        }
    }

    fn rule(&mut self, rule: &Rule, value: &Value) -> Result<(), Wrong> {
        self.spend(1)?;
        match (rule, value) {
            (Rule::Type(types), _) => is_one_of(types, value),
            (Rule::Enum(all), _) => {
                let text = written(value);
                self.spend(text.len())?;
                hold(all.contains(&text), "expected one of the values that are listed")
            }
            (Rule::Number(rule), Value::Number(number)) => of_number(rule, number),
            (Rule::Text(rule), Value::String(text)) => of_text(rule, text),
            (Rule::List(rule), Value::Array(items)) => self.of_list(rule, items),
            (Rule::Object(rule), Value::Object(members)) => self.of_object(rule, members, value),
            (Rule::Number(_) | Rule::Text(_) | Rule::List(_) | Rule::Object(_), _) => Ok(()),
            (Rule::AllOf(all), _) => all.iter().try_for_each(|one| self.node(*one, value)),
            (Rule::AnyOf(all), _) => self.any_of(all, value),
            (Rule::OneOf(all), _) => {
                let mut fit = 0;
                for one in all {
                    fit += usize::from(self.fits(*one, value)?);
                }
                hold(fit == 1, "expected what exactly one of the alternatives allows")
            }
            (Rule::Not(one), _) => hold(!self.fits(*one, value)?, "expected something else"),
            (Rule::If { condition, then, otherwise }, _) => {
                let next = if self.fits(*condition, value)? { then } else { otherwise };
                next.map_or(Ok(()), |next| self.node(next, value))
            }
        }
    }

    fn any_of(&mut self, all: &[Id], value: &Value) -> Result<(), Wrong> {
        for one in all {
            if self.fits(*one, value)? {
                return Ok(());
            }
        }
        wrong("expected what one of the alternatives allows")
    }

    fn of_list(&mut self, rule: &OfList, items: &[Value]) -> Result<(), Wrong> {
        match rule {
            OfList::Items(count) => {
                hold(count.has(items.len()), "there are too few items or too many")
            }
            OfList::Unique => {
                let mut seen = BTreeSet::new();
                for item in items {
                    let text = written(item);
                    self.spend(text.len())?;
                    hold(seen.insert(text), "two items are the same")?;
                }
                Ok(())
            }
            OfList::Prefix(schemas) => {
                for (at, (item, schema)) in items.iter().zip(schemas).enumerate() {
                    self.node(*schema, item).map_err(|wrong| wrong.within(at))?;
                }
                Ok(())
            }
            OfList::Rest { from, schema } => {
                for (at, item) in items.iter().enumerate().skip(*from) {
                    self.node(*schema, item).map_err(|wrong| wrong.within(at))?;
                }
                Ok(())
            }
            OfList::Contains { schema, count } => {
                let mut fit = 0;
                for item in items {
                    fit += usize::from(self.fits(*schema, item)?);
                }
                hold(count.has(fit), "too few items or too many are what it has to contain")
            }
        }
    }

    fn of_object(
        &mut self,
        rule: &OfObject,
        members: &Members,
        value: &Value,
    ) -> Result<(), Wrong> {
        match rule {
            OfObject::Members(count) => {
                hold(count.has(members.len()), "there are too few members or too many")
            }
            OfObject::Required(names) => self.required(names, members),
            OfObject::Properties(properties) => self.properties(properties, members),
            OfObject::Names(schema) => {
                for name in members.keys() {
                    let text = Value::String(name.clone());
                    self.node(*schema, &text).map_err(|wrong| wrong.within(name))?;
                }
                Ok(())
            }
            OfObject::DependentRequired(all) => {
                let mut there = all.iter().filter(|(name, _)| members.contains_key(*name));
                there.try_for_each(|(_, names)| self.required(names, members))
            }
            OfObject::DependentSchemas(all) => {
                let mut there = all.iter().filter(|(name, _)| members.contains_key(*name));
                there.try_for_each(|(_, schema)| self.node(*schema, value))
            }
        }
    }

    fn required(&mut self, names: &[String], members: &Members) -> Result<(), Wrong> {
        self.spend(names.len())?;
        match names.iter().find(|name| !members.contains_key(*name)) {
            Some(name) => wrong(format!("{name:?} is missing")),
            None => Ok(()),
        }
    }

    fn properties(&mut self, properties: &Properties, members: &Members) -> Result<(), Wrong> {
        for (name, value) in members {
            self.spend(1 + properties.patterns.len())?;
            let named = properties.named.get(name).into_iter();
            let like = properties.patterns.iter().filter(|(pattern, _)| pattern.is_in(name));
            let mut own: Vec<Id> = named.chain(like.map(|(_, schema)| schema)).copied().collect();
            if own.is_empty() {
                own.extend(properties.others);
            }
            let mut held = own.into_iter();
            held.try_for_each(|id| self.node(id, value)).map_err(|wrong| wrong.within(name))?;
        }
        Ok(())
    }
}

fn is_one_of(types: &[Type], value: &Value) -> Result<(), Wrong> {
    if types.iter().any(|one| one.has(value)) {
        return Ok(());
    }
    let names: Vec<_> = types.iter().copied().map(Type::name).collect();
    wrong(format!("expected {}", names.join(" or ")))
}

fn of_number(rule: &OfNumber, number: &Number) -> Result<(), Wrong> {
    match rule {
        OfNumber::Bound { bound, good, .. } if good.contains(&compare(number, bound)) => Ok(()),
        OfNumber::Bound { bound, words, .. } => wrong(format!("expected {words} {bound}")),
        OfNumber::MultipleOf(unit) if is_multiple(number, unit) => Ok(()),
        OfNumber::MultipleOf(unit) => wrong(format!("expected a multiple of {unit}")),
    }
}

fn of_text(rule: &OfText, text: &str) -> Result<(), Wrong> {
    match rule {
        OfText::Length(count) => {
            hold(count.has(text.chars().count()), "the text is too short or too long")
        }
        OfText::Pattern(pattern) => {
            hold(pattern.is_in(text), "the text does not match the pattern")
        }
    }
}

/// Integers are compared exactly, everything else as doubles.
fn compare(one: &Number, other: &Number) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_i128(), other.as_i128()) {
        return one.cmp(&other);
    }
    let double = |number: &Number| number.as_f64().unwrap_or(f64::INFINITY);
    double(one).total_cmp(&double(other))
}

fn is_multiple(number: &Number, unit: &Number) -> bool {
    if let (Some(number), Some(unit)) = (number.as_i128(), unit.as_i128()) {
        return number % unit == 0;
    }
    let (Some(number), Some(unit)) = (number.as_f64(), unit.as_f64()) else { return false };
    let times = number / unit;
    // 0.3 is three times 0.1, although not for doubles.
    (times - times.round()).abs() <= times.abs().max(1.0) * 1e-9
}
