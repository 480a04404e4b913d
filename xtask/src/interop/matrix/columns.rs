//! The brokers that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::failure::{Doing, Failure, Result};
use crate::kafka::{Listener, Running, Spec, USERS};
use crate::listening::{Listening, again};
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

/// A port that is free.
const ANYWHERE: &str = "127.0.0.1:0";

/// A setting of a broker by Kafka's name.
pub(in crate::interop) type Setting = (&'static str, &'static str);

/// One broker.
#[derive(Debug)]
pub(crate) struct Column {
    /// The head of its column.
    pub(in crate::interop) name: &'static str,
    /// `HOST:PORT`.
    pub(in crate::interop) bootstrap: String,
    /// Where passwords are asked for; [`SASL_USER`] may do everything.
    pub(in crate::interop) sasl: Option<String>,
    _kafka: Option<Running>,
    klamm: Option<Mutex<Listening>>,
    /// The program, and the directory of its data, of one that can be started again.
    again: Option<(PathBuf, PathBuf)>,
}

/// A user of every broker that asks for passwords, and its password.
pub(in crate::interop) const SASL_USER: (&str, &str) = USERS[0];

impl Column {
    /// A broker that runs already.
    pub(in crate::interop) fn at(name: &'static str, bootstrap: &str) -> Self {
        let bootstrap = bootstrap.to_owned();
        Self { name, bootstrap, sasl: None, _kafka: None, klamm: None, again: None }
    }

    /// A real Kafka.
    pub(in crate::interop) fn kafka(place: &Place) -> Result<Self> {
        Self::running(place, spec())
    }

    /// A real Kafka with ACLs and another listener, where passwords are asked for.
    pub(in crate::interop) fn kafka_with_users(place: &Place, more: &[Setting]) -> Result<Self> {
        let mut spec = Spec { secure: true, ..spec() };
        spec.settings
            .extend(more.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        Self::running(place, spec)
    }

    fn running(place: &Place, spec: Spec) -> Result<Self> {
        let kafka = Running::up(place, spec)?;
        let column = Self::at("kafka", &kafka.cluster().bootstrap());
        let spec = kafka.cluster().spec();
        let sasl = spec.secure.then(|| spec.addresses(Listener::SaslPlaintext));
        Ok(Self { sasl, _kafka: Some(kafka), ..column })
    }

    /// `program broker` on a free port, its data in memory.
    pub(in crate::interop) fn klamm(program: &Path) -> Result<Self> {
        let broker = Listening::start(&mut broker(program, ANYWHERE))?;
        let column = Self::at("klamm", broker.address());
        Ok(Self { klamm: Some(Mutex::new(broker)), ..column })
    }

    /// The same with its data in `dir`, so that [`Column::restart`] finds them.
    pub(in crate::interop) fn klamm_on(program: &Path, dir: &Path) -> Result<Self> {
        let broker = Listening::start(broker(program, ANYWHERE).arg("--data").arg(dir))?;
        let column = Self::at("klamm", broker.address());
        let again = Some((program.to_owned(), dir.to_owned()));
        Ok(Self { klamm: Some(Mutex::new(broker)), again, ..column })
    }

    /// Kills the broker and starts it again, at the same address and on the same data.
    pub(in crate::interop) fn restart(&self) -> Result<()> {
        let running = self.klamm.as_ref().and_then(|broker| broker.lock().ok());
        let (Some(mut running), Some((program, dir))) = (running, &self.again) else {
            return Err(Failure::new(
                "only a klamm of this run, with its data in files, is restarted",
            ));
        };
        let start = || Listening::start(broker(program, &self.bootstrap).arg("--data").arg(dir));
        *running = again(&mut running, start)?;
        Ok(())
    }

    /// The same as [`Column::klamm`] with ACLs and another listener, where passwords are asked for; `dir` takes a file.
    pub(in crate::interop) fn klamm_with_users(
        program: &Path,
        dir: &Path,
        more: &[Setting],
    ) -> Result<Self> {
        let (user, password) = SASL_USER;
        let users = dir.join("users");
        std::fs::write(&users, format!("{user}:{password}\n")).doing(users.display())?;
        let mut broker = broker(program, ANYWHERE);
        broker.args(["--listen", "sasl_plaintext://127.0.0.1:0", "--users"]).arg(users);
        broker.args(["--super-user", "User:ANONYMOUS", "--super-user", &format!("User:{user}")]);
        broker.args(more.iter().flat_map(|(name, value)| ["-X".into(), format!("{name}={value}")]));
        let broker = Listening::start_all(&mut broker, 2)?;
        let column = Self::at("klamm", broker.address());
        let sasl = Some(broker.address_of(1).to_owned());
        Ok(Self { klamm: Some(Mutex::new(broker)), sasl, ..column })
    }

    /// An error once the broker started here has ended, which would otherwise look like failures of every client.
    pub(super) fn check(&self) -> Result<()> {
        let Some(Ok(mut broker)) = self.klamm.as_ref().map(Mutex::lock) else { return Ok(()) };
        broker.check()
    }
}

fn spec() -> Spec {
    Spec {
        name: "matrix".to_owned(),
        port_base: PORT_BASE,
        settings: SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..Spec::default()
    }
}

fn broker(program: &Path, listen: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["broker", "--listen", listen]);
    command
}
