//! Joining and leaving: what is subscribed to, by which protocol, and how a member ends.

use super::member::Member;
use super::pattern::{Pattern, PatternWatch};
use super::questions::Questions;
use super::shared::Subscribed;
use super::task::{Done, GroupTask};
use crate::config::GroupProtocol;
use crate::consumer::error::ConsumeError;
use crate::consumer::group::classic::ClassicMember;
use crate::consumer::group::consumer_protocol::{ConsumerMember, Subscription};
use crate::consumer::group::machine::GroupError;
use crate::consumer::group::standalone::Standalone;
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::MetadataResponse;
use klamm_protocol::primitives::Uuid;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a member that nobody waits for tries to leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);

/// How it stands with the present member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    /// It was asked to leave, and tries until then.
    Leaving(Instant),
    /// It is out, but for what has to be said to the coordinator.
    Out(Instant),
    /// It is out for good.
    Failed,
}

impl GroupTask {
    /// What the application wants.
    pub(super) fn look_at_wishes(&mut self, now: Instant) {
        let (subscription, close_by, asked) = {
            let mut group = self.group.lock();
            let asked = std::mem::take(&mut group.asked);
            let news = (group.subscribed_no != self.subscribed).then(|| group.subscribed.clone());
            self.subscribed = group.subscribed_no;
            (news, group.close_by, asked)
        };
        if let Some(by) = close_by
            && !self.closing
        {
            self.closing = true;
            self.begin_close(now, by);
        }
        if asked && let Member::Standalone(alone) = &mut self.member {
            alone.try_again();
        }
        if let Some(subscription) = subscription.filter(|_| !self.closing) {
            self.look_at_subscription(&subscription, now);
        }
        self.watch_pattern(now);
    }

    fn begin_close(&mut self, now: Instant, by: Instant) {
        self.pattern = None;
        self.leave(now, by);
        if self.member.is_standalone() && self.settings.auto_commit.is_some() {
            let leased = self.leased();
            self.commit_processed(&leased, now, by);
        }
    }

    /// What is read for the group.
    pub(super) fn leased(&self) -> Vec<TopicPartition> {
        self.shared.lock().leased().into_iter().map(|(tp, _)| tp).collect()
    }

    fn leave(&mut self, now: Instant, by: Instant) {
        if !self.member.is_standalone() && self.standing == Standing::Active {
            self.standing = Standing::Leaving(by);
            self.member.close(now);
        }
    }

    fn look_at_subscription(&mut self, to: &Subscribed, now: Instant) {
        self.pattern = None;
        match to {
            Subscribed::Nothing => self.leave(now, now + LEAVE_TIMEOUT),
            Subscribed::Topics(topics) => {
                topics.iter().for_each(|topic| self.client.metadata.want(topic));
                self.subscribe(Subscription { topics: topics.clone(), regex: None }, now);
            }
            Subscribed::Pattern(pattern) => self.subscribe_to_pattern(pattern, now),
        }
    }

    /// With KIP-848 the broker matches; else this member does, once it knows all topics.
    fn subscribe_to_pattern(&mut self, pattern: &Pattern, now: Instant) {
        if self.settings.protocol == GroupProtocol::Classic {
            self.pattern = Some(PatternWatch::new(pattern.clone(), now));
        } else {
            let regex = Some(Arc::clone(pattern.expression()));
            self.subscribe(Subscription { regex, ..Subscription::default() }, now);
        }
    }

    fn subscribe(&mut self, to: Subscription, now: Instant) {
        match (&mut self.member, self.standing) {
            (Member::Classic(member), Standing::Active) => member.subscribe(now, to.topics),
            (Member::Consumer(member), Standing::Active) => member.subscribe(now, to),
            (Member::Standalone(_), _) => self.join(to, now),
            // As soon as the old member is out.
            _ => self.subscribed = 0,
        }
    }

    fn join(&mut self, to: Subscription, now: Instant) {
        let config = self.settings.config.clone();
        let member = match self.settings.protocol {
            GroupProtocol::Classic => {
                Member::Classic(Box::new(ClassicMember::new(config, to.topics, now)))
            }
            GroupProtocol::Auto | GroupProtocol::Consumer => {
                let id = Uuid::from_bytes(fastrand::u128(..).to_be_bytes()).to_string();
                Member::Consumer(Box::new(ConsumerMember::new(config, to, id.into(), now)))
            }
        };
        self.replace_member(member);
    }

