//! Pure: a KIP-848 group written down and read back.

use super::group::ConsumerGroup;
use super::member::{Member, Progress};
use crate::group::change::{
    Change, ConsumerMemberRecord, ConsumerRecord, Key, RestoreError, Value, opt_text,
    record_partitions, restore_partitions, text,
};
use crate::group::config::GroupConfig;
use crate::group::effects::Effects;
use klamm_protocol::primitives::Str;

impl ConsumerGroup {
    /// Has the group written down as it is.
    pub(super) fn write(&self, fx: &mut Effects) {
        let record = ConsumerRecord {
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            since_ms: self.since_ms,
            members: self.members.values().map(record_member).collect(),
        };
        fx.write(Change::put(Key::Group(text(&self.id)), Value::Consumer(record)));
    }

    /// The group as it was written down; the sessions of its members begin now, and so does the time that those have
    /// who are to give something up.
    pub(in crate::group) fn restore(
        fx: &mut Effects,
        config: &GroupConfig,
        id: Str,
        record: ConsumerRecord,
    ) -> Result<Self, RestoreError> {
        let mut group = Self::new(id, record.since_ms, record.epoch);
        group.assignment_epoch = record.assignment_epoch;
        for member in record.members {
            let member = restore_member(member)?;
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        for member in group.members.values() {
            fx.after(config.consumer_session_timeout_ms, group.session_deadline(&member.id));
            if member.progress == Progress::Unrevoked {
                fx.after(member.rebalance_timeout_ms, group.revocation_deadline(&member.id));
            }
        }
        Ok(group)
    }
}

fn record_member(member: &Member) -> ConsumerMemberRecord {
    ConsumerMemberRecord {
        id: text(&member.id),
        instance_id: opt_text(member.instance_id.as_ref()),
        rack_id: opt_text(member.rack_id.as_ref()),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        epoch: member.epoch,
        previous_epoch: member.previous_epoch,
        waits: member.progress == Progress::Unreleased,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        topics: member.topics.iter().map(text).collect(),
        regex: opt_text(member.regex.as_ref()),
        assignor: opt_text(member.assignor.as_ref()),
        assigned: record_partitions(&member.assigned),
        revoking: record_partitions(&member.revoking),
        target: record_partitions(&member.target),
    }
}

fn restore_member(record: ConsumerMemberRecord) -> Result<Member, RestoreError> {
    let revoking = restore_partitions(record.revoking)?;
    let progress = match revoking.is_empty() {
        false => Progress::Unrevoked,
        true if record.waits => Progress::Unreleased,
        true => Progress::Stable,
    };
    Ok(Member {
        id: Str::from(record.id),
        instance_id: record.instance_id.map(Str::from),
        rack_id: record.rack_id.map(Str::from),
        client_id: Str::from(record.client_id),
        client_host: Str::from(record.client_host),
        progress,
        epoch: record.epoch,
        previous_epoch: record.previous_epoch,
        rebalance_timeout_ms: record.rebalance_timeout_ms,
        topics: record.topics.into_iter().map(Str::from).collect(),
        regex: record.regex.map(Str::from),
        assignor: record.assignor.map(Str::from),
        assigned: restore_partitions(record.assigned)?,
        revoking,
        target: restore_partitions(record.target)?,
    })
}
