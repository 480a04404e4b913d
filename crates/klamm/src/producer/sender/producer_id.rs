//! The producer id: asked for at the start, and again when its epochs are used up.

use super::super::error::Cause;
use super::super::partition::Partition;
use super::Sender;
use crate::connection::RequestError;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{InitProducerIdRequest, InitProducerIdResponse};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::sleep;

/// Failures in a row before they are worth a warning.
const LOUD_FROM_FAILURE: u32 = 5;

type Asking = Pin<Box<dyn Future<Output = Result<InitProducerIdResponse, RequestError>> + Send>>;

/// What is known of the producer id.
#[derive(Default)]
pub(super) struct ProducerIdState {
    /// The newest id and its epoch.
    current: Option<(i64, i16)>,
    asking: Option<Asking>,
    failures: u32,
}

impl Sender {
    /// Gives a partition a producer id: the present one, or a new one if it has used that up.
    pub(super) fn identify(&mut self, partition: Arc<Partition>) {
        let used = partition.with_sequence(|s| s.producer_id());
        match self.producer_id.current {
            Some((id, epoch)) if id != used => {
                let mut resolved = Vec::new();
                partition.with_sequence(|s| s.adopt(id, epoch, &mut resolved));
                self.resolve(resolved);
                self.route(partition);
            }
            _ => {
                self.producer_id.current = None;
                self.unidentified.push(partition);
                self.ask_for_producer_id();
            }
        }
    }

    pub(super) fn ask_for_producer_id(&mut self) {
        if self.producer_id.asking.is_some() {
            return;
        }
        let client = Arc::clone(&self.client);
        let failures = self.producer_id.failures;
        self.producer_id.asking = Some(Box::pin(async move {
            if failures > 0 {
                sleep(client.backoff(failures)).await;
            }
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                ..InitProducerIdRequest::default()
            };
            client.ask_any(&request, 0..=5).await
        }));
        // Polled at once, so that it starts now and wakes the sender.
        self.accumulator.signals.metadata_changed();
    }

    pub(super) fn poll_producer_id(&mut self, cx: &mut Context<'_>) {
        let Some(asking) = &mut self.producer_id.asking else { return };
        let Poll::Ready(result) = asking.as_mut().poll(cx) else { return };
        self.producer_id.asking = None;
        let failure = match result {
            Ok(answer) => match ErrorCode(answer.error_code) {
                ErrorCode::NONE => {
                    self.producer_id.failures = 0;
                    self.producer_id.current = Some((answer.producer_id, answer.producer_epoch));
                    for partition in std::mem::take(&mut self.unidentified) {
                        self.identify(partition);
                    }
                    return;
                }
                code if code.is_retriable() => code.to_string(),
                code => return self.fail_unidentified(code),
            },
            Err(error) => error.to_string(),
        };
        self.producer_id.failures = self.producer_id.failures.saturating_add(1);
        // A broker that was just started answers "loading" until it has a block of ids.
        if self.producer_id.failures < LOUD_FROM_FAILURE {
            tracing::debug!(reason = %failure, "no producer id yet");
        } else {
            tracing::warn!(reason = %failure, "still no producer id");
        }
        self.ask_for_producer_id();
    }

    /// The cluster will not give out a producer id: no batch that needs one will ever be sent.
    fn fail_unidentified(&mut self, code: ErrorCode) {
        for partition in std::mem::take(&mut self.unidentified) {
            for batch in partition.take_unsent(|_| true, true) {
                self.completion.not_delivered(Arc::new(batch), Cause::ProducerId(code));
            }
            partition.release();
        }
    }
}
