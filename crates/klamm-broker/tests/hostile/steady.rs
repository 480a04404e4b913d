//! The client that behaves: one connection, one record after the other, on a thread of its own.

use crate::resident_bytes;
use bytes::Bytes;
use klamm_broker::Broker;
use klamm_protocol::header::{decode_response, encode_request};
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::message::{
    ProduceRequest, Request, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use klamm_protocol::primitives::{Records, Str};
use klamm_protocol::record_batch::{BatchHeader, RecordParts, encode_record, encoded_record_len};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An answer that takes longer has been held up by others: far more than a busy machine needs.
const IN_TIME: Duration = Duration::from_secs(5);

/// The user of a broker that wants one.
pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "secret";

/// What it has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) answers: u64,
    pub(crate) slowest: Duration,
    /// How much the memory of the process has grown at most.
    pub(crate) growth_bytes: u64,
}

/// Produces to partition 0 of `t` until it is stopped.
pub(crate) struct Steady {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Steady {
    /// Begins; with `login` it says who it is first.
    pub(crate) fn start(broker: &Broker, login: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        // Here, so that nobody who connects later has its place.
        let stream = TcpStream::connect(broker.address()).unwrap();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || run(stream, login, &stopped));
        Self { stop, thread }
    }

    /// Ends, and holds every answer against the limits.
    pub(crate) fn check(self, growth_max: u64) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().expect("every record was accepted");
        assert!(seen.slowest < IN_TIME, "{seen:?}");
        assert!(seen.growth_bytes < growth_max, "{seen:?}");
        seen
    }
}

fn run(mut stream: TcpStream, login: bool, stopped: &AtomicBool) -> Seen {
    let before = resident_bytes();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    if login {
        for (step, frame) in logins() {
            stream.write_all(&frame).unwrap();
            assert!(!answer(&mut stream).is_empty(), "{step}");
        }
    }
    let mut seen = Seen { answers: 0, slowest: Duration::ZERO, growth_bytes: 0 };
    let request = produce();
    loop {
        let began = Instant::now();
        stream.write_all(&frame(&request, 9)).unwrap();
        let (_, response) = decode_response::<ProduceRequest>(answer(&mut stream), 9).unwrap();
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
        seen.slowest = seen.slowest.max(began.elapsed());
        seen.answers += 1;
        if seen.answers.is_multiple_of(16) {
            let growth = resident_bytes().saturating_sub(before);
            seen.growth_bytes = seen.growth_bytes.max(growth);
        }
        if stopped.load(Ordering::Relaxed) {
            return seen;
        }
    }
}

fn answer(stream: &mut TcpStream) -> Bytes {
    let mut len = [0; 4];
    stream.read_exact(&mut len).unwrap();
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).unwrap()];
    stream.read_exact(&mut frame).unwrap();
    frame.into()
}

/// A whole frame, its size included.
pub(crate) fn frame<R: Request>(request: &R, version: i16) -> Vec<u8> {
    encode_request(request, version, 1, "hostile").unwrap().parts().concat()
}

/// What logs a client in.
pub(crate) fn logins() -> [(&'static str, Vec<u8>); 2] {
    let handshake = SaslHandshakeRequest { mechanism: Str::from_static("PLAIN") };
    let said = format!("\0{USER}\0{PASSWORD}");
    let login = SaslAuthenticateRequest { auth_bytes: said.into_bytes().into() };
    [("SaslHandshake", frame(&handshake, 1)), ("SaslAuthenticate", frame(&login, 2))]
}

/// One record for `t`.
pub(crate) fn produce() -> ProduceRequest {
    let record = RecordParts { value: Some(b"v"), ..RecordParts::default() };
    let mut body = vec![0; encoded_record_len(&record)];
    encode_record(&mut body, &record).unwrap();
    let body = Bytes::from(body);
    let mut header = BatchHeader { records_count: 1, ..BatchHeader::default() };
    let head = header.seal(std::slice::from_ref(&body));
    let batch = Bytes::from([&head[..], &body].concat());
    let data = PartitionProduceData { index: 0, records: Some(Records::from_parts([batch])) };
    let topic = TopicProduceData {
        name: Str::from_static("t"),
        partition_data: vec![data],
        ..TopicProduceData::default()
    };
    ProduceRequest { acks: 1, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() }
}
