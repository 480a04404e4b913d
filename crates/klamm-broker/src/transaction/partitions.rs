//! Pure: what belongs to a transaction: partitions and groups, named beforehand (first protocol) or added by the first
//! write (second protocol).

use super::coordinator::{Coordinator, for_version, producer};
use super::state::{Partitions, Producer, State};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use klamm_protocol::message::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use klamm_protocol::message::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
};

/// The version from which PRODUCER_FENCED is understood, by both APIs.
const FENCED_SINCE: i16 = 2;
/// The version of AddPartitionsToTxn that brokers use among themselves, for many transactions.
const BATCHED_SINCE: i16 = 4;
/// Groups whose offsets one transaction may commit.
const MAX_GROUPS: usize = 1000;

impl Coordinator {
    /// Answers AddPartitionsToTxn, versions 0-5. `known` says what is wrong with a partition; the transaction gets all
    /// partitions or none.
    pub(crate) fn handle_add_partitions_to_txn(
        &mut self,
        request: &AddPartitionsToTxnRequest,
        version: i16,
        known: impl Fn(&str, i32) -> Result<(), ErrorCode>,
        now_ms: i64,
    ) -> AddPartitionsToTxnResponse {
        let mut response = AddPartitionsToTxnResponse::default();
        if version < BATCHED_SINCE {
            let asked = AddPartitionsToTxnTransaction {
                transactional_id: request.v3_and_below_transactional_id.clone(),
                producer_id: request.v3_and_below_producer_id,
                producer_epoch: request.v3_and_below_producer_epoch,
                verify_only: false,
                topics: request.v3_and_below_topics.clone(),
            };
            response.results_by_topic_v3_and_below =
                self.add_or_verify(&asked, version, &known, now_ms);
            return response;
        }
        for asked in &request.transactions {
            response.results_by_transaction.push(AddPartitionsToTxnResult {
                transactional_id: asked.transactional_id.clone(),
                topic_results: self.add_or_verify(asked, version, &known, now_ms),
            });
        }
        response
    }

    fn add_or_verify(
        &mut self,
        asked: &AddPartitionsToTxnTransaction,
        version: i16,
        known: &impl Fn(&str, i32) -> Result<(), ErrorCode>,
        now_ms: i64,
    ) -> Vec<AddPartitionsToTxnTopicResult> {
        let mut each =
            asked.topics.iter().flat_map(|it| it.partitions.iter().map(|&p| (&it.name, p)));
        if each.any(|(topic, partition)| known(topic, partition).is_err()) {
            let code = |topic: &str, partition| match known(topic, partition) {
                Ok(()) => ErrorCode::OPERATION_NOT_ATTEMPTED,
                Err(code) => code,
            };
            return results(&asked.topics, code);
        }
        let from = producer(asked.producer_id, asked.producer_epoch);
        if asked.verify_only {
            return results(&asked.topics, |topic, partition| {
                let verdict =
                    self.verify_partition(&asked.transactional_id, from, topic, partition);
                for_version(verdict.err().unwrap_or_default(), version, FENCED_SINCE)
            });
        }
        let tv2 = version >= BATCHED_SINCE;
        let added = gathered(&asked.topics);
        let verdict = self.add_partitions(&asked.transactional_id, from, added, tv2, now_ms);
        let code = for_version(verdict.err().unwrap_or_default(), version, FENCED_SINCE);
        results(&asked.topics, |_, _| code)
    }

    /// Before records are appended: whether the partition belongs to the transaction of `from`. With `tv2` it does from
    /// now on; without, it has to already.
    ///
    /// # Errors
    /// Kafka's codes for Produce of version 12: TRANSACTION_ABORTABLE when the partition is not part of the transaction
    /// (INVALID_TXN_STATE before version 11), INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, and
    /// CONCURRENT_TRANSACTIONS (NOT_ENOUGH_REPLICAS before version 12) while the last transaction is being ended.
    pub(crate) fn verify_or_add_partition(
        &mut self,
        id: &str,
        from: Producer,
        partition: (&str, i32),
        tv2: bool,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let (topic, index) = partition;
        let verdict = match tv2 {
            true => {
                let added = Partitions::from([(topic.to_owned(), [index].into())]);
                self.add_partitions(id, from, added, true, now_ms)
            }
            false => self.verify_partition(id, from, topic, index),
        };
        verdict.map_err(|code| for_version(code, 0, 1))
    }

