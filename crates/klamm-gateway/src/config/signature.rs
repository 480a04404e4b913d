//! Who may use a route: `access` and `signature`.

use super::auth::text;
use super::error::Wrong;
use super::given::{Given, Value};
use super::key::{self, Key, Takes};
use super::secret::{SECRET, secret};
use crate::guard::{
    Access, Allowance, Encoding, Hash, HmacHeader, Quota, Scheme, SignatureConfig, Topics,
};
use http::HeaderName;
use secrecy::SecretString;
use std::time::Duration;

/// What the access of a route takes.
pub(super) const ACCESS: &str = "known or everyone";
/// What the signature of a route takes.
pub(super) const SIGNATURE: &str = "a table, see below";

const DAY: Duration = Duration::from_secs(86_400);

/// A signature that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    scheme: Option<Scheme>,
    header: Option<HeaderName>,
    prefix: Option<String>,
    encoding: Option<Encoding>,
    hash: Option<Hash>,
    id: Option<HeaderName>,
    secrets: Vec<SecretString>,
    tolerance: Option<Duration>,
}

/// The keys of a route's `signature`.
pub(super) const KEYS: &[Key<Draft>] = &[
    Key {
        name: "scheme",
        default: "-",
        takes: Takes::Other("standard, github, stripe, shopify or slack", |draft, given| {
            draft.scheme = Some(match text(given)? {
                "standard" => Scheme::StandardWebhooks,
                "github" => Scheme::GitHub,
                "stripe" => Scheme::Stripe,
                "shopify" => Scheme::Shopify,
                "slack" => Scheme::Slack,
                _ => return None,
            });
            Some(())
        }),
        doc: "Whose signatures they are. Either this or `header`.",
    },
    Key {
        name: "secret",
        default: "-",
        takes: Takes::Checked(SECRET, |draft, given| {
            draft.secrets.push(secret(given)?);
            Ok(())
        }),
        doc: "What the sender signs with, as the sender shows it. Read at the start.",
    },
    Key {
        name: "secrets",
        default: "-",
        takes: Takes::Checked("a list of such", |draft, given| {
            let Value::List(items) = &given.value else {
                return Err(format!("expected a list, each {SECRET}"));
            };
            for item in items {
                draft.secrets.push(secret(item)?);
            }
            Ok(())
        }),
        doc: "Several of them, while one takes another's place.",
    },
    Key {
        name: "tolerance",
        default: "\"5 m\"",
        takes: Takes::Time(Duration::from_secs(1), DAY, |draft, time| draft.tolerance = Some(time)),
        doc: "How far the time that is signed may be from now, either way.",
    },
    Key {
        name: "header",
        default: "-",
        takes: Takes::Checked("the name of a header", |draft, given| {
            draft.header = Some(header(given)?);
            Ok(())
        }),
        doc: "For all others: the header that has an HMAC of the body.",
    },
    Key {
        name: "prefix",
        default: "\"\"",
        takes: Takes::Other("a text", |draft, given| {
            draft.prefix = Some(text(given)?.to_owned());
            Some(())
        }),
        doc: "With `header`: what stands before the HMAC, as `sha256=`.",
    },
    Key {
        name: "encoding",
        default: "\"hex\"",
        takes: Takes::Other("hex or base64", |draft, given| {
            draft.encoding = Some(match text(given)? {
                "hex" => Encoding::Hex,
                "base64" => Encoding::Base64,
                _ => return None,
            });
            Some(())
        }),
        doc: "With `header`: how it is written.",
    },
    Key {
        name: "hash",
        default: "\"sha256\"",
        takes: Takes::Other("sha256 or sha512", |draft, given| {
            draft.hash = Some(match text(given)? {
                "sha256" => Hash::Sha256,
                "sha512" => Hash::Sha512,
                _ => return None,
            });
            Some(())
        }),
        doc: "With `header`: its hash function.",
    },
    Key {
        name: "id",
        default: "-",
        takes: Takes::Checked("the name of a header", |draft, given| {
            draft.id = Some(header(given)?);
            Ok(())
        }),
        doc: "With `header`: the header that names the request, so that the same is not taken twice.",
    },
];

/// Who may use a route.
pub(super) fn access(given: &Given) -> Option<Access> {
    match text(given)? {
        "known" => Some(Access::Known),
        "everyone" => Some(Access::Everyone(sending())),
        _ => None,
    }
}

/// How a route's requests are signed. Says nothing of what the secrets are.
pub(super) fn signature(given: &Given) -> Result<Access, Wrong> {
    let wrong = |reason: &str| Wrong::new(given.at, format!("signature: {reason}"));
    let Value::Table(table) = &given.value else {
        return Err(wrong("expected a table: { scheme = name, secret = secret }"));
    };
    let mut draft = Draft::default();
    key::set_all(KEYS, &mut draft, table)?;
    if draft.secrets.is_empty() {
        return Err(wrong("there is no secret"));
    }
    let (secrets, tolerance) = (std::mem::take(&mut draft.secrets), draft.tolerance);
    let tolerance = tolerance.unwrap_or(SignatureConfig::TOLERANCE);
    let signature = SignatureConfig { scheme: draft.scheme().map_err(wrong)?, secrets, tolerance };
    Ok(Access::Signed { signature, allowance: sending() })
}

impl Draft {
    fn scheme(self) -> Result<Scheme, &'static str> {
        let more = self.prefix.is_some() || self.id.is_some();
        let more = more || self.encoding.is_some() || self.hash.is_some();
        match (self.scheme, self.header) {
            (Some(_), None) if more => Err("prefix, encoding, hash and id go with header"),
            (Some(scheme), None) => Ok(scheme),
            (None, Some(header)) => Ok(Scheme::Hmac(HmacHeader {
                header,
                prefix: self.prefix.unwrap_or_default(),
                encoding: self.encoding.unwrap_or(Encoding::Hex),
                hash: self.hash.unwrap_or(Hash::Sha256),
                id: self.id,
            })),
            _ => Err("either scheme or header says how it is made"),
        }
    }
}

/// A route says where its records go; nothing can be read by way of it.
fn sending() -> Allowance {
    Allowance { produce: Topics::all(), read: Topics::none(), quota: Quota::default() }
}

fn header(given: &Given) -> Result<HeaderName, String> {
    let name = text(given).ok_or("expected the name of a header")?;
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{name:?} is not the name of a header"))
}
