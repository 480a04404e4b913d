//! The admin address of a broker, over HTTP by hand.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Doing, Failure, Result};
use crate::http;

/// How often a rule is asked whether it has struck.
const STEP: Duration = Duration::from_millis(5);

/// Control of one broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) port: u16,
}

impl Control {
    /// Adds a rule of faults, which is JSON.
    pub(super) fn add_fault(self, rule: &str) -> Result<()> {
        self.call("POST", "/faults", rule).map(drop)
    }

    /// Removes all rules and lets go of what they hold.
    pub(super) fn clear_faults(self) -> Result<()> {
        self.call("DELETE", "/faults", "").map(drop)
    }

    /// Waits until a rule has struck.
    pub(super) fn wait_until_struck(self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let rules = self.call("GET", "/faults", "")?;
            let rules: Value = serde_json::from_str(&rules).doing("rules of faults")?;
            let struck = |rule: &Value| rule["struck"].as_u64().is_some_and(|times| times > 0);
            if rules.as_array().is_some_and(|rules| rules.iter().any(struck)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("nothing came by {rules}")));
            }
            std::thread::sleep(STEP);
        }
    }

    /// The body of an answer that is no failure.
    fn call(self, method: &str, path: &str, body: &str) -> Result<String> {
        http::call(&format!("127.0.0.1:{}", self.port), method, path, body)
    }
}
