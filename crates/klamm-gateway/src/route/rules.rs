//! Pure: what becomes of a request at a route.

use super::pointer::Pointer;
use crate::ack::Ack;
use crate::schema::Schema;
use ::http::HeaderName;
use bytes::Bytes;
use std::sync::Arc;
use thiserror::Error;

/// Bytes of a body that are taken unless a route says otherwise, after decompression.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// Headers that speak of one connection or prove who sends; neither is for a record.
const NEVER_COPIED: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
];
/// Names of record headers that are the gateway's own begin like this.
const OWN: &str = "klamm-";

/// What becomes of a request at a route.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// What metrics and messages call the route; no other route is called so.
    pub name: Arc<str>,
    /// When a request is answered. Default: once its records are in the log.
    pub ack: Ack,
    /// Bytes of a body, after decompression; larger ones are refused with 413. Default 8 MiB.
    pub body_limit: usize,
    /// Whether a body that calls itself JSON or text has to be that. Default true.
    pub checked: bool,
    /// Where records get their key. Default: only from the request's query and its records themselves.
    pub key: Option<Source>,
    /// Whether a request without what `key` reads is refused. Default false: the key is null.
    pub key_required: bool,
    /// Where records get their timestamp: [`Source::Header`], [`Source::Query`] or [`Source::Json`], milliseconds since
    /// 1970 or a time as RFC 3339 has it. Default: when the request came.
    pub timestamp: Option<Source>,
    /// The partition of all records. Default: the partitioner's choice.
    pub partition: Option<i32>,
    /// Which headers of a request its records get. Default none.
    pub headers: Vec<HeaderRule>,
    /// The name of the scheme by which bodies are signed. Default none.
    pub signature: Option<Arc<str>>,
    /// What the value of every record has to be. Default: anything.
    pub schema: Option<Schema>,
    /// Whether parameters of a query that nobody knows are passed over instead of refused. Default false.
    pub ignore_query: bool,
}

impl Rules {
    /// Those of a route with this name that sets nothing else.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            ack: Ack::default(),
            body_limit: BODY_LIMIT,
            checked: true,
            key: None,
            key_required: false,
            timestamp: None,
            partition: None,
            headers: Vec::new(),
            signature: None,
            schema: None,
            ignore_query: false,
        }
    }
}

/// Where in a request something is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The first header of this name.
    Header(HeaderName),
    /// The parameter of the query with this name.
    Query(Arc<str>),
    /// The part of the path that stands for this name of the route's pattern.
    Path(Arc<str>),
    /// Each record's value, which has to be JSON.
    Json(Pointer),
    /// The IP address of who sends.
    Client,
    /// It is always this.
    Text(Bytes),
}

/// A header of requests that becomes one of records; one that came several times becomes as many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// Its name in requests.
    pub(super) from: HeaderName,
    /// Its name in records.
    pub(super) to: Arc<str>,
}

/// Why a header cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderRuleError {
    /// No header is called that.
    #[error("{0:?} is not the name of a header")]
    Name(String),
    /// It proves who sends, or speaks of a connection.
    #[error("{0} belongs to the connection or proves who sends; it is not copied into records")]
    Never(String),
    /// Records have it from the gateway.
    #[error("names of record headers that begin with {OWN} are the gateway's own")]
    Own,
}

impl HeaderRule {
    /// Copies the header `from` into records, there called `to`.
    ///
    /// # Errors
    /// [`HeaderRuleError`].
    pub fn new(from: &str, to: &str) -> Result<Self, HeaderRuleError> {
        let name = HeaderName::from_bytes(from.as_bytes());
        let from = name.map_err(|_| HeaderRuleError::Name(from.to_owned()))?;
        if NEVER_COPIED.contains(&from.as_str()) {
            return Err(HeaderRuleError::Never(from.to_string()));
        }
        if to.to_ascii_lowercase().starts_with(OWN) {
            return Err(HeaderRuleError::Own);
        }
        Ok(Self { from, to: to.into() })
    }

    /// Copies the header `name` into records, there called the same in lower case.
    ///
    /// # Errors
    /// [`HeaderRuleError`].
    pub fn same(name: &str) -> Result<Self, HeaderRuleError> {
        Self::new(name, &name.to_ascii_lowercase())
    }
}
