//! What clients are answered with.

use super::Admitted;
use super::append::Appended;
use super::refused::Refused;
use super::server::Open;
use crate::format::{Rejected, confluent_v2};
use crate::wal::Receipt;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// The content type of klamm's own answers, and of those of Confluent's version 3.
pub(super) const JSON: &str = "application/json";

/// How many lines that are wrong an answer tells of.
const REFUSED_TOLD: usize = 1000;

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
    content: Content,
    /// The request is open until its answer is gone.
    open: Option<Open>,
    /// Room that the answer takes.
    room: Option<Admitted>,
    /// It is what is in a topic.
    reads: bool,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    /// As long as they come.
    Pieces(mpsc::Receiver<Bytes>),
}

pub(super) type Answer = Response<AnswerBody>;

impl AnswerBody {
    /// All of it at once.
    fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(bytes.into()), open: None, room: None, reads: false }
    }

    /// Piece by piece.
    fn pieces(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { content: Content::Pieces(pieces), open: None, room: None, reads: false }
    }

    /// Takes room for as long as it is not gone.
    pub(super) fn hold(&mut self, room: Admitted) {
        self.room = Some(room);
    }

    /// Says that it is what is in a topic.
    pub(super) fn reads(&mut self) {
        self.reads = true;
    }

    /// Keeps its request open.
    pub(super) fn open(&mut self, mut open: Open) {
        if self.reads {
            open.reads();
        }
        self.open = Some(open);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) => {
                pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}

/// An answer that goes on for as long as `pieces` do.
pub(super) fn pieces(content_type: &'static str, pieces: mpsc::Receiver<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::pieces(pieces));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer that is all head.
pub(super) fn bare(status: u16, headers: HeaderMap) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(Bytes::new()));
    *answer.status_mut() = code(status);
    *answer.headers_mut() = headers;
    answer
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer with a body of this type.
pub(super) fn answer(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = code(status);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// 202: the records are in the log.
pub(super) fn accepted(instance: &str, appended: &Appended) -> Answer {
    answer(202, JSON, accepted_body(instance, appended.receipt))
}

fn accepted_body(instance: &str, Receipt { first, count }: Receipt) -> String {
    let mut body = String::with_capacity(instance.len() + 64);
    // Writing to a string does not fail.
    let _ = write!(body, "{{\"id\":\"{instance}/{first}\",\"count\":{count}}}");
    body
}

/// 207: the lines that are records are in the log, and these are the others, by their places: the first thousand of them.
pub(super) fn partial(
    instance: &str,
    appended: &Appended,
    refused: &[(usize, Rejected)],
) -> Answer {
    let line = |(index, rejected): &(usize, Rejected)| {
        let mut line: Value = json!({
            "index": index,
            "status": rejected.status(),
            "detail": rejected.to_string(),
        });
        if let Some(position) = rejected.position() {
            line["offset"] = position.offset.into();
            line["line"] = position.line.into();
            line["column"] = position.column.into();
        }
        line
    };
    let Receipt { first, count } = appended.receipt;
    let id = (count > 0).then(|| format!("{instance}/{first}"));
    let told: Vec<Value> = refused.iter().take(REFUSED_TOLD).map(line).collect();
    let all = refused.len();
    let body = json!({ "id": id, "count": count, "refused": told, "refused_count": all });
    answer(207, JSON, body.to_string())
}

/// What a client is told that is refused.
pub(super) fn refused(refused: &Refused, tone: Tone) -> Answer {
    let problem = &refused.problem;
    let mut answer = match tone {
        Tone::Problem => answer(problem.status, super::Problem::CONTENT_TYPE, problem.body()),
        Tone::ConfluentV2 | Tone::ConfluentV3 => {
            let v2 = tone == Tone::ConfluentV2;
            let content_type = if v2 { confluent_v2::CONTENT_TYPE } else { JSON };
            let code = refused.code.unwrap_or(i32::from(problem.status));
            answer(problem.status, content_type, confluent_v2::error(code, &problem.detail))
        }
    };
    if let Some(after) = refused.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(after)));
    }
    if let Some((name, value)) = &refused.header
        && let Ok(value) = HeaderValue::from_str(value)
    {
        answer.headers_mut().insert(*name, value);
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
