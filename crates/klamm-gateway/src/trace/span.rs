//! The span of a request.

use super::context::TraceContext;
use tracing::{Span, field};

/// The span that a request is worked on in, at level `debug`, so that it costs nothing until somebody asks for it.
///
/// `http.response.status_code` is empty until it is recorded. `route` is the name from the configuration, never the path.
pub fn span(method: &str, route: &str, context: Option<&TraceContext>) -> Span {
    let span = tracing::debug_span!(
        target: "klamm_gateway::request",
        "request",
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        trace_id = field::Empty,
        parent_id = field::Empty,
    );
    if let Some(context) = context {
        span.record("trace_id", context.trace_id());
        span.record("parent_id", context.parent_id());
    }
    span
}
