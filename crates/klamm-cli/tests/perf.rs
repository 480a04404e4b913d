//! `klamm perf` from outside, on the broker it starts itself.

use serde_json::Value;
use std::process::{Command, Output};

fn perf(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.arg("perf").args(args).env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
    command.output().expect("klamm runs")
}

fn json(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {told}"))
}

#[test]
fn e2e_books_every_record_at_every_reader() {
    let options = ["e2e", "--topic", "t", "--num-records", "1200", "--tasks", "3", "-O", "json"];
    let shape = ["--consumers", "2", "--record-size", "10-300", "--record-key-size", "6"];
    let result = json(&perf(&[&options[..], &shape].concat()));
    let verdict = &result["verdict"];
    for name in ["lost", "duplicated", "reordered", "corrupted", "read_again", "foreign"] {
        assert_eq!(verdict[name], 0, "{name}: {result}");
    }
    assert_eq!((&verdict["sent"], &verdict["seen"]), (&2400.into(), &2400.into()));
    assert_eq!((&result["records_sent"], &result["records_failed"]), (&1200.into(), &0.into()));
    let ms = |latency: &str, figure: &str| result[latency][figure].as_f64().unwrap();
    assert!(0.0 < ms("end_to_end_ms", "p50"), "{result}");
    assert!(ms("end_to_end_ms", "p50") <= ms("end_to_end_ms", "p99"), "{result}");
}

#[test]
fn e2e_prints_kafkas_lines() {
    let options = ["e2e", "--topic", "t", "--num-records", "1001", "--compat"];
    let output = perf(&options);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("0\t") && lines[1].starts_with("1000\t"), "{text}");
    assert!(lines[2].starts_with("Avg latency: ") && lines[2].ends_with(" ms"), "{text}");
    assert!(lines[3].starts_with("Percentiles: 50th = "), "{text}");
    assert_eq!(lines.len(), 4, "{text}");
}

#[test]
fn a_rate_that_nobody_can_hold_ends_with_seven() {
    let rate = ["--throughput", "1000000000"];
    let output = perf(&[&["e2e", "--topic", "t", "--num-records", "5000"][..], &rate].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.contains("is short of the 1000000000 asked for"), "{told}");
}

#[test]
fn consume_reads_what_it_filled_the_broker_with() {
    let options = ["consume", "--topic", "t", "--num-records", "20000", "--record-size", "50"];
    let result = json(&perf(&[&options[..], &["-O", "json"]].concat()));
    assert_eq!((&result["records"], &result["bytes"]), (&20_000.into(), &1_000_000.into()));
    assert_eq!((&result["timed_out"], &result["trouble"]), (&false.into(), &Value::Null));
    let figure = |name: &str| result[name].as_f64().unwrap_or_else(|| panic!("{name}: {result}"));
    assert!(figure("records_per_second") > 0.0, "{result}");
    assert!(0.0 < figure("joining_ms") && figure("joining_ms") < figure("first_record_ms"));
}

#[test]
fn consume_reads_without_a_group() {
    let options = ["consume", "--topic", "t", "--num-records", "5000", "--assign", "-O", "json"];
    let result = json(&perf(&options));
    assert_eq!((&result["records"], &result["joining_ms"]), (&5_000.into(), &Value::Null));
}

#[test]
fn consume_prints_kafkas_columns() {
    let options = ["consume", "--topic", "t", "--num-records", "1000", "--compat"];
    let output = perf(&options);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(", ").collect()).collect();
    assert_eq!((lines.len(), lines[0].len(), lines[1].len()), (2, 10, 10), "{text}");
    let column = |name| lines[0].iter().position(|n| *n == name).map(|at| lines[1][at]);
    assert_eq!(column("start.time").map(str::len), Some("2026-03-07 09:05:04:021".len()));
    assert_eq!(column("data.consumed.in.nMsg"), Some("1000"), "{text}");
    assert_eq!(column("data.consumed.in.MB"), Some("0.0954"), "{text}");
}

#[test]
fn consume_ends_when_nothing_comes() {
    let options = ["consume", "--topic", "t", "--num-records", "10", "--from-latest"];
    let output = perf(&[&options[..], &["--timeout", "200"]].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("0 of 10 records: nothing came for 200 ms"), "{told}");
}
