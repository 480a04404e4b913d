//! The coordinator against a journal and a log of markers that crash where they are told to.

mod any_order;
mod codes;
mod scripts;

use super::state::Producer;
use super::{Coordinator, Effect, Limits, WriteMarkers};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_protocol::message::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest,
};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

/// What every producer here asks for.
const TIMEOUT_MS: i32 = 60_000;
const ID: &str = "t";

/// A coordinator with everything it needs outside of itself.
struct World {
    coordinator: Coordinator,
    journal: BTreeMap<String, Vec<u8>>,
    /// In the order they were written.
    markers: Vec<WriteMarkers>,
    /// When the transaction of each of them began.
    began_ms: Vec<i64>,
    now_ms: i64,
}

impl World {
    fn new() -> Self {
        let (journal, markers) = (BTreeMap::new(), Vec::new());
        let coordinator = Coordinator::new(Limits::default());
        let (began_ms, now_ms) = (Vec::new(), 1_000_000);
        let mut world = Self { coordinator, journal, markers, began_ms, now_ms };
        world.coordinator.start();
        world.settle();
        world
    }

    /// Carries out one effect; `false` when there is none.
    fn step(&mut self) -> bool {
        match self.coordinator.poll_effect() {
            None => return false,
            Some(Effect::Journal { key, value: Some(value) }) => {
                self.journal.insert(key, value);
            }
            Some(Effect::Journal { key, value: None }) => {
                self.journal.remove(&key);
            }
            Some(Effect::WriteMarkers(markers)) => {
                let token = markers.token;
                self.markers.push(markers);
                let state = self.coordinator.describe(&Str::from(ID));
                self.began_ms.push(state.transaction_start_time_ms);
                self.coordinator.handle_markers_written(token, self.now_ms);
            }
        }
        true
    }

    fn settle(&mut self) {
        while self.step() {}
    }

    /// Everything but the journal is lost.
    fn crash(&mut self) {
        self.coordinator = Coordinator::new(Limits::default());
        for (key, value) in &self.journal {
            self.coordinator.restore(key, Some(value)).unwrap();
        }
        self.coordinator.start();
    }

    fn init_as(&mut self, expected: Option<Producer>, version: i16) -> Result<Producer, ErrorCode> {
        let expected = expected.unwrap_or(Producer { id: -1, epoch: -1 });
        let request = InitProducerIdRequest {
            transactional_id: Some(Str::from(ID)),
            transaction_timeout_ms: TIMEOUT_MS,
            producer_id: expected.id,
            producer_epoch: expected.epoch,
            ..Default::default()
        };
        let answer = self.coordinator.handle_init_producer_id(&request, version, self.now_ms);
        ErrorCode(answer.error_code).check()?;
        Ok(Producer { id: answer.producer_id, epoch: answer.producer_epoch })
    }

    /// Asks until nothing is in the way, as clients do.
    fn init(&mut self) -> Producer {
        for _ in 0..3 {
            let answer = self.init_as(None, 5);
            self.settle();
            if answer != Err(ErrorCode::CONCURRENT_TRANSACTIONS) {
                return answer.unwrap();
            }
        }
        panic!("a transaction does not end");
    }

    fn add(&mut self, from: Producer, partition: i32, version: i16) -> Result<(), ErrorCode> {
        let topic =
            AddPartitionsToTxnTopic { name: Str::from("topic"), partitions: vec![partition] };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: Str::from(ID),
            v3_and_below_producer_id: from.id,
            v3_and_below_producer_epoch: from.epoch,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        let now_ms = self.now_ms;
        let answer =
            self.coordinator.handle_add_partitions_to_txn(&request, version, |_, _| Ok(()), now_ms);
        let result = &answer.results_by_topic_v3_and_below[0].results_by_partition[0];
        ErrorCode(result.partition_error_code).check()
    }

    /// As Produce of version 12 does.
    fn produce(&mut self, from: Producer, partition: i32) -> Result<(), ErrorCode> {
        let partition = ("topic", partition);
        self.coordinator.verify_or_add_partition(ID, from, partition, true, self.now_ms)
    }

    fn add_offsets(&mut self, from: Producer, group: &str, version: i16) -> Result<(), ErrorCode> {
        let request = AddOffsetsToTxnRequest {
            transactional_id: Str::from(ID),
            producer_id: from.id,
            producer_epoch: from.epoch,
            group_id: Str::from(group),
        };
        let answer = self.coordinator.handle_add_offsets_to_txn(&request, version, self.now_ms);
        ErrorCode(answer.error_code).check()
    }

    fn end(&mut self, from: Producer, commit: bool, version: i16) -> Result<Producer, ErrorCode> {
        let request = EndTxnRequest {
            transactional_id: Str::from(ID),
            producer_id: from.id,
            producer_epoch: from.epoch,
            committed: commit,
        };
        let answer = self.coordinator.handle_end_txn(&request, version, self.now_ms);
        ErrorCode(answer.error_code).check()?;
        Ok(Producer { id: answer.producer_id, epoch: answer.producer_epoch })
    }

    fn state(&self) -> String {
        self.coordinator.describe(&Str::from(ID)).transaction_state.to_string()
    }
}
