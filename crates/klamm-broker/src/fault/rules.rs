//! Pure: all rules, what they have seen, and which of them strike a request.

use super::rule::{Action, Rule};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::primitives::Str;
use serde::Serialize;

/// Rules at a time.
const MAX_RULES: usize = 1000;

/// There are as many rules as can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are {MAX_RULES} rules already; remove some")]
pub struct TooManyRules;

/// A topic that a request names, with a partition where it names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) topic: Str,
    pub(crate) partition: Option<i32>,
}

impl Target {
    /// A topic without partitions.
    pub(crate) fn topic(name: &Str) -> Self {
        Self { topic: name.clone(), partition: None }
    }

    /// Partitions of a topic.
    pub(crate) fn partitions(
        topic: &Str,
        partitions: impl IntoIterator<Item = i32>,
    ) -> impl Iterator<Item = Self> {
        let target = |partition| Self { topic: topic.clone(), partition: Some(partition) };
        partitions.into_iter().map(target)
    }
}

/// Groups and transactional ids that a request names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Keys {
    groups: Vec<Str>,
    transactional_ids: Vec<Str>,
}

impl Keys {
    /// These groups; an empty name is none.
    pub(crate) fn groups<'a>(groups: impl IntoIterator<Item = &'a Str>) -> Self {
        Self { groups: named(groups), transactional_ids: Vec::new() }
    }

    /// These transactional ids.
    pub(crate) fn transactional_ids<'a>(ids: impl IntoIterator<Item = &'a Str>) -> Self {
        Self::default().and_transactional_ids(ids)
    }

    /// The same with these transactional ids.
    pub(crate) fn and_transactional_ids<'a>(self, ids: impl IntoIterator<Item = &'a Str>) -> Self {
        Self { transactional_ids: named(ids), ..self }
    }
}

fn named<'a>(keys: impl IntoIterator<Item = &'a Str>) -> Vec<Str> {
    keys.into_iter().filter(|key| !key.is_empty()).cloned().collect()
}

/// What of a request rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) api: ApiKey,
    pub(crate) node: i32,
    pub(crate) client_id: &'a str,
    pub(crate) targets: &'a [Target],
    pub(crate) keys: &'a Keys,
}

/// A rule that is in force, and how it fared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AddedRule {
    /// Its number; never used twice.
    pub id: u64,
    /// Requests that matched.
    pub matched: u64,
    /// Requests that it struck.
    pub struck: u64,
    /// The rule itself.
    #[serde(flatten)]
    pub rule: Rule,
}

#[derive(Debug)]
struct Entry {
    added: AddedRule,
    /// How often what it holds was let go.
    releases: u64,
    random: fastrand::Rng,
}

/// A rule that strikes a request: its number, and what of it carries on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fired {
    pub(crate) id: u64,
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    /// How often the rule had been released by then.
    pub(crate) releases: u64,
    pub(crate) action: Action,
}

/// The rules in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    entries: Vec<Entry>,
    last_id: u64,
}

impl Rules {
    /// Adds a rule that was checked; the answer is its number.
    ///
    /// # Errors
    /// [`TooManyRules`].
    pub(crate) fn add(&mut self, rule: Rule) -> Result<u64, TooManyRules> {
        if self.entries.len() >= MAX_RULES {
            return Err(TooManyRules);
        }
        self.last_id += 1;
        let random = fastrand::Rng::with_seed(rule.seed.unwrap_or(0));
        let added = AddedRule { id: self.last_id, matched: 0, struck: 0, rule };
        self.entries.push(Entry { added, releases: 0, random });
        Ok(self.last_id)
    }

    /// False when there is none of that number.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.added.id != id);
        self.entries.len() < before
    }

    /// Removes all.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Lets go of what a rule holds; false when there is none of that number.
    pub(crate) fn release(&mut self, id: u64) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.added.id == id);
        entry.map(|entry| entry.releases += 1).is_some()
    }

    /// Whether a rule still holds what it struck when it had been released so often.
    pub(crate) fn holds(&self, id: u64, releases: u64) -> bool {
        self.entries.iter().any(|entry| entry.added.id == id && entry.releases == releases)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn list(&self) -> Vec<AddedRule> {
        self.entries.iter().map(|entry| entry.added.clone()).collect()
    }

    /// Counts a request, and says which rules strike it, oldest first.
    pub(crate) fn judge(&mut self, seen: &Seen<'_>) -> Vec<Fired> {
        let strikes = self.entries.iter_mut().filter_map(|entry| entry.judge(seen));
        strikes.collect()
    }

    /// Takes back that a rule struck: there was nothing to do it to.
    pub(crate) fn take_back(&mut self, id: u64) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.added.id == id) {
            entry.added.struck = entry.added.struck.saturating_sub(1);
        }
    }
}

