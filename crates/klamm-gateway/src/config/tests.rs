use super::key::Key;
use super::table::SECTIONS;
use super::*;
use crate::ack::Ack;
use crate::route::Routes;
use crate::tls::CertificateName;
use ::http::Method;
use std::time::Duration;

fn wrong(text: &str) -> String {
    GatewayConfig::from_toml(text).unwrap_err().to_string()
}

#[test]
fn nothing_in_a_file_leaves_everything_as_it_is() {
    let empty = GatewayConfig::from_toml("# nothing\n").unwrap();
    assert_eq!(format!("{empty:?}"), format!("{:?}", GatewayConfig::default()));
}

#[test]
fn what_the_table_calls_defaults_are_the_defaults() {
    let default = format!("{:?}", GatewayConfig::default());
    for section in SECTIONS {
        // What has no default is not there, and the whole section of tokens is not there without one of its keys.
        let there = |key: &&Key<_>| key.default != "-" && section.name != "tokens";
        for Key { name, default: value, .. } in section.keys.iter().filter(there) {
            let text = format!("[{}]\n{name} = {value}", section.name);
            let set = GatewayConfig::from_toml(&text).unwrap();
            assert_eq!(format!("{set:?}"), default, "{text}");
        }
    }
    let without = "[[route]]\npath = \"/a\"\ntopic = \"t\"\n";
    let of = |text: &str| GatewayConfig::from_toml(text).unwrap().routes;
    for Key { name, default: value, .. } in super::routes::KEYS {
        if !["-", "its path"].contains(value) {
            let with = format!("{without}{name} = {value}\n");
            assert_eq!(of(&with), of(without), "{with}");
        }
    }
}

#[test]
fn everything_can_be_set() {
    let text = r#"
        [http]
        listen = "127.0.0.1:0"
        [topics]
        ack = "kafka"
        body_limit = "1 MiB"
        validate = false
        headers = ["X-Id"]
        [wal]
        data = "/d"
        max_bytes = "20 GiB"
        topic_share = 1
        max_age = "1h"
        seen_max = 0
        [management]
        listen = "none"
        [stop]
        drain_timeout = "0s"
    "#;
    let config = GatewayConfig::from_toml(text).unwrap();
    assert_eq!(config.listen.port(), 0);
    assert_eq!(config.management, None);
    assert_eq!((config.wal.max_bytes, config.wal.topic_share), (20 << 30, 1.0));
    assert_eq!((config.wal.max_age, config.wal.seen_max), (Some(Duration::from_secs(3600)), 0));
    assert_eq!(config.drain_timeout, Duration::ZERO);
    let topics = config.topics.unwrap();
    assert_eq!((topics.ack, topics.body_limit, topics.checked), (Ack::Kafka, 1 << 20, false));
    assert_eq!(topics.headers.len(), 1);
    let off = GatewayConfig::from_toml("[topics]\nenabled = false\nvalidate = false").unwrap();
    assert!(off.topics.is_none());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let table = [
        (
            "[http]\nlisen = \"127.0.0.1:1\"",
            "line 2, column 1: unknown key \"lisen\"; did you mean listen?",
        ),
        ("[htp]", "line 1, column 2: unknown key \"htp\"; did you mean http?"),
        ("[somethingelse]", "line 1, column 2: unknown key \"somethingelse\""),
        ("[http]\nlisten = 80", "line 2, column 10: listen: expected an IP address and a port"),
        ("[http\n", "line 1, column 6: "),
        ("http = 1", "line 1, column 8: http is a section: [http]"),
        (
            "[wal]\n  max_bytes = \"1 KiB\"",
            "line 2, column 15: max_bytes: expected 1 MiB to 1024 TiB",
        ),
        (
            "[wal]\ntopic_share = 0.0",
            "line 2, column 15: topic_share: expected more than 0, at most 1",
        ),
        ("[wal]\nmax_age = \"1ms\"", "line 2, column 11: max_age: expected none, or a time"),
        ("[stop]\ndrain_timeout = 5", "line 2, column 17: drain_timeout: expected 0 s to 1 h"),
        ("[topics]\nack = \"disk\"", "line 2, column 7: ack: expected wal, kafka or memory"),
        ("[topics]\nheaders = [\"Cookie\"]", "line 2, column 11: headers: cookie belongs to"),
        (
            "[kafka]\nliner.ms = 5",
            "line 2, column 7: unknown setting \"liner.ms\"; did you mean linger.ms?",
        ),
        ("[kafka]\nacks = []", "line 2, column 8: acks: expected a text"),
        ("route = 1", "line 1, column 9: routes are a list"),
    ];
    for (text, expected) in table {
        let told = wrong(text);
        assert!(told.starts_with(expected), "{text}\n{told}\n{expected}");
    }
}

