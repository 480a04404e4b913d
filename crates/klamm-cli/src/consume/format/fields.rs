//! Pure: a record with its surroundings, as formats see it.

/// Name and value.
pub(in crate::consume) type Header<'a> = (&'a str, Option<&'a [u8]>);

/// What there is to write of a record.
#[derive(Debug, Clone, Copy)]
pub(in crate::consume) struct Fields<'a> {
    pub(in crate::consume) topic: &'a str,
    pub(in crate::consume) partition: i32,
    pub(in crate::consume) offset: i64,
    /// -1 from before there were epochs.
    pub(in crate::consume) leader_epoch: i32,
    /// Milliseconds since 1970; -1 if it has none.
    pub(in crate::consume) timestamp: i64,
    /// Whether the timestamp is the broker's.
    pub(in crate::consume) log_append_time: bool,
    pub(in crate::consume) transactional: bool,
    /// -1 without one, like the epoch.
    pub(in crate::consume) producer_id: i64,
    pub(in crate::consume) producer_epoch: i16,
    pub(in crate::consume) key: Option<&'a [u8]>,
    pub(in crate::consume) value: Option<&'a [u8]>,
    /// In order, duplicates included.
    pub(in crate::consume) headers: &'a [Header<'a>],
    /// Of the partition, as the broker last told; -1 if it has not.
    pub(in crate::consume) log_start: i64,
    pub(in crate::consume) last_stable: i64,
    pub(in crate::consume) high_watermark: i64,
    /// How many records were written, this one included.
    pub(in crate::consume) count: u64,
}
