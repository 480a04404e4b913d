//! Pure: the gateway as a whole, and its process.

use super::super::VERSION;
use super::super::health::{Health, judge};
use super::super::observed::{Observed, Phase};
use super::super::process::Process;
use super::super::text::Text;

const PHASES: [(Phase, &str); 3] =
    [(Phase::Starting, "starting"), (Phase::Serving, "serving"), (Phase::Draining, "draining")];

pub(super) fn write(text: &mut Text, observed: &Observed, process: &Process) {
    let labels = [("version", VERSION), ("log", &*observed.log)];
    text.gauge("klamm_gateway_build_info", "The gateway, and the id of its log.")
        .sample(&labels, 1);
    let mut family = text.gauge("klamm_gateway_phase", "1 for where the gateway is in its life.");
    for (phase, name) in PHASES {
        family.sample(&[("phase", name)], u8::from(observed.phase == phase));
    }
    let ready = judge(observed).health != Health::NotReady;
    text.gauge("klamm_gateway_ready", "1 when it takes requests, as /readyz says.")
        .value(u8::from(ready));
    write_process(text, process);
}

/// Under the names that every program has; what the system does not tell is left out.
fn write_process(text: &mut Text, process: &Process) {
    text.counter("process_cpu_seconds_total", "CPU time of the process, user and system.")
        .value(process.cpu_seconds);
    text.gauge("process_start_time_seconds", "When the process began, in seconds since 1970.")
        .value(process.start_seconds);
    let rest = [
        (
            "process_resident_memory_bytes",
            "Memory of the process that is resident.",
            process.resident_bytes,
        ),
        ("process_open_fds", "Open file descriptors.", process.open_fds),
        ("process_max_fds", "File descriptors that may be open.", process.max_fds),
    ];
    for (name, help, value) in rest {
        if let Some(value) = value {
            text.gauge(name, help).value(value);
        }
    }
}
