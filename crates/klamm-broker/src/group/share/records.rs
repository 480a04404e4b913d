//! Pure: a share group as it is written down.

use super::group::ShareGroup;
use super::member::Member;
use crate::group::change::{
    Change, Key, RestoreError, ShareMemberRecord, ShareRecord, Value, opt_text, record_partitions,
    restore_partitions, text,
};
use crate::group::config::GroupConfig;
use crate::group::effects::Effects;
use klamm_protocol::primitives::Str;

impl ShareGroup {
    /// Has the group written down as it is.
    pub(in crate::group) fn write(&self, fx: &mut Effects) {
        let record = ShareRecord {
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            members: self.members.values().map(record_member).collect(),
        };
        fx.write(Change::put(Key::Group(text(&self.id)), Value::Share(record)));
    }

    /// The group as it was written down; the sessions of its members begin now.
    pub(in crate::group) fn restore(
        fx: &mut Effects,
        config: &GroupConfig,
        id: Str,
        record: ShareRecord,
    ) -> Result<Self, RestoreError> {
        let mut group = Self::new(id);
        group.epoch = record.epoch;
        group.assignment_epoch = record.assignment_epoch;
        for member in record.members {
            let member = restore_member(member)?;
            fx.after(config.share_session_timeout_ms, group.session_deadline(&member.id));
            group.members.insert(member.id.clone(), member);
        }
        Ok(group)
    }
}

fn record_member(member: &Member) -> ShareMemberRecord {
    ShareMemberRecord {
        id: text(&member.id),
        rack_id: opt_text(member.rack_id.as_ref()),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        epoch: member.epoch,
        previous_epoch: member.previous_epoch,
        topics: member.topics.iter().map(text).collect(),
        assigned: record_partitions(&member.assigned),
        target: record_partitions(&member.target),
    }
}

fn restore_member(record: ShareMemberRecord) -> Result<Member, RestoreError> {
    Ok(Member {
        id: Str::from(record.id),
        rack_id: record.rack_id.map(Str::from),
        client_id: Str::from(record.client_id),
        client_host: Str::from(record.client_host),
        epoch: record.epoch,
        previous_epoch: record.previous_epoch,
        topics: record.topics.into_iter().map(Str::from).collect(),
        assigned: restore_partitions(record.assigned)?,
        target: restore_partitions(record.target)?,
    })
}
