//! A cluster: its nodes, its directory, and the order in which they are formatted, started and stopped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::artifacts::Artifacts;
use super::node::Node;
use super::spec::{Listener, Spec};
use super::{certificates, probe, properties, security, zookeeper};
use crate::failure::{Doing, Failure, Result};
use crate::place::Place;
use crate::process;

/// A broker that has not answered by then will not; a slow machine starts one in 15 s.
const READY: Duration = Duration::from_secs(120);
/// What a broker gets to close its logs before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A cluster on this machine, running or not.
#[derive(Debug)]
pub(crate) struct Cluster {
    spec: Spec,
    home: PathBuf,
    artifacts: Artifacts,
    brokers: Vec<Node>,
    zookeeper: Option<Node>,
}

impl Cluster {
    /// A fresh cluster, formatted, started and answering; what ran or lay there under its name is removed.
    pub(crate) fn up(place: &Place, spec: Spec) -> Result<Self> {
        spec.check()?;
        if let Ok(old) = Self::open(place, &spec.name) {
            old.down()?;
        }
        let artifacts = Artifacts::fetch(place, &spec.version)?;
        let home = home(place, &spec.name)?;
        clear(&home)?;
        let cluster = Self::assemble(spec, home, artifacts);
        cluster.spec.save(&cluster.home.join(SPEC))?;
        let started = cluster.create();
        if started.is_err() {
            // The reason is more useful than a second error from cleaning up.
            let _ = cluster.down();
        }
        started.map(|()| cluster)
    }

    /// The cluster that was made under `name`, in whatever state it is.
    pub(crate) fn open(place: &Place, name: &str) -> Result<Self> {
        let home = home(place, name)?;
        let spec = Spec::load(&home.join(SPEC))?;
        let artifacts = Artifacts::fetch(place, &spec.version)?;
        Ok(Self::assemble(spec, home, artifacts))
    }

    /// The names of all clusters that were made here.
    pub(crate) fn names(place: &Place) -> Result<Vec<String>> {
        let dir = place.dir(CLUSTERS)?;
        let entries = std::fs::read_dir(&dir).doing(dir.display())?.flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().join(SPEC).is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn assemble(spec: Spec, home: PathBuf, artifacts: Artifacts) -> Self {
        let node = |name: String, port| Node::new(name.clone(), home.join(name), port);
        let brokers = (1..=spec.brokers)
            .map(|id| node(format!("broker-{id}"), spec.port(id, Listener::Plaintext)))
            .collect();
        let keeper = || node("zookeeper".to_owned(), spec.port(1, Listener::Controller));
        let zookeeper = spec.version.needs_zookeeper().then(keeper);
        Self { spec, home, artifacts, brokers, zookeeper }
    }

    fn create(&self) -> Result<()> {
        check_ports(&self.spec)?;
        if let Some(node) = &self.zookeeper {
            let data = data_dir(node)?;
            zookeeper::configure(node, &data)?;
            node.start(&mut zookeeper::java(&self.artifacts, node))?;
            zookeeper::wait(node)?;
        }
        if self.spec.secure {
            certificates::make(&self.tls_dir())?;
        }
        std::fs::write(self.log_settings(), LOG4J).doing("cannot write log4j.properties")?;
        for (id, node) in (1..).zip(&self.brokers) {
            self.configure(id, node)?;
        }
        if self.zookeeper.is_none() {
            self.format()?;
        }
        for node in &self.brokers {
            node.start(&mut self.java(node))?;
        }
        self.wait_ready()?;
        if self.spec.secure {
            let mut acls = self.artifacts.java();
            acls.arg("org.apache.kafka.tools.AclCommand");
            process::capture(acls.args(security::acl_args(&self.bootstrap())))?;
        }
        Ok(())
    }

    fn configure(&self, id: u16, node: &Node) -> Result<()> {
        let mut settings = properties::server(&self.spec, id, &data_dir(node)?);
        if self.spec.secure {
            settings.extend(security::settings(&self.spec, &self.tls_dir())?);
        }
        settings.extend(self.spec.settings.iter().cloned());
        std::fs::write(node.config(), properties::text(&settings))
            .doing("cannot write server.properties")
    }

    /// All nodes at once: each run of the tool is mostly the start of a JVM.
    fn format(&self) -> Result<()> {
        let id = cluster_id()?;
        let format = |node: &Node| {
            let mut tool = self.artifacts.java();
            tool.args(["-Xmx128m", "kafka.tools.StorageTool", "format", "-t", &id, "-c"]);
            tool.arg(node.config());
            if self.spec.secure {
                tool.args(security::format_args());
            }
            process::capture(&mut tool).map(drop)
        };
        std::thread::scope(|scope| {
            let runs: Vec<_> =
                self.brokers.iter().map(|node| scope.spawn(move || format(node))).collect();
            runs.into_iter().try_for_each(|run| {
                run.join().unwrap_or_else(|_| Err(Failure::new("formatting panicked")))
            })
        })
    }

    fn java(&self, node: &Node) -> Command {
        let mut java = self.artifacts.java();
        java.arg(format!("-Xmx{}", self.spec.heap));
        java.args(["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-Djava.awt.headless=true"]);
        java.args(
            ["showDateTime=true", "defaultLogLevel=info"]
                .map(|setting| format!("-Dorg.slf4j.simpleLogger.{setting}")),
        );
        if !self.spec.version.at_least(4, 0) {
            java.arg(format!("-Dlog4j.configuration=file:{}", self.log_settings().display()));
        }
        java.arg("kafka.Kafka").arg(node.config());
        java
    }

    fn log_settings(&self) -> PathBuf {
        self.home.join("log4j.properties")
    }

    /// Waits until every broker answers and knows all the others.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        self.brokers.iter().try_for_each(|node| self.wait_node(node))
    }

