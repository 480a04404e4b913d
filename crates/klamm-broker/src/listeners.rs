//! Listeners, as a program describes them and as they came to be.

use crate::nodes::Endpoint;
use crate::security::{SaslSettings, SecurityProtocol, TlsSettings};
use klamm_protocol::primitives::Str;
use std::net::SocketAddr;

/// Listeners that a broker may have.
pub(crate) const MAX_LISTENERS: usize = 16;

/// A listener: an address of every node, what is spoken there, and what its clients are told to connect to.
///
/// Clients that come in by it learn of the addresses of this listener only, so those inside a network and those outside of
/// it can be told different ones.
#[derive(Debug, Clone)]
#[must_use = "a listener does nothing before it is given to a builder"]
pub struct ListenerSettings {
    /// Empty: what it speaks is its name.
    name: String,
    pub(crate) address: SocketAddr,
    pub(crate) advertised: Option<(String, u16)>,
    pub(crate) protocol: SecurityProtocol,
}

impl ListenerSettings {
    /// A listener of plain text that asks nobody to log in. Names are Kafka's: `INTERNAL`, `SASL_PLAINTEXT`, whatever
    /// tells it from the others; upper and lower case are the same.
    pub fn new(name: &str, address: SocketAddr) -> Self {
        let protocol = SecurityProtocol::default();
        Self { name: name.to_uppercase(), address, advertised: None, protocol }
    }

    /// What clients are told to connect to, when it is not the address listened on; port 0 stands for the real one.
    pub fn advertised(mut self, host: &str, port: u16) -> Self {
        self.advertised = Some((host.to_owned(), port));
        self
    }

    /// Encrypts it.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.protocol.tls = Some(tls);
        self
    }

    /// Asks its clients to log in.
    pub fn sasl(mut self, sasl: SaslSettings) -> Self {
        self.protocol.sasl = Some(sasl);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { self.protocol.name() } else { &self.name }
    }

    /// What clients have to set as their `security.protocol`: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
    pub fn security_protocol(&self) -> &'static str {
        self.protocol.name()
    }

    /// What clients of a node are told; `bound` is where the node listens, and `offset` how far its ports are behind the
    /// first node's.
    pub(crate) fn endpoint(&self, bound: (String, u16), offset: u16) -> Endpoint {
        let (host, port) = match &self.advertised {
            Some((host, 0)) => (host.clone(), bound.1),
            Some((host, port)) => (host.clone(), port.saturating_add(offset)),
            None => bound,
        };
        Endpoint { host: Str::from(host), port: i32::from(port) }
    }
}

/// A listener of a broker that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerInfo {
    /// Its name.
    pub name: String,
    /// What clients have to set as their `security.protocol`.
    pub security_protocol: &'static str,
    /// Where every node listens, by node id; empty without sockets.
    pub addresses: Vec<SocketAddr>,
    /// What clients are told: `host:port` of all nodes that are up, comma separated, for `bootstrap.servers`.
    pub bootstrap: String,
}

/// What is wrong with the listeners as a whole, if anything is.
pub(crate) fn contradiction(listeners: &[ListenerSettings]) -> Option<String> {
    if listeners.len() > MAX_LISTENERS {
        return Some(format!("{} listeners; up to {MAX_LISTENERS} are possible", listeners.len()));
    }
    let name = |at: usize| listeners[at].name();
    let twice = (0..listeners.len()).find(|&at| (0..at).any(|other| name(other) == name(at)))?;
    Some(format!(
        "two listeners are called {}; give them names, as in INTERNAL://HOST:PORT, that \
         listener.security.protocol.map maps to what they speak",
        name(twice)
    ))
}

