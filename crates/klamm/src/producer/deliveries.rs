//! The outcomes of records that lie side by side in a batch, as one.

use super::delivery::{BatchState, Delivered, Delivery, Outcome, part_of};
use super::error::DeliveryError;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The outcomes of records that were enqueued one after the other and lie side by side in one batch.
///
/// For whoever hands over many records and needs to know when all are through, at the cost of one [`Delivery`]. They end
/// together unless the batch has to be divided; then those in each part do, the first ones first.
///
/// Dropping it changes nothing about the records.
///
/// # Cancel safety
/// Safe: the outcomes are kept with the batch.
#[derive(Debug)]
#[must_use = "it says whether records arrived; drop it explicitly to send without looking"]
pub struct Deliveries {
    first: Delivery,
    count: u32,
    /// Those behind that a division has put elsewhere.
    rest: Option<Box<Deliveries>>,
}

impl From<Delivery> for Deliveries {
    #[inline]
    fn from(first: Delivery) -> Self {
        Self { first, count: 1, rest: None }
    }
}

impl Deliveries {
    /// Takes in the delivery of the record behind.
    ///
    /// # Errors
    /// Gives it back when its record lies elsewhere.
    #[inline]
    pub fn push(&mut self, next: Delivery) -> Result<(), Delivery> {
        self.append(next.into()).map_err(|next| next.first)
    }

    /// Takes in the deliveries of the records behind.
    ///
    /// # Errors
    /// Gives them back when their records lie elsewhere, or one of either was told of already.
    #[inline]
    pub fn append(&mut self, next: Self) -> Result<(), Self> {
        let whole = self.rest.is_none() && next.rest.is_none();
        if !whole || !self.first.is_before(&next.first, self.count) {
            return Err(next);
        }
        self.count += next.count;
        Ok(())
    }

    /// How many outcomes were not told yet.
    pub fn len(&self) -> u32 {
        self.count + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// The next outcome, and how many of the first records it is that of; with them gone, the next call tells of the others.
    ///
    /// What was delivered is told for the first one, the others lie behind it; its create time is that of the very first.
    ///
    /// # Panics
    /// Polled again after all were told.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(u32, Result<Delivered, DeliveryError>)> {
        self.poll_outcome(cx, true)
    }

    /// The same without hurry, as [`Delivery::poll_patiently`].
    ///
    /// # Panics
    /// As [`Deliveries::poll`].
    #[inline]
    pub fn poll_patiently(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(u32, Result<Delivered, DeliveryError>)> {
        self.poll_outcome(cx, false)
    }

    /// Whether all were told.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn poll_outcome(
        &mut self,
        cx: &mut Context<'_>,
        hurries: bool,
    ) -> Poll<(u32, Result<Delivered, DeliveryError>)> {
        let place = self.first.place();
        let polled = self.first.poll_result(cx, hurries);
        if let Some((batch, index)) = place {
            self.divide(batch, index);
        }
        let result = ready!(polled);
        let count = std::mem::take(&mut self.count);
        if let Some(rest) = self.rest.take() {
            *self = *rest;
        }
        Poll::Ready((count, result))
    }

    /// Puts those that are not in the same part as the first one behind, if the batch that they were in was divided.
    fn divide(&mut self, batch: Arc<BatchState>, index: u32) {
        let together = together(&batch, index, self.count);
        if together < self.count {
            let first = self.first.other(batch, index + together);
            let rest = Self { first, count: self.count - together, rest: self.rest.take() };
            self.rest = Some(Box::new(rest));
            self.count = together;
        }
    }
}

