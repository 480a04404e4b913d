//! Answers to "which offset" that have none, or none of the partition.

use crate::stage::{Stage, comes_to, is_silent, p, read};
use klamm::{ConsumerConfig, Start};
use klamm_protocol::message::ListOffsetsResponse;

/// First says nothing of partitions, then an offset below zero, then what is right.
fn reluctant(stage: &Stage) {
    let mut answers = 0;
    let edit = move |answer: &mut ListOffsetsResponse| {
        answers += 1;
        for topic in &mut answer.topics {
            match answers {
                1 => topic.partitions.clear(),
                2 => topic.partitions.iter_mut().for_each(|data| data.offset = -1),
                3 => topic.partitions.iter_mut().for_each(|data| data.offset = -7),
                _ => {}
            }
        }
    };
    stage.wire.edits().list_offsets = Some(Box::new(edit));
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_none_is_asked_for_again() {
    let stage = Stage::new(1).await;
    stage.produce(0, 0..100).await;
    for (start, at) in [(Start::Earliest, 0), (Start::Latest, 100)] {
        reluctant(&stage);
        let consumer = stage.consumer(ConsumerConfig::default());
        consumer.assign([("t", 0, start)]);
        if at == 0 {
            assert_eq!(read(&consumer, 100).await.len(), 100);
        } else {
            comes_to(&consumer, 0, at).await;
            assert!(is_silent(&consumer).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ends_that_are_none_are_asked_for_again() {
    let stage = Stage::new(1).await;
    stage.produce(0, 0..100).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    reluctant(&stage);
    assert_eq!(consumer.end_offsets([p(0)]).await.unwrap()[&p(0)], 100);
    reluctant(&stage);
    assert_eq!(consumer.beginning_offsets([p(0)]).await.unwrap()[&p(0)], 0);
    let none = consumer.offsets_for_times([(p(0), i64::MAX)]).await.unwrap();
    assert_eq!(none[&p(0)], None, "of a time it is an answer");
}
