//! Pure: `traceparent` and `tracestate`, as <https://www.w3.org/TR/trace-context/> has them, from a request to its records.
//!
//! The gateway stands between two parts of a trace and is none itself: what is valid goes on as it came. What is not is left
//! out, as if the client had sent none; a request is never refused for it.

use crate::accepted::{Accepted, AcceptedHeader};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Bytes of a `traceparent` of version 00: `00-TRACE-PARENT-FLAGS`.
const LENGTH: usize = 55;
/// Members that a `tracestate` may have.
const MAX_MEMBERS: usize = 32;
/// Bytes of a member's key, and of its value.
const MAX_PART: usize = 256;

/// The trace that a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// Of version 00, and valid.
    traceparent: String,
    tracestate: Option<String>,
}

/// What a request's headers say about its trace; `None` when they say nothing, or nothing valid.
///
/// A `tracestate` that is not valid is left out alone. A `traceparent` of a later version is read as one of version 00.
pub fn context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next()?.as_bytes();
    // Two of them: nobody can tell which one is meant.
    let traceparent = parents.next().is_none().then(|| traceparent(parent))??;
    let states = headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes);
    Some(TraceContext { traceparent, tracestate: tracestate(states) })
}

impl TraceContext {
    /// 32 hexadecimal digits, not all 0.
    pub fn trace_id(&self) -> &str {
        &self.traceparent[3..35]
    }

    /// The client's span: 16 hexadecimal digits, not all 0.
    pub fn parent_id(&self) -> &str {
        &self.traceparent[36..52]
    }

    /// Whether the client says that it recorded its span.
    pub fn is_sampled(&self) -> bool {
        hex(self.traceparent.as_bytes()[54]).is_some_and(|flags| flags & 1 == 1)
    }

    /// Gives records the headers `traceparent` and `tracestate`, those that have no `traceparent` of their own.
    pub fn carry(&self, records: &mut [Accepted]) {
        let header = |name: &str, value: &str| AcceptedHeader {
            name: name.into(),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
        };
        let state = self.tracestate.as_deref().map(|state| header(TRACESTATE, state));
        let mut carried = vec![header(TRACEPARENT, &self.traceparent)];
        carried.extend(state);
        for record in records {
            if record.headers.iter().all(|header| &*header.name != TRACEPARENT) {
                record.headers.extend(carried.iter().cloned());
            }
        }
    }
}

/// The value to pass on.
fn traceparent(value: &[u8]) -> Option<String> {
    let (known, more) = value.split_at_checked(LENGTH)?;
    let version = digits(&known[..2])?;
    let fields = [(3..35, true), (36..52, true), (53..55, false)];
    let valid = fields.into_iter().all(|(at, not_zero)| {
        known[at.start - 1] == b'-'
            && digits(&known[at.clone()]).is_some()
            && !(not_zero && known[at].iter().all(|digit| *digit == b'0'))
    });
    match version {
        _ if !valid => None,
        "00" if more.is_empty() => text(known),
        "00" | "ff" => None,
        // What a later version has behind the flags, and its other flags, mean nothing to version 00.
        _ if more.first().is_none_or(|byte| *byte == b'-') => {
            let flags = hex(known[54])? & 1;
            Some(format!("00{}0{flags}", std::str::from_utf8(&known[2..53]).ok()?))
        }
        _ => None,
    }
}

/// Lower-case hexadecimal digits.
fn digits(bytes: &[u8]) -> Option<&str> {
    let all = bytes.iter().all(|byte| hex(*byte).is_some());
    std::str::from_utf8(bytes).ok().filter(|_| all)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// All headers of this name are one list; one bad member makes it invalid as a whole.
fn tracestate<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut members: Vec<&str> = Vec::new();
    for value in values {
        for member in value.split(|byte| *byte == b',') {
            let member = std::str::from_utf8(member).ok()?.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (name, content) = member.split_once('=')?;
            let again = members.iter().any(|other| other.split('=').next() == Some(name));
            if !is_key(name) || !is_value(content) || again || members.len() == MAX_MEMBERS {
                return None;
            }
            members.push(member);
        }
    }
    (!members.is_empty()).then(|| members.join(","))
}

fn is_key(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let goes_on = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-*/@".contains(c);
    begins && name.len() <= MAX_PART && name.chars().all(goes_on) && name.matches('@').count() < 2
}

fn is_value(content: &str) -> bool {
    let allowed = |c: char| matches!(c, ' '..='~') && c != ',' && c != '=';
    !content.is_empty() && content.len() <= MAX_PART && content.chars().all(allowed)
}

#[cfg(test)]
mod tests;
