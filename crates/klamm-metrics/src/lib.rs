//! What broker, gateway and commands of klamm share about metrics: Prometheus' text format, and what a process uses.
//!
//! What is counted, and how, is theirs.

mod process;
mod text;

pub use self::process::{
    Process, cpu_time, cpu_time_of_threads, peak_resident_bytes, resident_bytes,
};
pub use self::text::{Family, Labels, Text};
