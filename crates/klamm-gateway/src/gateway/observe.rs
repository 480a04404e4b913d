//! The gateway as its management port shows it.

use crate::forward::Forwarder;
use crate::guard::Guard;
use crate::http::ServerHandle;
use crate::management::{Observed, Phase};
use crate::tls::Acceptor;
use crate::wal::Wal;
use parking_lot::Mutex;
use std::sync::Arc;

/// What a gateway is made of while it serves.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) wal: Wal,
    pub(super) forwarder: Forwarder,
    pub(super) http: ServerHandle,
    pub(super) guard: Guard,
    pub(super) tls: Option<Acceptor>,
}

impl Parts {
    /// Why files that changed are not in use.
    fn stale(&self) -> Vec<String> {
        let certificates = self.tls.as_ref().and_then(Acceptor::stale);
        let certificates = certificates.map(|error| error.to_string());
        self.guard.stale().into_iter().chain(certificates).collect()
    }
}

/// What the management port looks at.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<(Phase, Option<Arc<Parts>>)>);

impl Shared {
    pub(super) fn serve(&self, parts: Arc<Parts>) {
        *self.0.lock() = (Phase::Serving, Some(parts));
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.0.lock().0 = phase;
    }

    /// Lets go of the parts.
    pub(super) fn end(&self) {
        self.0.lock().1 = None;
    }

    pub(super) fn observe(&self) -> Observed {
        let shared = self.0.lock();
        let mut observed = Observed { phase: shared.0, ..Observed::default() };
        if let Some(parts) = &shared.1 {
            observed.log = parts.wal.instance().into();
            observed.wal = parts.wal.state();
            observed.http = parts.http.state();
            observed.forward = parts.forwarder.state();
            observed.stale = parts.stale();
        }
        observed
    }
}
