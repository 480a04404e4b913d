//! Handlers that fail, panic, or do not end.

use crate::journal::{Journal, SECOND, committed, member, produce};
use crate::stage::{Stage, p};
use klamm::consumer::{HandlerError, RunFailure};
use klamm::{ConsumedRecord, Consumer, ErrorKind, GroupProtocol, OnError, RunOptions};
use std::collections::BTreeMap;
use std::time::Duration;

/// How the handler of offset 5 fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Error,
    Panic,
    /// Before there is a future to be polled.
    PanicAtOnce,
}

/// Fails at offset 5 of partition 0 for the first `times`.
fn failing(
    journal: &Journal,
    how: How,
    times: usize,
) -> impl Fn(ConsumedRecord) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>
+ Send
+ Sync
+ 'static {
    let journal = journal.clone();
    move |record| {
        let at_work = journal.begin(&record);
        let begun = journal.begun().iter().filter(|place| **place == (0, 5)).count();
        let fails = (record.partition(), record.offset()) == (0, 5) && begun <= times;
        assert!(!fails || how != How::PanicAtOnce, "told to");
        let journal = journal.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if fails {
                assert!(how != How::Panic, "told to");
                return Err("told to".to_owned());
            }
            journal.end("a", &record);
            drop(at_work);
            Ok(())
        })
    }
}

async fn stage_and_consumer() -> (Stage, Consumer) {
    let stage = Stage::new(1, 2).await;
    for partition in 0..2 {
        produce(&stage, partition, 0..20).await;
    }
    let consumer = stage.consumer(member(GroupProtocol::Auto));
    (stage, consumer)
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_with_pauses_and_holds_up_only_what_comes_after_it() {
    for how in [How::Error, How::Panic, How::PanicAtOnce] {
        let (stage, consumer) = stage_and_consumer().await;
        let journal = Journal::default();
        let began = tokio::time::Instant::now();
        let options = RunOptions::default().retries(3).retry_backoff(5 * SECOND, 60 * SECOND);
        let run = consumer.run(options, failing(&journal, how, 3));
        let stop = async {
            journal.reaches(37).await;
            assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
            journal.reaches(40).await;
            // After 5, 10 and 20 seconds.
            assert!((35 * SECOND..37 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
            consumer.stop_run();
        };
        let (summary, ()) = tokio::join!(run, stop);
        let summary = summary.unwrap();
        assert_eq!((summary.handled, summary.retried, summary.skipped), (40, 3, 0), "{how:?}");
        journal.assert_each_once(2, 0..20);
        journal.assert_in_order(|entry| (entry.partition, entry.key.clone()));
        assert_eq!(committed(&stage, 0).await, Some(20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_good_stops_the_run_and_is_where_the_next_begins() {
    for how in [How::Error, How::Panic, How::PanicAtOnce] {
        let (stage, consumer) = stage_and_consumer().await;
        let journal = Journal::default();
        let options = RunOptions::default().retries(1);
        let error = consumer.run(options, failing(&journal, how, 2)).await.unwrap_err();
        let RunFailure::Handler { partition, offset, error: by_handler } = error.cause() else {
            panic!("{error:?}");
        };
        assert_eq!((partition, *offset, error.kind()), (&p(0), 5, ErrorKind::Fatal));
        let panicked = matches!(by_handler, HandlerError::Panicked(_));
        assert_eq!(panicked, how != How::Error, "{by_handler:?}");
        assert!(error.to_string().contains("t-0: offset 5: "), "{error}");
        assert!(error.to_string().contains("told to"), "{error}");
        assert_eq!((error.summary().retried, error.summary().abandoned), (1, 0));
        assert_eq!(error.summary().positions[&p(0)], 5);
        assert_eq!(committed(&stage, 0).await, Some(5), "{how:?}");
        assert_eq!(consumer.position(&p(0)), Some(5));
        // What was done beyond it is done again: the broker remembers one offset.
        let stop = async {
            while consumer.position(&p(0)) != Some(20) || consumer.position(&p(1)) != Some(20) {
                tokio::time::sleep(SECOND).await;
            }
            tokio::time::sleep(SECOND).await;
            consumer.stop_run();
        };
        let again = consumer.run(RunOptions::default(), failing(&journal, how, 2));
        let (summary, ()) = tokio::join!(again, stop);
        assert_eq!(summary.unwrap().positions, BTreeMap::from([(p(0), 20), (p(1), 20)]));
        assert_eq!(committed(&stage, 0).await, Some(20), "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_good_is_skipped_if_that_is_asked_for() {
    let (stage, consumer) = stage_and_consumer().await;
    let journal = Journal::default();
    let options = RunOptions::default().retries(2).on_error(OnError::Skip);
    let run = consumer.run(options, failing(&journal, How::Panic, usize::MAX));
    let stop = async {
        journal.reaches(39).await;
        consumer.stop_run();
    };
    let (summary, ()) = tokio::join!(run, stop);
    let summary = summary.unwrap();
    assert_eq!((summary.handled, summary.retried, summary.skipped), (39, 2, 1));
    assert_eq!(summary.positions, BTreeMap::from([(p(0), 20), (p(1), 20)]));
    assert_eq!(committed(&stage, 0).await, Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_end_is_dropped_after_the_drain_timeout() {
    let (stage, consumer) = stage_and_consumer().await;
    let journal = Journal::default();
    let run = consumer.run(RunOptions::default().drain_timeout(7 * SECOND), {
        let journal = journal.clone();
        move |record: ConsumedRecord| {
            let journal = journal.clone();
            async move {
                if (record.partition(), record.offset()) == (1, 3) {
                    let _at_work = journal.begin(&record);
                    std::future::pending::<()>().await;
                }
                journal.handle("a", record, SECOND / 10).await;
                Ok::<_, String>(())
            }
        }
    });
    let close = async {
        // It holds up what has its key: 3, 10 and 17.
        journal.reaches(37).await;
        let began = tokio::time::Instant::now();
        consumer.close().await;
        assert!((7 * SECOND..9 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    };
    let (summary, ()) = tokio::join!(run, close);
    let summary = summary.unwrap();
    assert_eq!((summary.handled, summary.abandoned), (37, 1));
    assert_eq!(committed(&stage, 0).await, Some(20));
    assert_eq!(committed(&stage, 1).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn options_that_cannot_be_used_are_refused() {
    let (_stage, consumer) = stage_and_consumer().await;
    let options = RunOptions::default().workers(0);
    let refused = consumer.run(options, |_| async { Ok::<_, String>(()) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    assert!(refused.to_string().contains("workers"), "{refused}");
}
