//! What is asked of the brokers, and which figures of it are shown.

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// Who puts the load on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Nobody: starting is the case.
    None,
    /// `bench/broker-load`, with this case of its own.
    Go(&'static str),
    /// `bench/broker-confluent`.
    Confluent,
}

/// What one run came to. Figures that a case does not have are 0.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) secs: f64,
    pub(crate) client_cpu_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
    /// CPU of the broker over the section.
    pub(crate) server_cpu_s: f64,
    /// The part of it in the kernel: sockets, files, and pages used for the first time.
    pub(crate) server_kernel_s: f64,
    /// Memory of the broker when the section begins.
    pub(crate) resident_mib: f64,
    /// The most it has in the section.
    pub(crate) peak_mib: f64,
    /// From the start of the process until a connection is accepted.
    pub(crate) start_ms: f64,
}

/// A figure and how it is shown.
pub(crate) struct Column {
    pub(crate) head: &'static str,
    pub(crate) digits: usize,
    pub(crate) figure: fn(&Outcome) -> f64,
}

/// One comparison.
pub(crate) struct Case {
    /// What `--cases` calls it.
    pub(crate) name: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    pub(crate) load: Load,
    /// Whether client and broker are kept on one processor.
    pub(crate) together: bool,
    /// Options that are the same at every scale.
    fixed: &'static [(&'static str, &'static str)],
    /// The option that a scale shortens, with its full value.
    scaled: (&'static str, u64),
    pub(crate) columns: &'static [Column],
}

const P50_US: Column = Column { head: "p50 us", digits: 1, figure: |o| o.p50_us };
const P99_US: Column = Column { head: "p99 us", digits: 1, figure: |o| o.p99_us };
const P50_MS: Column = Column { head: "p50 ms", digits: 2, figure: |o| o.p50_us / 1e3 };
const P99_MS: Column = Column { head: "p99 ms", digits: 2, figure: |o| o.p99_us / 1e3 };
const WALL: Column = Column { head: "wall s", digits: 2, figure: |o| o.secs };
const CLIENT: Column = Column { head: "client CPU s", digits: 2, figure: |o| o.client_cpu_s };
const SERVER: Column = Column { head: "broker CPU s", digits: 2, figure: |o| o.server_cpu_s };
const RATE: Column =
    Column { head: "MB/s", digits: 0, figure: |o| ratio(o.bytes as f64 / 1e6, o.secs) };
const PER_REQUEST: Column = Column {
    head: "broker CPU us/request",
    digits: 1,
    figure: |o| ratio(o.server_cpu_s * 1e6, o.requests as f64),
};
const PER_GB: Column = Column {
    head: "broker CPU s/GB",
    digits: 2,
    figure: |o| ratio(o.server_cpu_s * 1e9, o.bytes as f64),
};
const KERNEL_PER_GB: Column = Column {
    head: "of it in the kernel",
    digits: 2,
    figure: |o| ratio(o.server_kernel_s * 1e9, o.bytes as f64),
};
const OF_A_CORE: Column = Column {
    head: "broker % of a core",
    digits: 1,
    figure: |o| ratio(o.server_cpu_s * 100.0, o.secs),
};
const BEFORE: Column = Column { head: "RSS before MiB", digits: 0, figure: |o| o.resident_mib };
const PEAK: Column = Column { head: "peak RSS MiB", digits: 0, figure: |o| o.peak_mib };
const START: Column = Column { head: "first accept ms", digits: 1, figure: |o| o.start_ms };
const IDLE: Column = Column { head: "idle RSS MiB", digits: 1, figure: |o| o.resident_mib };

const BASE: Case = Case {
    name: "",
    title: "",
    load: Load::None,
    together: false,
    fixed: &[],
    scaled: ("", 0),
    columns: &[],
};

const SYNC: Case = Case {
    name: "sync",
    title: "one record of 100 B in a request, one request at a time, no client library",
    load: Load::Go("sync"),
    fixed: &[("--size", "100")],
    scaled: ("--records", 50_000),
    columns: &[P50_US, P99_US, PER_REQUEST, PEAK],
    ..BASE
};

const CASES: [Case; 9] = [
    Case {
        name: "start",
        title: "start of the process to the first accepted connection; memory a second later",
        columns: &[START, IDLE],
        ..BASE
    },
    SYNC,
    Case {
        name: "sync-one",
        title: "the same with client and broker on one processor: nobody waits until another one has woken up",
        together: true,
        ..SYNC
    },
    Case {
        name: "sync-client",
        title: "one record of 100 B in a request, one request at a time, through franz-go",
        load: Load::Go("sync-client"),
        scaled: ("--records", 30_000),
        ..SYNC
    },
    Case {
        name: "ingest",
        title: "1 GB in, batches of 1 MiB with records of 1 KiB, five requests in flight, no client library",
        load: Load::Go("ingest"),
        fixed: &[("--size", "1024")],
        scaled: ("--bytes", 1_000_000_000),
        columns: &[RATE, PER_GB, KERNEL_PER_GB, BEFORE, PEAK],
        ..BASE
    },
    Case {
        name: "ingest-on",
        title: "the same after 1.1 GB: memory that a broker has used before is not taken from the system again",
        load: Load::Go("ingest"),
        fixed: &[("--size", "1024"), ("--before", "1100000000")],
        scaled: ("--bytes", 1_000_000_000),
        columns: &[RATE, PER_GB, KERNEL_PER_GB, BEFORE, PEAK],
        ..BASE
    },
    Case {
        name: "fanout",
        title: "200 KB at 30/s from one franz-go producer to five franz-go consumers, send to poll",
        load: Load::Go("fanout"),
        fixed: &[("--size", "200000"), ("--rate", "30"), ("--consumers", "5")],
        scaled: ("--records", 600),
        columns: &[P50_MS, P99_MS, OF_A_CORE, PEAK],
        ..BASE
    },
    Case {
        name: "confluent",
        title: "3,000 x 200 KB by confluent-kafka",
        load: Load::Confluent,
        fixed: &[("--size", "200000")],
        scaled: ("--records", 3000),
        columns: &[WALL, CLIENT, SERVER, PER_GB, KERNEL_PER_GB, PEAK],
        ..BASE
    },
    Case {
        name: "replay",
        title: "1 GB of 200 KB records read from its beginning by each of five franz-go consumers at once; 5 GB go out",
        load: Load::Go("replay"),
        fixed: &[("--size", "200000"), ("--consumers", "5")],
        scaled: ("--bytes", 1_000_000_000),
        columns: &[RATE, SERVER, PER_GB, KERNEL_PER_GB, BEFORE, PEAK],
        ..BASE
    },
];

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Case {
    /// Adds what this case asks for, `scale` times as much as usual.
    pub(crate) fn ask(&self, command: &mut Command, scale: f64) {
        for (name, value) in self.fixed {
            command.args([name, value]);
        }
        let (name, full) = self.scaled;
        let value = ((full as f64 * scale) as u64).max(10);
        command.args([name, &value.to_string()]);
    }
}

impl Outcome {
    /// Reads what a load program printed for `case`.
    pub(crate) fn read(case: &Case, line: &str) -> Result<Self> {
        let outcome: Self = serde_json::from_str(line)
            .map_err(|error| Failure::new(format!("{error} in {:?}", line.trim())))?;
        // A program that prints `{}` has measured nothing.
        if outcome.requests == 0 || outcome.secs <= 0.0 {
            return Err(Failure::new(format!("{} has no result: {:?}", case.name, line.trim())));
        }
        Ok(outcome)
    }
}

/// The cases named in `list`, or all.
pub(crate) fn chosen(list: Option<&str>) -> Result<Vec<&'static Case>> {
    let Some(list) = list else { return Ok(CASES.iter().collect()) };
    list.split(',')
        .map(|name| {
            CASES.iter().find(|case| case.name == name).ok_or_else(|| {
                let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
                Failure::new(format!("no case {name:?}; there are: {}", names.join(", ")))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{CASES, Load, Outcome, PER_GB, PER_REQUEST, RATE, chosen};
    use std::process::Command;

    #[test]
    fn cases_are_chosen_by_name() {
        let names: Vec<&str> =
            chosen(Some("replay,sync")).unwrap().iter().map(|case| case.name).collect();
        assert_eq!(names, ["replay", "sync"]);
        assert_eq!(chosen(None).unwrap().len(), CASES.len());
        let Err(failure) = chosen(Some("rpelay")) else { panic!("taken") };
        assert!(failure.to_string().contains("sync-client"), "{failure}");
    }

    #[test]
    fn a_scale_changes_how_much_and_not_what() {
        let case = chosen(Some("fanout")).unwrap()[0];
        let mut command = Command::new("load");
        case.ask(&mut command, 0.5);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(
            words.join(" "),
            "--size 200000 --rate 30 --consumers 5 --records 300",
            "{:?}",
            case.load
        );
        assert_ne!(case.load, Load::None);
    }

    #[test]
    fn figures_are_of_the_broker_and_have_the_units_of_their_heads() {
        let case = chosen(Some("ingest")).unwrap()[0];
        let line =
            r#"{"case":"ingest","requests":1000,"bytes":500000000,"secs":2.0,"client_cpu_s":0.5}"#;
        let outcome = Outcome { server_cpu_s: 0.25, ..Outcome::read(case, line).unwrap() };
        assert_eq!((RATE.figure)(&outcome), 250.0);
        assert_eq!((PER_GB.figure)(&outcome), 0.5);
        assert_eq!((PER_REQUEST.figure)(&outcome), 250.0);
        assert_eq!((PER_GB.figure)(&Outcome::default()), 0.0);
    }

    #[test]
    fn a_line_without_a_measurement_is_no_result() {
        let case = chosen(Some("sync")).unwrap()[0];
        for line in ["", "{}", "panic: x", r#"{"requests":0,"secs":1.0}"#, r#"{"requests":5}"#] {
            assert!(Outcome::read(case, line).is_err(), "{line}");
        }
    }
}