impl Entry {
    fn judge(&mut self, seen: &Seen<'_>) -> Option<Fired> {
        let Self { added, releases, random } = self;
        let rule = &added.rule;
        if !matches(rule, seen) {
            return None;
        }
        added.matched += 1;
        let turn = match (rule.nth, rule.every) {
            (Some(nth), _) => added.matched == nth,
            (_, Some(every)) => added.matched.is_multiple_of(every),
            (None, None) => true,
        };
        let left = rule.times.is_none_or(|times| added.struck < times);
        // Drawn for every request that could be struck, so that the same requests have the same fate each time.
        if !(turn && left && rule.probability.is_none_or(|p| random.f64() < p)) {
            return None;
        }
        added.struck += 1;
        Some(Fired {
            id: added.id,
            topic: rule.topic.clone(),
            partition: rule.partition,
            releases: *releases,
            action: rule.action.clone(),
        })
    }
}

fn matches(rule: &Rule, seen: &Seen<'_>) -> bool {
    rule.api.is_none_or(|api| api == seen.api)
        && rule.node.is_none_or(|node| node == seen.node)
        && rule.client_id.as_deref().is_none_or(|pattern| is_client(pattern, seen.client_id))
        && names(rule.topic.as_deref(), rule.partition, seen.targets)
        && is_among(rule.group.as_deref(), &seen.keys.groups)
        && is_among(rule.transactional_id.as_deref(), &seen.keys.transactional_ids)
}

fn is_among(wanted: Option<&str>, keys: &[Str]) -> bool {
    wanted.is_none_or(|wanted| keys.iter().any(|key| key.as_str() == wanted))
}

fn is_client(pattern: &str, client_id: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => client_id.starts_with(prefix),
        None => client_id == pattern,
    }
}

