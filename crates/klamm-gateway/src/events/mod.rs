//! The way back: records of a topic to those who ask for them, as Server-Sent Events or by long poll.
//!
//! Whoever reads keeps a [`Cursor`]: where they have come to in every partition. The gateway remembers nothing of them, so
//! that any gateway in front of the same Kafka goes on where another one ended. Only committed records are shown.
//! `cursor`, `asked` and `told` are pure; a `Reader` has a consumer of its own, and [`Readers`] bounds how many there are.

mod asked;
mod cursor;
mod not_read;
mod poll;
mod reader;
mod readers;
mod start;
mod stream;
mod told;

pub(crate) use self::asked::{Asked, EVENT_STREAM, How};
pub use self::cursor::{Cursor, NoCursor};
pub(crate) use self::not_read::NotRead;
pub(crate) use self::poll::poll;
pub use self::readers::{EventsConfig, Readers, ReadersState};
pub(crate) use self::stream::{Pace, stream};