    fn wait_node(&self, node: &Node) -> Result<()> {
        node.wait(READY, |port| {
            let known = probe::known_brokers(port)?;
            if known == self.brokers.len() {
                Ok(())
            } else {
                Err(Failure::new(format!("it knows {known} brokers")))
            }
        })
    }

    /// Node `id`, counted from 1.
    pub(crate) fn node(&self, id: u16) -> Result<&Node> {
        id.checked_sub(1)
            .and_then(|index| self.brokers.get(usize::from(index)))
            .ok_or_else(|| Failure::new(format!("there is no node {id}")))
    }

    /// Starts node `id` again on the data it has; returns before it answers.
    ///
    /// With ZooKeeper it first waits until the session of a killed broker has ended: the new process would find its
    /// id taken and give up.
    pub(crate) fn start(&self, id: u16) -> Result<()> {
        let node = self.node(id)?;
        if self.spec.version.needs_zookeeper() {
            std::thread::sleep(properties::ZOOKEEPER_SESSION + Duration::from_secs(1));
        }
        node.start(&mut self.java(node))
    }

    /// Stops everything: SIGTERM to all, then SIGKILL to what is left.
    pub(crate) fn down(&self) -> Result<()> {
        for node in &self.brokers {
            // A stopped process would see the SIGTERM only after a SIGCONT.
            node.signal(Signal::CONT)?;
            node.signal(Signal::TERM)?;
        }
        for node in &self.brokers {
            if !node.gone_within(GRACE) {
                node.kill()?;
            }
        }
        self.zookeeper.iter().try_for_each(Node::kill)
    }

    /// The nodes that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Node> {
        self.brokers.iter().chain(&self.zookeeper).filter(|node| node.pid().is_some())
    }

    /// What it was made with.
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its directory.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Where the certificates of a secure cluster are.
    pub(crate) fn tls_dir(&self) -> PathBuf {
        self.home.join("tls")
    }

    /// All a client may want to know, as name and value; `bootstrap` is the last.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("slow".to_owned(), self.spec.addresses(Listener::Slow))];
        if self.spec.secure {
            facts.extend(security::facts(&self.spec, &self.tls_dir()));
        }
        facts.push(("bootstrap".to_owned(), self.bootstrap()));
        facts
    }

    /// The jars it runs, which hold Kafka's own tools and clients too.
    pub(crate) fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// A topic made by Kafka's own tool; what had the name is deleted by [`Cluster::up`] alone.
    pub(crate) fn create_topic(
        &self,
        name: &str,
        partitions: u16,
        copies: u16,
        settings: &[&str],
    ) -> Result<()> {
        let mut tool = self.artifacts.java();
        tool.arg(if self.spec.version.at_least(3, 5) {
            "org.apache.kafka.tools.TopicCommand"
        } else {
            "kafka.admin.TopicCommand"
        });
        tool.args(["--bootstrap-server", &self.bootstrap(), "--create", "--topic", name]);
        tool.args(["--partitions", &partitions.to_string()]);
        tool.args(["--replication-factor", &copies.to_string()]);
        tool.args(settings.iter().flat_map(|setting| ["--config", setting]));
        process::capture(&mut tool).map(drop)
    }

    /// `host:port,…` of the plain listeners.
    pub(crate) fn bootstrap(&self) -> String {
        self.spec.addresses(Listener::Plaintext)
    }
}

