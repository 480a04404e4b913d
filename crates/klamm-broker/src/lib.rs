//! An embedded broker that speaks Kafka's protocol to every client: in memory or durable, and faulty when asked.
//!
//! [`Broker::builder`] starts one inside the process; the `klamm` command serves other languages.

mod admin;
mod broker;
mod clock;
mod cluster;
mod config;
mod controls;
mod coordinators;
mod disk;
mod fault;
mod fetch;
mod group;
mod groups;
mod handler;
mod in_process;
mod journal;
mod listeners;
mod metrics;
mod nodes;
mod partition;
mod pattern;
mod properties;
mod quotas;
mod release;
mod request_log;
mod security;
mod server;
mod share;
mod shares;
mod stale_metadata;
#[cfg(test)]
mod testing;
mod topics;
mod transaction;
mod transactions;

pub use self::admin::{Admin, AdminError};
pub use self::broker::{Broker, Builder, StartError};
pub use self::clock::Clock;
pub use self::config::{BrokerConfig, Effect, SettingError};
pub use self::controls::{ControlError, Controls};
pub use self::coordinators::{CoordinatorType, MovedCoordinator};
pub use self::fault::{Action, AddedRule, Rule, RuleError, TooManyRules};
pub use self::in_process::InProcess;
pub use self::listeners::{ListenerInfo, ListenerSettings};
pub use self::properties::{PropertiesError, ServerProperties};
pub use self::release::{Release, UnknownRelease};
pub use self::request_log::{RequestEntry, RequestOutcome};
pub use self::security::{
    AclSettings, ClientAuth, SaslSettings, SecurityError, TlsError, TlsSettings, UsersError,
};
pub use self::server::ConnectionLimits;
pub use klamm_log::{Durability, storage};
pub use klamm_protocol::api_key::ApiKey;
pub use klamm_protocol::error_code::ErrorCode;
