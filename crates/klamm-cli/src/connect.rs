//! From the command line's settings to a client.

use crate::args::Global;
use crate::failure::{Failure, USAGE};
use klamm::config::{Note, parse_properties, set};
use klamm::{Client, ClientConfig, ProducerConfig};

/// Both kinds of settings, filled from file, `-X` and `-b`, the later over the earlier.
pub(crate) fn settings(
    global: &Global,
    more: &[String],
) -> Result<(ClientConfig, ProducerConfig), Failure> {
    let mut client = ClientConfig::new("").client_id("klamm-cli");
    let mut producer = ProducerConfig::default();
    if let Some(path) = &global.command_config {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(USAGE, format!("{}: {e}", path.display())))?;
        for (name, value) in parse_properties(&text) {
            let note = set(&mut client, &mut producer, &name, &value)?;
            if let Note::NoEffect(why) = note {
                tracing::info!(setting = %name, "has no effect: {why}");
            }
        }
    }
    for pair in global.settings.iter().chain(more) {
        let (name, value) = split_pair(pair)?;
        set(&mut client, &mut producer, name, value)?;
    }
    if let Some(servers) = &global.bootstrap_server {
        set(&mut client, &mut producer, "bootstrap.servers", servers)?;
    }
    Ok((client, producer))
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
