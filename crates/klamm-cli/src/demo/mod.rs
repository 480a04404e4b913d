//! `klamm demo`: the whole of it in half a minute - a broker, a load, a group whose members come and go, large
//! records, and a verdict on every record.
//!
//! `plan` is what will happen, `stage` where, `group` and `large` are the two parts and `part` what both do; `check` holds
//! every record against the ledger, `sample` and `outcome` are what is known during and after, `view`, `verdict` and
//! `report` show it.

mod args;
mod check;
mod figures;
mod group;
mod handover;
mod large;
mod outcome;
mod part;
mod plan;
mod reader;
mod readings;
mod report;
mod run;
mod sample;
mod stage;
mod verdict;
mod view;

pub(crate) use self::args::DemoArgs;
pub(crate) use self::run::run;
