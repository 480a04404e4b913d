//! Pure: DescribeGroups, ListGroups and DeleteGroups.

use super::change::{Change, Key, text};
use super::coordinator::Coordinator;
use super::group::{Group, Kind};
use super::offsets::flatten;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::delete_groups_response::DeletableGroupResult;
use klamm_protocol::message::describe_groups_response::DescribedGroup;
use klamm_protocol::message::list_groups_response::ListedGroup;
use klamm_protocol::message::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    ListGroupsRequest, ListGroupsResponse,
};
use klamm_protocol::primitives::Str;

impl Coordinator {
    /// DescribeGroups: classic groups only, as with Kafka.
    pub(crate) fn describe_groups(
        &self,
        version: i16,
        request: &DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let groups = request.groups.iter().map(|id| self.describe_group(version, id)).collect();
        DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
    }

    fn describe_group(&self, version: i16, id: &Str) -> DescribedGroup {
        let failed = |code: ErrorCode, state: &'static str, why: Option<Str>| DescribedGroup {
            error_code: code.0,
            error_message: why,
            group_id: id.clone(),
            group_state: Str::from_static(state),
            ..DescribedGroup::default()
        };
        if id.is_empty() {
            return failed(ErrorCode::INVALID_GROUP_ID, "", None);
        }
        match self.groups.get(id).map(|group| &group.kind) {
            Some(Kind::Classic(group)) => group.describe(),
            // Before version 6 a group that does not exist, or not as a classic one, is a dead one.
            _ if version < 6 => failed(ErrorCode::NONE, "Dead", None),
            Some(Kind::Consumer(_) | Kind::Share(_)) | None => {
                let why = Str::from(format!("Group {id} not found."));
                failed(ErrorCode::GROUP_ID_NOT_FOUND, "Dead", Some(why))
            }
        }
    }

    /// ListGroups; the filters take Kafka's names in any case.
    pub(crate) fn list_groups(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        let wanted = |filter: &[Str], name: &Str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let listed = self.groups.iter().map(|(id, group)| list(id, group));
        let listed = listed.filter(|group| {
            wanted(&request.states_filter, &group.group_state)
                && wanted(&request.types_filter, &group.group_type)
        });
        ListGroupsResponse { groups: listed.collect(), ..ListGroupsResponse::default() }
    }

    /// DeleteGroups: those without members, with their offsets.
    pub(crate) fn delete_groups(
        &mut self,
        now_ms: i64,
        request: &DeleteGroupsRequest,
    ) -> DeleteGroupsResponse {
        self.fx.now_ms = now_ms;
        let result = |id: &Str| DeletableGroupResult {
            group_id: id.clone(),
            error_code: self.delete_group(id).err().unwrap_or_default().0,
            ..DeletableGroupResult::default()
        };
        let results = request.groups_names.iter().map(result).collect();
        DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
    }

    fn delete_group(&mut self, id: &Str) -> Result<(), ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if !group.is_empty() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.remove_group(id);
        Ok(())
    }

    /// Takes a group without members away, with everything written down of it.
    pub(super) fn remove_group(&mut self, id: &Str) {
        let Some(mut group) = self.groups.remove(id) else { return };
        group.dissolve(&mut self.fx);
        for (topic, partition, _) in flatten(&group.offsets.committed) {
            self.fx.write(Change::delete(Key::Offset(text(id), text(topic), partition)));
        }
        for (&producer, offsets) in &group.offsets.pending {
            for (topic, partition, _) in flatten(offsets) {
                let key = Key::Pending(producer, text(id), text(topic), partition);
                self.fx.write(Change::delete(key));
            }
        }
        self.fx.write(Change::delete(Key::Group(text(id))));
    }
}

/// One row of ListGroups.
pub(super) fn list(id: &Str, group: &Group) -> ListedGroup {
    let (protocol_type, state, kind) = match &group.kind {
        Kind::Classic(group) => {
            (group.protocol_type().cloned().unwrap_or_default(), group.state().name(), "Classic")
        }
        Kind::Consumer(group) => (Str::from_static("consumer"), group.state(), "Consumer"),
        Kind::Share(group) => (Str::from_static("share"), group.state(), "Share"),
    };
    ListedGroup {
        group_id: id.clone(),
        protocol_type,
        group_state: Str::from_static(state),
        group_type: Str::from_static(kind),
    }
}
