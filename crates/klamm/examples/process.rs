//! Handles the records of a topic as a member of a group: eight at once, those with the same key in order.
//!
//! ```text
//! cargo run --example process -- localhost:9092 orders
//! ```
//!
//! Start it twice: the partitions are shared. Enter ends it, and what is done is committed.

use klamm::{AutoOffsetReset, Client, ClientConfig, ConsumedRecord, ConsumerConfig, RunOptions};
use std::sync::Arc;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "orders".to_owned());
    let client = Client::connect(ClientConfig::new(bootstrap)).await?;
    let config = ConsumerConfig::group("processing")
        .subscribe([topic])
        .auto_offset_reset(AutoOffsetReset::Earliest);
    let consumer = Arc::new(client.consumer(config)?);

    let closing = Arc::clone(&consumer);
    tokio::spawn(async move {
        let _ =
            tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
        closing.close().await;
    });
    let options = RunOptions::default()
        .workers(8)
        .retries(5)
        .retry_backoff(Duration::from_millis(100), Duration::from_secs(5));
    let summary = consumer.run(options, handle).await?;
    println!("{} handled, {} tries again", summary.handled, summary.retried);
    for (partition, offset) in summary.positions {
        println!("{partition}: up to {offset}");
    }
    consumer.close().await;
    Ok(())
}

/// What your program does; an error has the record handed to it again.
async fn handle(record: ConsumedRecord) -> Result<(), std::string::FromUtf8Error> {
    let value = String::from_utf8(record.value().unwrap_or_default().to_vec())?;
    tokio::time::sleep(Duration::from_millis(10)).await;
    println!("{}-{}@{} {value}", record.topic(), record.partition(), record.offset());
    Ok(())
}
