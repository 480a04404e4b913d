//! The ZooKeeper that Kafka before 3.3 needs: one process beside the brokers.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::artifacts::Artifacts;
use super::node::Node;
use crate::failure::{Doing, Result};

/// Writes the configuration of `node` with its data under `data`.
pub(crate) fn configure(node: &Node, data: &Path) -> Result<()> {
    let text = format!(
        "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
         tickTime=500\nmaxClientCnxns=0\n",
        data.display(),
        node.port()
    );
    std::fs::write(node.config(), text).doing("cannot write ZooKeeper's configuration")
}

/// The command that runs it.
pub(crate) fn java(artifacts: &Artifacts, node: &Node) -> Command {
    let mut java = artifacts.java();
    java.args(["-Xmx128m", "org.apache.zookeeper.server.quorum.QuorumPeerMain"]).arg(node.config());
    java
}

/// Waits until it accepts connections; the brokers themselves find out the rest.
pub(crate) fn wait(node: &Node) -> Result<()> {
    node.wait(Duration::from_secs(30), |port| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).doing(address).map(drop)
    })
}
