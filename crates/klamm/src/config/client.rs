//! Settings of a client.

use super::ConfigError;
use super::security::{Identity, SaslConfig, SecurityText, TlsConfig};
use crate::connection::{ClientCredentials, ConnectionSettings, Connector};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`Client`](crate::Client): where the cluster is and how to talk to it.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(crate) bootstrap_servers: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) request_timeout: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) reconnect_backoff: Duration,
    pub(crate) reconnect_backoff_max: Duration,
    pub(crate) metadata_max_age: Duration,
    pub(crate) connection_setup_timeout: Duration,
    pub(crate) connections_max_idle: Duration,
    pub(crate) receive_max_bytes: usize,
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) receive_buffer_bytes: Option<usize>,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) sasl: Option<SaslConfig>,
    pub(crate) security: SecurityText,
    pub(crate) runtime: Option<tokio::runtime::Handle>,
    pub(crate) connector: Option<Arc<dyn Connector>>,
}

impl ClientConfig {
    /// Settings with Kafka's defaults for the brokers in a comma-separated list of `host:port`.
    pub fn new(bootstrap_servers: impl AsRef<str>) -> Self {
        Self {
            bootstrap_servers: split_servers(bootstrap_servers.as_ref()),
            client_id: "klamm".to_owned(),
            request_timeout: Duration::from_secs(30),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            connection_setup_timeout: Duration::from_secs(10),
            connections_max_idle: Duration::from_secs(540),
            receive_max_bytes: 100 * 1024 * 1024,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            allow_auto_create_topics: false,
            tls: None,
            sasl: None,
            security: SecurityText::default(),
            runtime: None,
            connector: None,
        }
    }

    /// Other brokers to ask first, as `host:port`, separated by commas.
    pub fn bootstrap_servers(mut self, servers: impl AsRef<str>) -> Self {
        self.bootstrap_servers = split_servers(servers.as_ref());
        self
    }

    /// Whether there is a broker to ask first.
    pub fn has_bootstrap_servers(&self) -> bool {
        !self.bootstrap_servers.is_empty()
    }

    /// Sets the name that brokers log and count requests under. Default: `klamm`.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = id.into();
        self
    }

    /// Sets how long a request may go without an answer. Default: 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Encrypts connections. Default: no TLS.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Authenticates connections. Default: no authentication.
    pub fn sasl(mut self, sasl: SaslConfig) -> Self {
        self.sasl = Some(sasl);
        self
    }

    /// Lets the cluster create topics when they are first used, if it allows that. Default: no.
    pub fn allow_auto_create_topics(mut self, allow: bool) -> Self {
        self.allow_auto_create_topics = allow;
        self
    }

    /// Runs connections and senders on this runtime, which needs its I/O and time drivers. Default: a
    /// thread of the client's own, which costs less CPU and is not delayed by a busy application.
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Reaches brokers this way in place of TCP. Default: TCP.
    ///
    /// Unless [`ClientConfig::runtime`] says otherwise, everything of the client then runs on the runtime
    /// that [`Client::connect`](crate::Client::connect) is called on, where its streams may live, and
    /// where a test's paused clock governs its timeouts.
    pub fn connector(mut self, connector: impl Connector + 'static) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// What connections are made with; the text settings are checked against each other here.
    pub(crate) fn connection_settings(&self) -> Result<ConnectionSettings, ConfigError> {
        let (tls, sasl) = self.security()?;
        let tls = match tls {
            None => None,
            Some(tls) => Some(
                crate::connection::tls_client_config(&tls)
                    .map_err(|e| ConfigError::Conflict(e.to_string()))?,
            ),
        };
        Ok(ConnectionSettings {
            client_id: self.client_id.clone(),
            setup_timeout: self.connection_setup_timeout,
            max_idle: self.connections_max_idle,
            receive_max_bytes: self.receive_max_bytes,
            send_buffer_bytes: self.send_buffer_bytes,
            receive_buffer_bytes: self.receive_buffer_bytes,
            tls,
            sasl: sasl.map(|s| s.0),
            connector: self.connector.clone(),
        })
    }

    fn security(&self) -> Result<(Option<TlsConfig>, Option<SaslConfig>), ConfigError> {
        let text = &self.security;
        let (wants_tls, wants_sasl) = match text.protocol.as_deref() {
            None => (self.tls.is_some(), self.sasl.is_some() || text.mechanism.is_some()),
            Some("PLAINTEXT") => (false, false),
            Some("SSL") => (true, false),
            Some("SASL_PLAINTEXT") => (false, true),
            Some("SASL_SSL") => (true, true),
            Some(_) => {
                let takes = "one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL";
                return Err(ConfigError::invalid("security.protocol", takes));
            }
        };
        let mut tls = wants_tls.then(|| self.tls.clone().unwrap_or_default());
        if let (Some(tls), Some(chain)) = (&mut tls, &text.certificate_chain) {
            let key = text.private_key.as_ref().ok_or(ConfigError::missing("ssl.keystore.key"))?;
            tls.identity = Some(Identity::from_pem(chain.clone(), key.expose_secret()));
        }
        let sasl = match (wants_sasl, &self.sasl) {
            (false, _) => None,
            (true, Some(sasl)) => Some(sasl.clone()),
            (true, None) => Some(self.sasl_from_text()?),
        };
        Ok((tls, sasl))
    }

    fn credentials_from_text(&self, id: String, secret: String) -> Result<SaslConfig, ConfigError> {
        let endpoint = self
            .security
            .token_endpoint
            .as_deref()
            .ok_or(ConfigError::missing("sasl.oauthbearer.token.endpoint.url"))?;
        let credentials = ClientCredentials::new(endpoint, id, secret)
            .map_err(|e| ConfigError::Conflict(e.to_string()))?;
        let credentials = match &self.security.scope {
            Some(scope) => credentials.scope(scope.clone()),
            None => credentials,
        };
        Ok(SaslConfig::oauthbearer(Arc::new(credentials)))
    }

    fn sasl_from_text(&self) -> Result<SaslConfig, ConfigError> {
        let text = &self.security;
        let username = text
            .username
            .clone()
            .ok_or(ConfigError::missing("sasl.jaas.config (or sasl.username)"));
        let password = text.password.as_ref().map(|p| p.expose_secret().to_owned());
        let password = password.ok_or(ConfigError::missing("sasl.jaas.config (or sasl.password)"));
        match text.mechanism.as_deref() {
            Some("PLAIN") => Ok(SaslConfig::plain(username?, password?)),
            Some("SCRAM-SHA-256") => Ok(SaslConfig::scram_sha_256(username?, password?)),
            Some("SCRAM-SHA-512") => Ok(SaslConfig::scram_sha_512(username?, password?)),
            Some("OAUTHBEARER") => self.credentials_from_text(username?, password?),
            Some(_) | None => Err(ConfigError::invalid(
                "sasl.mechanism",
                "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER",
            )),
        }
    }
}

pub(super) fn split_servers(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}
