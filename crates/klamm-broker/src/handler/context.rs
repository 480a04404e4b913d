//! What a handler knows of the request it answers.

use crate::cluster::Cluster;
use crate::fault::{Faulty, Keys, Target, TopicFault, code_for};
use crate::journal::Change;
use crate::metrics::Hold;
use crate::nodes::Node;
use crate::security::{Operation, ResourceType, acl};
use crate::server::Session;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::Request;
use klamm_protocol::primitives::{Str, StreamedFrame, Uuid};
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
    /// Errors on purpose for parts of this request; see [`Context::fault`].
    pub(crate) topic_faults: Vec<TopicFault>,
    /// Measures the time in which there is nothing to answer yet; see [`Handle::HOLDS`].
    pub(crate) hold: Hold,
}

impl Context {
    /// The node that was asked: the one whose listener accepted the connection.
    pub(crate) fn node_id(&self) -> i32 {
        self.session.node_id
    }

    /// The nodes that are up, where clients of the same listener reach them.
    pub(crate) fn nodes_up(&self) -> Vec<Node> {
        self.cluster.nodes.up(self.session.entrance.listener)
    }

    /// The broker's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.cluster.clock.now_ms()
    }

    /// The name of a topic that a request names by one of the two; empty when the id is unknown.
    pub(crate) fn topic_name(&self, name: &Str, id: Uuid) -> Str {
        if id.is_zero() {
            return name.clone();
        }
        self.cluster.topics.by_id(id).map(|topic| topic.name().clone()).unwrap_or_default()
    }

    /// The code that a fault rule wants answered for a topic, or for a partition of it; nothing is done to it then.
    ///
    /// A handler with [`Handle::FAILS_BY_TOPIC`] asks this for all that it answers.
    pub(crate) fn fault(&self, topic: &str, partition: Option<i32>) -> Option<ErrorCode> {
        code_for(&self.topic_faults, topic, partition)
    }
}

/// Answers that carry the operations allowed say this when they were not asked to (KIP-430).
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

impl Context {
    /// Whether the client may do this to the resource. Without ACLs everybody may do everything.
    pub(crate) fn authorize(
        &self,
        operation: Operation,
        resource: ResourceType,
        name: &str,
    ) -> bool {
        let security = &self.cluster.security;
        // Asked for every topic of every request: without ACLs it costs nothing.
        if !security.has_authorizer() {
            return true;
        }
        security.allows(&self.session.login, &self.session.address(), operation, resource, name)
    }

    /// Whether the client may do this to the cluster as a whole.
    pub(crate) fn authorize_cluster(&self, operation: Operation) -> bool {
        self.authorize(operation, ResourceType::Cluster, acl::CLUSTER)
    }

    /// Lets whoever may do this to the topic go on. Who may not learns no more than that: the answer is the same whether
    /// or not there is such a topic.
    ///
    /// # Errors
    /// TOPIC_AUTHORIZATION_FAILED
    pub(crate) fn check_topic(&self, operation: Operation, name: &str) -> Result<(), ErrorCode> {
        match self.authorize(operation, ResourceType::Topic, name) {
            true => Ok(()),
            false => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        }
    }

    /// The code for a partition of a topic that the client may not do this to, or that a fault rule strikes. A topic that
    /// an id does not lead to has an empty name, and is for others to refuse.
    pub(crate) fn refusal(
        &self,
        operation: Operation,
        topic: &str,
        partition: i32,
    ) -> Option<ErrorCode> {
        let known = !topic.is_empty();
        let refused = known.then(|| self.check_topic(operation, topic).err()).flatten();
        refused.or_else(|| self.fault(topic, Some(partition)))
    }

    /// Whether [`Context::refusal`] may have anything to say.
    pub(crate) fn may_refuse(&self) -> bool {
        self.cluster.security.has_authorizer() || !self.topic_faults.is_empty()
    }

