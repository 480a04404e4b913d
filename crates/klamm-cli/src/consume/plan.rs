//! Which partitions are read, from where and to where: everything is looked up before the first record.

use super::args::Consume;
use super::filter::regexes;
use super::offset::{From, Range, Until};
use crate::failure::{FAILED, Failure, TOPIC};
use klamm::{Admin, Consumer, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is read of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Records before this offset are left out.
    pub(super) from: i64,
    /// Reading ends before this offset.
    pub(super) until: Option<i64>,
    /// The first offset in the log.
    pub(super) log_start: i64,
    /// The offset behind the last record when reading began.
    pub(super) log_end: i64,
}

/// By topic and number.
pub(super) type Places = BTreeMap<Arc<str>, BTreeMap<i32, Place>>;

impl Place {
    /// Where fetching starts: where the log is, although reading may be to begin later.
    pub(super) fn fetch_from(&self) -> i64 {
        self.from.clamp(self.log_start, self.log_end.max(self.log_start))
    }

    pub(super) fn is_ended_at(&self, position: i64) -> bool {
        self.until.is_some_and(|until| position >= until)
    }
}

/// The topics that are named or matched, and how many partitions each has.
pub(super) async fn topics(
    admin: &Admin,
    args: &Consume,
) -> Result<BTreeMap<Arc<str>, i32>, Failure> {
    if args.regex {
        return matching(admin, &args.topics).await;
    }
    let mut topics = BTreeMap::new();
    for (name, described) in admin.describe_topics(args.topics.clone()).await? {
        let described = described.map_err(|error| {
            let failure = Failure::from(error).while_doing(format!("topic {name}"));
            let hint = match failure.status {
                TOPIC => "\n  klamm topics list shows what there is",
                _ => "",
            };
            Failure::new(failure.status, format!("{failure}{hint}"))
        })?;
        topics.insert(name.into(), i32::try_from(described.partitions.len()).unwrap_or(i32::MAX));
    }
    Ok(topics)
}

/// Kafka's own topics are matched by their whole name only.
async fn matching(
    admin: &Admin,
    expressions: &[String],
) -> Result<BTreeMap<Arc<str>, i32>, Failure> {
    let compiled = regexes(expressions)?;
    let listed = admin.list_topics(true).await?;
    let wanted = listed.into_iter().filter(|topic| match topic.is_internal {
        true => expressions.contains(&topic.name),
        false => compiled.iter().any(|e| e.is_match(topic.name.as_bytes())),
    });
    let topics: BTreeMap<Arc<str>, i32> = wanted
        .map(|topic| (topic.name.into(), i32::try_from(topic.partitions).unwrap_or(i32::MAX)))
        .collect();
    if topics.is_empty() {
        let text = format!(
            "no topic matches {}\n  klamm topics list shows what there is",
            expressions.join(" or ")
        );
        return Err(Failure::new(TOPIC, text));
    }
    Ok(topics)
}

