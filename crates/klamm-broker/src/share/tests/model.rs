//! Any sequence of events, beside a model that keeps every record by itself.

use super::{LIMITS, acknowledge, acquire};
use crate::share::SharePartition;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Offsets that events are about.
const OFFSETS: i64 = 24;

#[derive(Debug, Clone)]
enum Event {
    Acquire { member: u8, max: i64, strict: bool, batch: i64 },
    Acknowledge { member: u8, first: i64, last: i64, kind: i8 },
    Release { member: u8 },
    Expire { by: i64 },
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    With(u8, i64),
    Done,
}

/// Every record that ever went out: where it is, and how often it went out.
#[derive(Debug, Default)]
struct Model(BTreeMap<i64, (Place, i16)>);

impl Model {
    fn give_back(&mut self, due: impl Fn(Place) -> bool) {
        for (place, deliveries) in self.0.values_mut().filter(|(place, _)| due(*place)) {
            *place = if *deliveries >= LIMITS.deliveries { Place::Done } else { Place::Free };
        }
    }

    fn start(&self) -> i64 {
        (0..)
            .find(|offset| self.0.get(offset).is_none_or(|(place, _)| *place != Place::Done))
            .unwrap()
    }
}

fn event() -> impl Strategy<Value = Event> {
    let member = || 0..3_u8;
    prop_oneof![
        4 => (member(), 1..8_i64, any::<bool>(), 1..5_i64)
            .prop_map(|(member, max, strict, batch)| Event::Acquire { member, max, strict, batch }),
        6 => (member(), 0..OFFSETS, 0..4_i64, 0..4_i8).prop_map(|(member, first, more, kind)| {
            Event::Acknowledge { member, first, last: first + more, kind }
        }),
        1 => member().prop_map(|member| Event::Release { member }),
        1 => (0..150_i64).prop_map(|by| Event::Expire { by }),
        1 => Just(Event::Restart),
    ]
}

fn play(state: &mut SharePartition, model: &mut Model, now_ms: &mut i64, event: Event) {
    match event {
        Event::Acquire { member, max, strict, batch } => {
            let first = state.next_offset() / batch * batch;
            let spans: Vec<_> =
                (first..OFFSETS).step_by(batch as usize).map(|at| (at, at + batch - 1)).collect();
            let got = acquire(state, &member.to_string(), *now_ms, (max, strict), &spans);
            let count: i64 = got.iter().map(|(first, last, _)| last - first + 1).sum();
            assert!(count <= if strict { max } else { max + batch - 1 }, "{got:?}");
            for (first, last, deliveries) in got {
                for offset in first..=last {
                    let record = model.0.entry(offset).or_insert((Place::Free, 0));
                    assert_eq!((record.0, record.1 + 1), (Place::Free, deliveries), "{offset}");
                    *record = (Place::With(member, *now_ms + LIMITS.lock_ms), deliveries);
                }
            }
        }
        Event::Acknowledge { member, first, last, kind } => {
            let start = model.start();
            let has = |offset: &i64| matches!(model.0.get(offset), Some((Place::With(m, _), _)) if *m == member);
            let may = (first.max(start)..=last).all(|offset| has(&offset));
            let done = acknowledge(state, &member.to_string(), (first, last), &[kind]);
            assert_eq!(
                done.is_ok(),
                may && (first..=last).all(|o| model.0.contains_key(&o)),
                "{done:?}"
            );
            if done.is_ok() {
                for offset in first.max(start)..=last {
                    let record = model.0.get_mut(&offset).unwrap();
                    let again = kind == 2 && record.1 < LIMITS.deliveries;
                    record.0 = if again { Place::Free } else { Place::Done };
                }
            }
        }
        Event::Release { member } => {
            state.release(&member.to_string(), LIMITS);
            model.give_back(|place| matches!(place, Place::With(m, _) if m == member));
        }
        Event::Expire { by } => {
            *now_ms += by;
            state.expire(*now_ms, LIMITS);
            let now_ms = *now_ms;
            model.give_back(|place| matches!(place, Place::With(_, until) if until <= now_ms));
        }
        Event::Restart => {
            *state = SharePartition::from_bytes(&state.to_bytes()).unwrap();
            for record in model.0.values_mut() {
                if let (Place::With(..), deliveries) = *record {
                    *record = (Place::Free, deliveries - 1);
                }
            }
            while model.0.last_key_value().is_some_and(|(_, record)| *record == (Place::Free, 0)) {
                model.0.pop_last();
            }
        }
    }
}

proptest! {
    #[test]
    fn every_record_is_with_one_member_until_it_is_done(
        events in prop::collection::vec(event(), 1..60),
    ) {
        let (mut state, mut model, mut now_ms) = (SharePartition::new(0), Model::default(), 0);
        for event in events {
            play(&mut state, &mut model, &mut now_ms, event);
            prop_assert_eq!(state.start(), model.start());
            let free = model.0.iter().find(|(_, record)| record.0 == Place::Free).map(|(&at, _)| at);
            let end = model.0.last_key_value().map_or(0, |(&at, _)| at + 1);
            prop_assert_eq!(state.next_offset(), free.unwrap_or(end.max(model.start())));
            let open = model.0.values().filter(|record| record.0 != Place::Done).count();
            let done = OFFSETS - state.lag(OFFSETS);
            prop_assert!(open as i64 <= LIMITS.record_locks + 4, "{} under way", open);
            prop_assert_eq!(done, model.0.values().filter(|record| record.0 == Place::Done).count() as i64);
        }
    }
}
