//! Pure: patterns of paths, and texts that are filled from them.

use crate::format::decode_percent;
use std::sync::Arc;
use thiserror::Error;

/// How many parts a pattern may have.
const PARTS_MAX: usize = 16;
/// Bytes of a pattern.
const LENGTH_MAX: usize = 512;

/// A pattern of paths, as `/shops/{shop}/orders`: a part in braces stands for any one part that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Arc<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Named(Box<str>),
}

/// Why a text is no pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It does not begin at the root.
    #[error("a path begins with /")]
    Relative,
    /// It is longer than any path it should match.
    #[error("a path has at most {PARTS_MAX} parts and {LENGTH_MAX} bytes")]
    Long,
    /// A part that no path has.
    #[error("{0:?} is not a part of a path: letters, digits and - . _ ~ or a name in braces")]
    Part(String),
    /// A name twice.
    #[error("{{{0}}} stands in it twice")]
    Twice(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let inner = text.strip_prefix('/').ok_or(PatternError::Relative)?;
        if text.len() > LENGTH_MAX || inner.split('/').count() > PARTS_MAX {
            return Err(PatternError::Long);
        }
        let mut parts: Vec<Part> = Vec::new();
        for text in inner.split('/') {
            let part = part(text).ok_or_else(|| PatternError::Part(text.to_owned()))?;
            if let Part::Named(name) = &part
                && parts.contains(&part)
            {
                return Err(PatternError::Twice(name.to_string()));
            }
            parts.push(part);
        }
        Ok(Self { text: text.into(), parts })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The names in braces, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Named(name) => Some(&**name),
            Part::Literal(_) => None,
        })
    }

    /// What stands for the names if `path`, as it came in a request, is of this pattern.
    pub(super) fn capture(&self, path: &str) -> Option<Vec<String>> {
        let mut captured = Vec::new();
        let mut given = path.strip_prefix('/')?.split('/');
        for part in &self.parts {
            let given = given.next()?;
            match part {
                Part::Literal(literal) if **literal == *given => {}
                Part::Literal(literal) if decoded(given)? == **literal => {}
                Part::Literal(_) => return None,
                Part::Named(_) if given.is_empty() => return None,
                Part::Named(_) => captured.push(decoded(given)?),
            }
        }
        given.next().is_none().then_some(captured)
    }

    /// Whether both are patterns of exactly the same paths.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Part, &Part)| match (one, other) {
            (Part::Literal(one), Part::Literal(other)) => one == other,
            (Part::Named(_), Part::Named(_)) => true,
            _ => false,
        };
        self.parts.len() == other.parts.len() && self.parts.iter().zip(&other.parts).all(same)
    }

    /// Sorts those before others that say more about a path, from its beginning on.
    pub(super) fn order(&self) -> Vec<bool> {
        self.parts.iter().map(|part| matches!(part, Part::Named(_))).collect()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|named| named == name)
    }
}

fn part(text: &str) -> Option<Part> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    let named = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let part = named.map_or(Part::Literal(text.into()), |name| Part::Named(name.into()));
    let text = named.unwrap_or(text);
    let wrong = text == "." || text == ".." || (named.is_some() && text.is_empty());
    (!wrong && text.bytes().all(plain)).then_some(part)
}

fn decoded(part: &str) -> Option<String> {
    if !part.contains('%') {
        return Some(part.to_owned());
    }
    String::from_utf8(decode_percent(part.as_bytes(), false)?).ok()
}

/// A text with names of a pattern in braces, as `orders-{shop}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Arc<str>),
    Captured(usize),
}

/// Why a text cannot be filled from a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A name that the pattern has not.
    #[error("the path has no {{{0}}}")]
    Unknown(String),
    /// A brace without its other.
    #[error("a brace without its other")]
    Brace,
}

impl Template {
    /// Reads a text for what `pattern` captures.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str, pattern: &Pattern) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
            let position = pattern.position(name);
            let at = position.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            pieces.extend([Piece::Text(before.into()), Piece::Captured(at)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        let brace = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('}'));
        if pieces.iter().any(brace) { Err(TemplateError::Brace) } else { Ok(Self { pieces }) }
    }

