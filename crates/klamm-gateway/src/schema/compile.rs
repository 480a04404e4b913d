//! Pure: from the text of a schema to what it asks.

use super::equal::written;
use super::pattern::Pattern;
use super::rule::{Count, Id, Node, OfList, OfNumber, OfObject, OfText, Properties, Rule, Type};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Schemas within a schema, itself included.
const NODES_MAX: usize = 100_000;

/// Names that ask for nothing, or that hold schemas for others to refer to.
const NOTES: [&str; 16] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
];

/// A schema, ready to be held against values. Clones are the same one.
#[derive(Clone)]
pub struct Schema {
    inner: Arc<Inner>,
}

struct Inner {
    source: Value,
    /// The first is the outermost.
    nodes: Vec<Node>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason} (at {pointer:?} of the schema)")]
pub struct WrongSchema {
    /// Where, as RFC 6901 has it.
    pub pointer: String,
    /// What is wrong, or not understood.
    pub reason: String,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// It is no JSON, or asks for something that is wrong or not understood here.
    pub fn parse(json: &[u8]) -> Result<Self, WrongSchema> {
        let told = |error: serde_json::Error| WrongSchema {
            pointer: String::new(),
            reason: error.to_string(),
        };
        let source: Value = serde_json::from_slice(json).map_err(told)?;
        let nodes = Compiler::new(&source)?.run()?;
        Ok(Self { inner: Arc::new(Inner { source, nodes }) })
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.inner.nodes
    }
}

/// Reads schema after schema; those within them, or referred to, wait for their turn.
struct Compiler<'a> {
    root: &'a Value,
    /// In draft 7 a reference stands for all that is beside it.
    draft7: bool,
    ids: BTreeMap<String, Id>,
    waiting: Vec<String>,
}

/// A schema that is being read, and where it is.
struct Place<'a> {
    members: &'a Map<String, Value>,
    pointer: String,
}

impl Place<'_> {
    fn wrong<T>(&self, reason: impl Into<String>) -> Result<T, WrongSchema> {
        Err(WrongSchema { pointer: self.pointer.clone(), reason: reason.into() })
    }

    fn expected<T>(&self, name: &str, what: &str) -> Result<T, WrongSchema> {
        self.wrong(format!("{name}: expected {what}"))
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }

    fn count(&self, name: &str) -> Result<Option<u64>, WrongSchema> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        let whole = value.as_f64().filter(|count| count.fract() == 0.0 && *count >= 0.0);
        match whole {
            Some(count) => Ok(Some(value.as_u64().unwrap_or(count as u64))),
            None => self.expected(name, "a number of things"),
        }
    }

    fn texts(&self, name: &str, value: &Value) -> Result<Vec<String>, WrongSchema> {
        let text = |item: &Value| item.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|items| items.iter().map(text).collect());
        texts.map_or_else(|| self.expected(name, "a list of texts"), Ok)
    }

    fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, WrongSchema> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => self.expected(name, "an object"),
        }
    }

    fn pattern(&self, text: &str) -> Result<Pattern, WrongSchema> {
        Pattern::parse(text).or_else(|reason| self.wrong(format!("pattern: {reason}")))
    }
}

impl<'a> Compiler<'a> {
    fn new(root: &'a Value) -> Result<Self, WrongSchema> {
        let dialect = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let draft7 = match dialect.trim_end_matches('#') {
            "" | "https://json-schema.org/draft/2020-12/schema" => false,
            "http://json-schema.org/draft-07/schema" => true,
            _ => {
                let reason = "$schema: expected that of 2020-12 or of draft 7".to_owned();
                return Err(WrongSchema { pointer: String::new(), reason });
            }
        };
        Ok(Self { root, draft7, ids: BTreeMap::new(), waiting: Vec::new() })
    }

    fn run(mut self) -> Result<Vec<Node>, WrongSchema> {
        self.id(String::new());
        let mut nodes = Vec::new();
        while let Some(pointer) = self.waiting.get(nodes.len()).cloned() {
            if nodes.len() == NODES_MAX {
                let reason = format!("there are more than {NODES_MAX} schemas in it");
                return Err(WrongSchema { pointer, reason });
            }
            nodes.push(self.node(pointer)?);
        }
        Ok(nodes)
    }

