//! What clients are answered with.

use super::refused::Refused;
use super::server::Open;
use crate::format::confluent_v2;
use crate::wal::Receipt;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// In which form a client is told what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// RFC 9457.
    Problem,
    /// As Confluent's version 2 does.
    ConfluentV2,
    /// As Confluent's version 3 does.
    ConfluentV3,
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct AnswerBody {
    whole: Bytes,
    /// The request is open until its answer is gone.
    open: Option<Open>,
}

pub(super) type Answer = Response<AnswerBody>;

impl AnswerBody {
    /// All of it at once.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { whole: bytes.into(), open: None }
    }

    /// Keeps its request open.
    pub(super) fn open(&mut self, open: Open) {
        self.open = Some(open);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let whole = std::mem::take(&mut self.whole);
        Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole))))
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole.len() as u64)
    }
}

/// An answer with a body of this type.
pub(super) fn answer(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// 202: the records are in the log; `replayed` says that they were before this request.
pub(super) fn accepted(instance: &str, receipt: Receipt, replayed: bool) -> Answer {
    let mut answer = answer(202, "application/json", accepted_body(instance, receipt));
    if replayed {
        answer.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    answer
}

fn accepted_body(instance: &str, Receipt { first, count }: Receipt) -> String {
    let mut body = String::with_capacity(instance.len() + 64);
    // Writing to a string does not fail.
    let _ = write!(body, "{{\"id\":\"{instance}/{first}\",\"count\":{count}}}");
    body
}

/// What a client is told that is refused.
pub(super) fn refused(refused: &Refused, tone: Tone) -> Answer {
    let problem = &refused.problem;
    let mut answer = match tone {
        Tone::Problem => answer(problem.status, super::Problem::CONTENT_TYPE, problem.body()),
        Tone::ConfluentV2 | Tone::ConfluentV3 => {
            let v2 = tone == Tone::ConfluentV2;
            let content_type = if v2 { confluent_v2::CONTENT_TYPE } else { "application/json" };
            let code = refused.code.unwrap_or(i32::from(problem.status));
            answer(problem.status, content_type, confluent_v2::error(code, &problem.detail))
        }
    };
    if let Some(after) = refused.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(after)));
    }
    if let Some((name, value)) = refused.header {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whole seconds, and never none: a client that comes back at once does not help.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1)
}

/// The connection is closed behind this answer.
pub(super) fn closing(answer: &mut Answer) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_request_is_told_its_id() {
        let receipt = Receipt { first: 41, count: 3 };
        assert_eq!(accepted_body("ab-cd", receipt), r#"{"id":"ab-cd/41","count":3}"#);
    }

    #[test]
    fn seconds_are_rounded_up() {
        let of = |millis| seconds(Duration::from_millis(millis));
        assert_eq!([of(0), of(1), of(1000), of(1001), of(60_000)], [1, 1, 1, 2, 60]);
    }
}
