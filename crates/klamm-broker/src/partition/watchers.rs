//! Who waits for a partition to change, and is woken when it does.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;

/// The requests that wait for a partition; each has one [`Notify`], however many partitions it waits for.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    waiting: Mutex<Vec<Arc<Notify>>>,
}

impl Watchers {
    /// Has `notify` told of the next change; look again after this, for what changed before it.
    pub(crate) fn add(&self, notify: &Arc<Notify>) {
        self.waiting.lock().push(notify.clone());
    }

    /// Takes back what [`Watchers::add`] did.
    pub(crate) fn remove(&self, notify: &Arc<Notify>) {
        self.waiting.lock().retain(|other| !Arc::ptr_eq(other, notify));
    }

    /// Wakes all who wait.
    pub(crate) fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.iter().for_each(|notify| notify.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use super::Watchers;
    use std::sync::Arc;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn whoever_waits_is_woken_once_and_who_left_is_not() {
        let (watchers, stays, leaves) =
            (Watchers::default(), Arc::default(), Arc::new(Notify::new()));
        watchers.add(&stays);
        watchers.add(&leaves);
        watchers.remove(&leaves);
        watchers.wake();
        stays.notified().await;
        assert!(watchers.waiting.lock().is_empty());
        assert_eq!(Arc::strong_count(&leaves), 1);
    }
}
