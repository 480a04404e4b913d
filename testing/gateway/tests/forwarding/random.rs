//! Many faults at once, from seeds.

use crate::stage::Stage;
use klamm_broker::{Action, ApiKey, Broker, ErrorCode, Rule};
use std::time::Duration;

fn action(random: &mut fastrand::Rng) -> Action {
    let codes = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::UNKNOWN_SERVER_ERROR,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
    ];
    let code = codes[random.usize(..codes.len())];
    match random.u8(0..6) {
        0 | 1 => Action::Error(code),
        2 => Action::ApplyThenError(code),
        3 => Action::ApplyThenDisconnect,
        4 => Action::Disconnect,
        _ => Action::DelayMs(random.u32(1..200)),
    }
}

async fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let builder = Broker::builder().nodes(3).topic("a", 1).topic("b", 5);
    let mut stage = Stage::with(builder, |config| {
        config.attempt_timeout = Duration::from_millis(500);
    })
    .await;
    for round in 0..12 {
        let mut rule = Rule::new(action(&mut random)).api(ApiKey::Produce);
        rule.probability = Some(random.f64());
        rule.seed = Some(random.u64(..));
        rule.times = Some(random.u64(1..20));
        if random.bool() {
            rule = rule.topic("b").partition(random.i32(0..5));
        }
        stage.controls().add_fault(rule).unwrap();
        stage.append_some("a", random.usize(1..80), 3).await;
        stage.append_some("b", random.usize(1..200), 9).await;
        match round % 4 {
            0 => {
                let to = random.i32(1..4);
                stage.controls().move_leader("b", random.i32(0..5), to).unwrap();
            }
            1 => stage.controls().disconnect(random.i32(1..4)).await.unwrap(),
            2 => stage = stage.restart().await,
            _ => {
                stage.nothing_is_released_early("a").await;
                stage.controls().clear_faults();
            }
        }
    }
    stage.controls().clear_faults();
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_everything_arrives_in_order() {
    for seed in 0..4 {
        run(seed).await;
    }
}
