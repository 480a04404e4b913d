//! The list of all groups: every broker knows those it coordinates.

use super::{GroupState, GroupType};
use crate::admin::{Admin, AdminError, outcome};
use crate::client::{ClientInner, ConnectionClass};
use crate::error::ErrorKind;
use klamm_protocol::message::ListGroupsRequest;
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Which groups to list; all of them if nothing is set.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    states: Vec<GroupState>,
    types: Vec<GroupType>,
}

impl GroupFilter {
    /// Only groups in one of these states (brokers from Kafka 2.6 on).
    pub fn states(mut self, states: impl IntoIterator<Item = GroupState>) -> Self {
        self.states.extend(states);
        self
    }

    /// Only groups of one of these types (brokers from Kafka 3.8 on).
    pub fn types(mut self, types: impl IntoIterator<Item = GroupType>) -> Self {
        self.types.extend(types);
        self
    }

    fn request(&self) -> (ListGroupsRequest, i16) {
        let request = ListGroupsRequest {
            states_filter: self.states.iter().map(|s| Str::from_static(s.name())).collect(),
            types_filter: self.types.iter().map(|t| Str::from_static(t.name())).collect(),
        };
        let lowest = match (self.types.is_empty(), self.states.is_empty()) {
            (false, _) => 5,
            (true, false) => 4,
            (true, true) => 0,
        };
        (request, lowest)
    }
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSummary {
    /// Its id.
    pub group_id: String,
    /// What its members do together: `consumer`, `connect`, ...; empty if it never had members.
    pub protocol_type: String,
    /// What it is doing; unknown from brokers older than Kafka 2.6.
    pub state: GroupState,
    /// Its type; unknown from brokers older than Kafka 3.8.
    pub group_type: GroupType,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// The groups of a cluster.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GroupList {
    /// By id.
    pub groups: Vec<GroupSummary>,
    /// Brokers that did not tell theirs within `request.timeout.ms`, and why: the list may lack groups.
    pub unanswered: Vec<(i32, AdminError)>,
}

impl Admin {
    /// Lists the groups of all brokers.
    ///
    /// # Errors
    /// [`AdminError`] when no broker told its groups; those that did not are in the result.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn list_groups(&self, filter: GroupFilter) -> Result<GroupList, AdminError> {
        self.run(move |client| async move {
            let deadline = Instant::now() + client.config.request_timeout;
            let (mut told, mut failures) = (BTreeMap::new(), 0);
            loop {
                let failed = ask_all(&client, &filter, &mut told).await;
                failures += 1;
                let pause = client.backoff(failures);
                let passing = failed.iter().any(|(_, e)| e.kind() == ErrorKind::Retriable);
                if !passing || Instant::now() + pause >= deadline {
                    return listed(told, failed);
                }
                // A broker that has ended is not in the next answer, and its groups are elsewhere.
                client.metadata.request_refresh();
                tokio::time::sleep(pause).await;
            }
        })
        .await
    }
}

type Told = BTreeMap<i32, Vec<GroupSummary>>;

/// Asks all brokers that have not told their groups yet.
async fn ask_all(
    client: &Arc<ClientInner>,
    filter: &GroupFilter,
    told: &mut Told,
) -> Vec<(i32, AdminError)> {
    let mut asked = JoinSet::new();
    for node in client.metadata.cluster().brokers.keys().copied() {
        if !told.contains_key(&node) {
            let (client, filter) = (Arc::clone(client), filter.clone());
            asked.spawn(async move { (node, ask(&client, &filter, node).await) });
        }
    }
    let mut failed = Vec::new();
    for (node, answer) in asked.join_all().await {
        match answer {
            Ok(groups) => drop(told.insert(node, groups)),
            Err(error) => failed.push((node, error)),
        }
    }
    failed
}

async fn ask(
    client: &ClientInner,
    filter: &GroupFilter,
    node: i32,
) -> Result<Vec<GroupSummary>, AdminError> {
    let connection = client.connection(node, ConnectionClass::Control).await?;
    let (request, lowest) = filter.request();
    let timeout = client.config.request_timeout;
    let answer = connection.request(&request, lowest..=5, timeout).await?;
    connection.throttle(answer.throttle_time_ms);
    outcome(answer.error_code, None)?;
    let summary =
        |group: &klamm_protocol::message::list_groups_response::ListedGroup| GroupSummary {
            group_id: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: GroupState::told(&group.group_state),
            group_type: GroupType::told(&group.group_type),
            coordinator: node,
        };
    Ok(answer.groups.iter().map(summary).collect())
}

fn listed(told: Told, unanswered: Vec<(i32, AdminError)>) -> Result<GroupList, AdminError> {
    if told.is_empty()
        && let Some((_, error)) = unanswered.first()
    {
        return Err(error.clone());
    }
    // A coordinator that moves meanwhile may be listed by both brokers.
    let by_id = told.into_values().flatten().map(|group| (group.group_id.clone(), group));
    let groups = by_id.collect::<BTreeMap<_, _>>().into_values().collect();
    Ok(GroupList { groups, unanswered })
}
