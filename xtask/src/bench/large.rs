//! `cargo xtask bench large`: messages of hundreds of kilobytes, klamm beside the clients of Python and Go.
//!
//! Two runs: three thousand records of 200 KB as fast as they go, and one producer with five consumers (see `large_fanout`).

use super::clients::{self, Built};
use super::large_fanout;
use super::rounds::{self, Kept, in_turns};
use super::stage::Stage;
use super::table::{Line, Table};
use super::workloads::{FANOUT, LARGE, Workload};
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::place::Place;

/// The client whose figures have bars.
const OURS: &str = "klamm";

/// What a figure of ours may be at most.
struct Bar {
    name: &'static str,
    figure: fn(&Line) -> f64,
    most: f64,
}

const LARGE_BARS: [Bar; 2] = [
    Bar { name: "wall s", figure: |line| line.secs, most: 1.0 },
    Bar { name: "CPU s", figure: |line| line.cpu_s, most: 0.25 },
];

/// Runs the comparison that `flags` describe.
pub(crate) fn run(place: &Place, flags: &Flags, rounds: u32, scale: f64) -> Result<()> {
    let workloads = chosen(flags.value("workloads"))?;
    let named = flags.value("clients").or(flags.value("peers"));
    let clients = clients::build(place, &clients::with_large(named)?, true)?;
    let stage = Stage::set(place, flags)?;
    let broker = &stage.broker;
    let mut kept = Kept::new(place)?;
    for workload in workloads {
        let run = |client: &Built, api: &str| match workload.name == FANOUT.name {
            true => large_fanout::once(place, broker, workload, client, scale),
            false => rounds::once(place, broker, workload, client, api, scale),
        };
        // The broker's compiler must be done before anything counts.
        eprintln!("warming up with {}", workload.title);
        if let Err(failure) = run(&clients[0], "default") {
            eprintln!("warming up: {failure}");
        }
        let table = in_turns(workload, &clients, rounds, &mut kept, run)?;
        println!("{table}\nOn {}.", stage.name);
        if workload.name == LARGE.name && (scale - 1.0).abs() < f64::EPSILON {
            println!("{}", verdict(&table, &LARGE_BARS));
        }
        println!();
    }
    Ok(())
}

fn chosen(list: Option<&str>) -> Result<Vec<&'static Workload>> {
    const ALL: [&Workload; 2] = [&LARGE, &FANOUT];
    let Some(list) = list else { return Ok(ALL.to_vec()) };
    let named = |name| ALL.into_iter().find(|workload| workload.name == name);
    list.split(',')
        .map(|name| {
            let names = ALL.map(|workload| workload.name).join(", ");
            named(name).ok_or_else(|| Failure::new(format!("no {name:?}; there are: {names}")))
        })
        .collect()
}

/// Whether our medians are within their bars, in words.
fn verdict(table: &Table, bars: &[Bar]) -> String {
    let told = bars.iter().map(|bar| match table.median(OURS, bar.figure) {
        None => format!("{} unknown", bar.name),
        Some(median) => {
            let word = if median <= bar.most { "within" } else { "ABOVE" };
            format!("{} {median:.2} {word} {:.2}", bar.name, bar.most)
        }
    });
    format!("The bars of {OURS}: {}.", told.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::{LARGE, LARGE_BARS, Line, Table, chosen, verdict};

    fn line(secs: f64, cpu_s: f64) -> Line {
        Line::read(&format!(
            r#"{{"client":"klamm","version":"1","api":"default","rec_per_s":1,"mb_per_s":1,"cpu_us_per_rec":1,"rss_mib":1,"secs":{secs},"cpu_s":{cpu_s}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_median_above_its_bar_is_told() {
        let mut table = Table::new(&LARGE);
        assert!(verdict(&table, &LARGE_BARS).contains("wall s unknown"));
        for cpu in [0.2, 0.9, 0.3] {
            table.add(line(0.8, cpu));
        }
        let told = verdict(&table, &LARGE_BARS);
        assert!(told.contains("wall s 0.80 within 1.00, CPU s 0.30 ABOVE 0.25"), "{told}");
    }

    #[test]
    fn runs_are_chosen_by_name() {
        assert_eq!(chosen(None).unwrap().len(), 2);
        assert_eq!(chosen(Some("1-to-5")).unwrap()[0].name, "1-to-5");
        assert!(chosen(Some("a")).unwrap_err().to_string().contains("3000x200k"));
    }
}
