//! Routes whose bodies are signed.

use super::{head, peer};
use crate::guard::{
    Access, Allowance, Denied, Guard, GuardConfig, GuardError, ProvenBy, RouteConfig, Scheme,
    SignatureConfig, Topics, WrongSecret,
};

fn config(secret: &str) -> GuardConfig {
    let tolerance = SignatureConfig::TOLERANCE;
    let secrets = vec![secret.into()];
    let signature = SignatureConfig { scheme: Scheme::GitHub, secrets, tolerance };
    let produce = Topics::parse(&["pushes"]).unwrap();
    let allowance = Allowance { produce, ..Allowance::default() };
    let access = Access::Signed { signature, allowance };
    let routes = vec![RouteConfig { route: "github".to_owned(), access }];
    GuardConfig { routes, certificates: true, ..GuardConfig::default() }
}

#[tokio::test]
async fn a_signed_route_asks_for_the_signature_and_nothing_else() {
    let guard = Guard::start(config("It's a Secret to Everybody")).unwrap();
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let signed = head(&[("x-hub-signature-256", signature), ("x-github-delivery", "72d3162e")]);
    let who = guard.head(&signed, &peer(None), Some("github")).await.unwrap();
    assert_eq!((&**who.name(), who.proven_by()), ("webhook:github", ProvenBy::Signature));
    guard.topic(&who, "pushes").unwrap();
    assert!(guard.topic(&who, "other").is_err());
    let id = guard.body(Some("github"), &signed, b"Hello, World!", 0).unwrap();
    assert_eq!(id.as_deref(), Some(&b"72d3162e"[..]));
    let forged = guard.body(Some("github"), &signed, b"Hello, World?", 0);
    assert!(matches!(forged, Err(Denied::Signature { .. })));
    let unsigned = guard.body(Some("github"), &head(&[]), b"Hello, World!", 0);
    assert_eq!(unsigned.unwrap_err().status(), 401);
    for route in [None, Some("other")] {
        assert_eq!(guard.body(route, &signed, b"anything", 0), Ok(None));
        assert!(guard.head(&signed, &peer(None), route).await.is_err(), "others are not signed");
    }
}

#[test]
fn a_secret_that_is_none_is_told_with_its_route() {
    let error = Guard::start(config("")).unwrap_err();
    assert_eq!(error.to_string(), "route github: secret 1 is empty");
    assert!(matches!(error, GuardError::Secret { wrong: WrongSecret::Empty(1), .. }));
}
