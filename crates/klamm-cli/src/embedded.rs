//! A broker in this process, for commands that were given no address.

use crate::failure::{FAILED, Failure};
use klamm_broker::{Broker, Builder};
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Partitions of the topic that is made for a command.
const PARTITIONS: i32 = 50;
/// Name of its threads, by which their CPU time is found.
pub(crate) const THREAD: &str = "klamm-broker";

/// A broker in memory on a thread of its own, so that it does not wait for the tasks of the command.
#[derive(Debug)]
pub(crate) struct Embedded {
    bootstrap: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts one that has `topic`, and says so.
    pub(crate) fn start(topic: &str) -> Result<Self, Failure> {
        let broker = Self::run(Broker::builder().topic(topic, PARTITIONS))?;
        eprintln!(
            "no --bootstrap-server: a broker in this process, in memory, on {}, has the topic {topic} with \
             {PARTITIONS} partitions",
            broker.bootstrap
        );
        Ok(broker)
    }

    /// Starts this one.
    pub(crate) fn run(builder: Builder) -> Result<Self, Failure> {
        let (stop, stopped) = oneshot::channel();
        let (started, wait) = mpsc::channel();
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .thread_name(THREAD)
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let broker = builder.start().await;
                let address = broker.as_ref().map(Broker::bootstrap).map_err(ToString::to_string);
                // Nobody waits any more: then there is nothing to serve.
                if started.send(address).is_ok()
                    && let Ok(broker) = broker
                {
                    let _ = stopped.await;
                    drop(broker.stop().await);
                }
            });
        });
        let failed =
            |why: String| Failure::new(FAILED, format!("no broker in this process: {why}"));
        let thread = thread.map_err(|e| failed(e.to_string()))?;
        let bootstrap =
            wait.recv().map_err(|_| failed("it has no runtime".to_owned()))?.map_err(failed)?;
        Ok(Self { bootstrap, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody to tell is as good as told.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
