//! Pure: what the path of a request names.

use crate::format::decode_percent;
use thiserror::Error;

/// How long Kafka lets a topic's name be.
const TOPIC_MAX: usize = 249;

/// What the path of a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// `/topics/{topic}` and `/topics/{topic}/partitions/{partition}`.
    Topic {
        /// Its name, which Kafka allows.
        topic: String,
        /// Where in it.
        partition: Option<i32>,
    },
    /// `/topics/{topic}/events`: what is in a topic.
    Events {
        /// Its name, which Kafka allows.
        topic: String,
    },
    /// `/v3/clusters/{cluster}/topics/{topic}/records`: a stream of records.
    Stream {
        /// What the client calls the cluster.
        cluster: String,
        /// The topic's name, which Kafka allows.
        topic: String,
    },
    /// The same with `records:batch`.
    Batch {
        /// What the client calls the cluster.
        cluster: String,
        /// The topic's name, which Kafka allows.
        topic: String,
    },
}

/// Why a path names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WrongPath {
    /// Nothing is there: 404.
    #[error("there is nothing at this path")]
    Unknown,
    /// A name that Kafka allows no topic: 400.
    #[error(
        "a topic's name has 1 to 249 letters, digits, dots, hyphens and underscores, and is neither . nor .."
    )]
    Topic,
    /// A partition that is no number: 400.
    #[error("a partition is a number from 0 on")]
    Partition,
}

impl WrongPath {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            WrongPath::Unknown => 404,
            WrongPath::Topic | WrongPath::Partition => 400,
        }
    }
}

impl Path {
    /// Reads a path as it stands in the request, without its query.
    ///
    /// # Errors
    /// It names nothing, or a topic that cannot be.
    pub fn parse(path: &str) -> Result<Self, WrongPath> {
        let mut parts = path.strip_prefix('/').ok_or(WrongPath::Unknown)?.split('/');
        // One more than the longest path has, so that a longer one is none of them.
        let mut next = || parts.next();
        match (next(), next(), next(), next(), next(), next(), next()) {
            (Some("topics"), Some(name), None, ..) => {
                Ok(Path::Topic { topic: topic(name)?, partition: None })
            }
            (Some("topics"), Some(name), Some("events"), None, ..) => {
                Ok(Path::Events { topic: topic(name)? })
            }
            (Some("topics"), Some(name), Some("partitions"), Some(number), None, ..) => {
                let partition = Some(partition(number)?);
                Ok(Path::Topic { topic: topic(name)?, partition })
            }
            (
                Some("v3"),
                Some("clusters"),
                Some(id),
                Some("topics"),
                Some(name),
                Some(end),
                None,
            ) => v3(id, name, end),
            _ => Err(WrongPath::Unknown),
        }
    }
}

fn v3(id: &str, name: &str, end: &str) -> Result<Path, WrongPath> {
    let cluster = text(id).ok_or(WrongPath::Unknown)?;
    match end {
        "records" => Ok(Path::Stream { cluster, topic: topic(name)? }),
        "records:batch" => Ok(Path::Batch { cluster, topic: topic(name)? }),
        _ => Err(WrongPath::Unknown),
    }
}

fn text(encoded: &str) -> Option<String> {
    String::from_utf8(decode_percent(encoded.as_bytes(), false)?).ok()
}

fn topic(encoded: &str) -> Result<String, WrongPath> {
    text(encoded).filter(|name| is_topic(name)).ok_or(WrongPath::Topic)
}

/// Whether Kafka allows a topic of this name.
pub(crate) fn is_topic(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=TOPIC_MAX).contains(&name.len())
        && name.bytes().all(allowed)
        && name != "."
        && name != ".."
}

fn partition(number: &str) -> Result<i32, WrongPath> {
    number.parse().ok().filter(|partition| *partition >= 0).ok_or(WrongPath::Partition)
}

#[cfg(test)]
mod tests {
    use super::{Path, WrongPath};
    use proptest::prelude::*;

    #[test]
    fn paths_name_what_they_should() {
        let topic = |topic: &str, partition| Path::Topic { topic: topic.to_owned(), partition };
        assert_eq!(Path::parse("/topics/a"), Ok(topic("a", None)));
        assert_eq!(Path::parse("/topics/a%2Db_.C/partitions/3"), Ok(topic("a-b_.C", Some(3))));
        let events = Path::Events { topic: "events".to_owned() };
        assert_eq!(Path::parse("/topics/events/events"), Ok(events));
        let (cluster, topic) = ("x y".to_owned(), "t".to_owned());
        let stream = Path::Stream { cluster: cluster.clone(), topic: topic.clone() };
        assert_eq!(Path::parse("/v3/clusters/x%20y/topics/t/records"), Ok(stream));
        let batch = Path::Batch { cluster, topic };
        assert_eq!(Path::parse("/v3/clusters/x%20y/topics/t/records:batch"), Ok(batch));
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        let long = format!("/topics/{}", "x".repeat(250));
        let table = [
            ("", WrongPath::Unknown),
            ("/", WrongPath::Unknown),
            ("topics/a", WrongPath::Unknown),
            ("/topics", WrongPath::Unknown),
            ("/topics/a/", WrongPath::Unknown),
            ("/topics/a/partitions", WrongPath::Unknown),
            ("/topics/a/events/1", WrongPath::Unknown),
            ("/topics/a%2F/events", WrongPath::Topic),
            ("/topics/a/partitions/1/2", WrongPath::Unknown),
            ("/v3/clusters/c/topics/t/records/1", WrongPath::Unknown),
            ("/v3/clusters/c/topics/t/configs", WrongPath::Unknown),
            ("/v3/clusters/%zz/topics/t/records", WrongPath::Unknown),
            ("/topics/", WrongPath::Topic),
            ("/topics/..", WrongPath::Topic),
            ("/topics/%2e", WrongPath::Topic),
            ("/topics/a%2Fb", WrongPath::Topic),
            ("/topics/a%00", WrongPath::Topic),
            ("/topics/a%", WrongPath::Topic),
            (&long, WrongPath::Topic),
            ("/topics/a/partitions/-1", WrongPath::Partition),
            ("/topics/a/partitions/x", WrongPath::Partition),
        ];
        for (path, wrong) in table {
            assert_eq!(Path::parse(path), Err(wrong), "{path}");
        }
        assert_eq!(Path::parse(&"/a".repeat(100_000)), Err(WrongPath::Unknown));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_every_topic_is_one_of_kafkas(path in "/(topics|v3/clusters/c/topics)/[a-z.%0-9]{0,8}(/records|/partitions/[0-9-]{0,3})?") {
            if let Ok(Path::Topic { topic, .. } | Path::Stream { topic, .. } | Path::Batch { topic, .. }) = Path::parse(&path) {
                prop_assert!(!topic.is_empty() && topic.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)));
            }
        }
    }
}