    /// Lets whoever may do this to the group go on.
    ///
    /// # Errors
    /// GROUP_AUTHORIZATION_FAILED
    pub(crate) fn check_group(&self, operation: Operation, group: &str) -> Result<(), ErrorCode> {
        match self.authorize(operation, ResourceType::Group, group) {
            true => Ok(()),
            false => Err(ErrorCode::GROUP_AUTHORIZATION_FAILED),
        }
    }

    /// The same for a transactional id.
    ///
    /// # Errors
    /// TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    pub(crate) fn check_transactional_id(
        &self,
        operation: Operation,
        id: &str,
    ) -> Result<(), ErrorCode> {
        match self.authorize(operation, ResourceType::TransactionalId, id) {
            true => Ok(()),
            false => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        }
    }

    /// The same for the cluster as a whole.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED
    pub(crate) fn check_cluster(&self, operation: Operation) -> Result<(), ErrorCode> {
        match self.authorize_cluster(operation) {
            true => Ok(()),
            false => Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
        }
    }

    /// Whether there is a resource of the type to which the client may do this.
    pub(crate) fn authorize_any(&self, operation: Operation, resource: ResourceType) -> bool {
        let security = &self.cluster.security;
        security.allows_any(&self.session.login, &self.session.address(), operation, resource)
    }

    /// What the client may do to the resource, as answers carry it when `asked`.
    pub(crate) fn authorized_operations(
        &self,
        asked: bool,
        resource: ResourceType,
        name: &str,
    ) -> i32 {
        let (security, session) = (&self.cluster.security, &self.session);
        match asked {
            false => OPERATIONS_NOT_ASKED,
            true => security.allowed_operations(&session.login, &session.address(), resource, name),
        }
    }
}

impl Context {
    /// Writes changes of state to the journal; gives what [`Context::recorded`] waits for.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR; nothing has changed then.
    pub(crate) fn record(&self, changes: Vec<Change>) -> Result<i64, ErrorCode> {
        self.cluster.journal.write(changes, self.now_ms())
    }

    /// Waits until what was written is as safe as the broker promises.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR
    pub(crate) async fn recorded(&self, written: i64) -> Result<(), ErrorCode> {
        self.cluster.journal.durable(written).await
    }
}

/// How a handler answers: with a response, or without one.
pub(crate) type Answer<T> = Result<T, NoAnswer>;

/// Why a request gets no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The client expects none (acks=0), or a fault withholds it.
    Silence,
    /// The connection ends, as Kafka does where the protocol has no way to say what is wrong.
    Disconnect,
    /// A fault: only these bytes of the answer, then the connection ends.
    Cut(StreamedFrame),
}

/// A request this broker serves; one file per API implements it.
pub(crate) trait Handle: Request<Response: Faulty + Send> + Send {
    /// The versions that are answered; others get UNSUPPORTED_VERSION.
    const SERVED: RangeInclusive<i16>;

    /// Whether [`Context::fault`] is asked for every topic or partition that is answered.
    const FAILS_BY_TOPIC: bool = false;

    /// Whether it may wait for others - records, members - for as long as the client likes: that time is kept apart,
    /// by [`Hold::during`], from the time the broker takes.
    const HOLDS: bool = false;

    /// Does what is asked. What changes state takes place before the first await: the first poll of requests of one
    /// connection is in their order, what follows may overlap.
    fn handle(self, cx: Context) -> impl Future<Output = Answer<Self::Response>> + Send;

    /// The answer when the request as a whole is refused with `code`.
    fn refuse(&self, cx: &Context, code: ErrorCode) -> Self::Response;

    /// The topics and partitions that it names, for fault rules and the log of requests.
    fn targets(&self, _cx: &Context) -> Vec<Target> {
        Vec::new()
    }

    /// The groups and transactional ids that it names, for fault rules.
    fn keys(&self) -> Keys {
        Keys::default()
    }

    /// Whether the client waits for an answer.
    fn wants_answer(&self) -> bool {
        true
    }
}
