//! Memory that is taken from the system in large regions and given out in pieces.
//!
//! A piece that comes back is given out again for the same size. When all pieces of a region are back, the region is whole
//! again, for any size: it is kept for the next, within a bound, or goes back to the system.

use bytes::BytesMut;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// Memory taken from the system at once, in bytes: address space, for what is not written to yet. glibc gives each
/// allocation of this size a mapping of its own, so that it goes back to the system when it is freed.
const REGION_BYTES: usize = 32 * 1024 * 1024;

/// Regions without a piece in use that are kept: more than a broker in memory gives up at once when its cap is reached.
const IDLE_REGIONS: usize = 3;

/// A piece of a region: a buffer with a fixed capacity.
#[derive(Debug, Default)]
pub(super) struct Piece {
    bytes: BytesMut,
    region: u64,
}

impl Deref for Piece {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.bytes
    }
}

impl DerefMut for Piece {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }
}

#[derive(Debug)]
struct Region {
    /// What no piece was made of yet.
    rest: BytesMut,
    /// Pieces that are in use, and those that are free.
    in_use: usize,
    free: usize,
    /// Whether a piece was, since the last [`Regions::trim`].
    was_used: bool,
}

/// All regions, and the pieces of them that are free.
#[derive(Debug, Default)]
pub(super) struct Regions {
    by_id: BTreeMap<u64, Region>,
    last_id: u64,
    free: BTreeMap<usize, Vec<Piece>>,
}

impl Regions {
    /// An empty piece with room for exactly `capacity` bytes.
    pub(super) fn take(&mut self, capacity: usize) -> Piece {
        let found = self.free.get_mut(&capacity).and_then(Vec::pop);
        let was_free = found.is_some();
        let piece = found.unwrap_or_else(|| self.cut(capacity));
        if let Some(region) = self.by_id.get_mut(&piece.region) {
            region.in_use += 1;
            region.free -= usize::from(was_free);
            region.was_used = true;
        }
        piece
    }

    /// Makes a new piece, of the newest region that has room.
    fn cut(&mut self, capacity: usize) -> Piece {
        // A region's last byte stays with it, else it would not know where its memory is.
        let roomy = self.by_id.iter_mut().rev().find(|(_, r)| r.rest.capacity() > capacity);
        let (id, region) = match roomy {
            Some((id, region)) => (*id, region),
            None => {
                self.last_id += 1;
                let rest = klamm_huge_pages::with_capacity(REGION_BYTES.max(capacity + 1));
                let region = Region { rest, in_use: 0, free: 0, was_used: true };
                (self.last_id, self.by_id.entry(self.last_id).or_insert(region))
            }
        };
        let behind = region.rest.split_off(capacity);
        Piece { bytes: std::mem::replace(&mut region.rest, behind), region: id }
    }

    /// Takes a piece back.
    pub(super) fn give_back(&mut self, mut piece: Piece) {
        let Some(region) = self.by_id.get_mut(&piece.region) else { return };
        region.in_use -= 1;
        if region.in_use > 0 {
            region.free += 1;
            piece.clear();
            self.free.entry(piece.capacity()).or_default().push(piece);
            return;
        }
        let id = piece.region;
        drop(piece);
        self.make_whole(id);
    }

    /// A region without a piece in use is one piece again, or goes back to the system.
    fn make_whole(&mut self, id: u64) {
        let idle = self.by_id.values().filter(|region| region.in_use == 0).count();
        let Some(region) = self.by_id.get_mut(&id) else { return };
        // Most often there are none, and looking through all that is free would be for nothing.
        if std::mem::take(&mut region.free) > 0 {
            self.free.retain(|_, pieces| {
                pieces.retain(|piece| piece.region != id);
                !pieces.is_empty()
            });
        }
        if idle > IDLE_REGIONS || !region.rest.try_reclaim(REGION_BYTES) {
            self.by_id.remove(&id);
        }
    }

