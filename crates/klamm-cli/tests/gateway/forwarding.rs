//! How records get to Kafka: who the gateway is there, what is done with those that Kafka does not take.

use crate::stage::{Dir, Serving, output, records_of};

#[test]
fn the_file_says_who_the_gateway_is_for_kafka_and_how_records_are_sent() {
    let dir = Dir::new();
    let users = dir.file("users", "gateway:hush-hush\n");
    let broker = dir.path("broker");
    let listen = ["broker", "--listen", "127.0.0.1:0", "--data", &broker, "--users", &users];
    let broker = Serving::start(&[&listen[..], &["--topics", "orders:1"]].concat());
    let kafka = |password: &str| {
        format!(
            "[kafka]\nbootstrap.servers = \"{}\"\nsecurity.protocol = \"SASL_PLAINTEXT\"\n\
             sasl.mechanism = \"SCRAM-SHA-256\"\nsasl.username = \"gateway\"\nsasl.password = \"{password}\"\n\
             compression.type = \"zstd\"\nlinger.ms = 3\n[stop]\ndrain_timeout = \"1 s\"\n",
            broker.address
        )
    };
    let wrong = dir.file("wrong.toml", &kafka("whisper"));
    let log = dir.path("log");
    let gateway = Serving::gateway(&log, &["--config", &wrong]);
    assert_eq!(gateway.json("/topics/orders", "1").status, 202, "Kafka has no part in that");
    let (_, told) = gateway.terminate();
    assert!(told.contains("1 records are in") && !told.contains("whisper"), "{told}");
    let right = dir.file("right.toml", &kafka("hush-hush"));
    let gateway = Serving::gateway(&log, &["--config", &right]);
    let (end, told) = gateway.terminate();
    assert!(end == Some(0) && told.contains("everything that was accepted is in Kafka"), "{told}");
}

/// A broker whose topic `small` takes small records, and a gateway before it with this in its file.
fn before_a_small_topic(dir: &Dir, settings: &str, forward: &str) -> (Serving, Serving) {
    let broker = dir.path("broker");
    let broker = ["broker", "--listen", "127.0.0.1:0", "--data", &broker, "--topics", "letters:1"];
    let broker = Serving::start(&broker);
    let small = ["topics", "create", "small", "-p", "1", "-b", &broker.address, "-c", settings];
    assert!(output(&small).status.success());
    let kafka =
        format!("[kafka]\nbootstrap.servers = \"{}\"\n[forward]\n{forward}\n", broker.address);
    let config = dir.file("gateway.toml", &kafka);
    let gateway = Serving::gateway(&dir.path("log"), &["--config", &config]);
    (broker, gateway)
}

#[test]
fn what_kafka_never_takes_goes_to_the_topic_that_the_file_names() {
    let dir = Dir::new();
    let forward = "dead_letter_topic = \"letters\"\nattempt_timeout = \"5 s\"";
    let (broker, gateway) = before_a_small_topic(&dir, "max.message.bytes=1000", forward);
    let binary = ["Content-Type: application/octet-stream"];
    assert_eq!(gateway.post("/topics/small", &binary, &[7; 5000]).status, 202);
    let letter = &records_of("letters", &broker.address, 1)[0];
    assert!(letter["headers"].to_string().contains("MESSAGE_TOO_LARGE"), "{letter}");
}

#[test]
fn what_no_topic_takes_goes_to_the_file_that_the_file_names() {
    let dir = Dir::new();
    let letters = dir.path("letters.jsonl");
    let forward = format!("dead_letter_file = \"{letters}\"\ndead_letter_topic = \"small\"");
    let (_broker, gateway) = before_a_small_topic(&dir, "max.message.bytes=1000", &forward);
    let binary = ["Content-Type: application/octet-stream"];
    assert_eq!(gateway.post("/topics/small", &binary, &[7; 5000]).status, 202);
    let (end, told) = gateway.terminate();
    assert_eq!(end, Some(0), "{told}");
    let letters = std::fs::read_to_string(letters).unwrap();
    assert!(letters.contains("MESSAGE_TOO_LARGE"), "{letters}");
}
