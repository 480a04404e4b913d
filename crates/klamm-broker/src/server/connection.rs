//! One connection: frames in, answers out.

use super::Session;
use super::buffers::RequestBuffer;
use super::limits::{MAX_LOGIN_FRAME_BYTES, Progress, Reserved};
use super::outgoing::Outgoing;
use super::pipeline::Pipeline;
use crate::cluster::Cluster;
use crate::handler::{self, Context, RequestError};
use crate::metrics::Hold;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// What a read asks for while no large frame is under way, in bytes.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// While a request is being answered, nothing ends the connection for being idle.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Request(#[from] RequestError),
    #[error("a frame of {0} bytes is over socket.request.max.bytes")]
    FrameTooLarge(i32),
    #[error("no request within connections.max.idle.ms")]
    Idle,
    #[error("closed by a handler")]
    Refused,
    #[error("no login within the time for it")]
    LoginTimeout,
    #[error("the login failed")]
    LoginFailed,
    #[error("a request came too slowly")]
    Stalled,
    #[error("answers are not read")]
    NotReading,
    #[error("records could not be read in the middle of an answer: {0}")]
    Storage(io::Error),
}

impl Ended {
    /// One word for it, to count by.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "io_error",
            Self::Request(RequestError::Malformed(_)) => "malformed_request",
            Self::Request(RequestError::NotNow(_)) => "not_authenticated",
            Self::Request(_) => "unsupported_request",
            Self::FrameTooLarge(_) => "frame_too_large",
            Self::Idle => "idle",
            Self::Refused => "closed_by_broker",
            Self::LoginTimeout => "login_timeout",
            Self::LoginFailed => "login_failed",
            Self::Stalled => "stalled",
            Self::NotReading => "not_reading",
            Self::Storage(_) => "storage_error",
        }
    }
}

/// A stream that requests come in and answers go out by.
pub(super) struct Connection<S> {
    stream: S,
    cluster: Arc<Cluster>,
    session: Arc<Session>,
    input: BytesMut,
    /// The frame under way, when it is large, and its length; `input` is empty then.
    large: Option<(RequestBuffer, usize)>,
    /// What is to be there: all of the frame under way, or a step towards it.
    wanted: usize,
    /// Memory of the frame under way.
    reserved: Reserved,
    progress: Progress,
    pipeline: Pipeline,
    login_by: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// `login_by` is when whoever has to log in must have done so.
    pub(super) fn new(
        stream: S,
        cluster: Arc<Cluster>,
        session: Arc<Session>,
        login_by: Instant,
    ) -> Self {
        Self {
            stream,
            cluster,
            session,
            input: BytesMut::with_capacity(READ_BYTES),
            large: None,
            wanted: 0,
            reserved: Reserved::default(),
            progress: Progress::default(),
            pipeline: Pipeline::default(),
            login_by,
        }
    }

    /// Serves until the peer closes or breaks a rule.
    pub(super) async fn serve(mut self) -> Result<(), Ended> {
        let idle = Duration::from_millis(self.cluster.config().connections_max_idle_ms);
        let (mut outgoing, mut parts) = (Outgoing::default(), Vec::new());
        loop {
            while self.has_room()
                && let Some(frame) = self.next_frame()?
            {
                self.begin(frame)?;
            }
            let (waiting, room) = (!self.pipeline.is_empty(), self.has_room());
            let funded = self.cluster.memory.try_reserve(&mut self.reserved, self.wanted);
            let (deadline, late) = self.deadline(room && funded, waiting, idle);
            let cluster = &self.cluster;
            tokio::select! {
                biased;
                end = self.pipeline.answers(&mut outgoing), if waiting => {
                    self.write(&mut outgoing, &mut parts, idle).await?;
                    if end {
                        return Err(Ended::Refused);
                    }
                    if self.session.login.has_failed() {
                        return Err(Ended::LoginFailed);
                    }
                }
                () = cluster.memory.reserve(&mut self.reserved, self.wanted), if room && !funded => {}
                read = read(&mut self.stream, &mut self.input, &mut self.large, self.wanted), if room && funded => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Err(late),
            }
        }
    }

    /// Whether another request may begin. Before login they come one by one: what the next one may do depends on the
    /// one before.
    fn has_room(&self) -> bool {
        match self.session.login.is_settled() {
            true => !self.pipeline.is_full(),
            false => self.pipeline.is_empty(),
        }
    }

    /// When the peer's patience with us ends, or rather ours with it, and what is wrong then.
    fn deadline(&mut self, reading: bool, waiting: bool, idle: Duration) -> (Instant, Ended) {
        let now = Instant::now();
        // A handler may take as long as it likes: whoever waits for an answer is not idle.
        let patience = if waiting { idle.max(FOREVER) } else { idle };
        let mut deadline = (now + patience, Ended::Idle);
        let begun = self.large.as_ref().map_or(self.input.len(), |(large, _)| large.bytes.len());
        if reading && begun > 0 {
            let limit = self.cluster.security.limits.progress_timeout;
            let stalled = self.progress.observe(now, begun, limit);
            if stalled < deadline.0 {
                deadline = (stalled, Ended::Stalled);
            }
        } else {
            self.progress.rest();
        }
        if self.login_by < deadline.0 && !self.session.login.is_settled() {
            deadline = (self.login_by, Ended::LoginTimeout);
        }
        deadline
    }

