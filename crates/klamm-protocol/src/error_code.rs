//! The error codes of the protocol: one table of code, name, whether a retry may help, and what it
//! means for the caller.
//!
//! Names and retriability are those of Kafka's `Errors` and `RetriableException`, which a test
//! compares with `testdata/wire/error_codes.txt`.

use std::fmt;

/// An error code as a broker sends it; codes of newer brokers are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

/// Code, name, retriable, meaning.
type Row = (i16, &'static str, bool, &'static str);

impl ErrorCode {
    /// Every code this build knows: code, name, retriable, meaning.
    pub fn table() -> &'static [(i16, &'static str, bool, &'static str)] {
        TABLE
    }

    /// Whether this is no error.
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    /// `Ok` for [`ErrorCode::NONE`].
    ///
    /// # Errors
    /// The code itself, if it is one.
    pub fn check(self) -> Result<(), ErrorCode> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    fn row(self) -> Option<&'static Row> {
        // The table has no gaps: code -1 is row 0.
        TABLE.get(usize::try_from(i32::from(self.0) + 1).ok()?)
    }

    /// Kafka's name of it, if this build knows the code.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.1)
    }

    /// Whether the same request may succeed later; unknown codes are not retriable.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.2)
    }

    /// What it means for the caller, in half a sentence.
    pub fn meaning(self) -> &'static str {
        self.row().map_or("a code that this version of klamm does not know", |row| row.3)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}: {}", self.meaning()),
            None => write!(f, "error {}: {}", self.0, self.meaning()),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

