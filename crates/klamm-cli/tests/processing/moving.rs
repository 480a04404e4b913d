//! Partitions that move from one member to another while their records are being handled.

use crate::journal::{Journal, PROTOCOLS, SECOND, committed, member, produce};
use crate::stage::{Stage, p};
use klamm::{
    ConsumedRecord, Consumer, ConsumerConfig, GroupProtocol, ProcessingOrder, RunError, RunOptions,
    RunSummary,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A member whose handlers take as long as `work` says.
fn start(
    stage: &Stage,
    config: ConsumerConfig,
    options: RunOptions,
    by: &'static str,
    journal: &Journal,
    work: impl Fn(&ConsumedRecord) -> Duration + Send + Sync + 'static,
) -> (Arc<Consumer>, JoinHandle<Result<RunSummary, RunError>>) {
    let consumer = Arc::new(stage.consumer(config));
    let journal = journal.clone();
    let run = {
        let consumer = Arc::clone(&consumer);
        async move {
            let handler = move |record| {
                let (journal, wait) = (journal.clone(), work(&record));
                async move {
                    journal.handle(by, record, wait).await;
                    Ok::<_, Infallible>(())
                }
            };
            consumer.run(options, handler).await
        }
    };
    (consumer, tokio::spawn(run))
}

#[tokio::test(start_paused = true)]
async fn members_that_come_and_go_handle_each_record_exactly_once_and_in_order() {
    let assignors = [vec!["range"], vec!["cooperative-sticky"]];
    let cases = assignors.map(|names| (GroupProtocol::Classic, names));
    for (protocol, names) in cases.into_iter().chain([(GroupProtocol::Consumer, vec!["range"])]) {
        let stage = Stage::new(1, 6).await;
        for partition in 0..6 {
            produce(&stage, partition, 0..100).await;
        }
        let journal = Journal::default();
        let config =
            || member(protocol).partition_assignment_strategy(names.clone()).max_poll_records(20);
        // So many are queued that a member that comes always finds some.
        let join = |by| {
            let work = |record: &ConsumedRecord| {
                Duration::from_millis(300 + 100 * u64::try_from(record.offset() % 5).unwrap())
            };
            start(&stage, config(), RunOptions::default(), by, &journal, work)
        };
        let (first, first_run) = join("first");
        journal.reaches(60).await;
        let (second, second_run) = join("second");
        journal.reaches(180).await;
        let (third, third_run) = join("third");
        journal.reaches(300).await;
        first.close().await;
        let handled_by_first = first_run.await.unwrap().unwrap().handled;
        journal.reaches(450).await;
        third.close().await;
        let handled_by_third = third_run.await.unwrap().unwrap().handled;
        journal.reaches(600).await;
        second.close().await;
        let summary = second_run.await.unwrap().unwrap();
        journal.assert_each_once(6, 0..100);
        assert_eq!(summary.positions.values().sum::<i64>(), 600);
        journal.assert_in_order(|entry| (entry.partition, entry.key.clone()));
        let by = |who: &str| journal.entries().iter().filter(|e| e.by == who).count() as u64;
        assert_eq!((by("first"), by("third")), (handled_by_first, handled_by_third));
        assert!(by("first") > 60 && by("second") > 60 && by("third") > 20, "{protocol:?}");
        for partition in 0..6 {
            assert_eq!(committed(&stage, partition).await, Some(100), "{protocol:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_goes_when_its_slow_handler_has_ended() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            produce(&stage, partition, 0..20).await;
        }
        let journal = Journal::default();
        let options = || RunOptions::default().order(ProcessingOrder::Partition);
        let slow = |_: &ConsumedRecord| 40 * SECOND;
        let (first, first_run) =
            start(&stage, member(protocol), options(), "first", &journal, slow);
        journal.reaches(2).await;
        tokio::time::sleep(10 * SECOND).await;
        // Both partitions have their second record at work, and eighteen are queued.
        let quick = |_: &ConsumedRecord| SECOND;
        let (second, second_run) =
            start(&stage, member(protocol), options(), "second", &journal, quick);
        tokio::time::sleep(25 * SECOND).await;
        assert_eq!(journal.entries().len(), 2, "{protocol:?}: nobody handles what is at work");
        journal.reaches(10).await;
        first.close().await;
        first_run.await.unwrap().unwrap();
        journal.reaches(40).await;
        second.close().await;
        second_run.await.unwrap().unwrap();
        journal.assert_each_once(2, 0..20);
        journal.assert_in_order(|entry| entry.partition);
        let of_first = journal.entries().into_iter().filter(|entry| entry.by == "first");
        assert!(of_first.count() >= 4, "{protocol:?}: it ended what it had at work");
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_partition_goes_without_what_is_at_work_which_is_not_committed() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            produce(&stage, partition, 0..20).await;
        }
        let journal = Journal::default();
        let options =
            || RunOptions::default().order(ProcessingOrder::Partition).drain_timeout(SECOND);
        let config = || {
            member(protocol)
                .session_timeout(6 * SECOND)
                .heartbeat_interval(2 * SECOND)
                .max_poll_interval(30 * SECOND)
        };
        // The fourth of each partition takes for ever when it is handled first.
        let stuck = {
            let journal = journal.clone();
            move |record: &ConsumedRecord| {
                let place = (record.partition(), record.offset());
                let first = !journal.begun().contains(&place);
                if first && place.1 == 3 { 1_000_000 * SECOND } else { SECOND }
            }
        };
        let (first, first_run) = start(&stage, config(), options(), "first", &journal, stuck);
        journal.reaches(6).await;
        let quick = |_: &ConsumedRecord| SECOND;
        let (second, second_run) = start(&stage, config(), options(), "second", &journal, quick);
        let began = tokio::time::Instant::now();
        journal.reaches(6 + 17).await;
        assert!(began.elapsed() > 25 * SECOND, "{protocol:?}: {:?}", began.elapsed());
        assert!(began.elapsed() < 120 * SECOND, "{protocol:?}: {:?}", began.elapsed());
        first.close().await;
        let of_first = first_run.await.unwrap().unwrap();
        assert_eq!(of_first.abandoned, 2, "{protocol:?}");
        journal.reaches(40).await;
        second.close().await;
        second_run.await.unwrap().unwrap();
        // What was at work is handled by somebody else, or by the first when it has come back.
        journal.assert_each_once(2, 0..20);
        journal.assert_in_order(|entry| entry.partition);
        let began = journal.begun();
        let times = |place| began.iter().filter(|begun| **begun == place).count();
        assert_eq!((times((0, 3)), times((1, 3)), began.len()), (2, 2, 42), "{protocol:?}");
        for partition in 0..2 {
            assert_eq!(committed(&stage, partition).await, Some(20), "{protocol:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_counts_as_dead_joins_anew_and_its_late_handler_changes_nothing() {
    let stage = Stage::new(1, 1).await;
    produce(&stage, 0, 0..20).await;
    let journal = Journal::default();
    // The bound is met at once: without an end of a handler the member counts as dead.
    let options = RunOptions::default().order(ProcessingOrder::Partition).max_records(5);
    let config = member(GroupProtocol::Classic)
        .session_timeout(6 * SECOND)
        .heartbeat_interval(2 * SECOND)
        .max_poll_interval(30 * SECOND)
        .max_poll_records(5);
    let slow = AtomicBool::new(true);
    let work = move |record: &ConsumedRecord| match record.offset() {
        1 if slow.swap(false, Ordering::Relaxed) => 70 * SECOND,
        _ => SECOND,
    };
    let (first, first_run) = start(&stage, config, options, "first", &journal, work);
    journal.reaches(1).await;
    let began = tokio::time::Instant::now();
    tokio::time::sleep(25 * SECOND).await;
    assert_eq!((journal.begun().len(), committed(&stage, 0).await), (2, Some(1)));
    // It counts as dead, and has room again, because what was queued is dropped: it joins anew, and begins
    // where it had committed.
    journal.reaches(20).await;
    assert!(began.elapsed() < 70 * SECOND, "{:?}", began.elapsed());
    assert_eq!(journal.begun()[..3], [(0, 0), (0, 1), (0, 1)]);
    produce(&stage, 0, 20..40).await;
    journal.reaches(41).await;
    let late = journal.entries().iter().rposition(|entry| entry.offset == 1).unwrap();
    assert!(late > 20, "the first handler has ended at last");
    first.close().await;
    let summary = first_run.await.unwrap().unwrap();
    assert_eq!((summary.handled, summary.positions), (41, BTreeMap::from([(p(0), 40)])));
    assert_eq!(committed(&stage, 0).await, Some(40));
}
