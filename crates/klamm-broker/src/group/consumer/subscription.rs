//! Pure: what members read, and which topics that are.

use super::group::ConsumerGroup;
use super::heartbeat::Beat;
use crate::group::topic_view::TopicView;
use crate::pattern;
use klamm_protocol::primitives::Str;
use std::collections::BTreeSet;

/// How long topics are taken to be as they were: new ones are found by the next heartbeat after that.
const LOOK_UP_INTERVAL_MS: i64 = 1_000;

impl ConsumerGroup {
    /// Notes what a member says of itself; says whether it reads something else than before.
    pub(super) fn update(&mut self, id: &Str, beat: Beat<'_>) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let request = beat.request;
        let topics = request.subscribed_topic_names.as_ref();
        let topics = topics.map(|names| names.iter().map(Str::detach).collect::<BTreeSet<_>>());
        let regex = request.subscribed_topic_regex.as_ref();
        let regex = regex.map(|regex| (!regex.is_empty()).then(|| regex.detach()));
        let resubscribed = topics.as_ref().is_some_and(|topics| *topics != member.topics)
            || regex.as_ref().is_some_and(|regex| *regex != member.regex);
        member.topics = topics.unwrap_or_else(|| std::mem::take(&mut member.topics));
        member.regex = regex.unwrap_or_else(|| member.regex.take());
        if request.rebalance_timeout_ms >= 0 {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        keep_newer(&mut member.rack_id, request.rack_id.as_ref());
        keep_newer(&mut member.assignor, request.server_assignor.as_ref());
        if member.instance_id != request.instance_id
            && let (Some(_), Some(old)) = (&request.instance_id, &member.instance_id)
        {
            self.static_members.remove(old);
        }
        keep_newer(&mut member.instance_id, request.instance_id.as_ref());
        member.client_id = Str::from(beat.caller.client_id.to_owned());
        member.client_host = Str::from(beat.caller.client_host.to_owned());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), id.clone());
        }
        if resubscribed {
            self.bump();
        }
        resubscribed
    }

    /// Finds the topics that members read, if there is a reason to: another assignment is due when they are others.
    pub(super) fn look_up_topics(&mut self, now_ms: i64, view: &dyn TopicView, resubscribed: bool) {
        let old = |at: i64| now_ms.saturating_sub(at) >= LOOK_UP_INTERVAL_MS;
        let due = self.epoch != self.assignment_epoch || self.looked_ms.is_none_or(old);
        if !due && !resubscribed {
            return;
        }
        self.looked_ms = Some(now_ms);
        self.match_names(view);
        let exists = |name: Str| {
            let found = (view.id(&name)?, view.partition_count(&name)?);
            Some((name, found))
        };
        let topics = self.subscribed_topics().into_iter().filter_map(exists).collect();
        if topics != self.topics {
            self.topics = topics;
            self.bump();
        }
    }

    /// Matches all names with the expressions of members, those that were matched before only when names changed.
    fn match_names(&mut self, view: &dyn TopicView) {
        let expressions: BTreeSet<Str> =
            self.members.values().filter_map(|member| member.regex.clone()).collect();
        self.matches.retain(|expression, _| expressions.contains(expression));
        if expressions.is_empty() {
            self.names = Vec::new();
            return;
        }
        let names = view.names();
        if names != self.names {
            self.matches.clear();
            self.names = names;
        }
        for expression in expressions {
            let names = &self.names;
            let found = || pattern::matching(&expression, names);
            self.matches.entry(expression.clone()).or_insert_with(found);
        }
    }

    /// The topics that one member reads.
    pub(super) fn reads<'a>(
        &'a self,
        member: &'a super::member::Member,
    ) -> impl Iterator<Item = &'a Str> {
        let matched = member.regex.as_ref().and_then(|regex| self.matches.get(regex));
        member.topics.iter().chain(matched.into_iter().flatten())
    }
}

fn keep_newer(kept: &mut Option<Str>, said: Option<&Str>) {
    if let Some(said) = said.filter(|said| kept.as_ref() != Some(said)) {
        *kept = Some(said.detach());
    }
}
