//! Where a dead letter is put: its topic, else the file, else nowhere yet.

use super::file::LetterFile;
use super::letter::Letter;
use crate::forward::DeadLetterConfig;
use klamm::{Producer, Record};
use std::sync::Arc;
use std::time::Duration;

/// For so long the topic is tried before the file is.
const TOPIC_WAIT: Duration = Duration::from_secs(10);

/// Puts dead letters where they are kept, one at a time.
#[derive(Debug)]
pub(crate) struct LetterDesk {
    config: DeadLetterConfig,
    file: Option<LetterFile>,
}

impl LetterDesk {
    pub(crate) fn new(config: DeadLetterConfig) -> Self {
        Self { config, file: None }
    }

    /// Puts a letter into the topic, or into the file and onto the disk; an error says why neither took it.
    pub(crate) async fn put(&mut self, producer: &Producer, letter: Letter) -> Result<(), String> {
        let topic = match &self.config.topic {
            Some(topic) => topic.clone(),
            None => format!("{}.dlq", letter.record.topic),
        };
        let why = match tokio::time::timeout(TOPIC_WAIT, send(producer, &topic, &letter)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("topic {topic} did not take it within {TOPIC_WAIT:?}"),
        };
        let Some(path) = self.config.file.clone() else { return Err(why) };
        let (mut open, max_bytes) = (self.file.take(), self.config.file_max_bytes);
        let letter = Arc::new(letter);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = match open.take() {
                Some(file) => file,
                None => LetterFile::open(&path, max_bytes).map_err(|e| (None, e))?,
            };
            match file.append([&*letter]) {
                Ok(()) => Ok(file),
                Err(error) => Err((Some(file), error)),
            }
        });
        match written.await.map_err(|e| e.to_string())? {
            Ok(file) => {
                self.file = Some(file);
                Ok(())
            }
            Err((file, error)) => {
                self.file = file;
                Err(format!("{why}; {error}"))
            }
        }
    }
}

async fn send(producer: &Producer, topic: &str, letter: &Letter) -> Result<(), klamm::SendError> {
    let headers = letter.headers();
    let mut record = Record::to(topic).timestamp_ms(letter.record.timestamp);
    if let Some(key) = &letter.record.key {
        record = record.key(key.clone());
    }
    if let Some(value) = &letter.record.value {
        record = record.value(value.clone());
    }
    for (name, value) in &headers {
        record = match value {
            Some(value) => record.header(name, value.clone()),
            None => record.null_header(name),
        };
    }
    producer.send(record).await.map(drop)
}
