//! Reads a topic from its beginning and prints each record.
//!
//! ```text
//! cargo run --example consume -- localhost:9092 orders
//! ```

use klamm::{Client, ClientConfig, ConsumerConfig, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "orders".to_owned());
    let client = Client::connect(ClientConfig::new(bootstrap)).await?;

    let described = client.admin().describe_topics(vec![topic.clone()]).await?;
    let (_, described) = described.into_iter().next().ok_or("no answer")?;
    let partitions = described?.partitions.len();
    let consumer = client.consumer(ConsumerConfig::default())?;
    consumer.assign((0i32..).take(partitions).map(|p| (topic.as_str(), p, Start::Earliest)));
    loop {
        let batch = match consumer.poll().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(()),
            // It concerns one partition; the others go on.
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        for record in &batch {
            let text =
                |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
            let (key, value) = (text(record.key()), text(record.value()));
            println!("{}-{}@{} {key:?} {value:?}", topic, record.partition(), record.offset());
        }
    }
}
