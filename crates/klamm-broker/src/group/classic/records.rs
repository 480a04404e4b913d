//! Pure: a classic group written down and read back.

use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::group::change::{
    Change, ClassicMemberRecord, ClassicRecord, Key, RestoreError, Value, from_hex, opt_text, text,
    to_hex,
};
use crate::group::effects::Effects;
use bytes::Bytes;
use klamm_protocol::primitives::Str;

impl ClassicGroup {
    /// Has the group written down as it is.
    pub(in crate::group) fn write(&self, fx: &mut Effects) {
        let record = ClassicRecord {
            generation: self.generation,
            protocol_type: opt_text(self.protocol_type.as_ref()),
            protocol_name: opt_text(self.protocol_name.as_ref()),
            leader: opt_text(self.leader.as_ref()),
            since_ms: self.since_ms,
            members: self.members.values().map(record_member).collect(),
        };
        fx.write(Change::put(Key::Group(text(&self.id)), Value::Classic(record)));
    }

    /// The group as it was written down; the sessions of its members begin now.
    pub(in crate::group) fn restore(
        fx: &mut Effects,
        id: Str,
        record: ClassicRecord,
    ) -> Result<Self, RestoreError> {
        let mut group = Self::new(id, record.since_ms);
        group.generation = record.generation;
        group.protocol_type = record.protocol_type.map(Str::from);
        group.protocol_name = record.protocol_name.map(Str::from);
        group.leader = record.leader.map(Str::from);
        for member in record.members {
            let member = restore_member(member)?;
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member.id.clone());
            }
            fx.after(member.session_timeout_ms, group.session_deadline(&member.id));
            group.members.insert(member.id.clone(), member);
        }
        group.state = if group.members.is_empty() { State::Empty } else { State::Stable };
        Ok(group)
    }
}

fn record_member(member: &Member) -> ClassicMemberRecord {
    let protocols = member.protocols.iter();
    ClassicMemberRecord {
        id: text(&member.id),
        instance_id: opt_text(member.instance_id.as_ref()),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: member.session_timeout_ms,
        protocols: protocols.map(|(name, metadata)| (text(name), to_hex(metadata))).collect(),
        assignment: to_hex(&member.assignment),
    }
}

fn restore_member(record: ClassicMemberRecord) -> Result<Member, RestoreError> {
    let protocols = record.protocols.into_iter();
    let protocol = |(name, metadata): (String, String)| {
        Ok((Str::from(name), Bytes::from(from_hex(&metadata)?)))
    };
    Ok(Member {
        id: Str::from(record.id),
        instance_id: record.instance_id.map(Str::from),
        client_id: Str::from(record.client_id),
        client_host: Str::from(record.client_host),
        rebalance_timeout_ms: record.rebalance_timeout_ms,
        session_timeout_ms: record.session_timeout_ms,
        protocols: protocols.map(protocol).collect::<Result<_, RestoreError>>()?,
        assignment: Bytes::from(from_hex(&record.assignment)?),
        joining: None,
        syncing: None,
        is_new: false,
        id_is_known: true,
    })
}
