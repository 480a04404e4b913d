//! `klamm perf http` from outside, against a server of a few lines.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A server that gives each request the next of these statuses, over and over; it has seen so many.
struct Server {
    address: String,
    seen: Arc<AtomicU64>,
}

impl Server {
    fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || drop(serve(stream, statuses, &counted)));
            }
        });
        Self { address, seen }
    }
}

/// Answers until the client goes away, or breaks off where the status is 0.
fn serve(stream: TcpStream, statuses: &[u16], seen: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let text = String::from_utf8(body).expect("text");
        for line in text.lines() {
            serde_json::from_str::<Value>(line).expect("JSON");
        }
        let number = seen.fetch_add(1, Ordering::Relaxed);
        let answer = match statuses[number as usize % statuses.len()] {
            0 => return Ok(()),
            204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            status => {
                let body = format!(r#"{{"id":"test/{number}","count":1}}"#);
                let length = body.len();
                format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}")
            }
        };
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}

fn perf(server: &Server, args: &[&str]) -> Output {
    let url = format!("http://{}/topics/t", server.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.args(["perf", "http", &url, "-O", "json"]).args(args);
    command.env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
    command.output().expect("klamm runs")
}

fn json(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {told}"))
}

#[test]
fn every_request_is_answered_once_and_stands_in_the_ledger() {
    let server = Server::start(&[202, 202, 204]);
    let ledger = std::env::temp_dir().join(format!("klamm-perf-http-{}", std::process::id()));
    let options = ["--num-requests", "3000", "-c", "7", "--threads", "2", "--ledger"];
    let records = ["--records-per-request", "3", "--seconds", "100"];
    let path = ledger.to_str().unwrap();
    let output = perf(&server, &[&options[..], &[path], &records].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result = json(&output);
    assert_eq!((&result["accepted"], &result["unanswered"]), (&3000.into(), &0.into()));
    let (accepted, empty) = (&result["statuses"]["202"], &result["statuses"]["204"]);
    assert_eq!((&accepted["count"], &empty["count"]), (&2000.into(), &1000.into()));
    assert_eq!(server.seen.load(Ordering::Relaxed), 3000);
    let text = std::fs::read_to_string(&ledger).unwrap();
    std::fs::remove_file(&ledger).unwrap();
    let mut first: Vec<u64> =
        text.lines().map(|l| l.split(' ').next().unwrap().parse().unwrap()).collect();
    first.sort_unstable();
    assert_eq!(first, (0..3000).map(|n| 100_000_000_000 + 3 * n).collect::<Vec<u64>>());
    assert_eq!(text.lines().filter(|l| l.ends_with(" 204 -")).count(), 1000);
    assert_eq!(text.lines().filter(|l| l.contains(" 202 test/")).count(), 2000);
}

#[test]
fn refusals_and_lost_answers_are_told_apart_and_end_with_six() {
    let server = Server::start(&[202, 503, 0]);
    let output = perf(&server, &["--num-requests", "30", "-c", "1", "--refusals-ok"]);
    let result = json(&output);
    assert_eq!((&result["accepted"], &result["answered_otherwise"]), (&10.into(), &10.into()));
    assert_eq!(result["unanswered"], 10, "{result}");
    assert_eq!(result["first_refusal"], "503 {\"id\":\"test/1\",\"count\":1}");
    assert_eq!(output.status.code(), Some(6));
    let busy = Server::start(&[202, 503]);
    let refused = perf(&busy, &["--num-requests", "10", "-c", "1"]);
    assert_eq!(refused.status.code(), Some(6));
    let allowed = perf(&busy, &["--num-requests", "10", "-c", "1", "--refusals-ok"]);
    assert!(allowed.status.success());
}

#[test]
fn a_schedule_is_kept_or_it_is_told() {
    let server = Server::start(&[202]);
    let output = perf(&server, &["--throughput", "1000", "--seconds", "0.5", "-c", "8"]);
    let result = json(&output);
    assert_eq!(result["accepted"], 500, "{result}");
    let hopeless = perf(&server, &["--throughput", "100000000", "--num-requests", "2000"]);
    assert_eq!(hopeless.status.code(), Some(7));
}

#[test]
fn what_cannot_be_done_is_said_at_once() {
    let server = Server::start(&[202]);
    for wrong in [
        &["--body", "20"][..],
        &["--header", "no header"],
        &["--header", "Content-Length: 1"],
        &["--seconds", "0"],
        &["--verify"],
    ] {
        assert_eq!(perf(&server, wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(server.seen.load(Ordering::Relaxed), 0);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = Server { address: nobody.to_string(), seen: Arc::default() };
    let output = perf(&gone, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no connection"));
}

#[test]
fn what_a_gateway_in_the_process_accepts_is_in_its_kafka() {
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
        command.args(["perf", "http", "-O", "json", "--verify", "-c", "8"]).args(more);
        command.env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
        let output = command.output().expect("klamm runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        json(&output)
    };
    let one = run(&["--num-requests", "500"]);
    assert_eq!((&one["accepted"], &one["verdict"]["accepted"]), (&500.into(), &500.into()));
    let lines = run(&["--num-requests", "50", "--records-per-request", "20"]);
    assert_eq!((&lines["accepted"], &lines["verdict"]["accepted"]), (&50.into(), &1000.into()));
    for verdict in [&one["verdict"], &lines["verdict"]] {
        for name in ["missing", "ids_missing", "duplicates", "id_duplicates", "not_accepted"] {
            assert_eq!(verdict[name], 0, "{name}: {verdict}");
        }
    }
}
