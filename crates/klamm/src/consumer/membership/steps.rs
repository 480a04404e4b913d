//! What a member's events ask for, one after the other: taking partitions on and letting them go.

use super::task::{Done, GroupTask};
use crate::consumer::group::commits::Commit;
use crate::consumer::group::machine::Event;
use crate::consumer::topic_partition::TopicPartition;
use crate::consumer::{Consumer, fetch};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the last commit before a revoke may take.
const LAST_COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What one event asks for.
#[derive(Debug)]
pub(super) struct Step {
    number: u64,
    /// Which member it is of.
    membership: u64,
    partitions: Vec<TopicPartition>,
    kind: Kind,
    stage: Stage,
    /// No waiting beyond this.
    deadline: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Assign,
    Revoke,
    Lost,
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not begun.
    New,
    /// The application still works on records of these partitions.
    InWork,
    /// The listener is at it.
    Listener,
    /// The listener is done.
    Listened,
    /// Offsets are on their way to the coordinator.
    Committing,
}

impl GroupTask {
    /// Takes an event about partitions; what is to stop stops now.
    pub(super) fn add_step(&mut self, event: Event, now: Instant) {
        let (kind, partitions, deadline) = match event {
            Event::Assign { partitions, .. } => (Kind::Assign, partitions, None),
            Event::Revoke { partitions, deadline } => (Kind::Revoke, partitions, Some(deadline)),
            Event::Lost { partitions } => (Kind::Lost, partitions, None),
            _ => return,
        };
        let deadline = deadline.unwrap_or(now + self.settings.config.max_poll_interval);
        tracing::debug!(?kind, ?partitions, "group");
        match kind {
            Kind::Assign if partitions.is_empty() => return,
            Kind::Assign => {}
            Kind::Revoke => self.hold_back(&partitions, now),
            Kind::Lost => self.give_up(&partitions, now),
        }
        self.steps_taken += 1;
        let (number, membership) = (self.steps_taken, self.membership);
        self.steps.push_back(Step {
            number,
            membership,
            partitions,
            kind,
            stage: Stage::New,
            deadline,
        });
    }

    /// Of these partitions those that are still read for a member: the application may have assigned
    /// some itself meanwhile.
    fn still_ours(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let state = self.shared.lock();
        let ours = |tp: &&TopicPartition| {
            let lease = self.taken_on.get(*tp);
            lease.is_some_and(|lease| state.in_hand.lease(tp) == Some(*lease))
        };
        partitions.iter().filter(ours).cloned().collect()
    }

    fn hold_back(&self, partitions: &[TopicPartition], now: Instant) {
        let ours = self.still_ours(partitions);
        let mut state = self.shared.lock();
        ours.iter().for_each(|tp| state.hold_back(tp, now));
    }

    /// The partitions are gone: what was to be done before that is of no use.
    fn give_up(&mut self, partitions: &[TopicPartition], now: Instant) {
        let membership = self.membership;
        self.release(partitions);
        let steps = std::mem::take(&mut self.steps);
        for step in steps {
            match step.kind {
                _ if step.membership != membership => self.steps.push_back(step),
                Kind::Revoke => self.member.handle_revoked(now),
                // What it was to take on is lost too.
                Kind::Assign if step.stage == Stage::New => {}
                Kind::Assign | Kind::Lost => self.steps.push_back(step),
            }
        }
    }

    /// Lets partitions go: nothing of them is read or committed from here on.
    fn release(&mut self, partitions: &[TopicPartition]) {
        let ours = self.still_ours(partitions);
        {
            let mut group = self.group.lock();
            group.commits.released(&ours);
            group.forget_starts(&ours);
        }
        let mut state = self.shared.lock();
        for tp in &ours {
            state.unassign(tp);
            self.auto_committed.remove(tp);
            self.taken_on.remove(tp);
        }
    }

