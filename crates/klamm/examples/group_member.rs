//! A member of a consumer group that moves records to another topic and writes down what it does, until SIGTERM.
//!
//! `cargo xtask chaos groups` runs many of them, kills some, and holds what they wrote against each other; its
//! `events` module says what the lines mean. Without `--to` records are only read.
//!
//! ```text
//! cargo run --example group_member -- --bootstrap-server 127.0.0.1:9092 --topic left --group g --protocol consumer \
//!     --events member.events --to middle
//! ```

use klamm::consumer::ListenerFuture;
use klamm::{
    Batch, Client, ClientConfig, Consumer, ConsumerConfig, GroupProtocol, Producer, ProducerConfig,
    RebalanceListener, Record, TopicPartition,
};
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let mut terminate = signal(SignalKind::terminate())?;
    let need = |name: &str| flag(name).ok_or_else(|| format!("{name} is missing"));
    let client = Client::connect(ClientConfig::new(need("--bootstrap-server")?)).await?;
    let events = Arc::new(Events(Mutex::new(File::create(need("--events")?)?)));
    let consumer = client.consumer(settings(&events)?)?;
    let to = match flag("--to") {
        Some(topic) => Some((client.producer(ProducerConfig::default())?, topic)),
        None => None,
    };
    loop {
        // What was polled is finished before the signal is looked at again.
        let batch = tokio::select! {
            batch = consumer.poll() => batch,
            _ = terminate.recv() => break,
        };
        match batch {
            Ok(Some(batch)) => process(&consumer, &batch, to.as_ref(), &events).await?,
            Ok(None) => break,
            // It concerns one partition; the others go on.
            Err(error) => eprintln!("{error}"),
        }
    }
    consumer.close().await;
    events.say("left");
    Ok(())
}

fn flag(name: &str) -> Option<String> {
    std::env::args().skip_while(|a| a != name).nth(1)
}

fn settings(events: &Arc<Events>) -> Result<ConsumerConfig, Failed> {
    let need = |name: &str| flag(name).ok_or_else(|| format!("{name} is missing"));
    let classic = need("--protocol")? == "classic";
    let listener = Arc::clone(events) as Arc<dyn RebalanceListener>;
    let mut config = ConsumerConfig::group(need("--group")?)
        .subscribe([need("--topic")?])
        .group_protocol(if classic { GroupProtocol::Classic } else { GroupProtocol::Consumer })
        .auto_offset_reset(klamm::AutoOffsetReset::Earliest)
        .auto_commit(false)
        .rebalance_listener(listener);
    if classic {
        let timeout = flag("--session-timeout-ms").unwrap_or_else(|| "6000".to_owned());
        config = config
            .session_timeout(Duration::from_millis(timeout.parse()?))
            .heartbeat_interval(Duration::from_millis(500));
    }
    if let Some(assignor) = flag("--assignor") {
        config = config.partition_assignment_strategy([assignor]);
    }
    if let Some(instance) = flag("--instance") {
        config = config.group_instance_id(instance);
    }
    Ok(config)
}

/// Moves a batch, and commits it once all of it is acknowledged.
async fn process(
    consumer: &Consumer,
    batch: &Batch,
    to: Option<&(Producer, String)>,
    events: &Events,
) -> Result<(), Failed> {
    if let Some((producer, topic)) = to {
        let mut deliveries = Vec::with_capacity(batch.len());
        for record in batch {
            let moved = Record::to(topic)
                .key(record.key().unwrap_or_default())
                .value(record.value().unwrap_or_default());
            deliveries.push(producer.enqueue(moved).await?);
        }
        for delivery in deliveries {
            delivery.await?;
        }
    }
    let (Some(first), Some(last)) = (batch.iter().next(), batch.iter().last()) else {
        return Ok(());
    };
    let partition = format!("{}:{}", batch.topic(), batch.partition());
    events.say(&format!("processed {partition} {} {}", first.offset(), last.offset()));
    match consumer.commit(batch).await {
        Ok(()) => events.say(&format!("committed {partition} {}", batch.next_offset())),
        // A rebalance took the partition, or goes on: what is taken is committed before it goes.
        Err(error) => eprintln!("{error}"),
    }
    Ok(())
}

/// Where it is written down.
#[derive(Debug)]
struct Events(Mutex<File>);

impl Events {
    /// Writes a line in one go, so that a kill leaves none that was not true.
    fn say(&self, what: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format!("{} {what}\n", now.as_micros());
        let mut file = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Err(error) = file.write_all(line.as_bytes()) {
            eprintln!("cannot write {line:?}: {error}");
        }
    }

    fn say_of(&self, what: &str, partitions: &[TopicPartition]) {
        let names: Vec<String> =
            partitions.iter().map(|tp| format!("{}:{}", tp.topic, tp.partition)).collect();
        if !names.is_empty() {
            self.say(&format!("{what} {}", names.join(",")));
        }
    }
}

impl RebalanceListener for Events {
    fn assigned<'a>(
        &'a self,
        _: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.say_of("assigned", partitions);
        Box::pin(std::future::ready(()))
    }

    fn revoked<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
        _: Instant,
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            if let Err(error) = consumer.commit_all().await {
                eprintln!("{error}");
            }
            self.say_of("revoked", partitions);
        })
    }

    fn lost<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> ListenerFuture<'a> {
        self.say_of("lost", partitions);
        Box::pin(std::future::ready(()))
    }
}
