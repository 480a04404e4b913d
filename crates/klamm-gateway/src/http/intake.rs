//! A request's body on its way into memory: only with room for it, and only as long as it comes fast enough.

use super::limits::body_time;
use super::refused::Refused;
use super::{Admission, Admitted, Limits};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Room that a body gets to begin with which does not say how long it is.
const UNTOLD_BYTES: usize = 16 << 10;
/// A body of no more bytes is read and thrown away when there is no room for it.
const DISCARDED_BYTES: usize = 64 << 10;

/// A request's body while it comes.
pub(super) struct Intake {
    body: Incoming,
    pace: Pace,
    /// When the clock began to run.
    began: Instant,
    received: usize,
    /// Made when the body is first waited for, which most never are.
    timer: Option<Pin<Box<Sleep>>>,
}

/// How fast a body has to come.
enum Pace {
    /// All of it, in a time that grows with what has come.
    Whole { time: Duration, rate: usize },
    /// Something of it again and again.
    Endless { time: Duration },
}

/// A body that is there, and its room.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) bytes: Bytes,
    pub(super) admitted: Admitted,
}

/// Takes room for `body` and reads it.
///
/// What says that it is longer than `limit`, or what there is no room for, is refused before a byte of it is read: a client
/// that waits to be asked for it never sends it. But when there is no room for a small one that is on its way, it is read, none
/// of it is kept, and `discarded` is told: the connection goes on then. Many clients that have to come back on new connections
/// would add to what there is too much of. Without `discarded` the client waits to be asked.
pub(super) async fn take(
    body: Incoming,
    limit: usize,
    limits: &Limits,
    admission: &Admission,
    discarded: Option<&mut bool>,
) -> Result<Taken, Refused> {
    let told = body.size_hint().exact();
    let told = told.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if told.is_some_and(|bytes| bytes > limit) {
        return Err(Refused::too_large("the body", limit));
    }
    let mut admitted = match admission.admit(told.unwrap_or(UNTOLD_BYTES.min(limit))) {
        Ok(admitted) => admitted,
        Err(crowded) => {
            if let Some(discarded) = discarded
                && told.is_some_and(|bytes| bytes <= DISCARDED_BYTES)
            {
                *discarded = Intake::new(body, limits).discard().await;
            }
            return Err(crowded.into());
        }
    };
    let mut intake = Intake::new(body, limits);
    let Some(first) = intake.next().await? else {
        return Ok(Taken { bytes: Bytes::new(), admitted });
    };
    if told == Some(first.len()) {
        return Ok(Taken { bytes: first, admitted });
    }
    let mut all = BytesMut::new();
    let mut next = Some(first);
    while let Some(piece) = next {
        let sum = all.len().saturating_add(piece.len());
        if sum > limit {
            return Err(Refused::too_large("the body", limit));
        }
        if sum > admitted.bytes() {
            // In steps that grow, since what is held grows so, too.
            admitted.grow(sum.saturating_mul(2).min(limit))?;
        }
        all.extend_from_slice(&piece);
        next = intake.next().await?;
    }
    Ok(Taken { bytes: all.freeze(), admitted })
}

impl Intake {
    /// A body that has an end.
    pub(super) fn new(body: Incoming, limits: &Limits) -> Self {
        let pace = Pace::Whole { time: limits.body_timeout, rate: limits.body_min_rate };
        Self { body, pace, began: Instant::now(), received: 0, timer: None }
    }

    /// A body that may go on for ever, so long as something of it comes within `time`.
    pub(super) fn endless(body: Incoming, time: Duration) -> Self {
        let pace = Pace::Endless { time };
        Self { body, pace, began: Instant::now(), received: 0, timer: None }
    }

    /// Reads it and keeps nothing; whether it came to its end in time.
    async fn discard(mut self) -> bool {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same; nothing is lost when it is not polled again.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Refused>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing that is asked for.
                    if let Some(data) = Frame::into_data(frame).ok().filter(|data| !data.is_empty())
                    {
                        self.received = self.received.saturating_add(data.len());
                        if matches!(self.pace, Pace::Endless { .. }) {
                            self.began = Instant::now();
                        }
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(error))) => {
                    let why = format!("the body cannot be read: {error}");
                    return Poll::Ready(Err(Refused::broken(why)));
                }
                Poll::Pending => return self.poll_time(cx),
            }
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Refused>> {
        let deadline = match self.pace {
            Pace::Whole { time, rate } => self.began + body_time(time, rate, self.received),
            Pace::Endless { time } => self.began + time,
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(Refused::slow()));
            }
            // Set when less had come.
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