/// How far the ports of a node are behind those of the node before it: the least step by which no two meet, neither of
/// those listened on nor of those advertised under one host.
pub(crate) fn step(listeners: &[ListenerSettings], nodes: i32) -> u16 {
    let nodes = u16::try_from(nodes).unwrap_or(1);
    let bound: Vec<(String, u16)> =
        listeners.iter().map(|one| (one.address.ip().to_string(), one.address.port())).collect();
    let told: Vec<(String, u16)> =
        listeners.iter().filter_map(|one| one.advertised.clone()).collect();
    let meets = |step: u16| [&bound, &told].into_iter().any(|places| meet(places, step, nodes));
    // Each pair of listeners rules out fewer steps than there are nodes.
    let limit = u16::try_from(MAX_LISTENERS * MAX_LISTENERS / 2).unwrap_or(u16::MAX);
    (1..=limit.saturating_mul(nodes)).find(|&step| !meets(step)).unwrap_or(1)
}

/// Whether ports of different nodes come to be the same.
fn meet(places: &[(String, u16)], step: u16, nodes: u16) -> bool {
    let fixed = || places.iter().filter(|(_, port)| *port != 0);
    fixed().any(|(host, port)| {
        fixed().filter(|(other, _)| other == host).any(|(_, other)| {
            let apart = other.abs_diff(*port);
            apart != 0 && apart % step == 0 && apart / step < nodes
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> ListenerSettings {
        ListenerSettings::new(address, address.parse().unwrap())
    }

    #[test]
    fn ports_of_nodes_do_not_meet() {
        let step = |addresses: &[&str], nodes| {
            let listeners: Vec<_> = addresses.iter().map(|address| at(address)).collect();
            super::step(&listeners, nodes)
        };
        assert_eq!(step(&["127.0.0.1:9092"], 64), 1);
        assert_eq!(step(&["127.0.0.1:9092", "127.0.0.1:9093"], 1), 1);
        assert_eq!(step(&["127.0.0.1:9092", "127.0.0.1:9093"], 3), 2);
        assert_eq!(step(&["127.0.0.1:9092", "127.0.0.1:9192"], 3), 1);
        assert_eq!(step(&["127.0.0.1:9092", "127.0.0.1:9093", "127.0.0.1:9094"], 3), 3);
        assert_eq!(step(&["127.0.0.1:9092", "127.0.0.2:9093"], 3), 1);
        assert_eq!(step(&["127.0.0.1:0", "127.0.0.1:1"], 3), 1);
        let told =
            [at("127.0.0.1:1000").advertised("h", 1), at("127.0.0.1:2000").advertised("h", 2)];
        assert_eq!(super::step(&told, 2), 2);
        // The most there can be, side by side.
        let many: Vec<_> = (0..16).map(|n| at(&format!("127.0.0.1:{}", 9000 + n))).collect();
        assert_eq!(super::step(&many, 64), 16);
    }

    #[test]
    fn names_tell_listeners_apart() {
        let named = |name| ListenerSettings::new(name, "127.0.0.1:0".parse().unwrap());
        assert_eq!(contradiction(&[named("a"), named("b")]), None);
        let error = contradiction(&[named("a"), named("b"), named("A")]).unwrap();
        assert!(error.contains("two listeners are called A"), "{error}");
        assert_eq!((named("").name(), named("x").security_protocol()), ("PLAINTEXT", "PLAINTEXT"));
        let many: Vec<_> = (0..17).map(|n| at(&format!("127.0.0.1:{n}"))).collect();
        assert!(contradiction(&many).is_some());
    }

    #[test]
    fn clients_are_told_what_is_advertised() {
        let told = |listener: ListenerSettings| {
            let endpoint = listener.endpoint(("127.0.0.1".to_owned(), 5), 2);
            format!("{}:{}", &*endpoint.host, endpoint.port)
        };
        let plain = || at("127.0.0.1:3");
        assert_eq!(told(plain()), "127.0.0.1:5");
        assert_eq!(told(plain().advertised("h", 0)), "h:5");
        assert_eq!(told(plain().advertised("h", 9092)), "h:9094");
    }
}
