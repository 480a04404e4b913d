//! Records that Kafka will never take: a topic for them, and a file for those that the topic does not take either.

mod desk;
mod file;
mod letter;

pub(crate) use self::desk::LetterDesk;
pub use self::file::{FileError, LetterFile};
pub use self::letter::{Letter, LetterError};

/// The name of the file in the directory of a gateway.
pub const FILE_NAME: &str = "dead-letters.jsonl";
