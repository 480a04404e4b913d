//! Members of a group: they share partitions, leave, come back, and go on where they committed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};

use crate::clients::{Settings, Source, create, producer, sample, send};
use crate::scenario::{Result, Sample, check, equal, numbered, numbers, unique, until};

const PARTITIONS: i32 = 4;
/// What one look at a member waits.
const LOOK: Duration = Duration::from_millis(50);

/// Counts assignments.
#[derive(Debug, Default)]
pub(crate) struct Assignments(AtomicUsize);

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One consumer of a group.
pub(crate) struct Member {
    pub(crate) client: BaseConsumer<Assignments>,
}

impl Member {
    pub(crate) fn join(
        bootstrap: &str,
        group: &str,
        topic: &str,
        settings: Settings<'_>,
    ) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", group);
        config.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        config.set("topic.metadata.refresh.interval.ms", "1000");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let client: BaseConsumer<Assignments> =
            config.create_with_context(Assignments::default())?;
        client.subscribe(&[topic])?;
        Ok(Self { client })
    }

    fn poll(&self, found: &mut Vec<Sample>) -> Result<()> {
        while let Some(message) = self.client.poll(LOOK) {
            found.push(sample(&message?));
        }
        Ok(())
    }

    fn owned(&self) -> Result<Vec<i32>> {
        let assignment = self.client.assignment()?;
        let mut owned: Vec<i32> =
            assignment.elements().iter().map(|part| part.partition()).collect();
        owned.sort_unstable();
        Ok(owned)
    }
}

/// Polls until the members share all partitions evenly.
pub(crate) fn settle(
    partitions: usize,
    found: &mut Vec<Sample>,
    members: &mut [&mut Member],
) -> Result<Vec<Vec<i32>>> {
    let mut owned = Vec::new();
    until(&format!("the assignment to {}", members.len()), || {
        members.iter().try_for_each(|member| member.poll(found))?;
        owned = members.iter().map(|member| member.owned()).collect::<Result<Vec<_>>>()?;
        let even = owned.iter().all(|part| part.len() == partitions / members.len());
        let mut all = owned.concat();
        all.sort_unstable();
        all.dedup();
        Ok(even && all.len() == partitions)
    })?;
    Ok(owned)
}

fn drain(count: usize, found: &mut Vec<Sample>, members: &[&Member]) -> Result<()> {
    until(&format!("{count} records of the group"), || {
        members.iter().try_for_each(|member| member.poll(found))?;
        Ok(numbers(found).len() >= count)
    })?;
    for member in members {
        member.client.commit_consumer_state(CommitMode::Sync)?;
    }
    Ok(())
}

/// A topic with its producer, and the group that reads it.
struct Group<'a> {
    bootstrap: &'a str,
    topic: String,
    name: String,
    source: Source,
}

impl<'a> Group<'a> {
    fn new(bootstrap: &'a str) -> Result<Self> {
        let (topic, name) = (unique("group"), unique("group"));
        create(bootstrap, &topic, PARTITIONS)?;
        Ok(Self { bootstrap, topic, name, source: producer(bootstrap, &[])? })
    }

    fn join(&self, settings: Settings<'_>) -> Result<Member> {
        Member::join(self.bootstrap, &self.name, &self.topic, settings)
    }

    fn send(&self, start: i32, count: i32) -> Result<()> {
        send(&self.source, &self.topic, &numbered(start, count, PARTITIONS))
    }
}

/// Two members share, one leaves, the other takes over; a third starts where they committed.
pub(crate) fn group(bootstrap: &str, settings: Settings<'_>) -> Result<()> {
    let (group, mut found) = (Group::new(bootstrap)?, Vec::new());
    let mut first = group.join(settings)?;
    settle(4, &mut found, &mut [&mut first])?;
    let mut second = group.join(settings)?;
    settle(4, &mut found, &mut [&mut first, &mut second])?;
    group.send(0, 40)?;
    drain(40, &mut found, &[&first, &second])?;
    drop(second);
    settle(4, &mut found, &mut [&mut first])?;
    group.send(40, 40)?;
    drain(80, &mut found, &[&first])?;
    equal(&found.len(), &80, "records, each once")?;
    drop(first);
    group.send(80, 8)?;
    let (third, mut later) = (group.join(settings)?, Vec::new());
    drain(8, &mut later, &[&third])?;
    equal(&numbers(&later), &(80..88).collect(), "records after the committed offsets")
}

/// A static member that comes back gets its partitions, and the other sees nothing of it.
pub(crate) fn stay(bootstrap: &str) -> Result<()> {
    let (group, mut found) = (Group::new(bootstrap)?, Vec::new());
    let join =
        |instance| group.join(&[("group.instance.id", instance), ("session.timeout.ms", "20000")]);
    let mut first = join("one")?;
    settle(4, &mut found, &mut [&mut first])?;
    let mut second = join("two")?;
    let before = settle(4, &mut found, &mut [&mut first, &mut second])?;
    group.send(0, 40)?;
    drain(40, &mut found, &[&first, &second])?;
    let seen = second.client.context().0.load(Ordering::Relaxed);
    check(seen > 0, || "no assignment of the other member was counted".to_owned())?;
    drop(first);
    group.send(40, 40)?;
    let mut back = join("one")?;
    let after = settle(4, &mut found, &mut [&mut back, &mut second])?;
    equal(&after, &before, "partitions after the return")?;
    drain(80, &mut found, &[&back, &second])?;
    equal(&found.len(), &80, "records, each once")?;
    let now = second.client.context().0.load(Ordering::Relaxed);
    equal(&now, &seen, "assignments of the other member")
}
