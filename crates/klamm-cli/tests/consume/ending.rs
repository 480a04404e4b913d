//! Following, signals, closed and slow pipes.

use crate::stage::{PATIENCE, Stage, fails, following, line, signal};
use klamm::admin::NewTopic;
use klamm::{ProducerConfig, Record};
use klamm_broker::{Action, ApiKey, RequestEntry, Rule};
use std::io::{BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn following_goes_on_until_a_signal() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..2).await;
    for name in ["-INT", "-TERM", "-HUP"] {
        let mut command = stage.command(&["consume", "t", "-F", "-o", "-1"]);
        let (mut child, mut lines) = following(&mut command);
        // It is flushed although it is little.
        assert_eq!(line(&mut lines), "1", "{name}");
        stage.values("t", 0, 1..2).await;
        assert_eq!(line(&mut lines), "1", "{name}");
        signal(&child, name);
        assert!(child.wait().unwrap().success(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_end_only_what_comes() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..2).await;
    let mut command = stage.command(&["consume", "t", "-o", "end", "-n", "2", "-v"]);
    command.stderr(Stdio::piped());
    let (mut child, mut lines) = following(&mut command);
    // It tells where it will read once it knows.
    let mut told = BufReader::new(child.stderr.take().unwrap());
    while !line(&mut told).contains("will be read") {}
    let drain = std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    stage.values("t", 0, 7..9).await;
    assert_eq!((line(&mut lines), line(&mut lines)), ("7".to_owned(), "8".to_owned()));
    assert!(child.wait().unwrap().success());
    drain.join().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_is_closed_is_no_error() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let value = vec![b'x'; 10_000];
    let records = (0..1_000).map(|_| Record::to("t").partition(0).value(&value));
    producer.send_all(records).await.unwrap();
    let (child, mut lines) = following(&mut stage.command(&["consume", "t"]));
    assert_eq!(line(&mut lines).len(), value.len());
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_larger_than_a_block_and_a_slow_reader() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let value = vec![b'x'; 900_000];
    for _ in 0..8 {
        producer.send(Record::to("t").partition(0).value(&value)).await.unwrap();
    }
    let (mut child, mut lines) = following(&mut stage.command(&["consume", "t"]));
    assert_eq!(line(&mut lines).len(), value.len());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.lines().map(str::len).collect::<Vec<_>>(), [value.len(); 7]);
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_although_nobody_reads_the_pipe() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let value = vec![b'x'; 900_000];
    for _ in 0..8 {
        producer.send(Record::to("t").partition(0).value(&value)).await.unwrap();
    }
    let (mut child, mut lines) = following(&mut stage.command(&["consume", "t", "-F"]));
    // It has begun to write, and the rest does not fit into a pipe.
    assert_eq!(line(&mut lines).len(), value.len());
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    drop(lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_and_what_follows() {
    let stage = Stage::new(&[("t", 2)]).await;
    stage.values("t", 0, 0..5).await;
    let (mut child, mut lines) =
        following(&mut stage.command(&["consume", "t", "--tail", "2", "-F"]));
    assert_eq!((line(&mut lines), line(&mut lines)), ("3".to_owned(), "4".to_owned()));
    stage.values("t", 1, 9..10).await;
    assert_eq!(line(&mut lines), "9");
    signal(&child, "-INT");
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_made_later_are_read_from_their_beginning() {
    let stage = Stage::new(&[("t.1", 1), ("other", 1)]).await;
    stage.values("t.1", 0, 1..2).await;
    let (mut child, mut lines) =
        following(&mut stage.command(&["consume", "-r", "^t", "-F", "-f", r"%t %v\n"]));
    assert_eq!(line(&mut lines), "t.1 1");
    let new = vec![NewTopic::new("t.2").partitions(1)];
    for (_, created) in stage.client.admin().create_topics(new, false).await.unwrap() {
        created.unwrap();
    }
    stage.values("t.2", 0, 7..8).await;
    assert_eq!(line(&mut lines), "t.2 7");
    stage.values("t.1", 0, 2..3).await;
    assert_eq!(line(&mut lines), "t.1 2", "the others go on where they were");
    signal(&child, "-INT");
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_before_it_could_be_read_is_said() {
    let stage = Stage::new(&[]).await;
    let admin = stage.client.admin();
    let short = NewTopic::new("short").partitions(1).config("retention.ms", "60000");
    let created = admin.create_topics(vec![short.config("segment.ms", "1000")], false).await;
    created.unwrap().into_iter().for_each(|(_, created)| created.unwrap());
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let send = |value| producer.send(Record::to("short").partition(0).value(value));
    send("old").await.unwrap();
    let controls = stage.broker.controls();
    // It learns where the log begins, but not at once.
    let hold = Rule::new(Action::Hold).api(ApiKey::ListOffsets).client_id("klamm-cli");
    let hold = controls.add_fault(hold).unwrap();
    let child = stage.command(&["consume", "short"]).spawn().unwrap();
    let looked_up = |entry: &RequestEntry| entry.api == ApiKey::ListOffsets;
    assert!(controls.wait_for_request(looked_up, PATIENCE).await.is_some());
    // By the time these are answered, that was done.
    for _ in 0..9 {
        send("old").await.unwrap();
    }
    controls.advance_clock(Duration::from_secs(3_600));
    // What was there makes room for it, and it is as old by its own account.
    send("old").await.unwrap();
    controls.retain();
    // The broker's own look for old segments may come after it.
    let new = Record::to("short").partition(0).value("new").timestamp_ms(controls.now_ms());
    producer.send(new).await.unwrap();
    controls.release_fault(hold);
    controls.remove_fault(hold);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("short-0: offsets 0 to 10 were deleted before they could be read"),
        "{said}"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "new\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_ends_it() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 1..2).await;
    let args = ["consume", "t", "-F", "-X", "fetch.stall.timeout.ms=1000"];
    let (child, mut lines) = following(&mut stage.command(&args));
    assert_eq!(line(&mut lines), "1");
    for (_, deleted) in stage.client.admin().delete_topics(vec!["t".to_owned()]).await.unwrap() {
        deleted.unwrap();
    }
    fails(&child.wait_with_output().unwrap(), 5, &["t-0 has stalled", "it was deleted"]);
}
