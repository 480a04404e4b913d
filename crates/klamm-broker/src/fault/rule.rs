//! Pure: one rule - which requests it is for, which of them it strikes, and what it does to them.
//!
//! As JSON a rule is one object; all fields but `action` may be left out:
//!
//! ```json
//! {"api": "Produce", "topic": "orders", "partition": 0, "client_id": "app-*", "node": 1,
//!  "group": "g", "transactional_id": "x", "nth": 3, "every": 2, "times": 5, "probability": 0.1, "seed": 7,
//!  "action": {"error": "NOT_LEADER_OR_FOLLOWER"}}
//! ```
//!
//! Actions: `{"error": NAME}`, `{"delay_ms": N}`, `"hold"`, `"no_answer"`, `"disconnect"`, `"apply_then_disconnect"`,
//! `{"apply_then_error": NAME}`, `{"cut_after_bytes": N}`, `"corrupt"`, `{"throttle_ms": N}`.
//!
//! The markers that end a transaction are seen as requests of WriteTxnMarkers from the client `transaction-coordinator`, one
//! for each partition and one for `__consumer_offsets`: a rule can stop the end of a transaction between any two of them.
//! While it does, the coordinator tries again, and nobody's transaction goes on.

use super::name::{json_api, json_error};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use serde::{Deserialize, Serialize};

/// The longest delay and throttle time, in milliseconds: a day.
const MAX_DELAY_MS: u32 = 86_400_000;

/// What happens to a request that a rule strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// Nothing is done, and the answer is this code: for the partitions the rule names where the API answers for each
    /// partition, else for the whole request.
    Error(#[serde(with = "json_error")] ErrorCode),
    /// What is asked is done at once; the answer comes so many milliseconds later than it would.
    DelayMs(u32),
    /// What is asked is done at once; the answer is held back until the rule is released or removed.
    Hold,
    /// Nothing is done, and neither this request nor a later one of its connection is ever answered.
    NoAnswer,
    /// Nothing is done, and the connection ends.
    Disconnect,
    /// What is asked is done, and the connection ends without an answer: the client cannot know.
    ApplyThenDisconnect,
    /// What is asked is done, and the answer is this code for the whole request.
    ApplyThenError(#[serde(with = "json_error")] ErrorCode),
    /// What is asked is done; the connection ends after so many bytes of the answer, its size prefix included.
    CutAfterBytes(u32),
    /// One byte of the records in the answer of a Fetch is wrong; an answer without records does not count.
    Corrupt,
    /// The answer tells the client to be quiet for so many milliseconds.
    ThrottleMs(i32),
}

/// A rule; without any condition it strikes every request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only requests of this API.
    #[serde(default, with = "json_api", skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiKey>,
    /// Only requests that name this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Only requests that name this partition; of the topic, when the rule has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Only requests of this client; `app-*` stands for all whose id begins with `app-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Only requests that name this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only requests that name this transactional id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactional_id: Option<String>,
    /// Only requests to this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<i32>,
    /// Of the requests that match, only the n-th, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Of the requests that match, the n-th, the 2n-th and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// At most so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// With this probability, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Where the random numbers begin: the same seed strikes the same requests. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What it does.
    pub action: Action,
}

