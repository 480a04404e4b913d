//! Members that come, go, die and stand still, under faults of the coordinator, from seeds.
//!
//! Whatever happens: nothing is skipped, nothing is committed that nobody was done with, and in the end
//! all has been processed.

use crate::members::{committed, member, settled};
use crate::stage::Stage;
use klamm::{Batch, Codec, Consumer, ConsumerConfig, ErrorCode, GroupProtocol};
use klamm_broker::{Action, ApiKey, Rule};
use std::time::Duration;
use tokio::time::timeout;

const PARTITIONS: i32 = 4;
const STEPS: u32 = 300;
const SECOND: Duration = Duration::from_secs(1);

/// A member, and what it has in hand.
struct Worker {
    consumer: Consumer,
    in_hand: Option<Batch>,
}

struct World {
    seed: fastrand::Rng,
    stage: Stage,
    config: ConsumerConfig,
    workers: Vec<Worker>,
    /// For each partition and record whether somebody was done with it.
    processed: Vec<Vec<bool>>,
}

impl World {
    async fn new(seed: u64, config: ConsumerConfig) -> Self {
        let stage = Stage::new(1, PARTITIONS).await;
        let processed = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self { seed: fastrand::Rng::with_seed(seed), stage, config, workers: Vec::new(), processed }
    }

    async fn produce(&mut self) {
        let partition = self.seed.i32(0..PARTITIONS);
        let of = &mut self.processed[usize::try_from(partition).unwrap()];
        let from = i64::try_from(of.len()).unwrap();
        of.resize(of.len() + 30, false);
        self.stage.produce(partition, from..from + 30, Codec::None).await;
    }

    /// The application of a worker is done with what it was given.
    fn done(&mut self, worker: usize) {
        let Some(batch) = self.workers[worker].in_hand.take() else { return };
        let of = &mut self.processed[usize::try_from(batch.partition()).unwrap()];
        for record in &batch {
            of[usize::try_from(record.offset()).unwrap()] = true;
        }
    }

    async fn poll(&mut self, worker: usize) {
        self.done(worker);
        let polling = self.workers[worker].consumer.poll();
        // Errors are told of the group, when a fault is fatal for a member.
        if let Ok(Ok(batch)) = timeout(SECOND / 20, polling).await {
            self.workers[worker].in_hand = batch;
        }
    }

    async fn step(&mut self) {
        let count = self.workers.len();
        match self.seed.u32(..100) {
            0..8 if count < 5 => {
                let consumer = self.stage.consumer(self.config.clone());
                self.workers.push(Worker { consumer, in_hand: None });
            }
            8..12 if count > 1 => {
                let worker = self.seed.usize(..count);
                self.done(worker);
                self.workers.swap_remove(worker).consumer.close().await;
            }
            12..16 if count > 1 => {
                // With something in hand, which nobody is ever done with.
                drop(self.workers.swap_remove(self.seed.usize(..count)));
            }
            16..24 => self.fault(),
            24..30 => tokio::time::sleep(self.seed.u32(..8) * SECOND).await,
            30..36 => self.produce().await,
            // Faults may keep it from being asked.
            36..40 => drop(timeout(40 * SECOND, self.check()).await),
            _ if count > 0 => {
                let worker = self.seed.usize(..count);
                self.poll(worker).await;
            }
            _ => {}
        }
    }

    fn fault(&mut self) {
        let apis = [
            ApiKey::Heartbeat,
            ApiKey::ConsumerGroupHeartbeat,
            ApiKey::JoinGroup,
            ApiKey::SyncGroup,
            ApiKey::OffsetCommit,
            ApiKey::OffsetFetch,
            ApiKey::FindCoordinator,
            ApiKey::Fetch,
        ];
        let actions = [
            Action::Disconnect,
            Action::ApplyThenDisconnect,
            Action::NoAnswer,
            Action::DelayMs(self.seed.u32(1..9_000)),
            Action::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Action::Error(ErrorCode::NOT_COORDINATOR),
            Action::ApplyThenError(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        ];
        let (api, action) = (self.seed.choice(apis).unwrap(), self.seed.choice(actions).unwrap());
        if api == ApiKey::Fetch && matches!(action, Action::Error(_) | Action::ApplyThenError(_)) {
            return;
        }
        let rule = Rule::new(action).api(api).times(self.seed.u64(1..3));
        self.stage.broker.controls().add_fault(rule).unwrap();
    }

    /// Nothing is committed that nobody was done with.
    async fn check(&self) {
        for partition in 0..PARTITIONS {
            let at = committed(&self.stage, partition).await.unwrap_or(0);
            let of = &self.processed[usize::try_from(partition).unwrap()];
            let undone = of.iter().position(|done| !done).unwrap_or(of.len());
            assert!(at <= i64::try_from(undone).unwrap(), "{partition}: {at} > {undone}");
        }
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            self.step().await;
        }
        self.stage.broker.controls().clear_faults();
        let consumer = self.stage.consumer(self.config.clone());
        self.workers.push(Worker { consumer, in_hand: None });
        let began = tokio::time::Instant::now();
        while !self.processed.iter().flatten().all(|done| *done) {
            assert!(began.elapsed() < 600 * SECOND, "something is skipped or stuck");
            for worker in 0..self.workers.len() {
                self.poll(worker).await;
            }
        }
        let all: Vec<&Consumer> = self.workers.iter().map(|worker| &worker.consumer).collect();
        if all.len() <= usize::try_from(PARTITIONS).unwrap() {
            settled(&all, PARTITIONS).await;
        }
        for worker in &self.workers {
            worker.consumer.close().await;
        }
        self.check().await;
    }
}

async fn churn(config: ConsumerConfig, seeds: std::ops::Range<u64>) {
    let config = config.max_poll_records(7).session_timeout(6 * SECOND);
    let config = config.heartbeat_interval(2 * SECOND).max_poll_interval(12 * SECOND);
    let config = config.auto_commit_interval(SECOND);
    for seed in seeds {
        println!("seed {seed}");
        World::new(seed, config.clone()).await.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn eager_members_skip_nothing_and_commit_nothing_undone() {
    churn(member(GroupProtocol::Classic), 0..4).await;
}

#[tokio::test(start_paused = true)]
async fn cooperative_members_skip_nothing_and_commit_nothing_undone() {
    let config = member(GroupProtocol::Classic);
    churn(config.partition_assignment_strategy(["cooperative-sticky"]), 100..104).await;
}

#[tokio::test(start_paused = true)]
async fn members_of_kip_848_skip_nothing_and_commit_nothing_undone() {
    churn(member(GroupProtocol::Consumer), 200..204).await;
}