#[test]
fn kafka_is_told_by_its_own_names() {
    let text = "[kafka]\nbootstrap.servers = \"a:1,b:2\"\n\"client.id\" = \"me\"\nsasl.username = \"u\"\n\
                sasl.password = \"hush\"\nsasl.mechanism = \"PLAIN\"\nsecurity.protocol = \"SASL_PLAINTEXT\"\n\
                linger.ms = 7\nenable.idempotence = true";
    let config = GatewayConfig::from_toml(text).unwrap();
    assert!(config.forward.client.has_bootstrap_servers());
    let shown = format!("{config:?}");
    assert!(shown.contains("\"me\"") && shown.contains("7ms"), "{shown}");
    assert!(!shown.contains("hush"), "a secret is not shown: {shown}");
    let refused = wrong("[kafka]\nlinger.ms = \"hush\"");
    assert!(!refused.contains("hush"), "{refused}");
}

#[test]
fn routes_are_read() {
    let text = r#"
        [[route]]
        path = "/shops/{shop}/orders"
        topic = "orders-{shop}"
        name = "orders"
        methods = ["PUT", "POST"]
        key = { json = "/customer/id" }
        key_required = true
        timestamp = { header = "X-Time" }
        headers = ["X-Request-Id", { from = "User-Agent", to = "agent" }]
        validate = false
        ack = "kafka"
        body_limit = 1000
        ignore_query = true

        [[route]]
        path = "/clicks"
        topic = "clicks"
        key = { client = "address" }
        partition = 3
    "#;
    let config = GatewayConfig::from_toml(text).unwrap();
    let routes = Routes::new(config.routes, config.topics).unwrap();
    let found = routes.find(&Method::PUT, "/shops/7/orders").unwrap();
    assert_eq!((&*found.topic, &*found.rules.name), ("orders-7", "orders"));
    assert_eq!((found.rules.ack, found.rules.body_limit), (Ack::Kafka, 1000));
    assert!(found.rules.key_required && found.rules.ignore_query && !found.rules.checked);
    let clicks = routes.find(&Method::POST, "/clicks").unwrap();
    assert_eq!((clicks.partition, &*clicks.rules.name), (Some(3), "/clicks"));
}

#[test]
fn routes_that_cannot_be_are_told() {
    let route =
        |more: &str| wrong(&format!("[[route]]\npath = \"/a/{{b}}\"\ntopic = \"t\"\n{more}"));
    let table = [
        ("key = { heder = \"x\" }", "line 4, column 7: key: expected one of { header"),
        ("key = \"x\"", "line 4, column 7: key: expected one of"),
        ("key = { json = \"a\" }", "line 4, column 7: key: a JSON pointer"),
        ("key = { path = \"c\" }", "line 1, column 1: route: the path has no {c}"),
        ("timestamp = { text = \"1\" }", "line 1, column 1: route: a timestamp is read from"),
        ("keys = 1", "line 4, column 1: unknown key \"keys\"; did you mean key?"),
        ("headers = [{ from = \"a\" }]", "line 4, column 11: headers: expected a list"),
        ("methods = []", "line 4, column 11: methods: expected a list of methods"),
        ("[[route]]\ntopic = \"t\"", "line 4, column 1: a route has a path"),
        ("[[route]]\npath = \"/x\"", "line 4, column 1: a route has a topic"),
        (
            "[[route]]\npath = \"/a/{c}\"\ntopic = \"u\"",
            "line 4, column 1: route: the same paths as route /a/{b}",
        ),
        ("[[route]]\npath = \"x\"\ntopic = \"u\"", "line 5, column 8: path: a path begins with /"),
    ];
    for (more, expected) in table {
        let told = route(more);
        assert!(told.starts_with(expected), "{more}\n{told}\n{expected}");
    }
}

#[test]
fn the_example_of_the_reference_can_be_used() {
    let page = reference();
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = GatewayConfig::from_toml(example).unwrap();
    assert_eq!(config.routes.len(), 1);
}

#[test]
fn reference_page_is_up_to_date() {
    let page = include_str!("../../../../docs/gateway.md");
    assert_eq!(
        page,
        reference(),
        "write it anew: cargo run -p klamm-gateway --example gateway_settings > docs/gateway.md"
    );
}

