//! Requests to the port, as probes and browsers send them.

use super::super::{Management, Observed, Phase};
use super::sample;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// How long an answer may take.
const LONG: Duration = Duration::from_secs(20);

/// The whole answer to one request.
pub(super) async fn ask(address: SocketAddr, line: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut answer).await
    };
    timeout(LONG, asked).await.expect("an answer in time").expect("an answer");
    String::from_utf8(answer).expect("text")
}

fn run<F: Future<Output = ()>>(
    observed: Observed,
    test: impl FnOnce(SocketAddr, Arc<Mutex<Observed>>) -> F,
) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let shared = Arc::new(Mutex::new(observed));
        let seen = shared.clone();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let management = Management::start(loopback, move || seen.lock().clone()).await.unwrap();
        test(management.address(), shared).await;
    });
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn probes_follow_a_gateway_through_its_life() {
    run(Observed::default(), async |address, shared| {
        let table = [
            (Phase::Starting, ["200", "503", "503"]),
            (Phase::Serving, ["200", "200", "200"]),
            (Phase::Draining, ["200", "200", "503"]),
        ];
        shared.lock().wal.max_bytes = 1000;
        for (phase, expected) in table {
            shared.lock().phase = phase;
            for (path, expected) in ["/livez", "/startupz", "/readyz"].into_iter().zip(expected) {
                let answer = ask(address, &format!("GET {path}")).await;
                assert_eq!(status(&answer), expected, "{phase:?} {path}: {answer}");
            }
        }
    });
}

#[test]
fn metrics_say_how_it_is() {
    run(sample::busy(), async |address, _| {
        let answer = ask(address, "GET /metrics").await;
        assert_eq!(status(&answer), "200");
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        for line in [
            "klamm_gateway_wal_bytes 440401920",
            "klamm_gateway_wal_full_bytes 966367638",
            "klamm_gateway_http_requests_total{route=\"topics\",status=\"503\"} 7",
            "klamm_gateway_refused_total{reason=\"log_full\"} 7",
            "klamm_gateway_drain_lag_records 1700000",
            "klamm_gateway_drain_lag_seconds 42.5",
            "klamm_gateway_forward_dead_letters_total{reason=\"MESSAGE_TOO_LARGE\"} 9",
            "klamm_gateway_wal_cursor_failing 1",
            "klamm_gateway_ready 1",
        ] {
            assert!(answer.lines().any(|l| l == line), "no {line} in {answer}");
        }
    });
}

#[test]
fn nothing_else_is_there_and_nothing_can_be_changed() {
    run(sample::busy(), async |address, _| {
        assert_eq!(status(&ask(address, "GET /admin").await), "404");
        assert_eq!(status(&ask(address, "POST /readyz").await), "405");
        let head = ask(address, "HEAD /metrics").await;
        assert!(status(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
    });
}

#[test]
fn the_page_is_whole_without_its_script_and_names_are_only_text() {
    run(sample::busy(), async |address, _| {
        let page = ask(address, "GET /").await;
        assert_eq!(status(&page), "200");
        for part in [
            "content-security-policy: default-src 'none'; style-src 'sha256-",
            "<title>degraded · klamm gateway</title>",
            "<dt>Of 922 MiB at most</dt><dd>420 MiB</dd>",
            "8,000,000",
            "git &quot;hub&quot;\\hooks",
            "&lt;max.message.bytes&gt; &amp; &quot;more&quot;",
            "MESSAGE_TOO_LARGE",
            "the log&#39;s cursor cannot be saved",
        ] {
            assert!(page.contains(part), "no {part} in {page}");
        }
        for absent in ["https://", "style=", "onclick", "<max."] {
            assert!(!page.contains(absent), "{absent} in {page}");
        }
    });
}

#[test]
fn the_same_is_there_for_programs() {
    run(sample::busy(), async |address, _| {
        let answer = ask(address, "GET /status.json").await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["state"], "degraded");
        assert_eq!(json["wal"]["lag_records"], 1_700_000);
        assert_eq!(json["http"]["answers"]["topics"]["503"], 7);
        assert_eq!(json["kafka"]["dead_letters"]["MESSAGE_TOO_LARGE"], 9);
        assert_eq!(json["kafka"]["errors"][0]["error"], "orders-3: NOT_LEADER_OR_FOLLOWER");
    });
}

#[test]
fn the_page_may_do_only_what_it_is_made_of() {
    run(sample::busy(), async |address, _| {
        use base64::Engine;
        use sha2::{Digest, Sha256};
        let page = ask(address, "GET /").await;
        for tag in ["style", "script"] {
            let text = page.split(&format!("<{tag}>")).nth(1).unwrap();
            let text = text.split(&format!("</{tag}>")).next().unwrap();
            let hash = base64::prelude::BASE64_STANDARD.encode(Sha256::digest(text));
            assert!(page.contains(&format!("{tag}-src 'sha256-{hash}'")), "{tag}");
        }
    });
}
