//! The decoding half of a struct.

use super::super::schema::{Condition, Field, Message, Versions};
use super::types::{element, ident, primitive};
use super::{in_line, tagged, untagged, with_flex};
use std::fmt::Write;

/// The body of `decode`.
pub(super) fn body(fields: &[Field], m: &Message) -> String {
    let valid = m.valid_versions;
    let mut body = String::new();
    for f in in_line(fields, valid) {
        let read = format!("out.{} = {};", ident(&f.name), read_field(f, valid));
        match untagged(f).condition(valid) {
            Condition::Always => body.push_str(&read),
            Condition::Never => {}
            Condition::When(when) => {
                let _ = write!(body, "if {when} {{ {read} }}");
            }
        }
    }
    match m.flexible_versions.condition(valid) {
        Condition::Never => {}
        Condition::Always => body.push_str(&read_tagged(fields, valid)),
        Condition::When(_) => {
            let _ = write!(body, "if flex {{ {} }}", read_tagged(fields, valid));
        }
    }
    let mutable = if body.contains("out.") { "mut " } else { "" };
    with_flex(&format!("let {mutable}out = Self::default(); {body} Ok(out)"), m)
}

fn read_tagged(fields: &[Field], valid: Versions) -> String {
    let mut arms = String::new();
    for (tag, f) in tagged(fields) {
        let guard = match f.tagged_versions.condition(valid) {
            Condition::When(when) => format!(" if {when}"),
            _ => String::new(),
        };
        let _ = write!(
            arms,
            "{tag}{guard} => {{ out.{} = {}; }}",
            ident(&f.name),
            read_field(f, valid)
        );
    }
    if arms.is_empty() {
        return "d.tagged(|_, _| Ok(false))?;".to_owned();
    }
    format!("d.tagged(|tag, d| {{ match tag {{ {arms} _ => return Ok(false), }} Ok(true) }})?;")
}

fn read_field(f: &Field, valid: Versions) -> String {
    let kind = f.kind.as_str();
    if f.nullable_versions.is_empty() {
        return read_value(kind, &f.name);
    }
    let nullable = f.nullable_versions.condition(f.versions.intersect(valid));
    let Some(read) = read_sized(kind, &f.name) else {
        let null = "d.i8()? < 0";
        let none = match nullable {
            Condition::Always => null.to_owned(),
            Condition::Never => return format!("Some({kind}::decode(d, version)?)"),
            Condition::When(when) => format!("{when} && {null}"),
        };
        return format!("if {none} {{ None }} else {{ Some({kind}::decode(d, version)?) }}");
    };
    let not_null = format!("Some({read}.ok_or(DecodeError::Null(\"{}\"))?)", f.name);
    match nullable {
        Condition::Always => read,
        Condition::Never => not_null,
        Condition::When(when) => format!("if {when} {{ {read} }} else {{ {not_null} }}"),
    }
}

fn read_value(kind: &str, name: &str) -> String {
    if let Some(read) = read_sized(kind, name) {
        return format!("{read}.ok_or(DecodeError::Null(\"{name}\"))?");
    }
    match primitive(kind) {
        Some((_, verb)) => format!("d.{verb}()?"),
        None => format!("{kind}::decode(d, version)?"),
    }
}

/// Reads a type whose length may say null, as an `Option`.
fn read_sized(kind: &str, name: &str) -> Option<String> {
    Some(match kind {
        "string" => "d.str(flex)?".to_owned(),
        "bytes" => "d.bytes(flex)?".to_owned(),
        "records" => "d.records(flex)?".to_owned(),
        _ => {
            let element = element(kind.strip_prefix("[]").map(|_| kind)?);
            match (primitive(element), read_sized(element, name)) {
                (Some((_, verb)), _) => format!("d.vec(flex, Decoder::{verb})?"),
                (None, Some(read)) => {
                    format!("d.vec(flex, |d| {read}.ok_or(DecodeError::Null(\"{name}\")))?")
                }
                (None, None) => format!("d.vec(flex, |d| {element}::decode(d, version))?"),
            }
        }
    })
}
