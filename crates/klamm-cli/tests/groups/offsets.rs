//! What groups have committed: read, set, taken away.

use crate::stage::{Stage, at, p};
use klamm::admin::{GroupFilter, GroupOffsetsSpec, GroupState, GroupType, OffsetSpec};
use klamm::{ErrorCode, IsolationLevel, OffsetAndMetadata, TopicPartition};
use klamm_broker::Release;
use std::collections::BTreeMap;

#[tokio::test(start_paused = true)]
async fn offsets_are_set_read_and_deleted_with_epoch_and_note() {
    let stage = Stage::new().await;
    let noted =
        OffsetAndMetadata { offset: 7, leader_epoch: Some(0), metadata: "by hand".to_owned() };
    let offsets = BTreeMap::from([(p(0), noted.clone()), (p(2), at(0))]);
    let results = stage.admin.alter_group_offsets("g", offsets.clone()).await.unwrap();
    assert!(results.values().all(Result::is_ok) && results.len() == 2, "{results:?}");
    assert_eq!(stage.committed("g").await, offsets);

    let results = stage.admin.delete_group_offsets("g", [p(2), p(3)]).await.unwrap();
    assert!(results[&p(2)].is_ok(), "{results:?}");
    assert_eq!(stage.committed("g").await, BTreeMap::from([(p(0), noted)]));
    assert_eq!(stage.committed("nobody").await, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn several_groups_and_some_partitions_are_asked_for_at_once() {
    for release in ["4.0", "2.8"] {
        let release: Release = release.parse().unwrap();
        let stage = Stage::with(|builder| builder.release(release)).await;
        for (n, group) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            stage.commit(group, &[(0, n as i64), (1, 10)]).await;
        }
        let some = |group: &str| GroupOffsetsSpec::of(group, [p(0), p(3)]);
        let wanted = vec![some("a"), GroupOffsetsSpec::all("b"), some("e")];
        let answers = stage.admin.list_group_offsets(wanted).await.unwrap();
        let read: Vec<_> = answers.into_iter().map(|(group, of)| (group, of.unwrap())).collect();
        let expected = [
            ("a".to_owned(), BTreeMap::from([(p(0), at(0))])),
            ("b".to_owned(), BTreeMap::from([(p(0), at(1)), (p(1), at(10))])),
            ("e".to_owned(), BTreeMap::from([(p(0), at(4))])),
        ];
        assert_eq!(read, expected, "{release:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_do_not_exist_are_refused_one_by_one() {
    let stage = Stage::new().await;
    let nowhere = TopicPartition::new("nowhere", 0);
    let offsets = BTreeMap::from([(p(1), at(1)), (nowhere.clone(), at(1))]);
    let results = stage.admin.alter_group_offsets("g", offsets).await.unwrap();
    assert!(results[&p(1)].is_ok(), "{results:?}");
    let refused = results[&nowhere].as_ref().unwrap_err().code();
    assert_eq!(refused, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[tokio::test(start_paused = true)]
async fn groups_are_listed_described_and_deleted() {
    let stage = Stage::new().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    for group in names {
        stage.commit(group, &[(0, 1)]).await;
    }
    let list = stage.admin.list_groups(GroupFilter::default()).await.unwrap();
    let listed: Vec<&str> = list.groups.iter().map(|g| g.group_id.as_str()).collect();
    assert_eq!((listed, list.unanswered.len()), (names.to_vec(), 0));
    let first = &list.groups[0];
    assert_eq!((first.state, first.group_type), (GroupState::Empty, GroupType::Classic));
    let nodes: std::collections::BTreeSet<i32> =
        list.groups.iter().map(|g| g.coordinator).collect();
    assert!(nodes.len() > 1, "all are with one node: {nodes:?}");
    let none = GroupFilter::default().states([GroupState::Stable]);
    assert_eq!(stage.admin.list_groups(none).await.unwrap().groups, []);
    let classic = GroupFilter::default().types([GroupType::Classic]);
    assert_eq!(stage.admin.list_groups(classic).await.unwrap().groups.len(), names.len());

    let described = stage.admin.describe_groups(vec!["a".into(), "nobody".into()]).await.unwrap();
    let [(a, found), (nobody, missing)] = described.try_into().unwrap();
    let found = found.unwrap();
    assert_eq!((a.as_str(), nobody.as_str()), ("a", "nobody"));
    assert_eq!((found.state, found.members.len()), (GroupState::Empty, 0));
    assert_eq!(found.coordinator.id, first.coordinator);
    assert_eq!(found.coordinator.address, format!("node-{}:9092", first.coordinator));
    assert_eq!(missing.unwrap_err().code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));

    let deleted = stage.admin.delete_groups(vec!["a".into(), "nobody".into()]).await.unwrap();
    assert!(deleted[0].1.is_ok(), "{deleted:?}");
    let code = deleted[1].1.as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::GROUP_ID_NOT_FOUND));
    let list = stage.admin.list_groups(GroupFilter::default()).await.unwrap();
    assert_eq!(list.groups.len(), names.len() - 1);
}

#[tokio::test(start_paused = true)]
async fn before_4_0_a_group_that_does_not_exist_is_dead_and_so_not_found() {
    let release: Release = "2.8".parse().unwrap();
    let stage = Stage::with(|builder| builder.release(release)).await;
    stage.commit("g", &[(0, 1)]).await;
    let described = stage.admin.describe_groups(vec!["g".into(), "x".into()]).await.unwrap();
    assert_eq!(described[0].1.as_ref().unwrap().state, GroupState::Empty);
    let code = described[1].1.as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[tokio::test(start_paused = true)]
async fn ends_beginnings_and_times_are_told_by_partition() {
    let stage = Stage::new().await;
    stage.produce(0, &[1_000, 2_000, 3_000]).await;
    let nowhere = TopicPartition::new("nowhere", 0);
    let wanted = [
        (p(0), OffsetSpec::Timestamp(1_001)),
        (p(1), OffsetSpec::Latest),
        (p(2), OffsetSpec::Earliest),
        (p(3), OffsetSpec::Timestamp(5)),
        (p(4), OffsetSpec::Latest),
        (nowhere.clone(), OffsetSpec::Latest),
    ];
    let found = stage.admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await.unwrap();
    let offset =
        |tp: &TopicPartition| found[tp].as_ref().unwrap().map(|at| (at.offset, at.timestamp));
    assert_eq!(offset(&p(0)), Some((1, 2_000)));
    assert_eq!(offset(&p(1)), Some((0, -1)));
    assert_eq!(offset(&p(2)), Some((0, -1)));
    assert_eq!(offset(&p(3)), None);
    for missing in [p(4), nowhere] {
        let code = found[&missing].as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{missing}");
    }
    let end = stage.admin.list_offsets([(p(0), OffsetSpec::Latest)], IsolationLevel::ReadCommitted);
    assert_eq!(end.await.unwrap()[&p(0)].as_ref().unwrap().unwrap().offset, 3);
}
