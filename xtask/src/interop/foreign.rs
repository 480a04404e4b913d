//! What Java's producer wrote, as klamm's consumer reads it and as Java's does.

use super::checks::CODECS;
use super::readers::{Java, Klamm, Reader};
use super::rows::Row;
use crate::failure::{Failure, Result};
use crate::kafka::Cluster;
use crate::place::Place;
use crate::process;
use crate::test::Counts;

/// Records of each topic: several batches for each partition.
const RECORDS: &str = "30000";

/// Lets Java write with each codec, and in transactions; klamm must read the same rows as Java.
pub(crate) fn check(place: &Place, cluster: &Cluster) -> Result<Counts> {
    let (java, klamm) = (Java::new(place), Klamm::build(place)?);
    let mut counts = Counts::default();
    let plain = CODECS.map(|codec| (format!("java-{codec}"), codec, None));
    let committed = ("java-transactions".to_owned(), "zstd", Some("interop-foreign"));
    for (topic, codec, transactional_id) in plain.into_iter().chain([committed]) {
        cluster.create_topic(&topic, 3, 1, &[])?;
        produce(cluster, &topic, codec, transactional_id)?;
        let (expected, found) = (java.read(cluster, &topic)?, klamm.read(cluster, &topic)?);
        match same(&expected, &found) {
            Ok(()) => {
                println!("{topic}: klamm reads what Java wrote");
                counts.passed += 1;
            }
            Err(failure) => {
                println!("{topic}: klamm: {failure}");
                counts.failed += 1;
            }
        }
    }
    Ok(counts)
}

fn produce(cluster: &Cluster, topic: &str, codec: &str, id: Option<&str>) -> Result<()> {
    let mut java = cluster.artifacts().java();
    java.args(["-Xmx512m", "org.apache.kafka.tools.ProducerPerformance", "--topic", topic]);
    java.args(["--num-records", RECORDS, "--record-size", "200", "--throughput", "-1"]);
    java.args(id.map(|id| ["--transactional-id", id]).iter().flatten());
    java.args(["--producer-props", &format!("bootstrap.servers={}", cluster.bootstrap())]);
    java.args([&format!("compression.type={codec}"), "linger.ms=5"]);
    process::capture(&mut java).map(drop)
}

fn same(expected: &[Row], found: &[Row]) -> Result<()> {
    let wanted = RECORDS.parse();
    if wanted != Ok(expected.len()) {
        return Err(Failure::new(format!("Java itself reads {} of {RECORDS}", expected.len())));
    }
    let differs = expected.iter().zip(found).find(|(expected, found)| expected != found);
    match differs {
        Some((expected, found)) => Err(Failure::new(format!("{found:?} instead of {expected:?}"))),
        None if expected.len() == found.len() => Ok(()),
        None => Err(Failure::new(format!("{} records, not {RECORDS}", found.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{RECORDS, Row, same};

    #[test]
    fn a_row_that_is_missing_or_another_is_seen() {
        let row = |offset| Row {
            partition: 0,
            offset,
            timestamp: 5,
            key: None,
            value: None,
            headers: String::new(),
        };
        let all: Vec<Row> = (0..RECORDS.parse().unwrap()).map(row).collect();
        assert!(same(&all, &all).is_ok());
        assert!(same(&all, &all[1..]).is_err());
        assert!(same(&all, &all[..all.len() - 1]).is_err());
        assert!(same(&all[1..], &all[1..]).is_err());
    }
}
