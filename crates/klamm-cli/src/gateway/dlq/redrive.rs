//! Sending a dead letter where it belongs.

use super::{Place, to};
use crate::args::{Global, Output};
use crate::connect::{Settings, connect};
use crate::failure::{DATA, Failure};
use klamm::{Producer, Record};
use klamm_gateway::dead_letter::Letter;
use klamm_gateway::forward::ID_HEADER;
use serde_json::json;

/// Sends letters, or says that it would.
pub(super) struct Redrive {
    producer: Option<Producer>,
}

impl Redrive {
    /// Sends them by these settings.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, Failure> {
        let client = connect(settings.client.clone()).await?;
        Ok(Self { producer: Some(client.producer(settings.producer.clone())?) })
    }

    /// Sends none.
    pub(super) fn dry() -> Self {
        Self { producer: None }
    }

    pub(super) fn is_dry(&self) -> bool {
        self.producer.is_none()
    }

    /// Returns once Kafka has the letter, and says so.
    pub(super) async fn send(
        &self,
        global: &Global,
        place: Place<'_>,
        letter: &Letter,
    ) -> Result<(), Failure> {
        let (id, mut at) = (&letter.id, None);
        if let Some(producer) = &self.producer {
            let sent = producer.send(record(letter)).await;
            let stays = |error| Failure::new(DATA, format!("{id} stays in {place}: {error}"));
            let delivered = sent.map_err(stays)?;
            at = Some((delivered.partition(), delivered.offset()));
        }
        let topic = &*letter.record.topic;
        match (global.output, at) {
            (Output::Json, at) => println!(
                "{}",
                json!({
                    "id": id,
                    "place": place.to_string(),
                    "topic": topic,
                    "partition": at.map(|(partition, _)| partition),
                    "offset": at.and_then(|(_, offset)| offset),
                    "sent": at.is_some(),
                })
            ),
            (Output::Text, Some((partition, _))) => {
                println!("{id}: {place} to {topic}/{partition}")
            }
            (Output::Text, None) => println!("{id}: {place} would go to {}", to(letter)),
        }
        Ok(())
    }
}

/// As it was accepted, with its id.
fn record(letter: &Letter) -> Record<'_> {
    let accepted = &letter.record;
    let mut record = Record::to(&accepted.topic).timestamp_ms(accepted.timestamp);
    if let Some(partition) = accepted.partition {
        record = record.partition(partition);
    }
    if let Some(key) = &accepted.key {
        record = record.key(key.clone());
    }
    if let Some(value) = &accepted.value {
        record = record.value(value.clone());
    }
    for header in &accepted.headers {
        record = match &header.value {
            Some(value) => record.header(&header.name, value.clone()),
            None => record.null_header(&header.name),
        };
    }
    record.header(ID_HEADER, &letter.id)
}
