//! What a cluster is to be: the options of `kafka up`, remembered beside its data for later commands.

use std::fmt::{Display, Formatter};
use std::path::Path;
use std::str::FromStr;

use crate::failure::{Doing, Failure, Result};

/// A Kafka release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Version {
    /// The release everything is tested against unless another is named.
    pub(crate) const DEFAULT: Self = Self { major: 4, minor: 3, patch: 1 };

    /// Whether this release is `major.minor` or newer.
    pub(crate) fn at_least(&self, major: u16, minor: u16) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    /// Releases before 3.3 have no KRaft one would rely on; they are run with ZooKeeper.
    pub(crate) fn needs_zookeeper(&self) -> bool {
        !self.at_least(3, 3)
    }
}

impl Display for Version {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<u16> = text.split('.').filter_map(|part| part.parse().ok()).collect();
        match (parts.as_slice(), text.split('.').count()) {
            (&[major, minor, patch], 3) => Ok(Self { major, minor, patch }),
            _ => Err(Failure::new(format!("{text:?} is not a release like 4.3.1"))),
        }
    }
}

/// The options of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Its directory under `target/xtask/clusters/`.
    pub(crate) name: String,
    /// How many nodes, each broker and controller in one.
    pub(crate) brokers: u16,
    /// Which release.
    pub(crate) version: Version,
    /// The first port; node `i` (from 1) owns ten from `port_base + 10 * (i - 1)`.
    pub(crate) port_base: u16,
    /// Java's `-Xmx`.
    pub(crate) heap: String,
    /// Whether the listeners with TLS and SASL are opened.
    pub(crate) secure: bool,
    /// The port node 1's SLOW listener advertises, for a proxy in front of it; node `i` adds `i - 1`.
    pub(crate) slow_advertised: Option<u16>,
    /// `connections.max.reauth.ms` of the REAUTH listener.
    pub(crate) reauth_ms: u32,
    /// Further broker settings, which win over ours.
    pub(crate) settings: Vec<(String, String)>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            brokers: 1,
            version: Version::DEFAULT,
            port_base: 19092,
            heap: "512m".to_owned(),
            secure: false,
            slow_advertised: None,
            reauth_ms: 3000,
            settings: Vec::new(),
        }
    }
}

/// What a port is for; the value is its place among the ten a node owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Clients, without TLS or SASL.
    Plaintext = 0,
    /// The same, reached by what it advertises: a delay proxy's port.
    Slow = 1,
    /// TLS.
    Ssl = 2,
    /// TLS that demands a client certificate.
    Mtls = 3,
    /// SASL without TLS.
    SaslPlaintext = 4,
    /// SASL over TLS.
    SaslSsl = 5,
    /// SASL without TLS whose sessions end early (KIP-368).
    Reauth = 6,
    /// TLS with a certificate whose time is over.
    Expired = 7,
    /// TLS with the certificate of another host.
    WrongName = 8,
    /// KRaft's quorum, or ZooKeeper's clients on node 1.
    Controller = 9,
}

impl Display for Listener {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Slow => "SLOW",
            Self::Ssl => "SSL",
            Self::Mtls => "MTLS",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Reauth => "REAUTH",
            Self::Expired => "EXPIRED",
            Self::WrongName => "WRONG_NAME",
            Self::Controller => "CONTROLLER",
        })
    }
}

impl Listener {
    /// Kafka's name of what is spoken on it.
    pub(crate) fn protocol(self) -> &'static str {
        match (self.has_sasl(), self.has_tls()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SSL",
            (true, false) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }

    /// Whether it speaks TLS.
    pub(crate) fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::Mtls | Self::SaslSsl | Self::Expired | Self::WrongName)
    }

    /// Whether a client must log in.
    pub(crate) fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl | Self::Reauth)
    }
}

impl Spec {
    /// The most nodes a cluster may have; more than nine would not fit their ports.
    pub(crate) const MAX_BROKERS: u16 = 9;

