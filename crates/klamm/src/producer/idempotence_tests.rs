use super::*;
use proptest::prelude::*;

/// Values `first..first + count`, so that the log shows order, loss and duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    first: i32,
    count: i32,
}

impl Sequenced for Batch {
    fn record_count(&self) -> i32 {
        self.count
    }
}

/// The broker's half of the bargain, as Kafka's ProducerAppendInfo and ProducerStateEntry keep it.
#[derive(Debug, Default)]
struct Broker {
    log: Vec<i32>,
    state: Option<(i64, i16)>,
    next_sequence: i32,
    last_five: VecDeque<(Stamp, i32)>,
}

impl Broker {
    fn append(&mut self, stamp: Stamp, batch: Batch) -> Verdict {
        if self.last_five.contains(&(stamp, batch.count)) {
            return Verdict::Acked;
        }
        let identity = (stamp.producer_id, stamp.producer_epoch);
        let in_sequence = match self.state {
            None => true,
            Some(known) if known == identity => stamp.base_sequence == self.next_sequence,
            Some(known) => {
                assert!(known.0 != identity.0 || known.1 < identity.1, "an epoch went back");
                stamp.base_sequence == 0
            }
        };
        if !in_sequence {
            return Verdict::OutOfSequence;
        }
        if self.state != Some(identity) {
            self.last_five.clear();
        }
        self.state = Some(identity);
        self.next_sequence = sequence_after(stamp.base_sequence, batch.count);
        self.last_five.push_back((stamp, batch.count));
        if self.last_five.len() > 5 {
            self.last_five.pop_front();
        }
        self.log.extend(batch.first..batch.first + batch.count);
        Verdict::Acked
    }
}

/// A sequence, its broker and everything that was resolved.
struct Pair {
    client: PartitionSequence<Batch>,
    broker: Broker,
    resolved: Vec<Resolution<Batch>>,
    next_value: i32,
    next_producer_id: i64,
}

impl Pair {
    fn new() -> Self {
        let mut client = PartitionSequence::new(true, 5);
        client.adopt(7, 0, &mut Vec::new());
        Self {
            client,
            broker: Broker::default(),
            resolved: Vec::new(),
            next_value: 0,
            next_producer_id: 8,
        }
    }

    /// A pair whose leader has acknowledged one record, so that five batches may be in flight.
    fn confirmed() -> Self {
        let mut pair = Self::new();
        pair.send_new(1);
        pair.settle();
        assert_eq!(pair.broker.log, [0]);
        pair
    }

    fn send_new(&mut self, count: i32) -> (u64, Stamp, Batch) {
        let batch = Batch { first: self.next_value, count };
        assert_eq!(self.client.poll_send(1, &mut self.resolved), NextSend::New);
        self.next_value += count;
        let sent = self.client.send_new(batch);
        (sent.id, sent.stamp, sent.batch)
    }

    fn reply(&mut self, id: u64, verdict: Verdict) {
        self.client.handle_reply(id, verdict, &mut self.resolved);
    }

    /// Answers all that is in flight truthfully and sends what waits, until nothing is left.
    fn settle(&mut self) {
        for _ in 0..100 {
            let waiting: Vec<_> = self
                .client
                .unresolved()
                .filter(|b| b.status == Status::InFlight)
                .map(|b| (b.id, b.stamp, b.batch))
                .collect();
            for (id, stamp, batch) in waiting {
                let verdict = self.broker.append(stamp, batch);
                self.reply(id, verdict);
            }
            match self.client.poll_send(1, &mut self.resolved) {
                NextSend::Again(id) => {
                    self.client.send_again(id).expect("a waiting batch");
                }
                NextSend::NeedsProducerId => {
                    self.client.adopt(self.next_producer_id, 0, &mut self.resolved);
                    self.next_producer_id += 1;
                }
                NextSend::Nothing => {}
                NextSend::New if self.client.is_idle() => return,
                NextSend::New => {}
            }
        }
        panic!("not settled: {:?}", self.client);
    }

    /// No loss without an error, no duplicate, no reordering, an outcome for every record.
    fn check(&self) {
        assert!(self.broker.log.is_sorted_by(|a, b| a < b), "order: {:?}", self.broker.log);
        let mut outcomes = vec![0; self.next_value as usize];
        for resolution in &self.resolved {
            let (Resolution::Delivered(batch)
            | Resolution::NotDelivered(batch)
            | Resolution::Unknown(batch)) = resolution;
            for value in batch.first..batch.first + batch.count {
                outcomes[value as usize] += 1;
                let in_log = self.broker.log.contains(&value);
                match resolution {
                    Resolution::Delivered(_) => assert!(in_log, "lost {value}"),
                    Resolution::NotDelivered(_) => {
                        assert!(!in_log, "{value} is there all the same")
                    }
                    Resolution::Unknown(_) => {}
                }
            }
        }
        assert!(outcomes.iter().all(|n| *n == 1), "outcomes: {outcomes:?}");
    }

