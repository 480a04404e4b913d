//! Answers: JSON, text, and problems as RFC 9457 has them.

use crate::controls::ControlError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

/// What goes out.
pub(super) type Reply = Response<Full<Bytes>>;

/// Why a request is refused: the status, and what to say.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn reply(&self) -> Reply {
        let title = self.status.canonical_reason().unwrap_or_default();
        let status = self.status.as_u16();
        let problem = json!({"status": status, "title": title, "detail": self.detail});
        reply(self.status, "application/problem+json", problem.to_string())
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let status = match &error {
            ControlError::Rule(_) => StatusCode::BAD_REQUEST,
            ControlError::TooManyRules(_)
            | ControlError::TooManyMoves
            | ControlError::Listen { .. } => StatusCode::CONFLICT,
            ControlError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ControlError::UnknownNode(_) | ControlError::UnknownPartition(..) => {
                StatusCode::NOT_FOUND
            }
            ControlError::Journal | ControlError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Reply, Problem> {
    let text = serde_json::to_string(value)
        .map_err(|e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(reply(status, "application/json", text))
}

pub(super) fn text(text: impl Into<String>) -> Reply {
    reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into())
}

pub(super) fn nothing() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

fn reply(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