/// The partitions of these topics, or those of them that are asked for.
pub(super) fn partitions(
    topics: &BTreeMap<Arc<str>, i32>,
    only: &[i32],
) -> Result<Vec<TopicPartition>, Failure> {
    let mut all = Vec::new();
    for (topic, count) in topics {
        let of = |partition: i32| TopicPartition::new(Arc::clone(topic), partition);
        if only.is_empty() {
            all.extend((0..*count).map(of));
            continue;
        }
        if let Some(wrong) = only.iter().find(|p| !(0..*count).contains(*p)) {
            let text = format!("topic {topic} has {count} partitions, from 0 on, and no {wrong}");
            return Err(Failure::new(TOPIC, text));
        }
        all.extend(only.iter().copied().map(of));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Looks up where `range` begins and ends in each partition. Unless `follow` is set, reading ends at the
/// end there is now.
pub(super) async fn look_up(
    consumer: &Consumer,
    partitions: &[TopicPartition],
    range: Range,
    follow: bool,
) -> Result<Places, Failure> {
    let all = || partitions.iter().cloned();
    let starts = consumer.beginning_offsets(all()).await?;
    let ends = consumer.end_offsets(all()).await?;
    let from = match range.from {
        From::Time(time) => times(consumer, partitions, time).await?,
        _ => BTreeMap::new(),
    };
    let until = match range.until {
        Some(Until::Time(time)) => times(consumer, partitions, time).await?,
        _ => BTreeMap::new(),
    };
    let mut places = Places::new();
    for tp in partitions {
        let (Some(start), Some(end)) = (starts.get(tp), ends.get(tp)) else {
            return Err(Failure::new(FAILED, format!("{tp}: no broker told its offsets")));
        };
        let times = (from.get(tp).copied(), until.get(tp).copied());
        let place = place(range, (*start, *end), times, follow);
        tracing::info!(partition = %tp, from = place.from, until = ?place.until, "will be read");
        places.entry(Arc::clone(&tp.topic)).or_default().insert(tp.partition, place);
    }
    Ok(places)
}

/// The offsets of the first records that are not before `time`, where there are any.
async fn times(
    consumer: &Consumer,
    partitions: &[TopicPartition],
    time: i64,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let wanted = partitions.iter().map(|tp| (tp.clone(), time));
    let found = consumer.offsets_for_times(wanted).await?;
    Ok(found.into_iter().filter_map(|(tp, at)| Some((tp, at?.offset))).collect())
}

/// Where `range` lies in a log from `start` to `end`; `times` are the offsets its times stand for.
fn place(
    range: Range,
    (start, end): (i64, i64),
    times: (Option<i64>, Option<i64>),
    follow: bool,
) -> Place {
    let from = match range.from {
        From::Start(after) => start.saturating_add(after),
        From::End(before) => end.saturating_sub(before).max(start),
        From::At(offset) => offset.max(start),
        From::Time(_) => times.0.unwrap_or(end),
    };
    let until = range.until.map(|until| match until {
        Until::End(before) => end.saturating_sub(before),
        Until::At(offset) => offset,
        Until::Time(_) => times.1.unwrap_or(end),
    });
    let until = if follow { until } else { Some(until.unwrap_or(end).min(end)) };
    Place { from, until, log_start: start, log_end: end }
}

#[cfg(test)]
mod tests {
    use super::{Place, partitions, place};
    use crate::consume::offset::Range;
    use std::collections::BTreeMap;

    /// Of a log from 10 to 50, with offset 30 at the first time asked for and 40 at the second.
    fn placed(text: &str, follow: bool) -> (i64, Option<i64>, i64) {
        let range = Range::parse(text, 0).unwrap();
        let place = place(range, (10, 50), (Some(30), Some(40)), follow);
        (place.from, place.until, place.fetch_from())
    }

    #[test]
    fn ranges_lie_in_the_log() {
        let table = [
            ("start", 10, Some(50), 10),
            ("end", 50, Some(50), 50),
            ("+5", 15, Some(50), 15),
            ("+500", 510, Some(50), 50),
            ("-5", 45, Some(50), 45),
            ("-500", 10, Some(50), 10),
            ("5", 10, Some(50), 10),
            ("20", 20, Some(50), 20),
            ("70", 70, Some(50), 50),
            (":end", 10, Some(50), 10),
            ("20:30", 20, Some(30), 20),
            ("20:70", 20, Some(50), 20),
            ("-10:-5", 40, Some(45), 40),
            ("@1648021901749:1648021901750", 30, Some(40), 30),
        ];
        for (text, from, until, fetch_from) in table {
            assert_eq!(placed(text, false), (from, until, fetch_from), "{text}");
        }
        assert_eq!(placed("start", true), (10, None, 10));
        assert_eq!(placed("70", true), (70, None, 50));
        assert_eq!(placed("20:70", true), (20, Some(70), 20));
        assert_eq!(placed("20:end", true), (20, Some(50), 20));
    }

    #[test]
    fn times_after_the_last_record_are_the_end() {
        let range = Range::parse("@1648021901749:1648021901750", 0).unwrap();
        let place = place(range, (10, 50), (None, None), true);
        assert_eq!((place.from, place.until), (50, Some(50)));
        assert!(place.is_ended_at(50));
    }

    #[test]
    fn an_empty_log_is_at_its_end() {
        let place = place(Range::parse("start", 0).unwrap(), (7, 7), (None, None), false);
        assert_eq!(place, Place { from: 7, until: Some(7), log_start: 7, log_end: 7 });
        assert!(place.is_ended_at(place.fetch_from()));
    }

    #[test]
    fn only_partitions_that_exist() {
        let topics = BTreeMap::from([("a".into(), 3), ("b".into(), 2)]);
        let names = |only: &[i32]| -> Result<Vec<String>, String> {
            let all = partitions(&topics, only).map_err(|e| e.to_string())?;
            Ok(all.iter().map(ToString::to_string).collect())
        };
        assert_eq!(names(&[]).unwrap(), ["a-0", "a-1", "a-2", "b-0", "b-1"]);
        assert_eq!(names(&[1, 0, 1]).unwrap(), ["a-0", "a-1", "b-0", "b-1"]);
        assert!(names(&[2]).unwrap_err().contains("topic b has 2 partitions"));
        assert!(names(&[-1]).is_err());
    }
}
