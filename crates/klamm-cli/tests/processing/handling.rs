//! What is handled, in which order, and how much at once.

use crate::journal::{Journal, KEYS, PROTOCOLS, SECOND, committed, member, produce};
use crate::stage::{Stage, p};
use klamm::consumer::RunFailure;
use klamm::{
    Batch, ConsumeError, ConsumedRecord, ConsumerConfig, GroupProtocol, ProcessingOrder,
    RunOptions, Start,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Later records are quicker, so that whatever may overtake does.
fn work_of(record: &ConsumedRecord) -> Duration {
    Duration::from_millis(200 - u64::try_from(record.offset()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn every_record_once_in_the_order_asked_for_and_then_committed() {
    for order in [ProcessingOrder::Key, ProcessingOrder::Partition, ProcessingOrder::Unordered] {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            produce(&stage, partition, 0..100).await;
        }
        let consumer = stage.consumer(member(GroupProtocol::Auto));
        let journal = Journal::default();
        let run = consumer.run(RunOptions::default().order(order).workers(5), {
            let journal = journal.clone();
            move |record| {
                let journal = journal.clone();
                async move {
                    let work = work_of(&record);
                    journal.handle("a", record, work).await;
                    Ok::<_, Infallible>(())
                }
            }
        });
        let stop = async {
            journal.reaches(200).await;
            consumer.stop_run();
        };
        let (summary, ()) = tokio::join!(run, stop);
        let summary = summary.unwrap();
        assert_eq!((summary.handled, summary.retried, summary.skipped), (200, 0, 0));
        assert_eq!(summary.positions, BTreeMap::from([(p(0), 100), (p(1), 100)]));
        journal.assert_each_once(2, 0..100);
        let at_once = match order {
            ProcessingOrder::Partition => {
                journal.assert_in_order(|entry| entry.partition);
                2
            }
            ProcessingOrder::Key => {
                journal.assert_in_order(|entry| (entry.partition, entry.key.clone()));
                5
            }
            _ => 5,
        };
        assert_eq!(journal.most_at_work(), at_once, "{order:?}");
        for partition in 0..2 {
            assert_eq!(committed(&stage, partition).await, Some(100), "{order:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_meanwhile_is_never_beyond_the_first_that_is_not_done() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        produce(&stage, 0, 0..100).await;
        let consumer = Arc::new(stage.consumer(member(protocol).auto_commit_interval(SECOND)));
        let journal = Journal::default();
        let run = consumer.run(RunOptions::default(), {
            let journal = journal.clone();
            move |record: ConsumedRecord| {
                let journal = journal.clone();
                // All but one are done soon.
                let work = if record.offset() == 40 { 60 * SECOND } else { SECOND / 100 };
                async move {
                    journal.handle("a", record, work).await;
                    Ok::<_, Infallible>(())
                }
            }
        });
        let look = async {
            // Those with the same key wait for it.
            journal.reaches(100 - (60 / usize::try_from(KEYS).unwrap() + 1)).await;
            tokio::time::sleep(5 * SECOND).await;
            assert_eq!(committed(&stage, 0).await, Some(40), "{protocol:?}");
            consumer.commit_all().await.unwrap();
            assert_eq!(committed(&stage, 0).await, Some(40), "{protocol:?}");
            assert!(matches!(consumer.poll().await, Err(ConsumeError::InRun)));
            assert!(matches!(consumer.recv().await, Err(ConsumeError::InRun)));
            let ok = |_: ConsumedRecord| async { Ok::<_, Infallible>(()) };
            let twice = consumer.run(RunOptions::default(), ok).await.unwrap_err();
            assert!(matches!(twice.cause(), RunFailure::AlreadyRunning), "{twice}");
            journal.reaches(100).await;
            tokio::time::sleep(2 * SECOND).await;
            assert_eq!(committed(&stage, 0).await, Some(100), "{protocol:?}");
            consumer.close().await;
        };
        let (summary, ()) = tokio::join!(run, look);
        assert_eq!(summary.unwrap().handled, 100);
        journal.assert_each_once(1, 0..100);
    }
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_what_is_at_work_and_commits_it() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        produce(&stage, 0, 0..50).await;
        let consumer = stage.consumer(member(protocol));
        let journal = Journal::default();
        let run = consumer.run(RunOptions::default().order(ProcessingOrder::Partition), {
            let journal = journal.clone();
            move |record| {
                let journal = journal.clone();
                async move {
                    journal.handle("a", record, 3 * SECOND).await;
                    Ok::<_, Infallible>(())
                }
            }
        });
        let close = async {
            journal.reaches(2).await;
            tokio::time::sleep(SECOND).await;
            let began = tokio::time::Instant::now();
            consumer.close().await;
            assert!(began.elapsed() > SECOND, "it waited");
            assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
        };
        let (summary, ()) = tokio::join!(run, close);
        assert_eq!(summary.unwrap().handled, 3);
        assert_eq!(committed(&stage, 0).await, Some(3), "{protocol:?}");
        assert_eq!(consumer.poll().await.unwrap().map(|_| ()), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_key_does_not_stall_other_partitions_and_reading_goes_on_at_the_bound() {
    let stage = Stage::new(1, 2).await;
    for partition in 0..2 {
        produce(&stage, partition, 0..500).await;
    }
    let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(10));
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let journal = Journal::default();
    let (slow_at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let options = RunOptions::default().max_partition_records(50).max_records(200).workers(4);
    let run = consumer.run(options, {
        let (journal, slow, most) = (journal.clone(), Arc::clone(&slow_at_work), Arc::clone(&most));
        move |record: ConsumedRecord| {
            let (journal, slow, most) = (journal.clone(), Arc::clone(&slow), Arc::clone(&most));
            async move {
                let first = (record.partition(), record.offset()) == (0, 0);
                if first {
                    slow.store(1, Ordering::Relaxed);
                    journal.handle("a", record, 100 * SECOND).await;
                    slow.store(0, Ordering::Relaxed);
                } else {
                    if record.partition() == 0 && slow.load(Ordering::Relaxed) == 1 {
                        most.fetch_max(
                            usize::try_from(record.offset()).unwrap(),
                            Ordering::Relaxed,
                        );
                    }
                    journal.handle("a", record, SECOND / 1_000).await;
                }
                Ok::<_, Infallible>(())
            }
        }
    });
    let look = async {
        journal.reaches(500).await;
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(slow_at_work.load(Ordering::Relaxed), 1, "it is still at work");
        let of_other = journal.entries().iter().filter(|entry| entry.partition == 1).count();
        assert_eq!(of_other, 500, "the other partition is read to its end");
        assert!(consumer.is_paused(&p(0)) && !consumer.is_paused(&p(1)));
        journal.reaches(1_000).await;
        consumer.stop_run();
    };
    let (summary, ()) = tokio::join!(run, look);
    assert_eq!(summary.unwrap().positions, BTreeMap::from([(p(0), 500), (p(1), 500)]));
    let most = most.load(Ordering::Relaxed);
    assert!((40..60).contains(&most), "50 are in work at most, and one batch: {most}");
    assert!(!consumer.is_paused(&p(0)));
    journal.assert_each_once(2, 0..500);
}

#[tokio::test(start_paused = true)]
async fn batches_of_a_partition_one_after_the_other() {
    let stage = Stage::new(1, 2).await;
    for partition in 0..2 {
        produce(&stage, partition, 0..100).await;
    }
    let consumer = stage.consumer(member(GroupProtocol::Auto).max_poll_records(30));
    let journal = Journal::default();
    let run = consumer.run_batches(RunOptions::default(), {
        let journal = journal.clone();
        move |batch: Batch| {
            let journal = journal.clone();
            async move {
                assert!(batch.len() <= 30);
                tokio::time::sleep(SECOND - Duration::from_millis(batch.len() as u64)).await;
                batch.into_records().for_each(|record| journal.end("a", &record));
                Ok::<_, Infallible>(())
            }
        }
    });
    let stop = async {
        journal.reaches(200).await;
        consumer.stop_run();
    };
    let (summary, ()) = tokio::join!(run, stop);
    assert_eq!(summary.unwrap().positions, BTreeMap::from([(p(0), 100), (p(1), 100)]));
    journal.assert_each_once(2, 0..100);
    journal.assert_in_order(|entry| entry.partition);
    assert_eq!(committed(&stage, 1).await, Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_or_stopped_is_gone_on_with_by_the_next() {
    let stage = Stage::new(1, 1).await;
    produce(&stage, 0, 0..60).await;
    let consumer = stage.consumer(member(GroupProtocol::Auto).auto_commit(false));
    let journal = Journal::default();
    let handler = || {
        let journal = journal.clone();
        move |record| {
            let journal = journal.clone();
            async move {
                journal.handle("a", record, SECOND).await;
                Ok::<_, Infallible>(())
            }
        }
    };
    let options = || RunOptions::default().order(ProcessingOrder::Partition);
    let run = consumer.run(options(), handler());
    // Ten are done, and the next is half done.
    assert!(
        tokio::time::timeout(SECOND / 2, async {
            tokio::select! {
                _ = run => {}
                () = async { journal.reaches(10).await; std::future::pending().await } => {}
            }
        })
        .await
        .is_err()
    );
    let begun = journal.begun().len();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(journal.begun().len(), begun, "nothing is begun by a run that is dropped");
    let done = journal.entries().len();
    assert_eq!(consumer.position(&p(0)), Some(i64::try_from(done).unwrap()));
    let stop = async {
        journal.reaches(60).await;
        consumer.stop_run();
    };
    let (summary, ()) = tokio::join!(consumer.run(options(), handler()), stop);
    assert_eq!(summary.unwrap().positions, BTreeMap::from([(p(0), 60)]));
    journal.assert_each_once(1, 0..60);
    assert_eq!(committed(&stage, 0).await, None, "the application commits itself");
}
