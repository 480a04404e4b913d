//! Pure: what each error code of each answer means for a member.

use klamm_protocol::error_code::ErrorCode;

/// What a member does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It went well.
    Done,
    /// The same again, to the same coordinator, after a while.
    Retry,
    /// The same again, once the coordinator has been found anew.
    FindCoordinator,
    /// The group rebalances: join again, still a member.
    Rejoin,
    /// The generation or epoch is gone and the partitions with it; the member id still holds.
    Fenced,
    /// The coordinator does not know the member id: partitions and id are gone.
    Forgotten,
    /// Join again with the id in the answer (KIP-394).
    MemberIdRequired,
    /// The group cannot be served by this protocol.
    FallBack,
    /// The instance id is still taken by a member that is gone or going.
    Unreleased,
    /// No way on.
    Fatal,
}

use Verdict::*;

/// The codes that mean the same in every answer of a coordinator.
fn common(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::NONE => Done,
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => FindCoordinator,
        // Not an answer, but a connection that failed: perhaps the coordinator is elsewhere.
        ErrorCode::NETWORK_EXCEPTION => FindCoordinator,
        code if code.is_retriable() => Retry,
        _ => Fatal,
    }
}

/// JoinGroup.
pub(super) fn of_join(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::MEMBER_ID_REQUIRED => MemberIdRequired,
        ErrorCode::UNKNOWN_MEMBER_ID => Forgotten,
        ErrorCode::ILLEGAL_GENERATION => Fenced,
        ErrorCode::REBALANCE_IN_PROGRESS => Retry,
        code => common(code),
    }
}

/// SyncGroup.
pub(super) fn of_sync(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::UNKNOWN_MEMBER_ID => Forgotten,
        ErrorCode::ILLEGAL_GENERATION => Fenced,
        ErrorCode::REBALANCE_IN_PROGRESS => Rejoin,
        code => common(code),
    }
}

/// Heartbeat of the classic protocol.
pub(super) fn of_heartbeat(code: ErrorCode) -> Verdict {
    of_sync(code)
}

/// ConsumerGroupHeartbeat; `joining` when it carried epoch 0.
pub(super) fn of_consumer_heartbeat(code: ErrorCode, joining: bool) -> Verdict {
    match code {
        ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID => Fenced,
        ErrorCode::UNRELEASED_INSTANCE_ID => Unreleased,
        // A classic group by that name, or, for a member, a group that has been deleted.
        ErrorCode::GROUP_ID_NOT_FOUND if joining => FallBack,
        ErrorCode::GROUP_ID_NOT_FOUND => Fenced,
        ErrorCode::UNSUPPORTED_VERSION => FallBack,
        code => common(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For every known code: the verdict is the one in `special`, else the one all answers share.
    fn check(of: impl Fn(ErrorCode) -> Verdict, special: &[(i16, Verdict)]) {
        for &(code, name, retriable, _) in ErrorCode::table() {
            let special = special.iter().find(|(special, _)| *special == code);
            let expected = match (special, code) {
                (Some((_, verdict)), _) => *verdict,
                (None, 0) => Done,
                (None, 13 | 15 | 16) => FindCoordinator,
                (None, _) if retriable => Retry,
                (None, _) => Fatal,
            };
            assert_eq!(of(ErrorCode(code)), expected, "{name}");
        }
        assert_eq!(of(ErrorCode(9999)), Fatal, "a code of a newer broker");
    }

    #[test]
    fn every_code_of_every_answer_is_decided() {
        let join = [(79, MemberIdRequired), (25, Forgotten), (22, Fenced), (27, Retry)];
        check(of_join, &join);
        let sync = [(25, Forgotten), (22, Fenced), (27, Rejoin)];
        check(of_sync, &sync);
        check(of_heartbeat, &sync);
        let consumer = [(110, Fenced), (25, Fenced), (111, Unreleased), (35, FallBack)];
        let joining = [&consumer[..], &[(69, FallBack)]].concat();
        check(|code| of_consumer_heartbeat(code, true), &joining);
        let member = [&consumer[..], &[(69, Fenced)]].concat();
        check(|code| of_consumer_heartbeat(code, false), &member);
    }
}
