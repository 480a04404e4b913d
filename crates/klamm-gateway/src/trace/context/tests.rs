use super::*;
use proptest::prelude::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn read(lines: &[(&'static str, &str)]) -> Option<TraceContext> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    context(&headers)
}

fn state(values: &[&str]) -> Option<String> {
    let states = values.iter().map(|value| ("tracestate", *value));
    let lines: Vec<_> = std::iter::once(("traceparent", PARENT)).chain(states).collect();
    read(&lines).unwrap().tracestate
}

#[test]
fn a_valid_one_is_taken_apart() {
    let context = read(&[("traceparent", PARENT)]).unwrap();
    assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.parent_id(), "00f067aa0ba902b7");
    assert!(context.is_sampled());
    let not_sampled = PARENT.replace("-01", "-00");
    assert!(!read(&[("traceparent", &not_sampled)]).unwrap().is_sampled());
}

#[test]
fn what_is_not_valid_is_as_good_as_none() {
    let table = [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
    ];
    for value in table {
        assert_eq!(read(&[("traceparent", value)]), None, "{value}");
    }
    assert_eq!(read(&[("traceparent", PARENT), ("traceparent", PARENT)]), None);
    assert_eq!(read(&[("tracestate", "a=1")]), None, "a state belongs to a parent");
}

#[test]
fn a_later_version_is_passed_on_as_the_first() {
    let first = read(&[("traceparent", PARENT)]);
    let fields = &PARENT[2..53];
    for later in
        [format!("cc{fields}01"), format!("cc{fields}09-what-ever"), format!("01{fields}01-")]
    {
        assert_eq!(read(&[("traceparent", &later)]), first, "{later}");
    }
}

#[test]
fn states_are_one_list() {
    assert_eq!(state(&["a=1", " b@c=x y ,, d/e=2"]).unwrap(), "a=1,b@c=x y,d/e=2");
    assert_eq!(state(&[""]), None);
    let most: Vec<String> = (0..32).map(|n| format!("k{n}=v")).collect();
    assert_eq!(state(&[&most.join(",")]).unwrap(), most.join(","));
}

#[test]
fn one_bad_member_spoils_the_state_and_nothing_else() {
    let long = format!("{}=1", "k".repeat(257));
    let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
    let many = many.join(",");
    let wide = format!("a={}", "v".repeat(257));
    for bad in ["a", "=1", "a=", "A=1", "a=1,a=2", "a@b@c=1", "-a=1", "a=b=c", &long, &many, &wide]
    {
        assert_eq!(state(&["z=1", bad]), None, "{bad}");
    }
}

#[test]
fn records_get_both_headers_unless_they_have_their_own() {
    let own = AcceptedHeader { name: "traceparent".into(), value: None };
    let record = |headers| Accepted {
        topic: "t".into(),
        partition: None,
        timestamp: 0,
        key: None,
        value: None,
        headers,
        idempotency: None,
    };
    let mut records = [record(vec![]), record(vec![own.clone()])];
    read(&[("traceparent", PARENT), ("tracestate", "a=1")]).unwrap().carry(&mut records);
    let header = |name: &str, value: &'static str| AcceptedHeader {
        name: name.into(),
        value: Some(Bytes::from_static(value.as_bytes())),
    };
    let both = vec![header("traceparent", PARENT), header("tracestate", "a=1")];
    assert_eq!(records[0].headers, both);
    assert_eq!(records[1].headers, vec![own]);
}

proptest! {
    #[test]
    fn what_is_passed_on_is_valid_and_stays_as_it_is(
        parent in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{0,5})?",
        state in "[a-z@=, 0-9]{0,30}",
    ) {
        if let Some(context) = read(&[("traceparent", &parent), ("tracestate", &state)]) {
            prop_assert_eq!(context.trace_id(), &parent[3..35]);
            let state = context.tracestate.clone().unwrap_or_default();
            let again = read(&[("traceparent", &context.traceparent), ("tracestate", &state)]);
            prop_assert_eq!(again, Some(context));
        }
    }
}
