//! Pure: what is done of a log that is finished in any order.

use std::collections::VecDeque;
use std::ops::Range;

/// Sequences that are kept together; a power of two.
const PART: u64 = 4_096;

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

/// The states of the sequences from the first that is not done on: at a byte each where they differ from their neighbours, and
/// at next to nothing where a whole part of the log waits, as in an outage, or is done.
#[derive(Debug)]
pub(super) struct States {
    /// Everything below is done.
    low: u64,
    /// The sequence behind all that are known.
    end: u64,
    /// From the one on that `low` is in; what of it lies below `low` is done, whatever it says.
    parts: VecDeque<Part>,
}

/// The states of [`PART`] sequences, as far as they are known.
#[derive(Debug)]
enum Part {
    All(State),
    Each { states: Box<[State]>, done: u64 },
}

impl Part {
    fn get(&self, at: usize) -> State {
        match self {
            Self::All(state) => *state,
            Self::Each { states, .. } => states[at],
        }
    }

    fn set(&mut self, at: Range<usize>, state: State) {
        if let Self::All(all) = *self {
            if all == state {
                return;
            }
            let done = if all == State::Done { PART } else { 0 };
            *self = Self::Each { states: vec![all; PART as usize].into(), done };
        }
        if let Self::Each { states, done } = self {
            let states = &mut states[at];
            let count = |states: &[State]| {
                states.iter().map(|state| u64::from(*state == State::Done)).sum::<u64>()
            };
            *done -= count(states);
            states.fill(state);
            *done += count(states);
            if *done == PART {
                *self = Self::All(State::Done);
            }
        }
    }
}

/// A sequence's place in its part.
fn place(sequence: u64) -> usize {
    (sequence % PART) as usize
}

impl States {
    pub(super) fn new(low: u64) -> Self {
        Self { low, end: low, parts: VecDeque::new() }
    }

    /// Everything below this sequence is done.
    pub(super) fn low(&self) -> u64 {
        self.low
    }

