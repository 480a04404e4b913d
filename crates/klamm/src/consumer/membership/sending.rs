//! Requests that a group's task sends, and their answers.

use super::calls::{self, Answered};
use super::task::{Done, GroupTask, now};
use crate::consumer::error::ConsumeError;
use crate::consumer::group::commits::CommitRequest;
use crate::consumer::group::machine::Request as GroupRequest;
use klamm_protocol::message::{OffsetCommitResponse, OffsetFetchRequest};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl GroupTask {
    /// Sends what is to be sent.
    pub(super) fn send(&mut self, now: Instant) {
        let needed = {
            let mut group = self.group.lock();
            group.commits.handle_timeout(now);
            group.lookups.handle_timeout(now);
            group.commits.is_busy() || group.lookups.is_asking()
        };
        while let Some(request) = self.member.poll_request(now, needed) {
            self.send_request(request);
        }
        let Some(node) = self.member.coordinator().map(|coordinator| coordinator.node_id) else {
            return;
        };
        let (config, generation) = (&self.settings.config, self.member.generation());
        let (commit, lookup) = {
            let mut group = self.group.lock();
            let commit = group.commits.poll_request(now, config, generation);
            (commit, group.lookups.poll_request(now, config))
        };
        if let Some(commit) = commit {
            self.send_commit(node, commit);
        }
        if let Some((id, request)) = lookup {
            self.send_lookup(node, id, request);
        }
    }

    fn send_commit(&mut self, node: i32, commit: CommitRequest) {
        let (client, class) = (Arc::clone(&self.client), self.classes.quick);
        let timeout = self.patience(self.settings.config.request_timeout);
        self.working.spawn(async move {
            let asking = calls::commit(&client, node, class, &commit.request);
            Done::Committed { id: commit.id, answer: calls::within(timeout, asking).await }
        });
    }

    fn send_lookup(&mut self, node: i32, id: u64, request: OffsetFetchRequest) {
        let (client, class) = (Arc::clone(&self.client), self.classes.quick);
        let timeout = self.patience(self.settings.config.request_timeout);
        self.working.spawn(async move {
            let asking = calls::look_up(&client, node, class, request);
            Done::LookedUp { id, answer: calls::within(timeout, asking).await }
        });
    }

    /// How long an answer may take, with the connection that it needs.
    fn patience(&self, timeout: Duration) -> Duration {
        timeout + self.client.config.connection_setup_timeout
    }

    fn send_request(&mut self, request: GroupRequest) {
        let (id, membership) = (request.id, self.membership);
        let node = self.member.coordinator().map(|coordinator| coordinator.node_id);
        let (client, classes) = (Arc::clone(&self.client), self.classes);
        let timeout = self.patience(request.timeout);
        self.working.spawn(async move {
            let asking = calls::send(&client, node, classes, request);
            Done::Answered { membership, id, answer: calls::within(timeout, asking).await }
        });
    }

    /// Takes what was waited for.
    pub(super) fn handle(&mut self, done: Done) {
        let now = now();
        match done {
            Done::Answered { membership, id, answer } if membership == self.membership => {
                let answer = answer.unwrap_or_else(|error| {
                    let (answer, told) = calls::failed(error);
                    self.tell_connect_error(told);
                    answer
                });
                self.member.handle_response(now, id, answer);
            }
            Done::Answered { .. } => {}
            Done::Committed { id, answer } => self.handle_committed(id, answer, now),
            Done::LookedUp { id, answer } => {
                let answer =
                    answer.inspect_err(|error| tracing::debug!(%error, "OffsetFetch")).ok();
                let config = &self.settings.config;
                let mut group = self.group.lock();
                if group.lookups.handle_response(now, config, id, answer.as_ref()) {
                    self.member.coordinator_lost();
                }
            }
            Done::Listened(step) => self.listened(step),
            Done::Names(answer) => self.take_names(answer, now),
            Done::AllTopics(answer) => self.take_all_topics(answer.as_ref(), now),
        }
    }

    fn tell_connect_error(&self, error: Option<crate::connection::ConnectError>) {
        if let Some(error) = error {
            self.shared.lock().push_general(ConsumeError::Connect(error));
            self.shared.ready.notify_one();
        }
    }

    fn handle_committed(&mut self, id: u64, answer: Answered<OffsetCommitResponse>, now: Instant) {
        let answer = answer.inspect_err(|error| tracing::debug!(%error, "OffsetCommit")).ok();
        let (config, generation) = (&self.settings.config, self.member.generation());
        let news = {
            let commits = &mut self.group.lock().commits;
            commits.handle_response(now, config, id, answer.as_ref(), generation.as_ref())
        };
        if news.coordinator_lost {
            self.member.coordinator_lost();
        }
        if news.rejoin {
            self.member.request_rejoin(now);
        }
    }
}
