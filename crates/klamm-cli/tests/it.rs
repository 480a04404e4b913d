//! The command from outside, as far as it needs no broker: messages and exit status.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn klamm(args: &[&str]) -> Output {
    command(args).output().expect("klamm runs")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.args(args).env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
    command
}

/// Checks exit status, and that standard error says each of these.
fn fails(output: &Output, status: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

#[test]
fn no_address_says_how_to_give_one() {
    fails(&klamm(&["topics", "list"]), 2, &["-b HOST:PORT", "KLAMM_BOOTSTRAP_SERVERS"]);
}

#[test]
fn unreachable_broker_is_named() {
    // Port 1 of this machine: nothing listens there, and the refusal is immediate.
    let output = klamm(&["topics", "list", "-b", "127.0.0.1:1"]);
    fails(&output, 3, &["127.0.0.1:1", "TCP connect", "is the broker running"]);
}

#[test]
fn unknown_setting_leads_to_the_nearest() {
    let output = klamm(&["topics", "list", "-b", "127.0.0.1:1", "-X", "liner.ms=5"]);
    fails(&output, 2, &["liner.ms", "did you mean linger.ms?"]);
}

#[test]
fn value_that_does_not_fit_is_named_by_its_setting() {
    let output = klamm(&["topics", "list", "-b", "127.0.0.1:1", "-X", "acks=2"]);
    fails(&output, 2, &["acks", "0, 1 or all"]);
}

#[test]
fn missing_settings_file_is_named() {
    fails(
        &klamm(&["topics", "list", "-C", "/nowhere/x.properties"]),
        2,
        &["/nowhere/x.properties"],
    );
}

#[test]
fn settings_come_from_a_properties_file() {
    let file = std::env::temp_dir().join(format!("klamm-it-{}.properties", std::process::id()));
    std::fs::write(&file, "bootstrap.servers=127.0.0.1:1\nacks=all\nkey.serializer=x\n").unwrap();
    let output = klamm(&["topics", "list", "-C", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    fails(&output, 3, &["127.0.0.1:1"]);
}

#[test]
fn deleting_without_a_terminal_takes_yes() {
    let mut child = command(&["topics", "delete", "t", "-b", "127.0.0.1:1"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"y\n").unwrap();
    fails(&child.wait_with_output().expect("klamm runs"), 2, &["--yes"]);
}

#[test]
fn perf_without_payload_says_what_is_missing() {
    let args = ["perf", "produce", "--topic", "t", "--num-records", "1", "-b", "127.0.0.1:1"];
    fails(&klamm(&args), 2, &["--record-size", "--payload-file"]);
}

#[test]
fn reference_of_settings_is_complete() {
    let output = klamm(&["settings"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for key in klamm::config::table() {
        assert!(text.contains(key.name), "{}", key.name);
    }
}
