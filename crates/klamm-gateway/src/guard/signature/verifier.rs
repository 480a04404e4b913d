//! Pure: whether a body was signed as its route asks, and what names the request.

use super::scheme::{Encoding, Hash, HmacHeader, Scheme, SignatureConfig};
use super::secrets::{Secrets, WrongSecret, decode};
use http::HeaderMap;
use serde::Deserialize;

/// Signatures in one header that are tried; senders send one for each of their secrets.
const SIGNATURES_MAX: usize = 16;
/// A name of a request has no more bytes.
const ID_MAX: usize = 1_024;

const MISSING: &str = "the request is not signed";
const WRONG: &str = "the signature does not fit this body and the secrets of the route";
const TIME: &str = "the time that is signed is missing, or no number of seconds";
const OLD: &str = "the time that is signed is too far from now";
const ID: &str = "what names the request is missing, empty or too long";
const TWICE: &str = "a header of the signature comes twice";

/// Checks the signatures of one route.
#[derive(Debug)]
pub(crate) struct Verifier {
    scheme: Scheme,
    secrets: Secrets,
    tolerance_seconds: u64,
}

/// What names the request.
type Id = Option<Vec<u8>>;

impl Verifier {
    /// With the secrets of a route.
    ///
    /// # Errors
    /// A secret has not the form that the scheme asks for.
    pub(crate) fn new(config: &SignatureConfig) -> Result<Self, WrongSecret> {
        let secrets = Secrets::new(config)?;
        let tolerance_seconds = config.tolerance.as_secs();
        Ok(Self { scheme: config.scheme.clone(), secrets, tolerance_seconds })
    }

