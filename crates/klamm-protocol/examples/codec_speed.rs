//! Nanoseconds per record, MB/s and ratio of every codec, on one core:
//! `cargo run --release -p klamm-protocol --example codec_speed`.

use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression, decompress};
use klamm_protocol::record_batch::{RecordParts, encode_record};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const RECORD_BYTES: usize = 100;
const CHUNK_BYTES: usize = 16 * 1024;
const TIME_EACH: Duration = Duration::from_millis(400);
const LARGEST_BYTES: usize = 16 * 1024 * 1024;

/// A record as applications log them: some text that repeats and some that does not.
fn json_like(i: u64) -> Vec<u8> {
    let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = format!(
        r#"{{"id":{i},"user":"u{:06}","event":"click","ts":17{:011},"ref":"{mixed:016x}","ok":true}}"#,
        mixed >> 44,
        i * 37 % 99_999_999_999,
    );
    text.truncate(RECORD_BYTES);
    format!("{text:<RECORD_BYTES$}").into_bytes()
}

/// Records in wire bytes, in chunks as a producer keeps them; and how many there are.
fn body(len: usize) -> (Vec<Bytes>, usize) {
    let (mut chunks, mut count) = (Vec::new(), 0);
    while chunks.len() * CHUNK_BYTES < len {
        let (mut chunk, mut at) = (vec![0; CHUNK_BYTES], 0);
        loop {
            let value = json_like(count as u64);
            let offset_delta = i32::try_from(count).unwrap_or(i32::MAX);
            let parts = RecordParts {
                timestamp_delta: 0,
                offset_delta,
                key: None,
                value: Some(&value),
                headers: &[],
            };
            let Some(n) = encode_record(&mut chunk[at..], &parts) else { break };
            (at, count) = (at + n, count + 1);
        }
        chunk.truncate(at);
        chunks.push(chunk.into());
    }
    (chunks, count)
}

/// The fastest of the runs that fit the time: what the code costs when nothing else runs.
fn best(mut run: impl FnMut() -> Result<usize, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < TIME_EACH {
        let one = Instant::now();
        black_box(run()?);
        best = best.min(one.elapsed().as_nanos() as f64);
    }
    Ok(best)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("codec    batch KiB   ns/record in  out   MB/s in  out   ratio");
    for codec in [Codec::Lz4, Codec::Snappy, Codec::Zstd, Codec::Gzip] {
        for len in [CHUNK_BYTES, 128 * 1024, 1024 * 1024] {
            let (parts, count) = body(len);
            let raw: usize = parts.iter().map(Bytes::len).sum();
            let compression = Compression::from(codec);
            let mut out = Vec::new();
            let compress = best(|| {
                out.clear();
                compression.compress(&parts, &mut out)?;
                Ok(out.len())
            })?;
            let small = Bytes::from(out.clone());
            let expand = best(|| Ok(decompress(codec, &small, LARGEST_BYTES)?.len()))?;
            let (per, mb) = (|ns: f64| ns / count as f64, |ns: f64| raw as f64 * 1e3 / ns);
            println!(
                "{:<8} {:>9}   {:>9.0} {:>7.0}   {:>7.0} {:>7.0}   {:>5.2}",
                codec.name(),
                len / 1024,
                per(compress),
                per(expand),
                mb(compress),
                mb(expand),
                raw as f64 / small.len() as f64,
            );
        }
    }
    Ok(())
}
