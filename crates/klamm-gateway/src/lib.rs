//! HTTP in front of Kafka: what it has accepted is written down before it says so, and reaches Kafka.
//!
//! A request becomes [`Accepted`] records, they go into a write-ahead log and are synced, the client gets its answer, and
//! a forwarder sends them from the log until a broker has acknowledged them.

mod accepted;
mod ack;
pub mod config;
pub mod cors;
mod cryptography;
pub mod dead_letter;
pub mod events;
pub mod format;
pub mod forward;
mod gateway;
pub mod guard;
pub mod http;
pub mod inspect;
pub mod management;
mod peer;
pub mod route;
pub mod schema;
pub mod tls;
pub mod trace;
pub mod wal;
mod watched_file;

pub use self::accepted::{Accepted, AcceptedHeader};
pub use self::ack::{Ack, NoAck};
pub use self::gateway::{Adopted, Gateway, GatewayError, Stopped, adopt, claim};
pub use self::peer::Peer;
