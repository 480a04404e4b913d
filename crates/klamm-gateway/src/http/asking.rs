//! Requests that only ask whether another one may be sent: OPTIONS of browsers and of senders of CloudEvents.

use super::answer::{self, Answer};
use super::app::App;
use super::refused::{Reason, Refused};
use crate::cors::{Cors, Handshake};
use foldhash::HashMap;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};
use std::sync::Arc;

/// Who may ask what, by the names of routes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Asking {
    /// What pages of other origins may do.
    pub cors: HashMap<Arc<str>, Cors>,
    /// Which senders of CloudEvents may deliver.
    pub handshakes: HashMap<Arc<str>, Handshake>,
}

impl App {
    /// The answer to a request that only asks; `None` for all others. No credentials are shown with it, so that no guard is
    /// asked.
    pub(super) fn asked_first(&self, parts: &Parts) -> Option<Result<Answer, Refused>> {
        if parts.method != Method::OPTIONS {
            return None;
        }
        let asking = &self.asking;
        let wanted = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        let wanted = wanted.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let route = self.routes.find(&wanted.unwrap_or(Method::POST), parts.uri.path()).ok()?;
        let name = &route.rules.name;
        let page = asking.cors.get(name);
        if let Some(told) = page.and_then(|cors| cors.preflight(&parts.method, &parts.headers)) {
            return Some(Ok(match told {
                Ok(headers) => answer::bare(204, headers),
                Err(refused) => {
                    self.counters.refused(Reason::Origin);
                    let refused =
                        Refused::new(Reason::Origin, 403, "Forbidden", refused.to_string());
                    let mut answer = answer::refused(&refused, answer::Tone::Problem);
                    Cors::vary(answer.headers_mut());
                    answer
                }
            }));
        }
        let told = asking.handshakes.get(name)?.answer(&parts.method, &parts.headers)?;
        let refused = |not: crate::cors::NotAgreed| {
            Refused::new(Reason::Origin, 403, "Forbidden", not.to_string())
        };
        Some(told.map(|headers| answer::bare(200, headers)).map_err(refused))
    }

    /// What the answers of a route have to tell the page that asked.
    pub(super) fn page(&self, route: &str, headers: &HeaderMap) -> Option<Page<'_>> {
        if self.asking.cors.is_empty() {
            return None;
        }
        let cors = self.asking.cors.get(route)?;
        let mut origin = HeaderMap::new();
        origin.extend(headers.get(ORIGIN).map(|value| (ORIGIN, value.clone())));
        Some(Page { cors, origin })
    }
}

/// The page of another origin on whose behalf a request comes.
pub(super) struct Page<'a> {
    cors: &'a Cors,
    origin: HeaderMap,
}

impl Page<'_> {
    /// Tells its browser that it may see the answer.
    pub(super) fn decorate(&self, answer: &mut Answer) {
        self.cors.decorate(&self.origin, answer.headers_mut());
    }
}
