//! A connection's bytes on their way: counted, timed, and read to their end after the last answer.

use super::pulse::Pulse;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read and thrown away at most after the last answer.
const LINGER_BYTES: usize = 1 << 20;
/// In pieces of this.
const LINGER_PIECE: usize = 8 << 10;

/// A stream whose first bytes were read already.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    /// Read to find out which protocol it is.
    prefix: Vec<u8>,
    taken: usize,
    pulse: Arc<Pulse>,
    /// The client has closed its side, or was read from long enough.
    ended: bool,
    shutting: bool,
    shut: bool,
    thrown_away: usize,
}

impl<S> Socket<S> {
    /// `prefix` is what was read from `stream` so far.
    pub(super) fn new(stream: S, prefix: Vec<u8>, pulse: Arc<Pulse>) -> Self {
        let (ended, shutting, shut) = (false, false, false);
        Self { stream, prefix, taken: 0, pulse, ended, shutting, shut, thrown_away: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        if let Some(left @ [_, ..]) = socket.prefix.get(socket.taken..) {
            let count = left.len().min(buf.remaining());
            buf.put_slice(&left[..count]);
            socket.taken += count;
            socket.pulse.read();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut socket.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            socket.pulse.read();
        } else {
            socket.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pulse.wrote(written.is_ready());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pulse.wrote(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.pulse.wrote(flushed.is_ready());
        flushed
    }

    /// Closes this side, then reads on for a while: a socket that is closed with bytes unread is reset, and the client
    /// may never see why it was refused.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        if !socket.shutting {
            socket.ended |= !socket.pulse.linger();
            socket.shutting = true;
        }
        if !socket.shut {
            ready!(Pin::new(&mut socket.stream).poll_shutdown(cx))?;
            socket.shut = true;
        }
        while !socket.ended && socket.thrown_away < LINGER_BYTES {
            let mut piece = [0; LINGER_PIECE];
            let mut buf = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut socket.stream).poll_read(cx, &mut buf));
            socket.thrown_away += buf.filled().len();
            socket.ended = read.is_err() || buf.filled().is_empty();
        }
        Poll::Ready(Ok(()))
    }
}
