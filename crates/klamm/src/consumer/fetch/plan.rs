//! Pure: what the next fetch of a broker asks for.

use super::budget::{Budget, Charge};
use super::partition::{AssignedPartition, Busy, Phase};
use super::positions::{FetchLease, Positions};
use super::session::Wanted;
use crate::consumer::TopicPartition;
use std::collections::BTreeSet;
use std::time::Instant;

/// A request takes at most this part of what is left of the budget: the rest is for decompressing what
/// it brings, and for other brokers.
const REQUEST_PART: usize = 2;
/// Below this part of the whole budget nothing is asked for, so that memory that comes back in crumbs does
/// not lead to answers of crumbs.
const WORTH_ASKING: usize = 8;

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlanSettings {
    /// Most bytes of an answer, at least 1.
    pub(crate) max_bytes: i32,
    /// Most bytes of one partition in it, at least 1.
    pub(crate) partition_max_bytes: i32,
}

/// The next fetch of one broker.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order in which they are to be served.
    pub(crate) wanted: Vec<(TopicPartition, Wanted)>,
    /// For the answers, by the same order.
    pub(crate) leases: Vec<FetchLease>,
    pub(crate) max_bytes: i32,
    /// Whether any of them is expected to have records: if not, the broker holds the request back.
    pub(crate) expects: bool,
    /// Whether the leader is to serve them itself, and not to name a follower: one that it has named cannot
    /// be reached or cannot serve, and it would name it again and again.
    pub(crate) leader_only: bool,
    /// For the answer, to be settled by its real size.
    pub(crate) charge: Charge,
}

/// What there is to ask a broker for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    Nothing,
    /// Something once the application has taken what is at hand.
    Later,
    /// Something once less memory is in use than this.
    Below(usize),
    Now,
}

/// Which partitions to ask `node` for now, and how much; what is missing if there is nothing to ask or no
/// room.
///
/// A request that would only wait, for partitions that are read to their end, is left for later while
/// another partition of the broker cannot be asked for just because of what is at hand of it: it would have
/// to wait as long.
///
/// They are taken to be asked for from now on, each in this request alone, until they are answered or
/// given up. With `only_expected` only those are asked for that should have records. `reachable` says which brokers can be connected to: a follower that is none of them is left
/// for the leader.
pub(crate) fn plan(
    positions: &mut Positions,
    node: i32,
    reachable: impl Fn(i32) -> bool,
    budget: &Budget,
    settings: &PlanSettings,
    only_expected: bool,
    now: Instant,
) -> Result<Plan, Demand> {
    let Found { mut due, demand, expects, leader_only } =
        look(positions, node, reachable, budget, only_expected, now);
    if demand != Demand::Now {
        return Err(demand);
    }
    due.sort_unstable();
    let due: Vec<TopicPartition> = due.into_iter().map(|(_, tp)| tp.clone()).collect();
    let charge = room(budget, settings.max_bytes).ok_or(Demand::Below(worth_asking(budget)))?;
    let max_bytes = i32::try_from(charge.bytes()).unwrap_or(i32::MAX);
    // The same in every request, or a session would have to name all partitions each time.
    let whole = i32::try_from(budget.limit() / REQUEST_PART).unwrap_or(i32::MAX);
    let partition_max_bytes = settings.partition_max_bytes.min(whole).max(1);
    let (mut wanted, mut leases) = (Vec::with_capacity(due.len()), Vec::with_capacity(due.len()));
    for tp in due {
        let ask = positions.number();
        let Some(partition) = positions.partitions.get_mut(&tp) else { continue };
        leases.push(partition.ask(ask));
        wanted.push((tp, partition.wanted(partition_max_bytes)));
    }
    Ok(Plan { wanted, leases, max_bytes, expects, leader_only, charge })
}

struct Found<'a> {
    /// By turn.
    due: Vec<(u64, &'a TopicPartition)>,
    demand: Demand,
    expects: bool,
    leader_only: bool,
}

