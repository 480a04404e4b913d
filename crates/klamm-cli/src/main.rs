//! The `klamm` command: arguments in, library calls, text or JSON out.

mod act;
mod args;
mod broker;
mod confirm;
mod connect;
mod consume;
mod deferred;
mod demo;
mod embedded;
mod failure;
mod fault;
mod gateway;
mod groups;
mod http;
mod perf;
mod places;
mod produce;
mod secure;
mod topics;
mod verify;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing::Level;

fn main() -> ExitCode {
    let args = Args::parse();
    start_log(args.global.verbose);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Command::Broker(broker) = &args.command {
        runtime.worker_threads(broker.get().threads());
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("klamm: no runtime: {e}");
            return ExitCode::from(failure::INTERNAL);
        }
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("klamm: {failure}");
            ExitCode::from(failure.status)
        }
    }
}

async fn run(args: Args) -> Result<(), Failure> {
    let global = &args.global;
    match args.command {
        Command::Topics(command) => topics::run(global, command.into_inner()).await,
        Command::Groups(groups) => groups::run(global, groups.into_inner()).await,
        Command::Produce(produce) => produce::run(global, produce.into_inner()).await,
        Command::Consume(consume) => consume::run(global, consume.into_inner()).await,
        Command::Perf(command) => perf::run(global, command.into_inner()).await,
        Command::Broker(broker) => broker::run(global, broker.into_inner()).await,
        Command::Gateway(gateway) => gateway::run(global, gateway.into_inner()).await,
        Command::Demo(demo) => demo::run(global, demo.into_inner()).await,
        Command::Settings => {
            print!("{}", klamm::config::reference());
            Ok(())
        }
    }
}

/// Log lines go to standard error; `RUST_LOG` overrides the switch.
fn start_log(verbose: u8) {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
        return log.with_env_filter(filter).init();
    }
    let levels = [Level::WARN, Level::INFO, Level::DEBUG];
    let level = levels.get(usize::from(verbose)).copied().unwrap_or(Level::TRACE);
    log.with_max_level(level).init();
}