    fn begin(&mut self, frame: Bytes) -> Result<(), Ended> {
        let (cluster, session) = (&self.cluster, &self.session);
        let request = handler::begin(frame, |api, header| Context {
            cluster: cluster.clone(),
            session: session.clone(),
            api,
            version: header.api_version,
            client_id: header.client_id.clone().unwrap_or_default(),
            topic_faults: Vec::new(),
            hold: Hold::default(),
        })?;
        self.progress.rest();
        let reserved = std::mem::take(&mut self.reserved);
        if reserved.is_empty() {
            self.pipeline.push(request);
        } else {
            self.pipeline.push(Box::pin(async move {
                let outcome = request.await;
                drop(reserved);
                outcome
            }));
        }
        Ok(())
    }

    /// Takes the next frame, without its size prefix, when all of it is there.
    fn next_frame(&mut self) -> Result<Option<Bytes>, Ended> {
        self.wanted = 0;
        if self.large.is_some() {
            return Ok(self.next_large());
        }
        let Some(prefix) = self.input.first_chunk::<4>() else {
            self.input.reserve(READ_BYTES);
            return Ok(None);
        };
        let len = self.checked(i32::from_be_bytes(*prefix))?;
        if self.input.len() >= 4 + len {
            self.input.advance(4);
            return Ok(Some(self.input.split_to(len).freeze()));
        }
        if let Some(mut large) = self.cluster.buffers.take(len) {
            large.bytes.extend_from_slice(&self.input[4..]);
            self.input.clear();
            self.large = Some((large, len));
            return Ok(self.next_large());
        }
        self.wanted = step_towards(4 + len, self.input.len());
        self.input.reserve(self.wanted - self.input.len());
        Ok(None)
    }

    fn next_large(&mut self) -> Option<Bytes> {
        let (large, len) = self.large.take()?;
        if large.bytes.len() == len {
            return Some(large.freeze());
        }
        self.wanted = step_towards(len, large.bytes.len());
        self.large = Some((large, len));
        None
    }

    /// The length of a frame, when one of this size may come.
    fn checked(&self, size: i32) -> Result<usize, Ended> {
        let mut limit = self.cluster.config().socket_request_max_bytes;
        if !self.session.login.is_settled() {
            limit = limit.min(MAX_LOGIN_FRAME_BYTES);
        }
        let len = usize::try_from(size).ok().filter(|_| size <= limit);
        len.ok_or(Ended::FrameTooLarge(size))
    }

    /// Writes all that is due, by way of `parts`, which is empty before and after; every write has to get on within `limit`.
    async fn write(
        &mut self,
        outgoing: &mut Outgoing,
        parts: &mut Vec<Bytes>,
        limit: Duration,
    ) -> Result<(), Ended> {
        while !outgoing.is_empty() {
            outgoing.next(parts, &self.cluster.pieces).map_err(Ended::Storage)?;
            self.write_all(parts, limit).await?;
            if !outgoing.is_empty() {
                // Who takes all at once does not keep the others from their turn.
                tokio::task::yield_now().await;
            }
        }
        tokio::time::timeout(limit, self.stream.flush()).await.map_err(|_| Ended::NotReading)??;
        Ok(())
    }

    /// Writes all of `parts`, and leaves none.
    async fn write_all(&mut self, parts: &mut Vec<Bytes>, limit: Duration) -> Result<(), Ended> {
        let mut first = 0;
        while first < parts.len() {
            let slices: Vec<IoSlice<'_>> = parts[first..].iter().map(|p| IoSlice::new(p)).collect();
            let written = tokio::time::timeout(limit, self.stream.write_vectored(&slices)).await;
            let mut written = written.map_err(|_| Ended::NotReading)??;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            while first < parts.len() && written >= parts[first].len() {
                written -= parts[first].len();
                first += 1;
            }
            if written > 0 {
                parts[first].advance(written);
            }
        }
        parts.clear();
        Ok(())
    }
}

/// How many of `total` bytes are to be there next: a peer that claims much and sends little gets little.
fn step_towards(total: usize, there: usize) -> usize {
    total.min(there + there.max(READ_BYTES))
}

/// Reads what has come, of a large frame no more than is `wanted` of it. Cancel safe.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
    large: &mut Option<(RequestBuffer, usize)>,
    wanted: usize,
) -> io::Result<usize> {
    match large {
        Some((large, _)) => {
            let missing = wanted.saturating_sub(large.bytes.len());
            stream.read_buf(&mut (&mut *large.bytes).limit(missing)).await
        }
        None => stream.read_buf(input).await,
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
