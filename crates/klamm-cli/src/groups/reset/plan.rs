//! Pure: where a group goes on in a partition.

use crate::groups::place::Place;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Earliest,
    Latest,
    Offset(i64),
    /// So far ahead of what was committed, or behind it.
    ShiftBy(i64),
    /// The first record that is not older, if there is one; else the end.
    Found(Option<i64>),
    /// What was committed; the end if nothing was.
    Current,
}

/// Where the group goes on, and why not where it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) offset: i64,
    pub(super) note: Option<String>,
}

/// Decides; offsets that are not in the log become its begin or its end, as with Kafka's own tool.
///
/// # Errors
/// Why it cannot be decided.
pub(super) fn plan(target: Target, place: &Place) -> Result<Planned, String> {
    let unknown = || "the offsets of its log are not known".to_owned();
    let begin = place.begin.ok_or_else(unknown)?;
    let end = place.end.ok_or_else(unknown)?;
    let exactly = |offset| Ok(Planned { offset, note: None });
    match target {
        Target::Earliest => exactly(begin),
        Target::Latest => exactly(end),
        Target::Offset(offset) => Ok(clamped(offset, begin, end)),
        Target::ShiftBy(by) => {
            let committed = place.committed.ok_or("nothing is committed that could be shifted")?;
            Ok(clamped(committed.saturating_add(by), begin, end))
        }
        Target::Found(Some(offset)) => exactly(offset),
        Target::Found(None) => {
            let note = Some("no record is so young: the end".to_owned());
            Ok(Planned { offset: end, note })
        }
        Target::Current => match place.committed {
            Some(offset) => exactly(offset),
            None => {
                let note = Some("nothing is committed: the end".to_owned());
                Ok(Planned { offset: end, note })
            }
        },
    }
}

fn clamped(offset: i64, begin: i64, end: i64) -> Planned {
    let note = match offset {
        _ if offset < begin => Some(format!("{offset} is before the begin")),
        _ if offset > end => Some(format!("{offset} is behind the end")),
        _ => None,
    };
    // No clamp(): a broker that answers nonsense must not end the program.
    Planned { offset: offset.min(end).max(begin), note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_leads_into_the_log() {
        let place = Place { committed: Some(50), begin: Some(10), end: Some(100) };
        let fresh = Place { committed: None, ..place };
        let table = [
            (Target::Earliest, place, Ok((10, None))),
            (Target::Latest, place, Ok((100, None))),
            (Target::Offset(10), place, Ok((10, None))),
            (Target::Offset(100), place, Ok((100, None))),
            (Target::Offset(9), place, Ok((10, Some("9 is before the begin")))),
            (Target::Offset(101), fresh, Ok((100, Some("101 is behind the end")))),
            (Target::ShiftBy(-5), place, Ok((45, None))),
            (Target::ShiftBy(-41), place, Ok((10, Some("9 is before the begin")))),
            (
                Target::ShiftBy(i64::MAX),
                place,
                Ok((100, Some("9223372036854775807 is behind the end"))),
            ),
            (Target::ShiftBy(1), fresh, Err("nothing is committed that could be shifted")),
            (Target::Found(Some(33)), place, Ok((33, None))),
            (Target::Found(None), place, Ok((100, Some("no record is so young: the end")))),
            (Target::Current, place, Ok((50, None))),
            (Target::Current, fresh, Ok((100, Some("nothing is committed: the end")))),
        ];
        for (target, place, expected) in table {
            let expected = expected
                .map(|(offset, note)| Planned { offset, note: note.map(str::to_owned) })
                .map_err(str::to_owned);
            assert_eq!(plan(target, &place), expected, "{target:?}");
        }
    }

    #[test]
    fn without_the_ends_of_the_log_nothing_is_decided() {
        let place = Place { committed: Some(1), begin: None, end: Some(5) };
        assert!(plan(Target::Current, &place).is_err());
        let absurd = Place { committed: Some(1), begin: Some(9), end: Some(5) };
        assert_eq!(plan(Target::Offset(7), &absurd).unwrap().offset, 9);
    }
}
