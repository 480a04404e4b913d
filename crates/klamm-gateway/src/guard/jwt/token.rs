//! Pure: whether a token is good, and whom it names.

use super::algorithm::Algorithm;
use super::config::TokenConfig;
use super::jwks::KeySet;
use crate::guard::topics::Topics;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Keys that are tried for a token that names none.
const TRIED_MAX: usize = 8;
/// A name has no more bytes.
const NAME_MAX: usize = 1_024;

/// A token that is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Good {
    /// Whom it names.
    pub(super) name: String,
    /// Seconds since 1970 at which it is good no more.
    pub(super) until: i64,
    /// The topics that it is good for, if it has to say that.
    pub(super) topics: Option<Topics>,
}

/// Why a token is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// It names a key that is not in the set; a newer set may have it.
    UnknownKey,
    /// Whatever set there is.
    Reason(&'static str),
}

const FORM: Bad = Bad::Reason("this is neither an API key nor a signed JWT");
const ALGORITHM: Bad = Bad::Reason("the token is not signed by an algorithm that counts here");
const CRITICAL: Bad = Bad::Reason("the token asks for more than is understood here");
const SIGNATURE: Bad = Bad::Reason("the token's signature is wrong");
const CLAIMS: Bad = Bad::Reason("the token's claims are not readable");
const OVER: Bad = Bad::Reason("the token's time is over");
const EARLY: Bad = Bad::Reason("the token's time has not come");
const TIMES: Bad = Bad::Reason("the token does not say, as a number, until when it is good");
const ISSUER: Bad = Bad::Reason("the token is of another issuer");
const AUDIENCE: Bad = Bad::Reason("the token is for somebody else");
const TOPICS: Bad = Bad::Reason("the token's list of topics is not readable");
const NAME: Bad = Bad::Reason("the token does not name who shows it");

/// Checks a token at `now`, in seconds since 1970. The signature comes first: what is not signed is not believed, not even in
/// what it is refused for.
pub(super) fn check(
    config: &TokenConfig,
    keys: &KeySet,
    token: &str,
    now: i64,
) -> Result<Good, Bad> {
    let (message, signature) = token.rsplit_once('.').ok_or(FORM)?;
    let (header, claims) = message.split_once('.').ok_or(FORM)?;
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| FORM);
    let (header, claims, signature) = (part(header)?, part(claims)?, part(signature)?);
    let Object(header) = serde_json::from_slice(&header).map_err(|_| FORM)?;
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::of);
    let algorithm = algorithm.filter(|one| config.algorithms.contains(one)).ok_or(ALGORITHM)?;
    if header.contains_key("crit") {
        return Err(CRITICAL);
    }
    let id = match header.get("kid") {
        None => None,
        Some(id) => Some(id.as_str().ok_or(FORM)?),
    };
    if id.is_some_and(|id| !keys.knows(id)) {
        return Err(Bad::UnknownKey);
    }
    let signed = |key: &[u8]| algorithm.signed(key, message.as_bytes(), &signature);
    if !keys.of(algorithm, id).take(TRIED_MAX).any(signed) {
        return Err(SIGNATURE);
    }
    let Object(claims) = serde_json::from_slice(&claims).map_err(|_| CLAIMS)?;
    believe(config, &claims, now)
}

/// What the claims of a signed token come to.
fn believe(config: &TokenConfig, claims: &BTreeMap<String, Value>, now: i64) -> Result<Good, Bad> {
    let leeway = i64::try_from(config.leeway.as_secs()).unwrap_or(i64::MAX);
    let until = claims.get("exp").and_then(seconds).ok_or(TIMES)?.saturating_add(leeway);
    if until <= now {
        return Err(OVER);
    }
    if let Some(from) = claims.get("nbf")
        && seconds(from).ok_or(TIMES)? > now.saturating_add(leeway)
    {
        return Err(EARLY);
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(&config.issuer) {
        return Err(ISSUER);
    }
    let ours = |audience: &Value| {
        audience.as_str().is_some_and(|one| config.audiences.iter().any(|our| our == one))
    };
    let audience = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(ours),
        Some(one) => ours(one),
        None => false,
    };
    if !audience {
        return Err(AUDIENCE);
    }
    let usable =
        |name: &&str| (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    let name = text(&config.name_claim).filter(usable).ok_or(NAME)?;
    let topics = config.topics_claim.as_ref().map(|claim| listed(claims.get(claim)));
    Ok(Good { name: name.to_owned(), until, topics: topics.transpose()? })
}

/// The topics that a claim lists; a token without it is good for none.
fn listed(claim: Option<&Value>) -> Result<Topics, Bad> {
    let names: Vec<&str> = match claim {
        None => Vec::new(),
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(all)) => {
            all.iter().map(Value::as_str).collect::<Option<_>>().ok_or(TOPICS)?
        }
        Some(_) => return Err(TOPICS),
    };
    Topics::parse(&names).map_err(|_| TOPICS)
}

/// Seconds since 1970; fractions are cut off.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    // A number that large is the end of time, as far as anybody here is concerned.
    number.as_i64().or_else(|| number.as_f64().filter(|n| n.is_finite()).map(|n| n as i64))
}

/// A JSON object in which no name comes twice: readers differ in which of two counts.
struct Object(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(members)
    }
}
