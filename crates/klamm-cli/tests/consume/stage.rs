//! A broker in this process, and the command beside it.

use klamm::{Client, ClientConfig, ProducerConfig, Record};
use klamm_broker::Broker;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) async fn new(topics: &[(&str, i32)]) -> Self {
        let mut builder = Broker::builder();
        for (name, partitions) in topics {
            builder = builder.topic(name, *partitions);
        }
        let broker = builder.start().await.unwrap();
        let client = Client::connect(ClientConfig::new(broker.bootstrap())).await.unwrap();
        Self { broker, client }
    }

    /// Sends values `<from>`, ... to one partition, a millisecond apart from 1,000 on.
    pub(crate) async fn values(&self, topic: &str, partition: i32, numbers: std::ops::Range<i64>) {
        let producer = self.client.producer(ProducerConfig::default()).unwrap();
        let values: Vec<(i64, String)> = numbers.map(|n| (n, n.to_string())).collect();
        let records = values.iter().map(|(n, value)| {
            Record::to(topic).partition(partition).timestamp_ms(1_000 + n).value(value)
        });
        producer.send_all(records).await.unwrap();
        producer.close(PATIENCE).await;
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
        command.args(args).arg("-b").arg(self.broker.bootstrap());
        command.env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What it prints; it has to succeed.
    pub(crate) fn prints(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {errors}");
        assert_eq!(errors, "", "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn lines(&self, args: &[&str]) -> Vec<String> {
        self.prints(args).lines().map(ToOwned::to_owned).collect()
    }
}

pub(crate) fn fails(output: &Output, status: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

pub(crate) fn numbers(numbers: impl IntoIterator<Item = i64>) -> Vec<String> {
    numbers.into_iter().map(|n| n.to_string()).collect()
}

/// A child whose lines are read as they come.
pub(crate) fn following(command: &mut Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

pub(crate) fn line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}
