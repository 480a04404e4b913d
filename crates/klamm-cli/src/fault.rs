//! `klamm broker fault` and `klamm broker requests`: control of a broker at its admin address.

use crate::act::Act;
use crate::args::{Global, Output};
use crate::deferred::Deferred;
use crate::failure::{Failure, USAGE};
use crate::http::call;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// How long an answer may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Where the broker is controlled.
#[derive(Debug, clap::Args)]
pub(crate) struct At {
    /// The broker's admin address
    #[arg(long, env = "KLAMM_ADMIN", value_name = "HOST:PORT")]
    pub(crate) admin: SocketAddr,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Control {
    /// Have requests fail on purpose
    #[command(subcommand)]
    Fault(Deferred<Fault>),
    /// Show the last requests, or wait for one
    Requests(Deferred<Requests>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Fault {
    /// Add a rule and print its number
    Add(Box<Add>),
    /// Show the rules and what they have struck
    List(At),
    /// Remove rules and let go of what they hold back
    Remove {
        #[command(flatten)]
        at: At,
        /// Numbers of rules
        #[arg(required = true)]
        ids: Vec<u64>,
    },
    /// Remove all rules
    Clear(At),
    #[command(flatten)]
    Act(Act),
    /// Let go of the answers that a rule holds back
    Release {
        #[command(flatten)]
        at: At,
        /// Number of the rule
        id: u64,
    },
}

/// Options of `fault add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    at: At,
    /// The whole rule as JSON, in place of all other options
    #[arg(long, value_name = "JSON", conflicts_with_all = ["action", "api"])]
    json: Option<String>,
    /// Only requests of this API, such as produce or create-topics
    #[arg(long)]
    api: Option<String>,
    /// Only requests that name this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only requests that name this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Only requests of this client; app-* for all that begin so
    #[arg(long)]
    client_id: Option<String>,
    /// Only requests that name this group
    #[arg(long)]
    group: Option<String>,
    /// Only requests that name this transactional id
    #[arg(long)]
    transactional_id: Option<String>,
    /// Only requests to this node
    #[arg(long)]
    node: Option<i32>,
    /// Only the n-th request that matches
    #[arg(long)]
    nth: Option<u64>,
    /// Each n-th request that matches
    #[arg(long)]
    every: Option<u64>,
    /// At most so often
    #[arg(long)]
    times: Option<u64>,
    /// With this probability, 0 to 1
    #[arg(long)]
    probability: Option<f64>,
    /// Where the random numbers begin
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    action: Action,
}

/// What a rule does: one of these.
#[derive(Debug, clap::Args)]
#[group(id = "action", multiple = false)]
struct Action {
    /// Do nothing and answer with this error, by name or number
    #[arg(long, value_name = "ERROR")]
    error: Option<String>,
    /// Do it, and answer so many milliseconds later
    #[arg(long, value_name = "MS")]
    delay: Option<u32>,
    /// Do it, and hold the answer back until `fault release`
    #[arg(long)]
    hold: bool,
    /// Do nothing and never answer
    #[arg(long)]
    no_answer: bool,
    /// Do nothing and end the connection
    #[arg(long)]
    disconnect: bool,
    /// Do it, and end the connection without an answer
    #[arg(long)]
    apply_then_disconnect: bool,
    /// Do it, and answer with this error
    #[arg(long, value_name = "ERROR")]
    apply_then_error: Option<String>,
    /// Do it, and end the connection after so many bytes of the answer
    #[arg(long, value_name = "BYTES")]
    cut_after: Option<u32>,
    /// Damage the records in the answer of a fetch
    #[arg(long)]
    corrupt: bool,
    /// Tell the client to be quiet for so many milliseconds
    #[arg(long, value_name = "MS")]
    throttle: Option<u32>,
}

impl Action {
    /// As a rule has it.
    fn json(&self) -> Option<Value> {
        let flags = [
            (self.hold, "hold"),
            (self.no_answer, "no_answer"),
            (self.disconnect, "disconnect"),
            (self.apply_then_disconnect, "apply_then_disconnect"),
            (self.corrupt, "corrupt"),
        ];
        let flag = flags.iter().find(|flag| flag.0).map(|flag| json!(flag.1));
        flag.or_else(|| self.error.as_ref().map(|e| json!({"error": e})))
            .or_else(|| self.apply_then_error.as_ref().map(|e| json!({"apply_then_error": e})))
            .or_else(|| self.delay.map(|ms| json!({"delay_ms": ms})))
            .or_else(|| self.cut_after.map(|bytes| json!({"cut_after_bytes": bytes})))
            .or_else(|| self.throttle.map(|ms| json!({"throttle_ms": ms})))
    }
}

impl Add {
    fn rule(&self) -> Result<Value, Failure> {
        if let Some(text) = &self.json {
            return serde_json::from_str(text)
                .map_err(|e| Failure::new(USAGE, format!("--json: {e}")));
        }
        let Some(action) = self.action.json() else {
            let why = "what is the fault to do? give one of --error, --delay, --hold, --no-answer, --disconnect, \
                       --apply-then-disconnect, --apply-then-error, --cut-after, --corrupt, --throttle";
            return Err(Failure::new(USAGE, why));
        };
        let mut rule = json!({
            "api": self.api, "topic": self.topic, "partition": self.partition, "client_id": self.client_id,
            "group": self.group, "transactional_id": self.transactional_id, "node": self.node, "nth": self.nth, "every": self.every, "times": self.times,
            "probability": self.probability, "seed": self.seed, "action": action,
        });
        if let Some(fields) = rule.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        Ok(rule)
    }
}

/// Options of `requests`.
#[derive(Debug, clap::Args)]
pub(crate) struct Requests {
    #[command(flatten)]
    at: At,
    /// Only requests of this API
    #[arg(long)]
    api: Option<String>,
    /// Only requests of this client
    #[arg(long)]
    client: Option<String>,
    /// Only requests that name this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only requests with a larger number
    #[arg(long, default_value_t = 0)]
    since: u64,
    /// Wait up to so many milliseconds for the first
    #[arg(long, value_name = "MS")]
    wait: Option<u32>,
}

pub(crate) async fn run(global: &Global, control: Control) -> Result<(), Failure> {
    let as_json = global.output == Output::Json;
    match control {
        Control::Fault(fault) => run_fault(fault.into_inner(), as_json).await,
        Control::Requests(requests) => show_requests(requests.get(), as_json).await,
    }
}

async fn run_fault(fault: Fault, as_json: bool) -> Result<(), Failure> {
    match fault {
        Fault::Add(add) => {
            let rule = add.rule()?;
            let added = call(add.at.admin, Method::POST, "/faults", Some(&rule), LIMIT).await?;
            println!("{}", if as_json { &added } else { &added["id"] });
        }
        Fault::List(at) => {
            let rules = call(at.admin, Method::GET, "/faults", None, LIMIT).await?;
            if as_json { println!("{rules}") } else { print_rules(&rules) }
        }
        Fault::Remove { at, ids } => {
            for id in ids {
                call(at.admin, Method::DELETE, &format!("/faults/{id}"), None, LIMIT).await?;
            }
        }
        Fault::Clear(at) => drop(call(at.admin, Method::DELETE, "/faults", None, LIMIT).await?),
        Fault::Act(act) => act.run(as_json).await?,
        Fault::Release { at, id } => {
            call(at.admin, Method::POST, &format!("/faults/{id}/release"), None, LIMIT).await?;
        }
    }
    Ok(())
}

fn print_rules(rules: &Value) {
    println!("{:>4}  {:>8}  {:>8}  RULE", "ID", "MATCHED", "STRUCK");
    for rule in rules.as_array().into_iter().flatten() {
        let mut rest = rule.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "id" | "matched" | "struck"));
        }
        let number = |name: &str| rule[name].as_u64().unwrap_or_default();
        println!("{:>4}  {:>8}  {:>8}  {rest}", number("id"), number("matched"), number("struck"));
    }
}

