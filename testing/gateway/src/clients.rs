//! Clients that send their requests, one after the other, to a gateway that may be gone at any time.

use crate::exchange::Connection;
use crate::ledger::{Answer, Ledger};
use crate::request::Request;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Before a gateway is asked again that is not there, or has no room.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of requests so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that were answered with a promise.
    pub promised: AtomicU64,
    /// Requests that were refused.
    pub refused: AtomicU64,
    /// Requests that were not answered.
    pub unanswered: AtomicU64,
}

impl Tally {
    fn count(&self, answer: &Answer) {
        let counter = match answer {
            Answer::Accepted(_) | Answer::Stored(_) => &self.promised,
            Answer::Refused(_) => &self.refused,
            Answer::Nothing => &self.unanswered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Clients at work, each with a connection and a thread.
#[derive(Debug)]
pub struct Clients {
    stop: Arc<AtomicBool>,
    tally: Arc<Tally>,
    threads: Vec<JoinHandle<Vec<Answer>>>,
}

impl Clients {
    /// Starts so many, each with a pause of `every` behind an answer.
    pub fn start(address: &str, count: u32, every: Duration) -> Self {
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
        let start = |number| {
            let mut client = Client {
                address: address.to_owned(),
                number,
                connection: None,
                answers: Vec::new(),
            };
            let (stop, tally) = (stop.clone(), tally.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    client.step(&tally);
                    thread::sleep(every);
                }
                client.answers
            })
        };
        let threads = (0..count).map(start).collect();
        Self { stop, tally, threads }
    }

    /// How they fare.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Ends them once they have the answers they wait for; everything they were answered.
    ///
    /// # Panics
    /// One of them has panicked.
    pub fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let ended = |thread: JoinHandle<_>| thread.join().expect("a client has panicked");
        Ledger::new(self.threads.into_iter().map(ended).collect())
    }
}

#[derive(Debug)]
struct Client {
    address: String,
    number: u32,
    connection: Option<Connection>,
    answers: Vec<Answer>,
}

impl Client {
    /// Sends its next request, if there is anybody to send it to.
    fn step(&mut self, tally: &Tally) {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => match Connection::to(&self.address) {
                Ok(connection) => self.connection.insert(connection),
                Err(_) => return thread::sleep(PAUSE),
            },
        };
        let Ok(next) = u32::try_from(self.answers.len()) else { return };
        let request = Request::of(self.number, next);
        let answer = match connection.exchange(&request.bytes(), request.records.len()) {
            Ok(answer) => answer,
            Err(_) => {
                self.connection = None;
                Answer::Nothing
            }
        };
        tally.count(&answer);
        if let Answer::Refused(_) = answer {
            // It may be followed by the end of the connection.
            self.connection = None;
            thread::sleep(PAUSE);
        }
        self.answers.push(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::Clients;
    use crate::ledger::Answer;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    #[test]
    fn what_is_not_answered_is_noted_and_not_sent_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let clients = Clients::start(&address, 1, Duration::ZERO);
        let mut bytes = [0; 4096];
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.read(&mut bytes).unwrap();
        drop(first);
        let (mut second, _) = listener.accept().unwrap();
        let length = second.read(&mut bytes).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..length]).contains("@0-1-0@"));
        let body = r#"{"id":"i/7","count":2}"#;
        write!(second, "HTTP/1.1 202 Accepted\r\ncontent-length: 22\r\n\r\n{body}").unwrap();
        while clients.tally().promised.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        drop((second, listener));
        let ledger = clients.stop();
        assert_eq!(ledger.answer(0, 0), Some(&Answer::Nothing));
        assert_eq!(ledger.answer(0, 1), Some(&Answer::Accepted("i/7".parse().unwrap())));
    }
}
