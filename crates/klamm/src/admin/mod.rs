//! Administration: the cluster, topics and their settings, groups and their offsets.
//!
//! Every operation reports per topic or group, so that one refusal does not hide the others. Requests go to the
//! controller where it matters, and again to the next one when it has moved.

mod cluster;
mod configs;
mod groups;
mod offsets;
mod topics;

pub use self::cluster::{BrokerDescription, ClusterDescription};
pub use self::configs::{ConfigChange, ConfigEntry};
pub use self::groups::{
    GroupCoordinator, GroupDescription, GroupFilter, GroupList, GroupOffsetsSpec, GroupState,
    GroupSummary, GroupType, MemberDescription,
};
pub use self::offsets::{OffsetSpec, PartitionOffsets};
pub use self::topics::{NewTopic, PartitionDescription, TopicDescription, TopicSummary};

use crate::client::{Client, ClientInner, NoCoordinator};
use crate::connection::RequestError;
use crate::error::ErrorKind;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::Request;
use klamm_protocol::primitives::Str;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;
use thiserror::Error;

/// Tries while the controller moves or leaders are elected.
const TRIES: u32 = 5;

/// Administers a cluster; cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Arc<ClientInner>,
}

/// Why an operation, or one topic or group of it, failed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The broker refuses.
    #[error("{code}{}", message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default())]
    Broker {
        /// Its answer.
        code: ErrorCode,
        /// Its own words, when it had any.
        message: Option<Arc<str>>,
    },
    /// No broker could be asked, or none answered.
    #[error("{reason}")]
    Request {
        /// What happened.
        reason: Arc<str>,
        /// What to branch on.
        kind: ErrorKind,
    },
    /// The client's I/O thread has ended.
    #[error("the client is closed")]
    Closed,
}

impl AdminError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            AdminError::Broker { code, .. } if code.is_retriable() => ErrorKind::Retriable,
            AdminError::Broker {
                code:
                    ErrorCode::TOPIC_AUTHORIZATION_FAILED
                    | ErrorCode::GROUP_AUTHORIZATION_FAILED
                    | ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
                ..
            } => ErrorKind::Unauthorized,
            AdminError::Broker { .. } => ErrorKind::Misuse,
            AdminError::Request { kind, .. } => *kind,
            AdminError::Closed => ErrorKind::Closed,
        }
    }

    /// The broker's answer, if it was one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            AdminError::Broker { code, .. } => Some(*code),
            AdminError::Request { .. } | AdminError::Closed => None,
        }
    }
}

impl From<RequestError> for AdminError {
    fn from(error: RequestError) -> Self {
        AdminError::Request { reason: error.to_string().into(), kind: error.kind() }
    }
}

impl From<crate::connection::ConnectError> for AdminError {
    fn from(error: crate::connection::ConnectError) -> Self {
        RequestError::from(error).into()
    }
}

impl From<NoCoordinator> for AdminError {
    fn from(refused: NoCoordinator) -> Self {
        AdminError::Broker { code: refused.code, message: refused.message }
    }
}

/// The result for one topic or group, by its name.
type Named<T> = (String, Result<T, AdminError>);

/// The result for one topic or group.
fn outcome(code: i16, message: Option<&Str>) -> Result<(), AdminError> {
    ErrorCode(code).check().map_err(|code| AdminError::Broker {
        code,
        message: message.map(|m| Arc::from(m.as_str())),
    })
}

impl Client {
    /// Makes an administrator.
    pub fn admin(&self) -> Admin {
        Admin { client: Arc::clone(self.inner()) }
    }
}

impl Admin {
    /// Runs a piece of work on the I/O thread, where the connections are.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<ClientInner>) -> F) -> Result<T, AdminError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AdminError>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.client));
        self.client.io.run(work).await.unwrap_or(Err(AdminError::Closed))
    }
}

/// Asks the controller, and the next one when `moved` finds that it is another broker now.
async fn ask_controller<R: Request>(
    client: &ClientInner,
    request: &R,
    wanted: RangeInclusive<i16>,
    moved: impl Fn(&R::Response) -> bool,
) -> Result<R::Response, AdminError> {
    let mut failures = 0;
    loop {
        let connection = client.controller().await?;
        let timeout = client.config.request_timeout;
        let answer = connection.request(request, wanted.clone(), timeout).await?;
        failures += 1;
        if !moved(&answer) || failures >= TRIES {
            return Ok(answer);
        }
        client.metadata.request_refresh();
        tokio::time::sleep(client.backoff(failures)).await;
    }
}
