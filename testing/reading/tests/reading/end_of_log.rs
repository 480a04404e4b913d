//! Logs that end in markers: whoever reads to the end must get there.

use crate::stage::{Stage, comes_to, is_silent, p, read};
use crate::writer::Writer;
use klamm::{Codec, ConsumerConfig, IsolationLevel, Start};

#[tokio::test(start_paused = true)]
async fn the_end_is_reached_though_nothing_there_is_handed_out() {
    for (level, committed) in [
        (IsolationLevel::ReadCommitted, false),
        (IsolationLevel::ReadCommitted, true),
        (IsolationLevel::ReadUncommitted, true),
    ] {
        let stage = Stage::new(1).await;
        stage.produce(0, 0..10).await;
        let consumer = stage.consumer(ConsumerConfig::default().isolation_level(level));
        consumer.assign([("t", 0, Start::Earliest)]);
        assert_eq!(read(&consumer, 10).await.len(), 10);
        let mut writer = Writer::new(&stage.wire, "w").await;
        writer.write(0, &[10, 11, 12], Codec::Gzip).await;
        writer.end(committed).await;
        let end = consumer.end_offsets([p(0)]).await.unwrap()[&p(0)];
        assert_eq!(end, 14, "three records and a marker");
        if committed {
            assert_eq!(read(&consumer, 3).await, [10, 11, 12]);
        }
        comes_to(&consumer, 0, end).await;
        assert_eq!(consumer.lag(&p(0)), Some(0));
        assert!(is_silent(&consumer).await);
        // From there, from the marker itself, and from within what was aborted.
        for from in [14, 13, 11] {
            consumer.seek(&p(0), from).unwrap();
            let rest = if committed && from < 13 { 13 - from } else { 0 };
            read(&consumer, usize::try_from(rest).unwrap()).await;
            comes_to(&consumer, 0, end).await;
        }
    }
}
