//! Signatures from public documentation and of Python's hmac and cryptography, and what is wrong about others.

use super::{Encoding, Hash, HmacHeader, Scheme, SignatureConfig, Verifier, WrongSecret};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

/// Of the time that the documentation of Standard Webhooks signs, in milliseconds.
const THEN: i64 = 1_614_265_330_000;
const STANDARD_BODY: &[u8] = b"{\"test\": 2432232314}";
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD: [(&str, &str); 3] = [
    ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    ("webhook-timestamp", "1614265330"),
    ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
];
/// Of the secret bytes 0 to 31.
const PUBLIC_KEY: &str = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const ED25519: &str =
    "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ==";
const OTHER: &str = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn verifier(scheme: Scheme, secrets: &[&str]) -> Verifier {
    let secrets = secrets.iter().map(|secret| (*secret).into()).collect();
    let tolerance = SignatureConfig::TOLERANCE;
    Verifier::new(&SignatureConfig { scheme, secrets, tolerance }).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// What names the request, if its signature is good.
fn check(verifier: &Verifier, pairs: &[(&str, &str)], raw: &[u8], now: i64) -> Option<String> {
    let id = verifier.check(&headers(pairs), raw, now).ok()?;
    Some(id.map_or(String::new(), |id| String::from_utf8(id).unwrap()))
}

fn with<'a>(
    pairs: &[(&'a str, &'a str)],
    name: &'a str,
    value: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let others = pairs.iter().filter(|(other, _)| *other != name).copied();
    others.chain([(name, value)]).collect()
}

