//! What a handler knows of the request it answers.

use crate::cluster::Cluster;
use crate::server::Session;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::Request;
use klamm_protocol::primitives::Str;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// One request: who asks, over which connection, in which version.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Everything the nodes of this broker share.
    pub(crate) cluster: Arc<Cluster>,
    /// The connection it came over.
    pub(crate) session: Arc<Session>,
    /// The API asked for.
    pub(crate) api: ApiKey,
    /// Version of the request and of its answer.
    pub(crate) version: i16,
    /// The client's name for itself; empty when it has none.
    pub(crate) client_id: Str,
}

impl Context {
    /// The node that was asked: the one whose listener accepted the connection.
    pub(crate) fn node_id(&self) -> i32 {
        self.session.node_id
    }

    /// The broker's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.cluster.clock.now_ms()
    }
}

/// How a handler answers: with a response, or without one.
pub(crate) type Answer<T> = Result<T, NoAnswer>;

/// Why a request gets no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The client expects none (acks=0), or a fault withholds it.
    Silence,
    /// The connection ends, as Kafka does where the protocol has no way to say what is wrong.
    Disconnect,
}

/// A request this broker serves; one file per API implements it.
pub(crate) trait Handle: Request {
    /// The versions that are answered; others get UNSUPPORTED_VERSION.
    const SERVED: RangeInclusive<i16>;

    /// Does what is asked. What changes state takes place before the first await: the first poll of requests of one
    /// connection is in their order, what follows may overlap.
    fn handle(self, cx: Context) -> impl Future<Output = Answer<Self::Response>> + Send;

    /// The answer when the request as a whole is refused with `code`.
    fn refuse(&self, cx: &Context, code: ErrorCode) -> Self::Response;
}
