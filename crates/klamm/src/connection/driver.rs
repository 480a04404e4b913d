//! The task that owns a socket: writes what is queued, reads what comes, minds the clock.

use super::Shared;
use super::connector::Transport;
use super::frames::FrameReader;
use super::handshake::Ready;
use super::in_flight::{InFlight, Waiter};
use super::outgoing::{IO_SLICES_MAX, Outgoing};
use super::sasl;
use super::settings::ConnectionSettings;
use klamm_protocol::header::correlation_id;
use klamm_protocol::primitives::Frame;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

/// What handles ask of the driver.
#[derive(Debug)]
pub(super) enum Command {
    Send {
        frame: Frame,
        expects_reply: bool,
        waiter: Waiter,
    },
    /// Nothing new goes out before this moment (KIP-219).
    MuteUntil(Instant),
    /// The connection is of no use any more, for this reason.
    End(Arc<str>),
}

type Reauthentication =
    Pin<Box<dyn Future<Output = Result<(Transport, sasl::Session), String>> + Send>>;

/// See the module's head.
pub(super) struct Driver {
    shared: Arc<Shared>,
    settings: Arc<ConnectionSettings>,
    /// Away while re-authentication has it.
    transport: Option<Transport>,
    commands: mpsc::UnboundedReceiver<Command>,
    handles_gone: bool,
    outgoing: Outgoing,
    needs_flush: bool,
    in_flight: InFlight,
    reader: FrameReader,
    timer: Pin<Box<Sleep>>,
    last_used: Instant,
    muted_until: Option<Instant>,
    session: sasl::Session,
    reauthentication: Option<Reauthentication>,
}

/// How a connection ends.
#[derive(Debug)]
enum End {
    Cause(String),
    TimedOut,
    Idle,
    Unused,
}

impl Driver {
    pub(super) fn new(
        ready: Ready,
        shared: Arc<Shared>,
        commands: mpsc::UnboundedReceiver<Command>,
        settings: Arc<ConnectionSettings>,
    ) -> Self {
        Self {
            shared,
            transport: Some(ready.transport),
            commands,
            handles_gone: false,
            outgoing: Outgoing::default(),
            needs_flush: false,
            in_flight: InFlight::default(),
            reader: FrameReader::new(settings.receive_max_bytes),
            settings,
            timer: Box::pin(sleep_until(Instant::now())),
            last_used: Instant::now(),
            muted_until: None,
            session: ready.session,
            reauthentication: None,
        }
    }

