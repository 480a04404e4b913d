//! Who may send what: keys, passwords, tokens and signatures, from the configuration to the answer.

use crate::stage::{Dir, Serving, json, klamm, output};
use std::io::Write;
use std::process::Output;
use std::time::{Duration, Instant};

const TOKENS: &str = include_str!("../../../klamm-gateway/testdata/jwt/tokens.txt");
const NOWHERE: [&str; 2] = ["-b", "127.0.0.1:1"];

/// A gateway with this file before a Kafka that is not there.
fn gateway(dir: &Dir, text: &str) -> Serving {
    let config = dir.file("gateway.toml", text);
    Serving::gateway(&dir.path("log"), &[&NOWHERE[..], &["--config", &config]].concat())
}

fn sent(gateway: &Serving, topic: &str, proof: &str) -> u16 {
    let headers = ["Content-Type: application/json", proof];
    let headers = if proof.is_empty() { &headers[..1] } else { &headers[..] };
    gateway.post(&format!("/topics/{topic}"), headers, b"1").status
}

/// A new key, as the command prints it.
fn new_key(file: &str, principal: &str) -> String {
    let made = json(&["gateway", "key", "new", principal, "--file", file, "-O", "json"]);
    assert_eq!(made["principal"], principal);
    made["key"].as_str().unwrap().to_owned()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_key_sends_what_its_account_may_until_it_is_revoked() {
    let dir = Dir::new();
    let keys = dir.path("keys");
    let (key, other) = (new_key(&keys, "orders-app"), new_key(&keys, "guest"));
    let text = format!(
        "[auth]\ncredentials = \"{keys}\"\nothers = [\"guests-*\"]\n[[account]]\nname = \"orders-app\"\n\
         produce = [\"orders\"]\n"
    );
    let gateway = gateway(&dir, &text);
    let nobody = gateway.json("/topics/orders", "1");
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert!(nobody.header("www-authenticate").unwrap().starts_with("bearer realm=\"klamm\""));
    let bearer = format!("Authorization: Bearer {key}");
    assert_eq!(sent(&gateway, "orders", &bearer), 202);
    assert_eq!(sent(&gateway, "orders", &format!("X-Api-Key: {key}")), 202);
    assert_eq!(sent(&gateway, "others", &bearer), 403);
    assert_eq!(
        sent(&gateway, "orders", &format!("Authorization: Bearer {}x", &key[..key.len() - 1])),
        401
    );
    let guest = format!("X-Api-Key: {other}");
    assert_eq!([sent(&gateway, "guests-1", &guest), sent(&gateway, "orders", &guest)], [202, 403]);

    let id = &key["klamm_".len()..][..12];
    assert_eq!(json(&["gateway", "key", "revoke", id, "-f", &keys, "-O", "json"])["revoked"], 1);
    let began = Instant::now();
    while sent(&gateway, "orders", &bearer) == 202 {
        assert!(began.elapsed() < Duration::from_secs(60), "a revoked key counts for ever");
    }
    assert_eq!([sent(&gateway, "orders", &bearer), sent(&gateway, "guests-1", &guest)], [401, 202]);
}

#[test]
fn more_than_a_quota_is_put_off() {
    let dir = Dir::new();
    let keys = dir.path("keys");
    let key = format!("X-Api-Key: {}", new_key(&keys, "app"));
    let text = format!(
        "[auth]\ncredentials = \"{keys}\"\n[[account]]\nname = \"app\"\nbytes = \"1 KiB\"\nburst = \"1 h\"\n"
    );
    let gateway = gateway(&dir, &text);
    let body = vec![7; 900_000];
    // An hour's bytes are saved up, so that time has no part in it.
    let answers = std::iter::repeat_with(|| gateway.post("/topics/orders", &[&key], &body));
    let answers: Vec<_> = answers.take(6).collect();
    let status: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(status, [202, 202, 202, 202, 429, 429], "{answers:?}");
    assert!(answers[4].header("retry-after").unwrap().parse::<u64>().unwrap() > 60);
}

#[test]
fn a_password_is_read_from_standard_input_and_checked() {
    let dir = Dir::new();
    let keys = dir.path("keys");
    let mut command = klamm(&["gateway", "key", "password", "grafana", "--file", &keys]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"wonder\n").unwrap();
    text(&child.wait_with_output().unwrap());
    let gateway = gateway(&dir, &format!("[auth]\ncredentials = \"{keys}\"\n"));
    assert_eq!(sent(&gateway, "orders", "Authorization: Basic Z3JhZmFuYTp3b25kZXI="), 202);
    assert_eq!(sent(&gateway, "orders", "Authorization: Basic Z3JhZmFuYTp3b25kZXM="), 401);
}

#[test]
fn the_list_of_keys_has_no_secret() {
    let dir = Dir::new();
    let keys = dir.path("keys");
    let key = new_key(&keys, "app");
    let secret = &key["klamm_123456789abc_".len()..];
    let listed = text(&output(&["gateway", "key", "list", "-f", &keys]));
    assert!(listed.contains("app") && listed.contains(&key["klamm_".len()..][..12]), "{listed}");
    assert!(!listed.contains(secret) && !std::fs::read_to_string(&keys).unwrap().contains(secret));
    let nothing = output(&["gateway", "key", "revoke", "000000000000", "-f", &keys]);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    let wrong = output(&["gateway", "key", "revoke", "app", "-f", &keys]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let all = text(&output(&["gateway", "key", "revoke", "--principal", "app", "-f", &keys]));
    assert!(all.contains("1 revoked"), "{all}");
}

#[test]
fn a_token_of_the_issuer_is_good_for_the_topics_it_lists() {
    let dir = Dir::new();
    let keys = dir.file("keys.json", include_str!("../../../klamm-gateway/testdata/jwt/keys.json"));
    let text = format!(
        "[tokens]\nissuer = \"https://id.example\"\naudience = \"klamm\"\nkeys = \"{keys}\"\ntopics_claim = \"aud\"\n"
    );
    let gateway = gateway(&dir, &text);
    let token = |name: &str| {
        let line = TOKENS.lines().find(|line| line.split(' ').nth(1) == Some(name)).unwrap();
        format!("Authorization: Bearer {}", line.rsplit(' ').next().unwrap())
    };
    let good = token("ES256");
    assert_eq!([sent(&gateway, "klamm", &good), sent(&gateway, "orders", &good)], [202, 403]);
    for wrong in ["", &token("alg-none"), &token("aud-other"), &token("another-key")] {
        assert_eq!(sent(&gateway, "klamm", wrong), 401, "{wrong}");
    }
}

#[test]
fn a_signed_route_takes_what_is_signed_by_a_secret_from_elsewhere() {
    let dir = Dir::new();
    let secret = dir.file("shop.secret", "hush-hush\n");
    let text = format!(
        "[[route]]\npath = \"/hooks/github\"\ntopic = \"pushes\"\n\
         signature = {{ scheme = \"github\", secret = {{ env = \"TEST_GITHUB_SECRET\" }} }}\n\
         [[route]]\npath = \"/hooks/shop\"\ntopic = \"sales\"\n\
         signature = {{ scheme = \"shopify\", secret = {{ file = \"{secret}\" }} }}\n"
    );
    let config = dir.file("gateway.toml", &text);
    let args = [&NOWHERE[..], &["--config", &config]].concat();
    let mut command = klamm(&Serving::gateway_args(&dir.path("log"), &args));
    let gateway = Serving::spawn(command.env("TEST_GITHUB_SECRET", "It's a Secret to Everybody"));
    let github = |signature: &str, body: &[u8]| {
        let signature = format!("X-Hub-Signature-256: sha256={signature}");
        gateway.post("/hooks/github", &["Content-Type: text/plain", &signature], body).status
    };
    // The example of GitHub's documentation.
    let good = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(github(good, b"Hello, World!"), 202);
    assert_eq!([github(good, b"Hello, world!"), github(&good[2..], b"Hello, World!")], [401, 401]);
    let shop = |body: &[u8]| {
        let signature = "X-Shopify-Hmac-Sha256: xP02f1wlCxM/KJVfZiF3TMBIcVH2R36hhxiEfN2oo00=";
        gateway.post("/hooks/shop", &["Content-Type: application/json", signature], body).status
    };
    assert_eq!([shop(b"{\"id\":1}"), shop(b"{\"id\":2}")], [202, 401]);
    let (_, told) = gateway.terminate();
    assert!(!told.contains("Everybody") && !told.contains("hush"), "{told}");
}

#[test]
fn a_secret_that_is_not_there_is_told_with_its_place() {
    let dir = Dir::new();
    let file = dir.file("empty", "\n");
    for (secret, says) in [
        (
            "{ env = \"TEST_NO_SUCH_SECRET\" }",
            "secret: the variable TEST_NO_SUCH_SECRET is not set",
        ),
        ("{ file = \"/no/such/secret\" }", "secret: /no/such/secret: "),
        (&format!("{{ file = \"{file}\" }}"), "it is empty"),
        ("{ vault = \"whisper\" }", "secret: expected { env = "),
        ("7", "secret: expected { env = "),
    ] {
        let signature = format!("signature = {{ scheme = \"github\", secret = {secret} }}");
        let text = format!("[[route]]\npath = \"/a\"\ntopic = \"a\"\n{signature}\n");
        let config = dir.file("gateway.toml", &text);
        let refused = output(&["gateway", "--config", &config, "-b", "127.0.0.1:1"]);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains("line 4, column ") && told.contains(says), "{says}: {told}");
        assert!(!told.contains("whisper"), "{told}");
    }
}
