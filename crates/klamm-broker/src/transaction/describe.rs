//! Pure: DescribeTransactions and ListTransactions.

use super::coordinator::Coordinator;
use super::state::{State, Transaction};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_transactions_response::{TopicData, TransactionState};
use klamm_protocol::message::{
    ListTransactionsRequest, ListTransactionsResponse, list_transactions_response,
};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

impl Coordinator {
    /// One row of the answer to DescribeTransactions. Groups are not shown: they are no partitions here.
    pub(crate) fn describe(&self, id: &Str) -> TransactionState {
        let mut row = TransactionState { transactional_id: id.clone(), ..Default::default() };
        let Some(state) = self.transactions.get(id.as_str()) else {
            row.error_code = match id.is_empty() {
                true => ErrorCode::INVALID_REQUEST.0,
                false => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND.0,
            };
            return row;
        };
        row.transaction_state = Str::from(state.state.name());
        row.transaction_timeout_ms = state.timeout_ms;
        row.transaction_start_time_ms = state.start_ms;
        row.producer_id = state.producer_id;
        row.producer_epoch = state.producer_epoch;
        let topics = state.partitions.iter().map(|(topic, partitions)| TopicData {
            topic: Str::from(topic.as_str()),
            partitions: partitions.iter().copied().collect(),
        });
        row.topics = topics.collect();
        row
    }

    /// How many transactional ids are in each state, by Kafka's names.
    pub(crate) fn count_by_state(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for transaction in self.transactions.values() {
            *counts.entry(transaction.state.name()).or_default() += 1;
        }
        counts
    }

    /// Answers ListTransactions, versions 0-2, but for the pattern: `matches` says which ids fit it.
    pub(crate) fn handle_list_transactions(
        &self,
        request: &ListTransactionsRequest,
        matches: impl Fn(&str) -> bool,
        now_ms: i64,
    ) -> ListTransactionsResponse {
        let unknown = request.state_filters.iter().filter(|name| !State::is_known(name)).cloned();
        let listed = self.transactions.iter().filter(|(_, state)| is_asked(state, request, now_ms));
        let rows = listed.filter(|(id, _)| matches(id)).map(|(id, state)| {
            list_transactions_response::TransactionState {
                transactional_id: Str::from(id.as_str()),
                producer_id: state.producer_id,
                transaction_state: Str::from(state.state.name()),
            }
        });
        ListTransactionsResponse {
            unknown_state_filters: unknown.collect(),
            transaction_states: rows.collect(),
            ..Default::default()
        }
    }
}

/// Filters that are empty, and a negative duration, let everything through. A duration asks for what has run longer.
fn is_asked(state: &Transaction, request: &ListTransactionsRequest, now_ms: i64) -> bool {
    let ids = &request.producer_id_filters;
    let states = &request.state_filters;
    let running_ms = now_ms.saturating_sub(state.start_ms);
    (ids.is_empty() || ids.contains(&state.producer_id))
        && (states.is_empty() || states.iter().any(|name| *name == state.state.name()))
        && (request.duration_filter < 0 || running_ms > request.duration_filter)
}
