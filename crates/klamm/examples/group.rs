//! A member of a group: prints the records that fall to it, and commits each batch when it is done with it.
//!
//! ```text
//! cargo run --example group -- localhost:9092 orders billing
//! ```
//!
//! Start it more than once: the members share the partitions. Further arguments are settings, such as
//! `group.protocol=classic` or `partition.assignment.strategy=cooperative-sticky`.

use klamm::consumer::{ListenerFuture, RebalanceListener};
use klamm::{AutoOffsetReset, Client, ClientConfig, Consumer, ConsumerConfig, TopicPartition};
use std::sync::Arc;
use tokio::time::Instant;

/// Prints what comes and goes.
#[derive(Debug)]
struct Printer;

impl RebalanceListener for Printer {
    fn assigned<'a>(
        &'a self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move { print("assigned", partitions) })
    }

    fn revoked<'a>(
        &'a self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
        _deadline: Instant,
    ) -> ListenerFuture<'a> {
        Box::pin(async move { print("revoked", partitions) })
    }

    fn lost<'a>(
        &'a self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move { print("lost", partitions) })
    }
}

fn print(what: &str, partitions: &[TopicPartition]) {
    let names: Vec<String> = partitions.iter().map(TopicPartition::to_string).collect();
    println!("{what} {}", names.join(" "));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "orders".to_owned());
    let group = args.next().unwrap_or_else(|| "billing".to_owned());
    let mut config = ConsumerConfig::group(group)
        .subscribe([topic])
        .auto_commit(false)
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .rebalance_listener(Arc::new(Printer));
    let mut client = ClientConfig::new(bootstrap);
    for setting in args {
        let (name, value) = setting.split_once('=').ok_or("settings are name=value")?;
        klamm::config::set_consumer(&mut client, &mut config, name, value)?;
    }

    let client = Client::connect(client).await?;
    let consumer = Arc::new(client.consumer(config)?);
    let closing = Arc::clone(&consumer);
    tokio::spawn(async move {
        // Input ends, or a line comes: leave.
        let line = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        let _ = line.await;
        closing.close().await;
    });
    loop {
        let batch = match consumer.poll().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        for record in &batch {
            let value = record.value().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            println!("{}-{}@{} {value:?}", record.topic(), record.partition(), record.offset());
        }
        if let Err(error) = consumer.commit(&batch).await {
            // Somebody else reads on from the commit before.
            eprintln!("{error}");
        }
    }
    consumer.close().await;
    client.close().await;
    Ok(())
}
