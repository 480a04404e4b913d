//! From the text of a file to settings.

use super::auth::ACCOUNT;
use super::error::{GatewayConfigError, Wrong};
use super::given::{Given, Table, Value, parse};
use super::key;
use super::settings::GatewayConfig;
use super::table::{KAFKA, ROUTE, SECTIONS, TLS};
use super::{auth, kafka, routes, tls};

impl GatewayConfig {
    /// Reads a file over what is set already.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Settings are then partly those of the file.
    pub fn read_toml(&mut self, text: &str) -> Result<(), GatewayConfigError> {
        let read = parse(text).and_then(|table| self.read(&table));
        read.map_err(|wrong| wrong.in_text(text))
    }

    /// Reads a file; see [`reference`](super::reference()) for what it may say.
    ///
    /// # Errors
    /// As for [`GatewayConfig::read_toml`].
    pub fn from_toml(text: &str) -> Result<Self, GatewayConfigError> {
        let mut config = Self::default();
        config.read_toml(text)?;
        Ok(config)
    }

    fn read(&mut self, table: &Table) -> Result<(), Wrong> {
        for (key, given) in table {
            match &*key.name {
                KAFKA => kafka::set_all(self, section(&key.name, given)?)?,
                ROUTE => routes::set_all(self, given)?,
                TLS => tls::set_all(self, key.at, section(&key.name, given)?)?,
                ACCOUNT => auth::set_accounts(self, given)?,
                name => {
                    let known = SECTIONS.iter().find(|section| section.name == name);
                    let names = SECTIONS.iter().map(|section| section.name);
                    let unknown =
                        || Wrong::unknown(key.at, name, names.chain([KAFKA, TLS, ROUTE, ACCOUNT]));
                    let keys = known.ok_or_else(unknown)?.keys;
                    key::set_all(keys, self, section(name, given)?)?;
                }
            }
        }
        Ok(())
    }
}

fn section<'a>(name: &str, given: &'a Given) -> Result<&'a Table, Wrong> {
    match &given.value {
        Value::Table(table) => Ok(table),
        _ => Err(Wrong::new(given.at, format!("{name} is a section: [{name}]"))),
    }
}
