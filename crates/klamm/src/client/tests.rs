//! A client against scripted clusters: how it finds brokers, how often it asks, and how it ends.

use super::*;
use crate::metadata::MetadataError;
use crate::mock::{self, Broker, Serving, bounded};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::MetadataRequest;
use std::time::Instant;

fn config(servers: &[&str]) -> ClientConfig {
    ClientConfig::new(servers.join(","))
}

/// A cluster of one broker that tells the truth.
async fn one_broker() -> Serving {
    let broker = Broker::listen().await;
    let brokers = [(1, broker.port())];
    mock::serve(broker, move |request| Some(mock::cluster("c", &brokers, &request)))
}

async fn connected(broker: &Serving) -> Client {
    bounded(Client::connect(config(&[&broker.address()]))).await.unwrap()
}

/// Runs on the client's I/O thread.
async fn on_io<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    client: &Client,
    work: impl FnOnce(Arc<ClientInner>) -> F,
) -> T {
    bounded(client.inner.io.run(work(Arc::clone(&client.inner)))).await.unwrap()
}

/// Waits until `is_so`.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < mock::PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn bootstrap_servers_that_are_down_are_passed_over() {
    let gone = Broker::listen().await.port();
    let broker = one_broker().await;
    let gone = format!("127.0.0.1:{gone}");
    for _ in 0..4 {
        let servers = [gone.as_str(), &broker.address(), "nonsense"];
        let client = bounded(Client::connect(config(&servers))).await.unwrap();
        assert_eq!(client.inner.metadata.cluster().brokers.len(), 1);
    }
    let error = bounded(Client::connect(config(&[&gone]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    assert!(error.to_string().contains(&gone), "{error}");
    let error = bounded(Client::connect(config(&["nonsense"]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    let error = bounded(Client::connect(config(&[]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn concurrent_callers_share_one_connection() {
    let broker = one_broker().await;
    let client = connected(&broker).await;
    let before = broker.accepted();
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let inner = Arc::clone(&client.inner);
        set.spawn(async move {
            let shared = Arc::clone(&inner);
            let connecting =
                async move { shared.connection(1, ConnectionClass::Produce).await.unwrap() };
            inner.io.run(connecting).await.unwrap()
        });
    }
    while let Some(one) = bounded(set.join_next()).await {
        one.unwrap();
    }
    assert_eq!(broker.accepted() - before, 1);
}

#[tokio::test]
async fn ten_thousand_wishes_for_a_refresh_are_a_few_requests() {
    let broker = one_broker().await;
    let client = connected(&broker).await;
    let (before, began) = (broker.asked(), Instant::now());
    while began.elapsed() < Duration::from_secs(1) {
        (0..100).for_each(|_| client.inner.metadata.request_refresh());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = broker.asked() - before;
    // The backoff is 100 ms, less a fifth at most.
    let most = began.elapsed().as_millis() / 80 + 1;
    assert!((1..=most).contains(&(asked as u128)), "{asked} of {most}");
    // And when nobody wishes, nobody asks.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = broker.asked();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(broker.asked(), before);
}

#[tokio::test]
async fn unknown_topic_is_told_and_then_not_asked_about_any_more() {
    let broker = Broker::listen().await;
    let brokers = [(1, broker.port())];
    let named = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&named);
    let broker = mock::serve(broker, move |request| {
        count.fetch_add(request.topics.iter().flatten().count(), Ordering::Relaxed);
        Some(mock::cluster("c", &brokers, &request))
    });
    let client = connected(&broker).await;
    let error = bounded(client.inner.metadata.topic("nope", mock::PATIENCE)).await.unwrap_err();
    assert!(matches!(error, MetadataError::UnknownTopic(_)), "{error}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (asked, before) = (broker.asked(), named.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(broker.asked(), asked, "an answered question is asked on");
    // Nor does a refresh for another reason carry it along.
    client.inner.metadata.request_refresh();
    until("a refresh", || broker.asked() > asked).await;
    assert_eq!(named.load(Ordering::Relaxed), before);
}

#[tokio::test]
async fn cluster_that_is_down_is_tried_at_most_twice_a_second() {
    let broker = Broker::listen().await;
    let brokers = [(1, broker.port())];
    let up = Arc::new(AtomicBool::new(true));
    let is_up = Arc::clone(&up);
    let broker = mock::serve(broker, move |request| {
        is_up.load(Ordering::Relaxed).then(|| mock::cluster("c", &brokers, &request))
    });
    let client = connected(&broker).await;
    up.store(false, Ordering::Relaxed);
    client.inner.metadata.request_refresh();
    // The backoff grows to its second first.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (before, began) = (broker.accepted(), Instant::now());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tried = broker.accepted() - before;
    let most = began.elapsed().as_secs_f64() * 2.0 + 1.0;
    assert!(tried >= 1, "it must go on trying");
    assert!((tried as f64) <= most, "{tried} of {most}");
    up.store(true, Ordering::Relaxed);
    let before = broker.asked();
    until("it comes back", || broker.asked() > before).await;
}

#[tokio::test]
async fn answer_of_another_cluster_is_not_used_and_its_connection_ends() {
    let broker = Broker::listen().await;
    let brokers = [(1, broker.port())];
    let moved = Arc::new(AtomicBool::new(false));
    let has_moved = Arc::clone(&moved);
    let broker = mock::serve(broker, move |request| {
        let id = if has_moved.load(Ordering::Relaxed) { "other" } else { "c" };
        Some(mock::cluster(id, &brokers, &request))
    });
    let client = connected(&broker).await;
    moved.store(true, Ordering::Relaxed);
    let before = broker.accepted();
    let wait = Duration::from_millis(900);
    let error = client.inner.metadata.topic("t", wait).await.unwrap_err();
    assert!(error.to_string().contains("another cluster"), "{error}");
    assert_eq!(client.inner.metadata.cluster().cluster_id.as_deref(), Some("c"));
    assert!(client.inner.metadata.cluster().topics.is_empty());
    until("a new connection", || broker.accepted() > before).await;
}

#[tokio::test]
async fn broker_that_demands_a_new_start_is_left_for_the_bootstrap_servers() {
    let (first, stale) = (Broker::listen().await, Broker::listen().await);
    let (first_port, stale_port) = (first.port(), stale.port());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let first = mock::serve(first, move |request| {
        let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        let brokers = if is_first { [(7, stale_port)] } else { [(8, first_port)] };
        Some(mock::cluster("c", &brokers, &request))
    });
    let stale = mock::serve(stale, |_| {
        let error_code = ErrorCode::REBOOTSTRAP_REQUIRED.0;
        Some(MetadataResponse { error_code, ..MetadataResponse::default() })
    });
    let client = connected(&first).await;
    client.inner.metadata.request_refresh();
    let nodes = || client.inner.metadata.cluster().brokers.keys().copied().collect::<Vec<_>>();
    until("new brokers", || nodes() == [8]).await;
    assert_eq!(stale.asked(), 1);
}

#[tokio::test]
async fn silent_broker_does_not_hide_one_that_answers() {
    let (silent, fine) = (Broker::listen().await, Broker::listen().await);
    let brokers = [(1, silent.port()), (2, fine.port())];
    let fine = mock::serve(fine, move |request| Some(mock::cluster("c", &brokers, &request)));
    let mut config = config(&[&fine.address()]);
    config.connection_setup_timeout = Duration::from_secs(4);
    let client = bounded(Client::connect(config)).await.unwrap();
    for _ in 0..4 {
        let began = Instant::now();
        let request = MetadataRequest { topics: Some(vec![]), ..MetadataRequest::default() };
        on_io(&client, |c| async move { c.ask_any(&request, METADATA_VERSIONS).await.unwrap() })
            .await;
        assert!(began.elapsed() < Duration::from_millis(3_500), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn broker_that_moves_is_connected_to_anew() {
    let (old, new) = (Broker::listen().await, Broker::listen().await);
    let (old_port, new_port) = (old.port(), new.port());
    let old = mock::serve(old, move |r| Some(mock::cluster("c", &[(1, old_port)], &r)));
    let new = mock::serve(new, move |r| Some(mock::cluster("c", &[(1, new_port)], &r)));
    let client = connected(&old).await;
    let produce = |c: Arc<ClientInner>| async move {
        c.connection(1, ConnectionClass::Produce).await.unwrap()
    };
    assert!(on_io(&client, produce).await.leads_to("127.0.0.1", old_port));
    let request = MetadataRequest { topics: Some(vec![]), ..MetadataRequest::default() };
    client.inner.metadata.learn(&mock::cluster("c", &[(1, new_port)], &request));
    assert!(on_io(&client, produce).await.leads_to("127.0.0.1", new_port));
    assert_eq!(new.accepted(), 1);
}

#[tokio::test]
async fn closed_client_has_no_connections_and_makes_none() {
    let broker = one_broker().await;
    let client = connected(&broker).await;
    on_io(&client, |c| async move { c.connection(1, ConnectionClass::Produce).await.unwrap() })
        .await;
    let inner = Arc::clone(&client.inner);
    let waiting = tokio::spawn({
        let metadata = Arc::clone(&inner.metadata);
        async move { metadata.topic("t", mock::PATIENCE).await }
    });
    tokio::task::yield_now().await;
    bounded(client.close()).await;
    until("all closed", || broker.seen.lock().open == 0).await;
    assert!(matches!(bounded(waiting).await.unwrap(), Err(MetadataError::Closed)));
    let again = Arc::clone(&inner);
    let refused = async move { again.connection(1, ConnectionClass::Produce).await };
    let error = bounded(inner.io.run(refused)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn dropped_client_leaves_nothing_behind_on_either_runtime() {
    let broker = one_broker().await;
    for runtime in [None, Some(tokio::runtime::Handle::current())] {
        let mut config = config(&[&broker.address()]);
        if let Some(runtime) = runtime {
            config = config.runtime(runtime);
        }
        let client = bounded(Client::connect(config)).await.unwrap();
        let weak = Arc::downgrade(&client.inner);
        drop(client);
        until("connections closed", || broker.seen.lock().open == 0).await;
        until("memory freed", || weak.strong_count() == 0).await;
    }
}