    fn unknowns(&self) -> Vec<i32> {
        let unknown = |r: &Resolution<Batch>| match r {
            Resolution::Unknown(b) => Some(b.first),
            _ => None,
        };
        self.resolved.iter().filter_map(unknown).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ok,
    Retriable,
    Fatal,
    AckLost,
    Disconnect,
}

const FATES: [Fate; 5] = [Fate::Ok, Fate::Retriable, Fate::Fatal, Fate::AckLost, Fate::Disconnect];

/// Runs one script; `reached` says whether the broker still read what followed a disconnect.
fn run_script(script: [Fate; 5], reached: bool) {
    let mut pair = Pair::confirmed();
    let sent: Vec<_> = (0..5).map(|i| pair.send_new(1 + i % 3)).collect();
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Nothing, "six in flight");
    let mut connected = true;
    let mut may_be_unknown = Vec::new();
    for ((id, stamp, batch), fate) in sent.into_iter().zip(script) {
        connected &= fate != Fate::Disconnect;
        let fate = if connected { fate } else { Fate::Disconnect };
        let verdict = match fate {
            Fate::Ok => pair.broker.append(stamp, batch),
            Fate::Retriable => Verdict::Retriable { may_be_appended: false },
            Fate::Fatal => Verdict::Rejected,
            Fate::AckLost | Fate::Disconnect => {
                if fate == Fate::AckLost || reached {
                    pair.broker.append(stamp, batch);
                }
                may_be_unknown.push(batch.first);
                Verdict::Retriable { may_be_appended: true }
            }
        };
        pair.reply(id, verdict);
    }
    pair.settle();
    pair.check();
    for first in pair.unknowns() {
        assert!(may_be_unknown.contains(&first), "{script:?}: {first} was answered, yet unknown");
    }
    if !script.contains(&Fate::Fatal) {
        assert!(pair.unknowns().is_empty(), "{script:?}: retries alone lose certainty");
        assert_eq!(pair.broker.log.len() as i32, pair.next_value, "{script:?}: all appended");
    }
    // The partition is as good as new.
    pair.send_new(1);
    pair.settle();
    pair.check();
}

#[test]
fn all_3125_reply_permutations_of_five_in_flight() {
    let mut runs = 0;
    for n in 0..5usize.pow(5) {
        let script = std::array::from_fn(|i| FATES[n / 5usize.pow(i as u32) % 5]);
        for reached in [false, true] {
            run_script(script, reached);
        }
        runs += 1;
    }
    assert_eq!(runs, 3125);
}

#[test]
fn retry_resends_the_same_stamp_and_batch() {
    let mut pair = Pair::confirmed();
    let (id, stamp, batch) = pair.send_new(3);
    pair.reply(id, Verdict::Retriable { may_be_appended: true });
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Again(id));
    let again = pair.client.send_again(id).expect("waiting");
    assert_eq!((again.stamp, again.batch), (stamp, batch));
}

#[test]
fn second_batch_waits_for_the_first_ack_of_the_leader() {
    let mut pair = Pair::new();
    let (id, ..) = pair.send_new(1);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Nothing);
    pair.reply(id, Verdict::Acked);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::New);
}

#[test]
fn new_leader_gets_nothing_until_the_old_one_has_answered() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    let (b, ..) = pair.send_new(1);
    assert_eq!(pair.client.poll_send(2, &mut pair.resolved), NextSend::Nothing);
    pair.reply(a, Verdict::Retriable { may_be_appended: true });
    assert_eq!(pair.client.poll_send(2, &mut pair.resolved), NextSend::Nothing);
    pair.reply(b, Verdict::Retriable { may_be_appended: true });
    assert_eq!(pair.client.poll_send(2, &mut pair.resolved), NextSend::Again(a));
    pair.client.send_again(a);
    assert_eq!(pair.client.poll_send(2, &mut pair.resolved), NextSend::Nothing, "not confirmed");
}