/// Whether a request names what a rule is for.
fn names(topic: Option<&str>, partition: Option<i32>, targets: &[Target]) -> bool {
    let is_named = |target: &Target| {
        topic.is_none_or(|topic| topic == target.topic.as_str())
            && partition.is_none_or(|partition| target.partition == Some(partition))
    };
    (topic.is_none() && partition.is_none()) || targets.iter().any(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(topic: &'static str, partition: i32) -> Target {
        Target { topic: Str::from_static(topic), partition: Some(partition) }
    }

    fn disconnect() -> Rule {
        Rule::new(Action::Disconnect)
    }

    /// Which of the first `count` requests a rule strikes, counted from 1.
    fn struck(rule: Rule, count: u64) -> Vec<u64> {
        let mut rules = Rules::default();
        rules.add(rule).unwrap();
        let seen = Seen {
            api: ApiKey::Produce,
            node: 1,
            client_id: "c",
            targets: &[],
            keys: &Keys::default(),
        };
        (1..=count).filter(|_| !rules.judge(&seen).is_empty()).collect()
    }

    #[test]
    fn conditions_must_all_hold() {
        let targets = [target("a", 0), target("b", 1)];
        let key = Str::from_static;
        let keys = Keys::groups([&key("g"), &key("")]).and_transactional_ids([&key("x")]);
        let seen = Seen {
            api: ApiKey::Fetch,
            node: 2,
            client_id: "app-7",
            targets: &targets,
            keys: &keys,
        };
        for (rule, expected) in [
            (disconnect(), true),
            (disconnect().api(ApiKey::Fetch), true),
            (disconnect().api(ApiKey::Produce), false),
            (disconnect().topic("b"), true),
            (disconnect().topic("c"), false),
            (disconnect().partition(1), true),
            (disconnect().partition(2), false),
            (disconnect().topic("b").partition(1), true),
            (disconnect().topic("a").partition(1), false),
            (disconnect().client_id("app-7"), true),
            (disconnect().client_id("app-"), false),
            (disconnect().client_id("app-*"), true),
            (disconnect().client_id("*"), true),
            (disconnect().client_id("b*"), false),
            (Rule { node: Some(2), ..disconnect() }, true),
            (Rule { node: Some(1), ..disconnect() }, false),
            (disconnect().api(ApiKey::Fetch).topic("c"), false),
            (disconnect().group("g"), true),
            (disconnect().group(""), false),
            (disconnect().group("x"), false),
            (disconnect().transactional_id("x"), true),
            (disconnect().transactional_id("g"), false),
        ] {
            let mut rules = Rules::default();
            rules.add(rule.clone()).unwrap();
            assert_eq!(!rules.judge(&seen).is_empty(), expected, "{rule:?}");
        }
    }

    #[test]
    fn counts_choose_among_what_matches() {
        assert_eq!(struck(disconnect(), 3), [1, 2, 3]);
        assert_eq!(struck(disconnect().times(2), 4), [1, 2]);
        assert_eq!(struck(Rule { nth: Some(3), ..disconnect() }, 9), [3]);
        assert_eq!(struck(Rule { every: Some(2), ..disconnect() }, 7), [2, 4, 6]);
        assert_eq!(struck(Rule { every: Some(2), ..disconnect() }.times(2), 9), [2, 4]);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_near_its_probability() {
        let rule = |seed| Rule { probability: Some(0.25), seed, ..disconnect() };
        let first = struck(rule(Some(1)), 4000);
        assert_eq!(first, struck(rule(Some(1)), 4000));
        assert_ne!(first, struck(rule(Some(2)), 4000));
        assert_eq!(struck(rule(None), 100), struck(rule(Some(0)), 100));
        // Six standard deviations around 1000.
        assert!((835..=1165).contains(&first.len()), "{}", first.len());
        assert_eq!(struck(Rule { probability: Some(0.0), ..disconnect() }, 500).len(), 0);
        assert_eq!(struck(Rule { probability: Some(1.0), ..disconnect() }, 500).len(), 500);
    }

    #[test]
    fn rules_strike_in_the_order_in_which_they_came_and_count() {
        let mut rules = Rules::default();
        let first = rules.add(disconnect().times(1)).unwrap();
        let second = rules.add(Rule::new(Action::Hold)).unwrap();
        let seen = Seen {
            api: ApiKey::Fetch,
            node: 1,
            client_id: "",
            targets: &[],
            keys: &Keys::default(),
        };
        let ids = |fired: Vec<Fired>| fired.iter().map(|fired| fired.id).collect::<Vec<_>>();
        assert_eq!(ids(rules.judge(&seen)), [first, second]);
        assert_eq!(ids(rules.judge(&seen)), [second]);
        rules.take_back(first);
        assert_eq!(ids(rules.judge(&seen)), [first, second]);
        let list = rules.list();
        assert_eq!((list[0].matched, list[0].struck), (3, 1));
        assert_eq!((list[1].matched, list[1].struck), (3, 3));
        assert!(rules.remove(first) && !rules.remove(first));
        rules.clear();
        assert!(rules.is_empty());
        assert_eq!(rules.add(disconnect()), Ok(second + 1));
    }

    #[test]
    fn a_rule_holds_until_it_is_released_or_gone() {
        let mut rules = Rules::default();
        let id = rules.add(Rule::new(Action::Hold)).unwrap();
        let seen = Seen {
            api: ApiKey::Fetch,
            node: 1,
            client_id: "",
            targets: &[],
            keys: &Keys::default(),
        };
        let before = rules.judge(&seen)[0].releases;
        assert!(rules.holds(id, before));
        assert!(rules.release(id) && !rules.release(id + 1));
        let after = rules.judge(&seen)[0].releases;
        assert!(!rules.holds(id, before) && rules.holds(id, after));
        rules.remove(id);
        assert!(!rules.holds(id, after));
    }

    #[test]
    fn there_are_not_more_rules_than_can_be_judged() {
        let mut rules = Rules::default();
        for _ in 0..MAX_RULES {
            rules.add(disconnect()).unwrap();
        }
        assert_eq!(rules.add(disconnect()), Err(TooManyRules));
    }
}
