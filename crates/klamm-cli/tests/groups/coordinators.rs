//! Coordinators that move, load, and do not answer while a group is asked about.

use crate::stage::Stage;
use klamm::admin::{GroupFilter, GroupOffsetsSpec, OffsetSpec};
use klamm::{ErrorCode, ErrorKind, IsolationLevel};
use klamm_broker::{Action, ApiKey, CoordinatorType, Rule};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_and_loads_is_found_again() {
    let stage = Stage::new().await;
    stage.commit("g", &[(0, 5)]).await;
    for node in [1, 2, 3] {
        let load = Duration::from_secs(3);
        let controls = stage.broker.controls();
        controls.move_coordinator(CoordinatorType::Group, Some("g"), node, load).unwrap();
        assert_eq!(stage.committed("g").await.len(), 1);
        let described = stage.admin.describe_groups(vec!["g".into()]).await.unwrap();
        assert_eq!(described[0].1.as_ref().unwrap().coordinator.id, node);
    }
}

#[tokio::test(start_paused = true)]
async fn not_coordinator_is_asked_again_in_every_request() {
    let stage = Stage::new().await;
    stage.commit("g", &[(0, 5)]).await;
    let apis = [
        ApiKey::OffsetFetch,
        ApiKey::OffsetCommit,
        ApiKey::ConsumerGroupDescribe,
        ApiKey::DescribeGroups,
        ApiKey::OffsetDelete,
        ApiKey::ListGroups,
        ApiKey::DeleteGroups,
    ];
    for code in [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS] {
        for api in apis {
            let rule = Rule::new(Action::Error(code)).api(api).times(2);
            stage.broker.controls().add_fault(rule).unwrap();
        }
        assert_eq!(stage.committed("g").await.len(), 1);
        stage.commit("g", &[(0, 6), (1, 1)]).await;
        let described = stage.admin.describe_groups(vec!["g".into()]).await.unwrap();
        assert!(described[0].1.is_ok(), "{described:?}");
        let results = stage.admin.delete_group_offsets("g", [crate::stage::p(1)]).await.unwrap();
        assert!(results.values().all(Result::is_ok), "{results:?}");
        let list = stage.admin.list_groups(GroupFilter::default()).await.unwrap();
        assert_eq!((list.groups.len(), list.unanswered.len()), (1, 0));
        let deleted = stage.admin.delete_groups(vec!["g".into()]).await.unwrap();
        assert!(deleted[0].1.is_ok(), "{deleted:?}");
        let rules = stage.broker.controls().faults();
        assert!(rules.iter().all(|rule| rule.struck > 0), "{rules:?}");
        stage.broker.controls().clear_faults();
        stage.commit("g", &[(0, 5)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_gone_for_good_is_reported_in_time() {
    let stage = Stage::new().await;
    stage.commit("g", &[(0, 5)]).await;
    let rule = Rule::new(Action::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    stage.broker.controls().add_fault(rule.api(ApiKey::FindCoordinator)).unwrap();
    let began = tokio::time::Instant::now();
    let answers = stage.admin.list_group_offsets(vec![GroupOffsetsSpec::all("g")]).await.unwrap();
    let code = answers[0].1.as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    // request.timeout.ms, and not a backoff more.
    assert!(began.elapsed() <= Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_down_hides_no_groups() {
    let stage = Stage::new().await;
    for group in ["a", "b", "c", "d", "e", "f"] {
        stage.commit(group, &[(0, 1)]).await;
    }
    stage.broker.controls().set_node_up(2, false).await.unwrap();
    let list = stage.admin.list_groups(GroupFilter::default()).await.unwrap();
    assert_eq!((list.groups.len(), list.unanswered.len()), (6, 0), "{list:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_deleted_without_an_answer_was_deleted() {
    for action in [Action::ApplyThenDisconnect, Action::Disconnect] {
        let stage = Stage::new().await;
        stage.commit("g", &[(0, 5)]).await;
        let rule = Rule::new(action).api(ApiKey::DeleteGroups).times(1);
        stage.broker.controls().add_fault(rule).unwrap();
        let deleted = stage.admin.delete_groups(vec!["g".into()]).await.unwrap();
        assert!(deleted[0].1.is_ok(), "{deleted:?}");
        let deleted = stage.admin.delete_groups(vec!["g".into()]).await.unwrap();
        let code = deleted[0].1.as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::GROUP_ID_NOT_FOUND), "nothing is in doubt now");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_silent_costs_one_timeout_and_hides_no_other() {
    let stage = Stage::new().await;
    let silent = Rule::new(Action::NoAnswer).api(ApiKey::ListOffsets).partition(0);
    stage.broker.controls().add_fault(silent).unwrap();
    let began = tokio::time::Instant::now();
    let wanted = (0..4).map(|partition| (crate::stage::p(partition), OffsetSpec::Latest));
    let found = stage.admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await.unwrap();
    let error = found[&crate::stage::p(0)].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    assert!(found.values().filter(|found| found.is_ok()).count() >= 2, "{found:?}");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}
