//! Topics and partitions that are made while reading goes on.

use super::args::Consume;
use super::plan;
use klamm::{Admin, Consumer, Start, TopicPartition};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked for them.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks for topics and partitions from time to time.
#[derive(Debug)]
pub(super) struct Newcomers {
    admin: Admin,
    args: Consume,
    due: Instant,
}

impl Newcomers {
    pub(super) fn new(admin: Admin, args: Consume) -> Self {
        Self { admin, args, due: Instant::now() + LOOK_EVERY }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Adds what is new, from its first record on, when it is time to look.
    pub(super) async fn add_to(&mut self, consumer: &Consumer) -> Vec<TopicPartition> {
        if self.due > Instant::now() {
            return Vec::new();
        }
        self.due = Instant::now() + LOOK_EVERY;
        let known = consumer.assignment();
        let new = match self.found().await {
            Ok(found) => found.into_iter().filter(|tp| !known.contains(tp)).collect(),
            // It will be looked again; if brokers are gone, reading tells.
            Err(failure) => {
                tracing::info!("new topics and partitions are not known: {failure}");
                Vec::new()
            }
        };
        if !new.is_empty() {
            new.iter().for_each(|tp| tracing::info!(partition = %tp, "is new"));
            let goes_on = |tp: TopicPartition| {
                let start = consumer.position(&tp).map_or(Start::Earliest, Start::Offset);
                (tp.topic, tp.partition, start)
            };
            let begins =
                |tp: &TopicPartition| (Arc::clone(&tp.topic), tp.partition, Start::Earliest);
            consumer.assign(known.into_iter().map(goes_on).chain(new.iter().map(begins)));
        }
        new
    }

    async fn found(&self) -> Result<BTreeSet<TopicPartition>, crate::failure::Failure> {
        let topics = plan::topics(&self.admin, &self.args).await?;
        Ok(plan::partitions(&topics, &[])?.into_iter().collect())
    }
}
