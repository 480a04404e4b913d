//! What this process takes: CPU time and memory, as the system tells.

use std::time::Duration;

/// CPU time of this process.
pub(crate) fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// CPU time of the threads of this name that run now, where the system tells.
pub(crate) fn cpu_of_threads(name: &str) -> Option<Duration> {
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

/// Memory of this process that is in use now, in bytes; 0 where the system does not tell.
pub(crate) fn rss_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// The most memory this process ever had, in bytes; 0 where the system does not tell.
pub(crate) fn peak_rss_bytes() -> u64 {
    status_bytes("VmHWM:")
}

fn status_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_told_apart_by_name() {
        let spin = || {
            let spinning = std::thread::Builder::new().name("usage-spins".to_owned()).spawn(|| {
                let started = std::time::Instant::now();
                while started.elapsed() < Duration::from_millis(20) {
                    std::hint::spin_loop();
                }
                cpu_of_threads("usage-spins")
            });
            spinning.unwrap().join().unwrap()
        };
        // Where the system tells nothing, there is nothing to check.
        if let Some(spun) = spin() {
            assert!(spun > Duration::ZERO && spun <= cpu(), "{spun:?}");
        }
        assert_eq!(cpu_of_threads("no-such-thread"), None);
    }

    #[test]
    fn a_peak_is_no_less_than_what_is_in_use() {
        assert!(rss_bytes() <= peak_rss_bytes());
    }
}