    /// Checks what the ports and names of a cluster depend on.
    pub(crate) fn check(&self) -> Result<()> {
        if self.brokers == 0 || self.brokers > Self::MAX_BROKERS {
            return Err(Failure::new(format!("--brokers must be 1 to {}", Self::MAX_BROKERS)));
        }
        if self.port_base < 1024 || self.port_base > u16::MAX - 100 {
            return Err(Failure::new("--port-base must be 1024 to 65435"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(Failure::new("--name takes letters, digits, - and _"));
        }
        if self.secure && !self.version.at_least(3, 5) {
            return Err(Failure::new(
                "--secure needs Kafka 3.5 or newer (KIP-900 creates its users)",
            ));
        }
        Ok(())
    }

    /// The port of `listener` on node `id` (from 1).
    pub(crate) fn port(&self, id: u16, listener: Listener) -> u16 {
        self.port_base + (id - 1) * 10 + listener as u16
    }

    /// The port clients of `listener` on node `id` are sent to.
    pub(crate) fn advertised(&self, id: u16, listener: Listener) -> u16 {
        match (listener, self.slow_advertised) {
            (Listener::Slow, Some(port)) => port.saturating_add(id - 1),
            _ => self.port(id, listener),
        }
    }

    /// Every listener its nodes open.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let mut open = vec![Listener::Plaintext, Listener::Slow];
        if self.secure {
            open.extend([Listener::Ssl, Listener::Mtls, Listener::SaslPlaintext]);
            open.extend([Listener::SaslSsl, Listener::Reauth]);
            open.extend([Listener::Expired, Listener::WrongName]);
        }
        if !self.version.needs_zookeeper() {
            open.push(Listener::Controller);
        }
        open
    }

    /// The addresses of one listener on every node, comma-separated.
    pub(crate) fn addresses(&self, listener: Listener) -> String {
        let each = (1..=self.brokers).map(|id| format!("127.0.0.1:{}", self.port(id, listener)));
        each.collect::<Vec<_>>().join(",")
    }

    /// Writes the spec beside the cluster's data.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let mut text = format!(
            "name={}\nbrokers={}\nversion={}\nport_base={}\nheap={}\nsecure={}\nreauth_ms={}\n",
            self.name,
            self.brokers,
            self.version,
            self.port_base,
            self.heap,
            self.secure,
            self.reauth_ms
        );
        if let Some(port) = self.slow_advertised {
            text.push_str(&format!("slow_advertised={port}\n"));
        }
        for (name, value) in &self.settings {
            text.push_str(&format!("set={name}={value}\n"));
        }
        std::fs::write(file, text).doing(format_args!("cannot write {}", file.display()))
    }

    /// Reads what [`Spec::save`] wrote.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).doing(format_args!("cannot read {}", file.display()))?;
        Self::from_text(&text).doing(file.display())
    }

    fn from_text(text: &str) -> Result<Self> {
        let mut spec = Self::default();
        for line in text.lines() {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            match key {
                "name" => spec.name = value.to_owned(),
                "brokers" => spec.brokers = value.parse().doing(key)?,
                "version" => spec.version = value.parse()?,
                "port_base" => spec.port_base = value.parse().doing(key)?,
                "heap" => spec.heap = value.to_owned(),
                "secure" => spec.secure = value == "true",
                "reauth_ms" => spec.reauth_ms = value.parse().doing(key)?,
                "slow_advertised" => spec.slow_advertised = Some(value.parse().doing(key)?),
                "set" => spec.settings.push(setting(value)?),
                _ => return Err(Failure::new(format!("unexpected line {line:?}"))),
            }
        }
        spec.check()?;
        Ok(spec)
    }
}

/// Takes `name=value` apart.
pub(crate) fn setting(text: &str) -> Result<(String, String)> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| Failure::new(format!("{text:?} is not name=value")))
}

#[cfg(test)]
mod tests {
    use super::{Listener, Spec, Version};

    #[test]
    fn versions_compare_by_number() {
        let version: Version = "3.10.0".parse().unwrap();
        assert!(version.at_least(3, 9) && !version.at_least(4, 0));
        assert_eq!(version.to_string(), "3.10.0");
        for bad in ["4.3", "4.3.x", "4..1", "4.3.1.0", ""] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_spec_survives_being_written() {
        let spec = Spec {
            brokers: 3,
            slow_advertised: Some(21055),
            settings: vec![("num.io.threads".to_owned(), "2".to_owned())],
            ..Spec::default()
        };
        let file = std::env::temp_dir().join(format!("klamm-spec-{}", std::process::id()));
        spec.save(&file).unwrap();
        let loaded = Spec::load(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(loaded, spec);
    }

    #[test]
    fn every_node_has_its_own_ten_ports() {
        let spec = Spec { brokers: 3, port_base: 21000, ..Spec::default() };
        assert_eq!(
            spec.addresses(Listener::Plaintext),
            "127.0.0.1:21000,127.0.0.1:21010,127.0.0.1:21020"
        );
        assert_eq!(spec.port(3, Listener::Controller), 21029);
    }

    #[test]
    fn impossible_clusters_are_refused() {
        for spec in [
            Spec { brokers: 0, ..Spec::default() },
            Spec { port_base: 65500, ..Spec::default() },
            Spec { name: "../x".to_owned(), ..Spec::default() },
            Spec { secure: true, version: "2.8.2".parse().unwrap(), ..Spec::default() },
        ] {
            assert!(spec.check().is_err(), "{spec:?}");
        }
    }
}
