//! W3C trace context: what a client says about the trace that its request belongs to, for the records and for our own spans.

mod context;
mod span;

pub use self::context::{TraceContext, context};
pub use self::span::span;
