//! Prints a topic to its present end, partition by partition: partition, offset, timestamp, key, value and
//! headers, with tabs between them and bytes in Base64 (`-` is null).
//!
//! ```text
//! cargo run --example rows -- localhost:9092 orders [read_committed]
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use klamm::consumer::RecordRef;
use klamm::{Client, ClientConfig, ConsumerConfig, IsolationLevel, Start, TopicPartition};
use std::io::Write;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, isolation @ ..] = args.as_slice() else {
        return Err("rows HOST:PORT TOPIC [read_committed]".into());
    };
    let level = match isolation {
        [] => IsolationLevel::ReadUncommitted,
        [level] if level == "read_committed" => IsolationLevel::ReadCommitted,
        _ => return Err(format!("{isolation:?} is not read_committed").into()),
    };
    let client = Client::connect(ClientConfig::new(bootstrap)).await?;
    let described = client.admin().describe_topics(vec![topic.clone()]).await?;
    let (_, described) = described.into_iter().next().ok_or("no answer")?;
    let partitions = (0i32..).take(described?.partitions.len());
    let consumer = client.consumer(ConsumerConfig::default().isolation_level(level))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for partition in partitions {
        let tp = TopicPartition::new(topic.as_str(), partition);
        let ends = consumer.end_offsets([tp.clone()]).await?;
        let end = ends.get(&tp).copied().unwrap_or(0);
        consumer.assign([(topic.as_str(), partition, Start::Earliest)]);
        while consumer.position(&tp).is_none_or(|position| position < end) {
            // What is left may be markers, which end no poll.
            let waited = std::time::Duration::from_millis(100);
            let Ok(polled) = tokio::time::timeout(waited, consumer.poll()).await else { continue };
            for record in &polled?.ok_or("the consumer was closed")? {
                print(&mut out, &record)?;
            }
        }
    }
    out.flush()?;
    consumer.close().await;
    Ok(())
}

fn print(out: &mut impl Write, record: &RecordRef<'_>) -> std::io::Result<()> {
    let bytes = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |b| STANDARD.encode(b));
    let headers = record.headers().map(|(name, value)| format!("{name}={}", bytes(value)));
    let headers: Vec<String> = headers.collect();
    let (partition, offset, timestamp) = (record.partition(), record.offset(), record.timestamp());
    let (key, value) = (bytes(record.key()), bytes(record.value()));
    writeln!(out, "{partition}\t{offset}\t{timestamp}\t{key}\t{value}\t{}", headers.join(","))
}
