//! What a process has used, as `/proc` has it.

use std::time::Duration;

use crate::failure::{Doing, Failure, Result};

/// Linux counts in these towards programs, whatever the kernel's own clock is.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/PID/stat` after the name in parentheses, which may hold anything.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
/// What `/proc/PID/clear_refs` takes for "begin the peak anew".
const RESET_PEAK: &str = "5";

/// CPU time of all threads a process has or had, in steps of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// In the program and in the kernel: their sum is exact.
    pub(crate) total: Duration,
    /// In the kernel: an estimate from where the process was found at each tick.
    pub(crate) kernel: Duration,
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: u64,
    /// The most since it started, or since [`forget_peak`].
    pub(crate) peak: u64,
}

/// The CPU time of `pid`.
pub(crate) fn cpu(pid: u32) -> Result<Cpu> {
    let file = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&file).doing(&file)?;
    let ticks = ticks(&stat).ok_or_else(|| Failure::new(format!("{file} says {stat:?}")))?;
    let time = |ticks: u64| Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
    Ok(Cpu { total: time(ticks.0 + ticks.1), kernel: time(ticks.1) })
}

/// In the program, and in the kernel.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((field(USER_TIME)?, field(SYSTEM_TIME)?))
}

/// The memory of `pid`.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let file = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&file).doing(&file)?;
    kib(&status).ok_or_else(|| Failure::new(format!("{file} says nothing about memory")))
}

fn kib(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    Some(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Makes the peak of `pid` start again from what it has now.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    let file = format!("/proc/{pid}/clear_refs");
    std::fs::write(&file, RESET_PEAK).doing(&file)
}

#[cfg(test)]
mod tests {
    use super::{Memory, cpu, forget_peak, kib, memory, ticks};

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 900 0 0 0 150 25 9 9 20 0 4 0 100";
        assert_eq!(ticks(stat), Some((150, 25)));
        assert_eq!(ticks("7 (short) S 1 7"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn memory_is_found_among_the_other_lines() {
        let status = "Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(kib(status), Some(Memory { resident: 1024, peak: 2048 }));
        assert_eq!(kib("Name:\tkthread\n"), None);
    }

    #[test]
    fn a_process_sees_its_own_work_and_memory() {
        let own = std::process::id();
        let before = cpu(own).unwrap();
        let mut sum = 0_u64;
        assert!(before.kernel <= before.total);
        while cpu(own).unwrap().total == before.total {
            sum = std::hint::black_box((0..1_000_000).fold(sum, u64::wrapping_add));
        }
        drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        let high = memory(own).unwrap();
        assert!(high.peak >= high.resident + (32 << 10), "{high:?}");
        forget_peak(own).unwrap();
        assert!(memory(own).unwrap().peak < high.peak);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(cpu(u32::MAX).is_err());
        assert!(memory(u32::MAX).is_err());
    }
}
