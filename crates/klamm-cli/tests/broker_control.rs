//! `klamm broker --admin`, and the commands that control it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// A broker that ends with the test.
struct Broker {
    child: Child,
    admin: String,
    /// Kept open for what it says later.
    _stderr: BufReader<ChildStderr>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn klamm() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("KLAMM_ADMIN").env_remove("RUST_LOG");
    command
}

fn start() -> Broker {
    let mut child = klamm()
        .args(["broker", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--topics", "t"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("klamm runs");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = stderr.by_ref().lines().map(|line| line.expect("text"));
    let admin = lines.find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
    Broker { child, admin: admin.expect("it says where"), _stderr: stderr }
}

impl Broker {
    fn run(&self, args: &[&str]) -> Output {
        let admin = ["--admin", &self.admin];
        klamm().arg("broker").args(args).args(admin).output().expect("klamm runs")
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

#[test]
fn rules_are_added_listed_released_and_removed() {
    let broker = start();
    let add = ["fault", "add", "--api", "produce", "--topic", "t", "--error"];
    let error = ["NOT_LEADER_OR_FOLLOWER", "--times", "3", "-O", "json"];
    assert_eq!(broker.json(&[&add[..], &error].concat()), json!({"id": 1}));
    let rule = r#"{"action": {"delay_ms": 5}, "client_id": "app-*"}"#;
    assert_eq!(broker.json(&["fault", "add", "--json", rule]), json!(2));
    let listed = broker.json(&["fault", "list", "-O", "json"]);
    let action = json!({"error": "NOT_LEADER_OR_FOLLOWER"});
    assert_eq!((&listed[0]["action"], &listed[0]["times"]), (&action, &json!(3)));
    assert_eq!(listed[1]["client_id"], "app-*");
    broker.json(&["fault", "release", "2"]);
    broker.json(&["fault", "remove", "1"]);
    assert_eq!(broker.json(&["fault", "list", "-O", "json"]).as_array().map(Vec::len), Some(1));
    broker.json(&["fault", "clear"]);
    assert_eq!(broker.json(&["fault", "list", "-O", "json"]), json!([]));
    assert_eq!(broker.json(&["requests", "-O", "json"]), json!([]));
}

#[test]
fn the_broker_as_a_whole_is_acted_on() {
    let broker = start();
    let done = |args: &[&str]| {
        let output = broker.run(&[&["fault"], args].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {text}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(done(&["restart"]), "");
    assert_eq!(done(&["leader", "t", "0"]), "epoch 2\nnode 1\n");
    assert_eq!(done(&["coordinator", "group", "1", "--key", "g", "--loading", "5"]), "");
    assert_eq!(done(&["reset-coordinators"]), "");
    assert_eq!(done(&["freeze-metadata", "1"]), "");
    assert_eq!(done(&["freeze-metadata", "1", "--off"]), "");
    assert_eq!(done(&["compact"]), "removed_records 0\n");
    assert_eq!(done(&["retain"]), "removed_bytes 0\n");
    assert!(done(&["clock", "60000"]).starts_with("now_ms "));
    assert_eq!(done(&["node", "1", "down"]), "");
    assert_eq!(done(&["node", "1", "up"]), "");
}

#[test]
fn mistakes_are_named_and_have_an_exit_status() {
    let broker = start();
    for (args, status, says) in [
        (&["fault", "add"][..], 2, "--apply-then-disconnect"),
        (&["fault", "add", "--error", "OOPS"], 2, "OOPS"),
        (&["fault", "add", "--hold", "--disconnect"], 2, "--disconnect"),
        (&["fault", "release", "7"], 1, "7"),
        (&["fault", "node", "7", "down"], 1, "no node 7"),
        (&["fault", "node", "1", "sideways"], 2, "sideways"),
        (&["requests", "--wait", "1"], 1, "in time"),
    ] {
        let output = broker.run(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
        assert!(text.contains(says), "{text}");
    }
    // Port 1 of this machine: nothing listens there, and the refusal is immediate.
    let list = klamm().args(["broker", "fault", "list", "--admin", "127.0.0.1:1"]).output();
    let list = list.expect("klamm runs");
    assert_eq!(list.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&list.stderr).contains("--admin"));
}
