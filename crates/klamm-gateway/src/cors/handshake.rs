//! Pure: the handshake of CloudEvents' webhooks: a sender asks by OPTIONS whether it may deliver, and how often.

use super::origins::Origins;
use http::header::{ALLOW, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use std::num::NonZeroU32;
use thiserror::Error;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Which senders of CloudEvents may deliver to a route.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The names that they ask under, for example `eventemitter.example.com`.
    pub origins: Origins,
    /// How many requests a minute each may send; none: as many as it likes.
    pub rate: Option<NonZeroU32>,
}

/// The sender may not: 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("events of this sender are not taken here")]
pub struct NotAgreed;

impl Handshake {
    /// The headers of the answer if this request asks whether it may deliver, which has no body and status 200; none if it does
    /// not ask. A URL to call back is never called: whoever asks could choose it.
    ///
    /// # Errors
    /// The sender may not.
    pub fn answer(
        &self,
        method: &Method,
        request: &HeaderMap,
    ) -> Option<Result<HeaderMap, NotAgreed>> {
        let origin = request.get(REQUEST_ORIGIN).filter(|_| method == Method::OPTIONS)?;
        let known = origin.to_str().is_ok_and(|origin| self.origins.has(origin));
        Some(if known { Ok(self.agree(origin, request.get(REQUEST_RATE))) } else { Err(NotAgreed) })
    }

    fn agree(&self, origin: &HeaderValue, wanted: Option<&HeaderValue>) -> HeaderMap {
        let mut answer = HeaderMap::new();
        answer.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        answer.insert(ALLOWED_ORIGIN, origin.clone());
        let wanted = wanted.and_then(|rate| rate.to_str().ok()?.parse::<NonZeroU32>().ok());
        let rate = match self.rate {
            None => HeaderValue::from_static("*"),
            Some(most) => HeaderValue::from(wanted.map_or(most, |wanted| wanted.min(most)).get()),
        };
        answer.insert(ALLOWED_RATE, rate);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        rate: Option<u32>,
        pairs: &[(&'static str, &'static str)],
    ) -> Option<Result<HeaderMap, NotAgreed>> {
        let origins = Origins::parse(&["events.example.com", "*.trusted.example"]).unwrap();
        let handshake = Handshake { origins, rate: rate.and_then(NonZeroU32::new) };
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        handshake.answer(&Method::OPTIONS, &pairs.iter().map(pair).collect())
    }

    #[test]
    fn a_known_sender_gets_the_rate_that_is_left_for_it() {
        let origin = ("webhook-request-origin", "events.example.com");
        let table = [
            (None, "120", "*"),
            (Some(60), "120", "60"),
            (Some(60), "30", "30"),
            (Some(60), "*", "60"),
            (Some(60), "0", "60"),
            (Some(60), "-1", "60"),
        ];
        for (most, wanted, expected) in table {
            let answer = ask(most, &[origin, ("webhook-request-rate", wanted)]).unwrap().unwrap();
            assert_eq!(answer["webhook-allowed-rate"], expected, "{most:?} {wanted}");
            assert_eq!(answer["webhook-allowed-origin"], "events.example.com");
            assert_eq!(answer["allow"], "POST, OPTIONS");
        }
        let below = ask(None, &[("webhook-request-origin", "a.trusted.example")]);
        assert!(below.unwrap().is_ok());
    }

    #[test]
    fn others_are_refused_and_other_requests_ask_nothing() {
        let refused = ask(None, &[("webhook-request-origin", "evil.example")]);
        assert_eq!(refused.unwrap().unwrap_err(), NotAgreed);
        assert!(ask(None, &[("origin", "events.example.com")]).is_none());
        let handshake = Handshake { origins: Origins::all(), rate: None };
        let headers = [(REQUEST_ORIGIN, HeaderValue::from_static("x"))].into_iter().collect();
        assert!(handshake.answer(&Method::POST, &headers).is_none());
    }
}
