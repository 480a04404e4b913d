//! What the gateway must get right between its clients and Kafka: the embedded broker with its faults, and every record counted.
//!
//! Each hazard of forwarding is a test under `tests/forwarding/`; `tests/http/` goes from one socket to the other.
//!
//! The books for a gateway that is killed are here, because `cargo xtask chaos gateway` keeps them of a process, and
//! `tests/ledger/` of a gateway on a disk that loses what was not synced: [`Clients`] send [`Request`]s and note what they are
//! answered in a [`Ledger`], and [`Verdict`] holds that against what is [`Found`] in Kafka.

mod clients;
mod exchange;
mod ledger;
mod request;
mod verdict;

pub use self::clients::{Clients, Tally};
pub use self::ledger::{Answer, Id, Ledger, Token};
pub use self::request::{Record, Request, TOPICS};
pub use self::verdict::{Found, Verdict, Window};
