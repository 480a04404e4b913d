//! Pure: how long, how much and how many: what one client may take from the others.

use std::time::Duration;

/// Bounds of the server. Nothing that clients do takes more than these say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// From the first byte of a request's head to its last. Default 10 s.
    pub header_timeout: Duration,
    /// How long a body may take, beside what [`Limits::body_min_rate`] gives it. Default 10 s.
    pub body_timeout: Duration,
    /// Bytes a second that a body has to bring on average once its time is over: 408 below. Default 16 KiB.
    pub body_min_rate: usize,
    /// How long a connection may be open without a request. Default 60 s.
    pub idle_timeout: Duration,
    /// A TLS handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long a client may take nothing of its answer. Default 30 s.
    pub write_timeout: Duration,
    /// After an answer to a request that was not read to its end: how long the rest is read and thrown away, so that the
    /// answer gets there. Default 2 s.
    pub linger_timeout: Duration,
    /// Open connections; others get 503. Default 20,000.
    pub connections: usize,
    /// Open connections of one address (of one /64 with IPv6). Default 16,384: proxies are one address.
    pub connections_per_address: usize,
    /// Bytes of a request's head: 431 above. Default 16 KiB.
    pub head_bytes: usize,
    /// Requests that an HTTP/2 connection may have open. Default 128.
    pub streams: u32,
    /// Bytes of a body of any route, as it is sent and as it is decompressed: 413 above. Default 8 MiB.
    pub body_bytes: usize,
    /// Bytes of a record's key, value and headers: 413 above. Default 1 MiB, about what Kafka takes by default.
    pub record_bytes: usize,
    /// Bytes of all bodies in memory: 503 above. Default 256 MiB.
    pub budget_bytes: usize,
    /// How many times as large a body may become when it is decompressed: 413 above. Default 100.
    pub inflate_ratio: usize,
    /// How long an answer may be kept waiting for Kafka, whatever the client asks for: 202 then. Default 30 s.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            body_min_rate: 16 << 10,
            idle_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            connections: 20_000,
            connections_per_address: 16_384,
            head_bytes: 16 << 10,
            streams: 128,
            body_bytes: 8 << 20,
            record_bytes: 1 << 20,
            budget_bytes: 256 << 20,
            inflate_ratio: 100,
            wait: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// How often a connection looks at its clocks: often enough that none is passed by much.
    pub(super) fn tick(&self) -> Duration {
        let times = [self.header_timeout, self.idle_timeout, self.write_timeout];
        let shortest =
            times.into_iter().min().unwrap_or(self.idle_timeout).min(self.linger_timeout);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(2))
    }
}

/// How long a body of which `received` bytes are there may take in all: `time`, and what they bought at `rate`.
pub(crate) fn body_time(time: Duration, rate: usize, received: usize) -> Duration {
    let bytes = u64::try_from(received).unwrap_or(u64::MAX);
    let rate = u64::try_from(rate.max(1)).unwrap_or(u64::MAX);
    time + Duration::from_millis(bytes.saturating_mul(1000) / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_buys_time() {
        let time = Duration::from_secs(10);
        assert_eq!(body_time(time, 1000, 0), time);
        assert_eq!(body_time(time, 1000, 2500), Duration::from_millis(12_500));
        assert!(body_time(time, 0, usize::MAX) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn clocks_are_looked_at_often_enough() {
        assert_eq!(Limits::default().tick(), Duration::from_millis(500));
        let brief = Limits { header_timeout: Duration::from_millis(1), ..Limits::default() };
        assert_eq!(brief.tick(), Duration::from_millis(5));
    }
}