    /// Gives the system back the regions that were not used since the last time.
    pub(super) fn trim(&mut self) {
        self.by_id.retain(|_, region| {
            let kept = region.in_use > 0 || region.was_used;
            region.was_used = region.in_use > 0;
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(piece: &mut Piece, byte: u8) {
        let capacity = piece.capacity();
        piece.resize(capacity, byte);
    }

    #[test]
    fn pieces_lie_side_by_side_and_hold_what_was_written() {
        let mut regions = Regions::default();
        let mut pieces: Vec<Piece> = (1..=100).map(|n| regions.take(n * 4096)).collect();
        for (n, piece) in pieces.iter_mut().enumerate() {
            assert_eq!((piece.len(), piece.capacity()), (0, (n + 1) * 4096));
            fill(piece, n as u8);
        }
        assert!(pieces.iter().enumerate().all(|(n, piece)| piece.iter().all(|&b| b == n as u8)));
        assert_eq!(regions.by_id.len(), 1);
    }

    #[test]
    fn a_free_piece_is_used_again_before_more_memory() {
        let mut regions = Regions::default();
        let (first, second) = (regions.take(70_000), regions.take(70_000));
        let place = first.as_ptr();
        regions.give_back(first);
        let other = regions.take(90_000);
        let again = regions.take(70_000);
        assert_eq!(again.as_ptr(), place);
        assert_ne!(other.as_ptr(), place);
        drop(second);
    }

    #[test]
    fn a_region_whose_pieces_are_all_back_is_good_for_any_size() {
        let mut regions = Regions::default();
        let place = regions.take(70_000);
        let start = place.as_ptr();
        let all: Vec<Piece> = (0..200).map(|_| regions.take(100_000)).collect();
        all.into_iter().chain([place]).for_each(|piece| regions.give_back(piece));
        assert!(regions.free.is_empty());
        let whole = regions.take(REGION_BYTES - 1);
        assert_eq!(whole.as_ptr(), start);
        assert_eq!(regions.by_id.len(), 1);
    }

    #[test]
    fn one_piece_in_use_leaves_the_others_to_be_used_again() {
        let mut regions = Regions::default();
        let kept = regions.take(100_000);
        for _ in 0..10_000 {
            let mut pieces: Vec<Piece> = (0..20).map(|_| regions.take(1_000_000)).collect();
            pieces.drain(..).for_each(|piece| regions.give_back(piece));
        }
        assert_eq!(regions.by_id.len(), 1, "what is free is found again");
        drop(kept);
    }

    #[test]
    fn more_than_a_region_is_a_region_of_its_own() {
        let mut regions = Regions::default();
        let mut large = regions.take(REGION_BYTES + 5);
        fill(&mut large, 1);
        regions.give_back(large);
        assert_eq!(regions.take(REGION_BYTES + 5).capacity(), REGION_BYTES + 5);
    }

    #[test]
    fn idle_regions_are_few_and_go_when_they_are_not_needed() {
        let mut regions = Regions::default();
        let all: Vec<Piece> = (0..10).map(|_| regions.take(REGION_BYTES - 1)).collect();
        assert_eq!(regions.by_id.len(), 10);
        regions.trim();
        assert_eq!(regions.by_id.len(), 10);
        let mut all = all.into_iter();
        let kept = all.next().unwrap();
        all.for_each(|piece| regions.give_back(piece));
        assert_eq!(regions.by_id.len(), 1 + IDLE_REGIONS);
        // They were in use since the last time.
        regions.trim();
        assert_eq!(regions.by_id.len(), 1 + IDLE_REGIONS);
        let again = regions.take(70_000);
        regions.give_back(again);
        regions.trim();
        assert_eq!(regions.by_id.len(), 2);
        regions.trim();
        assert_eq!(regions.by_id.len(), 1);
        regions.give_back(kept);
    }
}
