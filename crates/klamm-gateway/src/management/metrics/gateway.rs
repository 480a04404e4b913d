//! Pure: the gateway as a whole, and its process.

use super::super::VERSION;
use super::super::health::{Health, judge};
use super::super::observed::{Observed, Phase};
use klamm_metrics::{Process, Text};

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
    process.write(text);
}
