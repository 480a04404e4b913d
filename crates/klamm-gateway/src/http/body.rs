//! A request's body, taken whole: read with room for it, and decompressed.

use super::app::{App, Left};
use super::inflate::{self, Encoding};
use super::intake::{self, Taken};
use super::{Admitted, refused::Refused};
use crate::route::Rules;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, EXPECT};
use http::request::Parts;
use hyper::body::Incoming;
use std::sync::atomic::Ordering;

/// Bodies above this are worked through on a thread of their own kind, so that others are not kept waiting.
const LARGE_BYTES: usize = 256 << 10;

/// A body that is there as a whole.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    /// What the signature over it names the request by.
    pub(super) name: Option<Vec<u8>>,
    /// Room for the body while something of it is needed.
    pub(super) admitted: Admitted,
}

/// What the body of a request has to be held to.
pub(super) struct Held<'a> {
    pub(super) parts: &'a Parts,
    pub(super) rules: &'a Rules,
    pub(super) now_ms: i64,
}

/// Reads the body of a request.
pub(super) async fn whole(
    app: &App,
    held: Held<'_>,
    body: Incoming,
    left: &mut Left,
) -> Result<Whole, Refused> {
    let encoding = encoding(&held.parts.headers)?;
    let (limits, limit) = (&app.limits, held.rules.body_limit.min(app.limits.body_bytes));
    let waits = held.parts.headers.contains_key(EXPECT);
    let discarded = (!waits).then_some(&mut left.whole);
    let taken = intake::take(body, limit, limits, &app.admission, discarded).await?;
    let Taken { mut bytes, mut admitted } = taken;
    left.whole = true;
    app.counters.body_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let name = app.guard.body(Some(&held.rules.name), held.parts, &bytes, held.now_ms)?;
    if let Some(encoding) = encoding {
        let ratio = limits.inflate_ratio;
        let becomes = inflate::cap(bytes.len(), limit, ratio);
        admitted.grow(bytes.len().saturating_add(becomes))?;
        bytes = aside(becomes, move || encoding.inflate(&bytes, limit, ratio)).await?;
    }
    Ok(Whole { bytes, name, admitted })
}

/// Runs `work` on so many bytes here, or where it keeps nobody waiting if they are many.
pub(super) async fn aside<T, E>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Refused>
where
    T: Send + 'static,
    E: Send + 'static,
    Refused: From<E>,
{
    if bytes <= LARGE_BYTES {
        return Ok(work()?);
    }
    let done = tokio::task::spawn_blocking(work).await;
    let ended = |_| Refused::broken("the body could not be read");
    Ok(done.map_err(ended)??)
}

/// How the body is encoded.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Refused> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => Encoding::of(one.as_bytes()),
        _ => Err(Refused::encoding()),
    }
}