    fn replace_member(&mut self, member: Member) {
        self.member = member;
        self.membership += 1;
        self.standing = Standing::Active;
        self.questions = Questions::default();
        self.alive_at = None;
    }

    /// Asks for the names of all topics when that is due.
    fn watch_pattern(&mut self, now: Instant) {
        let max_age = self.client.config.metadata_max_age;
        let Some(watch) = self.pattern.as_mut().filter(|watch| watch.is_due(now)) else { return };
        watch.asked(now + max_age);
        let client = Arc::clone(&self.client);
        self.working.spawn(async move { Done::AllTopics(client.fetch_metadata(None).await.ok()) });
    }

    /// The names of all topics came, or did not.
    pub(super) fn take_all_topics(&mut self, answer: Option<&MetadataResponse>, now: Instant) {
        let retry_at = now + self.settings.config.retry_backoff_max;
        let Some(watch) = &mut self.pattern else { return };
        let Some(answer) = answer else { return watch.asked(retry_at) };
        let topics = watch.matching(answer, self.settings.exclude_internal_topics);
        topics.iter().for_each(|topic| self.client.metadata.want(topic));
        self.subscribe(Subscription { topics, regex: None }, now);
    }

    /// The member is out, but for what it has to say.
    pub(super) fn closed(&mut self, now: Instant) {
        let by = match self.standing {
            Standing::Leaving(by) | Standing::Out(by) => by,
            _ => now + LEAVE_TIMEOUT,
        };
        self.standing = Standing::Out(by);
    }

    /// The coordinator does not do KIP-848 for this group.
    pub(super) fn fall_back(&mut self, now: Instant) {
        if self.settings.protocol == GroupProtocol::Consumer {
            let (api, code) = ("ConsumerGroupHeartbeat", ErrorCode::UNSUPPORTED_VERSION);
            let message = Some("the broker does not do group.protocol=consumer here".to_owned());
            return self.fail(&GroupError::Refused { api, code, message });
        }
        tracing::info!("the group is of the classic protocol");
        self.settings.protocol = GroupProtocol::Classic;
        if self.standing != Standing::Active {
            // It was about to leave, and there is nothing to be left.
            return self.closed(now);
        }
        self.make_room();
        let subscription = self.group.lock().subscribed.clone();
        self.look_at_subscription(&subscription, now);
    }

    /// The member is out for good, or there is no coordinator for whoever is none.
    pub(super) fn fail(&mut self, error: &GroupError) {
        tracing::warn!(%error, "the consumer is out of its group");
        if self.member.is_standalone() {
            let code = error.code().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
            let mut group = self.group.lock();
            group.commits.refuse_all(code);
            group.lookups.refuse_all(code);
        } else {
            self.standing = Standing::Failed;
        }
        self.shared.lock().push_general(ConsumeError::Group(error.clone()));
        self.shared.ready.notify_one();
    }

    fn make_room(&mut self) {
        let alone = Standalone::new(self.settings.config.clone());
        self.replace_member(Member::Standalone(Box::new(alone)));
    }

    /// A member that is out makes room.
    pub(super) fn settle_standing(&mut self, now: Instant) {
        let out = match self.standing {
            Standing::Active => false,
            Standing::Leaving(by) => now >= by,
            Standing::Out(by) => now >= by || self.member.has_left(),
            Standing::Failed => true,
        };
        if out && self.steps.is_empty() {
            self.make_room();
            self.shared.group.notify_one();
        }
    }

    /// When leaving is given up.
    pub(super) fn leave_deadline(&self) -> Option<Instant> {
        match self.standing {
            Standing::Leaving(by) | Standing::Out(by) => Some(by),
            Standing::Active | Standing::Failed => None,
        }
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        if self.client.is_closed() {
            return true;
        }
        let group = self.group.lock();
        let late = group.close_by.is_some_and(|by| now >= by);
        let done = self.member.is_standalone() && !group.commits.is_busy();
        self.closing && (done || late)
    }
}