#[test]
fn who_may_send_what_is_read() {
    let text = r#"
        [auth]
        credentials = "gateway.keys"
        others = []
        [tokens]
        ca = "ca.pem"
        issuer = "https://id.example"
        audience = "klamm"
        keys = "https://id.example/keys"
        algorithms = ["ES256"]
        leeway = "5 s"
        topics_claim = "topics"
        [[account]]
        name = "orders-app"
        produce = ["orders", "logs-*"]
        requests = 100
        bytes = "1 MiB"
        [[route]]
        path = "/hooks/github"
        topic = "pushes"
        name = "github"
        signature = { scheme = "github", secrets = ["whisper"], tolerance = "1 m" }
        [[route]]
        path = "/open"
        topic = "open"
        access = "everyone"
    "#;
    let guard = GatewayConfig::from_toml(text).unwrap().guard;
    assert!(guard.asks() && !GatewayConfig::default().guard.asks());
    assert_eq!(guard.credentials.as_deref(), Some(std::path::Path::new("gateway.keys")));
    assert!(
        !guard.others.produce.has("orders") && guard.accounts[0].allowance.produce.has("logs-1")
    );
    let quota = guard.accounts[0].allowance.quota;
    assert_eq!(quota.requests.map(u64::from), Some(100));
    assert_eq!(quota.bytes.map(u64::from), Some(1 << 20));
    let tokens = guard.tokens.as_ref().unwrap();
    assert_eq!((tokens.audiences.len(), tokens.algorithms.len()), (1, 1));
    assert!(format!("{:?}", tokens.keys).contains("ca.pem"), "{:?}", tokens.keys);
    let routes: Vec<&str> = guard.routes.iter().map(|route| &*route.route).collect();
    assert_eq!(routes, ["github", "/open"]);
    assert_eq!(tokens.topics_claim.as_deref(), Some("topics"));
    let account = &guard.accounts[0].allowance;
    assert!(account.read.has("orders") && !account.read.has("b") && !guard.others.read.has("a"));
    assert!(!format!("{guard:?}").contains("whisper"));
    let anonymous =
        GatewayConfig::from_toml("[auth]\nanonymous = [\"a\"]").unwrap().guard.anonymous;
    let anonymous = anonymous.unwrap();
    assert!(anonymous.produce.has("a") && !anonymous.read.has("a"));
}

#[test]
fn quotas_have_names_for_everybody() {
    let text = r#"
        [auth]
        quota = { requests = 10, burst = "2 s" }
        others_quota = { records = 20 }
        anonymous_quota = { bytes = "1 KiB" }
        [[route]]
        path = "/hooks"
        topic = "hooks"
        signature = { scheme = "github", secret = "whisper" }
        quota = { requests = 30 }
    "#;
    let mut guard = GatewayConfig::from_toml(text).unwrap().guard;
    let of = |quota: crate::guard::Quota| {
        [quota.requests, quota.records, quota.bytes].map(|rate| rate.map_or(0, u64::from))
    };
    assert_eq!((of(guard.quota), guard.quota.burst), ([10, 0, 0], Duration::from_secs(2)));
    assert_eq!(of(guard.others.quota), [0, 20, 0]);
    assert_eq!(of(guard.anonymous_quota), [0, 0, 1024]);
    // Topics of those who say nothing are not what a quota is about.
    assert!(guard.anonymous.is_none());
    let route = guard.routes[0].access.allowance_mut().unwrap();
    assert_eq!(of(route.quota), [30, 0, 0]);
}

#[test]
fn quotas_that_limit_nothing_or_nobody_are_wrong() {
    let route = |more: &str| format!("[[route]]\npath = \"/a\"\ntopic = \"a\"\n{more}\n");
    for (text, reason) in [
        ("[auth]\nquota = {}".to_owned(), "quota: it limits nothing"),
        (
            "[auth]\nothers_quota = { burst = \"1 s\" }".to_owned(),
            "others_quota: it limits nothing",
        ),
        ("[auth]\nanonymous_quota = 5".to_owned(), "anonymous_quota: expected a table"),
        ("[auth]\nquota = { request = 5 }".to_owned(), "request"),
        (route("quota = { requests = 5 }"), "a quota is for a route that is signed or open"),
        (route("access = \"known\"\nquota = { requests = 5 }"), "a quota is for a route"),
    ] {
        let wrong = GatewayConfig::from_toml(&text).unwrap_err().to_string();
        assert!(wrong.contains(reason), "{text}: {wrong}");
    }
}

