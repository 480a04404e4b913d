//! Reading the last records of topics: from further and further back until there are enough.

use super::format::Fields;
use super::output::BLOCK_BYTES;
use super::plan::{Place, Places};
use super::reading::{End, Reading, Scope};
use super::tail::Tail;

/// By how much more is read when there were not enough.
const WIDER: i64 = 8;

impl Reading {
    /// Reads and writes the last records, and moves on to what comes after them.
    ///
    /// Markers, compaction and the filter leave gaps, so it may take several rounds.
    pub(super) async fn read_tail(&mut self) -> Result<(), End> {
        let Scope::Places(places) = &self.scope else { return Ok(()) };
        let mut whole = places.clone();
        loop {
            match self.read().await {
                End::Reached => {}
                end => return Err(end),
            }
            let Some(tail) = &mut self.tail else { return Ok(()) };
            let further = widen(&mut whole, tail);
            if further.is_empty() {
                break;
            }
            self.scope = Scope::Places(further);
        }
        self.scope = Scope::Places(after(whole));
        self.write_tail().await
    }

    async fn write_tail(&mut self) -> Result<(), End> {
        for record in self.tail.take().map(Tail::into_last).unwrap_or_default() {
            let headers = record.headers();
            let fields: Fields<'_> = record.fields(&headers);
            self.format(&fields);
            if self.block.len() >= BLOCK_BYTES {
                self.output.write(&mut self.block).await?;
            }
        }
        Ok(())
    }
}

/// What has to be read again, from further back.
fn widen(whole: &mut Places, tail: &mut Tail) -> Places {
    let mut further = Places::new();
    for (topic, places) in whole {
        for (partition, place) in places {
            if tail.is_full(topic, *partition) || place.from <= place.log_start {
                continue;
            }
            let wider = (place.log_end - place.from).max(1).saturating_mul(WIDER);
            place.from = place.log_end.saturating_sub(wider).max(place.log_start);
            tail.forget(topic, *partition);
            further.entry(topic.clone()).or_default().insert(*partition, *place);
        }
    }
    further
}

/// The same partitions, from where the last records ended.
fn after(mut whole: Places) -> Places {
    for place in whole.values_mut().flat_map(|places| places.values_mut()) {
        *place = Place { from: place.log_end, until: None, ..*place };
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::{after, widen};
    use crate::consume::format::Fields;
    use crate::consume::plan::{Place, Places};
    use crate::consume::sample::FIELDS;
    use crate::consume::tail::Tail;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn places(froms: [i64; 2]) -> Places {
        let place = |from| Place { from, until: Some(1_000), log_start: 5, log_end: 1_000 };
        let of_topic = BTreeMap::from([(0, place(froms[0])), (1, place(froms[1]))]);
        BTreeMap::from([(Arc::from("t"), of_topic)])
    }

    #[test]
    fn what_was_not_enough_is_read_from_further_back_until_there_is_no_more() {
        let mut tail = Tail::new(2);
        let topic = Arc::from("t");
        for _ in 0..2 {
            tail.push(&topic, &Fields { partition: 0, ..FIELDS });
        }
        tail.push(&topic, &Fields { partition: 1, ..FIELDS });
        let mut whole = places([998, 998]);
        let mut froms = Vec::new();
        loop {
            let further = widen(&mut whole, &mut tail);
            let Some(of_topic) = further.get("t") else { break };
            assert!(!of_topic.contains_key(&0), "it has enough");
            froms.push(of_topic[&1].from);
            assert_eq!(of_topic[&1].until, Some(1_000));
        }
        assert_eq!(froms, [984, 872, 5]);
        let after = after(whole);
        assert!(after["t"].values().all(|p| (p.from, p.until) == (1_000, None)));
    }

    #[test]
    fn an_empty_log_is_not_read_again() {
        let place = Place { from: 7, until: Some(7), log_start: 7, log_end: 7 };
        let mut whole = BTreeMap::from([(Arc::from("t"), BTreeMap::from([(0, place)]))]);
        assert!(widen(&mut whole, &mut Tail::new(3)).is_empty());
    }
}
