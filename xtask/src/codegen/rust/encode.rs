//! The encoding half of a struct.

use super::super::schema::{Condition, Field, Message, Versions, negated};
use super::types::{element, ident, is_not_default, primitive};
use super::{in_line, tagged, untagged, with_flex};
use std::fmt::Write;

/// The body of `encode`.
pub(super) fn body(fields: &[Field], m: &Message) -> String {
    let valid = m.valid_versions;
    let mut body = String::new();
    for f in in_line(fields, valid) {
        let write = write_field(f, valid);
        match untagged(f).condition(valid) {
            Condition::Always => body.push_str(&write),
            Condition::Never if f.ignorable => {}
            Condition::Never => body.push_str(&refuse(f)),
            Condition::When(when) => {
                // A tagged field is either written in line or with a tag; `tail` refuses the rest.
                let otherwise = if f.ignorable || f.tag.is_some() {
                    String::new()
                } else {
                    format!(" else {}", refuse(f))
                };
                let _ = write!(body, "if {when} {{ {write} }}{otherwise}");
            }
        }
    }
    body.push_str(&tail(fields, m));
    body.push_str("Ok(())");
    with_flex(&body, m)
}

/// The tagged fields that end a struct of a flexible version.
fn tail(fields: &[Field], m: &Message) -> String {
    let valid = m.valid_versions;
    let fields = tagged(fields);
    let mut out = match m.flexible_versions.condition(valid) {
        Condition::Never => String::new(),
        Condition::Always => write_tagged(&fields, valid),
        Condition::When(_) => format!("if flex {{ {} }}", write_tagged(&fields, valid)),
    };
    for (_, f) in fields.iter().filter(|(_, f)| !f.ignorable) {
        if untagged(f).condition(valid) != Condition::Never {
            continue;
        }
        if let Condition::When(when) = f.tagged_versions.condition(valid) {
            out.push_str(&refuse_if(&format!("{} && {}", negated(&when), is_not_default(f)), f));
        }
    }
    out
}

fn write_tagged(fields: &[(u32, &Field)], valid: Versions) -> String {
    if fields.is_empty() {
        return "e.put_uvarint(0);".to_owned();
    }
    let mut out = "let mut tags = 0u32;".to_owned();
    for (_, f) in fields {
        let _ = write!(out, "if {} {{ tags += 1; }}", tag_is_set(f, valid));
    }
    out.push_str("e.put_uvarint(tags);");
    for (tag, f) in fields {
        let _ = write!(
            out,
            "if {} {{ e.put_tagged({tag}, |e| {{ {} Ok(()) }})?; }}",
            tag_is_set(f, valid),
            write_field(f, valid)
        );
    }
    out
}

fn tag_is_set(f: &Field, valid: Versions) -> String {
    let set = is_not_default(f);
    match f.tagged_versions.condition(valid) {
        Condition::When(when) => format!("{when} && {set}"),
        _ => set,
    }
}

fn refuse(f: &Field) -> String {
    refuse_if(&is_not_default(f), f)
}

fn refuse_if(condition: &str, f: &Field) -> String {
    format!(
        "if {condition} {{ return Err(EncodeError::Unsupported {{ field: \"{}\", version }}); }}",
        f.name
    )
}

fn write_field(f: &Field, valid: Versions) -> String {
    let place = format!("self.{}", ident(&f.name));
    if f.nullable_versions.is_empty() {
        return write_value(&f.kind, &place, true);
    }
    let null = format!("return Err(EncodeError::Null(\"{}\"));", f.name);
    let condition = f.nullable_versions.condition(f.versions.intersect(valid));
    let check = match &condition {
        Condition::Always => String::new(),
        Condition::Never => format!("if {place}.is_none() {{ {null} }}"),
        Condition::When(when) => {
            format!("if {place}.is_none() && {} {{ {null} }}", negated(when))
        }
    };
    check + &write_nullable(&f.kind, &place, &condition)
}

fn write_nullable(kind: &str, place: &str, nullable: &Condition) -> String {
    match kind {
        "string" => format!("e.put_str({place}.as_deref(), flex)?;"),
        "bytes" => format!("e.put_bytes({place}.as_ref(), flex)?;"),
        "records" => format!("e.put_records({place}.as_ref(), flex)?;"),
        _ if kind.starts_with("[]") => format!(
            "e.put_len({place}.as_ref().map(Vec::len), flex)?; for item in {place}.iter().flatten() {{ {} }}",
            write_value(element(kind), "item", false)
        ),
        _ => {
            // Only versions that allow null have the byte that says which it is.
            let marker = format!("e.put_i8(if {place}.is_some() {{ 1 }} else {{ -1 }});");
            let marker = match nullable {
                Condition::Always => marker,
                Condition::Never => String::new(),
                Condition::When(when) => format!("if {when} {{ {marker} }}"),
            };
            format!("{marker} if let Some(item) = &{place} {{ item.encode(e, version)?; }}")
        }
    }
}

/// Writes a value that is there; `owned` when `place` is the value, not a reference to it.
fn write_value(kind: &str, place: &str, owned: bool) -> String {
    let copy = if owned { place.to_owned() } else { format!("*{place}") };
    let borrow = if owned { format!("&{place}") } else { place.to_owned() };
    match kind {
        "string" => format!("e.put_str(Some({borrow}), flex)?;"),
        "bytes" => format!("e.put_bytes(Some({borrow}), flex)?;"),
        "records" => format!("e.put_records(Some({borrow}), flex)?;"),
        _ if kind.starts_with("[]") => format!(
            "e.put_len(Some({place}.len()), flex)?; for item in {borrow} {{ {} }}",
            write_value(element(kind), "item", false)
        ),
        _ => match primitive(kind) {
            Some((_, verb)) => format!("e.put_{verb}({copy});"),
            None => format!("{place}.encode(e, version)?;"),
        },
    }
}
