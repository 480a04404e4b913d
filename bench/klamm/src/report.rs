//! What every program of the comparison shares: command line, payload pool, CPU clock, result line.

use std::time::{Duration, Instant};

pub struct Args {
    pub mode: String,
    pub bootstrap: String,
    pub topic: String,
    pub records: usize,
    pub size: usize,
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

fn usage() -> libc::rusage {
    // SAFETY: getrusage fills the struct it is given, which may hold any bytes before.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
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

    pub fn report(mut self, a: &Args, records: usize, settings: &str, latencies: &mut [Duration]) {
        self.pause();
        let (secs, cpu) = (self.secs, self.cpu);
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
            n / secs, bytes / 1e6 / secs, cpu * 1e6 / n, usage().ru_maxrss as f64 / 1024.0,
        );
    }
}
