//! Pure: what is done of a log that is finished in any order.

use std::collections::VecDeque;

/// Where a record of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not on its way; it is read again for that.
    Waiting,
    /// On its way.
    Taken,
    /// In Kafka, or with the dead letters.
    Done,
}

/// The states of the sequences from the first that is not done on, at a byte each.
#[derive(Debug)]
pub(super) struct States {
    /// Everything below is done.
    low: u64,
    from_low: VecDeque<State>,
}

impl States {
    pub(super) fn new(low: u64) -> Self {
        Self { low, from_low: VecDeque::new() }
    }

    /// Everything below this sequence is done.
    pub(super) fn low(&self) -> u64 {
        self.low
    }

    /// The sequence behind all that are known.
    pub(super) fn end(&self) -> u64 {
        self.low + self.from_low.len() as u64
    }

    /// How many are known and not below [`States::low`].
    pub(super) fn len(&self) -> usize {
        self.from_low.len()
    }

    pub(super) fn get(&self, sequence: u64) -> State {
        let Some(at) = sequence.checked_sub(self.low) else { return State::Done };
        let state = usize::try_from(at).ok().and_then(|at| self.from_low.get(at));
        state.copied().unwrap_or(State::Waiting)
    }

    /// Takes note of a sequence at the end; those that are left out before it do not exist.
    pub(super) fn append(&mut self, sequence: u64, state: State) {
        self.pass(sequence);
        self.from_low.push_back(state);
    }

    /// Sequences below this one that are not known do not exist.
    pub(super) fn pass(&mut self, sequence: u64) {
        if self.from_low.is_empty() {
            self.low = self.low.max(sequence);
        }
        while self.end() < sequence {
            self.from_low.push_back(State::Done);
        }
    }

    /// Changes a state that is known; returns whether [`States::low`] moved.
    pub(super) fn set(&mut self, sequence: u64, state: State) -> bool {
        let at = sequence.checked_sub(self.low).and_then(|at| usize::try_from(at).ok());
        if let Some(known) = at.and_then(|at| self.from_low.get_mut(at)) {
            *known = state;
        }
        let before = self.low;
        while self.from_low.front() == Some(&State::Done) {
            self.from_low.pop_front();
            self.low += 1;
        }
        self.low > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_mark_waits_for_the_first_that_is_not_done() {
        let mut states = States::new(10);
        for sequence in [10, 11, 14] {
            states.append(sequence, State::Taken);
        }
        assert_eq!((states.low(), states.end()), (10, 15));
        assert!(!states.set(11, State::Done));
        assert!(states.set(10, State::Done));
        assert_eq!(states.low(), 14, "12 and 13 do not exist");
        assert_eq!(
            [states.get(13), states.get(14), states.get(15)],
            [State::Done, State::Taken, State::Waiting]
        );
        assert!(states.set(14, State::Done));
        assert_eq!((states.low(), states.len()), (15, 0));
        states.pass(20);
        assert_eq!((states.low(), states.end()), (20, 20));
    }
}
