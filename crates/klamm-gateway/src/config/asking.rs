//! Pure: who may ask before they send: `cors` and `handshake` of a route.

use super::auth::{text, texts};
use super::error::Wrong;
use super::given::{Given, Value};
use super::key::{self, Key, Takes};
use crate::cors::{AllowedHeaders, Cors, CorsConfig, Handshake, Origins};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, Method};
use std::num::NonZeroU32;
use std::time::Duration;

/// What a `cors` or a `handshake` takes.
pub(super) const TABLE: &str = "a table, see below";
const ORIGINS: &str =
    "a list of `scheme://host[:port]`, with a star in place of the first labels, or `*`";
const NAMES: &str = "a list of headers";

const DAY: Duration = Duration::from_secs(86_400);

/// The keys of `cors`.
pub(super) const CORS: &[Key<CorsConfig>] = &[
    Key {
        name: "origins",
        default: "[]",
        takes: Takes::Checked(ORIGINS, |cors, given| {
            cors.origins = origins(given)?;
            Ok(())
        }),
        doc: "Whose pages: `https://app.example.com`, `https://*.example.com`, `null`.",
    },
    Key {
        name: "methods",
        default: "[\"POST\"]",
        takes: Takes::Other("a list of methods", |cors, given| {
            let method = |name: &String| Method::from_bytes(name.as_bytes()).ok();
            cors.methods = texts(given)?.iter().map(method).collect::<Option<_>>()?;
            Some(())
        }),
        doc: "With which methods.",
    },
    Key {
        name: "headers",
        default: "[\"content-type\", \"authorization\", \"x-api-key\", \"idempotency-key\"]",
        takes: Takes::Checked("a list of headers, or `*`", |cors, given| {
            cors.headers = match text(given) {
                Some("*") => AllowedHeaders::All,
                _ => AllowedHeaders::Some(names(given)?),
            };
            Ok(())
        }),
        doc: "With which headers, beyond those that pages may always send.",
    },
    Key {
        name: "exposed",
        default: "[\"retry-after\", \"idempotency-replayed\"]",
        takes: Takes::Checked(NAMES, |cors, given| {
            cors.exposed = names(given)?;
            Ok(())
        }),
        doc: "Which headers of answers they may see, beyond those that they always may.",
    },
    Key {
        name: "credentials",
        default: "false",
        takes: Takes::Flag(|cors, credentials| cors.credentials = credentials),
        doc: "Whether cookies and the browser's logins come along; not with `*`.",
    },
    Key {
        name: "max_age",
        default: "-",
        takes: Takes::Time(Duration::ZERO, DAY, |cors, age| cors.max_age = Some(age)),
        doc: "For how long a browser may remember that it has asked. Without it: as long as it likes.",
    },
];

/// The keys of `handshake`.
pub(super) const HANDSHAKE: &[Key<Handshake>] = &[
    Key {
        name: "origins",
        default: "[]",
        takes: Takes::Checked(
            "a list of names, with a star in place of the first labels, or `*`",
            |handshake, given| {
                handshake.origins = origins(given)?;
                Ok(())
            },
        ),
        doc: "The names under which senders ask (`WebHook-Request-Origin`): `eventemitter.example.com`.",
    },
    Key {
        name: "rate",
        default: "-",
        takes: Takes::Count(1, 1_000_000, |handshake, rate| {
            handshake.rate = u32::try_from(rate).ok().and_then(NonZeroU32::new);
        }),
        doc: "Requests a minute that each is told it may send. Without it: as many as it likes.",
    },
];

/// What pages of other origins may do on a route.
pub(super) fn cors(given: &Given) -> Result<Cors, Wrong> {
    let mut config = CorsConfig {
        headers: AllowedHeaders::Some(vec![
            CONTENT_TYPE,
            AUTHORIZATION,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("idempotency-key"),
        ]),
        exposed: vec![RETRY_AFTER, HeaderName::from_static("idempotency-replayed")],
        ..CorsConfig::default()
    };
    read("cors", CORS, &mut config, given)?;
    Cors::new(config).map_err(|wrong| Wrong::new(given.at, format!("cors: {wrong}")))
}

/// Which senders of CloudEvents may deliver to a route.
pub(super) fn handshake(given: &Given) -> Result<Handshake, Wrong> {
    let mut handshake = Handshake { origins: Origins::none(), rate: None };
    read("handshake", HANDSHAKE, &mut handshake, given)?;
    Ok(handshake)
}

fn read<T>(name: &str, keys: &[Key<T>], settings: &mut T, given: &Given) -> Result<(), Wrong> {
    match &given.value {
        Value::Table(table) => key::set_all(keys, settings, table),
        _ => Err(Wrong::new(given.at, format!("{name}: expected a table: {{ origins = [...] }}"))),
    }
}

fn origins(given: &Given) -> Result<Origins, String> {
    let list = texts(given).ok_or("expected a list of origins")?;
    Origins::parse(&list).map_err(|wrong| wrong.to_string())
}

fn names(given: &Given) -> Result<Vec<HeaderName>, String> {
    let name = |name: &String| {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        parsed.map_err(|_| format!("{name:?} is not the name of a header"))
    };
    texts(given).ok_or_else(|| format!("expected {NAMES}"))?.iter().map(name).collect()
}
