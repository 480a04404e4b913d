//! Pure: what a request shows of who sends it.

use super::api_key::looks_like_key;
use super::password::PASSWORD_MAX;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::SecretSlice;

/// A token or key of more bytes is none.
const TOKEN_MAX: usize = 16 << 10;

/// What a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown<'a> {
    Nothing,
    Key(&'a str),
    /// Still in Base64.
    Basic(&'a str),
    Token(&'a str),
}

/// Name and password of `Basic`.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: SecretSlice<u8>,
}

impl<'a> Shown<'a> {
    /// From the headers. Two proofs are refused: which of them counts must not depend on who reads them.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn of(headers: &'a HeaderMap) -> Result<Self, &'static str> {
        let authorization = single(headers, AUTHORIZATION.as_str())?;
        let key = single(headers, "x-api-key")?;
        match (authorization, key) {
            (None, None) => Ok(Shown::Nothing),
            (None, Some(key)) => Ok(Shown::Key(key)),
            (Some(_), Some(_)) => Err("two proofs of who asks are one too many"),
            (Some(authorization), None) => scheme(authorization),
        }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    if all.next().is_some() {
        return Err("two proofs of who asks are one too many");
    }
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().map_err(|_| "a proof of who asks is printable ASCII")?;
    if text.len() > TOKEN_MAX {
        return Err("no proof of who asks is that long");
    }
    Ok(Some(text))
}

fn scheme(authorization: &str) -> Result<Shown<'_>, &'static str> {
    let unknown = "this way to say who asks is not known: Bearer or Basic";
    let (scheme, rest) = authorization.split_once(' ').ok_or(unknown)?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(if looks_like_key(rest) { Shown::Key(rest) } else { Shown::Token(rest) })
    } else if scheme.eq_ignore_ascii_case("basic") {
        Ok(Shown::Basic(rest))
    } else {
        Err(unknown)
    }
}

/// Name and password out of the Base64 of `Basic`.
///
/// # Errors
/// It is none.
pub(crate) fn login(encoded: &str) -> Result<Login, &'static str> {
    let form = "Basic is followed by the Base64 of name:password";
    let mut decoded = BASE64_STANDARD.decode(encoded).map_err(|_| form)?;
    let colon = decoded.iter().position(|byte| *byte == b':').ok_or(form)?;
    let password = decoded.split_off(colon + 1);
    decoded.pop();
    if password.len() > PASSWORD_MAX {
        return Err("no password is that long");
    }
    let user = String::from_utf8(decoded).map_err(|_| "a user's name is UTF-8")?;
    Ok(Login { user, password: password.into() })
}

#[cfg(test)]
mod tests {
    use super::{Shown, login};
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        };
        let mut headers = HeaderMap::new();
        pairs.iter().map(pair).for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    #[test]
    fn proofs_are_told_apart() {
        let table: [(&[(&'static str, &str)], Shown<'_>); 8] = [
            (&[], Shown::Nothing),
            (&[("cookie", "a")], Shown::Nothing),
            (&[("x-api-key", "klamm_1")], Shown::Key("klamm_1")),
            (&[("x-api-key", "")], Shown::Key("")),
            (&[("authorization", "Bearer klamm_1")], Shown::Key("klamm_1")),
            (&[("authorization", "bearer  a.b.c ")], Shown::Token("a.b.c")),
            (&[("authorization", "BASIC YTpi")], Shown::Basic("YTpi")),
            (&[("authorization", "Bearer ")], Shown::Token("")),
        ];
        for (pairs, expected) in table {
            assert_eq!(Shown::of(&headers(pairs)), Ok(expected), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_doubtful_is_refused() {
        let long = "x".repeat(16 * 1024 + 1);
        let table: [&[(&'static str, &str)]; 7] = [
            &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
            &[("x-api-key", "a"), ("x-api-key", "b")],
            &[("x-api-key", "a"), ("authorization", "Bearer a")],
            &[("authorization", "Digest a")],
            &[("authorization", "a")],
            &[("authorization", "Bearer \u{e9}")],
            &[("x-api-key", &long)],
        ];
        for pairs in table {
            assert!(Shown::of(&headers(pairs)).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn logins_are_read_up_to_the_first_colon() {
        type Pair = (&'static str, &'static [u8]);
        let table: [(&str, Option<Pair>); 6] = [
            ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some(("Aladdin", b"open sesame"))),
            ("YTpiOmM=", Some(("a", b"b:c"))),
            ("Og==", Some(("", b""))),
            ("YQ==", None),
            ("/zph", None),
            ("YTpi!", None),
        ];
        for (encoded, expected) in table {
            let read = login(encoded).ok();
            let read = read.as_ref().map(|l| (l.user.as_str(), l.password.expose_secret()));
            assert_eq!(read, expected, "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers: HeaderMap = [(http::header::AUTHORIZATION, value)].into_iter().collect();
                if let Ok(Shown::Basic(encoded)) = Shown::of(&headers) {
                    let _ = login(encoded);
                }
            }
        }
    }
}
