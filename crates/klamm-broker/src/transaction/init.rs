//! Pure: InitProducerId, which gives out producer ids and fences the producer that had a transactional id before.

use super::coordinator::{Coordinator, for_version, producer};
use super::state::{NO_EPOCH, NO_ID, Producer, State, Transaction, is_exhausted};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{InitProducerIdRequest, InitProducerIdResponse};

/// The version from which PRODUCER_FENCED is understood.
const FENCED_SINCE: i16 = 4;

impl Coordinator {
    /// Answers InitProducerId, versions 0-5.
    ///
    /// CONCURRENT_TRANSACTIONS says that a transaction is being ended, by this request or before it; once the effects
    /// are carried out, the same request succeeds.
    pub(crate) fn handle_init_producer_id(
        &mut self,
        request: &InitProducerIdRequest,
        version: i16,
        now_ms: i64,
    ) -> InitProducerIdResponse {
        let given = match &request.transactional_id {
            _ if (request.producer_id == NO_ID) != (request.producer_epoch == NO_EPOCH) => {
                Err(ErrorCode::INVALID_REQUEST)
            }
            None => self.take_producer_id().map(|id| Producer { id, epoch: 0 }),
            Some(id) => self.init(id, request, now_ms),
        };
        let mut response = InitProducerIdResponse { producer_id: NO_ID, ..Default::default() };
        match given {
            Ok(given) => (response.producer_id, response.producer_epoch) = (given.id, given.epoch),
            Err(code) => {
                response.producer_epoch = NO_EPOCH;
                response.error_code = for_version(code, version, FENCED_SINCE).0;
            }
        }
        response
    }

    fn init(
        &mut self,
        id: &str,
        request: &InitProducerIdRequest,
        now_ms: i64,
    ) -> Result<Producer, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let timeout_ms = request.transaction_timeout_ms;
        if timeout_ms < 1 || timeout_ms > self.limits.max_timeout_ms {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let expected = (request.producer_id != NO_ID)
            .then(|| producer(request.producer_id, request.producer_epoch));
        let mut state = match self.transactions.get(id) {
            Some(state) => state.clone(),
            None if self.has_room() => Transaction::new(self.take_producer_id()?),
            None => return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        };
        self.admit(id, &state, expected, now_ms)?;
        self.advance(&mut state, expected.map(|expected| expected.epoch))?;
        state.timeout_ms = timeout_ms;
        state.state = State::Empty;
        state.start_ms = -1;
        state.last_update_ms = now_ms;
        let given = Producer { id: state.producer_id, epoch: state.producer_epoch };
        self.store(id.to_owned(), state);
        Ok(given)
    }

    /// Whether the producer that the client believes to be may go on, and has not left a transaction open.
    fn admit(
        &mut self,
        id: &str,
        state: &Transaction,
        expected: Option<Producer>,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        if expected.is_some_and(|expected| !is_same(state, expected)) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match state.state {
            State::PrepareCommit | State::PrepareAbort => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            // Kafka aborts first and finds out then; a producer of the past had better not touch the transaction.
            State::Ongoing if expected.is_some_and(|it| it.epoch != state.producer_epoch) => {
                Err(ErrorCode::PRODUCER_FENCED)
            }
            State::Ongoing => {
                self.fence(id, now_ms);
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            State::Empty | State::CompleteCommit | State::CompleteAbort => Ok(()),
        }
    }

    /// Gives `state` the producer id and epoch for a client that comes from epoch `expected` (KIP-360).
    fn advance(&mut self, state: &mut Transaction, expected: Option<i16>) -> Result<(), ErrorCode> {
        let current = state.producer_epoch;
        match expected {
            Some(epoch) if current != NO_EPOCH && epoch != current => {
                // The answer to an earlier request was lost: the same one again.
                let repeated = epoch == state.last_producer_epoch && current < i16::MAX;
                return if repeated { Ok(()) } else { Err(ErrorCode::PRODUCER_FENCED) };
            }
            _ => {}
        }
        state.last_producer_epoch = if expected.is_some() { current } else { NO_EPOCH };
        if state.is_exhausted() {
            state.previous_producer_id = state.producer_id;
            state.producer_id = self.take_producer_id()?;
            state.producer_epoch = 0;
        } else {
            state.previous_producer_id = NO_ID;
            state.producer_epoch = current + 1;
        }
        Ok(())
    }
}

/// Whether `expected` is this id's producer, or the one before it that may not have heard of its new id.
fn is_same(state: &Transaction, expected: Producer) -> bool {
    state.producer_epoch == NO_EPOCH
        || expected.id == state.producer_id
        || (expected.id == state.previous_producer_id && is_exhausted(expected.epoch))
}
