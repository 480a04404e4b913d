//! Names and values, as they are given, and the broker they come to.

use super::access::View;
use super::environment;
use super::error::PropertiesError;
use super::listener::{self, Listener, Protocol, Texts, items};
use super::names::{Use, usage};
use crate::broker::Builder;
use crate::config::{BrokerConfig, COUNT, Effect, Kind, LIMIT, Overrides, SettingError};
use crate::server::ConnectionLimits;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};

/// Settings of a broker, its listener, its security and its topics, by Kafka's names.
///
/// Later values replace earlier ones. Nothing shows a value once it is in: some are secrets.
#[derive(Debug, Clone, Default)]
pub struct ServerProperties {
    config: BrokerConfig,
    values: BTreeMap<String, SecretString>,
    topics: Vec<(String, i32, Overrides)>,
}

impl ServerProperties {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a setting as text.
    ///
    /// # Errors
    /// [`SettingError`], naming the nearest setting for one that is not known; nothing has changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Effect, SettingError> {
        match usage(name) {
            Some(Use::Nothing(why)) => Ok(Effect::None(why)),
            Some(_) => {
                check(name, value)?;
                self.values.insert(name.to_owned(), SecretString::from(value));
                Ok(Effect::Set)
            }
            None if name.starts_with("listener") || name.starts_with("advertised.") => {
                Err(SettingError::Unknown(name.to_owned()))
            }
            None => self.config.set(name, value),
        }
    }

    /// Takes the environment variables that container images of Kafka know: `KAFKA_NUM_PARTITIONS` for
    /// `num.partitions`, with `__` for `_` and `___` for `-`, and `KAFKA_CREATE_TOPICS`.
    ///
    /// Returns the name of each setting with what became of it.
    pub fn set_from_environment<'a>(
        &mut self,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(String, Result<Effect, SettingError>)> {
        let mut effects = Vec::new();
        for (variable, value) in variables {
            if variable == "KAFKA_CREATE_TOPICS" {
                let topics = value.split([',', '\n']).filter(|topic| !topic.trim().is_empty());
                for topic in topics {
                    let effect = self.topic(topic).map(|()| Effect::Set);
                    effects.push((variable.to_owned(), effect));
                }
            } else if let Some(name) = environment::setting(variable) {
                let effect = self.set(&name, value);
                effects.push((name, effect));
            }
        }
        effects
    }

    /// A topic that shall exist, as `name`, `name:partitions`, `name:partitions:replicas` or
    /// `name:partitions:replicas:cleanup.policy`. The number of replicas changes nothing.
    ///
    /// # Errors
    /// [`SettingError::Value`]
    pub fn topic(&mut self, text: &str) -> Result<(), SettingError> {
        let wrong = |why| SettingError::value("topic", text, why);
        self.topics.push(environment::topic(text).map_err(wrong)?);
        Ok(())
    }

    /// The same broker with all of this.
    ///
    /// Without `listeners` the address stays as it is, and TLS and logins are as the other settings need them.
    ///
    /// # Errors
    /// [`PropertiesError`]
    pub fn apply(self, builder: Builder) -> Result<Builder, PropertiesError> {
        let listener = self.listener()?;
        let mut builder = builder;
        if let Some(listener) = &listener {
            builder = builder.listen(address(listener)?);
            if let Some((host, port)) = &listener.advertised {
                builder = builder.advertised(host, *port);
            }
        }
        builder = self.secure(builder, listener.as_ref())?;
        if let Some(dir) = self.dir()? {
            builder = builder.data(dir);
        }
        for (name, partitions, settings) in self.topics {
            builder = builder.topic_with(&name, partitions, settings);
        }
        Ok(builder.config(self.config))
    }

    fn view<'a>(&'a self, listener: &'a str) -> View<'a> {
        View { values: &self.values, listener }
    }

    fn listener(&self) -> Result<Option<Listener>, PropertiesError> {
        let view = self.view("");
        let Some(listeners) = view.get("listeners") else { return Ok(None) };
        let texts = Texts {
            listeners,
            advertised: view.get("advertised.listeners").unwrap_or_default(),
            protocols: view.get("listener.security.protocol.map").unwrap_or_default(),
            controllers: view.get("controller.listener.names").unwrap_or_default(),
        };
        listener::choose(texts).map(Some)
    }

    fn secure(
        &self,
        mut builder: Builder,
        listener: Option<&Listener>,
    ) -> Result<Builder, PropertiesError> {
        let name = listener.map_or("PLAINTEXT", |listener| &listener.name);
        let view = self.view(name);
        let needed = || Protocol { tls: view.has_certificate(), sasl: view.has_logins() };
        let protocol = listener.map_or_else(needed, |listener| listener.protocol);
        if protocol.tls {
            builder = builder.tls(view.tls()?);
        }
        if protocol.sasl {
            builder = builder.sasl(view.sasl()?);
        }
        if let Some(acls) = view.acls()? {
            builder = builder.acls(acls);
        }
        let memory = view.get("queued.max.request.bytes").and_then(|bytes| bytes.parse().ok());
        if let Some(request_memory_bytes) = memory {
            let limits = ConnectionLimits { request_memory_bytes, ..ConnectionLimits::default() };
            builder = builder.limits(limits);
        }
        Ok(builder)
    }

    fn dir(&self) -> Result<Option<&str>, PropertiesError> {
        let view = self.view("");
        let dirs = view.get("log.dirs").or(view.get("log.dir")).unwrap_or_default();
        let mut dirs = items(dirs);
        match (dirs.next(), dirs.next()) {
            (dir, None) => Ok(dir),
            _ => Err(PropertiesError::Unusable(
                "log.dirs: everything is kept in one directory; name one".to_owned(),
            )),
        }
    }
}

/// The values that can be wrong on their own.
fn check(name: &str, value: &str) -> Result<(), SettingError> {
    const STORES: Kind = Kind::Word(&["PEM", "JKS", "PKCS12"]);
    let kind = match name.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.')) {
        Some((_, own)) => own,
        None => name,
    };
    let kind = match kind {
        "allow.everyone.if.no.acl.found" => Kind::Boolean,
        "connections.max.reauth.ms" => COUNT,
        "queued.max.request.bytes" => LIMIT,
        "ssl.client.auth" => Kind::Word(&["none", "requested", "required"]),
        "ssl.keystore.type" | "ssl.truststore.type" => STORES,
        _ => return Ok(()),
    };
    kind.check(value).map_err(|why| SettingError::value(name, value, why))
}

fn address(listener: &Listener) -> Result<SocketAddr, PropertiesError> {
    let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
    let failed = |why: String| PropertiesError::Listener {
        setting: "listeners",
        value: format!("{}://{host}:{}", listener.name, listener.port),
        why,
    };
    let mut addresses = (host, listener.port)
        .to_socket_addrs()
        .map_err(|error| failed(format!("has a host that is not found: {error}")))?;
    addresses.next().ok_or_else(|| failed("has a host without an address".to_owned()))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