async fn show_requests(asked: &Requests, as_json: bool) -> Result<(), Failure> {
    let mut path = format!("/requests?since={}", asked.since);
    for (name, value) in [("api", &asked.api), ("client", &asked.client), ("topic", &asked.topic)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={value}"));
        }
    }
    let mut limit = LIMIT;
    if let Some(ms) = asked.wait {
        path.push_str(&format!("&wait=1&timeout_ms={ms}"));
        limit += Duration::from_millis(ms.into());
    }
    let entries = call(asked.at.admin, Method::GET, &path, None, limit).await?;
    if as_json {
        println!("{entries}");
        return Ok(());
    }
    println!(
        "{:>6}  {:>4}  {:24}  {:24}  {:24}  TOPICS",
        "NUMBER", "NODE", "API", "CLIENT", "OUTCOME"
    );
    for entry in entries.as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let number = |name: &str| entry[name].as_i64().unwrap_or_default();
        let topics = entry["topics"].as_array().into_iter().flatten();
        let topics: Vec<_> = topics.filter_map(Value::as_str).collect();
        println!(
            "{:>6}  {:>4}  {:24}  {:24}  {:24}  {}",
            number("number"),
            number("node"),
            text("api"),
            text("client_id"),
            text("outcome"),
            topics.join(",")
        );
    }
    Ok(())
}
