//! Pure: what each error code of an offset commit means.

use klamm_protocol::error_code::ErrorCode;

/// What becomes of the offset of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitVerdict {
    Done,
    /// Again after a while.
    Retry,
    /// Again, once the coordinator has been found anew.
    FindCoordinator,
    /// Again, when the member has a new generation or epoch.
    Rejoin,
    /// This member is no longer who may commit.
    Fenced,
    /// Refused for good.
    Refused,
}

/// Decides a code of OffsetCommit.
pub(super) fn of_commit(code: ErrorCode) -> CommitVerdict {
    match code {
        ErrorCode::NONE => CommitVerdict::Done,
        ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR
        | ErrorCode::REQUEST_TIMED_OUT
        | ErrorCode::NETWORK_EXCEPTION => CommitVerdict::FindCoordinator,
        ErrorCode::REBALANCE_IN_PROGRESS => CommitVerdict::Rejoin,
        // The next heartbeat brings the epoch that the coordinator wants to see.
        ErrorCode::STALE_MEMBER_EPOCH => CommitVerdict::Retry,
        ErrorCode::ILLEGAL_GENERATION
        | ErrorCode::UNKNOWN_MEMBER_ID
        | ErrorCode::FENCED_MEMBER_EPOCH
        | ErrorCode::FENCED_INSTANCE_ID => CommitVerdict::Fenced,
        code if code.is_retriable() => CommitVerdict::Retry,
        _ => CommitVerdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_decided() {
        for &(code, name, retriable, _) in ErrorCode::table() {
            let expected = match code {
                0 => CommitVerdict::Done,
                7 | 13 | 15 | 16 => CommitVerdict::FindCoordinator,
                27 => CommitVerdict::Rejoin,
                113 => CommitVerdict::Retry,
                22 | 25 | 82 | 110 => CommitVerdict::Fenced,
                _ if retriable => CommitVerdict::Retry,
                _ => CommitVerdict::Refused,
            };
            assert_eq!(of_commit(ErrorCode(code)), expected, "{name}");
        }
        assert_eq!(of_commit(ErrorCode(9999)), CommitVerdict::Refused);
    }
}
