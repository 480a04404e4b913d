//! Everything that can be set: one TOML file, one table of its keys, and the reference page made from that.
//!
//! [`GatewayConfig::default`] is a gateway without any file. [`GatewayConfig::from_toml`] reads a file over it; a key that
//! nobody knows is an error that names the nearest, with line and column.

mod asking;
mod auth;
mod error;
mod events;
mod file;
mod forward;
mod given;
mod kafka;
mod key;
mod quota;
mod reference;
mod routes;
mod secret;
mod settings;
mod signature;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod units;

pub use self::error::GatewayConfigError;
pub use self::reference::reference;
pub use self::settings::GatewayConfig;
pub use self::units::{WrongUnit, read_bytes, read_time};
