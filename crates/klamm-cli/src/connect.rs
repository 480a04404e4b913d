//! From the command line's settings to a client.

use crate::args::Global;
use crate::failure::{Failure, USAGE};
use klamm::config::{Note, parse_properties, set, set_consumer};
use klamm::{Client, ClientConfig, ConsumerConfig, ProducerConfig};
use std::path::Path;

/// What a command is set to do, of which it takes its part.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) client: ClientConfig,
    pub(crate) producer: ProducerConfig,
    pub(crate) consumer: ConsumerConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let client = ClientConfig::new("").client_id("klamm-cli");
        let (producer, consumer) = (ProducerConfig::default(), ConsumerConfig::default());
        Self { client, producer, consumer }
    }
}

/// All settings, filled from file, `-X`, `more` and `-b`, the later over the earlier.
pub(crate) fn all_settings(global: &Global, more: &[String]) -> Result<Settings, Failure> {
    settings_over(Settings::default(), global, more)
}

/// As [`all_settings`], over what a command has for defaults.
pub(crate) fn settings_over(
    mut settings: Settings,
    global: &Global,
    more: &[String],
) -> Result<Settings, Failure> {
    if let Some(path) = &global.command_config {
        settings.apply_file(path)?;
    }
    for pair in global.settings.iter().chain(more) {
        let (name, value) = split_pair(pair)?;
        settings.apply(name, value)?;
    }
    if let Some(servers) = &global.bootstrap_server {
        settings.apply("bootstrap.servers", servers)?;
    }
    Ok(settings)
}

/// Settings of a client and its producer.
pub(crate) fn settings(
    global: &Global,
    more: &[String],
) -> Result<(ClientConfig, ProducerConfig), Failure> {
    all_settings(global, more).map(|all| (all.client, all.producer))
}

impl Settings {
    /// Applies what a properties file says.
    pub(crate) fn apply_file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(USAGE, format!("{}: {e}", path.display())))?;
        for (name, value) in parse_properties(&text) {
            if let Note::NoEffect(why) = self.apply(&name, &value)? {
                tracing::info!(setting = %name, "has no effect: {why}");
            }
        }
        Ok(())
    }

    /// Applies a setting to those it concerns.
    pub(crate) fn apply(&mut self, name: &str, value: &str) -> Result<Note, Failure> {
        let produced = set(&mut self.client, &mut self.producer, name, value)?;
        let consumed = set_consumer(&mut self.client, &mut self.consumer, name, value)?;
        Ok(if produced == Note::Applied { produced } else { consumed })
    }
}

/// Connects with these settings.
pub(crate) async fn connect(config: ClientConfig) -> Result<Client, Failure> {
    let connecting = Client::connect(config).await;
    connecting.map_err(|error| match &error {
        klamm::ClientError::Config(e) if e.to_string().contains("bootstrap.servers") => {
            let hint = "no broker to talk to: give -b HOST:PORT, or set KLAMM_BOOTSTRAP_SERVERS";
            Failure::new(USAGE, hint)
        }
        _ => error.into(),
    })
}

/// Splits `name=value`.
pub(crate) fn split_pair(pair: &str) -> Result<(&str, &str), Failure> {
    pair.split_once('=')
        .ok_or_else(|| Failure::new(USAGE, format!("{pair:?} is not of the form name=value")))
}
