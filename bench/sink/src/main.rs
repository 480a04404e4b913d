//! A broker that accepts, acknowledges and forgets, so that a benchmark shows the client's cost alone.
//!
//! It shares no code with klamm. It answers ApiVersions, Metadata, InitProducerId and Produce of every
//! client in the comparison, reads batches only far enough to count their records, and prints
//! `listening on HOST:PORT` first. With `--keep` it does not forget: batches stay in memory as they came, and are read
//! with ListOffsets and Fetch.
//!
//! ```text
//! bench-sink --listen 127.0.0.1:0 --partitions 50 --topics bench
//! ```
//! Every topic that is asked for exists, with `--partitions` partitions. `--brokers N` listens on N ports
//! and spreads the leaders over them, without `--keep`. `--delay-ms D` answers each request D ms after it came, pipelined.

mod kept;
mod reading;
mod wire;

use kept::Kept;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use wire::{Reader, Writer};

struct Settings {
    partitions: i32,
    ports: Vec<u16>,
    delay: Duration,
    next_producer_id: AtomicI64,
    keep: bool,
    kept: Kept,
}

fn flag(name: &str, default: &str) -> String {
    std::env::args().skip_while(|a| a != name).nth(1).unwrap_or_else(|| default.to_owned())
}

fn main() -> std::io::Result<()> {
    let number = |name: &str, default: &str| flag(name, default).parse::<u64>().expect(name);
    let listen = flag("--listen", "127.0.0.1:0");
    let (host, _) = listen.rsplit_once(':').expect("--listen HOST:PORT");
    let mut listeners = vec![TcpListener::bind(&listen)?];
    for _ in 1..number("--brokers", "1") {
        listeners.push(TcpListener::bind((host, 0))?);
    }
    let ports: Result<Vec<u16>, _> = listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect();
    let settings = Arc::new(Settings {
        partitions: i32::try_from(number("--partitions", "1")).expect("--partitions"),
        ports: ports?,
        delay: Duration::from_millis(number("--delay-ms", "0")),
        next_producer_id: AtomicI64::new(1),
        keep: std::env::args().any(|arg| arg == "--keep"),
        kept: Kept::default(),
    });
    println!("listening on {}", listeners[0].local_addr()?);
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let settings = Arc::clone(&settings);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let settings = Arc::clone(&settings);
                    std::thread::spawn(move || {
                        // A client that goes away is the normal end.
                        let _ = serve(stream, &settings);
                    });
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Answers that are not due yet, in the order of their requests.
type Late = VecDeque<(Instant, Vec<u8>)>;

/// Reads requests with one large buffer and answers all that one read brought with one write.
fn serve(mut stream: TcpStream, settings: &Settings) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = vec![0u8; 8 << 20];
    let (mut from, mut to) = (0, 0);
    let mut late = Late::new();
    loop {
        let wait = late.front().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        stream.set_read_timeout(wait.map(|w| w.max(Duration::from_micros(100))))?;
        match stream.read(&mut buf[to..]) {
            Ok(0) => return Ok(()),
            Ok(n) => to += n,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(e) => return Err(e),
        }
        let mut out = Vec::new();
        while let Some(len) = frame_len(&buf[from..to]) {
            if buf.len() < 4 + len {
                buf.resize(8 + len, 0);
            }
            if to - from < 4 + len {
                break;
            }
            let answer = answer(&buf[from + 4..from + 4 + len], settings);
            from += 4 + len;
            let Some((answer, wait)) = answer else { continue };
            let delay = settings.delay + wait;
            if delay.is_zero() && late.is_empty() {
                give(&mut out, answer);
            } else {
                late.push_back((Instant::now() + delay, answer));
            }
        }
        buf.copy_within(from..to, 0);
        (from, to) = (0, to - from);
        while late.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            give(&mut out, late.pop_front().expect("a front").1);
        }
        if !out.is_empty() {
            stream.write_all(&out)?;
        }
    }
}

/// A lone answer is not copied once more: those to readers are large.
fn give(out: &mut Vec<u8>, answer: Vec<u8>) {
    if out.is_empty() {
        *out = answer;
    } else {
        out.extend_from_slice(&answer);
    }
}

fn frame_len(bytes: &[u8]) -> Option<usize> {
    let size = bytes.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*size) as usize)
}

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;

