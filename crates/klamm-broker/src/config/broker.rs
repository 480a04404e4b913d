//! Settings of the broker as a whole.

/// Settings of the broker, with Kafka's defaults unless the field says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// `num.partitions`: partitions of a topic made without a number. Default 1.
    pub num_partitions: i32,
    /// `default.replication.factor`: what a topic made without one claims to have. Default 1.
    pub default_replication_factor: i16,
    /// `auto.create.topics.enable`: whether asking for an unknown topic makes it. Default true.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`. Default true.
    pub delete_topics: bool,
    /// `message.max.bytes`: the largest batch, in bytes, of topics that do not say otherwise. Default 1,048,588.
    pub message_max_bytes: i32,
    /// `socket.request.max.bytes`: the largest request, in bytes. Default 104,857,600.
    pub socket_request_max_bytes: i32,
    /// `fetch.max.bytes`: the largest answer to a fetch, in bytes. Default 57,671,680.
    pub fetch_max_bytes: i32,
    /// `max.connections`: connections at a time, over all listeners. Default 10,000 (Kafka: no limit).
    pub max_connections: usize,
    /// `connections.max.idle.ms`: a connection without a request for so long is closed. Default 600,000.
    pub connections_max_idle_ms: u64,
    /// `transaction.max.timeout.ms`: the longest timeout a transaction may ask for. Default 900,000.
    pub transaction_max_timeout_ms: i32,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            num_partitions: 1,
            default_replication_factor: 1,
            auto_create_topics: true,
            delete_topics: true,
            message_max_bytes: 1_048_588,
            socket_request_max_bytes: 104_857_600,
            fetch_max_bytes: 57_671_680,
            max_connections: 10_000,
            connections_max_idle_ms: 600_000,
            transaction_max_timeout_ms: 900_000,
        }
    }
}
