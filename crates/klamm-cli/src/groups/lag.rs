//! `klamm groups lag`.

use super::Session;
use super::age::{self, Ages};
use super::args::Lag;
use super::progress::{Gathered, PartitionProgress, Progress, gather};
use super::select::{failure, select};
use super::table::{Table, emit, or_dash};
use crate::failure::{Failure, RATE_MISSED};
use crate::groups::reset::moment::parse_duration;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::str::FromStr;
use std::time::Duration;

/// What a group may lag at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Records(i64),
    Age(Duration),
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(records) => Ok(Limit::Records(records)),
            Err(_) => parse_duration(text).map(Limit::Age),
        }
    }
}

pub(super) async fn run(session: &Session, args: &Lag) -> Result<(), Failure> {
    let names = select(&session.admin, &args.groups).await?;
    let mut gathered = gather(&session.admin, names, session.isolation).await?;
    let ages = age::read(&session.client, &gathered, session.isolation).await?;
    // Groups that lag most come first; those that are not known come last.
    gathered.sort_by_key(|(_, progress)| Reverse(progress.as_ref().ok().map(Progress::total_lag)));
    if session.json {
        emit(&format!("{}\n", as_json(&gathered, &ages)))?;
    } else if args.partitions {
        emit(&by_partition(&gathered, &ages))?;
    } else {
        emit(&by_group(&gathered, &ages))?;
    }
    let over = args.fail_over.and_then(|limit| over(limit, &gathered, &ages));
    for (name, progress) in gathered {
        progress.map_err(|error| failure(&name, error))?;
    }
    over.map_or(Ok(()), |why| Err(Failure::new(RATE_MISSED, why)))
}

/// The first group that lags by more than it may.
fn over(limit: Limit, gathered: &Gathered, ages: &Ages) -> Option<String> {
    gathered.iter().find_map(|(name, progress)| {
        let progress = progress.as_ref().ok()?;
        match limit {
            Limit::Records(most) => {
                let lag = progress.total_lag().filter(|lag| *lag > most)?;
                Some(format!("group {name} lags by {lag} records, more than {most}"))
            }
            Limit::Age(most) => {
                let age = ages.oldest(progress).filter(|age| *age > most)?;
                let (age, most) = (short(age), short(most));
                Some(format!("group {name} lags by {age}, more than {most}"))
            }
        }
    })
}

/// The partition with the most unread records.
fn worst(progress: &Progress) -> Option<&PartitionProgress> {
    let lagging = progress.partitions.iter().filter(|p| p.place.lag().is_some_and(|lag| lag > 0));
    lagging.max_by_key(|p| (p.place.lag(), Reverse(&p.tp)))
}

fn by_group(gathered: &Gathered, ages: &Ages) -> String {
    let columns = ["GROUP", "STATE", ">MEMBERS", ">LAG", ">AGE", "WORST PARTITION", "NOTE"];
    let mut table = Table::new(&columns);
    for progress in gathered.iter().filter_map(|(_, progress)| progress.as_ref().ok()) {
        let worst = worst(progress);
        let of_worst = |p: &PartitionProgress| {
            let age = or_dash(ages.of(&p.tp, &p.place).map(short));
            format!("{} ({}, {age})", p.tp, or_dash(p.place.lag()))
        };
        table.row([
            progress.group.group_id.clone(),
            progress.group.state.to_string(),
            progress.group.members.len().to_string(),
            or_dash(progress.total_lag()),
            or_dash(ages.oldest(progress).map(short)),
            or_dash(worst.map(of_worst)),
            note(progress).unwrap_or_default(),
        ]);
    }
    table.text()
}

/// What is unusual about a group: the first thing there is.
fn note(progress: &Progress) -> Option<String> {
    let of_partition =
        progress.partitions.iter().find_map(|p| Some(format!("{}: {}", p.tp, p.note()?)));
    let uncommitted = progress.partitions.iter().filter(|p| p.committed.is_none()).count();
    let all = progress.partitions.len();
    let none = || format!("nothing committed of {uncommitted} of {all} partitions");
    of_partition.or_else(|| (uncommitted > 0).then(none))
}

fn by_partition(gathered: &Gathered, ages: &Ages) -> String {
    let columns = ["GROUP", "TOPIC", ">PARTITION", ">COMMITTED", ">END", ">LAG", ">AGE", "NOTE"];
    let mut table = Table::new(&columns);
    for progress in gathered.iter().filter_map(|(_, progress)| progress.as_ref().ok()) {
        let mut partitions: Vec<_> = progress.partitions.iter().collect();
        partitions.retain(|p| p.place.lag() != Some(0) || p.note().is_some());
        partitions.sort_by_key(|p| (Reverse(p.place.lag()), &p.tp));
        for p in partitions {
            table.row([
                progress.group.group_id.clone(),
                p.tp.topic.to_string(),
                p.tp.partition.to_string(),
                or_dash(p.place.committed),
                or_dash(p.place.end),
                or_dash(p.place.lag()),
                or_dash(ages.of(&p.tp, &p.place).map(short)),
                p.note().unwrap_or_default(),
            ]);
        }
    }
    table.text()
}

fn as_json(gathered: &Gathered, ages: &Ages) -> Value {
    let known = gathered.iter().filter_map(|(_, progress)| progress.as_ref().ok());
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs_f64());
    let partition = |p: &PartitionProgress| {
        json!({
            "topic": &*p.tp.topic,
            "partition": p.tp.partition,
            "committed": p.place.committed,
            "log_start": p.place.begin,
            "end": p.place.end,
            "lag": p.place.lag(),
            "lag_seconds": seconds(ages.of(&p.tp, &p.place)),
            "note": p.note(),
        })
    };
    let group = |progress: &Progress| {
        let worst = worst(progress).map(partition);
        let partitions: Vec<Value> = progress.partitions.iter().map(partition).collect();
        json!({
            "group": progress.group.group_id,
            "state": progress.group.state.name(),
            "members": progress.group.members.len(),
            "lag": progress.total_lag(),
            "lag_seconds": seconds(ages.oldest(progress)),
            "worst": worst,
            "partitions": partitions,
        })
    };
    known.map(group).collect()
}

/// A time in at most two units: `0s`, `250ms`, `12.3s`, `5m03s`, `7h05m`, `3d04h`.
fn short(age: Duration) -> String {
    let (millis, seconds) = (age.as_millis(), age.as_secs());
    match seconds {
        0 if millis == 0 => "0s".to_owned(),
        0 => format!("{millis}ms"),
        1..60 => format!("{}.{}s", seconds, age.subsec_millis() / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, short};
    use std::time::Duration;

    #[test]
    fn ages_are_short() {
        let table = [
            (0, "0s"),
            (1, "1ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (59_999, "59.9s"),
            (60_000, "1m00s"),
            (3_599_999, "59m59s"),
            (3_600_000, "1h00m"),
            (86_399_999, "23h59m"),
            (86_400_000 * 3 + 3_600_000 * 4, "3d04h"),
        ];
        for (ms, expected) in table {
            assert_eq!(short(Duration::from_millis(ms)), expected);
        }
    }

    #[test]
    fn a_limit_is_a_number_or_a_time() {
        assert_eq!("10000".parse(), Ok(Limit::Records(10_000)));
        assert_eq!("5m".parse(), Ok(Limit::Age(Duration::from_secs(300))));
        assert_eq!("PT1H".parse(), Ok(Limit::Age(Duration::from_secs(3_600))));
        assert!("many".parse::<Limit>().is_err());
    }
}
