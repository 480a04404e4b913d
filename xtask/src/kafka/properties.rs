//! `server.properties` of one node.

use std::path::Path;
use std::time::Duration;

use super::spec::{Listener, Spec};

/// How long ZooKeeper takes a broker that is silent to be alive.
pub(crate) const ZOOKEEPER_SESSION: Duration = Duration::from_secs(3);

/// The settings of node `id` with its data under `data`; of two with one name the later wins.
pub(crate) fn server(spec: &Spec, id: u16, data: &Path) -> Vec<(String, String)> {
    let mut settings = Settings(Vec::new());
    if spec.version.needs_zookeeper() {
        let zookeeper = spec.port(1, Listener::Controller);
        settings.put("broker.id", id);
        settings.put("zookeeper.connect", format!("127.0.0.1:{zookeeper}"));
        // A broker killed and started again must wait until its old session is gone.
        settings.put("zookeeper.session.timeout.ms", ZOOKEEPER_SESSION.as_millis());
    } else {
        quorum(&mut settings, spec, id);
    }
    settings.put("log.dirs", data.display());
    listeners(&mut settings, spec, id);
    replication(&mut settings, spec.brokers);
    quick(&mut settings);
    settings.0
}

/// The settings as the text of a properties file.
pub(crate) fn text(settings: &[(String, String)]) -> String {
    settings.iter().map(|(name, value)| format!("{name}={}\n", escaped(value))).collect()
}

/// Java's properties format ends a value at a line break and takes a backslash as an escape.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n")
}

struct Settings(Vec<(String, String)>);

impl Settings {
    fn put(&mut self, name: impl Into<String>, value: impl ToString) {
        self.0.push((name.into(), value.to_string()));
    }
}

fn quorum(settings: &mut Settings, spec: &Spec, id: u16) {
    let voter = |id| format!("{id}@127.0.0.1:{}", spec.port(id, Listener::Controller));
    let voters: Vec<String> = (1..=spec.brokers).map(voter).collect();
    settings.put("process.roles", "broker,controller");
    settings.put("node.id", id);
    settings.put("controller.quorum.voters", voters.join(","));
    settings.put("controller.listener.names", "CONTROLLER");
    // A killed broker is missed soon, so that tests of a leader's death take seconds.
    settings.put("broker.session.timeout.ms", 3000);
    settings.put("broker.heartbeat.interval.ms", 500);
}

fn listeners(settings: &mut Settings, spec: &Spec, id: u16) {
    let open = spec.listeners();
    let join = |part: &dyn Fn(Listener) -> String, open: &[Listener]| {
        open.iter().map(|&listener| part(listener)).collect::<Vec<_>>().join(",")
    };
    let bound = |listener| format!("{listener}://127.0.0.1:{}", spec.port(id, listener));
    let advertised = |listener| format!("{listener}://127.0.0.1:{}", spec.advertised(id, listener));
    let protocol = |listener: Listener| format!("{listener}:{}", listener.protocol());
    let clients: Vec<Listener> =
        open.iter().copied().filter(|&listener| listener != Listener::Controller).collect();
    settings.put("listeners", join(&bound, &open));
    settings.put("advertised.listeners", join(&advertised, &clients));
    settings.put("listener.security.protocol.map", join(&protocol, &open));
    settings.put("inter.broker.listener.name", Listener::Plaintext);
}

fn replication(settings: &mut Settings, brokers: u16) {
    let copies = brokers.min(3);
    let in_sync = if copies >= 3 { 2 } else { 1 };
    settings.put("default.replication.factor", 1);
    settings.put("offsets.topic.replication.factor", copies);
    settings.put("transaction.state.log.replication.factor", copies);
    settings.put("transaction.state.log.min.isr", in_sync);
    settings.put("offsets.topic.num.partitions", 8);
    settings.put("transaction.state.log.num.partitions", 8);
    settings.put("share.coordinator.state.topic.replication.factor", copies);
    settings.put("share.coordinator.state.topic.min.isr", in_sync);
}

/// What a test would otherwise wait for.
fn quick(settings: &mut Settings) {
    settings.put("auto.create.topics.enable", false);
    settings.put("group.initial.rebalance.delay.ms", 0);
    settings.put("group.min.session.timeout.ms", 1000);
    settings.put("log.segment.delete.delay.ms", 1000);
    // Files of deleted topics otherwise stay for the first half minute of every start, and pile up on the disk.
    settings.put("log.initial.task.delay.ms", 0);
    settings.put("controlled.shutdown.enable", true);
    settings.put("num.recovery.threads.per.data.dir", 2);
}

#[cfg(test)]
mod tests {
    use super::{Spec, server, text};
    use std::path::Path;

    fn value<'a>(settings: &'a [(String, String)], name: &str) -> Option<&'a str> {
        settings.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_node_advertises_the_proxy_in_front_of_its_slow_listener() {
        let spec =
            Spec { brokers: 3, port_base: 21000, slow_advertised: Some(22000), ..Spec::default() };
        let settings = server(&spec, 2, Path::new("/d"));
        assert_eq!(
            value(&settings, "advertised.listeners"),
            Some("PLAINTEXT://127.0.0.1:21010,SLOW://127.0.0.1:22001")
        );
        assert!(value(&settings, "listeners").unwrap().contains("SLOW://127.0.0.1:21011"));
        assert_eq!(value(&settings, "offsets.topic.replication.factor"), Some("3"));
    }

    #[test]
    fn an_old_release_gets_zookeeper() {
        let spec = Spec { version: "2.8.2".parse().unwrap(), ..Spec::default() };
        let settings = server(&spec, 1, Path::new("/d"));
        assert_eq!(value(&settings, "zookeeper.connect"), Some("127.0.0.1:19101"));
        assert_eq!(value(&settings, "process.roles"), None);
    }

    #[test]
    fn values_are_escaped() {
        let settings = vec![("key".to_owned(), "a\nb\\c".to_owned())];
        assert_eq!(text(&settings), "key=a\\nb\\\\c\n");
    }
}
