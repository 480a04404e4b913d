//! Kills, restarts and stops.

use crate::stage::{Dir, Serving, free_address, json, records};

#[test]
fn what_was_accepted_outlives_a_kill() {
    let dir = Dir::new();
    let (log, address) = (dir.path("log"), free_address());
    let gateway = Serving::gateway(&log, &["-b", &address]);
    let answers: Vec<_> = (0..5).map(|n| gateway.json("/topics/orders", &n.to_string())).collect();
    gateway.kill();
    let report = json(&["gateway", "wal", "inspect", &log, "-O", "json"]);
    assert_eq!((&report["records"], &report["in_use"]), (&5.into(), &false.into()), "{report}");
    let _gateway = Serving::gateway(&log, &["-b", &address]);
    let _broker = Serving::broker(&address, &dir.path("broker"));
    for (answer, record) in answers.iter().zip(records(&address, 5)) {
        let id = answer.value()["id"].as_str().unwrap().to_owned();
        assert!(record["headers"].to_string().contains(&id), "{id}: {record}");
    }
}

#[test]
fn a_stop_without_kafka_leaves_the_rest_in_the_log() {
    let dir = Dir::new();
    let log = dir.path("log");
    let config = dir.file("gateway.toml", "[stop]\ndrain_timeout = \"200ms\"\n");
    let gateway = Serving::gateway(&log, &["-b", "127.0.0.1:1", "--config", &config]);
    assert_eq!(gateway.json("/topics/orders", "1").status, 202);
    let (status, told) = gateway.terminate();
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("1 records are in"), "{told}");
    let report = json(&["gateway", "wal", "inspect", &log, "-O", "json"]);
    assert_eq!(report["records"], 1, "{report}");
}
