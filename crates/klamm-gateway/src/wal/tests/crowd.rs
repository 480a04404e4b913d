//! Whom a sync may be for.

use super::life::{request, small};
use crate::wal::core::{Core, Work};
use crate::wal::open::open;
use klamm_log::storage::MemoryStorage;
use std::sync::Arc;

fn submit(core: &Core, ids: std::ops::Range<u64>) {
    ids.for_each(|id| drop(core.submit(request(id, 1, 10)).unwrap()));
}

fn write(core: &Core) {
    let Work::Group(group) = core.next_work(true) else { panic!("no group") };
    core.commit(group);
}

#[test]
fn half_of_the_last_sync_is_expected_again_and_nobody_after_one_alone() {
    let (core, _) = open(Arc::new(MemoryStorage::new()), small()).unwrap();
    let crowd = || core.desk.lock().crowd();
    assert_eq!(crowd(), 0);
    submit(&core, 0..30);
    assert_eq!(crowd(), 30, "those who wait");
    write(&core);
    assert_eq!(crowd(), 15, "of those who were answered");
    submit(&core, 30..31);
    assert_eq!(crowd(), 15, "the first of them");
    submit(&core, 31..71);
    assert_eq!(crowd(), 41, "more than that");
    write(&core);
    submit(&core, 71..72);
    write(&core);
    assert_eq!(crowd(), 0, "after one alone");
}

#[test]
fn a_sync_without_room_for_more_is_for_nobody_else() {
    let (core, _) = open(Arc::new(MemoryStorage::new()), small()).unwrap();
    for (id, crowd) in [(1, 1), (2, 0)] {
        drop(core.submit(request(id, 1, 600 * 1024)).unwrap());
        assert_eq!(core.desk.lock().crowd(), crowd);
    }
}
