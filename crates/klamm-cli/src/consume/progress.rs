//! What was written, and what a group is told of it.

use super::group::Change;
use super::reading::{End, Reading, Scope};
use klamm::Batch;

impl Reading {
    /// A batch is formatted up to this offset.
    pub(super) fn came_to(&mut self, batch: &Batch, offset: i64) {
        if let Scope::Group(member) = &mut self.scope {
            member.came_to(batch, offset);
        }
    }

    /// Waits until everything that was formatted is written.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        self.output.write(&mut self.block).await?;
        self.output.flushed().await?;
        if let Scope::Group(member) = &mut self.scope {
            member.all_written();
        }
        Ok(())
    }

    /// Commits what is written, if it is read for a group. Partitions that go by then are seen to first:
    /// what was read of them under an earlier assignment must not be committed under a later one.
    pub(super) async fn commit(&mut self) -> Result<(), End> {
        while let Scope::Group(member) = &mut self.scope
            && let Ok(change) = member.changes.try_recv()
        {
            member.let_go(change, &self.consumer).await?;
        }
        match &mut self.scope {
            Scope::Group(member) => Ok(member.commit(&self.consumer).await?),
            Scope::Places(_) => Ok(()),
        }
    }

    /// Writes and commits what was read of partitions that go.
    pub(super) async fn let_go(&mut self, change: Change) -> Result<(), End> {
        self.flush().await?;
        match &mut self.scope {
            Scope::Group(member) => Ok(member.let_go(change, &self.consumer).await?),
            Scope::Places(_) => Ok(()),
        }
    }
}
