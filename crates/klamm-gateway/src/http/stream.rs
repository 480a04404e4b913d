//! `POST /v3/clusters/{cluster}/topics/{topic}/records`: records one after the other, for as long as the client likes, each with
//! a report on it as soon as there is one.
//!
//! One task reads and writes down, a second one waits for Kafka and reports, in order. Between them is a short queue: a
//! client that does not read its reports is not read from.

use super::Admitted;
use super::answer::{self, Answer};
use super::app::{App, Asked, Left};
use super::append::{Appended, Written};
use super::body;
use super::delivery;
use super::intake::Intake;
use super::refused::Refused;
use crate::Accepted;
use crate::format::confluent_v3::{Framer, Produce, failure, produce as read, report};
use crate::format::{Envelope, Rejected};
use crate::guard::Principal;
use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Room that a stream has for what it reads: more only for a record that is larger.
const ROOM_BYTES: usize = 128 << 10;
/// Records that are written down together at most.
const GROUP_RECORDS: usize = 500;
/// Groups of records that wait for their reports.
const GROUPS_MAX: usize = 4;
/// Pieces of reports that wait for the client.
const PIECES_MAX: usize = 4;

/// Records that were written down together, and what is no record among them.
struct Group {
    read: Vec<Result<Produce, Wrong>>,
    written: Result<Written, Refused>,
}

/// What is said of something that is no record.
pub(super) struct Wrong {
    pub(super) code: i32,
    pub(super) message: String,
}

/// What reads a stream.
struct Reader {
    app: Arc<App>,
    who: Principal,
    envelope: Envelope,
    framer: Framer,
    /// The beginning of an object that has not come to its end.
    object: BytesMut,
    room: Admitted,
    groups: mpsc::Sender<Group>,
}

/// Begins to take records; the answer goes on while they come.
pub(super) fn produce(
    app: &Arc<App>,
    cluster: String,
    asked: Asked<'_>,
    left: &mut Left,
) -> Result<Answer, Refused> {
    let Asked { matched, who, peer, parts, body, now_ms } = asked;
    if body::encoding(&parts.headers)?.is_some() {
        return Err(Refused::encoding());
    }
    let (envelope, _) = matched.envelope(&parts, peer, now_ms)?;
    let room = app.admission.admit(ROOM_BYTES)?;
    // From here on its tasks see to the body.
    left.whole = true;
    let (groups, written) = mpsc::channel(GROUPS_MAX);
    let (pieces, content) = mpsc::channel(PIECES_MAX);
    let intake = Intake::endless(body, app.limits.idle_timeout);
    let (framer, object) = (Framer::default(), BytesMut::new());
    let reader = Reader { app: app.clone(), who, envelope, framer, object, room, groups };
    tokio::spawn(reader.run(intake));
    tokio::spawn(tell(app.clone(), cluster, written, pieces));
    Ok(answer::pieces(answer::JSON, content))
}

impl Reader {
    async fn run(mut self, mut intake: Intake) {
        let mut stopping = self.app.stopping.subscribe();
        loop {
            let piece = tokio::select! {
                piece = intake.next() => piece,
                () = self.groups.closed() => return,
                _ = stopping.wait_for(|stopping| *stopping) => Ok(None),
            };
            let last = match piece {
                Ok(Some(piece)) => match self.take(piece).await {
                    Some(Ok(())) => continue,
                    Some(Err(wrong)) => wrong,
                    None => return,
                },
                Ok(None) if self.object.trim_ascii().is_empty() => return,
                Ok(None) => {
                    Wrong { code: 400, message: "the stream ends within a record".to_owned() }
                }
                Err(refused) => Wrong::from(&refused),
            };
            self.write(vec![Err(last)]).await;
            return;
        }
    }

    /// Takes what comes to its end in a piece; `None` if nobody waits for reports any more.
    async fn take(&mut self, mut piece: Bytes) -> Option<Result<(), Wrong>> {
        let mut group = Vec::new();
        while let Some(end) = self.framer.end_in(&piece) {
            let mut object = piece.split_to(end);
            if !self.object.is_empty() {
                self.object.extend_from_slice(&object);
                object = self.object.split().freeze();
            }
            group.push(read(&object, &self.envelope).map_err(|rejected| Wrong::from(&rejected)));
            if group.len() == GROUP_RECORDS && !self.write(std::mem::take(&mut group)).await {
                return None;
            }
        }
        if !group.is_empty() && !self.write(group).await {
            return None;
        }
        Some(self.keep(&piece).map_err(|refused| Wrong::from(&refused)))
    }

