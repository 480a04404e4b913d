//! `klamm demo`, short: both parts on the embedded broker, with a member that joins and one that is killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::process::{Command, Output};

fn demo(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.arg("demo").args(args).env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
    command.output().expect("klamm runs")
}

/// What is wrong but for the rate, which a busy machine need not hold.
fn complaints(part: &Value) -> Vec<&str> {
    let all = part["complaints"].as_array().unwrap().iter().map(|c| c.as_str().unwrap());
    all.filter(|c| !c.contains("is short of")).collect()
}

#[test]
fn every_record_is_accounted_for_though_a_member_is_killed() {
    let report = std::env::temp_dir().join(format!("klamm-demo-{}.html", std::process::id()));
    let output = demo(&[
        "--duration=2s",
        "--rate=5000",
        "--session-timeout=3s",
        "-O",
        "json",
        "--report",
        report.to_str().unwrap(),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let result: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"));
    let page = std::fs::read_to_string(&report).unwrap();
    std::fs::remove_file(&report).unwrap();

    let status = if result["ok"] == true { 0 } else { 7 };
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    for (name, records, readers) in [("group", 10_000, 1), ("large", 60, 5)] {
        let part = &result[name];
        assert_eq!(complaints(part), [""; 0], "{name}: {result}\n{stderr}");
        for zero in ["lost", "duplicated", "reordered", "corrupted", "read_again_unexplained"] {
            assert_eq!(part[zero], 0, "{name}: {zero}");
        }
        assert_eq!(part["records_sent"], records, "{name}");
        assert_eq!(part["records_read"], records * readers, "{name}");
        for latency in ["acknowledged_ms", "end_to_end_ms"] {
            let p99 = part[latency]["p99"].as_f64().unwrap();
            assert!(p99 > 0.0 && p99 <= part[latency]["max"].as_f64().unwrap(), "{name}: {part}");
        }
    }
    let events = result["group"]["events"].to_string();
    for happened in ["member 4 joins", "member 1 is killed", "others have taken them over"] {
        assert!(events.contains(happened), "{happened}: {events}");
    }
    assert!(page.contains("</svg>") && page.contains("member 1 is killed"));
}

#[test]
fn records_that_cannot_carry_who_they_are_are_refused() {
    let output = demo(&["--record-size=10"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("32"));
}

#[test]
fn durability_is_not_for_somebody_elses_broker() {
    let output = demo(&["--durability=always", "-b", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--durability"));
}
