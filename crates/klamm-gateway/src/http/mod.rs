//! Between a socket and the records of a request: connections, where a request goes, whether there is room for it, and how
//! it is answered.
//!
//! | Status | Body | When |
//! |---|---|---|
//! | 202 | `{"id":"<instance>/<sequence>","count":n}` | the records are in the log, synced; the first has this id, the others follow |
//! | 202 | `{"count":n,"durable":false}` | the records are in memory: the route has [`Ack::Memory`](crate::Ack::Memory), and the request neither has a name nor waits |
//! | 200 | the same with `"records":[{"partition","offset","timestamp"}]` | Kafka has them, and the client or the route wanted to wait for that |
//! | 200, 207 | Confluent's, version 2 and 3 | what Kafka said; version 2 gets the 202 above when Kafka takes too long |
//! | 207 | `{"id","count","refused":[{"index","status","detail"}],"refused_count":n}` | some lines are no records, in partial mode |
//! | 207, 422 | as 200, with `"error"`, `"error_code"`, `"reason"` | Kafka will never take some of the records, or any |
//! | 200 | Server-Sent Events, or `{"records":[…],"next":"<cursor>"}` | what is in a topic, see [`events`](crate::events) |
//! | 410 | [`Problem`] with `earliest` | what comes at the cursor is not in Kafka any more |
//! | 4xx, 503 | [`Problem`]; for Confluent's requests `{"error_code","message"}` | nothing was taken |
//!
//! The same request by `Idempotency-Key`, `webhook-id` or the id of an event gets its first 202 again, with
//! `Idempotency-Replayed: true`; 409 while it is being taken, 422 if it brings something else.

mod admission;
mod answer;
mod app;
mod append;
mod asking;
mod batch;
mod body;
mod delivery;
mod events;
mod fields;
mod fingerprint;
mod inflate;
mod intake;
mod limits;
mod openapi;
mod path;
mod preference;
mod problem;
mod refused;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod topic;

pub use self::admission::{Admission, Admitted, Crowded};
pub use self::app::Service;
pub use self::asking::Asking;
pub use self::limits::Limits;
pub(crate) use self::limits::body_time;
pub(crate) use self::path::is_topic;
pub use self::path::{Path, WrongPath};
pub use self::problem::Problem;
pub use self::server::{Answers, HttpState, Server, ServerHandle};