    /// Runs until the connection ends, and tells every waiter why.
    pub(super) async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.commands.close();
        let address = Arc::clone(&self.shared.address);
        let cause: Arc<str> = match &end {
            End::Cause(cause) => cause.as_str().into(),
            End::TimedOut => "another request on the same connection timed out".into(),
            End::Idle => "the connection was closed after connections.max.idle.ms".into(),
            End::Unused => "nobody held the connection any more".into(),
        };
        tracing::debug!(broker = %address, %cause, "connection ended");
        let now = matches!(end, End::TimedOut).then(Instant::now);
        self.in_flight.fail_all(&address, &cause, now);
        for (waiter, begun) in self.outgoing.drain_waiters() {
            waiter.fail(&address, &cause, now, begun);
        }
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Send { waiter, .. } = command {
                waiter.fail(&address, &cause, None, false);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let step = self.poll_step(cx);
            match step {
                Err(cause) => return Poll::Ready(End::Cause(cause)),
                Ok(true) => self.last_used = Instant::now(),
                Ok(false) => break,
            }
        }
        if self.handles_gone && self.in_flight.is_empty() && self.outgoing.is_empty() {
            return Poll::Ready(End::Unused);
        }
        self.poll_timer(cx)
    }

    /// One round; says whether anything moved, in which case more may.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let renewed = self.poll_reauthentication(cx)?;
        let taken = self.poll_commands(cx)?;
        let wrote = self.poll_write(cx)?;
        let read = self.poll_read(cx)?;
        Ok(renewed | taken | wrote | read)
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let mut progress = false;
        while !self.handles_gone {
            match self.commands.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.handles_gone = true,
                Poll::Ready(Some(Command::End(cause))) => return Err(cause.to_string()),
                Poll::Ready(Some(Command::MuteUntil(at))) => {
                    self.muted_until = self.muted_until.max(Some(at));
                }
                // Before the first byte goes out: an answer can overtake the end of its request.
                Poll::Ready(Some(Command::Send { frame, expects_reply: true, waiter })) => {
                    self.in_flight.push(waiter);
                    self.outgoing.push(frame, None);
                }
                Poll::Ready(Some(Command::Send { frame, expects_reply: false, waiter })) => {
                    self.outgoing.push(frame, Some(waiter));
                }
            }
            progress = true;
        }
        Ok(progress)
    }

    /// Whether no new frame may be begun: the broker asked for silence, or the session is running out.
    fn holds_back(&mut self) -> bool {
        if self.muted_until.is_some_and(|at| at <= Instant::now()) {
            self.muted_until = None;
        }
        self.muted_until.is_some() || self.session.is_due()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let holds_back = self.holds_back();
        let Some(transport) = &mut self.transport else { return Ok(false) };
        let mut progress = false;
        while !self.outgoing.is_empty() {
            if holds_back && !self.outgoing.is_amid_a_frame() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); IO_SLICES_MAX];
            let used = self.outgoing.slices(holds_back, &mut slices);
            let slices = slices.get(..used).unwrap_or_default();
            match Pin::new(&mut *transport).poll_write_vectored(cx, slices) {
                Poll::Pending => return Ok(progress),
                Poll::Ready(Ok(0)) => return Err("the broker takes no more bytes".to_owned()),
                Poll::Ready(Ok(n)) => {
                    let written = self.outgoing.advance(n);
                    self.in_flight.mark_written(written.begun);
                    self.shared.settle(written.finished);
                }
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
        if !self.reader.poll_fill(transport, cx)? {
            return Ok(false);
        }
        while let Some(frame) = self.reader.next_frame()? {
            let id = correlation_id(&frame).map_err(|e| format!("malformed response: {e}"))?;
            self.in_flight.handle_answer(id, frame)?;
            self.shared.settle(1);
        }
        Ok(true)
    }

    /// The connection has one timer. It is only ever moved to an earlier moment, or when it has rung:
    /// in the usual course of pipelined requests, whose deadlines grow, it is not touched at all.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let next = self.wakes_at();
            if next < self.timer.deadline() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if self.request_deadline().is_some_and(|d| d <= now) {
                return Poll::Ready(End::TimedOut);
            }
            if self.is_unused() && self.last_used + self.settings.max_idle <= now {
                return Poll::Ready(End::Idle);
            }
            if next <= now {
                // The end of a silence or of a session: another round does what is to be done.
                self.timer.as_mut().reset(now + self.settings.max_idle);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.timer.as_mut().reset(next);
        }
    }

    fn is_unused(&self) -> bool {
        self.in_flight.is_empty() && self.outgoing.is_empty() && self.reauthentication.is_none()
    }

    fn request_deadline(&self) -> Option<Instant> {
        self.in_flight.deadline().into_iter().chain(self.outgoing.deadline()).min()
    }

    fn wakes_at(&self) -> Instant {
        let idle = self.last_used + self.settings.max_idle;
        // A session that is due waits for the drain, which the socket announces.
        let session = self.session.reauthenticate_at.filter(|_| !self.session.is_due());
        let moments = [self.request_deadline(), session, self.muted_until];
        let earliest = moments.into_iter().flatten().min();
        match (earliest, self.is_unused()) {
            (Some(at), true) => at.min(idle),
            (Some(at), false) => at,
            (None, true) => idle,
            (None, false) => Instant::now() + self.settings.max_idle,
        }
    }

    /// KIP-368: once the session is about to end, nothing new is sent; when all answers are in, the
    /// same connection authenticates again. Says whether it just did.
    fn poll_reauthentication(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        if self.reauthentication.is_none() {
            let drained = self.in_flight.is_drained() && !self.outgoing.is_amid_a_frame();
            if !self.session.is_due() || !drained || self.needs_flush {
                return Ok(false);
            }
            let Some(transport) = self.transport.take() else { return Ok(false) };
            self.reauthentication = Some(self.reauthenticate(transport));
        }
        let Some(running) = &mut self.reauthentication else { return Ok(false) };
        match running.as_mut().poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(cause)) => Err(format!("re-authentication failed: {cause}")),
            Poll::Ready(Ok((transport, session))) => {
                (self.transport, self.session) = (Some(transport), session);
                self.reauthentication = None;
                tracing::debug!(broker = %self.shared.address, "authenticated again");
                Ok(true)
            }
        }
    }

    fn reauthenticate(&self, mut transport: Transport) -> Reauthentication {
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        let rest = self.reader.has_bytes();
        Box::pin(async move {
            if rest {
                return Err("the broker sent more than was asked for".to_owned());
            }
            let (address, versions) = (&shared.address, &shared.versions);
            let running = sasl::authenticate(&mut transport, &settings, address, versions);
            match tokio::time::timeout(settings.setup_timeout, running).await {
                Ok(Ok(session)) => Ok((transport, session)),
                Ok(Err(e)) => Err(e.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            }
        })
    }
}