/// A cluster that is taken down when this value goes.
#[derive(Debug)]
pub(crate) struct Running(Cluster);

impl Running {
    /// [`Cluster::up`], and down again in the end.
    ///
    /// When something else has one of its ports - a run in another worktree, say - it takes others.
    pub(crate) fn up(place: &Place, mut spec: Spec) -> Result<Self> {
        if let Ok(old) = Cluster::open(place, &spec.name) {
            old.down()?;
        }
        for _ in 0..PORT_RANGES {
            if check_ports(&spec).is_ok() {
                break;
            }
            spec.port_base += PORT_STEP;
        }
        Cluster::up(place, spec).map(Self)
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0
    }

    /// What tests find a real Kafka by: every fact as `KLAMM_TEST_<NAME>`.
    pub(crate) fn test_environment(&self) -> impl Iterator<Item = (String, String)> {
        let named = |(name, value): (String, String)| {
            (format!("KLAMM_TEST_{}", name.to_uppercase()), value)
        };
        self.0.facts().into_iter().map(named)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(failure) = self.0.down() {
            eprintln!("cannot stop the cluster {}: {failure}", self.0.spec.name);
        }
    }
}

/// How many ranges of ports are tried, and how far apart they are.
const PORT_RANGES: u16 = 20;
const PORT_STEP: u16 = 300;

/// Somebody else's broker on one of our ports would answer in place of ours, and look ready.
fn check_ports(spec: &Spec) -> Result<()> {
    let listeners = spec.listeners();
    let ports = (1..=spec.brokers)
        .flat_map(|id| listeners.iter().map(move |&listener| spec.port(id, listener)));
    for port in ports {
        let what = format_args!("port {port} is not free (--port-base moves all of them)");
        TcpListener::bind(("127.0.0.1", port)).doing(what)?;
    }
    Ok(())
}

/// What the brokers before 4.0 need in order to say anything.
const LOG4J: &str = "\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n
";

const CLUSTERS: &str = "clusters";
const SPEC: &str = "cluster.txt";

fn home(place: &Place, name: &str) -> Result<PathBuf> {
    Ok(place.dir(CLUSTERS)?.join(name))
}

fn clear(home: &Path) -> Result<()> {
    if home.exists() {
        std::fs::remove_dir_all(home).doing(format_args!("cannot clear {}", home.display()))?;
    }
    std::fs::create_dir_all(home).doing(format_args!("cannot create {}", home.display()))
}

fn data_dir(node: &Node) -> Result<PathBuf> {
    let data = node.home().join("data");
    std::fs::create_dir_all(&data).doing(format_args!("cannot create {}", data.display()))?;
    Ok(data)
}

/// A new id, as Kafka writes a UUID: 16 bytes in the URL alphabet of Base64.
fn cluster_id() -> Result<String> {
    use base64::Engine as _;
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").doing("no random UUID")?;
    let hex: String = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let uuid = u128::from_str_radix(&hex, 16).doing("an odd UUID")?;
    // The tool would take a leading '-' for an option; with its first bits cleared the id starts with a letter.
    let bytes = (uuid & (u128::MAX >> 2)).to_be_bytes();
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::{Spec, check_ports, cluster_id};

    #[test]
    fn a_taken_port_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let spec = Spec { port_base: port, ..Spec::default() };
        let failure = check_ports(&spec).unwrap_err().to_string();
        assert!(failure.contains(&format!("port {port} is not free")), "{failure}");
    }

    #[test]
    fn cluster_ids_differ_and_never_look_like_an_option() {
        let ids: std::collections::BTreeSet<String> =
            (0..50).map(|_| cluster_id().unwrap()).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| id.len() == 22 && id.starts_with(|c: char| c.is_alphabetic())));
    }
}
