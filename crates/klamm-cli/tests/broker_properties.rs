//! `klamm broker --config`: what it says of a `server.properties`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory that ends with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("klamm-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn klamm(properties: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.env_clear().args(["broker", "--config"]).arg(properties);
    command
}

/// Exit status and what it said of properties that cannot be used.
fn refused(dir: &Dir, properties: &str) -> (Option<i32>, String) {
    let path = dir.file("server.properties", properties.as_bytes());
    let output = klamm(&path).output().expect("klamm runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_broker_listens_where_its_properties_say() {
    let dir = Dir::new("properties-listen");
    let properties = "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://:9093\n\
                      controller.listener.names=CONTROLLER\n\
                      advertised.listeners=PLAINTEXT://kafka.example:29092\n\
                      num.io.threads=8\n";
    let path = dir.file("server.properties", properties.as_bytes());
    let mut child = klamm(&path)
        .env("KAFKA_CREATE_TOPICS", "a:3:1,b:1:1:compact")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("klamm runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("text");
    child.kill().expect("it ends");
    child.wait().expect("it ended");
    let mut said = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
    assert_eq!(line, "listening on kafka.example:29092\n", "{said}");
    assert!(said.contains("num.io.threads: accepted, without effect"), "{said}");
}

/// What a broker with two listeners says first, as it is started by `command`.
fn two_lines(command: &mut Command) -> Vec<String> {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("klamm runs");
    let stdout = child.stdout.take().expect("it is piped");
    let lines = BufReader::new(stdout).lines().take(2).map(|line| line.expect("text")).collect();
    child.kill().expect("it ends");
    child.wait().expect("it ended");
    lines
}

#[test]
fn every_listener_has_a_line() {
    let dir = Dir::new("properties-listeners");
    let nothing = dir.file("server.properties", b"");
    let mut container = klamm(&nothing);
    container.envs([
        ("KAFKA_LISTENERS", "INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0,CONTROLLER://:9093"),
        ("KAFKA_ADVERTISED_LISTENERS", "INTERNAL://kafka:29092,EXTERNAL://localhost:9092"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "INTERNAL"),
    ]);
    let expected =
        ["listening on kafka:29092", "listening on localhost:9092 (EXTERNAL, PLAINTEXT)"];
    assert_eq!(two_lines(&mut container), expected);
    let users = dir.file("users", b"ann:secret\n");
    let mut options = klamm(&nothing);
    options.args(["--listen", "127.0.0.1:0", "--listen", "sasl_plaintext://127.0.0.1:0"]);
    options.args(["--advertised", "inside:1", "--advertised", "sasl_plaintext://outside:2"]);
    let expected = ["listening on inside:1", "listening on outside:2 (SASL_PLAINTEXT)"];
    assert_eq!(two_lines(options.arg("--users").arg(users)), expected);
}

#[test]
fn what_cannot_be_used_is_refused_with_a_way_out() {
    let dir = Dir::new("properties-refused");
    let jks = dir.file("server.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]);
    let jks = format!("listeners=SSL://127.0.0.1:0\nssl.keystore.location={}\n", jks.display());
    for (properties, says) in [
        ("num.partition=3\n", "did you mean num.partitions?"),
        (&*jks, "openssl pkcs12 -in"),
        ("listeners=A://127.0.0.1:0,B://127.0.0.1:0\n", "listener.security.protocol.map"),
        ("ssl.client.auth=maybe\n", "none, requested, required"),
    ] {
        let (status, said) = refused(&dir, properties);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
