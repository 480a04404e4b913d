//! How reading goes on after an error, if it does.

use super::reading::{End, Reading, Scope};
use super::trouble::{Verdict, judge};
use crate::failure::{FAILED, Failure};
use klamm::{ConsumeError, TopicPartition};

impl Reading {
    /// Does what an error calls for. What is passed over is said.
    pub(super) async fn recover(&mut self, error: &ConsumeError) -> Result<(), End> {
        let moved = match judge(error, self.skip_corrupt) {
            Verdict::Wait(why) => {
                tracing::info!("{why}; goes on trying");
                return Ok(());
            }
            Verdict::Fail(failure) => return Err(failure.into()),
            Verdict::Skip { partition, to, why } => {
                let position = self.consumer.position(&partition).unwrap_or(to);
                self.counts.skipped += to.saturating_sub(position).unsigned_abs();
                tracing::warn!("{why}; skipped");
                self.consumer.skip_to(&partition, to)
            }
            Verdict::Cut { partition, to, why } => {
                tracing::warn!("{why}; going on from there");
                self.consumer.seek(&partition, to)
            }
            Verdict::Gone { partition, position } => {
                let to = self.after_gap(&partition, position).await?;
                self.consumer.seek(&partition, to)
            }
            Verdict::Begin(partition) => match &self.scope {
                Scope::Group(member) if member.from_end => self.consumer.seek_to_end(&partition),
                _ => self.consumer.seek_to_beginning(&partition),
            },
        };
        match moved {
            // A group may have taken it away by now.
            Err(error) if matches!(self.scope, Scope::Places(_)) => {
                Err(Failure::new(FAILED, error.to_string()).into())
            }
            _ => Ok(()),
        }
    }

    /// Where a partition goes on whose records were deleted before they could be read.
    async fn after_gap(&self, partition: &TopicPartition, position: i64) -> Result<i64, Failure> {
        let starts = self.consumer.beginning_offsets([partition.clone()]).await?;
        match starts.get(partition).filter(|start| **start > position) {
            Some(start) => {
                let last = start - 1;
                tracing::warn!(
                    "{partition}: offsets {position} to {last} were deleted before they could be read"
                );
                Ok(*start)
            }
            None => {
                let text = format!(
                    "{partition}: offset {position} is behind the end of the log, which was cut"
                );
                Err(Failure::new(FAILED, text))
            }
        }
    }
}
