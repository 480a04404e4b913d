//! What a consumer must get right between the broker's log and the application: the embedded broker with its
//! faults, a wire that changes answers, and a writer of transactions that klamm's producer is not.
//!
//! Each hazard is a file under `tests/reading/`. Those that need no broker, or nothing but it, are elsewhere:
//!
//! | Hazard | Where |
//! |---|---|
//! | Fetch sessions forgotten, cut off, out of step | `fetch_sessions`; klamm `session_tests` |
//! | Offsets out of range | `offset_out_of_range`; klamm-cli `trouble` |
//! | Logs that were cut, leaders that move | `truncation`; klamm `positions_tests` |
//! | Answers in the middle of a validation | `truncation`; klamm `positions_tests` |
//! | Followers that a leader names | `closest_replica`; klamm `positions_tests` |
//! | Aborted and open transactions | `aborted_transactions`; klamm `decode_tests` |
//! | Markers at the end of the log | `end_of_log`; klamm `decode_tests` |
//! | Compaction gaps, empty batches | `compaction_gaps`; klamm `decode_tests` |
//! | Corrupt batches, every bit | klamm `decode_tests`; klamm-cli `trouble` |
//! | The clock of timestamps | `timestamp_type`; klamm `decode_tests` |
//! | Formats v0 and v1 | `old_message_sets`; klamm `decode_tests`; klamm-protocol `record_batch` |
//! | Offsets below zero, partitions left out | `negative_offsets` |
//! | Seek, pause and resume against answers | klamm-cli `long_polls`, `reading`; klamm `positions_tests` |
//! | Futures dropped where they wait | `dropped_futures`; klamm-cli `reading` |
//! | Throttle times | `throttling` |
//! | Memory beyond the budget | `memory`; klamm `budget`, `plan_tests` |
