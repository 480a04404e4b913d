//! The admin address: health, metrics and control of a broker over HTTP.

mod metrics;
mod reply;
mod routes;
mod server;

pub use self::server::{Admin, AdminError};
