//! The admin address of a broker, over HTTP by hand.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Doing, Failure, Result};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The most of an answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
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
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let what = format!("{method} http://{address}{path}");
        let mut stream = TcpStream::connect_timeout(&address, LIMIT).doing(&what)?;
        stream.set_read_timeout(Some(LIMIT)).doing(&what)?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).doing(&what)?;
        let mut answer = String::new();
        stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer).doing(&what)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        match head.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(body.to_owned()),
            _ => Err(Failure::new(format!("{what}: {answer}"))),
        }
    }
}
