//! Requests of a group on their way to brokers and back.

use crate::client::{ClientInner, ConnectionClass};
use crate::connection::{ConnectError, Connection, RequestError};
use crate::consumer::group::lookups;
use crate::consumer::group::machine::{Answer, Call, Request as GroupRequest};
use crate::error::ErrorKind;
use klamm_protocol::message::*;
use std::future::Future;
use std::ops::RangeInclusive;
use std::time::Duration;

/// All that the protocol crate knows: the message's own range bounds it.
const ANY: RangeInclusive<i16> = 0..=i16::MAX;
/// Later versions name topics by their ids.
const BY_NAME: RangeInclusive<i16> = 0..=9;

/// The connections of one consumer to its coordinator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Classes {
    /// For what is answered at once.
    pub(super) quick: ConnectionClass,
    /// For what waits for other members.
    pub(super) rebalance: ConnectionClass,
}

/// What came of a request that needs no machine to read it.
pub(super) type Answered<T> = Result<T, RequestError>;

/// Sends what a member wants sent, at `node` unless it asks for the coordinator.
pub(super) async fn send(
    client: &ClientInner,
    node: Option<i32>,
    classes: Classes,
    request: GroupRequest,
) -> Answered<Answer> {
    let GroupRequest { timeout, mut call, .. } = request;
    let connection = match &call {
        Call::FindCoordinator(_) => client.any_connection().await?,
        Call::Join(_) | Call::Sync(_) => connect(client, node, classes.rebalance).await?,
        _ => connect(client, node, classes.quick).await?,
    };
    match &call {
        Call::FindCoordinator(_) => call.fit(connection.version::<FindCoordinatorRequest>(ANY)?),
        Call::Leave(_) => call.fit(connection.version::<LeaveGroupRequest>(ANY)?),
        _ => {}
    }
    let answer = match call {
        Call::FindCoordinator(find) => {
            Answer::FindCoordinator(connection.request(&find, ANY, timeout).await?)
        }
        Call::Join(join) => Answer::Join(connection.request(&join, ANY, timeout).await?),
        Call::Sync(sync) => Answer::Sync(connection.request(&sync, ANY, timeout).await?),
        Call::Heartbeat(beat) => Answer::Heartbeat(connection.request(&beat, ANY, timeout).await?),
        Call::Leave(leave) => Answer::Leave(connection.request(&leave, ANY, timeout).await?),
        Call::ConsumerHeartbeat(beat) => {
            Answer::ConsumerHeartbeat(connection.request(&beat, ANY, timeout).await?)
        }
    };
    connection.throttle(throttle_time_ms(&answer));
    Ok(answer)
}

/// For how long the broker wants to be left alone.
fn throttle_time_ms(answer: &Answer) -> i32 {
    match answer {
        Answer::FindCoordinator(answer) => answer.throttle_time_ms,
        Answer::Join(answer) => answer.throttle_time_ms,
        Answer::Sync(answer) => answer.throttle_time_ms,
        Answer::Heartbeat(answer) => answer.throttle_time_ms,
        Answer::Leave(answer) => answer.throttle_time_ms,
        Answer::ConsumerHeartbeat(answer) => answer.throttle_time_ms,
        Answer::Failed | Answer::Unsupported => 0,
    }
}

async fn connect(
    client: &ClientInner,
    node: Option<i32>,
    class: ConnectionClass,
) -> Result<Connection, ConnectError> {
    let node = node.unwrap_or(-1);
    client.connection(node, class).await.inspect_err(|_| client.metadata.request_refresh())
}

/// Commits offsets at the coordinator.
pub(super) async fn commit(
    client: &ClientInner,
    node: i32,
    class: ConnectionClass,
    request: &OffsetCommitRequest,
) -> Answered<OffsetCommitResponse> {
    let connection = connect(client, Some(node), class).await?;
    let answer = connection.request(request, BY_NAME, client.config.request_timeout).await?;
    connection.throttle(answer.throttle_time_ms);
    Ok(answer)
}

/// Asks the coordinator for committed offsets.
pub(super) async fn look_up(
    client: &ClientInner,
    node: i32,
    class: ConnectionClass,
    mut request: OffsetFetchRequest,
) -> Answered<OffsetFetchResponse> {
    let connection = connect(client, Some(node), class).await?;
    lookups::fit(&mut request, connection.version::<OffsetFetchRequest>(BY_NAME)?);
    let answer = connection.request(&request, BY_NAME, client.config.request_timeout).await?;
    connection.throttle(answer.throttle_time_ms);
    Ok(answer)
}

/// Waits no longer than an answer may take, getting a connection included.
pub(super) async fn within<T>(
    timeout: Duration,
    asking: impl Future<Output = Answered<T>>,
) -> Answered<T> {
    match tokio::time::timeout(timeout, asking).await {
        Ok(answered) => answered,
        Err(_) => Err(RequestError::never_sent(&"coordinator".into(), "no connection in time")),
    }
}

/// What a failure is to a member; `Err` with what the application has to hear as well.
pub(super) fn failed(error: RequestError) -> (Answer, Option<ConnectError>) {
    tracing::debug!(%error, "a request to the group's coordinator failed");
    match error {
        RequestError::Version { .. } | RequestError::Encode(_) => (Answer::Unsupported, None),
        RequestError::Connect(error) => {
            let told = matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Misuse);
            (Answer::Failed, told.then_some(error))
        }
        _ => (Answer::Failed, None),
    }
}
