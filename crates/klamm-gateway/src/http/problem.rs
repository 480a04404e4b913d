//! Pure: why a request was refused, as RFC 9457 has it.

use super::path::WrongPath;
use crate::events::NotRead;
use crate::format::Rejected;
use serde_json::{Value, json};

/// Why a request was refused, for the client's program and the person behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status code.
    pub status: u16,
    /// What kind of problem it is, the same for all of a kind.
    pub title: &'static str,
    /// What it is about this time.
    pub detail: String,
    /// More that programs may read.
    more: Vec<(&'static str, Value)>,
}

impl Problem {
    /// The content type of [`Problem::body`].
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// With nothing more to say.
    pub fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), more: Vec::new() }
    }

    /// The body of the answer.
    pub fn body(&self) -> Vec<u8> {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        });
        for (name, value) in &self.more {
            body[*name] = value.clone();
        }
        body.to_string().into_bytes()
    }
}

impl From<&Rejected> for Problem {
    fn from(rejected: &Rejected) -> Self {
        let title = match rejected {
            Rejected::MediaType { .. } => "Unsupported Media Type",
            Rejected::TooMany { .. } => "Content Too Large",
            Rejected::Schema { .. } | Rejected::Field { .. } => "Unprocessable Content",
            _ => "Bad Request",
        };
        let mut problem = Self::new(rejected.status(), title, rejected.to_string());
        if let Some(position) = rejected.position() {
            problem.more = vec![
                ("offset", position.offset.into()),
                ("line", position.line.into()),
                ("column", position.column.into()),
            ];
        }
        if let Rejected::Schema { record, mismatch } = rejected {
            problem.more =
                vec![("record", (*record).into()), ("pointer", mismatch.pointer.clone().into())];
        }
        problem
    }
}

impl From<&NotRead> for Problem {
    fn from(not: &NotRead) -> Self {
        let (status, title) = match not {
            NotRead::Full(_) | NotRead::Away(_) => (503, "Service Unavailable"),
            NotRead::NoTopic | NotRead::NoPartition(_) => (404, "Not Found"),
            NotRead::TooMany | NotRead::NotInCursor(_) => (400, "Bad Request"),
            NotRead::Forbidden(_) => (403, "Forbidden"),
            NotRead::Gone { .. } => (410, "Gone"),
            NotRead::Data(_) => (502, "Bad Gateway"),
        };
        let mut problem = Self::new(status, title, not.to_string());
        if let NotRead::Gone { earliest, .. } = not {
            problem.more = vec![("earliest", earliest.as_str().into())];
        }
        problem
    }
}

impl From<WrongPath> for Problem {
    fn from(wrong: WrongPath) -> Self {
        let title = if wrong.status() == 404 { "Not Found" } else { "Bad Request" };
        Self::new(wrong.status(), title, wrong.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Envelope;
    use crate::format::incoming;
    use bytes::Bytes;

    #[test]
    fn a_body_that_is_wrong_is_told_where() {
        let headers = [("content-type", &b"application/json"[..])];
        let body = Bytes::from_static(b"{\"a\":\n 1,}");
        let wrong = incoming(headers.into_iter(), "", &body, Envelope::new("t".into(), 0));
        let problem = Problem::from(&wrong.unwrap_err());
        let body: Value = serde_json::from_slice(&problem.body()).unwrap();
        let expected = json!({
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "a character that cannot stand here at line 2, column 4",
            "offset": 9,
            "line": 2,
            "column": 4,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn each_kind_has_its_status() {
        let of = |rejected: Rejected| Problem::from(&rejected).status;
        assert_eq!(of(Rejected::MediaType { reason: "" }), 415);
        assert_eq!(of(Rejected::TooMany { limit: 1 }), 413);
        assert_eq!(of(Rejected::Empty), 400);
        assert_eq!(Problem::from(WrongPath::Unknown).status, 404);
        assert_eq!(Problem::from(WrongPath::Topic).title, "Bad Request");
    }
}