    /// Keeps the beginning of an object.
    fn keep(&mut self, piece: &[u8]) -> Result<(), Refused> {
        let sum = self.object.len().saturating_add(piece.len());
        let limit = self.app.limits.body_bytes;
        if sum > limit {
            return Err(Refused::too_large("a record", limit));
        }
        self.room.grow(sum)?;
        self.object.extend_from_slice(piece);
        Ok(())
    }

    /// Writes the records of a group down; whether anybody waits for the reports on them.
    async fn write(&self, mut read: Vec<Result<Produce, Wrong>>) -> bool {
        for one in &mut read {
            let Ok(Produce { record, .. }) = one else { continue };
            let Some(partition) = record.partition else { continue };
            if let Err(refused) = self.app.check_partition(&record.topic, partition).await {
                self.app.counters.refused(refused.reason);
                *one = Err(Wrong::from(&refused));
            }
        }
        let records = read.iter().flatten().map(|produce| produce.record.clone());
        let records: Vec<Accepted> = records.collect();
        let bytes = records.iter().map(Accepted::bytes).sum();
        let written = match self.app.guard.charge(&self.who, bytes, records.len()) {
            Ok(()) => self.app.write(records, Some(self.app.limits.wait)).await,
            Err(denied) => Err(denied.into()),
        };
        self.groups.send(Group { read, written }).await.is_ok()
    }
}

impl From<&Rejected> for Wrong {
    fn from(rejected: &Rejected) -> Self {
        Wrong { code: i32::from(rejected.status()), message: rejected.to_string() }
    }
}

impl From<&Refused> for Wrong {
    fn from(refused: &Refused) -> Self {
        let status = i32::from(refused.problem.status);
        Wrong { code: refused.code.unwrap_or(status), message: refused.problem.detail.clone() }
    }
}

/// Tells the client what became of its records, group by group.
async fn tell(
    app: Arc<App>,
    cluster: String,
    mut groups: mpsc::Receiver<Group>,
    pieces: mpsc::Sender<Bytes>,
) {
    while let Some(Group { read, written }) = groups.recv().await {
        let appended = match written {
            Ok(written) => Ok(written.outcomes().await),
            Err(refused) => {
                app.counters.refused(refused.reason);
                Err(refused)
            }
        };
        let produces: Vec<&Produce> = read.iter().flatten().collect();
        let mut taken = reports(&app, &cluster, &produces, &appended).into_iter();
        let mut text = Vec::new();
        for one in &read {
            let line = match one {
                Ok(_) => taken.next(),
                Err(wrong) => Some(failure(wrong.code, &wrong.message)),
            };
            let line = line.map(Value::Object).unwrap_or_default();
            text.extend_from_slice(line.to_string().as_bytes());
            text.push(b'\n');
        }
        if pieces.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// The reports on records that were written down together, or not.
pub(super) fn reports(
    app: &App,
    cluster: &str,
    produces: &[&Produce],
    appended: &Result<Appended, Refused>,
) -> Vec<Map<String, Value>> {
    let appended = match appended {
        Ok(appended) => appended,
        Err(refused) => {
            let wrong = Wrong::from(refused);
            return produces.iter().map(|_| failure(wrong.code, &wrong.message)).collect();
        }
    };
    if let Some(outcomes) = &appended.outcomes {
        let told = produces.iter().zip(outcomes);
        let told =
            told.map(|(produce, outcome)| report(cluster, produce, &delivery::confluent(outcome)));
        return told.collect();
    }
    let (instance, first) = (app.wal.instance(), appended.receipt.first);
    let numbers = (first..).take(produces.len());
    let later = |number| {
        format!("the gateway has it as {instance}/{number} and goes on; Kafka does not have it yet")
    };
    numbers.map(|number| failure(202, &later(number))).collect()
}
