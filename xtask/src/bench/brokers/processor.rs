//! Client and broker on one processor, for figures in which nobody has to be woken on another one.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::{Doing, Failure, Result};
use crate::process::numbered;

/// Processes that share a processor as long as this value lives.
pub(super) struct Together(Vec<(u32, CpuSet)>);

impl Together {
    /// Keeps them, and the threads that they begin meanwhile, on the first processor that all of them may use.
    pub(super) fn keep(processes: &[u32]) -> Result<Self> {
        let mut before = Vec::new();
        for pid in processes {
            before.push((*pid, sched_getaffinity(Some(numbered(*pid)?)).doing("processors")?));
        }
        let shared = (0..CpuSet::MAX_CPU).find(|at| before.iter().all(|(_, set)| set.is_set(*at)));
        let shared = shared.ok_or_else(|| Failure::new("they may not use the same processor"))?;
        let mut one = CpuSet::new();
        one.set(shared);
        // Whatever fails from here on, each is let go again.
        let together = Self(before);
        for (pid, _) in &together.0 {
            allow(*pid, &one)?;
        }
        Ok(together)
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        for (pid, before) in &self.0 {
            // One that has ended meanwhile needs nothing any more.
            let _ = allow(*pid, before);
        }
    }
}

/// Lets all threads of a process use these processors.
fn allow(pid: u32, processors: &CpuSet) -> Result<()> {
    let tasks = format!("/proc/{pid}/task");
    for task in std::fs::read_dir(&tasks).doing(&tasks)? {
        let name = task.doing(&tasks)?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok()).unwrap_or(pid);
        match sched_setaffinity(Some(numbered(id)?), processors) {
            // A thread that has ended since it was listed.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error).doing(format_args!("thread {id} of {pid}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CpuSet, Together, numbered, sched_getaffinity};
    use crate::bench::broker::Stopped;
    use std::process::Command;

    fn processors(pid: u32) -> CpuSet {
        sched_getaffinity(Some(numbered(pid).unwrap())).unwrap()
    }

    #[test]
    fn who_shares_a_processor_may_use_all_of_his_afterwards() {
        let sleeps = [(); 2].map(|()| Stopped(Command::new("sleep").arg("60").spawn().unwrap()));
        let pids = sleeps.each_ref().map(|sleep| sleep.0.id());
        let before = pids.map(processors);
        let together = Together::keep(&pids).unwrap();
        assert_eq!(processors(pids[0]).count(), 1);
        assert_eq!(processors(pids[0]), processors(pids[1]));
        drop(together);
        assert_eq!(pids.map(processors), before);
        drop(sleeps);
        assert!(Together::keep(&pids).is_err());
    }
}
