//! Batches that go to a run instead of the application, which says itself what of them is processed.

use super::super::TopicPartition;
use super::super::fetch::Position;
use super::super::processing::Intake;
use super::in_hand::InHand;
use super::{Shared, State, Taken};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

impl InHand {
    /// Who takes batches, if it is not the application.
    pub(in super::super) fn intake(&self) -> Option<Arc<dyn Intake>> {
        self.intake.clone()
    }

    /// The consumer is to be closed when the run has ended, which is returned.
    pub(in super::super) fn close_after_run(&mut self) -> Option<Arc<dyn Intake>> {
        self.closing = self.intake.is_some();
        self.intake()
    }

    /// When a run was last seen to make progress.
    pub(super) fn finished_at(&self) -> Option<Instant> {
        self.intake.as_ref()?.finished_at()
    }
}

impl Shared {
    /// Hands the next batch to a run. Nobody sees one that was handed out and is not known to the run.
    pub(in super::super) fn hand_in(
        &self,
        intake: &dyn Intake,
        polled: Option<Instant>,
        now: Instant,
    ) -> Taken<()> {
        let mut state = self.lock();
        state.end_current();
        self.note_poll(&mut state, polled);
        let taken = state.take(now);
        let mut short = self.is_short(&state, &taken);
        let taken = match taken {
            Taken::Some(batch) => {
                let topic = Arc::clone(batch.topic_shared());
                let tp = TopicPartition { topic, partition: batch.partition() };
                if intake.take(&tp, batch) {
                    state.pause(&tp, true, now);
                    // What is at hand of it keeps nobody waiting any more.
                    short = true;
                }
                Taken::Some(())
            }
            Taken::Nothing => Taken::Nothing,
            Taken::Closed => Taken::Closed,
            Taken::Error(error) => Taken::Error(error),
        };
        drop(state);
        if short {
            self.doorbell.taken();
        }
        taken
    }
}

impl State {
    /// From here on batches go to a run; false if there is one already.
    pub(in super::super) fn begin_run(&mut self, intake: &Arc<dyn Intake>) -> bool {
        if self.in_hand.intake.is_some() {
            return false;
        }
        self.all_processed();
        self.in_hand.intake = Some(Arc::clone(intake));
        true
    }

    /// The run is over: what it is not done with is read again. Returns where each partition goes on, and
    /// whether the consumer is to be closed now.
    pub(in super::super) fn end_run(
        &mut self,
        now: Instant,
    ) -> (BTreeMap<TopicPartition, Position>, bool) {
        let Some(intake) = self.in_hand.intake.take() else { return (BTreeMap::new(), false) };
        self.all_processed();
        for (tp, paused) in intake.partitions() {
            if paused {
                self.pause(&tp, false, now);
            }
            if let Some(undone) = intake.undone(&tp) {
                self.go_back(&tp, undone, now);
            }
        }
        let assigned: Vec<TopicPartition> = self.positions.assigned().cloned().collect();
        let came_to = |tp| self.came_to(&tp).map(|at| (tp, at));
        let came_to = assigned.into_iter().filter_map(came_to).collect();
        (came_to, std::mem::take(&mut self.in_hand.closing))
    }

    /// Reads again from here, unless the application has gone back further meanwhile.
    fn go_back(&mut self, tp: &TopicPartition, to: Position, now: Instant) {
        if self.positions.position(tp).is_none_or(|at| at.offset <= to.offset) {
            return;
        }
        self.forget(tp);
        self.positions.seek(tp, to, now);
        if self.in_hand.is_going(tp) {
            self.positions.stop(tp);
        }
    }

    /// Where to go on if the application dies now, which has a run handle everything.
    pub(super) fn processed_by_run(&self, tp: &TopicPartition) -> Option<Position> {
        let came_to = self.came_to(tp)?;
        let undone = self.in_hand.intake.as_ref().and_then(|intake| intake.undone(tp));
        Some(undone.map_or(came_to, |undone| undone.min(came_to)))
    }
}