    /// The number of the schema at a place; it is read in its turn.
    fn id(&mut self, pointer: String) -> Id {
        if let Some(id) = self.ids.get(&pointer) {
            return *id;
        }
        let id = self.waiting.len();
        self.waiting.push(pointer.clone());
        self.ids.insert(pointer, id);
        id
    }

    fn node(&mut self, pointer: String) -> Result<Node, WrongSchema> {
        let members = match self.root.pointer(&pointer) {
            Some(Value::Bool(always)) => return Ok(Node::Always(*always)),
            Some(Value::Object(members)) => members,
            Some(_) => {
                let reason = "a schema is an object, true or false".to_owned();
                return Err(WrongSchema { pointer, reason });
            }
            None => {
                let reason = "$ref leads nowhere".to_owned();
                return Err(WrongSchema { pointer, reason });
            }
        };
        let place = Place { members, pointer };
        let mut rules = Vec::new();
        for (name, value) in members {
            rules.extend(self.rule(&place, name, value)?);
        }
        rules.extend(self.properties(&place)?);
        Ok(Node::All(rules))
    }

    fn rule(
        &mut self,
        place: &Place<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Option<Rule>, WrongSchema> {
        if let Some(rule) = plain(place, name, value)? {
            return Ok(Some(rule));
        }
        let rule = match name {
            "$id" if !place.pointer.is_empty() => {
                return place.wrong("$id: only the outermost schema has a name here");
            }
            "$ref" => Rule::AllOf(vec![self.reference(place, value)?]),
            "allOf" => Rule::AllOf(self.list(place, name, value)?),
            "anyOf" => Rule::AnyOf(self.list(place, name, value)?),
            "oneOf" => Rule::OneOf(self.list(place, name, value)?),
            "not" => Rule::Not(self.id(place.below(name))),
            "if" => Rule::If {
                condition: self.id(place.below(name)),
                then: self.optional(place, "then"),
                otherwise: self.optional(place, "else"),
            },
            "prefixItems" => Rule::List(OfList::Prefix(self.list(place, name, value)?)),
            "items" => {
                let before = place.members.get("prefixItems").and_then(Value::as_array);
                let (from, schema) = (before.map_or(0, Vec::len), self.id(place.below(name)));
                Rule::List(OfList::Rest { from, schema })
            }
            "contains" => {
                let from = place.count("minContains")?.unwrap_or(1);
                let count = Count { from, to: place.count("maxContains")?.unwrap_or(u64::MAX) };
                Rule::List(OfList::Contains { schema: self.id(place.below(name)), count })
            }
            "propertyNames" => Rule::Object(OfObject::Names(self.id(place.below(name)))),
            "dependentSchemas" => {
                Rule::Object(OfObject::DependentSchemas(self.named(place, name)?))
            }
            "then" | "else" | "minContains" | "maxContains" => return Ok(None),
            "properties" | "patternProperties" | "additionalProperties" => return Ok(None),
            name if NOTES.contains(&name) => return Ok(None),
            name => return place.wrong(format!("{name:?} is not understood here")),
        };
        Ok(Some(rule))
    }

    fn optional(&mut self, place: &Place<'_>, name: &str) -> Option<Id> {
        place.members.contains_key(name).then(|| self.id(place.below(name)))
    }

    fn reference(&mut self, place: &Place<'_>, value: &Value) -> Result<Id, WrongSchema> {
        let beside = |name: &String| name != "$ref" && !NOTES.contains(&name.as_str());
        if self.draft7 && place.members.keys().any(beside) {
            return place.wrong("$ref: in draft 7 nothing else counts beside it");
        }
        let to = value.as_str().and_then(|text| text.strip_prefix('#'));
        match to.filter(|to| to.is_empty() || to.starts_with('/') && !to.contains('%')) {
            Some(to) => Ok(self.id(to.to_owned())),
            None => place.expected("$ref", "a place in this file, as #/$defs/name"),
        }
    }

    fn list(
        &mut self,
        place: &Place<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Vec<Id>, WrongSchema> {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            return place.expected(name, "a list of schemas");
        };
        let below = place.below(name);
        Ok((0..items.len()).map(|at| self.id(format!("{below}/{at}"))).collect())
    }

    fn named(
        &mut self,
        place: &Place<'_>,
        name: &str,
    ) -> Result<BTreeMap<String, Id>, WrongSchema> {
        let Some(members) = place.object(name)? else { return Ok(BTreeMap::new()) };
        let within = Place { members, pointer: place.below(name) };
        let id = |key: &String| (key.clone(), self.id(within.below(key)));
        Ok(members.keys().map(id).collect())
    }

    /// What three names say together.
    fn properties(&mut self, place: &Place<'_>) -> Result<Option<Rule>, WrongSchema> {
        let named = self.named(place, "properties")?;
        let like = self.named(place, "patternProperties")?.into_iter();
        let patterns = like.map(|(text, id)| Ok((place.pattern(&text)?, id)));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        let others = self.optional(place, "additionalProperties");
        if named.is_empty() && patterns.is_empty() && others.is_none() {
            return Ok(None);
        }
        Ok(Some(Rule::Object(OfObject::Properties(Properties { named, patterns, others }))))
    }
}

/// What has no schema within it.
fn plain(place: &Place<'_>, name: &str, value: &Value) -> Result<Option<Rule>, WrongSchema> {
    let count = |least: bool| -> Result<Count, WrongSchema> {
        let count = place.count(name)?.unwrap_or_default();
        Ok(if least { Count { from: count, to: u64::MAX } } else { Count { from: 0, to: count } })
    };
    let rule = match name {
        "type" => Rule::Type(types(place, value)?),
        "const" => Rule::Enum(vec![written(value)]),
        "enum" => match value.as_array() {
            Some(all) => Rule::Enum(all.iter().map(written).collect()),
            None => return place.expected(name, "a list of values"),
        },
        "minimum" => bound(place, name, &[Equal, Greater], "at least")?,
        "maximum" => bound(place, name, &[Equal, Less], "at most")?,
        "exclusiveMinimum" => bound(place, name, &[Greater], "more than")?,
        "exclusiveMaximum" => bound(place, name, &[Less], "less than")?,
        "multipleOf" => match value {
            Value::Number(unit) if unit.as_f64().is_some_and(|unit| unit > 0.0) => {
                Rule::Number(OfNumber::MultipleOf(unit.clone()))
            }
            _ => return place.expected(name, "a number above 0"),
        },
        "minLength" | "maxLength" => Rule::Text(OfText::Length(count(name == "minLength")?)),
        "pattern" => match value.as_str() {
            Some(text) => Rule::Text(OfText::Pattern(place.pattern(text)?)),
            None => return place.expected(name, "a text"),
        },
        "minItems" | "maxItems" => Rule::List(OfList::Items(count(name == "minItems")?)),
        "uniqueItems" => match value.as_bool() {
            Some(true) => Rule::List(OfList::Unique),
            Some(false) => Rule::AllOf(Vec::new()),
            None => return place.expected(name, "true or false"),
        },
        "minProperties" | "maxProperties" => {
            Rule::Object(OfObject::Members(count(name == "minProperties")?))
        }
        "required" => Rule::Object(OfObject::Required(place.texts(name, value)?)),
        "dependentRequired" => {
            let all = place.object(name)?.into_iter().flatten();
            let names = all.map(|(key, names)| Ok((key.clone(), place.texts(name, names)?)));
            Rule::Object(OfObject::DependentRequired(names.collect::<Result<_, _>>()?))
        }
        _ => return Ok(None),
    };
    Ok(Some(rule))
}

fn bound(
    place: &Place<'_>,
    name: &str,
    good: &'static [Ordering],
    words: &'static str,
) -> Result<Rule, WrongSchema> {
    match place.members.get(name) {
        Some(Value::Number(bound)) => {
            Ok(Rule::Number(OfNumber::Bound { bound: Number::clone(bound), good, words }))
        }
        _ => place.expected(name, "a number"),
    }
}

fn types(place: &Place<'_>, value: &Value) -> Result<Vec<Type>, WrongSchema> {
    let names = match value {
        Value::String(name) => vec![name.clone()],
        value => place.texts("type", value)?,
    };
    let types = names.iter().map(|name| Type::of(name)).collect::<Option<Vec<_>>>();
    types.map_or_else(|| place.expected("type", "the name of a type, or a list of them"), Ok)
}
