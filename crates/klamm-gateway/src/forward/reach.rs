//! Whether Kafka is there: what it takes says so, and while it takes nothing it is asked.

use super::connect::Connected;
use super::shared::Shared;
use klamm::Admin;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long an answer holds, and what was delivered; that may have been at the beginning of such a time. Twice this and
/// `PATIENCE` are less than the ten seconds within which an absence is told.
const HOLDS: Duration = Duration::from_secs(3);
/// How soon a Kafka that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Who answers later than this is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Keeps [`ForwardState::connected`](super::ForwardState::connected) true to the facts until nothing is lent any more.
pub(super) async fn watch(mut lent: watch::Receiver<Option<Connected>>, shared: Arc<Shared>) {
    loop {
        let admin = lent.borrow_and_update().as_ref().map(|connected| connected.client.admin());
        // Who has just connected was answered.
        shared.state.lock().connected = admin.is_some();
        tokio::select! {
            changed = lent.changed() => if changed.is_err() {
                return;
            },
            never = follow(admin, &shared) => match never {},
        }
    }
}

async fn follow(admin: Option<Admin>, shared: &Shared) -> Infallible {
    let Some(admin) = admin else { return std::future::pending().await };
    let mut delivered = shared.state.lock().delivered;
    let mut there = true;
    loop {
        sleep(if there { HOLDS } else { ASK_AGAIN }).await;
        let before = std::mem::replace(&mut delivered, shared.state.lock().delivered);
        let asked = if delivered > before { Ok(()) } else { ask(&admin).await };
        there = asked.is_ok();
        if let Err(why) = asked {
            shared.failed(format!("Kafka is not reached: {why}"));
        }
        shared.state.lock().connected = there;
    }
}

async fn ask(admin: &Admin) -> Result<(), String> {
    match timeout(PATIENCE, admin.describe_cluster()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
