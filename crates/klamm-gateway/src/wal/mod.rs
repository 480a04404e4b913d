//! The write-ahead log: what is in it and synced is what the gateway has promised.
//!
//! It is a log of one partition with a cursor. Appends that wait at the same time become one record batch, are synced
//! once, and are answered then. A reader hands them on, and the cursor follows what has reached Kafka.

mod again;
mod books;
mod chapter;
mod chapter_file;
mod config;
mod core;
mod cursor;
mod desk;
mod encoding;
mod group;
mod handle;
mod open;
mod read_back;
mod reader;
mod seen;
mod state;
#[cfg(test)]
mod tests;
mod varint;
mod workers;

pub use self::again::{Again, WalAgain};
pub use self::config::{AppendRefused, Opened, Receipt, WalConfig, WalOpenError};
pub use self::encoding::EncodingError;
pub use self::handle::Wal;
pub use self::reader::WalReader;
pub use self::seen::Seen;
pub use self::state::{Histogram, WalState};
