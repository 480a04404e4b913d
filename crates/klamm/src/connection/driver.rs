//! The task that owns a socket: writes what is queued, reads what comes, minds the clock.

use super::error::RequestError;
use super::handshake::Ready;
use super::in_flight::{InFlight, Waiter};
use super::sasl;
use super::settings::ConnectionSettings;
use super::transport::Transport;
use bytes::{Buf, Bytes, BytesMut};
use klamm_protocol::header::correlation_id;
use klamm_protocol::primitives::Frame;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

/// Pieces handed to one vectored write; the kernel takes at most 1,024.
const IO_SLICES_MAX: usize = 128;
/// Room made before each read.
const READ_BYTES: usize = 64 * 1024;

/// A request on its way to the driver.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) frame: Frame,
    pub(crate) expects_reply: bool,
    pub(crate) waiter: Waiter,
}

/// A frame that is being written.
#[derive(Debug)]
struct Outgoing {
    parts: VecDeque<Bytes>,
    /// For a request without an answer: who waits for the last byte to be written.
    on_written: Option<Waiter>,
}

type Reauthentication =
    Pin<Box<dyn Future<Output = Result<(Transport, sasl::Session), String>> + Send>>;

/// See the module's head.
pub(crate) struct Driver {
    address: Arc<str>,
    settings: Arc<ConnectionSettings>,
    /// Away while re-authentication has it.
    transport: Option<Transport>,
    commands: mpsc::UnboundedReceiver<Command>,
    handles_gone: bool,
    outgoing: VecDeque<Outgoing>,
    needs_flush: bool,
    in_flight: InFlight,
    read: BytesMut,
    timer: Pin<Box<Sleep>>,
    last_used: Instant,
    session: sasl::Session,
    reauthentication: Option<Reauthentication>,
}

impl Driver {
    pub(crate) fn new(
        ready: Ready,
        commands: mpsc::UnboundedReceiver<Command>,
        settings: Arc<ConnectionSettings>,
    ) -> Self {
        Self {
            address: ready.address,
            settings,
            transport: Some(ready.transport),
            commands,
            handles_gone: false,
            outgoing: VecDeque::new(),
            needs_flush: false,
            in_flight: InFlight::default(),
            read: BytesMut::with_capacity(READ_BYTES),
            timer: Box::pin(sleep_until(Instant::now())),
            last_used: Instant::now(),
            session: ready.session,
            reauthentication: None,
        }
    }

