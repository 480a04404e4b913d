//! Groups of members under a coordinator and a network that loses, delays and repeats, from a seed:
//! no partition ever has two owners, and in the end every partition has one.

mod classic_coordinator;
mod consumer_coordinator;
mod world;

use self::classic_coordinator::ClassicCoordinator;
use self::consumer_coordinator::ConsumerCoordinator;
use self::world::{Coordinator, Kind, World};
use crate::consumer::assignor::{
    Assignor, CooperativeStickyAssignor, RangeAssignor, RoundRobinAssignor, StickyAssignor,
};
use std::sync::Arc;

/// Seeds of each case.
const SEEDS: u64 = 20;

fn simulate(kind: impl Fn() -> (Box<dyn Coordinator>, Kind)) {
    let run = |seed| {
        let (coordinator, kind) = kind();
        World::new(seed, coordinator, kind).run()
    };
    let assigned: usize = (1..=SEEDS).map(run).sum();
    assert!(assigned > 8 * usize::try_from(SEEDS).unwrap(), "little happened: {assigned}");
}

fn classic(assignor: impl Assignor + 'static) {
    let assignor: Arc<dyn Assignor> = Arc::new(assignor);
    let kind = || -> (Box<dyn Coordinator>, Kind) {
        (Box::new(ClassicCoordinator::default()), Kind::Classic(assignor.clone()))
    };
    simulate(kind);
}

#[test]
fn range_has_one_owner_at_a_time() {
    classic(RangeAssignor);
}

#[test]
fn round_robin_has_one_owner_at_a_time() {
    classic(RoundRobinAssignor);
}

#[test]
fn sticky_has_one_owner_at_a_time() {
    classic(StickyAssignor);
}

#[test]
fn cooperative_sticky_has_one_owner_at_a_time() {
    classic(CooperativeStickyAssignor);
}

#[test]
fn the_consumer_protocol_has_one_owner_at_a_time() {
    simulate(|| (Box::new(ConsumerCoordinator::default()), Kind::Consumer));
}