#[test]
fn what_is_wrong_about_who_may_send_is_told_without_secrets() {
    for (text, reason) in [
        ("[auth]\ncredential = \"x\"", "unknown key \"credential\"; did you mean credentials?"),
        ("[auth]\nothers = [\"a*b\"]", "others: \"a*b\" is no topic"),
        ("[tokens]\nalgorithms = [\"HS256\"]", "algorithms: expected a list of RS256"),
        ("[tokens]\nissuer = \"\"", "issuer: expected a text"),
        ("[[account]]\nproduce = []", "an account has a name"),
        ("[[account]]\nname = \"a\"\nrequests = 0", "requests: expected 1 to"),
        ("account = 1", "accounts are a list"),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\naccess = \"all\"",
            "access: expected known or everyone",
        ),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\nsignature = { scheme = \"x\", secrets = [\"whisper\"] }",
            "scheme: expected standard, github",
        ),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\nsignature = { scheme = \"slack\", secret = [\"whisper\"] }",
            "secret: expected { env",
        ),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\nsignature = { scheme = \"slack\" }",
            "signature: there is no secret",
        ),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\nsignature = { scheme = \"slack\", hash = \"sha512\", secret = \"whisper\" }",
            "signature: prefix, encoding, hash and id go with header",
        ),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\nsignature = { secret = \"whisper\" }",
            "signature: either scheme or header",
        ),
        (
            "[[route]]\npath = \"/a\"\ntopic = \"a\"\nsignature = { header = \"a b\", secrets = [\"whisper\"] }",
            "header: \"a b\" is not the name of a header",
        ),
    ] {
        let told = GatewayConfig::from_toml(text).unwrap_err().to_string();
        assert!(told.contains(reason) && !told.contains("whisper"), "{text}: {told}");
    }
}

#[test]
fn certificates_are_read_and_belong_together() {
    let text = r#"
        [tls]
        certificate = "tls.crt"
        key = "tls.key"
        client_ca = "ca.pem"
        client_certificate = "optional"
        client_name = "dns"
        [[account]]
        name = "app"
        certificate = "app.example"
    "#;
    let config = GatewayConfig::from_toml(text).unwrap();
    let clients = config.tls.unwrap().clients.unwrap();
    assert!(!clients.required && clients.name == CertificateName::Dns && config.guard.asks());
    assert_eq!(config.guard.accounts[0].certificate.as_deref(), Some("app.example"));
    let pair = "[tls]\ncertificate = \"a\"\nkey = \"b\"";
    let plain = GatewayConfig::from_toml(pair).unwrap();
    assert!(plain.tls.unwrap().clients.is_none() && !plain.guard.asks());
    for (text, reason) in [
        ("[tls]\nkey = \"b\"", "line 1, column 2: tls: certificate and key belong together"),
        ("[tls]\nkey = \"\"", "line 2, column 7: key: expected a file"),
        (&format!("{pair}\nclient_name = \"uri\""), "need a client_ca"),
        (&format!("{pair}\nclient_name = \"cn\""), "client_name: expected subject, common_name"),
    ] {
        assert!(wrong(text).contains(reason), "{text}: {}", wrong(text));
    }
}

#[test]
fn who_may_ask_first_is_read() {
    let text = r#"
        [topics]
        cors = { origins = ["https://app.example"], credentials = true }
        [[route]]
        path = "/events"
        name = "events"
        topic = "events"
        handshake = { origins = ["*"] }
        cors = { origins = ["*"], headers = "*" }
    "#;
    let asking = GatewayConfig::from_toml(text).unwrap().asking;
    assert!(asking.cors.contains_key("topics") && asking.cors.contains_key("events"));
    assert!(asking.handshakes.contains_key("events") && asking.handshakes.len() == 1);
    for (text, reason) in [
        ("cors = { origins = [\"*\"], credentials = true }", "cors: credentials are for origins"),
        ("cors = [\"*\"]", "cors: expected a table"),
        ("cors = { origins = [\"https://a/b\"] }", "origins: \"https://a/b\" is no origin"),
        ("cors = { origin = [] }", "unknown key \"origin\"; did you mean origins?"),
        ("handshake = { rate = 0 }", "rate: expected 1 to"),
    ] {
        let text = format!("[topics]\n{text}");
        assert!(wrong(&text).contains(reason), "{text}: {}", wrong(&text));
    }
}

#[test]
fn forwarding_is_told_what_it_may_take() {
    let text = r#"
        [forward]
        attempt_timeout = "5 s"
        window_bytes = "1 MiB"
        dead_letter_topic = "letters"
        dead_letter_file = "letters.jsonl"
        [kafka]
        compression.type = "zstd"
    "#;
    let forward = GatewayConfig::from_toml(text).unwrap().forward;
    assert_eq!((forward.attempt_timeout, forward.window_bytes), (Duration::from_secs(5), 1 << 20));
    assert_eq!(forward.dead_letters.topic.as_deref(), Some("letters"));
    assert!(format!("{:?}", forward.producer).to_lowercase().contains("zstd"));
    let told = wrong("[forward]\ndead_letter_topic = \"a b\"");
    assert!(told.contains("dead_letter_topic: expected a topic"), "{told}");
}
