//! Clients that mean no good, over real TCP: malformed frames, sockets that dawdle, claims of everything. Meanwhile a
//! client that behaves keeps producing, every answer comes in time, and the memory of the process stays bounded.

#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod frames;
mod malformed;
mod oversized;
mod slow;
mod steady;

use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};

/// Memory is that of the process: one test at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static ONE: OnceLock<Mutex<()>> = OnceLock::new();
    ONE.get_or_init(Mutex::default).lock().await
}

/// What the process takes of the machine's memory, in bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
