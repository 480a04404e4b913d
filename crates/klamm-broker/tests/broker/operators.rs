//! What people ask a broker with Kafka's own tools.

use crate::peer::{Peer, broker, start};
use klamm_broker::Broker;
use klamm_protocol::message::{DescribeClientQuotasRequest, DescribeLogDirsRequest};
use std::path::{Component, Path, PathBuf};

#[tokio::test]
async fn users_have_no_quotas() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    for version in 0..=1 {
        let answer = peer.call(version, &DescribeClientQuotasRequest::default()).await;
        assert_eq!((answer.error_code, answer.entries), (0, Some(Vec::new())));
    }
    broker.stop().await.unwrap();
}

/// The same place, as seen from the working directory.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap();
    let normal = |path: &Path| {
        let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
        parts.map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    normal(&here).iter().map(|_| "..".into()).chain(normal(path)).collect()
}

#[tokio::test]
async fn a_log_directory_is_told_so_that_others_find_it() {
    let dir = std::env::temp_dir().join(format!("klamm-operators-{}", std::process::id()));
    let given = relative(&dir);
    assert!(given.is_relative());
    let broker = start(Broker::builder().data(given)).await;
    let mut peer = Peer::connect(broker.address()).await;
    let answer = peer.call(1, &DescribeLogDirsRequest { topics: None }).await;
    let told = PathBuf::from(answer.results[0].log_dir.as_str());
    assert!(told.is_absolute(), "{}", told.display());
    assert_eq!(told.canonicalize().unwrap(), dir.canonicalize().unwrap());
    broker.stop().await.unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