    /// The sequence behind all that are known.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many are known and not below [`States::low`].
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.end - self.low).unwrap_or(usize::MAX)
    }

    pub(super) fn get(&self, sequence: u64) -> State {
        match sequence {
            done if done < self.low => State::Done,
            unknown if unknown >= self.end => State::Waiting,
            known => self.parts[self.part(known)].get(place(known)),
        }
    }

    /// Up to where all wait, from a sequence on and at most to an end.
    pub(super) fn waiting_to(&self, sequence: u64, end: u64) -> u64 {
        let end = end.min(self.end);
        (sequence..end).find(|at| self.get(*at) != State::Waiting).unwrap_or(end.max(sequence))
    }

    /// Takes note of sequences at the end; those that are left out before them do not exist.
    pub(super) fn append(&mut self, sequences: Range<u64>, state: State) {
        self.pass(sequences.start);
        self.push_to(sequences.end, state);
    }

    /// Sequences below this one that are not known do not exist.
    pub(super) fn pass(&mut self, sequence: u64) {
        if self.len() == 0 && sequence > self.end {
            *self = Self::new(sequence);
        }
        self.push_to(sequence, State::Done);
    }

    /// Changes states; those that are not known, or below [`States::low`], stay as they are. Returns whether that moved.
    pub(super) fn set(&mut self, sequences: Range<u64>, state: State) -> bool {
        let (mut at, end) = (sequences.start.max(self.low), sequences.end.min(self.end));
        while at < end {
            let part = self.part(at);
            let count = (end - at).min(PART - at % PART);
            self.parts[part].set(place(at)..place(at) + count as usize, state);
            at += count;
        }
        let before = self.low;
        while self.low < self.end && self.parts[0].get(place(self.low)) == State::Done {
            self.low += 1;
            if place(self.low) == 0 {
                self.parts.pop_front();
            }
        }
        self.low > before
    }

    /// Which part a sequence is in that is not below [`States::low`].
    fn part(&self, sequence: u64) -> usize {
        (sequence / PART - self.low / PART) as usize
    }

    /// All from the end on are in this state, up to a new end.
    fn push_to(&mut self, end: u64, state: State) {
        while self.end < end {
            let (part, at) = (self.part(self.end), place(self.end));
            let count = (end - self.end).min(PART - self.end % PART);
            match self.parts.get_mut(part) {
                Some(part) => part.set(at..at + count as usize, state),
                // What is not known of it yet is overwritten when it is.
                None => self.parts.push_back(Part::All(state)),
            }
            self.end += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_mark_waits_for_the_first_that_is_not_done() {
        let mut states = States::new(10);
        for sequence in [10, 11, 14] {
            states.append(sequence..sequence + 1, State::Taken);
        }
        assert_eq!((states.low(), states.end()), (10, 15));
        assert!(!states.set(11..12, State::Done));
        assert!(states.set(10..11, State::Done));
        assert_eq!(states.low(), 14, "12 and 13 do not exist");
        assert_eq!(
            [states.get(13), states.get(14), states.get(15)],
            [State::Done, State::Taken, State::Waiting]
        );
        assert!(states.set(14..15, State::Done));
        assert_eq!((states.low(), states.len()), (15, 0));
        states.pass(20);
        assert_eq!((states.low(), states.end()), (20, 20));
    }

    fn kept_one_by_one(states: &States) -> usize {
        states.parts.iter().filter(|part| matches!(part, Part::Each { .. })).count()
    }

    #[test]
    fn a_backlog_that_waits_takes_hardly_any_memory() {
        let (low, count) = (1_000, 3_000_000);
        let mut states = States::new(low);
        (low..low + count)
            .for_each(|sequence| states.append(sequence..sequence + 1, State::Waiting));
        assert_eq!(kept_one_by_one(&states), 0);
        // One of eight stays behind, all else of the first half is sent.
        for sequence in low..low + count / 2 {
            states.set(sequence..sequence + 1, State::Taken);
            if sequence % 8 != 3 {
                states.set(sequence..sequence + 1, State::Done);
            }
        }
        assert!(kept_one_by_one(&states) as u64 <= count / 2 / PART + 2);
        for sequence in (low..low + count).rev() {
            states.set(sequence..sequence + 1, State::Done);
            if sequence % PART == 7 {
                assert!(kept_one_by_one(&states) as u64 <= count / 2 / PART + 3);
            }
        }
        assert_eq!((states.low(), states.len(), states.parts.len()), (low + count, 0, 1));
    }

    #[test]
    fn states_are_those_of_a_plain_list() {
        for seed in 1..=40_u64 {
            let mut random = fastrand::Rng::with_seed(seed);
            let first = random.u64(0..3 * PART);
            let mut states = States::new(first);
            let mut plain: Vec<State> = Vec::new();
            let all = [State::Waiting, State::Taken, State::Done];
            for _ in 0..500 {
                let end = first + plain.len() as u64;
                let low = plain.iter().position(|state| *state != State::Done);
                let low = first + low.unwrap_or(plain.len()) as u64;
                match random.u8(0..8) {
                    0..4 => {
                        let (gap, run) = (random.u64(0..3), random.u64(0..200));
                        let state = all[random.usize(0..2)];
                        let (from, upto) = (end + gap, end + gap + run + 1);
                        if random.bool() {
                            states.append(from..upto, state);
                        } else {
                            (from..upto)
                                .for_each(|sequence| states.append(sequence..sequence + 1, state));
                        }
                        plain.resize((from - first) as usize, State::Done);
                        plain.resize((upto - first) as usize, state);
                    }
                    4..7 if end > low => {
                        let from = random.u64(low..end);
                        let state = all[random.usize(0..3)];
                        if random.bool() {
                            let upto = end + random.u64(0..3);
                            let upto = upto.min(from + random.u64(1..3_000));
                            states.set(from..upto, state);
                            let known = (upto.min(end) - first) as usize;
                            plain[(from - first) as usize..known].fill(state);
                            continue;
                        }
                        for sequence in from..end.min(from + random.u64(1..3_000)) {
                            if plain[(sequence - first) as usize] != State::Done {
                                states.set(sequence..sequence + 1, state);
                                plain[(sequence - first) as usize] = state;
                            }
                        }
                    }
                    _ => {
                        let upto = end + random.u64(0..40);
                        states.pass(upto);
                        plain.resize((upto - first) as usize, State::Done);
                    }
                }
                let known = plain.iter().position(|state| *state != State::Done);
                let end = first + plain.len() as u64;
                assert_eq!(states.end(), end, "seed {seed}");
                // It does not exist, and whatever is done before the first that is not is let go.
                states.set(end..end + 1, State::Done);
                assert_eq!(states.low(), first + known.unwrap_or(plain.len()) as u64);
                let asked = random.u64(first..end + 2);
                let at = (asked - first) as usize;
                let expected = plain.get(at).copied().unwrap_or(State::Waiting);
                assert_eq!(states.get(asked), expected, "seed {seed}, sequence {asked}");
            }
        }
    }
}
