//! Sends one record and says where it went.
//!
//! ```text
//! cargo run --example produce -- localhost:9092 orders
//! ```

use klamm::{Client, ClientConfig, ProducerConfig, Record};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "orders".to_owned());
    let client = Client::connect(ClientConfig::new(bootstrap)).await?;
    let producer = client.producer(ProducerConfig::default())?;

    // One record, and where it went.
    let record = Record::to(&topic).key("customer-7").value("{\"total\": 12}");
    let delivered = producer.send(record).await?;
    println!("{}-{} at {:?}", delivered.topic(), delivered.partition(), delivered.offset());

    // Many records: accepted one by one, acknowledged in the background.
    let mut deliveries = Vec::new();
    for n in 0..1000 {
        let value = format!("{{\"n\": {n}}}");
        deliveries.push(producer.enqueue(Record::to(&topic).value(&value)).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    producer.close(Duration::from_secs(30)).await;
    Ok(())
}