/// Why a rule makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A probability outside of 0 to 1.
    #[error("probability must be from 0 to 1")]
    Probability,
    /// `nth`, `every` or `times` of 0.
    #[error("{0} counts from 1; a rule that strikes nothing is no rule")]
    Zero(&'static str),
    /// `nth` beside `every` or `times`.
    #[error("nth strikes once; leave out every and times")]
    Nth,
    /// No error at all.
    #[error("NONE is no error: leave the request alone")]
    NoError,
    /// Too long a time.
    #[error("{0} is longer than a day")]
    TooLong(&'static str),
    /// Only Fetch answers with records.
    #[error("corrupt is for Fetch, whose answers hold records")]
    CorruptApi,
}

impl Rule {
    /// A rule that does this to every request.
    pub fn new(action: Action) -> Self {
        Self {
            api: None,
            topic: None,
            partition: None,
            client_id: None,
            group: None,
            transactional_id: None,
            node: None,
            nth: None,
            every: None,
            times: None,
            probability: None,
            seed: None,
            action,
        }
    }

    /// Only requests of this API.
    #[must_use]
    pub fn api(mut self, api: ApiKey) -> Self {
        self.api = Some(api);
        self
    }

    /// Only requests that name this topic.
    #[must_use]
    pub fn topic(mut self, topic: &str) -> Self {
        self.topic = Some(topic.to_owned());
        self
    }

    /// Only requests that name this partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Only requests of this client, or of all whose id begins with what stands before a `*`.
    #[must_use]
    pub fn client_id(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    /// Only requests that name this group.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Only requests that name this transactional id.
    #[must_use]
    pub fn transactional_id(mut self, id: &str) -> Self {
        self.transactional_id = Some(id.to_owned());
        self
    }

    /// At most so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Whether the rule can strike anything.
    ///
    /// # Errors
    /// [`RuleError`] that says what is wrong.
    pub fn check(&self) -> Result<(), RuleError> {
        for (name, count) in [("nth", self.nth), ("every", self.every), ("times", self.times)] {
            if count == Some(0) {
                return Err(RuleError::Zero(name));
            }
        }
        if self.nth.is_some() && (self.every.is_some() || self.times.is_some()) {
            return Err(RuleError::Nth);
        }
        if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err(RuleError::Probability);
        }
        self.check_action()
    }

    fn check_action(&self) -> Result<(), RuleError> {
        match &self.action {
            Action::Error(code) | Action::ApplyThenError(code) if code.is_ok() => {
                Err(RuleError::NoError)
            }
            Action::DelayMs(ms) if *ms > MAX_DELAY_MS => Err(RuleError::TooLong("delay_ms")),
            Action::ThrottleMs(ms) if u32::try_from(*ms).is_ok_and(|ms| ms <= MAX_DELAY_MS) => {
                Ok(())
            }
            Action::ThrottleMs(_) => Err(RuleError::TooLong("throttle_ms")),
            Action::Corrupt if !matches!(self.api, None | Some(ApiKey::Fetch)) => {
                Err(RuleError::CorruptApi)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(json: &str) -> Action {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_action_has_a_form_in_json_and_comes_back() {
        let corrupted = ErrorCode::CORRUPT_MESSAGE;
        for (json, expected) in [
            (r#"{"error":"CORRUPT_MESSAGE"}"#, Action::Error(corrupted)),
            (r#"{"delay_ms":20}"#, Action::DelayMs(20)),
            (r#""hold""#, Action::Hold),
            (r#""no_answer""#, Action::NoAnswer),
            (r#""disconnect""#, Action::Disconnect),
            (r#""apply_then_disconnect""#, Action::ApplyThenDisconnect),
            (r#"{"apply_then_error":"CORRUPT_MESSAGE"}"#, Action::ApplyThenError(corrupted)),
            (r#"{"cut_after_bytes":6}"#, Action::CutAfterBytes(6)),
            (r#""corrupt""#, Action::Corrupt),
            (r#"{"throttle_ms":5}"#, Action::ThrottleMs(5)),
        ] {
            assert_eq!(action(json), expected);
            assert_eq!(serde_json::to_string(&expected).unwrap(), json);
        }
        assert_eq!(action(r#"{"error":2}"#), Action::Error(corrupted));
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (json, says) in [
            (r#"{"action":"hold","tpoic":"t"}"#, "tpoic"),
            (r#"{"action":"explode"}"#, "explode"),
            (r#"{"action":{"error":"OOPS"}}"#, "OOPS"),
            (r#"{"action":"hold","api":"Prodcue"}"#, "Prodcue"),
            (r#"{"api":"Produce"}"#, "action"),
        ] {
            let error = serde_json::from_str::<Rule>(json).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn whole_rules_come_back() {
        let rule = Rule {
            node: Some(2),
            every: Some(3),
            probability: Some(0.5),
            seed: Some(9),
            ..Rule::new(Action::Hold)
                .api(ApiKey::Fetch)
                .topic("t")
                .partition(1)
                .client_id("a*")
                .group("g")
        };
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
    }

    #[test]
    fn rules_that_strike_nothing_or_make_no_sense_are_refused() {
        let rule = || Rule::new(Action::Disconnect);
        assert_eq!(rule().check(), Ok(()));
        assert_eq!(rule().times(0).check(), Err(RuleError::Zero("times")));
        let nth = Rule { nth: Some(1), ..rule() };
        assert_eq!(nth.check(), Ok(()));
        assert_eq!(nth.times(1).check(), Err(RuleError::Nth));
        for probability in [-0.1, 1.1, f64::NAN] {
            let rule = Rule { probability: Some(probability), ..rule() };
            assert_eq!(rule.check(), Err(RuleError::Probability));
        }
        for (action, error) in [
            (Action::Error(ErrorCode::NONE), RuleError::NoError),
            (Action::DelayMs(u32::MAX), RuleError::TooLong("delay_ms")),
            (Action::ThrottleMs(-1), RuleError::TooLong("throttle_ms")),
        ] {
            assert_eq!(Rule::new(action).check(), Err(error));
        }
        let produce = Rule::new(Action::Corrupt).api(ApiKey::Produce);
        assert_eq!(produce.check(), Err(RuleError::CorruptApi));
    }
}