#[test]
fn no_new_sequence_while_one_is_unresolved() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    let (b, stamp, batch) = pair.send_new(1);
    pair.reply(a, Verdict::Retriable { may_be_appended: false });
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Nothing);
    let verdict = pair.broker.append(stamp, batch);
    assert_eq!(verdict, Verdict::OutOfSequence);
    pair.reply(b, verdict);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Again(a));
    pair.settle();
    pair.check();
    assert_eq!(pair.client.epoch, 0, "not head of line: no new epoch");
}

#[test]
fn out_of_order_at_the_head_starts_a_new_epoch_after_the_drain() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    let (b, ..) = pair.send_new(2);
    pair.broker = Broker { state: Some((7, 0)), next_sequence: 90, ..Broker::default() };
    pair.reply(a, Verdict::OutOfSequence);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Nothing, "b in flight");
    assert_eq!(pair.client.epoch, 0);
    pair.reply(b, Verdict::OutOfSequence);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Again(a));
    let again = pair.client.send_again(a).expect("waiting");
    assert_eq!(again.stamp, Stamp { producer_id: 7, producer_epoch: 1, base_sequence: 0 });
    pair.settle();
    assert_eq!(pair.broker.log, [1, 2, 3]);
}

#[test]
fn unknown_server_error_on_the_first_of_three_resequences_only_when_all_are_resolved() {
    let mut pair = Pair::confirmed();
    let sent: Vec<_> = (0..3).map(|_| pair.send_new(1)).collect();
    pair.reply(sent[0].0, Verdict::Rejected);
    for (id, stamp, batch) in &sent[1..] {
        assert_eq!(pair.client.epoch, 0, "a new epoch with batches in flight");
        assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Nothing);
        let verdict = pair.broker.append(*stamp, *batch);
        pair.reply(*id, verdict);
    }
    pair.settle();
    pair.check();
    assert_eq!(pair.client.epoch, 1);
    assert_eq!(pair.broker.log, [0, 2, 3]);
}

#[test]
fn unsure_batch_is_unknown_rather_than_resequenced() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    pair.reply(a, Verdict::Retriable { may_be_appended: true });
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Again(a));
    pair.client.send_again(a);
    pair.reply(a, Verdict::OutOfSequence);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::New);
    assert_eq!(pair.unknowns(), [1]);
}

#[test]
fn rejection_after_an_unsure_try_is_unknown() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    pair.reply(a, Verdict::Retriable { may_be_appended: true });
    pair.client.poll_send(1, &mut pair.resolved);
    pair.client.send_again(a);
    pair.reply(a, Verdict::Rejected);
    assert_eq!(pair.unknowns(), [1]);
}

#[test]
fn exhausted_epoch_asks_for_a_new_producer_id() {
    let mut pair = Pair::confirmed();
    pair.client.epoch = i16::MAX;
    pair.broker.state = Some((7, i16::MAX));
    let (a, ..) = pair.send_new(1);
    let (b, ..) = pair.send_new(1);
    pair.reply(a, Verdict::Rejected);
    pair.reply(b, Verdict::OutOfSequence);
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::NeedsProducerId);
    pair.settle();
    pair.check();
    assert_eq!(pair.client.producer_id, 8);
}

#[test]
fn nothing_is_sent_before_there_is_a_producer_id() {
    let mut client = PartitionSequence::<Batch>::new(true, 5);
    let mut resolved = Vec::new();
    assert_eq!(client.poll_send(1, &mut resolved), NextSend::NeedsProducerId);
    client.adopt(7, 0, &mut resolved);
    assert_eq!(client.poll_send(1, &mut resolved), NextSend::New);
}

#[test]
fn sequence_wraps_to_zero() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 10, 11), 0);
    assert_eq!(sequence_after(i32::MAX - 10, 20), 9);
    let mut pair = Pair::confirmed();
    pair.client.next_sequence = i32::MAX - 10;
    pair.broker.next_sequence = i32::MAX - 10;
    for _ in 0..5 {
        let (_, stamp, _) = pair.send_new(3);
        assert!(stamp.base_sequence >= 0);
        pair.settle();
    }
    pair.check();
    assert_eq!(pair.client.next_sequence, 4);
    assert_eq!(pair.client.epoch, 0);
}

