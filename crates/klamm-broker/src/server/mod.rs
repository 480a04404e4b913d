//! Listeners, connections, and the order of their answers.

mod connection;
mod listener;
mod pipeline;
mod session;

pub(crate) use self::listener::{Listener, Order};
pub(crate) use self::session::Session;
