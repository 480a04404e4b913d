use super::{batch, binary, structured};
use crate::Accepted;
use crate::format::Envelope;
use bytes::Bytes;
use proptest::prelude::*;

const REQUIRED: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/s"), ("ce-type", "t")];

fn envelope() -> Envelope {
    Envelope::new("topic".into(), 7)
}

fn of_headers(
    headers: &[(&str, &str)],
    content_type: Option<&str>,
    body: &'static str,
) -> Result<Accepted, String> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let content_type = content_type.map(str::as_bytes);
    let body = Bytes::from_static(body.as_bytes());
    binary(headers, content_type, &body, &envelope()).map_err(|error| error.to_string())
}

fn of_body(body: &str) -> Result<Accepted, String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    structured(&body, &envelope()).map_err(|error| error.to_string())
}

fn headers(record: &Accepted) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let pair = |header: &crate::AcceptedHeader| {
        format!("{}={}", header.name, header.value.as_ref().map(text).unwrap_or_default())
    };
    record.headers.iter().map(pair).collect()
}

#[test]
fn binary_mode_becomes_headers_key_and_value() {
    let mut all = REQUIRED.to_vec();
    all.extend([("host", "x"), ("ce-partitionkey", "k%20%E2%82%AC"), ("ce-sequence", "9")]);
    let record = of_headers(&all, Some("application/json"), "{\"a\":1}").unwrap();
    assert_eq!(record.key.as_deref(), Some("k \u{20ac}".as_bytes()));
    assert_eq!(record.value.as_deref(), Some(&b"{\"a\":1}"[..]));
    let expected = [
        "content-type=application/json",
        "ce_specversion=1.0",
        "ce_id=7",
        "ce_source=/s",
        "ce_type=t",
        "ce_partitionkey=k \u{20ac}",
        "ce_sequence=9",
    ];
    assert_eq!(headers(&record), expected);
    assert_eq!(record.idempotency, Some(envelope().identity(&[b"/s", b"7"])));
    assert_eq!(of_headers(&REQUIRED, None, "").unwrap().value, None, "an event without data");
}

#[test]
fn binary_mode_says_what_is_wrong() {
    let with = |name, value| {
        let headers: Vec<_> = REQUIRED.into_iter().chain([(name, value)]).collect();
        of_headers(&headers, Some("application/json"), "{}").unwrap_err()
    };
    assert!(with("ce-x", "%f").contains("percent-encoded"));
    assert!(with("ce-x", "%ff").contains("UTF-8"));
    assert!(with("ce-a_b", "1").contains("lower-case"));
    assert!(with("ce-id", "8").contains("once"));
    for missing in 0..REQUIRED.len() {
        let mut headers = REQUIRED.to_vec();
        let (name, _) = headers.remove(missing);
        let error = of_headers(&headers, None, "x").unwrap_err();
        assert_eq!(error, format!("header {name}: expected a value"));
    }
    let error = of_headers(&REQUIRED, Some("application/json"), "{").unwrap_err();
    assert_eq!(error, "the text ends within a value at line 1, column 2");
}

fn event(more: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"7","source":"/s","type":"t"{more}}}"#)
}

#[test]
fn structured_mode_becomes_the_same() {
    let table = [
        ("", None),
        (r#","data":null"#, None),
        (r#","data": {"a": 1} "#, Some(r#"{"a": 1}"#)),
        (r#","data":"x""#, Some(r#""x""#)),
        (r#","data":"x","datacontenttype":"application/json""#, Some(r#""x""#)),
        (r#","data":"<a\/>","datacontenttype":"text/xml""#, Some("<a/>")),
        (r#","data":[1],"datacontenttype":"text/xml""#, Some("[1]")),
        (r#","data_base64":"aGk=""#, Some("hi")),
        (r#","data_base64":"aGk""#, Some("hi")),
    ];
    for (more, value) in table {
        let record = of_body(&event(more)).unwrap();
        assert_eq!(record.value.as_deref(), value.map(str::as_bytes), "{more}");
        assert_eq!(record.idempotency, Some(envelope().identity(&[b"/s", b"7"])));
    }
    let more =
        r#","partitionkey":"k","big":true,"n":-5,"none":null,"datacontenttype":"text/plain""#;
    let record = of_body(&event(more)).unwrap();
    assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
    assert_eq!(
        headers(&record)[5..],
        ["ce_partitionkey=k", "ce_big=true", "ce_n=-5"].map(str::to_owned)
    );
    assert_eq!(headers(&record)[0], "content-type=text/plain");
}

#[test]
fn structured_mode_says_what_is_wrong() {
    let table = [
        ("[]", "expected an event at line 1, column 1"),
        (
            r#"{"id":"7"}"#,
            "expected an event with specversion, id, source and type at line 1, column 1",
        ),
        (r#"{"id": 1.5}"#, "expected a string, a boolean or an integer at line 1, column 8"),
        (
            r#"{"id":"a","id":"b"}"#,
            "expected each attribute once, and no more than 100 at line 1, column 16",
        ),
        (
            r#"{"Id":"a"}"#,
            "expected attributes of lower-case letters and digits at line 1, column 7",
        ),
        (r#"{"data_base64":"%"}"#, "expected a string in base64 at line 1, column 16"),
    ];
    for (body, message) in table {
        assert_eq!(of_body(body).unwrap_err(), message, "{body}");
    }
    let both = of_body(&event(r#","data":1,"data_base64":"aGk=""#)).unwrap_err();
    assert!(both.contains("either data or data_base64"), "{both}");
    let many: String = (0..100).map(|n| format!(",\"a{n}\":1")).collect();
    assert!(of_body(&event(&many)).unwrap_err().contains("no more than 100"));
}

#[test]
fn batches_are_all_or_none() {
    let batch = |body: String| batch(&Bytes::from(body), &envelope()).map(|records| records.len());
    assert_eq!(batch("[]".to_owned()), Ok(0));
    assert_eq!(batch(format!("[{},{}]", event(""), event(""))), Ok(2));
    assert_eq!(batch(format!("[{},{{}}]", event(""))).unwrap_err().status(), 400);
    assert_eq!(batch(event("")).unwrap_err().status(), 400);
}

#[test]
fn the_envelopes_key_comes_first() {
    let envelope = Envelope { key: Some(Bytes::from_static(b"mine")), ..envelope() };
    let body = Bytes::from(event(r#","partitionkey":"k""#));
    assert_eq!(structured(&body, &envelope).unwrap().key, envelope.key);
}

proptest! {
    #[test]
    fn hostile_events_never_panic(name in "[a-z_0-9]{0,12}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let body = Bytes::from(bytes.clone());
        let _ = structured(&body, &envelope());
        let _ = batch(&body, &envelope());
        let header = format!("ce-{name}");
        let _ = binary([(header.as_str(), bytes.as_slice())].into_iter(), Some(&bytes), &body, &envelope());
    }
}