#[test]
fn standard_webhooks() {
    let verifier = verifier(Scheme::StandardWebhooks, &[STANDARD_SECRET]);
    let id = Some("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned());
    for (name, value) in STANDARD {
        assert_eq!(check(&verifier, &STANDARD, STANDARD_BODY, THEN), id);
        let missing: Vec<_> = STANDARD.into_iter().filter(|(other, _)| *other != name).collect();
        assert_eq!(check(&verifier, &missing, STANDARD_BODY, THEN), None, "without {name}");
        let changed = format!("{value}1");
        let changed = with(&STANDARD, name, &changed);
        assert_eq!(check(&verifier, &changed, STANDARD_BODY, THEN), None, "another {name}");
        let twice = [&STANDARD[..], &[(name, value)]].concat();
        assert_eq!(check(&verifier, &twice, STANDARD_BODY, THEN), None, "{name} twice");
    }
    assert_eq!(check(&verifier, &STANDARD, b"{\"test\": 2432232315}", THEN), None);
    for (ms, good) in [(300_999, true), (301_000, false), (-300_000, true), (-300_001, false)] {
        let checked = check(&verifier, &STANDARD, STANDARD_BODY, THEN + ms);
        assert_eq!(checked.is_some(), good, "{ms}");
    }
}

#[test]
fn one_good_signature_of_several_is_enough_and_secrets_take_turns() {
    let good = STANDARD[2].1;
    let old = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQ=";
    let table = [
        (format!("{OTHER} {good}"), &[STANDARD_SECRET][..], true),
        (format!("v2,x {good} v1"), &[old, STANDARD_SECRET], true),
        (format!("{ED25519} {OTHER}"), &[old, PUBLIC_KEY], true),
        (ED25519.to_owned(), &[PUBLIC_KEY], true),
        (ED25519.to_owned(), &[STANDARD_SECRET], false),
        (good.to_owned(), &[PUBLIC_KEY], false),
        (good.to_owned(), &[old], false),
        (good.replace("v1,", "v1a,"), &[STANDARD_SECRET, PUBLIC_KEY], false),
        (format!("{}{good}", format!("{OTHER} ").repeat(16)), &[STANDARD_SECRET], false),
        ("v1,".to_owned(), &[STANDARD_SECRET], false),
    ];
    for (signature, secrets, expected) in table {
        let verifier = verifier(Scheme::StandardWebhooks, secrets);
        let pairs = with(&STANDARD, "webhook-signature", &signature);
        let checked = check(&verifier, &pairs, STANDARD_BODY, THEN);
        assert_eq!(checked.is_some(), expected, "{signature} {secrets:?}");
    }
}

#[test]
fn github_shopify_and_a_header_of_ones_own() {
    let github = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let generic = HmacHeader {
        header: HeaderName::from_static("x-signature"),
        prefix: "hmac:".to_owned(),
        encoding: Encoding::Base64,
        hash: Hash::Sha256,
        id: Some(HeaderName::from_static("x-id")),
    };
    let long = HmacHeader {
        prefix: String::new(),
        encoding: Encoding::Hex,
        hash: Hash::Sha512,
        id: None,
        ..generic.clone()
    };
    type Row = (Scheme, &'static str, &'static [u8], &'static str, &'static str, &'static str);
    let table: [Row; 4] = [
        (
            Scheme::GitHub,
            "It's a Secret to Everybody",
            b"Hello, World!",
            "x-hub-signature-256",
            github,
            "x-github-delivery",
        ),
        (
            Scheme::Shopify,
            "hush",
            b"{\"id\":820982911946154508}",
            "x-shopify-hmac-sha256",
            "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=",
            "x-shopify-webhook-id",
        ),
        (
            Scheme::Hmac(generic),
            "generic",
            b"abc",
            "x-signature",
            "hmac:Clhr/3I6AaQ2FDCBPZS2yXQlE2lsYWcHcbTIgF4VArg=",
            "x-id",
        ),
        (
            Scheme::Hmac(long),
            "generic",
            b"abc",
            "x-signature",
            "659b93f48f0db89af4a28924a8da4bc9f7cb74eba145c4e19b8ab7f797d75bf887e30d7accddb557fb19f81422ec80ec11bd6ff7edbf8ad12afcacce12e8e982",
            "",
        ),
    ];
    for (scheme, secret, body, header, value, id) in table {
        let name = format!("{scheme:?}");
        let verifier = verifier(scheme, &["other", secret]);
        assert_eq!(check(&verifier, &[(header, value)], body, 0).as_deref(), Some(""), "{name}");
        if !id.is_empty() {
            let named = check(&verifier, &[(header, value), (id, "77")], body, 0);
            assert_eq!(named.as_deref(), Some("77"), "{name}");
            assert_eq!(check(&verifier, &[(header, value), (id, "")], body, 0), None, "{name}");
        }
        let end = value.len() - 4;
        for wrong in [&value[..end], "", &value[8..], &format!("{value}00"), &value.repeat(100)] {
            assert_eq!(check(&verifier, &[(header, wrong)], body, 0), None, "{name} {wrong}");
        }
        assert_eq!(check(&verifier, &[(header, value)], &body[1..], 0), None, "{name}");
        assert_eq!(check(&verifier, &[], body, 0), None, "{name}");
    }
}

#[test]
fn stripe() {
    let body = b"{\"id\": \"evt_1\", \"object\": \"event\"}";
    let good = "v1=09357d4fb8d9eba6f07fdea6b2428fa819063ec7bb7f9eca18b88cf0ff729476";
    let older = "v1=824dd83e2a6f6acd508c6b2e2b087ce22a11180c0378484a7dff9ea6e4a5a1d5";
    let verifier = verifier(Scheme::Stripe, &["whsec_test_secret"]);
    let time = "t=1492774577";
    let now = 1_492_774_577_000;
    let table = [
        (format!("{time},{good}"), now, true),
        (format!("{time}, {older}, {good}, v0=abc"), now + 300_000, true),
        (format!("{time},{good}"), now + 301_000, false),
        (format!("{time},{older}"), now, false),
        (format!("t=1492774578,{good}"), now, false),
        (format!("{time},{time},{good}"), now, false),
        (good.to_owned(), now, false),
        (time.to_owned(), now, false),
        (format!("{time},{}", good.replace("v1", "v0")), now, false),
        (format!("t=99999999999999999999,{good}"), now, false),
        (format!("t=-1,{good}"), now, false),
    ];
    for (value, now, expected) in table {
        let checked = check(&verifier, &[("stripe-signature", &value)], body, now);
        assert_eq!(checked.as_deref(), expected.then_some("evt_1"), "{value}");
    }
}

#[test]
fn slack() {
    let body: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let pairs = [
        ("x-slack-request-timestamp", "1531420618"),
        (
            "x-slack-signature",
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        ),
    ];
    let now = 1_531_420_618_000;
    let slack = verifier(Scheme::Slack, &[secret]);
    assert_eq!(check(&slack, &pairs, body, now).as_deref(), Some(""));
    assert_eq!(check(&slack, &pairs, body, now + 301_000), None);
    assert_eq!(check(&slack, &pairs, &body[1..], now), None);
    assert_eq!(check(&slack, &pairs[..1], body, now), None);
    assert_eq!(check(&slack, &pairs[1..], body, now), None);
    let plain = with(&pairs, pairs[1].0, &pairs[1].1[3..]);
    assert_eq!(check(&slack, &plain, body, now), None);
    assert_eq!(check(&verifier(Scheme::Slack, &["x"]), &pairs, body, now), None);
}

#[test]
fn secrets_that_are_none_are_refused() {
    let wrong = |scheme: &Scheme, secrets: &[&str]| {
        let secrets = secrets.iter().map(|secret| (*secret).into()).collect();
        let tolerance = SignatureConfig::TOLERANCE;
        let config = SignatureConfig { scheme: scheme.clone(), secrets, tolerance };
        Verifier::new(&config).map(|_| ()).unwrap_err()
    };
    for scheme in [Scheme::StandardWebhooks, Scheme::GitHub] {
        assert_eq!(wrong(&scheme, &[]), WrongSecret::Count);
        assert_eq!(wrong(&scheme, &["YWE="; 17]), WrongSecret::Count);
        assert_eq!(wrong(&scheme, &["YWE=", ""]), WrongSecret::Empty(2));
    }
    let standard = Scheme::StandardWebhooks;
    for form in ["whsec_!", "whpk_AAAA", "whpk_", "a b"] {
        assert_eq!(wrong(&standard, &[form]), WrongSecret::Form(1), "{form}");
    }
    assert_eq!(wrong(&standard, &["whsec_"]), WrongSecret::Empty(1));
    let shown = format!("{:?}", verifier(standard, &[STANDARD_SECRET]));
    assert!(!shown.contains("MfKQ") && !shown.contains("49, 242"), "{shown}");
}

proptest! {
    #[test]
    fn no_header_panics_and_none_passes(time in "[0-9-]{0,14}|1614265330", signature in "(v1a?,[A-Za-z0-9+/=]{0,90} ?){0,4}|t=1614265330,v1=\\PC{0,70}|v0=[0-9a-f]{0,130}", raw: Vec<u8>) {
        for scheme in [Scheme::StandardWebhooks, Scheme::GitHub, Scheme::Stripe, Scheme::Shopify, Scheme::Slack] {
            let verifier = verifier(scheme, &[STANDARD_SECRET]);
            let mut headers = HeaderMap::new();
            for name in ["webhook-timestamp", "x-slack-request-timestamp"] {
                headers.insert(name, HeaderValue::from_bytes(time.as_bytes()).unwrap());
            }
            headers.insert("webhook-id", HeaderValue::from_static("1"));
            for name in ["webhook-signature", "stripe-signature", "x-slack-signature", "x-hub-signature-256", "x-shopify-hmac-sha256"] {
                if let Ok(value) = HeaderValue::from_bytes(signature.as_bytes()) {
                    headers.insert(name, value);
                }
            }
            prop_assert!(verifier.check(&headers, &raw, THEN).is_err());
        }
    }
}
