//! `server.properties`, the environment of Kafka's container images, and `-X`: everything that can be said to a broker
//! in Kafka's own words.
//!
//! [`ServerProperties`] collects names and values and says at once which of them it knows; what they come to together -
//! a listener, its certificate, its users - is worked out by [`ServerProperties::apply`].

mod access;
mod environment;
mod error;
mod jaas;
mod listener;
mod names;
mod server;
mod store;

pub use self::error::PropertiesError;
pub(crate) use self::names::known as known_names;
pub use self::server::ServerProperties;