#[test]
fn split_children_reuse_the_parents_range_before_any_later_batch() {
    let mut pair = Pair::confirmed();
    let (a, stamp, _) = pair.send_new(4);
    let (b, b_stamp, b_batch) = pair.send_new(2);
    let halve =
        |b: Batch| Ok([Batch { count: 1, ..b }, Batch { first: b.first + 1, count: b.count - 1 }]);
    pair.client.handle_too_large(a, halve, &mut pair.resolved);
    let verdict = pair.broker.append(b_stamp, b_batch);
    pair.reply(b, verdict);
    let stamps: Vec<_> = pair.client.unresolved().map(|b| b.stamp.base_sequence).collect();
    let base = stamp.base_sequence;
    assert_eq!(stamps, [base, base + 1, base + 4]);
    pair.settle();
    pair.check();
    assert_eq!(pair.broker.log, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(pair.client.epoch, 0);
}

#[test]
fn single_record_that_is_too_large_is_rejected_and_the_rest_goes_on() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    let (b, stamp, batch) = pair.send_new(1);
    pair.client.handle_too_large(a, Err, &mut pair.resolved);
    let verdict = pair.broker.append(stamp, batch);
    pair.reply(b, verdict);
    pair.settle();
    pair.check();
    assert_eq!(pair.broker.log, [0, 2]);
}

#[test]
fn timeout_in_flight_is_unknown_and_later_records_are_not_deduplicated_away() {
    for appended in [false, true] {
        let mut pair = Pair::confirmed();
        let (a, stamp, batch) = pair.send_new(1);
        pair.client.expire(|b| b.first == 1, &mut pair.resolved);
        assert_eq!(pair.unknowns(), [1]);
        if appended {
            pair.broker.append(stamp, batch);
        }
        pair.reply(a, Verdict::Retriable { may_be_appended: true });
        pair.send_new(1);
        pair.settle();
        pair.check();
        assert!(pair.broker.log.contains(&2));
    }
}

#[test]
fn late_ack_after_the_timeout_keeps_the_sequence() {
    let mut pair = Pair::confirmed();
    let (a, stamp, batch) = pair.send_new(1);
    pair.client.expire(|_| true, &mut pair.resolved);
    let verdict = pair.broker.append(stamp, batch);
    pair.reply(a, verdict);
    pair.send_new(1);
    pair.settle();
    pair.check();
    assert_eq!((pair.client.epoch, pair.broker.log.as_slice()), (0, [0, 1, 2].as_slice()));
}

#[test]
fn recreated_topic_starts_a_new_epoch_at_sequence_zero() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    pair.broker = Broker::default();
    pair.client.handle_topic_recreated();
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Nothing, "a in flight");
    pair.reply(a, Verdict::Retriable { may_be_appended: false });
    assert_eq!(pair.client.poll_send(1, &mut pair.resolved), NextSend::Again(a));
    let stamp = pair.client.send_again(a).expect("waiting").stamp;
    assert_eq!((stamp.producer_epoch, stamp.base_sequence), (1, 0));
}

#[test]
fn answer_that_comes_twice_or_too_late_changes_nothing() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    pair.reply(a, Verdict::Retriable { may_be_appended: true });
    pair.reply(a, Verdict::Acked);
    assert_eq!(pair.resolved.len(), 1, "only the first record is resolved");
    pair.reply(99, Verdict::Acked);
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn abandoned_batches_are_unknown_only_if_they_may_have_been_sent() {
    let mut pair = Pair::confirmed();
    let (a, ..) = pair.send_new(1);
    let (b, ..) = pair.send_new(1);
    pair.reply(a, Verdict::Retriable { may_be_appended: false });
    let _ = b;
    pair.client.abandon(&mut pair.resolved);
    assert_eq!(pair.unknowns(), [2]);
    assert!(pair.resolved.contains(&Resolution::NotDelivered(Batch { first: 1, count: 1 })));
}

#[test]
fn without_idempotence_nothing_is_stamped_and_no_epoch_starts() {
    let mut client = PartitionSequence::new(false, 3);
    let mut resolved = Vec::new();
    let mut ids = Vec::new();
    for first in 0..3 {
        assert_eq!(client.poll_send(1, &mut resolved), NextSend::New);
        let sent = client.send_new(Batch { first, count: 1 });
        assert_eq!(sent.stamp, Stamp::NONE);
        ids.push(sent.id);
    }
    assert_eq!(client.poll_send(1, &mut resolved), NextSend::Nothing);
    for id in ids {
        client.handle_reply(id, Verdict::OutOfSequence, &mut resolved);
    }
    assert!(matches!(client.poll_send(1, &mut resolved), NextSend::Again(_)));
    assert_eq!(client.epoch, -1);
}

