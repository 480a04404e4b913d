//! What is at each path.

use super::observed::Observe;
use super::status::{History, Security, Summary, document, json};
use super::{health, metrics};
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use klamm_metrics::Process;
use parking_lot::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// What goes out.
pub(super) type Page = Response<Full<Bytes>>;

const PLAIN: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the pages are about.
pub(super) struct Site {
    gateway: Box<dyn Observe>,
    history: Mutex<History>,
    began: Instant,
    security: Security,
}

impl Site {
    pub(super) fn new(gateway: impl Observe) -> Self {
        Self {
            gateway: Box::new(gateway),
            history: Mutex::default(),
            began: Instant::now(),
            security: Security::new(),
        }
    }

    /// Keeps how it is now for the charts.
    pub(super) fn sample(&self) {
        let observed = self.gateway.observe();
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.history.lock().push(at, &observed);
    }

    fn summary<T>(&self, of: impl FnOnce(&Summary<'_>) -> T) -> T {
        let observed = self.gateway.observe();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        let history = self.history.lock();
        of(&Summary::new(&observed, &history, Process::read(), now_ms))
    }
}

/// Answers a request to look at something; nothing can be changed here.
pub(super) fn answer(method: &Method, path: &str, site: &Site) -> Page {
    if method != Method::GET && method != Method::HEAD {
        let mut page = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "look, do not touch\n");
        page.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return page;
    }
    match path {
        "/" => status(site),
        "/status.json" => page(StatusCode::OK, "application/json", site.summary(json)),
        "/livez" => probe(health::live()),
        "/startupz" => probe(health::started(&site.gateway.observe())),
        "/readyz" => probe(health::ready(&site.gateway.observe())),
        "/metrics" => {
            let text = metrics::page(&site.gateway.observe(), &Process::read());
            page(StatusCode::OK, PROMETHEUS, text)
        }
        _ => page(
            StatusCode::NOT_FOUND,
            PLAIN,
            "here are / /status.json /metrics /livez /readyz /startupz\n",
        ),
    }
}

fn status(site: &Site) -> Page {
    let mut page = page(StatusCode::OK, "text/html; charset=utf-8", site.summary(document));
    if let Ok(policy) = HeaderValue::from_str(&site.security.0) {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    page
}

fn probe((yes, text): (bool, String)) -> Page {
    let status = if yes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    page(status, PLAIN, text)
}

fn page(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    page
}
