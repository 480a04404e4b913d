//! `klamm broker fault`: what is done to a broker as a whole - nodes, leaders, coordinators, its clock and its logs.

use crate::failure::Failure;
use crate::fault::{At, LIMIT};
use crate::http::call;
use clap::{Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

/// What a coordinator is in charge of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Groups and their offsets
    Group,
    /// Transactional ids
    Transaction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// End all connections, forget what is in memory only, begin new leader epochs: what clients see of a restart
    Restart(At),
    /// Take a node down, or up again
    Node {
        #[command(flatten)]
        at: At,
        /// Its number
        node: i32,
        /// What it is to be
        state: State,
    },
    /// Move the leader of a partition; without a node the same one begins a new epoch
    Leader {
        #[command(flatten)]
        at: At,
        topic: String,
        partition: i32,
        node: Option<i32>,
    },
    /// Move the coordinator of a group or a transactional id; without a key that of all
    Coordinator {
        #[command(flatten)]
        at: At,
        kind: Kind,
        /// The node that is in charge from now on
        node: i32,
        /// The group or the transactional id
        #[arg(long)]
        key: Option<String>,
        /// How long the node answers COORDINATOR_LOAD_IN_PROGRESS, in milliseconds
        #[arg(long, value_name = "MS", default_value_t = 0)]
        loading: u32,
    },
    /// Put all coordinators back
    ResetCoordinators(At),
    /// Have a node answer Metadata with what is now, whatever comes
    FreezeMetadata {
        #[command(flatten)]
        at: At,
        node: i32,
        /// Answer with what is again
        #[arg(long)]
        off: bool,
    },
    /// Move the broker's clock forward; what is due by then takes place at once
    Clock {
        #[command(flatten)]
        at: At,
        /// By so many milliseconds
        advance: u64,
    },
    /// Remove what is too old or too much
    Retain(At),
    /// Compact all topics that want it
    Compact(At),
}

/// Whether a node accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Up,
    Down,
}

impl Act {
    /// The address asked, the method, the path and the body.
    fn request(self) -> (At, Method, String, Option<Value>) {
        let post = |at, path: &str| (at, Method::POST, path.to_owned(), None);
        match self {
            Act::Restart(at) => post(at, "/restart"),
            Act::Retain(at) => post(at, "/retention"),
            Act::Compact(at) => post(at, "/compaction"),
            Act::ResetCoordinators(at) => (at, Method::DELETE, "/coordinators".to_owned(), None),
            Act::Node { at, node, state } => {
                let body = json!({"up": state == State::Up});
                (at, Method::PUT, format!("/nodes/{node}"), Some(body))
            }
            Act::Leader { at, topic, partition, node } => {
                let path = format!("/topics/{topic}/{partition}/leader");
                match node {
                    Some(node) => (at, Method::PUT, path, Some(json!({"node": node}))),
                    None => (at, Method::POST, path, None),
                }
            }
            Act::Coordinator { at, kind, node, key, loading } => {
                let kind = match kind {
                    Kind::Group => "group",
                    Kind::Transaction => "transaction",
                };
                let body = json!({"type": kind, "key": key, "node": node, "loading_ms": loading});
                (at, Method::PUT, "/coordinators".to_owned(), Some(body))
            }
            Act::FreezeMetadata { at, node, off } => {
                let body = json!({"frozen": !off});
                (at, Method::PUT, format!("/nodes/{node}/metadata"), Some(body))
            }
            Act::Clock { at, advance } => {
                (at, Method::POST, "/clock".to_owned(), Some(json!({"advance_ms": advance})))
            }
        }
    }

    /// Has it done, and prints what there is to say.
    pub(crate) async fn run(self, as_json: bool) -> Result<(), Failure> {
        let (at, method, path, body) = self.request();
        let answer = call(at.admin, method, &path, body.as_ref(), LIMIT).await?;
        match answer.as_object() {
            Some(_) if as_json => println!("{answer}"),
            Some(fields) => fields.iter().for_each(|(name, value)| println!("{name} {value}")),
            None => {}
        }
        Ok(())
    }
}
