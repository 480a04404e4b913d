//! Pure: producer ids, none of which is given out twice.

/// Ids that one entry of the journal reserves; a crash wastes at most so many.
pub(super) const BLOCK: i64 = 1000;

/// Hands out producer ids from blocks.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    next: i64,
    end: i64,
}

/// An id, and what has to be in the journal before anybody sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) id: i64,
    /// The end of the block this id opens; `None` when the block is in the journal already.
    pub(super) reserve: Option<i64>,
}

impl ProducerIds {
    /// Goes on behind a block that was reserved before a restart: some of its ids may be in use.
    pub(super) fn restore(&mut self, end: i64) {
        (self.next, self.end) = (end, end);
    }

    /// The next id; `None` when there are no more.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let mut reserve = None;
        if self.next == self.end {
            self.end = self.next.checked_add(BLOCK)?;
            reserve = Some(self.end);
        }
        let id = self.next;
        self.next += 1;
        Some(Taken { id, reserve })
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, ProducerIds, Taken};

    #[test]
    fn a_block_is_reserved_with_its_first_id() {
        let mut ids = ProducerIds::default();
        assert_eq!(ids.take(), Some(Taken { id: 0, reserve: Some(BLOCK) }));
        for id in 1..BLOCK {
            assert_eq!(ids.take(), Some(Taken { id, reserve: None }));
        }
        assert_eq!(ids.take(), Some(Taken { id: BLOCK, reserve: Some(2 * BLOCK) }));
    }

    #[test]
    fn a_restart_skips_what_was_reserved() {
        let mut ids = ProducerIds::default();
        ids.restore(3 * BLOCK);
        assert_eq!(ids.take(), Some(Taken { id: 3 * BLOCK, reserve: Some(4 * BLOCK) }));
    }

    #[test]
    fn the_last_block_is_the_end() {
        let mut ids = ProducerIds::default();
        ids.restore(i64::MAX - BLOCK + 1);
        assert_eq!(ids.take(), None);
    }
}
