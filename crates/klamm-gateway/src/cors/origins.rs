//! Pure: which origins are meant.

use thiserror::Error;

/// A list has no more origins.
const ORIGINS_MAX: usize = 1_000;

/// A list of origins: `https://app.example.com`, `https://*.example.com`, or `*` for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    all: bool,
    exact: Vec<String>,
    /// What stands before the star and what behind it.
    around: Vec<(String, String)>,
}

/// Why an origin is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WrongOrigin {
    /// It has a path, a star somewhere else, or is no printable text.
    #[error(
        "{0:?} is no origin: scheme://host[:port], a star in place of its first labels, or a star alone"
    )]
    Form(String),
    /// There are too many.
    #[error("a list has at most {ORIGINS_MAX} origins")]
    TooMany,
}

impl Origins {
    /// Every origin.
    pub fn all() -> Self {
        Self { all: true, exact: Vec::new(), around: Vec::new() }
    }

    /// No origin.
    pub fn none() -> Self {
        Self { all: false, exact: Vec::new(), around: Vec::new() }
    }

    /// From a list of them. Large and small letters are the same. Names without a scheme, and `null`, may be listed too.
    ///
    /// # Errors
    /// One is none, or there are too many.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, WrongOrigin> {
        if list.len() > ORIGINS_MAX {
            return Err(WrongOrigin::TooMany);
        }
        let mut origins = Self::none();
        for origin in list.iter().map(|origin| origin.as_ref().to_ascii_lowercase()) {
            let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
            let plain =
                |text: &str| !text.contains('*') && text.bytes().all(|b| b.is_ascii_graphic());
            match origin.split_once('*') {
                Some(("", "")) => origins.all = true,
                _ if host.is_empty() || host.contains(['/', '?', '#', '@']) => {
                    return Err(WrongOrigin::Form(origin));
                }
                None if plain(&origin) => origins.exact.push(origin),
                Some((before, after))
                    if (before.is_empty() || before.ends_with("://"))
                        && after.starts_with('.')
                        && plain(before)
                        && plain(after) =>
                {
                    origins.around.push((before.to_owned(), after.to_owned()));
                }
                _ => return Err(WrongOrigin::Form(origin)),
            }
        }
        Ok(origins)
    }

    /// Whether it is every origin there is.
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Whether `origin` is one of them.
    pub fn has(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let label = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let around = |(before, after): &(String, String)| {
            let middle = origin.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            middle.is_some_and(|middle| !middle.is_empty() && middle.bytes().all(label))
        };
        self.all || self.exact.contains(&origin) || self.around.iter().any(around)
    }
}

#[cfg(test)]
mod tests {
    use super::{Origins, WrongOrigin};

    #[test]
    fn origins_are_the_same_or_below_a_star() {
        let list = ["https://a.example", "https://*.b.example:8443", "null", "*.c.example"];
        let origins = Origins::parse(&list).unwrap();
        for has in [
            "https://a.example",
            "HTTPS://A.example",
            "https://x.b.example:8443",
            "https://x.y-z.b.example:8443",
            "null",
            "hooks.c.example",
        ] {
            assert!(origins.has(has), "{has}");
        }
        for has_not in [
            "",
            "http://a.example",
            "https://a.example:443",
            "https://a.example.evil.example",
            "https://evila.example",
            "https://b.example:8443",
            "https://.b.example:8443",
            "https://x.b.example",
            "https://evil.example/.b.example:8443",
            "https://evil.example#.b.example:8443",
            "c.example",
            "https://x.c.example",
        ] {
            assert!(!origins.has(has_not), "{has_not}");
        }
        let all = Origins::parse(&["*"]).unwrap();
        assert!(all.is_all() && all.has("https://anything"));
        assert!(!Origins::parse::<&str>(&[]).unwrap().has("null"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for wrong in [
            "",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "https://a*.example",
            "https://*",
            "https://*.a.*.example",
            "https://u@a.example",
            "ht*.example",
            "https://a b",
            "**",
        ] {
            let refused = Origins::parse(&["null", wrong]);
            assert_eq!(refused, Err(WrongOrigin::Form(wrong.to_owned())), "{wrong}");
        }
        assert_eq!(Origins::parse(&["null"; 1001]), Err(WrongOrigin::TooMany));
    }
}
