//! What the README shows with curl.

use crate::stage::{Dir, Serving, free_address, output, records};

#[test]
fn a_request_is_accepted_and_its_record_is_in_kafka() {
    let dir = Dir::new();
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let gateway = Serving::gateway(&dir.path("log"), &["-b", &broker.address]);
    let answer = gateway.json("/topics/orders?key=k7", r#"{"amount":5}"#);
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.value()["id"].as_str().unwrap().to_owned();
    let record = &records(&broker.address, 1)[0];
    assert_eq!((&record["key"], &record["value"]), (&"k7".into(), &r#"{"amount":5}"#.into()));
    assert!(record["headers"].to_string().contains(&id), "{record}");
}

#[test]
fn without_kafka_it_is_accepted_all_the_same_and_gets_there_later() {
    let dir = Dir::new();
    let address = free_address();
    let gateway = Serving::gateway(&dir.path("log"), &["-b", &address]);
    for n in 0..3 {
        assert_eq!(gateway.json("/topics/orders", &n.to_string()).status, 202);
    }
    let broker = Serving::broker(&address, &dir.path("broker"));
    let values: Vec<_> = records(&address, 3).iter().map(|r| r["value"].clone()).collect();
    assert_eq!(values, ["0", "1", "2"]);
    broker.kill();
    assert_eq!(gateway.json("/topics/orders", "3").status, 202);
    let _broker = Serving::broker(&address, &dir.path("broker"));
    assert_eq!(records(&address, 4)[3]["value"], "3");
}

#[test]
fn wrong_json_is_refused_with_the_place() {
    let dir = Dir::new();
    let gateway = Serving::gateway(&dir.path("log"), &["-b", "127.0.0.1:1"]);
    let answer = gateway.json("/topics/orders", "{\"amount\":\n 5,}");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.value();
    assert_eq!((&problem["line"], &problem["column"]), (&2.into(), &4.into()), "{problem}");
}

#[test]
fn a_full_log_refuses_and_says_when_to_come_back() {
    let dir = Dir::new();
    let text = "[wal]\nmax_bytes = \"1 MiB\"\nsegment_bytes = \"64 KiB\"\n[kafka]\n\
                bootstrap.servers = \"127.0.0.1:1\"\n";
    let config = dir.file("gateway.toml", text);
    let gateway = Serving::gateway(&dir.path("log"), &["--config", &config]);
    let body = vec![7; 100_000];
    let answers = std::iter::repeat_with(|| gateway.post("/topics/orders", &[], &body));
    let (mut taken, mut full) = (0, None);
    for answer in answers.take(20) {
        match answer.status {
            202 => taken += 1,
            _ => full = full.or(Some(answer)),
        }
    }
    assert!((5..11).contains(&taken), "{taken}");
    let full = full.unwrap();
    assert_eq!(full.status, 503, "{full:?}");
    let wait: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[test]
fn routes_of_the_file_are_served() {
    let dir = Dir::new();
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let text = "[[route]]\npath = \"/shops/{shop}/in\"\ntopic = \"orders\"\nkey = { path = \"shop\" }\n\
                headers = [\"X-Request-Id\"]\n";
    let config = dir.file("gateway.toml", text);
    let more = ["--config", &config, "-b", &broker.address];
    let gateway = Serving::gateway(&dir.path("log"), &more);
    let headers = ["Content-Type: application/json", "X-Request-Id: r1"];
    assert_eq!(gateway.post("/shops/s7/in", &headers, b"1").status, 202);
    let record = &records(&broker.address, 1)[0];
    assert_eq!(record["key"], "s7");
    assert!(record["headers"].to_string().contains("x-request-id"), "{record}");
    assert_eq!(gateway.json("/shops/s7/out", "1").status, 404);
}

#[test]
fn a_broker_of_its_own_keeps_what_was_accepted() {
    let dir = Dir::new();
    let gateway = Serving::gateway(&dir.path("log"), &[]);
    assert_eq!(gateway.json("/topics/orders", "1").status, 202);
    let (status, told) = gateway.terminate();
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("everything that was accepted is in Kafka"), "{told}");
    let data = format!("{}/broker", dir.path("log"));
    let broker = Serving::broker("127.0.0.1:0", &data);
    assert_eq!(records(&broker.address, 1)[0]["value"], "1");
}

#[test]
fn a_client_that_waits_for_kafka_is_told_where_its_record_is() {
    let dir = Dir::new();
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let more = ["-b", &broker.address, "--ack", "kafka"];
    let gateway = Serving::gateway(&dir.path("log"), &more);
    let answer = gateway.json("/topics/orders", "1");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("\"offset\":0"), "{answer:?}");
    let told = output(&["topics", "describe", "orders", "-b", &broker.address]);
    assert!(told.status.success());
}
