//! The broker the groups live on: ours, or a real Kafka.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::events::Partition;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::{Running, Spec};
use crate::listening::Listening;
use crate::place::Place;
use crate::process;

/// A member that was killed is out after six seconds, and hears of a rebalance within half of one.
const SETTINGS: [(&str, &str); 7] = [
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.session.timeout.ms", "6000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    ("group.consumer.max.session.timeout.ms", "60000"),
];

/// A broker that ends with this value.
pub(super) enum Stage {
    Klamm(Listening),
    Kafka(Box<Running>),
}

impl Stage {
    /// Starts `klamm broker`, in memory.
    pub(super) fn klamm(klamm: &Path) -> Result<Self> {
        let mut command = Command::new(klamm);
        command.args(["broker", "--listen", "127.0.0.1:0"]);
        for (name, value) in SETTINGS {
            command.arg("-X").arg(format!("{name}={value}"));
        }
        Listening::start(command.stderr(Stdio::null())).map(Self::Klamm)
    }

    /// Starts a Kafka of one node.
    pub(super) fn kafka(place: &Place) -> Result<Self> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let settings = SETTINGS.map(own).to_vec();
        let spec =
            Spec { name: "groups".to_owned(), port_base: 22600, settings, ..Spec::default() };
        Running::up(place, spec).map(|kafka| Self::Kafka(Box::new(kafka)))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Klamm(_) => "klamm broker",
            Self::Kafka(_) => "Apache Kafka",
        }
    }

    pub(super) fn address(&self) -> String {
        match self {
            Self::Klamm(broker) => broker.address().to_owned(),
            Self::Kafka(kafka) => kafka.cluster().bootstrap(),
        }
    }

    /// Creates a topic with klamm's own command.
    pub(super) fn create_topic(&self, klamm: &Path, topic: &str, partitions: i32) -> Result<()> {
        let mut command = Command::new(klamm);
        command.args(["topics", "create", topic, "-b", &self.address()]);
        process::capture(command.args(["--partitions", &partitions.to_string()])).map(drop)
    }

    /// Where the logs of a topic's partitions end, as kcat sees it.
    pub(super) fn ends(&self, topic: &str, partitions: i32) -> Result<BTreeMap<Partition, i64>> {
        let mut kcat = Command::new("kcat");
        kcat.args(["-Q", "-b", &self.address()]);
        for partition in 0..partitions {
            kcat.args(["-t", &format!("{topic}:{partition}:-1")]);
        }
        let printed = String::from_utf8_lossy(&process::capture(&mut kcat)?).into_owned();
        let ends: BTreeMap<Partition, i64> =
            printed.lines().map(|line| end(topic, line)).collect::<Result<_>>()?;
        match ends.len() == partitions as usize {
            true => Ok(ends),
            false => Err(Failure::new(format!("kcat knows {} ends of {topic}", ends.len()))),
        }
    }
}

/// `<topic> [<partition>] offset <offset>`.
fn end(topic: &str, line: &str) -> Result<(Partition, i64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[of, partition, "offset", offset] = words.as_slice() else {
        return Err(Failure::new(format!("kcat says {line:?}")));
    };
    if of != topic {
        return Err(Failure::new(format!("kcat says {line:?} of {topic}")));
    }
    let number = partition.trim_matches(['[', ']']).parse().doing(line)?;
    Ok((Partition { topic: topic.to_owned(), number }, offset.parse().doing(line)?))
}
