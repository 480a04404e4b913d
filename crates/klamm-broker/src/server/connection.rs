//! One connection: frames in, answers out.

use super::Session;
use super::pipeline::Pipeline;
use crate::cluster::Cluster;
use crate::handler::{self, Context, RequestError};
use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a read asks for while no large frame is under way, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// Pieces of one vectored write.
const MAX_SLICES: usize = 64;

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
}

/// A stream that requests come in and answers go out by.
pub(super) struct Connection<S> {
    stream: S,
    cluster: Arc<Cluster>,
    session: Arc<Session>,
    input: BytesMut,
    pipeline: Pipeline,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, cluster: Arc<Cluster>, session: Arc<Session>) -> Self {
        let input = BytesMut::with_capacity(READ_BYTES);
        Self { stream, cluster, session, input, pipeline: Pipeline::default() }
    }

    /// Serves until the peer closes or breaks a rule.
    pub(super) async fn serve(mut self) -> Result<(), Ended> {
        let idle = Duration::from_millis(self.cluster.config().connections_max_idle_ms);
        let mut parts = Vec::new();
        loop {
            while !self.pipeline.is_full()
                && let Some(frame) = self.next_frame()?
            {
                self.begin(frame)?;
            }
            let (waiting, room) = (!self.pipeline.is_empty(), !self.pipeline.is_full());
            tokio::select! {
                biased;
                end = self.pipeline.answers(&mut parts), if waiting => {
                    self.write(&mut parts).await?;
                    if end {
                        return Err(Ended::Refused);
                    }
                }
                read = self.stream.read_buf(&mut self.input), if room => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(idle), if !waiting => return Err(Ended::Idle),
            }
        }
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
        })?;
        self.pipeline.push(request);
        Ok(())
    }

    /// Cuts the next whole frame off the input, without its size prefix.
    fn next_frame(&mut self) -> Result<Option<Bytes>, Ended> {
        let Some(prefix) = self.input.first_chunk::<4>() else {
            self.input.reserve(READ_BYTES);
            return Ok(None);
        };
        let size = i32::from_be_bytes(*prefix);
        let limit = self.cluster.config().socket_request_max_bytes;
        let Some(len) = usize::try_from(size).ok().filter(|_| size <= limit) else {
            return Err(Ended::FrameTooLarge(size));
        };
        if self.input.len() < 4 + len {
            self.reserve(4 + len);
            return Ok(None);
        }
        self.input.advance(4);
        Ok(Some(self.input.split_to(len).freeze()))
    }

    /// Makes room for a frame of `total` bytes step by step: a peer that claims much and sends little gets little.
    fn reserve(&mut self, total: usize) {
        let missing = total - self.input.len();
        let step = missing.min(self.input.len().max(READ_BYTES));
        if self.input.capacity() - self.input.len() < step.min(READ_BYTES) {
            self.input.reserve(step);
        }
    }

    async fn write(&mut self, parts: &mut Vec<Bytes>) -> io::Result<()> {
        let mut first = 0;
        while first < parts.len() {
            let last = parts.len().min(first + MAX_SLICES);
            let slices: Vec<IoSlice<'_>> =
                parts[first..last].iter().map(|p| IoSlice::new(p)).collect();
            let mut written = self.stream.write_vectored(&slices).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
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
        self.stream.flush().await
    }
}