    /// Runs until the connection ends, and tells every waiter why.
    pub(crate) async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.commands.close();
        let cause: Arc<str> = match &end {
            End::Cause(cause) => cause.as_str().into(),
            End::TimedOut => "another request on the same connection timed out".into(),
            End::Idle => "the connection was closed after connections.max.idle.ms".into(),
        };
        if let End::Cause(cause) = &end {
            tracing::debug!(broker = %self.address, %cause, "connection ended");
        }
        let now = matches!(end, End::TimedOut).then(Instant::now);
        self.in_flight.fail_all(&self.address, &cause, now);
        let never_sent = self.outgoing.drain(..).filter_map(|o| o.on_written);
        for waiter in never_sent {
            let error = RequestError::Lost {
                address: Arc::clone(&self.address),
                cause: Arc::clone(&cause),
                may_have_reached_broker: true,
            };
            let _ = waiter.reply.send(Err(error));
        }
        while let Ok(command) = self.commands.try_recv() {
            let error = RequestError::never_sent(&self.address, &cause);
            let _ = command.waiter.reply.send(Err(error));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Poll::Ready(ended) = self.poll_reauthentication(cx) {
                return Poll::Ready(End::Cause(ended));
            }
            let mut progress = self.poll_commands(cx);
            match self.poll_write(cx) {
                Ok(wrote) => progress |= wrote,
                Err(cause) => return Poll::Ready(End::Cause(cause)),
            }
            match self.poll_read(cx) {
                Ok(read) => progress |= read,
                Err(cause) => return Poll::Ready(End::Cause(cause)),
            }
            if self.handles_gone && self.in_flight.is_empty() && self.outgoing.is_empty() {
                return Poll::Ready(End::Idle);
            }
            if !progress {
                break;
            }
            self.last_used = Instant::now();
        }
        self.poll_timer(cx)
    }

    /// Takes requests off the channel; none while the connection drains for re-authentication.
    fn poll_commands(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while !self.handles_gone && !self.session.is_due() && self.transport.is_some() {
            match self.commands.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.handles_gone = true,
                Poll::Ready(Some(command)) => self.queue(command),
            }
            progress = true;
        }
        progress
    }

    fn queue(&mut self, command: Command) {
        let parts = command.frame.into_parts().into();
        // Before the first byte goes out: an answer can overtake the end of its own request's write.
        let on_written = if command.expects_reply {
            self.in_flight.push(command.waiter);
            None
        } else {
            Some(command.waiter)
        };
        self.outgoing.push_back(Outgoing { parts, on_written });
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let Some(transport) = &mut self.transport else { return Ok(false) };
        let mut progress = false;
        while !self.outgoing.is_empty() {
            let parts = self.outgoing.iter().flat_map(|o| &o.parts);
            let slices: Vec<IoSlice<'_>> =
                parts.take(IO_SLICES_MAX).map(|p| IoSlice::new(p)).collect();
            let written = Pin::new(&mut *transport).poll_write_vectored(cx, &slices);
            match written {
                Poll::Pending => return Ok(progress),
                Poll::Ready(Ok(0)) => return Err("the broker takes no more bytes".to_owned()),
                Poll::Ready(Ok(n)) => advance(&mut self.outgoing, n),
                Poll::Ready(Err(e)) => return Err(e.to_string()),
            }
            self.needs_flush = true;
            progress = true;
        }
        if self.needs_flush {
            match Pin::new(transport).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.needs_flush = false,
                Poll::Ready(Err(e)) => return Err(e.to_string()),
            }
        }
        Ok(progress)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let Some(transport) = &mut self.transport else { return Ok(false) };
        self.read.reserve(READ_BYTES);
        let read = pin!(transport.read_buf(&mut self.read)).poll(cx);
        match read {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => return Err("the broker closed the connection".to_owned()),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(e)) => return Err(e.to_string()),
        }
        while let Some(frame) = self.next_frame()? {
            let id = correlation_id(&frame).map_err(|e| format!("malformed response: {e}"))?;
            self.in_flight.handle_answer(id, frame)?;
        }
        Ok(true)
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, String> {
        let Some(size) = self.read.first_chunk::<4>() else { return Ok(None) };
        let size = i32::from_be_bytes(*size);
        let max = self.settings.receive_max_bytes;
        let Some(len) = usize::try_from(size).ok().filter(|n| *n <= max) else {
            return Err(format!("a response claims {size} bytes; the limit is {max}"));
        };
        if self.read.len() < 4 + len {
            self.read.reserve(4 + len - self.read.len());
            return Ok(None);
        }
        self.read.advance(4);
        Ok(Some(self.read.split_to(len).freeze()))
    }

    /// The connection has one timer: for the earliest of deadlines, session end and idle close.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let idle_end = self.last_used + self.settings.max_idle;
            let session_end = self.session.reauthenticate_at;
            let next = match self.in_flight.deadline() {
                Some(deadline) => session_end.map_or(deadline, |s| s.min(deadline)),
                None => session_end.map_or(idle_end, |s| s.min(idle_end)),
            };
            // A session that is due waits for the drain, which the socket announces.
            let next = if self.session.is_due() {
                next.max(Instant::now() + self.settings.max_idle)
            } else {
                next
            };
            if self.timer.deadline() != next {
                self.timer.as_mut().reset(next);
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if self.in_flight.deadline().is_some_and(|d| d <= now) {
                return Poll::Ready(End::TimedOut);
            }
            if self.session.is_due() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.in_flight.is_empty() && self.last_used + self.settings.max_idle <= now {
                return Poll::Ready(End::Idle);
            }
        }
    }

    /// KIP-368: once the session is about to end, nothing new is sent; when all answers are in, the
    /// same connection authenticates again.
    fn poll_reauthentication(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        if self.reauthentication.is_none() {
            let drained = self.in_flight.is_empty() && self.outgoing.is_empty();
            if !self.session.is_due() || !drained {
                return Poll::Pending;
            }
            let Some(mut transport) = self.transport.take() else { return Poll::Pending };
            let (settings, address) = (Arc::clone(&self.settings), Arc::clone(&self.address));
            let versions = self.session.versions.clone();
            self.reauthentication = Some(Box::pin(async move {
                let session = sasl::authenticate(&mut transport, &settings, &address, &versions)
                    .await
                    .map_err(|e| e.to_string())?;
                Ok((transport, session))
            }));
        }
        let Some(running) = &mut self.reauthentication else { return Poll::Pending };
        match running.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(cause)) => Poll::Ready(format!("re-authentication failed: {cause}")),
            Poll::Ready(Ok((transport, session))) => {
                (self.transport, self.session) = (Some(transport), session);
                self.reauthentication = None;
                Poll::Pending
            }
        }
    }
}

/// How a connection ends.
#[derive(Debug)]
enum End {
    Cause(String),
    TimedOut,
    Idle,
}

/// Removes `n` written bytes from the front.
fn advance(outgoing: &mut VecDeque<Outgoing>, mut n: usize) {
    while let Some(frame) = outgoing.front_mut() {
        while let Some(part) = frame.parts.front_mut() {
            if n < part.len() {
                part.advance(n);
                return;
            }
            n -= part.len();
            frame.parts.pop_front();
        }
        if let Some(Outgoing { on_written: Some(waiter), .. }) = outgoing.pop_front() {
            let _ = waiter.reply.send(Ok(Bytes::new()));
        }
    }
}
