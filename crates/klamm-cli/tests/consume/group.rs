//! As a member of a group: what is committed is what was written.

use crate::stage::{Stage, fails, following, line, numbers, signal};
use klamm::{ConsumerConfig, TopicPartition};
use std::io::BufRead;

async fn committed(stage: &Stage, partition: i32) -> Option<i64> {
    let looking = stage.client.consumer(ConsumerConfig::group("g")).unwrap();
    let tp = TopicPartition::new("t", partition);
    let found = looking.committed([tp.clone()]).await.unwrap();
    found[&tp].as_ref().map(|at| at.offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_the_last_record_was_written() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..100).await;
    assert_eq!(stage.lines(&["consume", "t", "-g", "g", "-n", "7"]), numbers(0..7));
    assert_eq!(committed(&stage, 0).await, Some(7), "not the whole batch");
    assert_eq!(stage.lines(&["consume", "t", "-g", "g", "-e"]), numbers(7..100));
    assert_eq!(committed(&stage, 0).await, Some(100));
    assert_eq!(stage.lines(&["consume", "t", "-g", "g", "-e"]), numbers(0..0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_commits_and_leaves() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..3).await;
    for round in 1..3 {
        let (mut child, mut lines) = following(&mut stage.command(&["consume", "t", "-g", "g"]));
        let from = 3 * (round - 1);
        for n in from..from + 3 {
            assert_eq!(line(&mut lines), n.to_string());
        }
        signal(&child, "-INT");
        assert!(child.wait().unwrap().success());
        assert_eq!(committed(&stage, 0).await, Some(3 * round));
        stage.values("t", 0, 3 * round..3 * round + 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_commit_it_begins_where_it_is_told() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..3).await;
    assert_eq!(stage.lines(&["consume", "t", "-g", "g", "-o", "end", "-e"]), numbers(0..0));
    assert_eq!(stage.lines(&["consume", "t", "-g", "h", "-o", "start", "-e"]), numbers(0..3));
    fails(&stage.output(&["consume", "t", "-g", "g", "-o", "5"]), 2, &["start or end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_comes_takes_over_without_reading_anything_twice() {
    for protocol in ["classic", "consumer"] {
        let stage = Stage::new(&[("t", 4)]).await;
        for partition in 0..4 {
            stage.values("t", partition, 0..50).await;
        }
        let protocol = format!("group.protocol={protocol}");
        let args = ["consume", "t", "-g", "g", "-f", r"%p %v\n", "-X", &protocol];
        let (mut first, mut of_first) = following(&mut stage.command(&args));
        let mut seen: Vec<String> = (0..200).map(|_| line(&mut of_first)).collect();
        let (mut second, mut of_second) = following(&mut stage.command(&args));
        let (told, heard) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while of_second.read_line(&mut line).unwrap() > 0 {
                told.send(line.trim_end().to_owned()).unwrap();
                line.clear();
            }
        });
        // Until the second has got something, in small portions; what it reads the first has not.
        let mut next = 50;
        let mut by_second = Vec::new();
        while by_second.is_empty() {
            assert!(next < 2_000, "{protocol}: the second gets nothing");
            for partition in 0..4 {
                stage.values("t", partition, next..next + 10).await;
            }
            next += 10;
            by_second.extend(heard.recv_timeout(std::time::Duration::from_millis(100)));
        }
        for child in [&first, &second] {
            signal(child, "-TERM");
        }
        assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
        reader.join().unwrap();
        by_second.extend(heard.try_iter());
        let mut rest = String::new();
        while of_first.read_line(&mut rest).unwrap() > 0 {}
        seen.extend(rest.lines().map(ToOwned::to_owned));
        seen.extend(by_second);
        // What neither had come to.
        let rest = [&args[..], &["-e"]].concat();
        seen.extend(stage.lines(&rest));
        seen.sort_by_key(|line| {
            let (partition, value) = line.split_once(' ').unwrap();
            (partition.to_owned(), value.parse::<i64>().unwrap())
        });
        let all = (0..4).flat_map(|p| (0..next).map(move |n| format!("{p} {n}")));
        assert_eq!(seen, all.collect::<Vec<_>>(), "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_by_expression() {
    let stage = Stage::new(&[("t", 1), ("t.2", 1), ("u", 1)]).await;
    stage.values("t", 0, 0..1).await;
    stage.values("t.2", 0, 1..2).await;
    stage.values("u", 0, 2..3).await;
    let mut lines = stage.lines(&["consume", "-r", "^t", "-g", "g", "-n", "2"]);
    lines.sort();
    assert_eq!(lines, numbers(0..2));
}
