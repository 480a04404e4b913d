//! Names and values, as they are given, and the broker they come to.

use super::access::View;
use super::environment;
use super::error::PropertiesError;
use super::listener::{self, Listener, Texts, items};
use super::names::{Use, usage};
use crate::broker::Builder;
use crate::config::{BrokerConfig, COUNT, Effect, Kind, LIMIT, Overrides, SettingError};
use crate::listeners::ListenerSettings;
use crate::security::{SaslSettings, TlsSettings};
use crate::server::ConnectionLimits;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};

/// The variable of container images for [`Builder::allow_insecure_public`].
const ALLOW_PLAINTEXT: &str = "ALLOW_PLAINTEXT_LISTENER";

/// Settings of a broker, its listeners, its security and its topics, by Kafka's names.
///
/// Later values replace earlier ones. Nothing shows a value once it is in: some are secrets.
#[derive(Debug, Clone, Default)]
pub struct ServerProperties {
    config: BrokerConfig,
    values: BTreeMap<String, SecretString>,
    topics: Vec<(String, i32, Overrides)>,
    tls: Option<TlsSettings>,
    sasl: Option<SaslSettings>,
    insecure_public: bool,
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
    /// `num.partitions`, with `__` for `_` and `___` for `-`, `KAFKA_CREATE_TOPICS`, and `ALLOW_PLAINTEXT_LISTENER`, with
    /// which some let anybody in who reaches the broker.
    ///
    /// Returns the name of each setting with what became of it.
    pub fn set_from_environment<'a>(
        &mut self,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(String, Result<Effect, SettingError>)> {
        let mut effects = Vec::new();
        for (variable, value) in variables {
            if variable == ALLOW_PLAINTEXT {
                self.insecure_public = matches!(value, "yes" | "true" | "1");
            } else if variable == "KAFKA_CREATE_TOPICS" {
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

    /// What listeners that speak TLS have in place of a certificate of the properties.
    pub fn tls(&mut self, tls: TlsSettings) {
        self.tls = Some(tls);
    }

    /// Who may log in, and how, in place of what the properties say of that, at listeners that ask for a login.
    pub fn sasl(&mut self, sasl: SaslSettings) {
        self.sasl = Some(sasl);
    }

    /// Names of the listeners, the first one first; none when nothing is said of them.
    ///
    /// # Errors
    /// [`PropertiesError`]
    pub fn listener_names(&self) -> Result<Vec<String>, PropertiesError> {
        Ok(self.listeners()?.into_iter().map(|listener| listener.name).collect())
    }

    /// The same broker with all of this.
    ///
    /// Without `listeners` and `advertised.listeners` there is one, its address stays as it is, and it speaks TLS and asks
    /// for logins as the other settings need it.
    ///
    /// # Errors
    /// [`PropertiesError`]
    pub fn apply(self, builder: Builder) -> Result<Builder, PropertiesError> {
        let mut builder = self.listen(builder)?;
        let view = self.view("");
        if let Some(acls) = view.acls()? {
            builder = builder.acls(acls);
        }
        let memory = view.get("queued.max.request.bytes").and_then(|bytes| bytes.parse().ok());
        if let Some(request_memory_bytes) = memory {
            let limits = ConnectionLimits { request_memory_bytes, ..ConnectionLimits::default() };
            builder = builder.limits(limits);
        }
        if let Some(dir) = self.dir()? {
            builder = builder.data(dir);
        }
        if self.insecure_public {
            builder = builder.allow_insecure_public();
        }
        for (name, partitions, settings) in self.topics {
            builder = builder.topic_with(&name, partitions, settings);
        }
        Ok(builder.config(self.config))
    }

    fn view<'a>(&'a self, listener: &'a str) -> View<'a> {
        View { values: &self.values, listener }
    }

    /// Gives the builder the listeners.
    fn listen(&self, mut builder: Builder) -> Result<Builder, PropertiesError> {
        let listeners = self.listeners()?;
        self.check_use(&listeners)?;
        if listeners.is_empty() {
            let view = self.view("PLAINTEXT");
            if self.tls.is_some() || view.has_certificate() {
                builder = builder.tls(self.tls_of(view)?);
            }
            if self.sasl.is_some() || view.has_logins() {
                builder = builder.sasl(self.sasl_of(view)?);
            }
        }
        for (listener, nth) in listeners.iter().zip(0..) {
            let settings = self.settings(listener)?;
            builder = match nth {
                0 => builder.first_listener(settings),
                _ => builder.listener(settings),
            };
        }
        Ok(builder)
    }

    fn listeners(&self) -> Result<Vec<Listener>, PropertiesError> {
        let view = self.view("");
        let text = |name| view.get(name).unwrap_or_default();
        listener::read(Texts {
            listeners: text("listeners"),
            advertised: text("advertised.listeners"),
            protocols: text("listener.security.protocol.map"),
            controllers: text("controller.listener.names"),
        })
    }

    /// Refuses to leave unused what was given for listeners: whoever gave it believes that somebody is asked.
    fn check_use(&self, listeners: &[Listener]) -> Result<(), PropertiesError> {
        let names = || listeners.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        let idle = |what, wanted| PropertiesError::NoUse { what, listeners: names(), wanted };
        match listeners {
            [] => Ok(()),
            all if self.sasl.is_some() && !all.iter().any(|one| one.protocol.sasl) => {
                Err(idle("logins", "SASL_PLAINTEXT"))
            }
            all if self.tls.is_some() && !all.iter().any(|one| one.protocol.tls) => {
                Err(idle("TLS", "SSL"))
            }
            _ => Ok(()),
        }
    }

    fn settings(&self, listener: &Listener) -> Result<ListenerSettings, PropertiesError> {
        let view = self.view(&listener.name);
        let mut settings = ListenerSettings::new(&listener.name, address(listener)?);
        if let Some((host, port)) = &listener.advertised {
            settings = settings.advertised(host, *port);
        }
        if listener.protocol.tls {
            settings = settings.tls(self.tls_of(view)?);
        }
        if listener.protocol.sasl {
            settings = settings.sasl(self.sasl_of(view)?);
        }
        Ok(settings)
    }

    fn tls_of(&self, view: View<'_>) -> Result<TlsSettings, PropertiesError> {
        self.tls.clone().map_or_else(|| view.tls(), Ok)
    }

    fn sasl_of(&self, view: View<'_>) -> Result<SaslSettings, PropertiesError> {
        self.sasl.clone().map_or_else(|| view.sasl(), Ok)
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
