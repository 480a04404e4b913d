//! `cargo xtask interop matrix`: every client in every way it can use a broker, on a real Kafka and on klamm's.
//!
//! `clients` are the programs under `interop/` and how each is built, `kcat` and `kcat_members` the one without a program, `columns` the
//! brokers, `cell` one client in one scenario on one broker, `bounded` a process with an end, `table` what is
//! printed, and `known` the cells that are known to fail.

mod bounded;
mod cell;
pub(super) mod clients;
mod columns;
mod kcat;
mod kcat_members;
mod known;
mod table;

pub(crate) use self::bounded::Held;
pub(super) use self::bounded::output;

use std::path::{Path, PathBuf};

use self::cell::{Cell, Outcome};
use self::clients::Built;
pub(super) use self::columns::{Column, SASL_USER};
pub(super) use self::known::Known;
use self::table::Row;
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask interop matrix [--bootstrap HOST:PORT] [--also HOST:PORT | --kafka-only] [--program KLAMM]
                           [--clients kcat,confluent-kafka,…] [--scenarios codecs,group,…]
     clients in other languages produce, consume, join groups, commit transactions and administrate, on a real
     Kafka (started here, or the one at --bootstrap) and on `klamm broker` (started here, or what is at --also).
     Prints a row for each client and scenario; fails when klamm does not do what Kafka does, except for what
     interop/known.txt names. A Kafka at --bootstrap has to make topics on first use, which kcat relies on
cargo xtask interop matrix --quick [--program KLAMM]
     three clients that are soon built, on `klamm broker` alone; what every test runs
";

/// The clients of `--quick`: librdkafka, old and new, and franz-go, which between them use all there is.
const QUICK: &str = "kcat,confluent-kafka,franz-go";

/// What a client can be asked to do; each program prints one line for each.
const SCENARIOS: [&str; 10] = [
    "codecs",
    "idempotent",
    "group",
    "static",
    "cooperative",
    "consumer-protocol",
    "transactions",
    "admin",
    "timestamps",
    "share",
];

/// Runs `cargo xtask interop matrix` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let names = ["bootstrap", "also", "program", "clients", "scenarios"];
    let flags = Flags::parse(args, &names, &["help", "kafka-only", "quick"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let scenarios = scenarios(flags.value("scenarios"))?;
    let program = || match flags.value("program") {
        Some(program) => Ok(PathBuf::from(program)),
        None => super::build(place),
    };
    if flags.has("quick") {
        return verdict(&quick(place, &program()?)?);
    }
    let mut columns = vec![match flags.value("bootstrap") {
        Some(bootstrap) => Column::at("kafka", bootstrap),
        None => Column::kafka(place)?,
    }];
    match flags.value("also") {
        Some(bootstrap) => columns.push(Column::at("klamm", bootstrap)),
        None if flags.has("kafka-only") => {}
        None => columns.push(Column::klamm(&program()?)?),
    }
    verdict(&table(place, flags.value("clients"), &scenarios, &columns)?)
}

fn verdict(counts: &Counts) -> Result<()> {
    match counts.failed {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} things are wrong, see above"))),
    }
}

/// The short form: three clients in every scenario, on `klamm broker` alone, for Kafka does not change from one commit to
/// the next.
pub(crate) fn quick(place: &Place, klamm: &Path) -> Result<Counts> {
    table(place, Some(QUICK), &SCENARIOS, &[Column::klamm(klamm)?])
}

/// Fills the table and prints it; a row passes when klamm does what Kafka does.
fn table(
    place: &Place,
    clients: Option<&str>,
    scenarios: &[&'static str],
    columns: &[Column],
) -> Result<Counts> {
    let (built, missing) = clients::build(place, &clients::chosen(clients)?);
    let rows = fill(place, &built, scenarios, columns)?;
    print!("{}", table::text(columns, &rows));
    let mut wrong: Vec<String> = missing
        .iter()
        .map(|(client, failure)| format!("{client} could not be built: {failure}"))
        .collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    wrong.extend(Known::read(place)?.judge(&names, &rows));
    wrong.iter().for_each(|line| println!("{line}"));
    let (failed, passed) = (wrong.len(), rows.len().saturating_sub(wrong.len()));
    Ok(Counts { passed, failed, details: wrong, ..Counts::default() })
}

fn scenarios(list: Option<&str>) -> Result<Vec<&'static str>> {
    let Some(list) = list else { return Ok(SCENARIOS.to_vec()) };
    let find = |name: &str| SCENARIOS.iter().find(|known| **known == name).copied();
    let unknown = |name: &str| {
        Failure::new(format!("no scenario {name:?}; there are: {}", SCENARIOS.join(", ")))
    };
    list.split(',').map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

/// Runs every cell; the brokers are asked at the same time, clients and scenarios one after the other.
fn fill(
    place: &Place,
    clients: &[Built],
    scenarios: &[&'static str],
    columns: &[Column],
) -> Result<Vec<Row>> {
    let logs = place.dir("interop/logs")?;
    let mut rows = Vec::new();
    for client in clients {
        for &scenario in scenarios {
            let cell = |column| Cell { client, scenario, column, logs: &logs };
            let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
                let runs: Vec<_> =
                    columns.iter().map(|column| scope.spawn(move || cell(column).run())).collect();
                let ended = |run: std::thread::ScopedJoinHandle<'_, Outcome>| {
                    run.join().unwrap_or_else(|_| Outcome::Failed("the runner panicked".into()))
                };
                runs.into_iter().map(ended).collect()
            });
            let row = Row { client: client.name(), scenario, outcomes };
            eprintln!("{}", row.line());
            rows.push(row);
        }
    }
    Ok(rows)
}
