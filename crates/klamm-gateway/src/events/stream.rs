//! Server-Sent Events: each record with the place behind it, for as long as the client likes.

use super::not_read::NotRead;
use super::reader::Reader;
use super::told::{Told, event};
use crate::http::{Problem, body_time};
use bytes::Bytes;
use klamm::Batch;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

/// Text is handed on in pieces of about this.
const PIECE_BYTES: usize = 32 << 10;
/// Pieces that wait for the client.
const PIECES_MAX: usize = 2;
/// How long a client is to wait before it comes back.
const RETRY: &str = "retry: 2000\n";
/// After so many heartbeats it is seen whether the topic is still there, and whether it has got more partitions.
const LOOK_BEATS: u32 = 4;
/// No stream goes on for longer.
const TIME_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How long a client that takes nothing gets to take its last event.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How slowly a client may take what it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// What every piece may take.
    pub(crate) time: Duration,
    /// Its bytes may take their time at so many a second beside it.
    pub(crate) rate: usize,
}

/// Begins to tell a topic; the pieces are the body of the answer. A client that takes them more slowly than `pace` allows,
/// by HTTP/2 while its connection is well, is told nothing more, and `slow` is called.
pub(crate) fn stream(
    reader: Reader,
    stopping: watch::Receiver<bool>,
    pace: Pace,
    slow: impl FnOnce() + Send + 'static,
) -> mpsc::Receiver<Bytes> {
    let (pieces, content) = mpsc::channel(PIECES_MAX);
    let largest = 0;
    tokio::spawn(async move {
        let stream = Stream { reader, pieces, stopping, pace, largest };
        if stream.run().await == Listener::Slow {
            slow();
        }
    });
    content
}

struct Stream {
    reader: Reader,
    pieces: mpsc::Sender<Bytes>,
    stopping: watch::Receiver<bool>,
    pace: Pace,
    /// The largest piece that was handed on.
    largest: usize,
}

/// What becomes of the one who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listener {
    Listens,
    /// Has gone, or was told that it is over.
    Gone,
    /// Takes nothing.
    Slow,
}

/// Why a stream ends.
enum End {
    /// There is nobody to tell anything.
    Silent(Listener),
    /// There is something to say: the name of an event, and its data.
    Told(&'static str, Vec<u8>),
}

impl End {
    fn because(reason: &str) -> Self {
        End::Told("end", format!("{{\"reason\":\"{reason}\"}}").into_bytes())
    }
}

impl Stream {
    async fn run(mut self) -> Listener {
        // A client that hears nothing more knows from this where to go on.
        let begins = format!("{RETRY}id: {}\n\n", self.reader.place());
        if self.pieces.send(begins.into()).await.is_err() {
            return Listener::Gone;
        }
        let mut stopping = self.stopping.clone();
        let ends = tokio::select! {
            ends = self.tell() => ends,
            _ = stopping.wait_for(|stopping| *stopping) => End::because("the gateway stops"),
        };
        match ends {
            End::Silent(listener) => listener,
            End::Told(name, data) => {
                let mut last = Vec::new();
                let place = self.reader.place();
                event(&mut last, Some(name), &place, |out| out.extend_from_slice(&data));
                let _ = timeout(LAST_WAIT, self.pieces.send(last.into())).await;
                Listener::Gone
            }
        }
    }

    async fn tell(&mut self) -> End {
        let config = self.reader.readers().config();
        let (now, beat) = (Instant::now(), config.heartbeat.max(Duration::from_millis(1)));
        let over = now + config.max_time.min(TIME_MAX);
        let mut beats = interval_at(now + beat, beat);
        let look = beat * LOOK_BEATS;
        let mut looks = interval_at(now + look, look);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let listener = tokio::select! {
                biased;
                () = self.pieces.closed() => Listener::Gone,
                () = sleep_until(over) => return End::because("time is up; come back"),
                batch = self.reader.next() => match batch {
                    Ok(batch) => {
                        beats.reset();
                        self.tell_batch(&batch).await
                    }
                    Err(not) => return End::Told("problem", problem(&not)),
                },
                _ = beats.tick() => self.beat().await,
                _ = looks.tick() => match self.reader.look().await {
                    Err(NotRead::NoTopic) => return End::Told("problem", problem(&NotRead::NoTopic)),
                    // Kafka may be away for a while.
                    _ => Listener::Listens,
                },
            };
            if listener != Listener::Listens {
                return End::Silent(listener);
            }
        }
    }

    /// Says that it is there, and how far it has come.
    async fn beat(&mut self) -> Listener {
        self.reader.catch_up();
        let beat = format!(":\nid: {}\n\n", self.reader.place());
        self.hand_on(beat.into(), 0).await
    }

    /// Whatever was handed on is behind the reader's place, and nothing else.
    async fn tell_batch(&mut self, batch: &Batch) -> Listener {
        let partition = batch.partition();
        let (mut piece, mut records) = (Vec::new(), 0);
        // Runs ahead of the reader's: what is in the piece may not get away any more.
        let mut ahead = self.reader.cursor().clone();
        for record in batch {
            if !self.reader.wants(&record) {
                continue;
            }
            let next = record.offset() + 1;
            ahead.passed(partition, next);
            let place = ahead.encode(batch.topic());
            event(&mut piece, None, &place, |out| Told::from(record).write(out));
            records += 1;
            if piece.len() >= PIECE_BYTES {
                let (full, count) = (std::mem::take(&mut piece), std::mem::take(&mut records));
                let listener = self.hand_on(full, count).await;
                if listener != Listener::Listens {
                    return listener;
                }
                self.reader.passed(partition, next);
            }
        }
        if records > 0 {
            let listener = self.hand_on(piece, records).await;
            if listener != Listener::Listens {
                return listener;
            }
        }
        self.reader.passed(partition, batch.next_offset());
        Listener::Listens
    }

    async fn hand_on(&mut self, piece: Vec<u8>, records: u64) -> Listener {
        if records > 0 {
            self.reader.readers().told(records, piece.len());
        }
        // There is room when one of those before it was taken.
        let time = body_time(self.pace.time, self.pace.rate, 2 * self.largest);
        self.largest = self.largest.max(piece.len());
        match timeout(time, self.pieces.send(piece.into())).await {
            Ok(Ok(())) => Listener::Listens,
            Ok(Err(_)) => Listener::Gone,
            Err(_) => Listener::Slow,
        }
    }
}

fn problem(not: &NotRead) -> Vec<u8> {
    Problem::from(not).body()
}
