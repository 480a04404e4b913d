//! `klamm gateway wal`.

use crate::stage::{Dir, Serving, json, output, records};

#[test]
fn a_log_is_shown_while_its_gateway_runs() {
    let dir = Dir::new();
    let log = dir.path("log");
    let gateway = Serving::gateway(&log, &["-b", "127.0.0.1:1"]);
    gateway.json("/topics/orders", "1");
    gateway.json("/topics/others", "2");
    let report = json(&["gateway", "wal", "inspect", &log, "-O", "json"]);
    assert_eq!((&report["in_use"], &report["records"]), (&true.into(), &2.into()), "{report}");
    let topics: Vec<_> = report["topics"].as_array().unwrap().iter().map(|t| &t["topic"]).collect();
    assert_eq!(topics, ["orders", "others"]);
    let text = output(&["gateway", "wal", "inspect", &log]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("waiting: 2 records") && text.contains("others: 1 records"), "{text}");
    let sound = output(&["gateway", "wal", "verify", &log]);
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
    assert_eq!(gateway.json("/topics/orders", "3").status, 202, "nothing was taken from it");
}

#[test]
fn damage_ends_verify_with_a_status_of_its_own() {
    let dir = Dir::new();
    let log = dir.path("log");
    let gateway = Serving::gateway(&log, &["-b", "127.0.0.1:1"]);
    for n in 0..4 {
        gateway.json("/topics/orders", &n.to_string());
    }
    gateway.kill();
    std::fs::remove_file(format!("{log}/wal/cursor")).unwrap();
    let damaged = output(&["gateway", "wal", "verify", &log]);
    assert_eq!(damaged.status.code(), Some(6), "{damaged:?}");
    assert!(String::from_utf8_lossy(&damaged.stdout).contains("cursor is missing"));
}

#[test]
fn the_log_of_a_gateway_that_is_gone_is_sent_on_under_its_ids() {
    let dir = Dir::new();
    let log = dir.path("log");
    let gateway = Serving::gateway(&log, &["-b", "127.0.0.1:1"]);
    let answer = gateway.json("/topics/orders", "1");
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let adopt = ["gateway", "wal", "adopt", &log, "-b", &broker.address, "-O", "json"];
    let locked = output(&adopt);
    assert_eq!(locked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&locked.stderr).contains("in use"), "{locked:?}");
    gateway.kill();
    let adopted = json(&adopt);
    assert_eq!((&adopted["sent"], &adopted["left"]), (&1.into(), &0.into()), "{adopted}");
    let record = &records(&broker.address, 1)[0];
    let id = answer.value()["id"].as_str().unwrap().to_owned();
    assert!(record["headers"].to_string().contains(&id), "{record}");
    assert_eq!(json(&adopt)["sent"], 0, "nothing is sent twice");
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let dir = Dir::new();
    for part in ["inspect", "verify"] {
        let refused = output(&["gateway", "wal", part, &dir.path("nothing")]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("holds no log"));
    }
}
