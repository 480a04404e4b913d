//! Who the cluster is, and of which brokers it is made.

use super::{Admin, AdminError};
use klamm_protocol::message::MetadataResponse;
use std::collections::BTreeSet;

/// A cluster as one of its brokers describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// Its id; brokers before 0.10.1 have none.
    pub id: Option<String>,
    /// The broker that is asked for changes, if there is one at the moment.
    pub controller: Option<i32>,
    /// The brokers that are up, by id.
    pub brokers: Vec<BrokerDescription>,
}

/// A broker, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerDescription {
    /// Its id.
    pub id: i32,
    /// Where clients find it.
    pub host: String,
    /// Its port there.
    pub port: i32,
    /// Where it stands (`broker.rack`), if it says so.
    pub rack: Option<String>,
}

impl Admin {
    /// Describes the cluster. It costs a broker next to nothing, so it serves to find out whether Kafka answers.
    ///
    /// # Errors
    /// [`AdminError`] when no broker could be asked, or none answered.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, AdminError> {
        self.run(|client| async move {
            Ok(describe(&client.fetch_metadata_of_existing(BTreeSet::new()).await?))
        })
        .await
    }
}

fn describe(answer: &MetadataResponse) -> ClusterDescription {
    let brokers = answer.brokers.iter().map(|broker| BrokerDescription {
        id: broker.node_id,
        host: broker.host.as_str().to_owned(),
        port: broker.port,
        rack: broker.rack.as_ref().map(|rack| rack.as_str().to_owned()),
    });
    let mut brokers: Vec<_> = brokers.collect();
    brokers.sort_by_key(|broker| broker.id);
    ClusterDescription {
        id: answer.cluster_id.as_ref().map(|id| id.as_str().to_owned()),
        controller: Some(answer.controller_id).filter(|id| *id >= 0),
        brokers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::message::metadata_response::MetadataResponseBroker;

    #[test]
    fn brokers_come_by_id_and_what_is_not_said_is_none() {
        let broker = |node_id: i32, rack: Option<&str>| MetadataResponseBroker {
            node_id,
            host: "h".into(),
            port: 9092,
            rack: rack.map(Into::into),
        };
        let mut answer = MetadataResponse {
            brokers: vec![broker(2, Some("r")), broker(1, None)],
            controller_id: -1,
            ..MetadataResponse::default()
        };
        let described = describe(&answer);
        let brokers: Vec<_> = described.brokers.iter().map(|b| (b.id, b.rack.as_deref())).collect();
        assert_eq!(brokers, [(1, None), (2, Some("r"))]);
        assert_eq!((described.id, described.controller), (None, None));
        (answer.cluster_id, answer.controller_id) = (Some("c".into()), 2);
        let described = describe(&answer);
        assert_eq!((described.id.as_deref(), described.controller), (Some("c"), Some(2)));
    }
}
