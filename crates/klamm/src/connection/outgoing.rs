//! Frames on their way into the socket, in the order they were submitted.

use super::in_flight::Waiter;
use bytes::{Buf, Bytes};
use klamm_protocol::primitives::Frame;
use std::collections::VecDeque;
use std::io::IoSlice;
use tokio::time::Instant;

/// Pieces handed to one vectored write; Linux takes at most 1,024.
pub(super) const IO_SLICES_MAX: usize = 128;

/// One frame, as far as it is not written yet.
#[derive(Debug)]
struct OutFrame {
    parts: VecDeque<Bytes>,
    /// Whether a byte of it is written.
    begun: bool,
    /// For a request without an answer: who waits for its last byte to be written.
    on_written: Option<Waiter>,
}

/// The queue before the socket.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    frames: VecDeque<OutFrame>,
}

/// What became of the frames that a write reached.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Frames with an answer whose first byte is written.
    pub(super) begun: usize,
    /// Frames without an answer whose last byte is written.
    pub(super) finished: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, frame: Frame, on_written: Option<Waiter>) {
        let parts = frame.into_parts().into();
        self.frames.push_back(OutFrame { parts, begun: false, on_written });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether a frame is written in part: nothing else can go out before its end.
    pub(super) fn is_amid_a_frame(&self) -> bool {
        self.frames.front().is_some_and(|f| f.begun)
    }

    /// By when the first frame must be written, if it is one without an answer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.frames.front().and_then(|f| f.on_written.as_ref()).map(|w| w.deadline)
    }

    /// Fills `slices` with what is to be written next and returns how many it used; of the first
    /// frame only, when a session is about to end or the broker has asked for silence.
    pub(super) fn slices<'a>(
        &'a self,
        first_only: bool,
        slices: &mut [IoSlice<'a>; IO_SLICES_MAX],
    ) -> usize {
        let frames = if first_only { 1 } else { usize::MAX };
        let parts = self.frames.iter().take(frames).flat_map(|f| &f.parts);
        let mut used = 0;
        for (slice, part) in slices.iter_mut().zip(parts.filter(|p| !p.is_empty())) {
            *slice = IoSlice::new(part);
            used += 1;
        }
        used
    }

    /// Removes `n` written bytes from the front and tells who waited for no more than that.
    pub(super) fn advance(&mut self, mut n: usize) -> Written {
        let mut written = Written::default();
        while let Some(frame) = self.frames.front_mut() {
            if n > 0 && !frame.begun {
                frame.begun = true;
                written.begun += usize::from(frame.on_written.is_none());
            }
            while let Some(part) = frame.parts.front_mut() {
                if n < part.len() {
                    part.advance(n);
                    return written;
                }
                n -= part.len();
                frame.parts.pop_front();
            }
            if let Some(OutFrame { on_written: Some(waiter), .. }) = self.frames.pop_front() {
                written.finished += 1;
                // The caller may be gone; that is its right.
                let _ = waiter.reply.send(Ok(Bytes::new()));
            }
        }
        written
    }

    /// Takes out who still waits for a frame to be written, and whether a byte of it is.
    pub(super) fn drain_waiters(&mut self) -> impl Iterator<Item = (Waiter, bool)> {
        self.frames.drain(..).filter_map(|f| f.on_written.map(|w| (w, f.begun)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::header::encode_request;
    use klamm_protocol::message::MetadataRequest;
    use std::time::Duration;
    use tokio::sync::oneshot;

    fn frame(id: i32) -> Frame {
        encode_request(&MetadataRequest::default(), 12, id, "test").unwrap()
    }

    fn waiter() -> (Waiter, oneshot::Receiver<Result<Bytes, super::super::RequestError>>) {
        let (reply, receiver) = oneshot::channel();
        let timeout = Duration::from_secs(1);
        (Waiter { correlation_id: 1, deadline: Instant::now() + timeout, timeout, reply }, receiver)
    }

    /// Writes everything in steps of `step` bytes and returns what went out, with the totals.
    fn write_all(outgoing: &mut Outgoing, step: usize) -> (Vec<u8>, Written) {
        let (mut bytes, mut total) = (Vec::new(), Written::default());
        while !outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); IO_SLICES_MAX];
            let used = outgoing.slices(false, &mut slices);
            let all: Vec<u8> = slices[..used].iter().flat_map(|s| s.to_vec()).collect();
            let n = step.min(all.len());
            bytes.extend_from_slice(&all[..n]);
            let written = outgoing.advance(n);
            total.begun += written.begun;
            total.finished += written.finished;
        }
        (bytes, total)
    }

    #[test]
    fn partial_writes_of_every_size_give_the_same_bytes() {
        let expected: Vec<u8> = (0..100).flat_map(|id| frame(id).parts().concat()).collect();
        for step in 1..200 {
            let mut outgoing = Outgoing::default();
            (0..100).for_each(|id| outgoing.push(frame(id), None));
            let (bytes, total) = write_all(&mut outgoing, step);
            assert_eq!(bytes, expected, "step {step}");
            assert_eq!(total, Written { begun: 100, finished: 0 });
        }
    }

    #[test]
    fn request_without_an_answer_is_done_with_its_last_byte() {
        let mut outgoing = Outgoing::default();
        let (waiter, mut receiver) = waiter();
        let len = frame(1).len();
        outgoing.push(frame(1), Some(waiter));
        assert_eq!(outgoing.advance(len - 1), Written::default());
        assert!(outgoing.is_amid_a_frame() && receiver.try_recv().is_err());
        assert_eq!(outgoing.advance(1), Written { begun: 0, finished: 1 });
        assert!(receiver.try_recv().unwrap().is_ok() && !outgoing.is_amid_a_frame());
    }

    #[test]
    fn only_the_frame_that_was_begun_is_finished_on_request() {
        let mut outgoing = Outgoing::default();
        outgoing.push(frame(1), None);
        outgoing.push(frame(2), None);
        outgoing.advance(3);
        let mut slices = [IoSlice::new(&[]); IO_SLICES_MAX];
        let used = outgoing.slices(true, &mut slices);
        let rest: usize = slices[..used].iter().map(|s| s.len()).sum();
        assert_eq!(rest, frame(1).len() - 3);
    }
}
