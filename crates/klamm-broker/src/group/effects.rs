//! Pure: what handling a request brings about besides its own answer: answers to others, deadlines, things to write
//! down.

use super::change::Change;
use super::timers::{Deadline, Timers};
use klamm_protocol::message::{JoinGroupResponse, SyncGroupResponse};
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, VecDeque};

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The client's name for itself.
    pub(crate) client_id: &'a str,
    /// Where it comes from, as group descriptions show it.
    pub(crate) client_host: &'a str,
    /// Names this request among those that may have to wait; never used twice.
    pub(crate) waiter: u64,
}

/// The answer to a request that had to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
}

/// Everything a group may do to the world around it.
#[derive(Debug)]
pub(super) struct Effects {
    /// The moment of the call under way.
    pub(super) now_ms: i64,
    pub(super) timers: Timers,
    replies: VecDeque<(u64, Reply)>,
    changes: VecDeque<Change>,
    /// Requests without an answer so far: group and member that they wait for.
    waiting: BTreeMap<u64, (Str, Str)>,
    random: fastrand::Rng,
}

impl Effects {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now_ms: 0,
            timers: Timers::default(),
            replies: VecDeque::new(),
            changes: VecDeque::new(),
            waiting: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Sets a deadline so many milliseconds from now.
    pub(super) fn after(&mut self, delay_ms: i32, deadline: Deadline) {
        self.timers.set(deadline, self.now_ms.saturating_add(i64::from(delay_ms.max(0))));
    }

    /// Notes that a request waits.
    pub(super) fn wait(&mut self, waiter: u64, group: &Str, member: &Str) {
        self.waiting.insert(waiter, (group.clone(), member.clone()));
    }

    /// Answers a request that waits; one that has been forgotten needs no answer.
    pub(super) fn reply(&mut self, waiter: u64, reply: Reply) {
        if self.waiting.remove(&waiter).is_some() {
            self.replies.push_back((waiter, reply));
        }
    }

    /// Stops to wait for an answer; returns whom it was about.
    pub(super) fn forget(&mut self, waiter: u64) -> Option<(Str, Str)> {
        self.waiting.remove(&waiter)
    }

    /// The answer to `waiter`, if it is there already.
    pub(super) fn take_reply(&mut self, waiter: u64) -> Option<Reply> {
        let at = self.replies.iter().position(|(id, _)| *id == waiter)?;
        self.replies.remove(at).map(|(_, reply)| reply)
    }

    pub(super) fn poll_reply(&mut self) -> Option<(u64, Reply)> {
        self.replies.pop_front()
    }

    pub(super) fn write(&mut self, change: Change) {
        self.changes.push_back(change);
    }

    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// A member id that begins with `prefix`, as Kafka forms them.
    pub(super) fn member_id(&mut self, prefix: &str) -> Str {
        Str::from(format!("{prefix}-{}", self.uuid()))
    }

    /// An id for a member that leaves the choice to the coordinator.
    pub(super) fn random_id(&mut self) -> Str {
        Str::from(self.uuid())
    }

    fn uuid(&mut self) -> String {
        let bits = self.random.u128(..) & !(0xf << 76) & !(3 << 62) | 4 << 76 | 2 << 62;
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::{Effects, Reply};
    use klamm_protocol::message::SyncGroupResponse;

    #[test]
    fn an_answer_is_given_once_and_only_to_who_waits() {
        let mut fx = Effects::new(1);
        let reply = || Reply::Sync(SyncGroupResponse::default());
        fx.wait(7, &"g".into(), &"m".into());
        fx.wait(8, &"g".into(), &"m".into());
        fx.forget(8);
        for waiter in [7, 7, 8, 9] {
            fx.reply(waiter, reply());
        }
        assert_eq!(fx.poll_reply(), Some((7, reply())));
        assert_eq!(fx.poll_reply(), None);
    }

    #[test]
    fn member_ids_carry_a_version_4_uuid() {
        let id = Effects::new(1).member_id("app");
        let parts: Vec<_> = id.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [3, 8, 4, 4, 4, 12]);
        assert!(parts[3].starts_with('4') && parts[4].starts_with(['8', '9', 'a', 'b']), "{id}");
    }
}
