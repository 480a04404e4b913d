//! Asking coordinators about groups until each group has its answer.

use crate::admin::AdminError;
use crate::client::{ClientInner, ConnectionClass, CoordinatorType};
use crate::connection::{Connection, RequestError};
use crate::error::ErrorKind;
use klamm_protocol::error_code::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What one coordinator says of one group.
pub(super) type Answered<T> = (Arc<str>, Result<T, AdminError>);

/// What coordinators say of each group, and which of them.
pub(super) type Answers<T> = BTreeMap<Arc<str>, Result<(i32, T), AdminError>>;

/// Something to ask coordinators.
pub(super) trait Question: Send + Sync + 'static {
    /// What it comes to for a group.
    type Answer: Send + 'static;

    /// Asks one coordinator about some of its groups. Groups that are not in the answer are asked about
    /// again, and so are those with an error that may pass.
    fn ask(
        &self,
        to: &Connection,
        groups: &[Arc<str>],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<Answered<Self::Answer>>, RequestError>> + Send;

    /// What a refusal means after a request that was not answered: perhaps that one did it already.
    fn done_before(&self, _refusal: ErrorCode) -> Option<Self::Answer> {
        None
    }
}

/// Asks the coordinator of each group, again and elsewhere where that may help, for as long as a request
/// may take. Runs on the I/O thread.
pub(super) async fn ask_coordinators<Q: Question>(
    client: Arc<ClientInner>,
    question: Q,
    groups: impl IntoIterator<Item = Arc<str>>,
) -> Answers<Q::Answer> {
    let deadline = Instant::now() + client.config.request_timeout;
    let mut asking = Asking {
        question: Arc::new(question),
        left: groups.into_iter().map(|group| (group, unanswered())).collect(),
        coordinators: BTreeMap::new(),
        in_doubt: BTreeSet::new(),
        done: BTreeMap::new(),
        client,
    };
    let mut failures = 0;
    loop {
        asking.find_coordinators(deadline).await;
        asking.ask(deadline).await;
        failures += 1;
        let pause = asking.client.backoff(failures);
        if asking.left.is_empty() || Instant::now() + pause >= deadline {
            let failed = asking.left.into_iter().map(|(group, error)| (group, Err(error)));
            return asking.done.into_iter().chain(failed).collect();
        }
        asking.client.metadata.request_refresh();
        tokio::time::sleep(pause).await;
    }
}

fn unanswered() -> AdminError {
    let reason = "no coordinator answered".into();
    AdminError::Request { reason, kind: ErrorKind::Retriable }
}

struct Asking<Q: Question> {
    client: Arc<ClientInner>,
    question: Arc<Q>,
    /// Groups without an answer, and what happened to them last.
    left: BTreeMap<Arc<str>, AdminError>,
    coordinators: BTreeMap<Arc<str>, i32>,
    /// Groups of which a request was lost that may have done what it asked for.
    in_doubt: BTreeSet<Arc<str>>,
    done: Answers<Q::Answer>,
}

impl<Q: Question> Asking<Q> {
    async fn find_coordinators(&mut self, deadline: Instant) {
        let unknown = self.left.keys().filter(|group| !self.coordinators.contains_key(*group));
        let unknown: Vec<Arc<str>> = unknown.cloned().collect();
        if unknown.is_empty() {
            return;
        }
        let timeout = deadline.saturating_duration_since(Instant::now());
        let found = self.client.find_coordinators(CoordinatorType::Group, &unknown, timeout).await;
        match found {
            Ok(found) => {
                for (group, found) in found {
                    match found {
                        Ok(node) => drop(self.coordinators.insert(group, node)),
                        Err(refused) => self.failed(&group, refused.into()),
                    }
                }
            }
            Err(error) => unknown.iter().for_each(|group| self.failed(group, error.clone().into())),
        }
    }

    /// Asks all coordinators at a time.
    async fn ask(&mut self, deadline: Instant) {
        let mut by_node: BTreeMap<i32, Vec<Arc<str>>> = BTreeMap::new();
        for group in self.left.keys() {
            if let Some(node) = self.coordinators.get(group) {
                by_node.entry(*node).or_default().push(Arc::clone(group));
            }
        }
        let timeout = deadline.saturating_duration_since(Instant::now());
        let mut asked = JoinSet::new();
        for (node, groups) in by_node {
            let (client, question) = (Arc::clone(&self.client), Arc::clone(&self.question));
            asked.spawn(async move {
                let answer = ask_node(&client, &*question, node, &groups, timeout).await;
                (node, groups, answer)
            });
        }
        while let Some(joined) = asked.join_next().await {
            let Ok((node, groups, answer)) = joined else { continue };
            match answer {
                Ok(answers) => self.take(node, answers),
                Err(error) => {
                    if error.may_have_reached_broker() {
                        self.in_doubt.extend(groups.iter().cloned());
                    }
                    groups.iter().for_each(|group| self.failed(group, error.clone().into()));
                }
            }
        }
    }

    fn take(&mut self, node: i32, answers: Vec<Answered<Q::Answer>>) {
        for (group, answer) in answers {
            let answer = match answer {
                Err(error) if self.in_doubt.contains(&group) => {
                    let done = error.code().and_then(|code| self.question.done_before(code));
                    done.ok_or(error)
                }
                told => told,
            };
            match answer {
                Ok(answer) => {
                    // What was not asked, or has been answered, counts for nothing.
                    if self.left.remove(&group).is_some() {
                        self.done.insert(group, Ok((node, answer)));
                    }
                }
                Err(error) => self.failed(&group, error),
            }
        }
    }

    /// Notes an error: for the next attempt if it may pass, else as the answer.
    fn failed(&mut self, group: &Arc<str>, error: AdminError) {
        // A coordinator that is loading is still the coordinator.
        if error.code() != Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) {
            self.coordinators.remove(group);
        }
        let Some(last) = self.left.get_mut(group) else { return };
        if error.kind() == ErrorKind::Retriable {
            *last = error;
        } else {
            self.left.remove(group);
            self.done.insert(Arc::clone(group), Err(error));
        }
    }
}

async fn ask_node<Q: Question>(
    client: &ClientInner,
    question: &Q,
    node: i32,
    groups: &[Arc<str>],
    timeout: Duration,
) -> Result<Vec<Answered<Q::Answer>>, RequestError> {
    let connection = client.connection(node, ConnectionClass::Control).await?;
    question.ask(&connection, groups, timeout).await
}
