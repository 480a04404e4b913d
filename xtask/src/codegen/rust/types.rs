//! How the schema's types, names and defaults are written in Rust.

use super::super::schema::Field;

/// Rust type and the verb of encoder and decoder.
pub(super) fn primitive(kind: &str) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        "bool" => ("bool", "bool"),
        "int8" => ("i8", "i8"),
        "int16" => ("i16", "i16"),
        "uint16" => ("u16", "u16"),
        "int32" => ("i32", "i32"),
        "uint32" => ("u32", "u32"),
        "int64" => ("i64", "i64"),
        "float64" => ("f64", "f64"),
        "uuid" => ("Uuid", "uuid"),
        _ => return None,
    })
}

/// What an array type is an array of; any other type itself.
pub(super) fn element(kind: &str) -> &str {
    kind.strip_prefix("[]").unwrap_or(kind)
}

/// The Rust type of a field.
pub(super) fn rust_type(f: &Field) -> String {
    let base = base_type(&f.kind);
    if f.nullable_versions.is_empty() { base } else { format!("Option<{base}>") }
}

fn base_type(kind: &str) -> String {
    match kind {
        "string" => "Str".to_owned(),
        "bytes" => "Bytes".to_owned(),
        "records" => "Records".to_owned(),
        _ if kind.starts_with("[]") => format!("Vec<{}>", base_type(element(kind))),
        _ => primitive(kind).map_or(kind, |(t, _)| t).to_owned(),
    }
}

/// The schema's default of a field as a Rust expression.
pub(super) fn default_value(f: &Field) -> String {
    let text = match &f.default {
        None => "",
        Some(serde_json::Value::String(s)) => s.as_str(),
        Some(other) => &other.to_string(),
    };
    if text == "null" {
        return "None".to_owned();
    }
    let value = plain_default(&f.kind, text);
    if f.nullable_versions.is_empty() { value } else { format!("Some({value})") }
}

fn plain_default(kind: &str, text: &str) -> String {
    match kind {
        "string" if text.is_empty() => "Str::default()".to_owned(),
        "string" => format!("Str::from_static({text:?})"),
        "bytes" => "Bytes::new()".to_owned(),
        "records" => "Records::default()".to_owned(),
        "uuid" => "Uuid::ZERO".to_owned(),
        "bool" => (text == "true").to_string(),
        "float64" if text.is_empty() => "0.0".to_owned(),
        "float64" => format!("{text}_f64"),
        _ if kind.starts_with("[]") => "Vec::new()".to_owned(),
        _ if primitive(kind).is_some() => integer(text),
        _ => format!("{kind}::default()"),
    }
}

fn integer(text: &str) -> String {
    match text.strip_prefix("0x").map(|hex| i64::from_str_radix(hex, 16)) {
        Some(Ok(n)) => n.to_string(),
        _ if text.is_empty() => "0".to_owned(),
        _ => text.to_owned(),
    }
}

/// A Rust condition: the field has another value than its default.
pub(super) fn is_not_default(f: &Field) -> String {
    let field = format!("self.{}", ident(&f.name));
    match default_value(f).as_str() {
        "None" => format!("{field}.is_some()"),
        "Vec::new()" | "Bytes::new()" | "Str::default()" | "Records::default()" => {
            format!("!{field}.is_empty()")
        }
        "false" => field,
        "true" => format!("!{field}"),
        default => format!("{field} != {default}"),
    }
}

/// A schema name as a Rust field or module name.
pub(crate) fn ident(name: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let after_lower = i > 0 && !chars[i - 1].is_uppercase();
        let before_lower = i > 0 && chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        if c.is_uppercase() && i > 0 && (after_lower || before_lower) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    match out.as_str() {
        "type" | "match" => format!("r#{out}"),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::{ident, integer};

    #[test]
    fn names_become_snake_case() {
        assert_eq!(ident("TimeoutMs"), "timeout_ms");
        assert_eq!(ident("CRC"), "crc");
        assert_eq!(ident("ISRNodes"), "isr_nodes");
        assert_eq!(ident("topicId"), "topic_id");
        assert_eq!(ident("Type"), "r#type");
    }

    #[test]
    fn integers_may_be_hexadecimal_or_absent() {
        assert_eq!(integer("0x7fffffff"), "2147483647");
        assert_eq!(integer("-1"), "-1");
        assert_eq!(integer(""), "0");
    }
}
