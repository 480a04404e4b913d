//! Pure: the heartbeat of a member: it says what it reads, and is told which partitions.

use super::group::ShareGroup;
use super::member::Member;
use super::requests::ShareTimes;
use crate::group::assignor::Assignment;
use crate::group::config::GroupConfig;
use crate::group::effects::{Caller, Effects};
use crate::group::topic_view::TopicView;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::share_group_heartbeat_response as response;
use klamm_protocol::message::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use klamm_protocol::primitives::Str;

/// The epoch of a member that leaves.
pub(super) const LEAVE: i32 = -1;

/// Why a heartbeat is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    code: ErrorCode,
    why: String,
}

impl Fault {
    pub(super) fn new(code: ErrorCode, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }

    pub(super) fn response(self) -> ShareGroupHeartbeatResponse {
        ShareGroupHeartbeatResponse {
            error_code: self.code.0,
            error_message: Some(Str::from(self.why)),
            ..ShareGroupHeartbeatResponse::default()
        }
    }
}

/// A heartbeat with everything around it.
#[derive(Clone, Copy)]
pub(super) struct Beat<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) times: ShareTimes,
    pub(super) caller: Caller<'a>,
    pub(super) request: &'a ShareGroupHeartbeatRequest,
    pub(super) view: &'a dyn TopicView,
}

/// Whether a request makes sense by itself.
///
/// # Errors
/// INVALID_REQUEST, and what is wrong.
pub(super) fn check(request: &ShareGroupHeartbeatRequest) -> Result<(), Fault> {
    let subscribes = request.subscribed_topic_names.as_ref().is_some_and(|names| !names.is_empty());
    let why = if request.group_id.is_empty() {
        "the group id must not be empty"
    } else if request.member_id.is_empty() {
        "the member id must not be empty"
    } else if request.rack_id.as_ref().is_some_and(|rack| rack.is_empty()) {
        "the rack must be null or not empty"
    } else if request.member_epoch < LEAVE {
        "the member epoch is not valid"
    } else if request.member_epoch == 0 && !subscribes {
        "a member that joins says what it reads"
    } else {
        return Ok(());
    };
    Err(Fault::new(ErrorCode::INVALID_REQUEST, why))
}

impl ShareGroup {
    /// Takes a heartbeat that joins or goes on; the request has passed its checks.
    ///
    /// # Errors
    /// [`Fault`]; the group is as before then.
    pub(super) fn heartbeat(
        &mut self,
        fx: &mut Effects,
        beat: Beat<'_>,
    ) -> Result<ShareGroupHeartbeatResponse, Fault> {
        let (epochs, known) = ((self.epoch, self.assignment_epoch), self.members.len());
        let id = self.enter(beat)?;
        let before = self.members.get(&id).cloned().unwrap_or_default();
        self.update(&id, beat);
        self.look_up_topics(fx.now_ms, beat.view);
        self.retarget();
        let assignment_epoch = self.assignment_epoch;
        if let Some(member) = self.members.get_mut(&id) {
            if member.epoch != assignment_epoch {
                member.previous_epoch = member.epoch;
                member.epoch = assignment_epoch;
            }
            member.assigned.clone_from(&member.target);
        }
        let after = self.members.get(&id).cloned().unwrap_or_default();
        fx.after(beat.times.session_timeout_ms, self.session_deadline(&id));
        let others = known != self.members.len() || epochs != (self.epoch, self.assignment_epoch);
        if before != after || others {
            self.write(fx);
        }
        let is_full = beat.request.subscribed_topic_names.is_some();
        // Who comes with an older epoch has not heard the last answer.
        let told = is_full || beat.request.member_epoch != after.epoch || before != after;
        Ok(ShareGroupHeartbeatResponse {
            member_id: Some(id),
            member_epoch: after.epoch,
            heartbeat_interval_ms: beat.times.heartbeat_interval_ms,
            assignment: told.then(|| tell(&after.assigned)),
            ..ShareGroupHeartbeatResponse::default()
        })
    }

    /// Finds the sender of a heartbeat or makes it a member; returns its id.
    fn enter(&mut self, beat: Beat<'_>) -> Result<Str, Fault> {
        let id = &beat.request.member_id;
        if beat.request.member_epoch != 0 {
            let member = self.find(id)?;
            check_epoch(member, beat.request.member_epoch)?;
            return Ok(member.id.clone());
        }
        if !self.members.contains_key(id) {
            let limit = beat.config.share_max_size;
            if self.members.len() >= limit {
                let why = format!("the group has {limit} members");
                return Err(Fault::new(ErrorCode::GROUP_MAX_SIZE_REACHED, why));
            }
            let id = id.detach();
            self.members.insert(id.clone(), Member { id, ..Member::default() });
            self.bump();
        }
        Ok(id.detach())
    }

    fn find(&self, id: &Str) -> Result<&Member, Fault> {
        self.members.get(id).ok_or_else(|| {
            let why = format!("{id} is no member of the group");
            Fault::new(ErrorCode::UNKNOWN_MEMBER_ID, why)
        })
    }

    /// Notes what a member says of itself.
    fn update(&mut self, id: &Str, beat: Beat<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        if let Some(rack) = beat.request.rack_id.as_ref() {
            member.rack_id = Some(rack.detach());
        }
        member.client_id = Str::from(beat.caller.client_id.to_owned());
        member.client_host = Str::from(beat.caller.client_host.to_owned());
        if let Some(names) = &beat.request.subscribed_topic_names {
            let topics = names.iter().map(Str::detach).collect();
            if topics != member.topics {
                member.topics = topics;
                self.bump();
            }
        }
    }

    /// Takes out a member that leaves.
    ///
    /// # Errors
    /// [`Fault`] when it is no member.
    pub(super) fn depart(
        &mut self,
        fx: &mut Effects,
        id: &Str,
    ) -> Result<ShareGroupHeartbeatResponse, Fault> {
        self.find(id)?;
        self.remove(fx, id);
        Ok(ShareGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: LEAVE,
            ..ShareGroupHeartbeatResponse::default()
        })
    }
}

/// Whether a member may go on in this epoch: its own, or the one before when it did not hear the last answer.
fn check_epoch(member: &Member, epoch: i32) -> Result<(), Fault> {
    if epoch == member.epoch || epoch == member.previous_epoch {
        return Ok(());
    }
    let why = format!("the epoch is {epoch} and that of the member {}", member.epoch);
    Err(Fault::new(ErrorCode::FENCED_MEMBER_EPOCH, why))
}

fn tell(assigned: &Assignment) -> response::Assignment {
    let topics = assigned.iter().filter(|(_, partitions)| !partitions.is_empty());
    let topics = topics.map(|(&topic_id, partitions)| response::TopicPartitions {
        topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    response::Assignment { topic_partitions: topics.collect() }
}
