//! Pure: a classic group as DescribeGroups shows it.

use super::group::{ClassicGroup, State};
use super::member::Member;
use bytes::Bytes;
use klamm_protocol::message::describe_groups_response::{DescribedGroup, DescribedGroupMember};

impl ClassicGroup {
    /// The group and its members; what they said is shown while the group is stable.
    pub(in crate::group) fn describe(&self) -> DescribedGroup {
        let stable = self.state == State::Stable;
        let protocol = self.protocol_name.clone().filter(|_| stable).unwrap_or_default();
        let member = |member: &Member| DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
            member_assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: self.state.name().into(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.values().map(member).collect(),
            protocol_data: protocol.clone(),
            ..DescribedGroup::default()
        }
    }
}
