//! What the system says about this process.

use crate::text::Text;
use rustix::time::{ClockId, clock_gettime};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a process uses, at a time. What the system does not tell is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    /// CPU time, user and system, since the process began.
    pub cpu: Duration,
    /// Memory that is resident.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// File descriptors that may be open.
    pub max_fds: Option<u64>,
    /// Seconds since 1970, at which the process began.
    pub start_seconds: f64,
}

/// When this program first looked, less how long the process had lived by then.
static START: LazyLock<f64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    now - age().unwrap_or(0.0)
});

/// Ticks in a second, which Linux tells programs in all its files.
const TICKS: f64 = 100.0;

impl Process {
    /// What this process uses now.
    pub fn read() -> Self {
        Self {
            cpu: cpu_time(),
            resident_bytes: resident_bytes(),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as u64),
            max_fds: max_fds(),
            start_seconds: *START,
        }
    }

    /// Writes it under the names that every program has; what the system did not tell is left out.
    pub fn write(&self, text: &mut Text) {
        text.counter("process_cpu_seconds_total", "CPU time of the process, user and system.")
            .value(self.cpu.as_secs_f64());
        text.gauge("process_start_time_seconds", "When the process began, in seconds since 1970.")
            .value(self.start_seconds);
        let rest = [
            (
                "process_resident_memory_bytes",
                "Memory of the process that is resident.",
                self.resident_bytes,
            ),
            ("process_open_fds", "Open file descriptors.", self.open_fds),
            ("process_max_fds", "File descriptors that may be open.", self.max_fds),
        ];
        for (name, help, value) in rest {
            if let Some(value) = value {
                text.gauge(name, help).value(value);
            }
        }
    }
}

/// CPU time of this process, user and system, since it began.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU time of the threads of this name that run now, where the system tells.
pub fn cpu_time_of_threads(name: &str) -> Option<Duration> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten().map(|entry| entry.path());
    let called = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let mut nanos = None;
    for path in threads.filter(called) {
        // Its first figure is the time on a CPU.
        let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        *nanos.get_or_insert(0) += stat.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    nanos.map(Duration::from_nanos)
}

/// Bytes of memory that are resident now; `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// The most bytes that ever were resident; `None` where the system does not tell.
pub fn peak_resident_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn max_fds() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Seconds since the process began.
fn age() -> Option<f64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may hold anything; the 22nd is when it began.
    let ticks: f64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
    Some((now - ticks / TICKS).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 1 << 20);
        assert!(process.open_fds.unwrap() <= process.max_fds.unwrap());
        assert!(process.cpu <= cpu_time());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let lived = now - process.start_seconds;
        assert!((0.0..86_400.0).contains(&lived), "{lived} s");
    }

    #[test]
    fn a_peak_is_no_less_than_what_is_in_use() {
        assert!(resident_bytes() <= peak_resident_bytes());
    }

    #[test]
    fn threads_are_told_apart_by_name() {
        let spin = || {
            let spinning =
                std::thread::Builder::new().name("metrics-spins".to_owned()).spawn(|| {
                    let started = std::time::Instant::now();
                    while started.elapsed() < Duration::from_millis(20) {
                        std::hint::spin_loop();
                    }
                    cpu_time_of_threads("metrics-spins")
                });
            spinning.unwrap().join().unwrap()
        };
        // Where the system tells nothing, there is nothing to check.
        if let Some(spun) = spin() {
            assert!(spun > Duration::ZERO && spun <= cpu_time(), "{spun:?}");
        }
        assert_eq!(cpu_time_of_threads("no-such-thread"), None);
    }

    #[test]
    fn what_was_not_told_is_left_out() {
        let mut text = Text::default();
        let process =
            Process { cpu: Duration::from_millis(1500), open_fds: Some(7), ..Process::default() };
        process.write(&mut text);
        let text = text.finish();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected =
            ["process_cpu_seconds_total 1.5", "process_start_time_seconds 0", "process_open_fds 7"];
        assert_eq!(samples, expected);
    }
}
