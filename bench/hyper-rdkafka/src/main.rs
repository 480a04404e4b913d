//! A gateway of hyper and librdkafka that answers 202 once Kafka has acknowledged: idempotent, with a linger of 5 ms.
//!
//! ```text
//! bench-hyper-rdkafka --listen 127.0.0.1:0 --bootstrap-server H:P --topic T
//! ```

#[path = "../../common/publish.rs"]
mod publish;

use bytes::Bytes;
use hyper::StatusCode;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::sync::Arc;
use std::time::Duration;

/// How long a full queue may take to have room.
const ROOM: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = publish::flag("--bootstrap-server").ok_or("--bootstrap-server is missing")?;
    let topic: Arc<str> = publish::flag("--topic").ok_or("--topic is missing")?.into();
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .create()?;
    publish::serve(move |body: Bytes| {
        let (producer, topic) = (producer.clone(), Arc::clone(&topic));
        async move {
            let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(&topic).payload(&body[..]);
            match producer.send(record, ROOM).await {
                Ok(_) => StatusCode::ACCEPTED,
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    })
    .await?;
    Ok(())
}
