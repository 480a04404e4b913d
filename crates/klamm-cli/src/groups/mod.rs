//! `klamm groups`: who reads what, how far they are, and where they go on.

mod age;
mod args;
mod delete;
mod describe;
mod lag;
mod list;
mod members;
mod place;
mod progress;
mod reset;
mod scope;
mod select;
mod table;

pub(crate) use self::args::GroupsArgs;

use self::args::Groups;
use crate::args::{Global, Output};
use crate::connect::{connect, settings};
use crate::failure::Failure;
use klamm::{Admin, Client, IsolationLevel};

/// What every command here works with.
#[derive(Debug)]
struct Session {
    client: Client,
    admin: Admin,
    /// Which end of a log counts.
    isolation: IsolationLevel,
    json: bool,
    verbose: bool,
}

pub(crate) async fn run(global: &Global, args: GroupsArgs) -> Result<(), Failure> {
    let (config, _) = settings(global, &[])?;
    let client = connect(config).await?;
    let session = Session {
        admin: client.admin(),
        client,
        isolation: args.isolation.into(),
        json: global.output == Output::Json,
        verbose: global.verbose > 0,
    };
    match args.command {
        Groups::List(args) => list::run(&session, &args).await,
        Groups::Describe(which) => describe::run(&session, &which).await,
        Groups::Lag(args) => lag::run(&session, &args).await,
        Groups::Members(which) => members::run(&session, &which).await,
        Groups::Reset(args) => reset::run(&session, &args).await,
        Groups::Delete(args) => delete::run(&session, &args).await,
    }
}
