//! The processes whose CPU is looked at.

use super::load::Load;
use super::phase::Cpu;
use super::stage::Gateway;
use crate::bench::usage;
use crate::chaos::kafka::Kafka;
use crate::failure::Result;

/// Those that take part, by pid.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Processes {
    kafka: Option<u32>,
    gateway: Option<u32>,
    load: Option<u32>,
}

impl Processes {
    /// Kafka as it runs now, and what stands before it.
    pub(super) fn of(kafka: &Kafka, before: Option<(&Gateway, &Load)>) -> Self {
        Self {
            kafka: kafka.pid(),
            gateway: before.map(|(gateway, _)| gateway.listening.pid()),
            load: before.map(|(_, load)| load.pid()),
        }
    }

    /// What they have used since they began.
    pub(super) fn cpu(&self) -> Result<Cpu> {
        let (kafka, gateway, load) = (cpu(self.kafka)?, cpu(self.gateway)?, cpu(self.load)?);
        Ok(Cpu { kafka, gateway, load, producer: None })
    }
}

fn cpu(pid: Option<u32>) -> Result<Option<f64>> {
    pid.map(|pid| usage::cpu(pid).map(|cpu| cpu.total.as_secs_f64())).transpose()
}
