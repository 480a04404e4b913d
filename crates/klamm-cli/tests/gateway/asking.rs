//! Who may ask before they send: pages of other origins, and senders of CloudEvents.

use crate::stage::{Answer, Dir, Serving, ask};

fn gateway(dir: &Dir) -> Serving {
    let text = r#"
        [kafka]
        bootstrap.servers = "127.0.0.1:1"
        [topics]
        cors = { origins = ["https://*.example.com"], methods = ["POST", "PUT"], max_age = "10 m" }
        [[route]]
        path = "/clicks"
        topic = "clicks"
        cors = { origins = ["*"], headers = "*", exposed = [] }
        [[route]]
        path = "/events"
        topic = "events"
        handshake = { origins = ["eventemitter.example.com"], rate = 120 }
    "#;
    let config = dir.file("gateway.toml", text);
    Serving::gateway(&dir.path("log"), &["--config", &config])
}

fn preflight(gateway: &Serving, path: &str, origin: &str, headers: &str) -> Answer {
    let wanted = format!("Access-Control-Request-Headers: {headers}");
    let origin = format!("Origin: {origin}");
    let lines = [&*origin, "Access-Control-Request-Method: POST", &wanted];
    ask(&mut gateway.connect(), &format!("OPTIONS {path}"), &lines, b"").unwrap()
}

#[test]
fn a_page_is_told_what_its_route_says() {
    let dir = Dir::new();
    let gateway = gateway(&dir);
    let app = "https://app.example.com";
    let answer = preflight(&gateway, "/topics/orders", app, "content-type,x-api-key");
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(app));
    assert_eq!(answer.header("access-control-allow-methods"), Some("post, put"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(preflight(&gateway, "/topics/orders", "https://evil.example", "").status, 403);
    assert_eq!(preflight(&gateway, "/topics/orders", app, "x-other").status, 403);
    let anybody = preflight(&gateway, "/clicks", "https://evil.example", "x-other");
    assert_eq!((anybody.status, anybody.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(preflight(&gateway, "/events", app, "").status, 405, "nothing is said of it there");

    let page = format!("Origin: {app}");
    let answer = gateway.post("/topics/orders", &["Content-Type: application/json", &page], b"{");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (400, Some(app)));
    let shown = answer.header("access-control-expose-headers");
    assert_eq!(shown, Some("retry-after, idempotency-replayed"));
}

#[test]
fn a_sender_of_events_is_told_whether_and_how_often() {
    let dir = Dir::new();
    let gateway = gateway(&dir);
    let asked = |path: &str, origin: &str| {
        let origin = format!("WebHook-Request-Origin: {origin}");
        ask(&mut gateway.connect(), &format!("OPTIONS {path}"), &[&origin], b"").unwrap()
    };
    let agreed = asked("/events", "eventemitter.example.com");
    assert_eq!(agreed.status, 200, "{agreed:?}");
    assert_eq!(agreed.header("webhook-allowed-origin"), Some("eventemitter.example.com"));
    assert_eq!(agreed.header("webhook-allowed-rate"), Some("120"));
    assert_eq!(asked("/events", "evil.example").status, 403);
    assert_eq!(asked("/clicks", "eventemitter.example.com").status, 405);
}
