//! What every program of the comparison shares: command line, payload pool, CPU clock, result line.

use std::time::{Duration, Instant};

pub struct Args {
    pub mode: String,
    pub bootstrap: String,
    pub topic: String,
    pub records: usize,
    pub size: usize,
    pub partitions: usize,
    pub api: String,
    pub compression: String,
    payloads: String,
}

fn flag(name: &str, default: &str) -> String {
    std::env::args().skip_while(|a| a != name).nth(1).unwrap_or_else(|| default.to_owned())
}

impl Args {
    pub fn parse() -> Self {
        let number = |name: &str, default: &str| flag(name, default).parse().expect(name);
        Self {
            mode: std::env::args().nth(1).expect("produce|latency|hot"),
            bootstrap: flag("--bootstrap", "127.0.0.1:9092"),
            topic: flag("--topic", "bench"),
            records: number("--records", "1000"),
            size: number("--size", "100"),
            partitions: number("--partitions", "1"),
            api: flag("--api", "default"),
            compression: flag("--compression", "none"),
            payloads: flag("--payloads", ""),
        }
    }

    pub fn best(&self) -> bool {
        self.api == "best"
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

fn usage(who: i32) -> libc::rusage {
    // SAFETY: getrusage fills the struct it is given, which may hold any bytes before.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    }
}

/// CPU time, user and system, of this process or this thread.
fn cpu_seconds(who: i32) -> f64 {
    let usage = usage(who);
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

pub struct Clock {
    started: Instant,
    who: i32,
    cpu: f64,
}

impl Clock {
    pub fn start() -> Self {
        Self::of(libc::RUSAGE_SELF)
    }

    /// Counts the CPU of the calling thread only.
    pub fn of_this_thread() -> Self {
        Self::of(libc::RUSAGE_THREAD)
    }

    fn of(who: i32) -> Self {
        Self { started: Instant::now(), who, cpu: cpu_seconds(who) }
    }

    pub fn report(&self, a: &Args, records: usize, settings: &str, latencies: &mut [Duration]) {
        let (secs, cpu) = (self.started.elapsed().as_secs_f64(), cpu_seconds(self.who) - self.cpu);
        let bytes = (records * a.size) as f64;
        let n = records as f64;
        let mut extra = String::new();
        if !latencies.is_empty() {
            latencies.sort();
            let at = |p: usize| latencies[(latencies.len() * p / 100).min(latencies.len() - 1)].as_micros();
            extra = format!(",\"p50_us\":{},\"p99_us\":{},\"max_us\":{}", at(50), at(99), at(100));
        }
        println!(
            "{{\"client\":\"klamm\",\"version\":\"{}\",\"mode\":\"{}\",\"api\":\"{}\",\"compression\":\"{}\",\"records\":{records},\"bytes\":{bytes:.0},\
             \"secs\":{secs:.4},\"rec_per_s\":{:.1},\"mb_per_s\":{:.3},\"cpu_s\":{cpu:.4},\"cpu_us_per_rec\":{:.4},\"rss_mib\":{:.1}{extra},\"settings\":{settings}}}",
            env!("CARGO_PKG_VERSION"), a.mode, a.api, a.compression,
            n / secs, bytes / 1e6 / secs, cpu * 1e6 / n, usage(libc::RUSAGE_SELF).ru_maxrss as f64 / 1024.0,
        );
    }
}