    /// The text, if nothing has to be filled in.
    pub fn fixed(&self) -> Option<&Arc<str>> {
        match &self.pieces[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with what was captured.
    pub(super) fn fill(&self, captured: &[String]) -> Arc<str> {
        if let Some(text) = self.fixed() {
            return text.clone();
        }
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Captured(at) => captured.get(*at).cloned().unwrap_or_default(),
        };
        self.pieces.iter().map(piece).collect::<String>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn paths_are_of_a_pattern_or_not() {
        let table: [(&str, &str, Option<&[&str]>); 14] = [
            ("/", "/", Some(&[])),
            ("/orders", "/orders", Some(&[])),
            ("/orders", "/orders/", None),
            ("/orders", "/order%73", Some(&[])),
            ("/orders", "/order%7", None),
            ("/orders", "orders", None),
            ("/orders", "/orders/1", None),
            ("/shops/{shop}/orders", "/shops/7/orders", Some(&["7"])),
            ("/shops/{shop}/orders", "/shops//orders", None),
            ("/shops/{shop}/orders", "/shops/a%2Fb/orders", Some(&["a/b"])),
            ("/shops/{shop}/orders", "/shops/%ff/orders", None),
            ("/{a}/{b}", "/x/y", Some(&["x", "y"])),
            ("/{a}/{b}", "/x", None),
            ("/{a}", "", None),
        ];
        for (text, path, expected) in table {
            let captured = pattern(text).capture(path);
            let expected = expected.map(|all| all.iter().map(ToString::to_string).collect());
            assert_eq!(captured, expected, "{text} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Pattern::parse("orders"), Err(PatternError::Relative));
        assert_eq!(Pattern::parse(""), Err(PatternError::Relative));
        assert_eq!(Pattern::parse(&"/a".repeat(17)), Err(PatternError::Long));
        assert_eq!(Pattern::parse(&format!("/{}", "a".repeat(512))), Err(PatternError::Long));
        for part in ["..", ".", "{}", "{a", "a}", "a b", "a?b", "%41", "{a/b}", "ä", "{*}"] {
            let refused = Pattern::parse(&format!("/x/{part}"));
            assert!(matches!(refused, Err(PatternError::Part(_))), "{part}");
        }
        assert_eq!(Pattern::parse("/{a}/{a}"), Err(PatternError::Twice("a".into())));
    }

    #[test]
    fn patterns_are_the_same_whatever_their_names() {
        assert!(pattern("/a/{b}").is_same(&pattern("/a/{c}")));
        for other in ["/a/b", "/{a}/{b}", "/a/{b}/c", "/b/{b}"] {
            assert!(!pattern("/a/{b}").is_same(&pattern(other)), "{other}");
        }
    }

    #[test]
    fn texts_are_filled() {
        let path = pattern("/{region}/{shop}");
        let fill = |text: &str| {
            let template = Template::parse(text, &path).unwrap();
            template.fill(&["eu".to_owned(), "7".to_owned()]).to_string()
        };
        assert_eq!(fill("orders"), "orders");
        assert_eq!(fill("{shop}"), "7");
        assert_eq!(fill("o-{shop}-{region}.x"), "o-7-eu.x");
        let refused = |text| Template::parse(text, &path).unwrap_err();
        assert_eq!(refused("{shops}"), TemplateError::Unknown("shops".into()));
        assert_eq!(
            [refused("a{shop"), refused("a}b")],
            [TemplateError::Brace, TemplateError::Brace]
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[/{}a-c.%0-9]{0,20}", path in "[/a-c.%0-9]{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let captured = pattern.capture(&path);
                prop_assert!(captured.is_none_or(|all| all.len() == pattern.names().count()));
                let _ = Template::parse(&path, &pattern);
            }
        }

        #[test]
        fn what_is_captured_is_what_was_meant(name in "[^/]{1,8}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let captured = pattern("/a/{x}").capture(&format!("/a/{encoded}"));
            prop_assert_eq!(captured, Some(vec![name]));
        }
    }
}
