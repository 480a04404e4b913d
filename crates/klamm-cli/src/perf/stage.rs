//! The broker under a measurement: one that was named, or one in this process.

use crate::connect::connect;
use crate::embedded::Embedded;
use crate::failure::{FAILED, Failure};
use klamm::admin::NewTopic;
use klamm::{Client, ClientConfig, ErrorCode};

/// Where clients of a measurement connect to.
#[derive(Debug)]
pub(super) struct Stage {
    config: ClientConfig,
    embedded: Option<Embedded>,
}

impl Stage {
    /// Starts a broker that has `topic` if no address was given.
    pub(super) fn set(config: ClientConfig, topic: &str) -> Result<Self, Failure> {
        if config.has_bootstrap_servers() {
            return Ok(Self { config, embedded: None });
        }
        let embedded = Embedded::start(topic)?;
        let config = config.bootstrap_servers(embedded.bootstrap());
        Ok(Self { config, embedded: Some(embedded) })
    }

    /// Whether the broker is in this process, and so its work is part of what this process costs.
    pub(super) fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// One more client, with connections of its own.
    pub(super) async fn client(&self) -> Result<Client, Failure> {
        connect(self.config.clone()).await
    }

    /// Makes the topic with one partition if it does not exist; true if it did not.
    pub(super) async fn make_topic(&self, client: &Client, topic: &str) -> Result<bool, Failure> {
        let admin = client.admin();
        let described = admin.describe_topics(vec![topic.to_owned()]).await?;
        match described.into_iter().next() {
            Some((_, Err(error)))
                if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Some((_, described)) => return described.map(|_| false).map_err(Failure::from),
            None => {
                return Err(Failure::new(
                    FAILED,
                    format!("{topic}: the broker does not say what it is"),
                ));
            }
        }
        let new = NewTopic::new(topic).partitions(1).replication_factor(1);
        for (_, made) in admin.create_topics(vec![new], false).await? {
            made?;
        }
        Ok(true)
    }
}
