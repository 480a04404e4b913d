//! Pure: groups and offsets rebuilt from what was written down.

use super::change::{self, Change, Key, RestoreError, Value};
use super::classic::ClassicGroup;
use super::consumer::ConsumerGroup;
use super::coordinator::Coordinator;
use super::group::{Group, Kind};
use super::offsets::{Committed, Partitions};
use super::share::ShareGroup;
use klamm_protocol::primitives::Str;

impl Coordinator {
    /// The next change that has to be written down, in order; what it belongs to is in force already.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.fx.poll_change()
    }

    /// Takes back one change, in any order; only the last value of each key counts.
    ///
    /// # Errors
    /// [`RestoreError`]; the coordinator is as before then.
    pub(crate) fn restore(
        &mut self,
        now_ms: i64,
        key: &str,
        value: &[u8],
    ) -> Result<(), RestoreError> {
        self.fx.now_ms = now_ms;
        match change::read(key, value)? {
            (Key::Group(id), Value::Classic(record)) => {
                let id = Str::from(id);
                let group = ClassicGroup::restore(&mut self.fx, id.clone(), record)?;
                self.restored(&id).kind = Kind::Classic(group);
            }
            (Key::Group(id), Value::Consumer(record)) => {
                let id = Str::from(id);
                let group = ConsumerGroup::restore(&mut self.fx, &self.config, id.clone(), record)?;
                self.restored(&id).kind = Kind::Consumer(group);
            }
            (Key::Group(id), Value::Share(record)) => {
                let id = Str::from(id);
                let group = ShareGroup::restore(&mut self.fx, &self.config, id.clone(), record)?;
                self.restored(&id).kind = Kind::Share(group);
            }
            (Key::Offset(group, topic, partition), Value::Offset(record)) => {
                self.last_order = self.last_order.max(record.order);
                let offsets = &mut self.restored(&Str::from(group)).offsets;
                put(&mut offsets.committed, topic, partition, Committed::restore(record));
            }
            (Key::Pending(producer, group, topic, partition), Value::Offset(record)) => {
                self.last_order = self.last_order.max(record.order);
                let group = Str::from(group);
                self.pending.entry(producer).or_default().insert(group.clone());
                let pending = self.restored(&group).offsets.pending.entry(producer).or_default();
                put(pending, topic, partition, Committed::restore(record));
            }
            _ => return Err(RestoreError::Mismatch),
        }
        Ok(())
    }

    fn restored(&mut self, id: &Str) -> &mut Group {
        self.schedule_expiry();
        let now_ms = self.fx.now_ms;
        self.groups.entry(id.clone()).or_insert_with(|| Group::new(id, now_ms))
    }
}

fn put(table: &mut Partitions, topic: String, partition: i32, offset: Committed) {
    table.entry(Str::from(topic)).or_default().insert(partition, offset);
}
