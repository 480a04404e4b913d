//! Pure: what the rules that strike a request amount to.

use super::rule::Action;
use super::rules::Fired;
use klamm_protocol::error_code::ErrorCode;

/// A code for part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicFault {
    /// `None`: of any topic.
    pub(crate) topic: Option<String>,
    /// `None`: every partition.
    pub(crate) partition: Option<i32>,
    pub(crate) code: ErrorCode,
}

impl TopicFault {
    fn is_for(&self, topic: &str, partition: Option<i32>) -> bool {
        self.topic.as_deref().is_none_or(|own| own == topic)
            && (self.partition.is_none() || self.partition == partition)
    }
}

/// The code that the first fault for this topic and partition names.
pub(crate) fn code_for(
    faults: &[TopicFault],
    topic: &str,
    partition: Option<i32>,
) -> Option<ErrorCode> {
    faults.iter().find(|fault| fault.is_for(topic, partition)).map(|fault| fault.code)
}

/// Whether what is asked is done, and what is answered instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Course {
    /// Done and answered.
    #[default]
    Usual,
    /// Not done.
    Refuse(ErrorCode),
    /// Done, and answered with a code all the same.
    ApplyThenError(ErrorCode),
    /// Not done, never answered.
    NoAnswer,
    /// Not done; the connection ends.
    Disconnect,
    /// Done; the connection ends.
    ApplyThenDisconnect,
}

/// Records of an answer that are to be damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Corruption {
    /// The rule that wants it.
    pub(crate) id: u64,
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
}

/// All that is to happen to a request; where rules contradict each other, the oldest wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Verdict {
    /// Rules that struck.
    pub(crate) ids: Vec<u64>,
    pub(crate) course: Course,
    /// Codes for parts of the request.
    pub(crate) by_topic: Vec<TopicFault>,
    /// The sum of all delays.
    pub(crate) delay_ms: i64,
    /// Rules that hold the answer back, and how often each had been released by then.
    pub(crate) holds: Vec<(u64, u64)>,
    pub(crate) cut_after: Option<usize>,
    pub(crate) corrupt: Vec<Corruption>,
    pub(crate) throttle_ms: Option<i32>,
}

impl Verdict {
    /// `by_topic`: whether the API answers for each topic or partition, so that an error may be for some of them.
    pub(crate) fn new(fired: Vec<Fired>, by_topic: bool) -> Self {
        let mut verdict = Self::default();
        for fired in fired {
            verdict.ids.push(fired.id);
            verdict.add(fired, by_topic);
        }
        verdict
    }

    fn add(&mut self, fired: Fired, by_topic: bool) {
        let Fired { id, topic, partition, releases, action } = fired;
        match action {
            Action::Error(code) if by_topic && (topic.is_some() || partition.is_some()) => {
                self.by_topic.push(TopicFault { topic, partition, code });
            }
            Action::Error(code) => self.take(Course::Refuse(code)),
            Action::ApplyThenError(code) => self.take(Course::ApplyThenError(code)),
            Action::NoAnswer => self.take(Course::NoAnswer),
            Action::Disconnect => self.take(Course::Disconnect),
            Action::ApplyThenDisconnect => self.take(Course::ApplyThenDisconnect),
            Action::DelayMs(ms) => self.delay_ms += i64::from(ms),
            Action::Hold => self.holds.push((id, releases)),
            Action::CutAfterBytes(bytes) => {
                self.cut_after.get_or_insert(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            Action::Corrupt => self.corrupt.push(Corruption { id, topic, partition }),
            Action::ThrottleMs(ms) => {
                self.throttle_ms.get_or_insert(ms);
            }
        }
    }

    fn take(&mut self, course: Course) {
        if self.course == Course::Usual {
            self.course = course;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(id: u64, action: Action) -> Fired {
        Fired { id, topic: None, partition: None, releases: 2, action }
    }

    #[test]
    fn delays_add_up_and_the_oldest_contradiction_wins() {
        let verdict = Verdict::new(
            vec![
                fired(1, Action::DelayMs(10)),
                fired(2, Action::Error(ErrorCode::REQUEST_TIMED_OUT)),
                fired(3, Action::Disconnect),
                fired(4, Action::DelayMs(5)),
                fired(5, Action::Hold),
                fired(6, Action::CutAfterBytes(7)),
                fired(7, Action::CutAfterBytes(8)),
                fired(8, Action::ThrottleMs(3)),
            ],
            true,
        );
        let expected = Verdict {
            ids: (1..=8).collect(),
            course: Course::Refuse(ErrorCode::REQUEST_TIMED_OUT),
            delay_ms: 15,
            holds: vec![(5, 2)],
            cut_after: Some(7),
            throttle_ms: Some(3),
            ..Verdict::default()
        };
        assert_eq!(verdict, expected);
    }

    #[test]
    fn errors_are_for_what_the_rule_names_where_the_api_answers_so() {
        let code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        let fault = Fired {
            topic: Some("t".to_owned()),
            partition: Some(1),
            ..fired(1, Action::Error(code))
        };
        let part = Verdict::new(vec![fault.clone()], true);
        assert_eq!(part.course, Course::Usual);
        assert_eq!(code_for(&part.by_topic, "t", Some(1)), Some(code));
        for (topic, partition) in [("t", Some(0)), ("u", Some(1)), ("t", None)] {
            assert_eq!(code_for(&part.by_topic, topic, partition), None);
        }
        let whole = Verdict::new(vec![fault], false);
        assert_eq!((whole.course, whole.by_topic), (Course::Refuse(code), vec![]));
    }
}
