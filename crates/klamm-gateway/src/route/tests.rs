use super::*;
use crate::format::{Rejected, incoming};
use crate::http::WrongPath;
use crate::peer::Peer;
use ::http::request::Parts;
use ::http::{HeaderName, Method, Request};
use bytes::Bytes;

fn route(pattern: &str, topic: &str, rules: Rules) -> Route {
    Route::new(&[], Pattern::parse(pattern).unwrap(), topic, rules).unwrap()
}

fn named(pattern: &str, topic: &str, name: &str) -> Route {
    route(pattern, topic, Rules::new(name))
}

fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn peer() -> Peer {
    Peer { address: "[::ffff:10.1.2.3]:4711".parse().unwrap(), certificate: None }
}

/// Key, timestamp, partition and headers of the records of a request to one route.
fn records(
    pattern: &str,
    rules: Rules,
    uri: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Result<Vec<crate::Accepted>, Rejected> {
    let routes = Routes::new(vec![route(pattern, "t", rules)], None).unwrap();
    let head = head(uri, headers);
    let matched = routes.find(&Method::POST, head.uri.path()).unwrap();
    let (envelope, query) = matched.envelope(&head, &peer(), 1000)?;
    let pairs = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let pairs: Vec<_> = pairs.collect();
    let mut read =
        incoming(pairs.into_iter(), &query, &Bytes::from_static(body.as_bytes()), envelope)?;
    matched.complete(&mut read.records)?;
    Ok(read.records)
}

fn keyed(source: Source) -> Rules {
    Rules { key: Some(source), key_required: true, ..Rules::new("r") }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

#[test]
fn configured_routes_come_before_what_is_always_there() {
    let table = vec![
        named("/{a}/{b}", "any", "any"),
        named("/topics/{topic}", "own-{topic}", "own"),
        named("/topics/orders", "orders2", "orders"),
    ];
    let routes = Routes::new(table, Some(Routes::usual())).unwrap();
    let find = |path: &str| {
        let matched = routes.find(&Method::POST, path)?;
        Ok((matched.topic.to_string(), matched.rules.name.to_string()))
    };
    let found = |topic: &str, name: &str| Ok((topic.to_owned(), name.to_owned()));
    assert_eq!(find("/topics/orders"), found("orders2", "orders"), "the more it says the earlier");
    assert_eq!(find("/topics/x"), found("own-x", "own"));
    assert_eq!(find("/x/orders"), found("any", "any"));
    assert_eq!(find("/topics/x/partitions/1"), found("x", "topics"));
    assert_eq!(find("/topics/a%20b"), Err(Missed::Path(WrongPath::Topic)));
    assert_eq!(find("/nothing"), Err(Missed::Path(WrongPath::Unknown)));
    let names: Vec<_> = routes.rules().map(|rules| rules.name.to_string()).collect();
    assert_eq!(names, ["orders", "own", "any", "topics"]);
}

#[test]
fn what_is_always_there_can_be_left_out() {
    let routes = Routes::new(vec![named("/in", "t", "in")], None).unwrap();
    assert_eq!(routes.find(&Method::POST, "/topics/x"), Err(Missed::Path(WrongPath::Unknown)));
    assert!(routes.find(&Method::POST, "/in").is_ok());
}

#[test]
fn every_target_is_told_apart() {
    let routes = Routes::default();
    let of = |path: &str| {
        let matched = routes.find(&Method::POST, path).unwrap();
        (matched.target, matched.topic.to_string(), matched.partition)
    };
    let cluster = "c".to_owned();
    assert_eq!(of("/topics/t/partitions/4"), (Target::Topic, "t".into(), Some(4)));
    let stream = Target::Stream { cluster: cluster.clone() };
    assert_eq!(of("/v3/clusters/c/topics/t/records"), (stream, "t".into(), None));
    let batch = Target::Batch { cluster };
    assert_eq!(of("/v3/clusters/c/topics/t/records:batch"), (batch, "t".into(), None));
}

#[test]
fn another_method_is_told_what_can_be_done() {
    let put = Route::new(
        &[Method::PUT, Method::PATCH],
        Pattern::parse("/a").unwrap(),
        "t",
        Rules::new("put"),
    );
    let table = vec![put.unwrap(), named("/a", "u", "post"), named("/{any}", "v", "any")];
    let routes = Routes::new(table, Some(Routes::usual())).unwrap();
    let topic = |method, path| routes.find(&method, path).map(|found| found.topic.to_string());
    let not = |allow: &str| Err(Missed::Method { allow: allow.to_owned() });
    assert_eq!(topic(Method::PUT, "/a"), Ok("t".into()));
    assert_eq!(topic(Method::POST, "/a"), Ok("u".into()));
    assert_eq!(topic(Method::GET, "/a"), not("PATCH, POST, PUT"));
    assert_eq!(topic(Method::GET, "/b"), not("POST"));
    assert_eq!(topic(Method::GET, "/topics/t"), not("POST"));
    assert_eq!(topic(Method::GET, "/topics/t/x"), Err(Missed::Path(WrongPath::Unknown)));
}

#[test]
fn routes_that_contradict_each_other_are_refused() {
    let two = |one, other| Routes::new(vec![one, other], None).unwrap_err();
    let same = two(named("/a/{b}", "t", "1"), named("/a/{c}", "u", "2"));
    assert_eq!(same, (1, RouteError::Same("1".into())));
    let name = two(named("/a", "t", "1"), named("/b", "t", "1"));
    assert_eq!(name, (1, RouteError::Name("1".into())));
    let reserved = two(named("/a", "t", "1"), named("/b", "t", "topics"));
    assert_eq!(reserved, (1, RouteError::Name("topics".into())));
    let many = (0..1001).map(|n| named(&format!("/{n}"), "t", &n.to_string())).collect();
    assert_eq!(Routes::new(many, None).unwrap_err().1, RouteError::TooMany);
}

#[test]
fn routes_that_cannot_be_are_refused() {
    let new = |topic: &str, rules: Rules| {
        Route::new(&[], Pattern::parse("/a/{b}").unwrap(), topic, rules).unwrap_err()
    };
    let rules = || Rules::new("r");
    assert_eq!(new("a b", rules()), RouteError::Topic);
    assert!(matches!(new("{c}", rules()), RouteError::Template(_)));
    assert!(matches!(new("t", keyed(Source::Path("c".into()))), RouteError::Template(_)));
    let client = Rules { timestamp: Some(Source::Client), ..rules() };
    assert_eq!(new("t", client), RouteError::Timestamp);
    assert_eq!(new("t", Rules { partition: Some(-1), ..rules() }), RouteError::Partition);
    let dots = Routes::new(vec![route("/a/{b}", "{b}", rules())], None).unwrap();
    let found = dots.find(&Method::POST, "/a/%2e%2e");
    assert_eq!(found, Err(Missed::Path(WrongPath::Topic)), "a topic that a client made up");
}

#[test]
fn keys_come_from_everywhere() {
    let json = |pointer: &str| Source::Json(Pointer::parse(pointer).unwrap());
    let header = Source::Header(HeaderName::from_static("x-shop"));
    let table = [
        (header, "/in/a", &[JSON, ("X-Shop", "s7")][..], "{}", "s7"),
        (Source::Query("shop".into()), "/in/a?split=array&shop=s%2B7", &[JSON], "[1]", "s+7"),
        (Source::Query("key".into()), "/in/a?key=k", &[JSON], "{}", "k"),
        (Source::Path("id".into()), "/in/a%2Fb", &[JSON], "{}", "a/b"),
        (json("/shop/id"), "/in/a", &[JSON], "{\"shop\":{\"id\":7}}", "7"),
        (json("/shop"), "/in/a", &[], "{\"shop\":\"a\\\"b\"}", "a\"b"),
        (Source::Client, "/in/a", &[JSON], "{}", "10.1.2.3"),
        (Source::Text("all".into()), "/in/a", &[JSON], "{}", "all"),
    ];
    for (source, uri, headers, body, expected) in table {
        let read = records("/in/{id}", keyed(source.clone()), uri, headers, body).unwrap();
        assert_eq!(read[0].key.as_deref(), Some(expected.as_bytes()), "{source:?}");
    }
}

#[test]
fn each_record_has_a_key_of_its_own() {
    let rules = keyed(Source::Json(Pointer::parse("/id").unwrap()));
    let body = "{\"id\":1}\n{\"id\":\"two\"}";
    let read = records("/in", rules.clone(), "/in", &[LINES], body).unwrap();
    let keys: Vec<_> = read.iter().map(|record| record.key.as_deref().unwrap()).collect();
    assert_eq!(keys, [&b"1"[..], b"two"]);
    let missing = records("/in", rules, "/in", &[LINES], "{\"id\":1}\n{\"id\":null}");
    let expected =
        Rejected::Pointer { pointer: "/id".into(), record: 1, expected: "the key of the record" };
    assert_eq!(missing, Err(expected));
}

#[test]
fn a_key_that_is_not_there_is_null_unless_it_is_required() {
    let json = Source::Json(Pointer::parse("/shop").unwrap());
    let table = [
        (Source::Header(HeaderName::from_static("x-shop")), "/in", "{}"),
        (Source::Query("shop".into()), "/in", "{}"),
        (Source::Query("shop".into()), "/in?shop=", "{}"),
        (json.clone(), "/in", "{}"),
        (json.clone(), "/in", "{\"shop\":\"\"}"),
        (json, "/in", "{\"shop\":null}"),
    ];
    for (source, uri, body) in table {
        let headers = [JSON, ("x-shop", "")];
        let refused = records("/in", keyed(source.clone()), uri, &headers, body).unwrap_err();
        assert_eq!(refused.status(), 400, "{source:?}: {refused}");
        let rules = Rules { key_required: false, ..keyed(source.clone()) };
        let read = records("/in", rules, uri, &headers, body).unwrap();
        assert_eq!(read[0].key, None, "{source:?} {uri} {body}");
    }
    let nested = keyed(Source::Json(Pointer::parse("").unwrap()));
    assert!(records("/in", nested, "/in", &[JSON], "{}").is_err());
}

#[test]
fn timestamps_are_read() {
    let json = |pointer: &str| Some(Source::Json(Pointer::parse(pointer).unwrap()));
    let header = Some(Source::Header(HeaderName::from_static("date2")));
    let at = |timestamp, headers: &[(&str, &str)], body| {
        let rules = Rules { timestamp, ..Rules::new("r") };
        records("/in", rules, "/in", headers, body).map(|read| read[0].timestamp)
    };
    let time = "1970-01-01T00:00:02.5+00:00";
    assert_eq!(at(header.clone(), &[JSON, ("date2", time)], "{}"), Ok(2500));
    assert_eq!(at(header.clone(), &[JSON], "{}"), Ok(1000), "when the request came");
    assert_eq!(at(json("/t"), &[JSON], "{\"t\":77}"), Ok(77));
    assert_eq!(at(json("/t"), &[JSON], "{\"t\":\"1970-01-01T00:00:01Z\"}"), Ok(1000));
    assert!(at(json("/t"), &[JSON], "{\"t\":-1}").is_err());
    assert!(at(json("/t"), &[JSON], "{\"t\":\"monday\"}").is_err());
    assert!(at(header, &[JSON, ("date2", "x")], "{}").is_err());
}

#[test]
fn headers_are_copied_by_name_and_no_others() {
    let headers = vec![HeaderRule::same("X-Id").unwrap(), HeaderRule::new("a", "b").unwrap()];
    let rules = Rules { headers, ..Rules::new("r") };
    let given = [JSON, ("x-id", "1"), ("a", "2"), ("x-id", "3"), ("authorization", "secret")];
    let read = records("/in", rules, "/in", &given, "{}").unwrap();
    let copied: Vec<_> = read[0]
        .headers
        .iter()
        .map(|header| (&*header.name, header.value.as_deref().unwrap()))
        .collect();
    assert_eq!(copied, [("x-id", &b"1"[..]), ("x-id", b"3"), ("b", b"2")]);
    for name in ["Authorization", "cookie", "Transfer-Encoding", "X-API-Key"] {
        assert!(matches!(HeaderRule::same(name), Err(HeaderRuleError::Never(_))), "{name}");
    }
    assert_eq!(HeaderRule::new("x", "Klamm-Id"), Err(HeaderRuleError::Own));
    assert!(matches!(HeaderRule::same("a b"), Err(HeaderRuleError::Name(_))));
}

#[test]
fn a_client_does_not_choose_what_the_route_says() {
    let rules = Rules { partition: Some(3), ..keyed(Source::Text("k".into())) };
    for uri in ["/in?key=x", "/in?partition=1", "/in?split=array&key=x"] {
        let refused = records("/in", rules.clone(), uri, &[JSON], "[1]").unwrap_err();
        assert!(matches!(refused, Rejected::Query { .. }), "{uri}");
    }
    let read = records("/in", rules.clone(), "/in?timestamp=5", &[JSON], "1").unwrap();
    assert_eq!((read[0].partition, read[0].timestamp), (Some(3), 5));
    assert!(records("/in", rules.clone(), "/in?x=1", &[JSON], "1").is_err());
    let lax = Rules { ignore_query: true, ..rules };
    let read = records("/in", lax.clone(), "/in?x=1&split=array&y", &[JSON], "[1,2]").unwrap();
    assert_eq!(read.len(), 2);
    assert!(records("/in", lax, "/in?split=xml", &[JSON], "1").is_err());
}

#[test]
fn a_body_is_checked_or_not() {
    let rules = Rules::new("r");
    assert!(records("/in", rules.clone(), "/in", &[JSON], "{").is_err());
    let unchecked = Rules { checked: false, ..rules };
    let read = records("/in", unchecked.clone(), "/in", &[JSON], "{").unwrap();
    assert_eq!(read[0].value.as_deref(), Some(&b"{"[..]));
    let json = Source::Json(Pointer::parse("/a").unwrap());
    let keyed = Rules { key: Some(json), ..unchecked };
    let read = records("/in", keyed, "/in", &[JSON], "{").unwrap();
    assert_eq!(read[0].key, None, "what is not JSON has nothing that could be read");
}