    /// Goes on with the steps; false when the first of them has to wait.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(mut step) = self.steps.pop_front() {
            let done = match step.kind {
                Kind::Assign => self.advance_assign(&mut step, now),
                Kind::Revoke => self.advance_revoke(&mut step, now),
                Kind::Lost => self.advance_lost(&mut step, now),
            };
            if !done {
                return self.steps.push_front(step);
            }
        }
    }

    fn advance_assign(&mut self, step: &mut Step, now: Instant) -> bool {
        if step.stage == Stage::New {
            self.take_on(&step.partitions, now);
            self.call_listener(step);
        }
        if step.stage == Stage::Listener && now < step.deadline {
            return false;
        }
        self.start_at_committed(&step.partitions);
        true
    }

    /// Partitions are this member's; they have no position yet.
    fn take_on(&mut self, partitions: &[TopicPartition], now: Instant) {
        let lease = self.group.lock().commits.assigned(partitions);
        self.taken_on.extend(partitions.iter().map(|tp| (tp.clone(), lease)));
        {
            let mut state = self.shared.lock();
            for tp in partitions {
                state.take_on(tp, now);
                state.lease_out(tp, lease);
            }
        }
        partitions.iter().for_each(|tp| self.client.metadata.want(&tp.topic));
        self.shared.doorbell.ring();
    }

    /// Those that the listener has not moved begin at their committed offsets.
    fn start_at_committed(&self, partitions: &[TopicPartition]) {
        let leases: BTreeMap<TopicPartition, fetch::Lease> = {
            let state = self.shared.lock();
            let lease = |tp: &TopicPartition| Some((tp.clone(), state.positions.lease(tp)?));
            partitions.iter().filter_map(lease).collect()
        };
        self.group.lock().start_at_committed(leases);
    }

    fn advance_revoke(&mut self, step: &mut Step, now: Instant) -> bool {
        if step.stage == Stage::New {
            // A step before this one may have taken them on.
            self.hold_back(&step.partitions, now);
            step.stage = Stage::InWork;
        }
        let late = now >= step.deadline;
        if step.stage == Stage::InWork {
            if !late && self.is_in_work(&step.partitions) {
                return false;
            }
            self.call_listener(step);
        }
        if step.stage == Stage::Listener && !late {
            return false;
        }
        if step.stage != Stage::Committing {
            step.stage = Stage::Committing;
            step.deadline = step.deadline.min(now + LAST_COMMIT_TIMEOUT);
            if self.settings.auto_commit.is_some() {
                self.commit_processed(&step.partitions, now, step.deadline);
            }
        }
        if now < step.deadline && !self.group.lock().commits.is_idle(&step.partitions) {
            return false;
        }
        self.release(&step.partitions);
        if step.membership == self.membership {
            self.member.handle_revoked(now);
        }
        true
    }

    /// Whether the application works on records of these; then its next poll wakes this task.
    fn is_in_work(&self, partitions: &[TopicPartition]) -> bool {
        self.shared.want_poll();
        let state = self.shared.lock();
        !state.closed && partitions.iter().any(|tp| state.is_in_work(tp))
    }

    fn advance_lost(&mut self, step: &mut Step, now: Instant) -> bool {
        if step.stage == Stage::New {
            self.call_listener(step);
        }
        if step.stage == Stage::Listener && now < step.deadline {
            return false;
        }
        if step.membership == self.membership {
            self.member.handle_revoked(now);
        }
        true
    }

    /// When the first step is not waited for any longer.
    pub(super) fn step_deadline(&self) -> Option<Instant> {
        self.steps.front().map(|step| step.deadline)
    }

    /// A listener is done.
    pub(super) fn listened(&mut self, number: u64) {
        let step = self.steps.front_mut().filter(|step| step.number == number);
        if let Some(step) = step.filter(|step| step.stage == Stage::Listener) {
            step.stage = Stage::Listened;
        }
    }

    /// Commits what the application is done with, of those that have moved since the last time.
    pub(super) fn commit_processed(
        &mut self,
        partitions: &[TopicPartition],
        now: Instant,
        deadline: Instant,
    ) {
        let mut commit = Commit::default();
        {
            let state = self.shared.lock();
            for tp in partitions {
                let Some(lease) = state.in_hand.lease(tp) else { continue };
                let Some(at) = state.processed(tp) else { continue };
                if self.auto_committed.insert(tp.clone(), (lease, at.offset))
                    != Some((lease, at.offset))
                {
                    commit.offsets.insert(tp.clone(), (lease, at.into()));
                }
            }
        }
        if !commit.offsets.is_empty() {
            self.group.lock().commits.commit(commit, deadline.max(now));
        }
    }

    /// Tells the listener, if there is one.
    fn call_listener(&mut self, step: &mut Step) {
        let Some(listener) = self.settings.listener.clone() else {
            step.stage = Stage::Listened;
            return;
        };
        step.stage = Stage::Listener;
        let consumer = self.view();
        let (kind, partitions) = (step.kind, step.partitions.clone());
        let deadline = tokio::time::Instant::from_std(step.deadline);
        let number = step.number;
        let listening = self.run_outside(async move {
            match kind {
                Kind::Assign => listener.assigned(&consumer, &partitions).await,
                Kind::Revoke => listener.revoked(&consumer, &partitions, deadline).await,
                Kind::Lost => listener.lost(&consumer, &partitions).await,
            }
        });
        self.working.spawn(async move {
            listening.await;
            Done::Listened(number)
        });
    }

    /// The consumer as the listener sees it: dropping it ends nothing.
    fn view(&self) -> Consumer {
        let (shared, client) = (Arc::clone(&self.shared), Arc::clone(&self.client));
        let group = Some(Arc::clone(&self.group));
        Consumer {
            shared,
            client,
            group,
            read_committed: self.settings.read_committed,
            is_view: true,
        }
    }

    /// Runs what is the application's where it does not keep this thread busy.
    fn run_outside(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let spawned = match &self.settings.runtime {
            Some(runtime) => runtime.spawn(task),
            None => {
                let here = tokio::runtime::Handle::current();
                tokio::task::spawn_blocking(move || here.block_on(task))
            }
        };
        async move {
            if let Err(error) = spawned.await {
                tracing::error!(%error, "the rebalance listener did not come to its end");
            }
        }
    }
}
