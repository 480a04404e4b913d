//! A worker: one handler at a time, whatever it does.

use super::outcome::{BoxError, HandlerError};
use super::pieces::Handled;
use super::running::Running;
use super::work::Job;
use crate::consumer::shared::Shared;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// Takes pieces and has them handled, until it is dropped.
pub(super) async fn work<T, H, F, E>(running: Arc<Running<T>>, shared: Arc<Shared>, handler: Arc<H>)
where
    T: Handled,
    H: Fn(T) -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    loop {
        let Job { lane, what } = running.next_job().await;
        let result = guarded(&*handler, what).await;
        if running.finish(lane, result) {
            // A partition that is revoked waits for this.
            shared.group.notify_one();
        }
        // A handler that never waits must not keep others from their turn.
        tokio::task::consume_budget().await;
    }
}

/// What the handler comes to; a panic is an error.
async fn guarded<T, H, F, E>(handler: &H, what: T) -> Result<(), HandlerError>
where
    H: Fn(T) -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    // What a panic leaves half done is the handler's own, and dropped with it.
    let handling = catch_unwind(AssertUnwindSafe(|| handler(what))).map_err(panicked)?;
    let mut handling = pin!(handling);
    let ended = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                Poll::Ready(result.map_err(|error| HandlerError::Failed(error.into())))
            }
            Err(panic) => Poll::Ready(Err(panicked(panic))),
        }
    });
    ended.await
}

fn panicked(panic: Box<dyn Any + Send>) -> HandlerError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    HandlerError::Panicked(text.unwrap_or_else(|| "it gave no message".to_owned()))
}
