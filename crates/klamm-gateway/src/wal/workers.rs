//! Leaving the processors to the threads that read requests, when those have something to do.

use std::thread;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeMetrics};

/// So many requests that one sync is for are a crowd. Fewer gain nothing from a pause, measured with two processors and a
/// disk that syncs in 0.2 ms: such a sync takes longer than reading and answering all of them.
const CROWD: usize = 24;
/// The pause of a crowd, for each of its requests: less than half of what reading and answering one takes a processor.
const FOR_EACH: Duration = Duration::from_micros(5);
/// The longest pause.
const AT_MOST: Duration = Duration::from_micros(500);

/// The workers of the runtime in which a log was opened.
#[derive(Debug)]
pub(super) struct Workers(Option<RuntimeMetrics>);

impl Workers {
    /// Those of this runtime, if there is one.
    pub(super) fn of_this_runtime() -> Self {
        Self(Handle::try_current().ok().map(|handle| handle.metrics()))
    }

    /// Lets them bring more to a sync that may be for a `crowd` of so many requests.
    ///
    /// Where there are several there are more whose bodies were read: with a processor for them they are part of this sync.
    /// While every worker is busy, a crowd pauses for more: the processors have so much in hand that a request takes many
    /// times that long. Who is alone waits for nobody.
    pub(super) fn give_way(&self, crowd: usize) {
        if crowd > 1 {
            thread::yield_now();
        }
        let pause = pause(crowd);
        if !pause.is_zero() && self.are_busy() {
            thread::sleep(pause);
        }
    }

    /// None of them waits for something to do; false where there is no runtime.
    fn are_busy(&self) -> bool {
        self.0.as_ref().is_some_and(|metrics| {
            // One that is parked has been parked once more often than it was woken.
            (0..metrics.num_workers()).all(|at| metrics.worker_park_unpark_count(at) % 2 == 0)
        })
    }
}

/// How long a sync for so many requests leaves busy processors to others.
fn pause(crowd: usize) -> Duration {
    let each = u32::try_from(crowd).unwrap_or(u32::MAX);
    if crowd < CROWD { Duration::ZERO } else { FOR_EACH.saturating_mul(each).min(AT_MOST) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;
    use tokio::runtime::Builder;

    fn soon(what: impl Fn() -> bool) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if what() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn they_are_busy_when_none_is_idle() {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let workers = runtime.block_on(async { Workers::of_this_runtime() });
        assert!(soon(|| !workers.are_busy()), "nobody asked for anything");
        let ended = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        for ended in ended.clone() {
            runtime.spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        assert!(soon(|| workers.are_busy()));
        ended[0].store(true, Ordering::Relaxed);
        assert!(soon(|| !workers.are_busy()), "one has nothing to do");
        ended[1].store(true, Ordering::Relaxed);
    }

    #[test]
    fn a_crowd_waits_by_its_size_and_a_few_do_not() {
        let pauses = [0, 1, 23, 24, 60, 100, usize::MAX].map(|crowd| pause(crowd).as_micros());
        assert_eq!(pauses, [0, 0, 0, 120, 300, 500, 500]);
    }

    #[test]
    fn without_a_runtime_nobody_is_busy() {
        assert!(!Workers::of_this_runtime().are_busy());
    }
}