    fn verify_partition(
        &self,
        id: &str,
        from: Producer,
        topic: &str,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let state = self.transaction(id)?;
        state.check(from)?;
        match state.partitions.get(topic).is_some_and(|known| known.contains(&partition)) {
            true => Ok(()),
            false => Err(ErrorCode::TRANSACTION_ABORTABLE),
        }
    }

    fn add_partitions(
        &mut self,
        id: &str,
        from: Producer,
        added: Partitions,
        tv2: bool,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let state = self.transaction(id)?;
        state.check(from)?;
        let has = |topic: &String, new| {
            state.partitions.get(topic).is_some_and(|known| known.is_superset(new))
        };
        if state.state == State::Ongoing && added.iter().all(|(topic, new)| has(topic, new)) {
            return Ok(());
        }
        let mut state = state.clone();
        state.begin(tv2, now_ms);
        for (topic, partitions) in added {
            state.partitions.entry(topic).or_default().extend(partitions);
        }
        self.store(id.to_owned(), state);
        Ok(())
    }

    /// Answers AddOffsetsToTxn, versions 0-4.
    pub(crate) fn handle_add_offsets_to_txn(
        &mut self,
        request: &AddOffsetsToTxnRequest,
        version: i16,
        now_ms: i64,
    ) -> AddOffsetsToTxnResponse {
        let from = producer(request.producer_id, request.producer_epoch);
        let verdict =
            self.add_group(&request.transactional_id, from, &request.group_id, false, now_ms);
        let code = for_version(verdict.err().unwrap_or_default(), version, FENCED_SINCE);
        AddOffsetsToTxnResponse { error_code: code.0, ..Default::default() }
    }

    /// Before offsets are taken by TxnOffsetCommit: whether the group belongs to the transaction of `from`. With `tv2`
    /// (version 5) it does from now on; without, it has to already.
    ///
    /// # Errors
    /// Those of [`Coordinator::verify_or_add_partition`].
    pub(crate) fn verify_or_add_group(
        &mut self,
        id: &str,
        from: Producer,
        group: &str,
        tv2: bool,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let verdict = match tv2 {
            true => self.add_group(id, from, group, true, now_ms),
            false => self.verify_group(id, from, group),
        };
        verdict.map_err(|code| for_version(code, 0, 1))
    }

    fn verify_group(&self, id: &str, from: Producer, group: &str) -> Result<(), ErrorCode> {
        let state = self.transaction(id)?;
        state.check(from)?;
        match state.groups.contains(group) {
            true => Ok(()),
            false => Err(ErrorCode::TRANSACTION_ABORTABLE),
        }
    }

    fn add_group(
        &mut self,
        id: &str,
        from: Producer,
        group: &str,
        tv2: bool,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let state = self.transaction(id)?;
        state.check(from)?;
        if state.state == State::Ongoing && state.groups.contains(group) {
            return Ok(());
        }
        if state.groups.len() >= MAX_GROUPS {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let mut state = state.clone();
        state.begin(tv2, now_ms);
        state.groups.insert(group.to_owned());
        self.store(id.to_owned(), state);
        Ok(())
    }
}

fn gathered(topics: &[AddPartitionsToTxnTopic]) -> Partitions {
    let mut all = Partitions::new();
    for topic in topics {
        all.entry(topic.name.to_string()).or_default().extend(topic.partitions.iter().copied());
    }
    all
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    code: impl Fn(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let of_topic = |topic: &AddPartitionsToTxnTopic| {
        let each = topic.partitions.iter().map(|&partition| AddPartitionsToTxnPartitionResult {
            partition_index: partition,
            partition_error_code: code(&topic.name, partition).0,
        });
        AddPartitionsToTxnTopicResult {
            name: topic.name.clone(),
            results_by_partition: each.collect(),
        }
    };
    topics.iter().map(of_topic).collect()
}
