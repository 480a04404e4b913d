//! The clients with the settings that every scenario wants, and what is done with them.

use std::sync::Mutex;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::PATIENCE;
use crate::scenario::{PARTITIONS, Result, Sample, Wrong, check, equal, until};

/// Setting and value.
pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];

/// Keeps what was not delivered.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Vec<String>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut failures)) = (result, self.0.lock()) {
            failures.push(error.to_string());
        }
    }
}

/// A producer that remembers what failed.
pub(crate) type Source = BaseProducer<Failures>;

fn config(bootstrap: &str, settings: Settings<'_>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

pub(crate) fn producer(bootstrap: &str, settings: Settings<'_>) -> Result<Source> {
    let mut config = config(bootstrap, &[("linger.ms", "20"), ("message.timeout.ms", "20000")]);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    Ok(config.create_with_context(Failures::default())?)
}

pub(crate) fn consumer(
    bootstrap: &str,
    group: &str,
    settings: Settings<'_>,
) -> Result<BaseConsumer> {
    let mut config = config(bootstrap, settings);
    config.set("group.id", group).set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "earliest").set("check.crcs", "true");
    config.set("topic.metadata.refresh.interval.ms", "1000");
    Ok(config.create()?)
}

pub(crate) fn admin_client(bootstrap: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(AdminClient::from_config(&config(bootstrap, &[]))?)
}

pub(crate) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// Turns the admin client's answer about one thing into ours.
pub(crate) fn one<T>(
    answers: Vec<std::result::Result<T, (String, RDKafkaErrorCode)>>,
) -> Result<T> {
    let answer = answers.into_iter().next().ok_or_else(|| Wrong::new("no answer"))?;
    answer.map_err(|(name, code)| Wrong::new(&format!("{name}: {code:?}")))
}

pub(crate) fn create(bootstrap: &str, topic: &str, partitions: i32) -> Result<()> {
    let made = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    one(block_on(admin_client(bootstrap)?.create_topics(&[made], &options()))?).map(drop)
}

/// Produces and waits until every record is acknowledged.
pub(crate) fn send(client: &Source, topic: &str, samples: &[Sample]) -> Result<()> {
    for sample in samples {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(sample.partition);
        record.key = sample.key.as_deref();
        record.payload = sample.value.as_deref();
        if !sample.headers.is_empty() {
            let headers =
                sample.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header { key, value: value.as_ref() })
                });
            record = record.headers(headers);
        }
        client.send(record).map_err(|(error, _)| error)?;
    }
    client.flush(PATIENCE)?;
    let failures = client.context().0.lock().map_err(|_| Wrong::new("a callback panicked"))?;
    check(failures.is_empty(), || format!("not delivered: {failures:?}"))
}

pub(crate) fn sample(message: &BorrowedMessage<'_>) -> Sample {
    let header =
        |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
    Sample {
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message.headers().map(|all| all.iter().map(header).collect()).unwrap_or_default(),
    }
}

/// Everything in the topic; `count` records must come, and no more.
pub(crate) fn read(
    bootstrap: &str,
    topic: &str,
    count: usize,
    settings: Settings<'_>,
) -> Result<Vec<Sample>> {
    let settings = [settings, &[("enable.partition.eof", "true")]].concat();
    let reader = consumer(bootstrap, "reader", &settings)?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    reader.assign(&partitions)?;
    let (mut found, mut ends) = (Vec::new(), Vec::new());
    until(&format!("{count} records"), || {
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => found.push(sample(&message)),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => ends.push(partition),
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
        ends.sort_unstable();
        ends.dedup();
        Ok(ends.len() == usize::try_from(PARTITIONS).unwrap_or_default())
    })?;
    equal(&found.len(), &count, "records read")?;
    Ok(found)
}
