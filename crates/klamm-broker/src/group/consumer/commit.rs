//! Pure: who may commit and fetch offsets of a KIP-848 group.

use super::group::ConsumerGroup;
use super::member::Member;
use klamm_protocol::error_code::ErrorCode;

/// The first version of OffsetCommit that knows member epochs.
const MEMBER_EPOCHS: i16 = 9;

impl ConsumerGroup {
    /// Whether a commit in the name of this member and epoch is in order.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, UNSUPPORTED_VERSION, or STALE_MEMBER_EPOCH; a transactional client, which does not know the
    /// last, is told ILLEGAL_GENERATION.
    pub(in crate::group) fn validate_commit(
        &self,
        epoch: i32,
        member_id: &str,
        version: i16,
        transactional: bool,
    ) -> Result<(), ErrorCode> {
        let nameless = epoch < 0 && member_id.is_empty();
        // An administrator, or a producer that does not say for whom it commits.
        if epoch < 0 && self.is_empty() || nameless && transactional {
            return Ok(());
        }
        let member = self.member(member_id)?;
        if version < MEMBER_EPOCHS {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        match member.epoch == epoch {
            true => Ok(()),
            false if transactional => Err(ErrorCode::ILLEGAL_GENERATION),
            false => Err(ErrorCode::STALE_MEMBER_EPOCH),
        }
    }

    /// Whether a member may fetch offsets in this epoch; anybody may who does not claim to be a member.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID or STALE_MEMBER_EPOCH.
    pub(in crate::group) fn validate_fetch(
        &self,
        epoch: i32,
        member_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        let Some(member_id) = member_id.or((epoch >= 0).then_some("")) else { return Ok(()) };
        if self.member(member_id)?.epoch == epoch {
            Ok(())
        } else {
            Err(ErrorCode::STALE_MEMBER_EPOCH)
        }
    }

    fn member(&self, id: &str) -> Result<&Member, ErrorCode> {
        self.members.get(id.as_bytes()).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }
}