fn look<'a>(
    positions: &'a Positions,
    node: i32,
    reachable: impl Fn(i32) -> bool,
    budget: &Budget,
    only_expected: bool,
    now: Instant,
) -> Found<'a> {
    let share = positions.share(budget.limit());
    let mut due: Vec<(u64, &TopicPartition)> = Vec::new();
    let (mut behind, mut at_hand, mut expects, mut leader_only) = (false, false, false, false);
    for (tp, partition) in &positions.partitions {
        if partition.source(&reachable, now) != Some(node) {
            continue;
        }
        if !partition.is_fetchable(share, now) {
            at_hand |= partition.has_data_coming();
        } else if partition.expects() || !only_expected {
            due.push((partition.turn, tp));
            behind |= partition.is_behind();
            expects |= partition.expects();
            let replica = partition.replica.is_some_and(|(_, until)| until > now);
            leader_only |= partition.leader_only || replica && partition.leader == Some(node);
        }
    }
    let would_wait = at_hand && !behind && !only_expected;
    let demand = match (due.is_empty() || would_wait, at_hand) {
        (false, _) => Demand::Now,
        (true, true) => Demand::Later,
        (true, false) => Demand::Nothing,
    };
    Found { due, demand, expects, leader_only }
}

impl Positions {
    /// What [`plan`] would find, apart from the memory for it.
    pub(crate) fn demand(
        &self,
        node: i32,
        reachable: impl Fn(i32) -> bool,
        budget: &Budget,
        only_expected: bool,
        now: Instant,
    ) -> Demand {
        look(self, node, reachable, budget, only_expected, now).demand
    }

    /// How much of a partition may be at hand before it is not asked for any more.
    fn share(&self, limit: usize) -> usize {
        limit / self.partitions.len().max(1)
    }

    /// Whether less of a partition is at hand than may be.
    pub(crate) fn is_short(&self, tp: &TopicPartition, limit: usize) -> bool {
        self.partitions.get(tp).is_none_or(|partition| partition.is_short(self.share(limit)))
    }

    /// Brokers that lead, or follow for, a partition that is being read.
    pub(crate) fn sources(&self, reachable: impl Fn(i32) -> bool, now: Instant) -> BTreeSet<i32> {
        let read = self.partitions.values().filter(|p| p.phase == Phase::Fetching && !p.paused);
        read.filter_map(|p| p.source(&reachable, now)).collect()
    }
}

/// Below how many bytes in use there is room that is worth asking for.
fn worth_asking(budget: &Budget) -> usize {
    budget.limit() - budget.limit() / WORTH_ASKING + 1
}

/// Memory for an answer of at most `max_bytes`, or of less if there is less.
fn room(budget: &Budget, max_bytes: i32) -> Option<Charge> {
    let available = budget.available();
    if available == 0 || budget.used() >= worth_asking(budget) {
        return None;
    }
    let max_bytes = usize::try_from(max_bytes).unwrap_or(1);
    budget.reserve((available / REQUEST_PART).min(max_bytes).max(1))
}

impl AssignedPartition {
    /// Whether it can be asked for: with less than its share at hand that nobody has taken yet.
    fn is_fetchable(&self, share: usize, now: Instant) -> bool {
        self.phase == Phase::Fetching
            && self.busy == Busy::Idle
            && !self.paused
            && self.is_short(share)
            && self.not_before.is_none_or(|at| at <= now)
    }

    fn is_short(&self, share: usize) -> bool {
        self.buffered == 0 || self.buffered < share
    }

    /// Whether it can be asked for as soon as what was sent is decoded or taken.
    fn has_data_coming(&self) -> bool {
        let decoding = matches!(self.busy, Busy::Decoding(_));
        self.phase == Phase::Fetching && !self.paused && (decoding || self.buffered > 0)
    }

    /// The broker to ask: a follower that the leader has recommended, or the leader.
    fn source(&self, reachable: impl Fn(i32) -> bool, now: Instant) -> Option<i32> {
        let replica = self.replica.filter(|(node, until)| *until > now && reachable(*node));
        // Without a leader there is nobody to say that the follower is still one.
        self.leader.map(|leader| replica.map_or(leader, |(node, _)| node))
    }

    fn ask(&mut self, ask: u64) -> FetchLease {
        self.busy = Busy::InFlight(ask);
        FetchLease { lease: self.lease, ask }
    }

    fn wanted(&self, max_bytes: i32) -> Wanted {
        let (topic_id, offset, leader_epoch) =
            (self.topic_id, self.fetch_at.offset, self.leader_epoch);
        Wanted { topic_id, offset, leader_epoch, max_bytes }
    }
}
