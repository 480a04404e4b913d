//! Settings of Kafka's client, by its own names.

use super::error::Wrong;
use super::given::{Given, Table, Value};
use super::settings::GatewayConfig;

/// Sets properties; `bootstrap.servers` may be written with quotes or without, where TOML makes tables of it.
pub(super) fn set_all(config: &mut GatewayConfig, table: &Table) -> Result<(), Wrong> {
    for (key, given) in table {
        set(config, key.at, &key.name, given)?;
    }
    Ok(())
}

fn set(config: &mut GatewayConfig, at: usize, name: &str, given: &Given) -> Result<(), Wrong> {
    if let Value::Table(inner) = &given.value {
        for (key, given) in inner {
            set(config, key.at, &format!("{name}.{}", key.name), given)?;
        }
        return Ok(());
    }
    let expected = || Wrong::new(given.at, format!("{name}: expected a text, a number or a flag"));
    let value = given.to_text().ok_or_else(expected)?;
    let forward = &mut config.forward;
    let taken = klamm::config::set(&mut forward.client, &mut forward.producer, name, &value);
    taken.map(drop).map_err(|error| Wrong::new(at, error.to_string()))
}
