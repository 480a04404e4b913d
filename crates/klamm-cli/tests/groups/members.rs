//! Groups that have members, of both protocols: what is shown of them, and what is refused.

use crate::stage::{Stage, at, p};
use klamm::admin::{GroupDescription, GroupState, GroupType};
use klamm::{AutoOffsetReset, Consumer, ConsumerConfig, ErrorCode, GroupProtocol, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

/// Of the paused clock.
const PATIENCE: Duration = Duration::from_secs(60);
const PROTOCOLS: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];

fn member(stage: &Stage, protocol: GroupProtocol) -> Consumer {
    let config = ConsumerConfig::group("g")
        .subscribe(["t"])
        .group_protocol(protocol)
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .auto_commit(false);
    stage.client.consumer(config).unwrap()
}

async fn described(stage: &Stage) -> GroupDescription {
    let mut described = stage.admin.describe_groups(vec!["g".into()]).await.unwrap();
    described.pop().unwrap().1.unwrap()
}

/// Polls until each member has two of the four partitions, and the coordinator says so.
async fn settled(stage: &Stage, members: &[&Consumer]) -> GroupDescription {
    let began = tokio::time::Instant::now();
    loop {
        for member in members {
            let _ = tokio::time::timeout(Duration::from_millis(50), member.poll()).await;
        }
        let fair = members.iter().all(|member| member.assignment().len() == 2);
        if fair {
            let group = described(stage).await;
            if group.state == GroupState::Stable && group.members.len() == 2 {
                return group;
            }
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", described(stage).await);
    }
}

#[tokio::test(start_paused = true)]
async fn members_are_shown_with_what_they_have() {
    for protocol in PROTOCOLS {
        let stage = Stage::new().await;
        let members = [member(&stage, protocol), member(&stage, protocol)];
        let group = settled(&stage, &[&members[0], &members[1]]).await;
        let modern = protocol == GroupProtocol::Consumer;
        let group_type = if modern { GroupType::Consumer } else { GroupType::Classic };
        assert_eq!((group.group_type, group.protocol_type.as_str()), (group_type, "consumer"));
        assert_eq!(
            (group.group_epoch.is_some(), group.assignment_epoch.is_some()),
            (modern, modern)
        );
        assert!(!group.assignor.is_empty(), "{group:?}");
        let mut told: Vec<Vec<TopicPartition>> = Vec::new();
        for member in &group.members {
            assert!(!member.member_id.is_empty() && !member.host.is_empty(), "{member:?}");
            assert_eq!(member.client_id, "klamm", "{member:?}");
            assert_eq!(member.subscribed_topics, ["t"]);
            assert_eq!(member.target_assignment.is_some(), modern);
            told.push(member.assignment.clone().unwrap());
        }
        let mut had: Vec<Vec<TopicPartition>> = members.iter().map(Consumer::assignment).collect();
        told.sort();
        had.sort();
        assert_eq!(told, had, "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_members_commit_is_theirs_until_they_have_left() {
    for protocol in PROTOCOLS {
        let stage = Stage::new().await;
        stage.produce(0, &[1, 2, 3, 4, 5, 6, 7, 8]).await;
        let members = [member(&stage, protocol), member(&stage, protocol)];
        settled(&stage, &[&members[0], &members[1]]).await;
        let set = stage.admin.alter_group_offsets("g", BTreeMap::from([(p(0), at(5))])).await;
        assert_eq!(set.unwrap_err().code(), Some(ErrorCode::UNKNOWN_MEMBER_ID), "{protocol:?}");
        let taken = stage.admin.delete_group_offsets("g", [p(0)]).await.unwrap();
        let code = taken[&p(0)].as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC), "{protocol:?}");
        let deleted = stage.admin.delete_groups(vec!["g".into()]).await.unwrap();
        let code = deleted[0].1.as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::NON_EMPTY_GROUP), "{protocol:?}");

        for member in members {
            member.close().await;
        }
        assert_eq!(described(&stage).await.state, GroupState::Empty);
        stage.commit("g", &[(0, 5)]).await;
        let next = member(&stage, protocol);
        let batch = tokio::time::timeout(PATIENCE, next.poll()).await.unwrap().unwrap().unwrap();
        assert_eq!((batch.partition(), batch.first_offset()), (0, 5), "{protocol:?}");
    }
}