/// How many of so many records from an index on are in the same part of a batch, to the smallest parts that there are.
fn together(batch: &BatchState, index: u32, count: u32) -> u32 {
    let Some(Outcome::Split(parts)) = batch.outcome() else { return count };
    let end = parts.iter().map(|(first, _)| *first).find(|first| *first > index);
    let count = count.min(end.unwrap_or(u32::MAX) - index);
    match part_of(parts, index) {
        Some((first, part)) => together(part, index - first, count),
        None => count,
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery::Place;
    use super::super::idempotence::PartitionSequence;
    use super::super::partition::Partition;
    use super::super::signals::Signals;
    use super::*;
    use std::task::Waker;

    fn batch() -> Arc<BatchState> {
        let sequence = PartitionSequence::new(true, 5);
        let partition = Partition::new("t".into(), 3, Arc::new(Signals::default()), sequence);
        Arc::new(BatchState::new(Arc::new(partition)))
    }

    fn delivery(batch: &Arc<BatchState>, index: u32) -> Delivery {
        Delivery::new(Place::new(Arc::clone(batch), index), i64::from(index))
    }

    fn deliveries(batch: &Arc<BatchState>, first: u32, count: u32) -> Deliveries {
        let mut all = Deliveries::from(delivery(batch, first));
        (first + 1..first + count).for_each(|n| all.push(delivery(batch, n)).unwrap());
        all
    }

    fn deliver(batch: &BatchState, base: i64) {
        let (base_offset, log_append_time_ms) = (Some(base), None);
        batch.complete(Outcome::Delivered { base_offset, log_append_time_ms });
    }

    /// How many, and the offset of the first.
    fn poll(all: &mut Deliveries) -> Option<(u32, i64)> {
        match all.poll_patiently(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready((count, result)) => Some((count, result.unwrap().offset().unwrap())),
            Poll::Pending => None,
        }
    }

    #[test]
    fn neighbours_in_a_batch_end_together() {
        let batch = batch();
        let mut all = deliveries(&batch, 4, 3);
        assert_eq!(poll(&mut all), None);
        deliver(&batch, 100);
        assert_eq!(poll(&mut all), Some((3, 104)));
        assert!(all.is_empty());
    }

    #[test]
    fn only_the_next_record_of_the_same_batch_is_taken_in() {
        let (one, other) = (batch(), batch());
        let mut all = deliveries(&one, 4, 2);
        for stranger in [delivery(&one, 5), delivery(&one, 7), delivery(&other, 6)] {
            assert!(all.push(stranger).is_err());
        }
        deliver(&one, 0);
        assert_eq!(poll(&mut all), Some((2, 4)));
        assert!(all.push(delivery(&one, 6)).is_err(), "all were told");
    }

    #[test]
    fn those_of_the_records_behind_are_taken_in() {
        let (one, other) = (batch(), batch());
        let mut all = deliveries(&one, 4, 2);
        for stranger in [deliveries(&one, 5, 2), deliveries(&one, 7, 2), deliveries(&other, 6, 2)] {
            assert!(all.append(stranger).is_err());
        }
        all.append(deliveries(&one, 6, 3)).unwrap();
        assert_eq!(all.len(), 5);
        deliver(&one, 0);
        assert_eq!(poll(&mut all), Some((5, 4)));
        assert!(all.is_empty());
    }

    #[test]
    fn the_parts_of_a_divided_batch_end_apart_and_in_order() {
        let (whole, one, two) = (batch(), batch(), batch());
        let mut all = deliveries(&whole, 1, 9);
        assert_eq!(poll(&mut all), None);
        whole.complete(Outcome::Split(vec![(0, Arc::clone(&one)), (6, Arc::clone(&two))]));
        deliver(&two, 50);
        assert_eq!(poll(&mut all), None, "the first ones are not through");
        assert!(all.push(delivery(&whole, 10)).is_err());
        let (front, back) = (batch(), batch());
        one.complete(Outcome::Split(vec![(0, Arc::clone(&front)), (4, Arc::clone(&back))]));
        deliver(&front, 10);
        assert_eq!(poll(&mut all), Some((3, 11)));
        assert_eq!(poll(&mut all), None);
        deliver(&back, 20);
        assert_eq!(poll(&mut all), Some((2, 20)));
        assert_eq!(poll(&mut all), Some((4, 50)));
        assert!(all.is_empty());
    }
}
