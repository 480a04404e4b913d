//! The broker under a comparison: one that was named, a Kafka of our own, or `klamm broker`.

use std::path::PathBuf;

use super::broker::Broker;
use super::brokers::{Server, Stable, contenders};
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::place::Place;

/// Where everything goes; what was started for it ends with this value.
pub(crate) struct Stage {
    /// In words.
    pub(crate) name: &'static str,
    /// Its topics.
    pub(crate) broker: Broker,
    _klamm: Option<(Stable, Server)>,
}

impl Stage {
    /// What `--bootstrap-server` names or `--on` asks for; `--klamm` is the program for topics, and for the broker.
    pub(crate) fn set(place: &Place, flags: &Flags) -> Result<Self> {
        let bootstrap = flags.value("bootstrap").or(flags.value("bootstrap-server"));
        let program = flags.value("klamm").map(PathBuf::from);
        let connect = |name, bootstrap: Option<&str>, klamm| {
            let broker = match program.clone() {
                Some(program) => Broker::connect_with(program, place, bootstrap, false)?,
                None => Broker::connect(place, bootstrap, false)?,
            };
            Ok(Self { name, broker, _klamm: klamm })
        };
        match (bootstrap, flags.value("on")) {
            (Some(_), Some(_)) => Err(Failure::new("--on starts a broker: no --bootstrap-server")),
            (Some(_), None) => connect("the broker that was named", bootstrap, None),
            (None, None | Some("kafka")) => connect("a Kafka of its own", None, None),
            (None, Some("klamm")) => {
                let klamm = contenders(Some("klamm"))?;
                let stable = Stable::prepare(place, &klamm, flags.value("klamm"))?;
                let server = stable.start(klamm[0])?;
                let at = server.bootstrap.clone();
                connect("klamm broker, in memory", Some(&at), Some((stable, server)))
            }
            (None, Some(on)) => Err(Failure::new(format!("--on {on}: kafka or klamm"))),
        }
    }
}
