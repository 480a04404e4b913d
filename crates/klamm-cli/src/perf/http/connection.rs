//! One connection, kept open: a request goes out in one write, and its answer is awaited before the next.

use super::answer::{self, Answer, Malformed};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// Room for an answer; it grows when one is longer.
const ROOM: usize = 8 * 1024;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("the connection was closed before an answer")]
    Closed,
    #[error("no answer in time")]
    TimedOut,
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Trouble {
    /// What it is counted as.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Trouble::Connect(_) => "connect",
            Trouble::Broken(_) => "broken",
            Trouble::Closed => "closed",
            Trouble::TimedOut => "timeout",
            Trouble::Malformed(_) => "malformed",
        }
    }
}

/// A connection to one address; it is opened when it is needed, and again after trouble.
pub(super) struct Connection {
    address: String,
    timeout: Duration,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    /// How much of `input` was read.
    filled: usize,
    /// Set anew only when it has run out: arming a timer for each request costs more than it is worth.
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    /// One that is not open yet. Neither opening it nor an answer takes longer than `timeout`.
    pub(super) fn new(address: &str, timeout: Duration) -> Self {
        Self {
            address: address.to_owned(),
            timeout,
            stream: None,
            input: vec![0; ROOM],
            filled: 0,
            alarm: Box::pin(sleep_until(Instant::now() + timeout)),
        }
    }

    /// Connects, if it is not connected.
    pub(super) async fn open(&mut self) -> Result<(), Trouble> {
        if self.stream.is_none() {
            let deadline = Instant::now() + self.timeout;
            let connected = timeout_at(deadline, TcpStream::connect(&self.address)).await;
            let stream = connected.map_err(|_| Trouble::TimedOut)?.map_err(Trouble::Connect)?;
            stream.set_nodelay(true).map_err(Trouble::Connect)?;
            (self.stream, self.filled) = (Some(stream), 0);
        }
        Ok(())
    }

    /// Sends a request and hands its answer to `see`.
    pub(super) async fn exchange<T>(
        &mut self,
        request: &[u8],
        see: impl FnOnce(&Answer<'_>) -> T,
    ) -> Result<T, Trouble> {
        self.open().await?;
        let done = self.send_and_read(request, see).await;
        match done {
            Ok((seen, false)) => Ok(seen),
            Ok((seen, true)) => {
                self.stream = None;
                Ok(seen)
            }
            Err(trouble) => {
                self.stream = None;
                Err(trouble)
            }
        }
    }

    async fn send_and_read<T>(
        &mut self,
        request: &[u8],
        see: impl FnOnce(&Answer<'_>) -> T,
    ) -> Result<(T, bool), Trouble> {
        let Self { stream, input, filled, alarm, timeout, .. } = self;
        let Some(stream) = stream.as_mut() else { return Err(Trouble::Closed) };
        let deadline = Instant::now() + *timeout;
        let mut sending = pin!(stream.write_all(request));
        until(deadline, alarm, |context| sending.as_mut().poll(context)).await?;
        loop {
            let mut room = ReadBuf::new(&mut input[*filled..]);
            let mut stream = Pin::new(&mut *stream);
            until(deadline, alarm, |context| stream.as_mut().poll_read(context, &mut room)).await?;
            let more = room.filled().len();
            *filled += more;
            if let Some(answer) = answer::read(&input[..*filled], more == 0)? {
                let (seen, taken, closes) = (see(&answer), answer.taken, answer.closes);
                input.copy_within(taken..*filled, 0);
                *filled -= taken;
                return Ok((seen, closes));
            }
            if more == 0 {
                return Err(Trouble::Closed);
            }
            if *filled == input.len() {
                // The answer is refused before this grows beyond bounds.
                input.resize(input.len() * 2, 0);
            }
        }
    }
}

/// Waits for a step of an exchange, until the deadline.
async fn until<T>(
    deadline: Instant,
    alarm: &mut Pin<Box<Sleep>>,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Result<T, Trouble> {
    poll_fn(|context| {
        if let Poll::Ready(done) = step(context) {
            return Poll::Ready(done.map_err(Trouble::Broken));
        }
        while alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(Trouble::TimedOut));
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Connection, Trouble};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn pair(timeout: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut connection = Connection::new(&address, timeout);
        connection.open().await.unwrap();
        (connection, listener.accept().await.unwrap().0)
    }

    const LIMIT: Duration = Duration::from_secs(20);

    async fn say(peer: &mut TcpStream, text: &str) {
        peer.write_all(text.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn answers_come_one_after_the_other_however_they_are_cut() {
        let (mut connection, mut peer) = pair(LIMIT).await;
        let serve = async {
            let mut request = [0; 2];
            for text in ["HTTP/1.1 202 A\r\nContent-Len", "HTTP/1.1 503 B\r\nContent-Len"] {
                peer.read_exact(&mut request).await.unwrap();
                assert_eq!(&request, b"hi");
                say(&mut peer, text).await;
                tokio::task::yield_now().await;
                say(&mut peer, "gth: 20000\r\n\r\n").await;
                say(&mut peer, &"x".repeat(20_000)).await;
            }
        };
        let ask = async {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let see = |answer: &super::Answer<'_>| (answer.status, answer.body.len());
                seen.push(connection.exchange(b"hi", see).await.unwrap());
            }
            assert_eq!(seen, [(202, 20_000), (503, 20_000)]);
        };
        tokio::join!(serve, ask);
    }

    #[tokio::test]
    async fn a_connection_that_ends_is_trouble_and_the_next_request_opens_another() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::new(&listener.local_addr().unwrap().to_string(), LIMIT);
        let serve = async {
            drop(listener.accept().await.unwrap());
            let (mut peer, _) = listener.accept().await.unwrap();
            say(&mut peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                .await;
            let (mut third, _) = listener.accept().await.unwrap();
            say(&mut third, "no answer at all\r\n\r\n").await;
            (peer, third)
        };
        let ask = async {
            let broken = connection.exchange(b"hi", |_| ()).await.unwrap_err();
            assert!(matches!(broken, Trouble::Closed | Trouble::Broken(_)), "{broken}");
            assert_eq!(connection.exchange(b"hi", |answer| answer.status).await.unwrap(), 200);
            let wrong = connection.exchange(b"hi", |_| ()).await.unwrap_err();
            assert_eq!(wrong.name(), "malformed", "{wrong}");
        };
        tokio::join!(serve, ask);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let (mut connection, _peer) = pair(Duration::from_millis(500)).await;
        // The timer that was armed first belongs to nobody any more.
        tokio::time::advance(Duration::from_millis(400)).await;
        let started = tokio::time::Instant::now();
        let trouble = connection.exchange(b"hi", |_| ()).await.unwrap_err();
        assert!(matches!(trouble, Trouble::TimedOut), "{trouble}");
        assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
    }
}
