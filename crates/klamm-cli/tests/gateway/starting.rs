//! What keeps a gateway from starting, and what it says then.

use crate::stage::{Dir, Serving, output};

fn refused(args: &[&str], status: i32, says: &[&str]) {
    let output = output(&[&["gateway"], args].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{told}");
    for words in says {
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
}

#[test]
fn a_directory_belongs_to_one_gateway_at_a_time() {
    let dir = Dir::new();
    let log = dir.path("log");
    let _gateway = Serving::gateway(&log, &["-b", "127.0.0.1:1"]);
    let more = ["--listen", "127.0.0.1:0", "--management", "none", "--data", &log];
    refused(&[&more[..], &["-b", "127.0.0.1:1"]].concat(), 1, &["in use by another process", &log]);
    refused(&more, 1, &["in use by another process"]);
}

#[test]
fn everybody_may_not_send_by_oversight() {
    let dir = Dir::new();
    let log = dir.path("log");
    let public =
        ["--listen", "0.0.0.0:0", "--data", &log, "-b", "127.0.0.1:1", "--management", "none"];
    refused(
        &public,
        2,
        &["0.0.0.0:0 can be reached from elsewhere", "credentials", "public = true"],
    );
}

#[test]
fn a_wrong_file_is_told_with_line_and_column() {
    let dir = Dir::new();
    let config = dir.file("gateway.toml", "[wal]\nmaxbytes = 1\n");
    refused(&["--config", &config], 2, &[&config, "line 2, column 1", "did you mean max_bytes?"]);
    refused(&["--config", &dir.path("none.toml")], 2, &["none.toml"]);
    refused(&["-X", "liner.ms=5"], 2, &["did you mean linger.ms?"]);
    refused(&["--ack", "disk"], 2, &["wal, kafka, memory"]);
}