    /// Whether `raw` was signed, at `now_ms` milliseconds since 1970.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        raw: &[u8],
        now_ms: i64,
    ) -> Result<Id, &'static str> {
        match &self.scheme {
            Scheme::StandardWebhooks => self.standard(headers, raw, now_ms),
            Scheme::GitHub => {
                let tag = header(headers, "x-hub-signature-256")?.ok_or(MISSING)?;
                self.plain(tag, "sha256=", Encoding::Hex, Hash::Sha256, raw)?;
                id(headers, "x-github-delivery")
            }
            Scheme::Shopify => {
                let tag = header(headers, "x-shopify-hmac-sha256")?.ok_or(MISSING)?;
                self.plain(tag, "", Encoding::Base64, Hash::Sha256, raw)?;
                id(headers, "x-shopify-webhook-id")
            }
            Scheme::Stripe => self.stripe(headers, raw, now_ms),
            Scheme::Slack => self.slack(headers, raw, now_ms),
            Scheme::Hmac(own) => self.hmac(own, headers, raw),
        }
    }

    fn hmac(&self, own: &HmacHeader, headers: &HeaderMap, raw: &[u8]) -> Result<Id, &'static str> {
        let tag = header(headers, own.header.as_str())?.ok_or(MISSING)?;
        self.plain(tag, &own.prefix, own.encoding, own.hash, raw)?;
        own.id.as_ref().map_or(Ok(None), |name| id(headers, name.as_str()))
    }

    /// An HMAC of the body alone.
    fn plain(
        &self,
        tag: &str,
        prefix: &str,
        encoding: Encoding,
        hash: Hash,
        raw: &[u8],
    ) -> Result<(), &'static str> {
        let tag = tag.strip_prefix(prefix).and_then(|tag| decode(encoding, tag)).ok_or(WRONG)?;
        self.secrets.have_made(hash, &[raw], &tag).then_some(()).ok_or(WRONG)
    }

    fn standard(&self, headers: &HeaderMap, raw: &[u8], now_ms: i64) -> Result<Id, &'static str> {
        let signatures = header(headers, "webhook-signature")?.ok_or(MISSING)?;
        let time = header(headers, "webhook-timestamp")?.ok_or(TIME)?;
        let name = id(headers, "webhook-id")?.ok_or(ID)?;
        self.recent(time, now_ms)?;
        let parts = [&name[..], b".", time.as_bytes(), b".", raw];
        let good = |signature: &str| match signature.split_once(',') {
            Some(("v1", tag)) => decode(Encoding::Base64, tag)
                .is_some_and(|tag| self.secrets.have_made(Hash::Sha256, &parts, &tag)),
            Some(("v1a", signature)) => decode(Encoding::Base64, signature)
                .is_some_and(|signature| self.secrets.have_signed(&parts, &signature)),
            _ => false,
        };
        let mut tried = signatures.split_ascii_whitespace().take(SIGNATURES_MAX);
        tried.any(good).then_some(Some(name)).ok_or(WRONG)
    }

    fn stripe(&self, headers: &HeaderMap, raw: &[u8], now_ms: i64) -> Result<Id, &'static str> {
        let all = header(headers, "stripe-signature")?.ok_or(MISSING)?;
        let fields = || all.split(',').filter_map(|field| field.trim().split_once('='));
        let mut times = fields().filter(|(name, _)| *name == "t").map(|(_, time)| time);
        let time = times.next().ok_or(TIME)?;
        if times.next().is_some() {
            return Err(TWICE);
        }
        self.recent(time, now_ms)?;
        let parts = [time.as_bytes(), b".", raw];
        let good = |tag: &str| {
            decode(Encoding::Hex, tag)
                .is_some_and(|tag| self.secrets.have_made(Hash::Sha256, &parts, &tag))
        };
        let tags = fields().filter(|(name, _)| *name == "v1").map(|(_, tag)| tag);
        let found = tags.take(SIGNATURES_MAX).any(good);
        found.then(|| event(raw).id.and_then(name)).ok_or(WRONG)
    }

    fn slack(&self, headers: &HeaderMap, raw: &[u8], now_ms: i64) -> Result<Id, &'static str> {
        let tag = header(headers, "x-slack-signature")?.ok_or(MISSING)?;
        let time = header(headers, "x-slack-request-timestamp")?.ok_or(TIME)?;
        self.recent(time, now_ms)?;
        let tag = tag.strip_prefix("v0=").and_then(|tag| decode(Encoding::Hex, tag));
        let parts = [b"v0:", time.as_bytes(), b":", raw];
        let good = |tag: Vec<u8>| self.secrets.have_made(Hash::Sha256, &parts, &tag);
        tag.is_some_and(good).then(|| event(raw).event_id.and_then(name)).ok_or(WRONG)
    }

    /// Whether the seconds in `time` are near enough: what was signed long ago may have been overheard.
    fn recent(&self, time: &str, now_ms: i64) -> Result<(), &'static str> {
        // Twelve digits last for thirty thousand years.
        if time.is_empty() || time.len() > 12 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TIME);
        }
        let seconds: i64 = time.parse().map_err(|_| TIME)?;
        let distance = now_ms.div_euclid(1000).abs_diff(seconds);
        (distance <= self.tolerance_seconds).then_some(()).ok_or(OLD)
    }
}

/// The one value of a header; which of two would count is not for the sender to guess.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(TWICE);
    }
    value.to_str().map(Some).map_err(|_| WRONG)
}

/// What names the request, by this header.
fn id(headers: &HeaderMap, header_name: &str) -> Result<Id, &'static str> {
    match header(headers, header_name)? {
        None => Ok(None),
        Some(value) => name(value.to_owned()).map(Some).ok_or(ID),
    }
}

fn name(id: String) -> Id {
    (1..=ID_MAX).contains(&id.len()).then(|| id.into_bytes())
}

/// What in a body names the event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    id: Option<String>,
    event_id: Option<String>,
}

/// A signed body that is no such JSON has no name; whether it may pass is for others to say.
fn event(raw: &[u8]) -> Event {
    serde_json::from_slice(raw).unwrap_or_default()
}
