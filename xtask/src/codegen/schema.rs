//! Kafka's message schemas: JSON with comments, as it lies in the kafka-clients jar.

use serde::Deserialize;
use std::fmt;

/// One message file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) api_key: Option<i16>,
    #[serde(default)]
    pub(crate) listeners: Vec<String>,
    pub(crate) valid_versions: Versions,
    #[serde(default)]
    pub(crate) flexible_versions: Versions,
    #[serde(default)]
    pub(crate) latest_version_unstable: bool,
    #[serde(default)]
    pub(crate) fields: Vec<Field>,
    #[serde(default)]
    pub(crate) common_structs: Vec<Struct>,
}

/// A struct that several fields of a message share.
#[derive(Debug, Deserialize)]
pub(crate) struct Struct {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) fields: Vec<Field>,
}

/// One field, with the fields of its own struct if it has one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) versions: Versions,
    #[serde(default)]
    pub(crate) nullable_versions: Versions,
    #[serde(default)]
    pub(crate) ignorable: bool,
    pub(crate) default: Option<serde_json::Value>,
    pub(crate) tag: Option<u32>,
    #[serde(default)]
    pub(crate) tagged_versions: Versions,
    #[serde(default)]
    pub(crate) fields: Vec<Field>,
}

/// An inclusive range of versions; empty for "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl Default for Versions {
    fn default() -> Self {
        Self::NONE
    }
}

impl Versions {
    const NONE: Versions = Versions { min: 0, max: -1 };

    pub(crate) fn is_empty(self) -> bool {
        self.min > self.max
    }

    pub(crate) fn intersect(self, other: Versions) -> Versions {
        let both = Versions { min: self.min.max(other.min), max: self.max.min(other.max) };
        if both.is_empty() { Self::NONE } else { both }
    }

    /// A Rust condition on `version`, given that it is already known to lie in `known`.
    pub(crate) fn condition(self, known: Versions) -> Condition {
        let both = self.intersect(known);
        if both.is_empty() {
            return Condition::Never;
        }
        match (both.min > known.min, both.max < known.max) {
            (false, false) => Condition::Always,
            (true, false) => Condition::When(format!("version >= {}", both.min)),
            (false, true) => Condition::When(format!("version <= {}", both.max)),
            (true, true) if both.min == both.max => {
                Condition::When(format!("version == {}", both.min))
            }
            (true, true) => {
                Condition::When(format!("({}..={}).contains(&version)", both.min, both.max))
            }
        }
    }
}

/// When a piece of generated code applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    Never,
    When(String),
}

/// The opposite of the condition of a [`Condition::When`].
pub(crate) fn negated(condition: &str) -> String {
    for (operator, opposite) in [(" >= ", " < "), (" <= ", " > "), (" == ", " != ")] {
        if condition.contains(operator) {
            return condition.replace(operator, opposite);
        }
    }
    format!("!{condition}")
}

impl TryFrom<String> for Versions {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |s: &str| s.parse::<i16>().map_err(|e| format!("version range {text:?}: {e}"));
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(min) = text.strip_suffix('+') {
            return Ok(Self { min: number(min)?, max: i16::MAX });
        }
        match text.split_once('-') {
            Some((min, max)) => Ok(Self { min: number(min)?, max: number(max)? }),
            None => Ok(Self { min: number(&text)?, max: number(&text)? }),
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, i16::MAX) => write!(f, "{min}+"),
            (min, max) if min == max => write!(f, "{min}"),
            (min, max) => write!(f, "{min}-{max}"),
        }
    }
}

impl Message {
    /// Parses a message file.
    pub(crate) fn parse(text: &str) -> Result<Message, serde_json::Error> {
        let json: String = text
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        serde_json::from_str(&json)
    }

    /// Whether it is a request.
    pub(crate) fn is_request(&self) -> bool {
        self.kind == "request"
    }

    /// The name of its API: its own without "Request".
    pub(crate) fn api_name(&self) -> &str {
        self.name.strip_suffix("Request").unwrap_or(&self.name)
    }

    /// The Java class that Kafka's own generator makes of it.
    pub(crate) fn java_class(&self) -> String {
        let suffix = if self.kind == "data" { "" } else { "Data" };
        format!("org.apache.kafka.common.message.{}{suffix}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negation_is_what_a_person_would_write() {
        assert_eq!(negated("version >= 3"), "version < 3");
        assert_eq!(negated("version <= 3"), "version > 3");
        assert_eq!(negated("version == 3"), "version != 3");
        assert_eq!(negated("(3..=5).contains(&version)"), "!(3..=5).contains(&version)");
    }

    fn versions(text: &str) -> Versions {
        Versions::try_from(text.to_owned()).expect(text)
    }

    #[test]
    fn conditions_say_no_more_than_is_not_known() {
        let known = versions("2-7");
        assert_eq!(versions("0+").condition(known), Condition::Always);
        assert_eq!(versions("8+").condition(known), Condition::Never);
        assert_eq!(versions("none").condition(known), Condition::Never);
        assert_eq!(versions("3+").condition(known), Condition::When("version >= 3".into()));
        assert_eq!(versions("0-4").condition(known), Condition::When("version <= 4".into()));
        assert_eq!(versions("3").condition(known), Condition::When("version == 3".into()));
        assert_eq!(
            versions("3-5").condition(known),
            Condition::When("(3..=5).contains(&version)".into())
        );
    }
}