#[derive(Debug, Clone)]
enum Step {
    Send(i32),
    Answer(Fate),
    LoseConnection { read: usize },
    Split,
    Expire,
    MoveLeader,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4).prop_map(Step::Send),
        6 => proptest::sample::select(&FATES[..4]).prop_map(Step::Answer),
        1 => (0..6usize).prop_map(|read| Step::LoseConnection { read }),
        1 => Just(Step::Split),
        1 => Just(Step::Expire),
        1 => Just(Step::MoveLeader),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any walk through sends, answers, lost connections, splits, timeouts and leader moves keeps
    /// the promise of [`Pair::check`].
    #[test]
    fn any_walk_keeps_the_promise(steps in proptest::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        let mut leader = 1;
        let mut wire: VecDeque<(u64, Stamp, Batch)> = VecDeque::new();
        for step in steps {
            match step {
                Step::Send(count) => match pair.client.poll_send(leader, &mut pair.resolved) {
                    NextSend::New => {
                        let batch = Batch { first: pair.next_value, count };
                        pair.next_value += count;
                        let sent = pair.client.send_new(batch);
                        wire.push_back((sent.id, sent.stamp, sent.batch));
                    }
                    NextSend::Again(id) => {
                        let sent = pair.client.send_again(id).expect("waiting");
                        wire.push_back((sent.id, sent.stamp, sent.batch));
                    }
                    NextSend::Nothing => {}
                    NextSend::NeedsProducerId => unreachable!("epochs do not run out here"),
                },
                Step::Answer(fate) => if let Some((id, stamp, batch)) = wire.pop_front() {
                    let verdict = match fate {
                        Fate::Ok => pair.broker.append(stamp, batch),
                        Fate::Retriable => Verdict::Retriable { may_be_appended: false },
                        Fate::Fatal => Verdict::Rejected,
                        Fate::AckLost | Fate::Disconnect => {
                            pair.broker.append(stamp, batch);
                            Verdict::Retriable { may_be_appended: true }
                        }
                    };
                    pair.reply(id, verdict);
                },
                Step::LoseConnection { read } => for (i, (id, stamp, batch)) in wire.drain(..).enumerate() {
                    if i < read {
                        pair.broker.append(stamp, batch);
                    }
                    pair.reply(id, Verdict::Retriable { may_be_appended: true });
                },
                Step::Split => if let Some((id, ..)) = wire.pop_front() {
                    let halve = |b: Batch| if b.count < 2 { Err(b) } else {
                        Ok([Batch { count: 1, ..b }, Batch { first: b.first + 1, count: b.count - 1 }])
                    };
                    pair.client.handle_too_large(id, halve, &mut pair.resolved);
                },
                Step::Expire => {
                    let due = pair.next_value - 3;
                    pair.client.expire(|b| b.first < due, &mut pair.resolved);
                }
                Step::MoveLeader => leader = 3 - leader,
            }
            prop_assert!(pair.client.in_flight() <= 5);
        }
        for (id, stamp, batch) in wire {
            let verdict = pair.broker.append(stamp, batch);
            pair.reply(id, verdict);
        }
        pair.settle();
        pair.check();
    }
}

/// With every failure breaking the partition off: whatever the answers are, nothing behind a record that was not delivered
/// gets into the log before it is sent again.
#[test]
fn broken_off_nothing_passes_what_was_not_delivered() {
    for n in 0..FATES.len().pow(5) {
        for reached in [false, true] {
            let script = [0, 1, 2, 3, 4].map(|i| FATES[n / FATES.len().pow(i) % FATES.len()]);
            let mut pair = Pair::confirmed();
            let sent: Vec<_> = (0..5).map(|_| pair.send_new(1)).collect();
            let mut connected = true;
            for ((id, stamp, batch), fate) in sent.into_iter().zip(script) {
                connected &= fate != Fate::Disconnect;
                let verdict = match fate {
                    Fate::Ok if connected => pair.broker.append(stamp, batch),
                    Fate::Retriable if connected => Verdict::Retriable { may_be_appended: false },
                    Fate::Fatal if connected => Verdict::Rejected,
                    lost => {
                        if lost == Fate::AckLost || reached {
                            pair.broker.append(stamp, batch);
                        }
                        Verdict::Retriable { may_be_appended: true }
                    }
                };
                pair.reply(id, verdict);
                if pair.resolved.iter().any(|r| !matches!(r, Resolution::Delivered(_))) {
                    pair.client.break_off(&mut pair.resolved);
                }
            }
            pair.settle();
            pair.check();
            let missing = pair.resolved.iter().find_map(|r| match r {
                Resolution::NotDelivered(batch) => Some(batch.first),
                _ => None,
            });
            if let Some(missing) = missing {
                let passed = pair.broker.log.iter().any(|value| *value > missing);
                assert!(!passed, "{script:?}, {reached}: {:?} passed {missing}", pair.broker.log);
            }
        }
    }
}
