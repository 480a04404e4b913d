//! rdkafka through every scenario: interop-rdkafka BOOTSTRAP SCENARIO…
//!
//! Prints one line of JSON for each: `ok` is true, false, or null when the client has no such feature; `detail` says
//! what was seen or why not. `scenario` is what they share, `clients` the clients with the settings all of them want,
//! `groups` what members of a group do together, `administration` topics and settings.

mod administration;
mod clients;
mod groups;
mod scenario;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::Consumer;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{Source, consumer, create, producer, read, send};
use crate::scenario::{
    CODECS, PARTITIONS, Result, Wrong, check, equal, numbered, same_records, samples, unique,
};

/// How long one call may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_default();
    for name in arguments {
        let (ok, detail) = match run(&bootstrap, &name) {
            Some(Ok(detail)) => (Some(true), detail),
            Some(Err(wrong)) => (Some(false), wrong.to_string()),
            None => (None, "not a scenario of this program".to_owned()),
        };
        println!("{}", serde_json::json!({ "scenario": name, "ok": ok, "detail": detail }));
    }
}

fn run(bootstrap: &str, name: &str) -> Option<Result<String>> {
    let strategy = "partition.assignment.strategy";
    let done = |result: Result<()>| Some(result.map(|()| String::new()));
    match name {
        "codecs" => Some(codecs(bootstrap)),
        "idempotent" => done(idempotent(bootstrap)),
        "group" => done(groups::group(bootstrap, &[(strategy, "range")])),
        "static" => done(groups::stay(bootstrap)),
        "cooperative" => done(groups::group(bootstrap, &[(strategy, "cooperative-sticky")])),
        "consumer-protocol" => done(groups::group(bootstrap, &[("group.protocol", "consumer")])),
        "transactions" => done(transactions(bootstrap)),
        "admin" => done(administration::admin(bootstrap)),
        "timestamps" => done(timestamps(bootstrap)),
        _ => None,
    }
}

fn codecs(bootstrap: &str) -> Result<String> {
    let mut used = Vec::new();
    for codec in CODECS {
        let topic = unique(codec);
        create(bootstrap, &topic, PARTITIONS)?;
        send(&producer(bootstrap, &[("compression.type", codec)])?, &topic, &samples())?;
        let found = read(bootstrap, &topic, samples().len(), &[])?;
        same_records(&found, &samples(), codec)?;
        used.push(format!("{codec}={topic}"));
    }
    Ok(used.join(" "))
}

fn idempotent(bootstrap: &str) -> Result<()> {
    let (topic, records) = (unique("idempotent"), numbered(0, 3000, PARTITIONS));
    create(bootstrap, &topic, PARTITIONS)?;
    let settings = [("enable.idempotence", "true"), ("batch.num.messages", "10")];
    send(&producer(bootstrap, &settings)?, &topic, &records)?;
    same_records(&read(bootstrap, &topic, records.len(), &[])?, &records, "idempotent")
}

fn end(client: &Source, commit: bool) -> Result<()> {
    Ok(match commit {
        true => client.commit_transaction(PATIENCE)?,
        false => client.abort_transaction(PATIENCE)?,
    })
}

fn transactions(bootstrap: &str) -> Result<()> {
    let (topic, identity) = (unique("txn"), unique("txn"));
    create(bootstrap, &topic, PARTITIONS)?;
    let client = producer(bootstrap, &[("transactional.id", &identity)])?;
    client.init_transactions(PATIENCE)?;
    for start in [0, 10, 20, 30] {
        client.begin_transaction()?;
        send(&client, &topic, &numbered(start, 10, PARTITIONS))?;
        end(&client, start % 20 == 0)?;
    }
    offsets_in_transaction(bootstrap, &client)?;
    let committed = [numbered(0, 10, PARTITIONS), numbered(20, 10, PARTITIONS)].concat();
    let found = read(bootstrap, &topic, 20, &[("isolation.level", "read_committed")])?;
    same_records(&found, &committed, "read_committed")?;
    let found = read(bootstrap, &topic, 40, &[("isolation.level", "read_uncommitted")])?;
    same_records(&found, &numbered(0, 40, PARTITIONS), "read_uncommitted")?;
    // A second producer of the same name shuts the first one out.
    client.begin_transaction()?;
    let other = producer(bootstrap, &[("transactional.id", &identity)])?;
    other.init_transactions(PATIENCE)?;
    let late =
        send(&client, &topic, &numbered(40, 1, PARTITIONS)).and_then(|()| end(&client, true));
    check(late.is_err(), || "a fenced producer could commit".to_owned())
}

/// Offsets sent in an aborted transaction are void, in a committed one they count.
fn offsets_in_transaction(bootstrap: &str, client: &Source) -> Result<()> {
    let source = unique("txn");
    create(bootstrap, &source, 1)?;
    let mut member = groups::Member::join(bootstrap, &source, &source, &[])?;
    groups::settle(1, &mut Vec::new(), &mut [&mut member])?;
    for (offset, commit) in [(3, true), (5, false)] {
        client.begin_transaction()?;
        let mut position = TopicPartitionList::new();
        position.add_partition_offset(&source, 0, Offset::Offset(offset))?;
        let group = member.client.group_metadata().ok_or_else(|| Wrong::new("no metadata"))?;
        client.send_offsets_to_transaction(&position, &group, PATIENCE)?;
        end(client, commit)?;
        let found = member.client.committed_offsets(position, PATIENCE)?;
        equal(
            &found.elements()[0].offset(),
            &Offset::Offset(3),
            "offset committed in a transaction",
        )?;
    }
    Ok(())
}

fn timestamps(bootstrap: &str) -> Result<()> {
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| Wrong::new(&e.to_string()))?;
    let (topic, start) = (unique("time"), now.as_millis() as i64 - 100_000);
    create(bootstrap, &topic, 1)?;
    let client = producer(bootstrap, &[])?;
    for number in 0..10 {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic).payload(b"x");
        client.send(record.timestamp(start + number * 1000)).map_err(|(error, _)| error)?;
    }
    client.flush(PATIENCE)?;
    let reader = consumer(bootstrap, &unique("reader"), &[])?;
    let after = [(9001, Offset::End)];
    let exact = [(0, 0), (3000, 3), (3001, 4), (9000, 9)];
    for (moment, expected) in
        exact.map(|(at, offset)| (at, Offset::Offset(offset))).into_iter().chain(after)
    {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&topic, 0, Offset::Offset(start + moment))?;
        let found = reader.offsets_for_times(asked, PATIENCE)?;
        equal(&found.elements()[0].offset(), &expected, &format!("offset at {moment}"))?;
    }
    let ends = reader.fetch_watermarks(&topic, 0, PATIENCE)?;
    equal(&ends, &(0, 10), "first offset and end")
}
