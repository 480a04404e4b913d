//! Requests in flight: order, cancellation, deadlines, and the end of a connection.

use super::*;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use std::future::poll_fn;

#[tokio::test]
async fn answers_find_their_requests_in_order() {
    let (connection, mut peer) = pair(settings()).await;
    let replies: Vec<_> = (0..100).map(|_| submit(&connection, LONG)).collect();
    for i in 0..100 {
        let asked = peer.asked().await;
        peer.answer_metadata(&asked, i).await;
    }
    for (i, reply) in (0..).zip(replies) {
        assert_eq!(mark(bounded(reply).await), i);
    }
}

#[tokio::test]
async fn late_answer_after_a_timeout_reaches_nobody_else() {
    let (connection, mut peer) = pair(settings()).await;
    let late = submit(&connection, SHORT);
    let asked = peer.asked().await;
    let error = bounded(late).await.unwrap_err();
    assert!(
        matches!(error, RequestError::Timeout { may_have_reached_broker: true, .. }),
        "{error}"
    );
    bounded(connection.closed()).await;
    peer.answer_metadata(&asked, 1).await;
    let refused = connection.submit(&MetadataRequest::default(), VERSION, LONG, true).unwrap_err();
    assert!(!refused.may_have_reached_broker(), "{refused}");
}

#[tokio::test]
async fn swapped_correlation_ids_end_the_connection() {
    let (connection, mut peer) = pair(settings()).await;
    let (first, second) = (submit(&connection, LONG), submit(&connection, LONG));
    let (_, other) = (peer.asked().await, peer.asked().await);
    peer.answer_metadata(&other, 2).await;
    for reply in [first, second] {
        let error = bounded(reply).await.unwrap_err();
        assert!(error.may_have_reached_broker() && error.kind() == ErrorKind::Retriable);
        assert!(error.to_string().contains("was due"), "{error}");
    }
    assert!(peer.is_closed_by_client().await);
}

#[tokio::test]
async fn answer_that_nobody_asked_for_ends_the_connection() {
    let (connection, mut peer) = pair(settings()).await;
    peer.send(&mock::bytes::<MetadataRequest>(&mock::marked(0), VERSION, 100)).await;
    bounded(connection.closed()).await;
    assert!(connection.is_closed());
}

