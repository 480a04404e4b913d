//! From where records lie into an answer.

use super::Partition;
use klamm_log::Slices;
use klamm_protocol::primitives::{Records, Source, Str};
use std::io;
use std::sync::Arc;

/// Records in a file that are read when their answer is written. Their segment stays readable for as long.
#[derive(Debug)]
struct Stored {
    slices: Slices,
    topic: Str,
    partition: i32,
}

impl Source for Stored {
    fn len(&self) -> usize {
        self.slices.len()
    }

    fn read(&self, at: usize, buffer: &mut [u8]) -> io::Result<()> {
        self.slices.read_into(at, buffer).inspect_err(|error| {
            let (topic, partition) = (&*self.topic, self.partition);
            tracing::error!(topic, partition, %error, "records could not be read; their answer has begun, and its connection ends");
        })
    }
}

impl Partition {
    /// Whether its records are kept in memory, so that an answer shares them.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// What was found, for an answer: shared when it is in memory, read now when it is no more than what is left of `room`, and
    /// otherwise when it is written.
    ///
    /// # Errors
    /// Those of the storage.
    pub(crate) fn records(&self, slices: Slices, room: &mut usize) -> io::Result<Records> {
        let bytes = slices.len();
        let records = if slices.is_in_memory() {
            Records::from_parts(slices.load()?)
        } else if bytes <= *room {
            *room -= bytes;
            Records::from_parts(slices.load()?)
        } else {
            let topic = self.topic.clone();
            Records::from_source(Arc::new(Stored { slices, topic, partition: self.index }))
        };
        self.traffic.read(bytes);
        Ok(records)
    }
}