/// Makes a constant and a row of the table from each line.
macro_rules! error_codes {
    ($($code:literal $name:ident $retriable:literal $meaning:literal)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", $code, ": ", $meaning, ".")]
                pub const $name: ErrorCode = ErrorCode($code);
            )*
        }

        const TABLE: &[Row] = &[$(($code, stringify!($name), $retriable, $meaning),)*];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR false "the broker failed in a way it has no code for; the outcome of the request is not known"
    0 NONE false "success"
    1 OFFSET_OUT_OF_RANGE false "the offset lies before the first or after the last record of the partition"
    2 CORRUPT_MESSAGE true "the batch failed its checksum or is malformed; a retry helps if the wire corrupted it"
    3 UNKNOWN_TOPIC_OR_PARTITION true "no such topic or partition here, or not yet: create it, or wait for metadata to spread"
    4 INVALID_FETCH_SIZE false "the fetch size is not a size"
    5 LEADER_NOT_AVAILABLE true "the partition has no leader at the moment"
    6 NOT_LEADER_OR_FOLLOWER true "this broker does not lead the partition (any more): refresh metadata and ask the leader"
    7 REQUEST_TIMED_OUT true "the request was not finished in time; what it asked for may still have happened"
    8 BROKER_NOT_AVAILABLE false "the broker is not available; for tools, not for producers and consumers"
    9 REPLICA_NOT_AVAILABLE true "the replica is not available; reading elsewhere or later may work"
    10 MESSAGE_TOO_LARGE false "the batch is larger than max.message.bytes of the topic allows"
    11 STALE_CONTROLLER_EPOCH false "a newer controller exists"
    12 OFFSET_METADATA_TOO_LARGE false "the metadata string of an offset commit is too long"
    13 NETWORK_EXCEPTION true "the connection failed before an answer came"
    14 COORDINATOR_LOAD_IN_PROGRESS true "the coordinator is still loading its state: try again"
    15 COORDINATOR_NOT_AVAILABLE true "the coordinator is not available: find it again"
    16 NOT_COORDINATOR true "this broker is not the coordinator: find it again"
    17 INVALID_TOPIC_EXCEPTION false "the topic's name is not allowed, or the operation is not allowed on this topic"
    18 RECORD_LIST_TOO_LARGE false "the produce request is larger than the broker's segments allow"
    19 NOT_ENOUGH_REPLICAS true "fewer in-sync replicas than min.insync.replicas: nothing was appended, try again"
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND true "appended, but in-sync replicas fell below min.insync.replicas before they had it"
    21 INVALID_REQUIRED_ACKS false "acks is not 0, 1 or all"
    22 ILLEGAL_GENERATION false "the generation of the group has moved on: rejoin"
    23 INCONSISTENT_GROUP_PROTOCOL false "no protocol that every member of the group supports"
    24 INVALID_GROUP_ID false "the group id is not valid"
    25 UNKNOWN_MEMBER_ID false "the coordinator does not know this member (any more): rejoin"
    26 INVALID_SESSION_TIMEOUT false "the session timeout is outside the broker's bounds"
    27 REBALANCE_IN_PROGRESS false "the group is rebalancing: rejoin"
    28 INVALID_COMMIT_OFFSET_SIZE false "the offset commit is too large"
    29 TOPIC_AUTHORIZATION_FAILED false "the principal may not do this to the topic: an ACL is missing"
    30 GROUP_AUTHORIZATION_FAILED false "the principal may not do this to the group: an ACL is missing"
    31 CLUSTER_AUTHORIZATION_FAILED false "the principal may not do this to the cluster: an ACL is missing"
    32 INVALID_TIMESTAMP false "the record's timestamp is too far from the broker's time"
    33 UNSUPPORTED_SASL_MECHANISM false "the broker does not offer this SASL mechanism on this listener"
    34 ILLEGAL_SASL_STATE false "the request is not allowed at this stage of authentication"
    35 UNSUPPORTED_VERSION false "the broker does not know this version of the request"
    36 TOPIC_ALREADY_EXISTS false "the topic exists already"
    37 INVALID_PARTITIONS false "the number of partitions is not allowed, or not larger than before"
    38 INVALID_REPLICATION_FACTOR false "the replication factor is below one or above the number of brokers"
    39 INVALID_REPLICA_ASSIGNMENT false "the replica assignment is not valid"
    40 INVALID_CONFIG false "a setting has a value that is not allowed"
    41 NOT_CONTROLLER true "this broker is not the controller: refresh metadata"
    42 INVALID_REQUEST false "the request makes no sense to the broker: wrong settings, or an incompatible version"
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT false "the topic's message format is too old for this"
    44 POLICY_VIOLATION false "a policy of the cluster refuses the request"
    45 OUT_OF_ORDER_SEQUENCE_NUMBER false "the sequence number does not follow the last one that the broker has"
    46 DUPLICATE_SEQUENCE_NUMBER false "the broker has this batch already"
    47 INVALID_PRODUCER_EPOCH false "a newer epoch of this producer exists, or the epoch is not known"
    48 INVALID_TXN_STATE false "the transaction is not in a state that allows this"
    49 INVALID_PRODUCER_ID_MAPPING false "the producer id does not belong to this transactional id"
    50 INVALID_TRANSACTION_TIMEOUT false "the transaction timeout is above the broker's maximum"
    51 CONCURRENT_TRANSACTIONS true "another operation on this transaction is still going on: try again"
    52 TRANSACTION_COORDINATOR_FENCED false "a newer transaction coordinator exists"
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED false "the principal may not use this transactional id: an ACL is missing"
    54 SECURITY_DISABLED false "the cluster has no authorizer, so ACLs mean nothing"
    55 OPERATION_NOT_ATTEMPTED false "not attempted, because something else in the same request failed"
    56 KAFKA_STORAGE_ERROR true "the broker cannot use the disk of this partition: another replica will take over"
    57 LOG_DIR_NOT_FOUND false "the broker has no such log directory"
    58 SASL_AUTHENTICATION_FAILED false "the credentials are wrong"
    59 UNKNOWN_PRODUCER_ID false "the broker has no state for this producer: its records were deleted or it was idle too long"
    60 REASSIGNMENT_IN_PROGRESS false "the partition is being reassigned already"
    61 DELEGATION_TOKEN_AUTH_DISABLED false "delegation tokens are not enabled on the cluster"
    62 DELEGATION_TOKEN_NOT_FOUND false "no such delegation token"
    63 DELEGATION_TOKEN_OWNER_MISMATCH false "the delegation token belongs to somebody else"
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED false "delegation tokens can't be asked for over this kind of connection"
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED false "the principal may not do this to the delegation token"
    66 DELEGATION_TOKEN_EXPIRED false "the delegation token has expired"
    67 INVALID_PRINCIPAL_TYPE false "this kind of principal is not supported"
    68 NON_EMPTY_GROUP false "the group still has members"
    69 GROUP_ID_NOT_FOUND false "no such group"
    70 FETCH_SESSION_ID_NOT_FOUND true "the broker has forgotten the fetch session: start a new one"
    71 INVALID_FETCH_SESSION_EPOCH true "the epoch of the fetch session is not the expected one: start a new one"
    72 LISTENER_NOT_FOUND true "the leader has no such listener: wait for metadata"
    73 TOPIC_DELETION_DISABLED false "the cluster does not allow topics to be deleted"
    74 FENCED_LEADER_EPOCH true "the request carries an older leader epoch than the broker's: refresh metadata"
    75 UNKNOWN_LEADER_EPOCH true "the request carries a newer leader epoch than the broker's: it will catch up"
    76 UNSUPPORTED_COMPRESSION_TYPE false "the topic or version does not support this compression"
    77 STALE_BROKER_EPOCH false "the broker epoch is out of date"
    78 OFFSET_NOT_AVAILABLE true "the high watermark is not known yet after a leader change: try again"
    79 MEMBER_ID_REQUIRED false "join again with the member id that came with this answer"
    80 PREFERRED_LEADER_NOT_AVAILABLE true "the preferred leader is not available"
    81 GROUP_MAX_SIZE_REACHED false "the group is full"
    82 FENCED_INSTANCE_ID false "another member has taken this group.instance.id"
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE true "no replica may be elected leader"
    84 ELECTION_NOT_NEEDED true "the leader is the right one already"
    85 NO_REASSIGNMENT_IN_PROGRESS false "no reassignment is going on"
    86 GROUP_SUBSCRIBED_TO_TOPIC false "the group is subscribed to the topic, so its offsets stay"
    87 INVALID_RECORD false "a record was refused: it breaks a rule of the topic, such as a missing key under compaction"
    88 UNSTABLE_OFFSET_COMMIT true "an offset of an open transaction is pending: try again"
    89 THROTTLING_QUOTA_EXCEEDED true "the quota is exceeded: try again later"
    90 PRODUCER_FENCED false "a newer producer with the same transactional id has taken over"
    91 RESOURCE_NOT_FOUND false "no such resource"
    92 DUPLICATE_RESOURCE false "the resource was named twice"
    93 UNACCEPTABLE_CREDENTIAL false "the new credential does not fulfil the requirements"
    94 INCONSISTENT_VOTER_SET false "the voter set is not the expected one"
    95 INVALID_UPDATE_VERSION false "the version of the update is not valid"
    96 FEATURE_UPDATE_FAILED false "the features could not be updated"
    97 PRINCIPAL_DESERIALIZATION_FAILURE false "the broker could not read a forwarded principal"
    98 SNAPSHOT_NOT_FOUND false "no such snapshot"
    99 POSITION_OUT_OF_RANGE false "the position lies outside the snapshot"
    100 UNKNOWN_TOPIC_ID true "no topic has this id: it was deleted, or metadata has not spread yet"
    101 DUPLICATE_BROKER_REGISTRATION false "a broker with this id is registered already"
    102 BROKER_ID_NOT_REGISTERED false "the broker is not registered"
    103 INCONSISTENT_TOPIC_ID true "the topic id does not match the topic's name: it was made anew"
    104 INCONSISTENT_CLUSTER_ID false "the request is for another cluster"
    105 TRANSACTIONAL_ID_NOT_FOUND false "no such transactional id"
    106 FETCH_SESSION_TOPIC_ID_ERROR true "the fetch session mixes topic ids and names: start a new one"
    107 INELIGIBLE_REPLICA false "the replica may not join the in-sync set"
    108 NEW_LEADER_ELECTED false "a new leader was elected while the request was handled"
    109 OFFSET_MOVED_TO_TIERED_STORAGE false "the offset lies in tiered storage, which only consumers read"
    110 FENCED_MEMBER_EPOCH false "the member's epoch is fenced: rejoin"
    111 UNRELEASED_INSTANCE_ID false "the static member id is still in use"
    112 UNSUPPORTED_ASSIGNOR false "the coordinator does not have this assignor"
    113 STALE_MEMBER_EPOCH false "the member's epoch is older than the coordinator's: heartbeat first"
    114 MISMATCHED_ENDPOINT_TYPE false "the request was sent to the wrong kind of endpoint"
    115 UNSUPPORTED_ENDPOINT_TYPE false "this kind of endpoint is not supported"
    116 UNKNOWN_CONTROLLER_ID false "no such controller"
    117 UNKNOWN_SUBSCRIPTION_ID false "the telemetry subscription is not known: ask for it again"
    118 TELEMETRY_TOO_LARGE false "the telemetry is larger than the broker takes"
    119 INVALID_REGISTRATION false "the registration of the broker is not valid"
    120 TRANSACTION_ABORTABLE false "the transaction must be aborted; the producer stays usable"
    121 INVALID_RECORD_STATE false "the record is not in a state that allows this acknowledgement"
    122 SHARE_SESSION_NOT_FOUND true "the broker has forgotten the share session: start a new one"
    123 INVALID_SHARE_SESSION_EPOCH true "the epoch of the share session is not the expected one: start a new one"
    124 FENCED_STATE_EPOCH false "the state epoch is fenced"
    125 INVALID_VOTER_KEY false "the voter key does not match"
    126 DUPLICATE_VOTER false "the voter is in the set already"
    127 VOTER_NOT_FOUND false "no such voter"
    128 INVALID_REGULAR_EXPRESSION false "the regular expression is not valid"
    129 REBOOTSTRAP_REQUIRED false "the client must start again from its bootstrap servers"
    130 STREAMS_INVALID_TOPOLOGY false "the topology is not valid"
    131 STREAMS_INVALID_TOPOLOGY_EPOCH false "the epoch of the topology is not valid"
    132 STREAMS_TOPOLOGY_FENCED false "the epoch of the topology is out of date"
    133 SHARE_SESSION_LIMIT_REACHED true "the broker has no room for another share session"
    134 GROUP_DELETION_FAILED false "the group could not be deleted"
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED false "the description of the topology could not be updated"
    136 CONTROLLER_ID_NOT_REGISTERED false "the controller is not registered"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java's `Errors` says: see the README beside the file.
    const JAVA: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/wire/error_codes.txt"));

    #[test]
    fn names_and_retriability_are_java_s() {
        let ours: Vec<String> = ErrorCode::table()
            .iter()
            .map(|(code, name, retriable, _)| format!("{code} {name} {retriable}"))
            .collect();
        assert_eq!(ours, JAVA.lines().collect::<Vec<_>>());
    }

    #[test]
    fn every_code_finds_its_own_row() {
        for (code, name, ..) in ErrorCode::table() {
            assert_eq!(ErrorCode(*code).name(), Some(*name));
        }
    }

    #[test]
    fn unknown_codes_stay_what_they_are() {
        for unknown in [i16::MIN, -2, 9999, i16::MAX] {
            let code = ErrorCode(unknown);
            assert_eq!((code.name(), code.is_retriable(), code.is_ok()), (None, false, false));
            assert!(code.to_string().contains(&unknown.to_string()));
        }
    }
}
