//! The brokers that are compared.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use crate::failure::Result;
use crate::kafka::{Running, Spec};
use crate::listening::Listening;
use crate::place::Place;

/// Where the ports of the Kafka started here begin; a run beside this one takes the next range.
const PORT_BASE: u16 = 22400;
/// kcat cannot make a topic; and with Kafka's 5 s between heartbeats a rebalance of the consumer protocol takes longer
/// than all else together.
const SETTINGS: [(&str, &str); 3] = [
    ("auto.create.topics.enable", "true"),
    ("group.consumer.heartbeat.interval.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "1000"),
];

/// One broker.
#[derive(Debug)]
pub(crate) struct Column {
    /// The head of its column.
    pub(in crate::interop) name: &'static str,
    /// `HOST:PORT`.
    pub(in crate::interop) bootstrap: String,
    _kafka: Option<Running>,
    klamm: Option<Mutex<Listening>>,
}

impl Column {
    /// A broker that runs already.
    pub(in crate::interop) fn at(name: &'static str, bootstrap: &str) -> Self {
        Self { name, bootstrap: bootstrap.to_owned(), _kafka: None, klamm: None }
    }

    /// A real Kafka.
    pub(in crate::interop) fn kafka(place: &Place) -> Result<Self> {
        let spec = Spec {
            name: "matrix".to_owned(),
            port_base: PORT_BASE,
            settings: SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            ..Spec::default()
        };
        let kafka = Running::up(place, spec)?;
        let bootstrap = kafka.cluster().bootstrap();
        Ok(Self { name: "kafka", bootstrap, _kafka: Some(kafka), klamm: None })
    }

    /// `program broker` on a free port, its data in memory.
    pub(in crate::interop) fn klamm(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["broker", "--listen", "127.0.0.1:0"]);
        let broker = Listening::start(&mut command)?;
        let bootstrap = broker.address().to_owned();
        let klamm = Some(Mutex::new(broker));
        Ok(Self { name: "klamm", bootstrap, _kafka: None, klamm })
    }

    /// An error once the broker started here has ended, which would otherwise look like failures of every client.
    pub(super) fn check(&self) -> Result<()> {
        let Some(Ok(mut broker)) = self.klamm.as_ref().map(Mutex::lock) else { return Ok(()) };
        broker.check()
    }
}
