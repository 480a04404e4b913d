//! What Kafka will never take is put aside, with the reason, and holds nobody up.

use crate::stage::{Stage, record, until};
use klamm::{Client, ClientConfig};
use klamm_broker::{Action, ApiKey, Broker, BrokerConfig, ErrorCode, Rule};
use klamm_gateway::dead_letter::{Letter, LetterFile};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

fn small_topic() -> klamm_broker::Builder {
    let settings = [("max.message.bytes".to_owned(), "3000".to_owned())];
    Broker::builder().topic_with("t", 3, settings).topic("other", 1)
}

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("klamm-dlq-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        Self(place)
    }

    fn file(&self) -> PathBuf {
        self.0.join("dead-letters.jsonl")
    }

    fn letters(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        LetterFile::read(&self.file(), |letter| {
            letters.push(letter);
            true
        })
        .unwrap();
        letters
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_put_aside_and_its_neighbours_are_not() {
    let mut stage = Stage::new(small_topic()).await;
    stage.append_some("t", 100, 2).await;
    let large = stage.append(vec![record("t", Some("t-0"), vec![b'x'; 5_000])]).await;
    stage.append_some("t", 100, 2).await;
    stage.ends_well_beside(&BTreeSet::from([large.first])).await;
    let letters = stage.read("t.dlq").await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.header("klamm-dlq-error").as_deref(), Some("MESSAGE_TOO_LARGE"));
    assert_eq!(letter.header("klamm-dlq-topic").as_deref(), Some("t"));
    let id = format!("{}/{}", stage.wal.instance(), large.first);
    assert_eq!(letter.header("klamm-id"), Some(id));
    assert_eq!(letter.value.as_ref().unwrap().len(), 5_000);
    assert_eq!(stage.state().dead_letters["MESSAGE_TOO_LARGE"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_topic_of_dead_letters_refuses_is_in_the_file() {
    let place = Place::new("file");
    let mut stage =
        Stage::with(small_topic(), |config| config.dead_letters.file = Some(place.file())).await;
    let refused = Action::Error(ErrorCode::MESSAGE_TOO_LARGE);
    stage.controls().add_fault(Rule::new(refused).api(ApiKey::Produce).topic("t.dlq")).unwrap();
    let records = vec![
        record("t", Some("k"), "before"),
        record("t", Some("k"), vec![b'x'; 5_000]),
        record("t", Some("k"), "behind"),
    ];
    stage.append(records.clone()).await;
    stage.ends_well_beside(&BTreeSet::from([1])).await;
    let letters = place.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].record, letters[0].error), (&records[1], ErrorCode::MESSAGE_TOO_LARGE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_can_be_put_nowhere_is_not_dropped() {
    let mut stage = Stage::new(small_topic()).await;
    let refused = Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    stage.controls().add_fault(Rule::new(refused).api(ApiKey::Produce).topic("t.dlq")).unwrap();
    let large = stage.append(vec![record("t", Some("k"), vec![b'x'; 5_000])]).await;
    stage.append_some("other", 50, 3).await;
    until("it is said", || stage.state().dead_letter_error.is_some()).await;
    until("others go on", || stage.state().delivered == 50).await;
    assert_eq!(stage.wal.state().released, large.first);
    stage.controls().clear_faults();
    stage.ends_well_beside(&BTreeSet::from([large.first])).await;
    assert_eq!(stage.read("t.dlq").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_and_stays_so_is_given_up_after_its_grace() {
    let mut broker = BrokerConfig::default();
    broker.auto_create_topics = false;
    let builder = Broker::builder().config(broker).topic("t", 3).topic("dead", 1).topic("other", 1);
    let mut stage = Stage::with(builder, |config| {
        config.unknown_topic_grace = Duration::from_secs(1);
        config.attempt_timeout = Duration::from_secs(1);
        config.dead_letters.topic = Some("dead".into());
    })
    .await;
    stage.append_some("t", 30, 4).await;
    stage.drained().await;
    let client = Client::connect(ClientConfig::new(stage.broker.bootstrap())).await.unwrap();
    client.admin().delete_topics(vec!["t".into()]).await.unwrap();
    stage.append_some("t", 40, 4).await;
    stage.append_some("other", 40, 4).await;
    stage.drained().await;
    assert_eq!(stage.state().delivered, 70);
    let letters = stage.read("dead").await;
    assert_eq!(letters.len(), 40);
    assert!(letters.iter().all(|l| l.header("klamm-dlq-topic").as_deref() == Some("t")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_no_topic_has_is_given_up_after_its_grace() {
    let mut stage = Stage::with(small_topic(), |config| {
        config.unknown_topic_grace = Duration::from_millis(300);
    })
    .await;
    let mut nowhere = record("t", Some("k"), "x");
    nowhere.partition = Some(99);
    let first = stage.append(vec![nowhere.clone(), nowhere]).await.first;
    stage.append_some("t", 50, 3).await;
    stage.ends_well_beside(&BTreeSet::from([first, first + 1])).await;
    assert_eq!(stage.read("t.dlq").await.len(), 2);
}
