//! Between a socket and the records of a request: connections, where a request goes, whether there is room for it, and how
//! it is answered.

mod admission;
mod answer;
mod app;
mod fields;
mod inflate;
mod intake;
mod limits;
mod path;
mod problem;
mod refused;
mod route;
mod server;
#[cfg(test)]
mod tests;

use self::route::Route;

pub use self::admission::{Admission, Admitted, Crowded};
pub use self::app::Service;
pub use self::limits::Limits;
pub(crate) use self::path::is_topic;
pub use self::path::{Path, WrongPath};
pub use self::problem::Problem;
pub use self::server::{Answers, HttpState, Server, ServerHandle};
