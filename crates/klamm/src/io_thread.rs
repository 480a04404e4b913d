//! The client's own thread: every socket and every sender of a client lives on it.
//!
//! Sharing the application's runtime would cost more: a work-stealing runtime moves the I/O task
//! between cores, and a busy application delays it.

use std::future::Future;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads for compression, password hashing and name lookups. Lookups can hang for many seconds: there
/// are threads enough that they do not keep batches from being compressed.
const BLOCKING_THREADS: usize = 16;

/// A thread with a runtime of its own; it ends when this is dropped, without being waited for. Or the
/// caller's runtime, which goes on: there, tasks end with what they serve.
#[derive(Debug)]
pub(crate) struct IoThread {
    handle: Handle,
    _stop: Option<oneshot::Sender<()>>,
}

impl IoThread {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("klamm-worker")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new().name("klamm-io".to_owned()).spawn(move || {
            // Ends when the sender is dropped; tasks are dropped with the runtime.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _stop: Some(stop) })
    }

    /// No thread: everything runs on this runtime.
    pub(crate) fn on(handle: Handle) -> Self {
        Self { handle, _stop: None }
    }

    /// Lets timers be made outside of the thread.
    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.handle.enter()
    }

    /// Runs a task on the thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Runs a future on the thread and waits for its result; `None` when the thread has ended.
    ///
    /// Dropping the returned future does not stop the task.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.handle.spawn(task).await.ok()
    }
}
