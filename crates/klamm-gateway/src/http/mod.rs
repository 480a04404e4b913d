//! Between a socket and the records of a request: connections, where a request goes, whether there is room for it, and how
//! it is answered.

mod admission;
mod answer;
mod app;
mod append;
mod asking;
mod batch;
mod body;
mod delivery;
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
pub(crate) use self::path::is_topic;
pub use self::path::{Path, WrongPath};
pub use self::problem::Problem;
pub use self::server::{Answers, HttpState, Server, ServerHandle};
