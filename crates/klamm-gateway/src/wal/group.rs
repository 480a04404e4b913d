//! Appends that are written and synced together, and those who wait for them.
//!
//! All of a group learn the same: the sequence of its first record, or why there is none. So they share one place to look at
//! and are woken in one go, without a lock that anybody else needs.

use super::books::Need;
use super::config::{AppendRefused, Receipt};
use crate::accepted::Accepted;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Records of one append.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) records: Vec<Accepted>,
    pub(super) need: Need,
}

/// Appends that become one batch.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) requests: Vec<Request>,
    pub(super) bytes: u64,
    pub(super) records: u64,
    waiting: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    verdict: Option<Result<u64, AppendRefused>>,
    /// Of each request, once somebody waits for it.
    wakers: Vec<Option<Waker>>,
}

impl Group {
    /// Takes an append in; what to wait for.
    pub(super) fn join(&mut self, records: Vec<Accepted>, need: Need) -> Answered {
        let mut told = self.waiting.0.lock();
        let at = told.wakers.len();
        told.wakers.push(None);
        drop(told);
        let (before, count) = (self.records, need.records);
        self.bytes += need.bytes;
        self.records += u64::from(count);
        self.requests.push(Request { records, need });
        Answered { group: self.waiting.clone(), at, before, count }
    }

    /// Tells all who wait: the sequence of the first record, or why there is none. The first word counts.
    pub(super) fn tell(&self, verdict: Result<u64, AppendRefused>) {
        let mut told = self.waiting.0.lock();
        told.verdict.get_or_insert(verdict);
        let wakers = std::mem::take(&mut told.wakers);
        drop(told);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for Group {
    /// Nobody is left waiting, whatever becomes of the writer.
    fn drop(&mut self) {
        self.tell(Err(AppendRefused::Failed("its thread has ended".to_owned())));
    }
}

/// What became of an append, when that is known.
#[derive(Debug)]
#[must_use = "what became of the append is not known before this is ready"]
pub(super) struct Answered {
    group: Arc<Waiting>,
    at: usize,
    /// Records of the group before those of this append.
    before: u64,
    count: u32,
}

impl Answered {
    fn of(&self, told: &Told) -> Option<Result<Receipt, AppendRefused>> {
        let receipt = |first: &u64| Receipt { first: first + self.before, count: self.count };
        told.verdict.as_ref().map(|verdict| verdict.as_ref().map(receipt).map_err(Clone::clone))
    }

    /// The same without waiting.
    #[cfg(test)]
    pub(super) fn now(&self) -> Option<Result<Receipt, AppendRefused>> {
        self.of(&self.group.0.lock())
    }
}

impl Future for Answered {
    type Output = Result<Receipt, AppendRefused>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut told = self.group.0.lock();
        if let Some(answer) = self.of(&told) {
            return Poll::Ready(answer);
        }
        if let Some(waker) = told.wakers.get_mut(self.at) {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Need};
    use crate::wal::{AppendRefused, Receipt};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn need(records: u32) -> Need {
        Need { records, ..Need::default() }
    }

    #[test]
    fn all_of_a_group_are_told_once_and_each_has_its_own_receipt() {
        let mut group = Group::default();
        let (first, second) = (group.join(vec![], need(2)), group.join(vec![], need(3)));
        let dropped = group.join(vec![], need(1));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        let (mut first, mut second) = (pin!(first), pin!(second));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(Box::pin(dropped).as_mut().poll(&mut cx).is_pending());
        group.tell(Ok(100));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2, "who never looked needs no waking");
        drop(group);
        let receipt = |first, count| Poll::Ready(Ok(Receipt { first, count }));
        assert_eq!(first.poll(&mut cx), receipt(100, 2));
        assert_eq!(second.as_mut().poll(&mut cx), receipt(102, 3));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_group_that_is_given_up_says_so() {
        let mut group = Group::default();
        let answered = group.join(vec![], need(1));
        assert_eq!(answered.now(), None);
        drop(group);
        assert!(matches!(answered.now(), Some(Err(AppendRefused::Failed(_)))));
    }
}
