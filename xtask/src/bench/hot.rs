//! klamm alone against the sink: what its hot path costs, and whether that stays flat.

use std::process::Command;

use super::clients;
use super::table::{Line, cell, spread};
use crate::failure::Result;
use crate::listening::Listening;
use crate::place::Place;
use crate::process;

const PORT: u16 = 21890;
const RECORDS: f64 = 3_000_000.0;
/// Partitions of the topic: cost per record must not depend on them.
const PARTITIONS: [u16; 3] = [1, 50, 1000];
const ROWS: [&str; 8] = [
    "alone-sticky",
    "alone-keyed",
    "enqueue-sticky",
    "enqueue-keyed",
    "count-sticky",
    "count-keyed",
    "await",
    "closed",
];
/// The rows of the far broker, and how late it answers.
const FAR_ROWS: [&str; 2] = ["count-sticky", "await"];
const FAR_DELAY_MS: &str = "20";

/// One measurement to take.
struct Case {
    partitions: u16,
    delay_ms: &'static str,
    rows: &'static [&'static str],
}

/// Runs every row in turns and prints them.
pub(crate) fn run(place: &Place, rounds: u32, scale: f64) -> Result<()> {
    let klamm = clients::cargo(place, "klamm", "bench-klamm")?;
    let sink = clients::cargo(place, "sink", "bench-sink")?;
    println!("### hot path, 100 B, against the sink\n");
    println!("| row | partitions | answers after ms | CPU ns/record | M records/s | RSS MiB |");
    println!("|---|---|---|---|---|---|");
    let near = PARTITIONS.map(|partitions| Case { partitions, delay_ms: "0", rows: &ROWS });
    let far = Case { partitions: 1, delay_ms: FAR_DELAY_MS, rows: &FAR_ROWS };
    for case in near.iter().chain([&far]) {
        let _sink = start(&sink, case)?;
        let mut results: Vec<Vec<Line>> = case.rows.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (row, lines) in case.rows.iter().zip(&mut results) {
                lines.push(once(&klamm, case, row, scale)?);
            }
        }
        for (row, lines) in case.rows.iter().zip(results) {
            print(case, row, &lines);
        }
    }
    println!("\nEach cell: minimum / **median** / maximum of {rounds} rounds.");
    Ok(())
}

fn start(sink: &std::path::Path, case: &Case) -> Result<Listening> {
    let mut command = Command::new(sink);
    command.args(["--listen", &format!("127.0.0.1:{PORT}")]);
    command.args(["--partitions", &case.partitions.to_string(), "--delay-ms", case.delay_ms]);
    Listening::start(&mut command)
}

fn once(klamm: &std::path::Path, case: &Case, row: &str, scale: f64) -> Result<Line> {
    let records = (RECORDS * scale) as u64;
    let mut command = Command::new(klamm);
    command.args(["hot", "--bootstrap", &format!("127.0.0.1:{PORT}"), "--topic", "hot"]);
    command.args(["--records", &records.max(10_000).to_string(), "--size", "100", "--api", row]);
    command.args(["--partitions", &case.partitions.to_string()]);
    Line::read(&String::from_utf8_lossy(&process::capture(&mut command)?))
}

fn print(case: &Case, row: &str, lines: &[Line]) {
    let figure = |figure: fn(&Line) -> f64, digits| cell(spread(lines, figure), digits);
    println!(
        "| {row} | {} | {} | {} | {} | {} |",
        case.partitions,
        case.delay_ms,
        figure(|l| l.cpu_us_per_rec * 1e3, 0),
        figure(|l| l.rec_per_s / 1e6, 2),
        figure(|l| l.rss_mib, 0)
    );
}
