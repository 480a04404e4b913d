//! Where a reader begins: what it asks for, against what there is.

use super::asked::{Asked, From};
use super::cursor::{Cursor, PARTITIONS_MAX};
use super::not_read::NotRead;
use klamm::admin::{OffsetSpec, PartitionOffsets};
use klamm::consumer::OffsetAndTimestamp;
use klamm::{AdminError, Client, ErrorCode, ErrorKind, IsolationLevel, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Where a reader begins, and where the topic ended at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) cursor: Cursor,
    pub(super) ends: BTreeMap<i32, i64>,
}

/// Finds out where to begin.
pub(super) async fn begin(client: &Client, topic: &str, asked: &Asked) -> Result<Begin, NotRead> {
    let there = partitions(client, topic).await?;
    let wanted = wanted(asked, &there)?;
    let offsets = |spec| offsets(client, topic, &wanted, spec);
    let (firsts, ends) =
        tokio::try_join!(offsets(OffsetSpec::Earliest), offsets(OffsetSpec::Latest))?;
    let at = |partition| ends.get(partition).copied().unwrap_or_default();
    let ends: BTreeMap<i32, i64> = wanted.iter().map(|p| (*p, at(p).unwrap_or_default())).collect();
    let first = |partition: &i32| firsts.get(partition).copied().flatten().unwrap_or_default();
    let earliest = || wanted.iter().map(|p| (*p, first(p))).collect::<BTreeMap<_, _>>();
    let whole = match &asked.from {
        From::Cursor(cursor) if asked.partitions.is_none() => cursor.whole(),
        _ => asked.partitions.is_none(),
    };
    let starts = match &asked.from {
        From::Earliest => earliest(),
        From::Latest => ends.clone(),
        From::Time(time) => {
            let found = offsets(OffsetSpec::Timestamp(*time)).await?;
            let start =
                |(p, end): (&i32, &i64)| (*p, found.get(p).copied().flatten().unwrap_or(*end));
            ends.iter().map(start).collect()
        }
        From::Cursor(cursor) => {
            let mut starts = BTreeMap::new();
            for (partition, end) in &ends {
                let (first, offset) = (first(partition), cursor.offsets().get(partition).copied());
                // A partition that the cursor does not name has come since: all of it is new.
                let offset = offset.unwrap_or(first);
                if !(first..=*end).contains(&offset) {
                    let earliest = Cursor::new(whole, earliest()).encode(topic);
                    return Err(NotRead::Gone { partition: *partition, offset, earliest });
                }
                starts.insert(*partition, offset);
            }
            starts
        }
    };
    Ok(Begin { cursor: Cursor::new(whole, starts), ends })
}

/// A cursor at the first records that there are, of the partitions of another one.
pub(super) async fn earliest(
    client: &Client,
    topic: &str,
    cursor: &Cursor,
) -> Result<Cursor, NotRead> {
    let partitions = (!cursor.whole()).then(|| cursor.offsets().keys().copied().collect());
    let how = super::asked::How::Stream;
    let asked = Asked { from: From::Earliest, partitions, key: None, how };
    Ok(begin(client, topic, &asked).await?.cursor)
}

/// The partitions of a topic.
pub(super) async fn partitions(client: &Client, topic: &str) -> Result<BTreeSet<i32>, NotRead> {
    let described = client.admin().describe_topics(vec![topic.to_owned()]).await;
    let described = described.map_err(|error| not_read(&error))?;
    let Some((_, described)) = described.into_iter().next() else { return Err(NotRead::NoTopic) };
    let described = described.map_err(|error| not_read(&error))?;
    if described.summary.is_internal {
        return Err(NotRead::Forbidden("Kafka keeps this topic for itself"));
    }
    Ok(described.partitions.iter().map(|partition| partition.partition).collect())
}

/// The partitions that are to be read.
fn wanted(asked: &Asked, there: &BTreeSet<i32>) -> Result<BTreeSet<i32>, NotRead> {
    let wanted = match (&asked.partitions, &asked.from) {
        (Some(named), From::Cursor(cursor)) => {
            let known = |partition: &&i32| cursor.offsets().contains_key(partition);
            if let Some(unknown) = named.iter().find(|p| !cursor.whole() && !known(p)) {
                return Err(NotRead::NotInCursor(*unknown));
            }
            named.clone()
        }
        (None, From::Cursor(cursor)) if !cursor.whole() => {
            cursor.offsets().keys().copied().collect()
        }
        (Some(named), _) => named.clone(),
        (None, _) => there.clone(),
    };
    if let Some(missing) = wanted.iter().find(|partition| !there.contains(partition)) {
        return Err(NotRead::NoPartition(*missing));
    }
    if wanted.len() > PARTITIONS_MAX {
        return Err(NotRead::TooMany);
    }
    Ok(wanted)
}

async fn offsets(
    client: &Client,
    topic: &str,
    partitions: &BTreeSet<i32>,
    spec: OffsetSpec,
) -> Result<BTreeMap<i32, Option<i64>>, NotRead> {
    let wanted = partitions.iter().map(|partition| (TopicPartition::new(topic, *partition), spec));
    let found = client.admin().list_offsets(wanted, IsolationLevel::ReadCommitted).await;
    let found: PartitionOffsets = found.map_err(|error| not_read(&error))?;
    let offset = |(tp, at): (TopicPartition, Result<Option<OffsetAndTimestamp>, _>)| {
        let at = at.map_err(|error| not_read(&error))?;
        Ok((tp.partition, at.map(|at| at.offset)))
    };
    found.into_iter().map(offset).collect()
}

fn not_read(error: &AdminError) -> NotRead {
    match (error.code(), error.kind()) {
        (Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::INVALID_TOPIC_EXCEPTION), _) => {
            NotRead::NoTopic
        }
        (_, ErrorKind::Unauthorized) => {
            NotRead::Forbidden("Kafka does not let the gateway read this topic")
        }
        _ => NotRead::Away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::How;
    use super::*;

    #[test]
    fn partitions_are_those_of_the_request_else_of_the_cursor_else_all() {
        let cursor = |whole| From::Cursor(Cursor::new(whole, [(1, 5), (2, 5)].into()));
        type Row<'a> = (From, Option<&'a [i32]>, Result<&'a [i32], NotRead>);
        let table: [Row<'_>; 8] = [
            (From::Latest, None, Ok(&[0, 1, 2])),
            (From::Latest, Some(&[2]), Ok(&[2])),
            (From::Latest, Some(&[3]), Err(NotRead::NoPartition(3))),
            (cursor(true), None, Ok(&[0, 1, 2])),
            (cursor(true), Some(&[0]), Ok(&[0])),
            (cursor(false), None, Ok(&[1, 2])),
            (cursor(false), Some(&[1]), Ok(&[1])),
            (cursor(false), Some(&[0, 1]), Err(NotRead::NotInCursor(0))),
        ];
        for (from, named, expected) in table {
            let partitions = named.map(|named| named.iter().copied().collect());
            let asked = Asked { from, partitions, key: None, how: How::Stream };
            let expected = expected.map(|all| all.iter().copied().collect());
            assert_eq!(wanted(&asked, &[0, 1, 2].into()), expected, "{asked:?}");
        }
        let all = Asked { from: From::Latest, partitions: None, key: None, how: How::Stream };
        assert_eq!(wanted(&all, &(0..513).collect()), Err(NotRead::TooMany));
    }
}
