//! Pure: the page as a whole.

use super::panels;
use super::summary::Summary;
use super::words::{duration, escape};
use crate::management::VERSION;
use crate::management::health::Health;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page allows itself, for its `content-security-policy`: its own style and script, and nothing from elsewhere.
#[derive(Debug, Clone)]
pub(in crate::management) struct Security(pub(in crate::management) String);

impl Security {
    /// Computes what the style and the script are recognised by.
    pub(in crate::management) fn new() -> Self {
        let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
        let (style, script) = (hash(STYLE), hash(SCRIPT));
        Self(format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ))
    }
}

/// `/`: readable without its script, which makes it live.
pub(in crate::management) fn document(summary: &Summary<'_>) -> String {
    let parts = [
        head(summary),
        "<main>".to_owned(),
        panels::troubles(summary),
        panels::tiles(summary),
        panels::log(summary),
        panels::kafka(summary),
        panels::syncs(summary),
        panels::latencies(summary),
        panels::readers(summary),
        panels::answers(summary),
        panels::refusals(summary),
        panels::errors(summary),
        "</main>".to_owned(),
        foot(),
    ];
    parts.concat()
}

fn head(summary: &Summary<'_>) -> String {
    let (class, colour) = match summary.verdict.health {
        Health::Good => ("good", "2f9e6e"),
        Health::Degraded => ("degraded", "d98a1f"),
        Health::NotReady => ("bad", "d64550"),
    };
    let state = summary.state();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{state} · klamm gateway</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'\
         %3E%3Ccircle cx='4' cy='4' r='4' fill='%23{colour}'/%3E%3C/svg%3E\">\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript><style>{STYLE}</style></head><body>\
         <header><h1>klamm <span>gateway</span></h1>\
         <p id=\"state\" data-live role=\"status\"><span class=\"state {class}\">{state}</span></p>\
         <p id=\"since\" data-live class=\"since\">{}</p>\
         <p id=\"stale\" class=\"stale\" role=\"alert\" hidden>the gateway does not answer</p></header>",
        since(summary)
    )
}

fn since(summary: &Summary<'_>) -> String {
    let log = match &*summary.observed.log {
        "" => String::new(),
        id => format!("log <code>{}</code> · ", escape(id)),
    };
    format!("{log}version {} · up {}", VERSION, duration(summary.uptime_seconds().floor()))
}

fn foot() -> String {
    format!(
        "<footer><p>Charts show the last five minutes, histograms the last one.</p><nav aria-label=\"Other pages\">\
         <a href=\"metrics\">metrics</a> <a href=\"status.json\">status.json</a> <a href=\"readyz\">readyz</a></nav>\
         </footer><script>{SCRIPT}</script></body></html>"
    )
}
