//! A real Apache Kafka on this machine, from its Maven artifacts: started, stopped and hurt on demand.
//!
//! `artifacts` fetches the jars, `spec` says what a cluster is to be, `properties` writes it down for the
//! broker, `security` and `certificates` what `--secure` adds, `node` is one process, `probe` asks whether it answers, `cluster` holds them together.

mod artifacts;
mod certificates;
mod cluster;
mod command;
mod node;
mod probe;
mod properties;
mod security;
mod spec;
mod zookeeper;

pub(crate) use self::artifacts::Artifacts;
pub(crate) use self::cluster::{Cluster, Running};
pub(crate) use self::command::run;
pub(crate) use self::security::USERS;
pub(crate) use self::spec::{Listener, Spec, Version};
