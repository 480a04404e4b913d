//! Whether the threads that read requests have something to do.

use tokio::runtime::{Handle, RuntimeMetrics};

/// The workers of the runtime in which a log was opened.
#[derive(Debug)]
pub(super) struct Workers(Option<RuntimeMetrics>);

impl Workers {
    /// Those of this runtime, if there is one.
    pub(super) fn of_this_runtime() -> Self {
        Self(Handle::try_current().ok().map(|handle| handle.metrics()))
    }

    /// None of them waits for something to do; false where there is no runtime.
    pub(super) fn are_busy(&self) -> bool {
        self.0.as_ref().is_some_and(|metrics| {
            // One that is parked has been parked once more often than it was woken.
            (0..metrics.num_workers()).all(|at| metrics.worker_park_unpark_count(at) % 2 == 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};
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
    fn without_a_runtime_nobody_is_busy() {
        assert!(!Workers::of_this_runtime().are_busy());
    }
}
