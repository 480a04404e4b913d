use std::time::Duration;

/// Settings of a [`Client`](crate::Client): where the cluster is and how to talk to it.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(crate) bootstrap_servers: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) request_timeout: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) metadata_max_age: Duration,
    pub(crate) allow_auto_create_topics: bool,
}

impl ClientConfig {
    /// Settings with Kafka's defaults for the brokers in a comma-separated list of `host:port`.
    pub fn new(bootstrap_servers: impl AsRef<str>) -> Self {
        let servers =
            bootstrap_servers.as_ref().split(',').map(str::trim).filter(|s| !s.is_empty());
        Self {
            bootstrap_servers: servers.map(str::to_owned).collect(),
            client_id: "klamm".to_owned(),
            request_timeout: Duration::from_secs(30),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            allow_auto_create_topics: false,
        }
    }
}
