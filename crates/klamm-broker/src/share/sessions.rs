//! Pure: share sessions: which partitions a member fetches over a connection, without naming them in every request.

use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeMap;

/// Partitions of one session.
const MAX_PARTITIONS: usize = 100_000;

/// The epochs that begin and end a session.
const FIRST_EPOCH: i32 = 0;
const LAST_EPOCH: i32 = -1;

/// A partition, by the id of its topic.
pub(crate) type PartitionKey = (Uuid, i32);

/// Whose session it is; a member has one with every node that leads what it reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionKey {
    pub(crate) group: Str,
    pub(crate) member: Str,
    pub(crate) node: i32,
}

#[derive(Debug)]
struct Session {
    /// The epoch that the next request has.
    epoch: i32,
    connection: u64,
    /// With each whether the next answer names it in any case.
    partitions: BTreeMap<PartitionKey, bool>,
}

/// A request that has found its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// It was the last.
    pub(crate) closed: bool,
    /// What is fetched, or was, when it is closed.
    pub(crate) partitions: Vec<PartitionKey>,
}

/// The sessions of all members.
#[derive(Debug, Default)]
pub(crate) struct ShareSessions {
    sessions: BTreeMap<SessionKey, Session>,
}

impl ShareSessions {
    /// A ShareFetch with this epoch: begins, goes on with or ends a session. `added` and `forgotten` change what it
    /// fetches.
    ///
    /// # Errors
    /// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED when there are `limit`, or
    /// INVALID_REQUEST for too many partitions.
    pub(crate) fn fetch(
        &mut self,
        key: &SessionKey,
        connection: u64,
        epoch: i32,
        added: &[PartitionKey],
        forgotten: &[PartitionKey],
        limit: usize,
    ) -> Result<Opened, ErrorCode> {
        if epoch == FIRST_EPOCH {
            return self.begin(key, connection, added, limit);
        }
        let opened = self.go_on(key, epoch)?;
        let Some(session) = self.sessions.get_mut(key) else { return Ok(opened) };
        for partition in added {
            session.partitions.entry(*partition).or_insert(true);
        }
        for partition in forgotten {
            session.partitions.remove(partition);
        }
        if session.partitions.len() > MAX_PARTITIONS {
            self.sessions.remove(key);
            return Err(ErrorCode::INVALID_REQUEST);
        }
        Ok(Opened { partitions: session.partitions.keys().copied().collect(), ..opened })
    }

    /// A ShareAcknowledge with this epoch, which goes on with or ends a session.
    ///
    /// # Errors
    /// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH.
    pub(crate) fn acknowledge(
        &mut self,
        key: &SessionKey,
        epoch: i32,
    ) -> Result<Opened, ErrorCode> {
        if epoch == FIRST_EPOCH {
            return Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH);
        }
        self.go_on(key, epoch)
    }

    fn begin(
        &mut self,
        key: &SessionKey,
        connection: u64,
        added: &[PartitionKey],
        limit: usize,
    ) -> Result<Opened, ErrorCode> {
        self.sessions.remove(key);
        if self.sessions.len() >= limit {
            return Err(ErrorCode::SHARE_SESSION_LIMIT_REACHED);
        }
        if added.len() > MAX_PARTITIONS {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let partitions: BTreeMap<PartitionKey, bool> = added.iter().map(|&p| (p, true)).collect();
        let opened = Opened { closed: false, partitions: partitions.keys().copied().collect() };
        let key =
            SessionKey { group: key.group.detach(), member: key.member.detach(), node: key.node };
        self.sessions.insert(key, Session { epoch: 1, connection, partitions });
        Ok(opened)
    }

    fn go_on(&mut self, key: &SessionKey, epoch: i32) -> Result<Opened, ErrorCode> {
        let session = self.sessions.get_mut(key).ok_or(ErrorCode::SHARE_SESSION_NOT_FOUND)?;
        let partitions = session.partitions.keys().copied().collect();
        if epoch == LAST_EPOCH {
            self.sessions.remove(key);
            return Ok(Opened { closed: true, partitions });
        }
        if epoch != session.epoch {
            return Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH);
        }
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        Ok(Opened { closed: false, partitions })
    }

    /// Whether an answer names a partition that there is nothing to say of; `failed` has the next answer name it again.
    pub(crate) fn names(
        &mut self,
        key: &SessionKey,
        partition: PartitionKey,
        failed: bool,
    ) -> bool {
        let session = self.sessions.get_mut(key);
        let named = session.and_then(|session| session.partitions.get_mut(&partition));
        named.is_some_and(|named| std::mem::replace(named, failed))
    }

    /// Ends the sessions of a connection that is gone; returns whose they were.
    pub(crate) fn disconnected(&mut self, connection: u64) -> Vec<(SessionKey, Vec<PartitionKey>)> {
        let gone = self.sessions.extract_if(.., |_, session| session.connection == connection);
        gone.map(|(key, session)| (key, session.partitions.into_keys().collect())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{PartitionKey, SessionKey, ShareSessions};
    use klamm_protocol::error_code::ErrorCode;
    use klamm_protocol::primitives::{Str, Uuid};

    const P: fn(i32) -> PartitionKey = |index| (Uuid::from_bytes([1; 16]), index);

    fn key(member: &str) -> SessionKey {
        SessionKey { group: Str::from_static("g"), member: Str::from(member), node: 1 }
    }

    #[test]
    fn a_session_remembers_what_is_fetched() {
        let mut sessions = ShareSessions::default();
        let begun = sessions.fetch(&key("a"), 1, 0, &[P(0), P(1)], &[], 9).unwrap();
        assert_eq!(begun.partitions, [P(0), P(1)]);
        let next = sessions.fetch(&key("a"), 1, 1, &[P(2)], &[P(0)], 9).unwrap();
        assert_eq!((next.partitions, next.closed), (vec![P(1), P(2)], false));
        assert!(sessions.acknowledge(&key("a"), 2).is_ok());
        let wrong = sessions.fetch(&key("a"), 1, 2, &[], &[], 9);
        assert_eq!(wrong, Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH));
        let last = sessions.fetch(&key("a"), 1, -1, &[], &[], 9).unwrap();
        assert_eq!((last.partitions, last.closed), (vec![P(1), P(2)], true));
        assert_eq!(sessions.acknowledge(&key("a"), -1), Err(ErrorCode::SHARE_SESSION_NOT_FOUND));
    }

    #[test]
    fn sessions_are_limited_and_end_with_their_connection() {
        let mut sessions = ShareSessions::default();
        for (member, connection) in [("a", 1), ("b", 2), ("a", 3)] {
            sessions.fetch(&key(member), connection, 0, &[P(0)], &[], 2).unwrap();
        }
        let full = sessions.fetch(&key("c"), 4, 0, &[P(0)], &[], 2);
        assert_eq!(full, Err(ErrorCode::SHARE_SESSION_LIMIT_REACHED));
        assert_eq!(sessions.disconnected(1), [], "it was begun anew over another");
        assert_eq!(sessions.disconnected(3), [(key("a"), vec![P(0)])]);
    }

    #[test]
    fn a_partition_is_named_once_and_again_after_an_error() {
        let mut sessions = ShareSessions::default();
        sessions.fetch(&key("a"), 1, 0, &[P(0)], &[], 9).unwrap();
        let named: Vec<bool> = [false, true, false, false]
            .map(|failed| sessions.names(&key("a"), P(0), failed))
            .into();
        assert_eq!(named, [true, false, true, false]);
        assert!(!sessions.names(&key("a"), P(1), false));
    }
}
