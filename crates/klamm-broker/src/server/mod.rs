//! Listeners, connections, and the order of their answers.

mod acceptor;
mod addresses;
mod buffers;
mod coming;
mod connection;
mod limits;
mod outgoing;
mod pieces;
mod pipeline;
mod regions;
mod session;

pub(crate) use self::acceptor::{Acceptor, Order};
pub(crate) use self::buffers::RequestBuffers;
pub(crate) use self::coming::Coming;
pub use self::limits::ConnectionLimits;
pub(crate) use self::limits::RequestMemory;
pub(crate) use self::pieces::Pieces;
pub(crate) use self::session::Session;
