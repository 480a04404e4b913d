//! What every program of the comparison shares: command line, payload pool, CPU clock, result line.
//!
//! A file and not a crate, so that each program stays one directory with its own lock file.

#![allow(dead_code, reason = "each program uses its part")]

use std::time::{Duration, Instant};

/// Records of `latency` that are sent before the clock starts.
pub const WARM_UP: usize = 200;

pub struct Args {
    client: &'static str,
    version: String,
    pub mode: String,
    pub bootstrap: String,
    pub topic: String,
    pub records: usize,
    pub size: usize,
    pub partitions: usize,
    pub api: String,
    pub compression: String,
    payloads: String,
    /// File with the size of every value of `paced`, one a line.
    pub sizes: String,
    /// Records of `paced` in a second.
    pub rate: f64,
    /// How long `follow` waits for what is not there yet.
    pub patience: Duration,
}

fn flag(name: &str, default: &str) -> String {
    std::env::args().skip_while(|a| a != name).nth(1).unwrap_or_else(|| default.to_owned())
}

/// The version of `package` in a `Cargo.lock`: what was built, whatever a table says.
pub fn locked(package: &str, lock: &str) -> String {
    let name = format!("name = \"{package}\"");
    let version = lock.lines().skip_while(|line| *line != name).nth(1).expect("a locked package");
    version.trim_start_matches("version = ").trim_matches('"').to_owned()
}

impl Args {
    /// The command line of a program that measures `client`.
    pub fn parse(client: &'static str, version: impl Into<String>) -> Self {
        let number = |name: &str, default: &str| flag(name, default).parse().expect(name);
        let one_of = |name: &str, allowed: [&str; 2]| {
            let value = flag(name, allowed[0]);
            assert!(allowed.contains(&value.as_str()), "{name} {value}: one of {allowed:?}");
            value
        };
        Self {
            client,
            version: version.into(),
            mode: std::env::args().nth(1).expect("produce|latency|consume|hot"),
            bootstrap: flag("--bootstrap", "127.0.0.1:9092"),
            topic: flag("--topic", "bench"),
            records: number("--records", "1000"),
            size: number("--size", "100"),
            partitions: number("--partitions", "1"),
            api: flag("--api", "default"),
            compression: one_of("--compression", ["none", "lz4"]),
            payloads: flag("--payloads", ""),
            sizes: flag("--sizes", ""),
            rate: flag("--rate", "30").parse().expect("--rate"),
            patience: Duration::from_secs_f64(flag("--seconds", "60").parse().expect("--seconds")),
        }
    }

    pub fn best(&self) -> bool {
        self.api == "best"
    }

    pub fn lz4(&self) -> bool {
        self.compression == "lz4"
    }

    /// Larger than what most clients and brokers allow by default; the topics of this comparison
    /// allow 10 MiB.
    pub fn large(&self) -> bool {
        self.size > 100_000
    }

    /// The payloads of the file, or one of the size asked for.
    pub fn pool(&self) -> Vec<Vec<u8>> {
        if self.payloads.is_empty() {
            return vec![vec![b'x'; self.size]];
        }
        let bytes = std::fs::read(&self.payloads).expect("payload file");
        let lines = bytes.split(|c| *c == b'\n').filter(|l| !l.is_empty());
        let pool: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        assert!(pool.iter().all(|l| l.len() == self.size), "payload size");
        pool
    }
}

/// What a consumer has read.
#[derive(Default)]
pub struct Seen {
    records: usize,
    bytes: usize,
}

impl Seen {
    /// Counts a record with a value of so many bytes.
    #[inline]
    pub fn add(&mut self, value: Option<&[u8]>) {
        self.records += 1;
        self.bytes += value.map_or(0, <[u8]>::len);
    }

    /// Whether that is all there is.
    pub fn all(&self, a: &Args) -> bool {
        self.records >= a.records
    }

    /// Ends the program if it read anything else than what was asked for.
    pub fn check(&self, a: &Args) {
        let wanted = (a.records, a.records * a.size);
        assert_eq!((self.records, self.bytes), wanted, "records and bytes of the topic");
    }
}

/// Peak of resident memory. Not `ru_maxrss`, which begins with the peak of whoever started the program.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// CPU time, user and system, of this process or this thread; to the nanosecond, where `getrusage`
/// may count in ticks.
fn cpu_seconds(who: libc::clockid_t) -> f64 {
    // SAFETY: clock_gettime fills the struct it is given, which may hold any bytes before.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(who, &mut time);
        time
    };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Wall and CPU time, as far as the clock was running.
pub struct Clock {
    who: libc::clockid_t,
    running: Option<(Instant, f64)>,
    secs: f64,
    cpu: f64,
}

impl Clock {
    pub fn start() -> Self {
        Self::of(libc::CLOCK_PROCESS_CPUTIME_ID)
    }

    /// Counts the CPU of the calling thread only.
    pub fn of_this_thread() -> Self {
        Self::of(libc::CLOCK_THREAD_CPUTIME_ID)
    }

    fn of(who: libc::clockid_t) -> Self {
        let mut clock = Self { who, running: None, secs: 0.0, cpu: 0.0 };
        clock.resume();
        clock
    }

    pub fn resume(&mut self) {
        self.running = Some((Instant::now(), cpu_seconds(self.who)));
    }

    pub fn pause(&mut self) {
        if let Some((started, cpu)) = self.running.take() {
            self.secs += started.elapsed().as_secs_f64();
            self.cpu += cpu_seconds(self.who) - cpu;
        }
    }

    /// Prints the result line of a run with values of one size.
    pub fn report(self, a: &Args, records: usize, settings: &str, latencies: &mut [Duration]) {
        self.report_of(a, [records, records * a.size], settings, &percentiles(latencies));
    }

    /// Prints the result line; `more` is further fields, each behind a comma.
    pub fn report_of(mut self, a: &Args, [records, bytes]: [usize; 2], settings: &str, more: &str) {
        self.pause();
        let (secs, cpu) = (self.secs, self.cpu);
        let bytes = bytes as f64;
        let n = records as f64;
        let what = format!(
            r#""client":"{}","version":"{}","mode":"{}","api":"{}","compression":"{}""#,
            a.client, a.version, a.mode, a.api, a.compression
        );
        let work = format!(r#""records":{records},"bytes":{bytes:.0},"secs":{secs:.4}"#);
        let (rate, mb) = (n / secs, bytes / 1e6 / secs);
        let rates = format!(r#""rec_per_s":{rate:.1},"mb_per_s":{mb:.3}"#);
        let (cpu_us, rss) = (cpu * 1e6 / n.max(1.0), peak_rss_mib());
        let cost = format!(r#""cpu_s":{cpu:.4},"cpu_us_per_rec":{cpu_us:.4},"rss_mib":{rss:.1}"#);
        println!(r#"{{{what},{work},{rates},{cost}{more},"settings":{settings}}}"#);
    }
}

/// The fields of `latency`; empty for the other modes.
fn percentiles(latencies: &mut [Duration]) -> String {
    let Some(last) = latencies.len().checked_sub(1) else { return String::new() };
    latencies.sort();
    let at = |percent: usize| latencies[(latencies.len() * percent / 100).min(last)].as_micros();
    format!(r#","p50_us":{},"p99_us":{},"max_us":{}"#, at(50), at(99), at(100))
}