#[tokio::test]
async fn dropped_replies_do_not_disturb_the_others() {
    let (connection, mut peer) = pair(settings()).await;
    for polls in 0..6 {
        let mut cancelled = submit(&connection, LONG);
        for _ in 0..polls {
            poll_fn(|cx| {
                assert!(Pin::new(&mut cancelled).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
        }
        drop(cancelled);
        let kept = submit(&connection, LONG);
        let asked = peer.asked().await;
        // Cut into the smallest pieces: framing must not depend on how bytes arrive.
        for byte in &mock::bytes::<MetadataRequest>(&mock::marked(-1), VERSION, asked.id())[..] {
            peer.send(&[*byte]).await;
        }
        let asked = peer.asked().await;
        peer.answer_metadata(&asked, polls).await;
        assert_eq!(mark(bounded(kept).await), polls, "after {polls} polls");
    }
}

#[tokio::test]
async fn a_hundred_thousand_cancelled_requests_free_their_places() {
    let (connection, mut peer) = pair(settings()).await;
    let answering = tokio::spawn(async move {
        while let Some(asked) = peer.next().await {
            peer.answer_metadata(&asked, 0).await;
        }
    });
    for _ in 0..100 {
        // Fewer at a time than may wait, many more in sum.
        (0..1_000).for_each(|_| drop(submit(&connection, LONG)));
        mark(bounded(submit(&connection, LONG)).await);
    }
    assert_eq!(connection.shared.outstanding.load(Ordering::Relaxed), 0);
    drop(connection);
    bounded(answering).await.unwrap();
}

#[tokio::test]
async fn too_many_waiting_requests_are_refused_and_not_lost() {
    let (connection, mut peer) = pair(settings()).await;
    let waiting: Vec<_> = (0..OUTSTANDING_MAX).map(|_| submit(&connection, LONG)).collect();
    let refused = connection.submit(&MetadataRequest::default(), VERSION, LONG, true).unwrap_err();
    assert!(!refused.may_have_reached_broker() && refused.kind() == ErrorKind::Retriable);
    let asked = peer.asked().await;
    peer.answer_metadata(&asked, 7).await;
    let mut waiting = waiting.into_iter();
    assert_eq!(mark(bounded(waiting.next().unwrap()).await), 7);
    drop(submit(&connection, LONG));
}

/// A request that does not fit any socket buffer.
fn huge() -> MetadataRequest {
    let name = "x".repeat(30_000);
    let topic = MetadataRequestTopic {
        name: Some(name.as_str().into()),
        ..MetadataRequestTopic::default()
    };
    MetadataRequest { topics: Some(vec![topic; 1_000]), ..MetadataRequest::default() }
}

#[tokio::test]
async fn each_waiter_learns_whether_its_own_bytes_may_have_arrived() {
    let (connection, peer) = pair(settings()).await;
    let written = submit(&connection, LONG);
    let partly = connection.submit(&huge(), VERSION, LONG, true).unwrap();
    let never = submit(&connection, LONG);
    let silent = connection.submit(&huge(), VERSION, LONG, false).unwrap();
    // Time for the driver to fill the socket's buffers.
    tokio::time::sleep(SHORT).await;
    drop(peer);
    let reached = [
        bounded(written).await.unwrap_err(),
        bounded(partly).await.unwrap_err(),
        bounded(never).await.unwrap_err(),
        bounded(silent).await.unwrap_err(),
    ]
    .map(|e| e.may_have_reached_broker());
    assert_eq!(reached, [true, true, false, false]);
}

#[tokio::test]
async fn request_without_an_answer_is_done_once_written_and_times_out_before() {
    let (connection, mut peer) = pair(settings()).await;
    let done = connection.submit(&MetadataRequest::default(), VERSION, LONG, false).unwrap();
    assert!(bounded(done).await.unwrap().is_none());
    peer.asked().await;
    let stuck = connection.submit(&huge(), VERSION, SHORT, false).unwrap();
    let error = bounded(stuck).await.unwrap_err();
    assert!(
        matches!(error, RequestError::Timeout { may_have_reached_broker: true, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn throttle_time_is_obeyed() {
    let (connection, mut peer) = pair(settings()).await;
    connection.throttle(-1);
    connection.throttle(400);
    connection.throttle(1);
    let began = Instant::now();
    let reply = submit(&connection, LONG);
    let asked = peer.asked().await;
    assert!(began.elapsed() >= Duration::from_millis(390), "{:?}", began.elapsed());
    peer.answer_metadata(&asked, 3).await;
    assert_eq!(mark(bounded(reply).await), 3);
}

#[tokio::test]
async fn claimed_size_over_the_limit_ends_the_connection() {
    for size in [i32::MAX, -1, 1024 * 1024 + 1] {
        let (connection, mut peer) = pair(settings()).await;
        let reply = submit(&connection, LONG);
        peer.asked().await;
        peer.send(&size.to_be_bytes()).await;
        let error = bounded(reply).await.unwrap_err();
        assert!(error.to_string().contains("claims"), "{error}");
    }
}

#[tokio::test]
async fn malformed_body_fails_its_request_only() {
    let (connection, mut peer) = pair(settings()).await;
    let (first, second) = (submit(&connection, LONG), submit(&connection, LONG));
    let asked = peer.asked().await;
    let frame = [&8i32.to_be_bytes()[..], &asked.id().to_be_bytes(), &[0xff; 4]].concat();
    peer.send(&frame).await;
    let asked = peer.asked().await;
    peer.answer_metadata(&asked, 5).await;
    let error = bounded(first).await.unwrap_err();
    assert!(error.may_have_reached_broker() && matches!(error, RequestError::Decode { .. }));
    assert_eq!(mark(bounded(second).await), 5);
}

#[tokio::test]
async fn hostile_frames_end_in_an_error_for_the_one_who_waits() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let (connection, mut peer) = pair(settings()).await;
        let reply = submit(&connection, LONG);
        let asked = peer.asked().await;
        // A whole answer with some bytes changed, and then nothing more.
        let honest = mock::bytes::<MetadataRequest>(&mock::marked(1), VERSION, asked.id());
        let mut frame = honest.to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..frame.len());
            frame[at] = random.u8(..);
        }
        frame.truncate(random.usize(..=frame.len()));
        peer.send(&frame).await;
        drop(peer);
        // It may have become another valid answer; whatever it is, it comes to an end.
        if let Ok(answer) = bounded(reply).await {
            assert!(answer.is_some() && frame.len() == honest.len(), "round {round}");
        }
        bounded(connection.closed()).await;
    }
}

#[tokio::test]
async fn idle_connection_closes_and_one_that_waits_does_not() {
    let idle = ConnectionSettings { max_idle: SHORT, ..settings() };
    let (connection, mut peer) = pair(idle).await;
    let reply = submit(&connection, LONG);
    let asked = peer.asked().await;
    tokio::time::sleep(SHORT * 3).await;
    assert!(!connection.is_closed(), "a request waits");
    peer.answer_metadata(&asked, 1).await;
    assert_eq!(mark(bounded(reply).await), 1);
    bounded(connection.closed()).await;
    assert!(peer.is_closed_by_client().await);
}

#[tokio::test]
async fn connection_ends_with_its_last_handle() {
    let (connection, mut peer) = pair(settings()).await;
    let other = connection.clone();
    drop(connection);
    let reply = submit(&other, LONG);
    drop(other);
    let asked = peer.asked().await;
    peer.answer_metadata(&asked, 9).await;
    assert_eq!(mark(bounded(reply).await), 9);
    assert!(peer.is_closed_by_client().await);
}