/// The answer to a request, if it gets one, and how long it is to wait.
fn answer(request: &[u8], settings: &Settings) -> Option<(Vec<u8>, Duration)> {
    let mut r = Reader::new(request);
    let (api, version, id) = (r.i16(), r.i16(), r.i32());
    let _client = r.string(false);
    let flexible = match api {
        PRODUCE => version >= 9,
        METADATA => version >= 9,
        FETCH | LIST_OFFSETS => false,
        API_VERSIONS => version >= 3,
        INIT_PRODUCER_ID => version >= 2,
        other => panic!("the sink does not answer API {other}"),
    };
    if flexible {
        r.tags();
    }
    let mut w = Writer::frame(id, flexible && api != API_VERSIONS, flexible);
    let mut wait = Duration::ZERO;
    match api {
        PRODUCE => {
            if !produce(&mut r, &mut w, version, flexible, settings) {
                return None;
            }
        }
        FETCH => wait = reading::fetch(&mut r, &mut w, version, settings),
        LIST_OFFSETS => reading::list_offsets(&mut r, &mut w, version, settings),
        METADATA => metadata(&mut r, &mut w, version, flexible, settings),
        API_VERSIONS => api_versions(&mut w, version, flexible, settings.keep),
        _ => {
            w.i32(0);
            w.i16(0);
            w.i64(settings.next_producer_id.fetch_add(1, Ordering::Relaxed));
            w.i16(0);
            w.tags();
        }
    }
    Some((w.finish(), wait))
}

fn api_versions(w: &mut Writer, version: i16, flexible: bool, keep: bool) {
    w.i16(0);
    let mut ranges = vec![(PRODUCE, 0, 12), (METADATA, 0, 12), (API_VERSIONS, 0, 3), (INIT_PRODUCER_ID, 0, 5)];
    if keep {
        // The last versions without topic ids and tagged fields.
        ranges.extend([(FETCH, 4, 11), (LIST_OFFSETS, 1, 5)]);
    }
    w.count(ranges.len());
    for (api, min, max) in ranges {
        w.i16(api);
        w.i16(min);
        w.i16(max);
        w.tags();
    }
    if version >= 1 {
        w.i32(0);
    }
    if flexible {
        w.tags();
    }
}

/// An id made of the name, so that clients that ask by id can be answered without a memory.
fn topic_id(name: &str) -> [u8; 16] {
    let mut id = [1; 16];
    for (i, byte) in name.bytes().enumerate() {
        id[i % 16] ^= byte.rotate_left(i as u32 % 7);
    }
    id
}

fn metadata(r: &mut Reader<'_>, w: &mut Writer, version: i16, flexible: bool, s: &Settings) {
    let mut names = Vec::new();
    for _ in 0..r.count(flexible).unwrap_or(0) {
        if version >= 10 {
            r.skip(16);
        }
        names.extend(r.string(flexible));
        if flexible {
            r.tags();
        }
    }
    if version >= 3 {
        w.i32(0);
    }
    w.count(s.ports.len());
    for (node, port) in s.ports.iter().enumerate() {
        w.i32(node as i32);
        w.string("127.0.0.1");
        w.i32(i32::from(*port));
        w.null_string();
        w.tags();
    }
    if version >= 2 {
        w.string("sink");
    }
    w.i32(0);
    w.count(names.len());
    for name in &names {
        w.i16(0);
        w.string(name);
        if version >= 10 {
            w.raw(&topic_id(name));
        }
        w.i8(0);
        w.count(s.partitions as usize);
        for partition in 0..s.partitions {
            let leader = partition % s.ports.len() as i32;
            w.i16(0);
            w.i32(partition);
            w.i32(leader);
            if version >= 7 {
                w.i32(0);
            }
            for _ in 0..2 {
                w.count(1);
                w.i32(leader);
            }
            if version >= 5 {
                w.count(0);
            }
            w.tags();
        }
        if version >= 8 {
            w.i32(i32::MIN);
        }
        w.tags();
    }
    if (8..=10).contains(&version) {
        w.i32(i32::MIN);
    }
    w.tags();
}

/// Acknowledges every batch, at offset zero unless it is kept; false for acks=0.
fn produce(r: &mut Reader<'_>, w: &mut Writer, version: i16, flexible: bool, s: &Settings) -> bool {
    let _transactional_id = r.string(flexible);
    let acks = r.i16();
    r.skip(4);
    let topics = r.count(flexible).unwrap_or(0);
    w.count(topics);
    for _ in 0..topics {
        let name = r.string(flexible).unwrap_or_default();
        w.string(&name);
        let partitions = r.count(flexible).unwrap_or(0);
        w.count(partitions);
        for _ in 0..partitions {
            let index = r.i32();
            let records = r.count(flexible).unwrap_or(0);
            let records = r.bytes(records);
            let offset = if s.keep { s.kept.append(&name, index, records) } else { 0 };
            if flexible {
                r.tags();
            }
            w.i32(index);
            w.i16(0);
            w.i64(offset);
            w.i64(-1);
            if version >= 5 {
                w.i64(0);
            }
            if version >= 8 {
                w.count(0);
                w.null_string();
            }
            w.tags();
        }
        if flexible {
            r.tags();
        }
        w.tags();
    }
    w.i32(0);
    w.tags();
    acks != 0
}
