//! Pure: EndTxn, the decision to commit or abort.
//!
//! Under the first protocol an epoch lasts for many transactions, so a repeated or late EndTxn is told from a new one
//! only by the state. Under the second (version 5) each end raises the epoch: what comes with the epoch before is a
//! repetition, what comes with an older one is refused.

use super::coordinator::{Coordinator, for_version, producer};
use super::state::{NO_ID, Producer, State, Transaction, is_exhausted};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{EndTxnRequest, EndTxnResponse};

/// The version that uses the second protocol.
const TV2_SINCE: i16 = 5;
/// The version from which PRODUCER_FENCED is understood.
const FENCED_SINCE: i16 = 2;

/// What a request to end a transaction comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// End it now.
    End,
    /// It has been ended in just this way.
    Done,
}

impl Coordinator {
    /// Answers EndTxn, versions 0-5. A decision is final once the first effect is carried out.
    pub(crate) fn handle_end_txn(
        &mut self,
        request: &EndTxnRequest,
        version: i16,
        now_ms: i64,
    ) -> EndTxnResponse {
        let from = producer(request.producer_id, request.producer_epoch);
        let tv2 = version >= TV2_SINCE;
        let mut response = EndTxnResponse::default();
        match self.end(&request.transactional_id, from, request.committed, tv2, now_ms) {
            Ok(next) if tv2 => {
                (response.producer_id, response.producer_epoch) = (next.id, next.epoch)
            }
            Ok(_) => {}
            Err(code) => response.error_code = for_version(code, version, FENCED_SINCE).0,
        }
        response
    }

    /// The producer to go on as.
    fn end(
        &mut self,
        id: &str,
        from: Producer,
        commit: bool,
        tv2: bool,
        now_ms: i64,
    ) -> Result<Producer, ErrorCode> {
        let state = self.transaction(id)?;
        let verdict =
            if tv2 { judge_tv2(state, from, commit) } else { judge_tv1(state, from, commit) };
        let mut state = state.clone();
        match verdict? {
            Verdict::Done => Ok(state.successor()),
            Verdict::End => {
                if tv2 {
                    self.raise(&mut state)?;
                }
                if state.state != State::Ongoing {
                    state.start_ms = now_ms;
                }
                state.state = if commit { State::PrepareCommit } else { State::PrepareAbort };
                state.tv2 = tv2;
                state.last_update_ms = now_ms;
                let next = state.successor();
                self.prepare(id, state);
                Ok(next)
            }
        }
    }

    /// The epoch that the markers carry, and the next transaction if one is left after it.
    fn raise(&mut self, state: &mut Transaction) -> Result<(), ErrorCode> {
        state.next_producer_id = match state.is_exhausted() {
            true => self.take_producer_id()?,
            false => NO_ID,
        };
        state.last_producer_epoch = state.producer_epoch;
        state.producer_epoch = state.producer_epoch.saturating_add(1);
        Ok(())
    }
}

fn judge_tv1(state: &Transaction, from: Producer, commit: bool) -> Result<Verdict, ErrorCode> {
    if state.producer_id != from.id {
        return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    if state.producer_epoch != from.epoch {
        return Err(ErrorCode::PRODUCER_FENCED);
    }
    match state.state {
        State::Ongoing => Ok(Verdict::End),
        _ => judge_repeated(state.state, commit),
    }
}

fn judge_tv2(state: &Transaction, from: Producer, commit: bool) -> Result<Verdict, ErrorCode> {
    let after_new_id = state.tv2
        && state.previous_producer_id == from.id
        && is_exhausted(from.epoch)
        && state.producer_epoch == 0
        && matches!(state.state, State::CompleteCommit | State::CompleteAbort);
    if state.producer_id != from.id && !after_new_id {
        return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    let current = state.producer_id == from.id && state.producer_epoch == from.epoch;
    let one_behind = state.tv2 && from.epoch.checked_add(1) == Some(state.producer_epoch);
    match state.state {
        State::Ongoing if current => Ok(Verdict::End),
        State::Ongoing => Err(ErrorCode::PRODUCER_FENCED),
        // A producer may abort before the coordinator has heard of any partition: it gets its new epoch all the same.
        State::Empty | State::CompleteCommit | State::CompleteAbort if current => match commit {
            true => Err(ErrorCode::INVALID_TXN_STATE),
            false => Ok(Verdict::End),
        },
        State::Empty => Err(ErrorCode::PRODUCER_FENCED),
        _ if one_behind || after_new_id => judge_repeated(state.state, commit),
        _ => Err(ErrorCode::PRODUCER_FENCED),
    }
}

fn judge_repeated(state: State, commit: bool) -> Result<Verdict, ErrorCode> {
    match (state, commit) {
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(Verdict::Done),
        (State::PrepareCommit, true) | (State::PrepareAbort, false) => {
            Err(ErrorCode::CONCURRENT_TRANSACTIONS)
        }
        _ => Err(ErrorCode::INVALID_TXN_STATE),
    }
}
