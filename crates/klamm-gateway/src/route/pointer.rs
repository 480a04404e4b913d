//! Pure: places in JSON, as RFC 6901 names them.

use crate::format::json::{JsonError, Scanner};
use std::borrow::Cow;
use std::fmt::{Display, Formatter};
use thiserror::Error;

/// How deep a pointer may lead.
const STEPS_MAX: usize = 16;

/// A place in JSON, as `/customer/id` or `/items/0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    text: Box<str>,
    steps: Vec<String>,
}

/// A text that is no pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a JSON pointer is empty or begins with /, has at most {STEPS_MAX} steps, and ~ only as ~0 and ~1"
)]
pub struct PointerError;

/// What stands at a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At<'a> {
    /// Nothing, or null.
    Nothing,
    /// What a string says, or a number or boolean as it was written.
    Scalar(Cow<'a, str>),
    /// An array or an object.
    Nested,
}

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// [`PointerError`].
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let steps = match text.strip_prefix('/') {
            Some(steps) => steps.split('/').map(step).collect::<Option<Vec<_>>>(),
            None => text.is_empty().then(Vec::new),
        };
        let steps = steps.filter(|steps| steps.len() <= STEPS_MAX).ok_or(PointerError)?;
        Ok(Self { text: text.into(), steps })
    }

    /// What stands there in a text of JSON. Of fields with the same name it is the last, as most readers have it.
    ///
    /// # Errors
    /// The text is not JSON.
    pub(super) fn find<'a>(&self, json: &'a [u8]) -> Result<At<'a>, JsonError> {
        let mut value = json;
        for step in &self.steps {
            match inner(value, step)? {
                Some(inner) => value = inner,
                None => return Ok(At::Nothing),
            }
        }
        let mut scanner = Scanner::new(value)?;
        match scanner.peek() {
            Some(b'"') => Ok(At::Scalar(scanner.text()?)),
            Some(b'{' | b'[') => Ok(At::Nested),
            Some(b'n') => scanner.skip().map(|()| At::Nothing),
            _ => {
                let range = scanner.value()?;
                Ok(At::Scalar(String::from_utf8_lossy(scanner.slice(range))))
            }
        }
    }
}

impl Display for Pointer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn step(text: &str) -> Option<String> {
    let mut escapes = text.split('~').skip(1);
    let right = escapes.all(|escape| escape.starts_with(['0', '1']));
    // In this order: ~01 is ~1, not a slash.
    right.then(|| text.replace("~1", "/").replace("~0", "~"))
}

/// The bytes of what is called or numbered `step` in the value that `json` is.
fn inner<'a>(json: &'a [u8], step: &str) -> Result<Option<&'a [u8]>, JsonError> {
    let mut scanner = Scanner::new(json)?;
    let mut found = None;
    match scanner.peek() {
        Some(b'{') => scanner.fields::<JsonError>(|scanner, name| {
            let value = scanner.value()?;
            if name == step {
                found = Some(value);
            }
            Ok(())
        })?,
        Some(b'[') => {
            let (wanted, mut index) = (number(step), 0);
            scanner.items::<JsonError>(|scanner| {
                let value = scanner.value()?;
                if wanted == Some(index) {
                    found = Some(value);
                }
                index += 1;
                Ok(())
            })?;
        }
        _ => scanner.skip()?,
    }
    Ok(found.map(|range| scanner.slice(range)))
}

/// An index without zeros before it, as the standard has it.
fn number(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_found() {
        let json = br#" {"a": {"b": [10, "x\n", {"c": true}]}, "": 1, "m~n": 2, "/": 3, "d": null, "t": 1, "t": 2} "#;
        let scalar = |text: &'static str| At::Scalar(Cow::Borrowed(text));
        let table = [
            ("", At::Nested),
            ("/a", At::Nested),
            ("/a/b/0", scalar("10")),
            ("/a/b/1", scalar("x\n")),
            ("/a/b/2/c", scalar("true")),
            ("/a/b/3", At::Nothing),
            ("/a/b/00", At::Nothing),
            ("/a/b/-", At::Nothing),
            ("/a/b/1/c", At::Nothing),
            ("/", scalar("1")),
            ("/m~0n", scalar("2")),
            ("/~1", scalar("3")),
            ("/d", At::Nothing),
            ("/t", scalar("2")),
            ("/x", At::Nothing),
        ];
        for (text, expected) in table {
            assert_eq!(Pointer::parse(text).unwrap().find(json), Ok(expected), "{text}");
        }
        assert_eq!(Pointer::parse("").unwrap().find(b" 7 "), Ok(scalar("7")));
        assert!(Pointer::parse("/a").unwrap().find(b"{\"b\":1,").is_err());
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["a", "/~", "/~2", "/a~", &"/a".repeat(17)] {
            assert_eq!(Pointer::parse(text), Err(PointerError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde_json(pointer in "(/(a|b|0|1|~0|~1)){0,3}", json in r#"\{"a":(1|\[2,"b"\]|\{"b":null,"~":[0-9]\}),"b":"x","/":\[\[1\]\]\}"#) {
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            let expected = match value.pointer(&pointer) {
                None | Some(serde_json::Value::Null) => At::Nothing,
                Some(serde_json::Value::String(text)) => At::Scalar(text.clone().into()),
                Some(value @ serde_json::Value::Number(_)) => At::Scalar(value.to_string().into()),
                Some(_) => At::Nested,
            };
            prop_assert_eq!(Pointer::parse(&pointer).unwrap().find(json.as_bytes()), Ok(expected));
        }

        #[test]
        fn nothing_panics(pointer in "[/a~01]{0,8}", json in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(pointer) = Pointer::parse(&pointer) {
                let _ = pointer.find(&json);
            }
        }
    }
}
