use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
const ISSUER: &str = "https://op.example";

fn client(changes: &Value) -> ClientMetadata {
    let mut whole = json!({ "redirect_uris": ["https://rp.example/cb", "https://rp.example/other"] });
    whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn object(changes: &Value) -> Map<String, Value> {
    let mut whole = json!({
        "iss": "web", "aud": ISSUER, "exp": 1_000_300, "nbf": 1_000_000, "client_id": "web", "response_type": "code",
        "redirect_uri": "https://rp.example/cb", "scope": "openid", "state": "inside",
    });
    whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    whole.as_object().unwrap().clone()
}

fn run(outer: &str, claims: &Map<String, Value>, client: &ClientMetadata) -> Result<Params, Refused> {
    let id = ClientId::new("web");
    let terms = Terms { id: &id, client, issuer: ISSUER, now: NOW };
    effective(&Params::parse(outer.as_bytes()).unwrap(), claims, &terms)
}

const OUTER: &str = "client_id=web&response_type=code&request=x";

#[track_caller]
fn back(outcome: Result<Params, Refused>) -> ErrorCode {
    match outcome {
        Err(Refused::Back(reply_to, error)) => {
            assert_eq!(reply_to.redirect_uri(), "https://rp.example/cb");
            error.code
        }
        other => panic!("{other:?}"),
    }
}

fn is_page(outcome: &Result<Params, Refused>) -> bool {
    matches!(outcome, Err(Refused::Page(error)) if error.code == ErrorCode::InvalidRequestObject)
}

/// OpenID Connect Core section 6.3.3.
#[test]
fn inside_goes_before_outside_and_outside_fills_in() {
    let outer = format!("{OUTER}&state=outside&scope=openid+email&nonce=n&redirect_uri=https://evil.example/");
    let request = run(&outer, &object(&json!({ "max_age": 10, "claims": { "id_token": null } })), &client(&json!({})));
    let request = request.unwrap();
    for (name, value) in [
        ("state", "inside"),
        ("scope", "openid"),
        ("nonce", "n"),
        ("redirect_uri", "https://rp.example/cb"),
        ("max_age", "10"),
        ("claims", r#"{"id_token":null}"#),
        ("client_id", "web"),
    ] {
        assert_eq!(request.get(name), Some(value), "{name}");
    }
    assert!(request.repeated().is_none());
    for name in ["request", "request_uri", "iss", "aud", "exp", "nbf"] {
        assert!(!request.has(name), "{name}");
    }
}

/// RFC 9101 section 5: only what is inside counts.
#[test]
fn a_client_that_requires_it_is_answered_by_its_object_alone() {
    let strict = client(&json!({ "require_signed_request_object": true }));
    let outer = "client_id=web&request=x&nonce=n&prompt=none&state=outside";
    let mut claims = object(&json!({}));
    claims.remove("state");
    let request = run(outer, &claims, &strict).unwrap();
    assert_eq!((request.get("nonce"), request.get("prompt"), request.get("state")), (None, None, None));
    assert_eq!(request.get("client_id"), Some("web"));
    assert_eq!(back(run(outer, &object(&json!({ "client_id": "other" })), &strict)), ErrorCode::InvalidRequestObject);
}

#[test]
fn what_is_outside_as_well_is_the_same() {
    let any = client(&json!({}));
    let request = run("client_id=web&request=x", &object(&json!({})), &any).unwrap();
    assert_eq!(request.get("response_type"), Some("code"));
    for changes in
        [json!({ "client_id": "other" }), json!({ "response_type": "code id_token" }), json!({ "client_id": "" })]
    {
        let refused = run(OUTER, &object(&changes), &any);
        assert!(matches!(refused, Err(Refused::Back(_, error)) if error.code == ErrorCode::InvalidRequestObject));
    }
    let twice = format!("{OUTER}&nonce=1&nonce=1");
    assert_eq!(back(run(&twice, &object(&json!({})), &any)), ErrorCode::InvalidRequest);
}

/// RO-04, RO-05, RO-07, RO-08, RO-10.
#[test]
fn what_is_wrong_inside_is_told_to_its_own_redirect_uri() {
    let any = client(&json!({}));
    for changes in [
        json!({ "iss": "other" }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": [] }),
        json!({ "sub": "web" }),
        json!({ "exp": null }),
        json!({ "exp": 999_989 }),
        json!({ "exp": 1_003_601 }),
        json!({ "nbf": 1_000_061 }),
        json!({ "iat": 1_000_061 }),
        json!({ "request": "x" }),
        json!({ "request_uri": "https://rp.example/r" }),
        json!({ "registration": {} }),
        json!({ "scope": ["openid"] }),
        json!({ "state2": "a\u{0}b" }),
        json!({ "max_age": 1.5 }),
        json!({ "max_age": -1 }),
        json!({ "max_age": true }),
        json!({ "nonce": 7 }),
        json!({ "prompt": null }),
        json!({ "claims": [] }),
        json!({ "audience": ["a", 1] }),
        json!({ "resource": { "a": 1 } }),
    ] {
        assert_eq!(back(run(OUTER, &object(&changes), &any)), ErrorCode::InvalidRequestObject, "{changes}");
    }
    for name in ["iss", "aud", "exp"] {
        let mut claims = object(&json!({}));
        claims.remove(name);
        assert_eq!(back(run(OUTER, &claims, &any)), ErrorCode::InvalidRequestObject, "{name}");
    }
    for changes in [
        json!({ "exp": 999_999 }),
        json!({ "exp": 1_003_600 }),
        json!({ "nbf": 1_000_008, "iat": 1_000_008 }),
        json!({ "aud": [ISSUER, "https://other.example"] }),
        json!({ "sub": "alice" }),
        json!({ "audience": ["a", "b"], "resource": "c" }),
        json!({ "unheard_of": [1, { "x": null }], "jti": 7 }),
    ] {
        run(OUTER, &object(&changes), &any).unwrap_or_else(|refused| panic!("{changes}: {refused:?}"));
    }
}

/// RO-14: never to a redirect URI that is not its own and registered.
#[test]
fn nothing_is_sent_where_the_object_does_not_say() {
    let any = client(&json!({}));
    let outer = format!("{OUTER}&redirect_uri=https://rp.example/other");
    for uri in [json!("https://evil.example/cb"), json!(["https://rp.example/cb"]), json!(7), json!("")] {
        assert!(is_page(&run(&outer, &object(&json!({ "redirect_uri": uri, "exp": 0 })), &any)), "{uri}");
    }
    let mut none = object(&json!({ "exp": 0 }));
    none.remove("redirect_uri");
    assert!(is_page(&run(&outer, &none, &any)));
    let state = match run(&format!("{OUTER}&state=outside"), &object(&json!({ "exp": 0 })), &any) {
        Err(Refused::Back(reply_to, _)) => reply_to.location(ISSUER, &[]),
        other => panic!("{other:?}"),
    };
    assert!(state.contains("state=inside"), "{state}");
}

#[test]
fn an_unsecured_object_needs_no_claims_of_its_own_but_none_may_be_wrong() {
    let none = client(&json!({ "request_object_signing_alg": "none" }));
    let mut claims = object(&json!({}));
    for name in ["iss", "aud", "exp", "nbf"] {
        claims.remove(name);
    }
    assert!(run(OUTER, &claims, &none).is_ok());
    for changes in [json!({ "iss": "other" }), json!({ "aud": "x" }), json!({ "exp": 1 }), json!({ "sub": "web" })] {
        let mut wrong = claims.clone();
        wrong.extend(changes.as_object().unwrap().clone());
        assert_eq!(back(run(OUTER, &wrong, &none)), ErrorCode::InvalidRequestObject, "{changes}");
    }
}

#[test]
fn protection_is_as_registered() {
    let of = |alg: &str| protection(&client(&json!({ "request_object_signing_alg": alg })));
    assert_eq!(of("none"), Protection::Unsecured);
    assert_eq!(of("HS384"), Protection::Mac(MacAlgorithm::Hs384));
    assert_eq!(of("ES256"), Protection::Signature(vec![Algorithm::Es256]));
    assert_eq!(of(""), Protection::Signature(Algorithm::ALL.to_vec()));
    assert_eq!(of("None"), Protection::Signature(Vec::new()), "what is not known is never fulfilled");
}

/// RO-11.
#[test]
fn an_object_is_given_once() {
    let of = |query: &str| {
        let params = Params::parse(query.as_bytes()).unwrap();
        given(&params).map(|given| format!("{given:?}"))
    };
    assert_eq!(of("client_id=web&request=").unwrap(), "Nowhere");
    assert!(of("request=a").unwrap().starts_with("Value") && of("request_uri=a").unwrap().starts_with("Reference"));
    for query in ["request=a&request_uri=b", "request=a&request=a", "request_uri=a&request_uri=", "request=&request="] {
        assert_eq!(of(query).unwrap_err().code, ErrorCode::InvalidRequest, "{query}");
    }
}

/// OpenID Connect Core section 6.2; RO-13.
#[test]
fn a_uri_is_one_that_was_registered() {
    let own =
        client(&json!({ "request_uris": ["https://rp.example/r", "https://rp.example/f#abc", "http://rp.example/r"] }));
    for uri in ["https://rp.example/r", "https://rp.example/f#abc"] {
        check_uri(uri, &own, false).unwrap();
    }
    check_uri("http://rp.example/r", &own, true).unwrap();
    for uri in [
        "http://rp.example/r",
        "https://rp.example/R",
        "https://rp.example/r?x=1",
        "https://rp.example/r#abc",
        "https://rp.example/f",
        "urn:ietf:params:oauth:request_uri:abc",
        &format!("https://rp.example/{}", "r".repeat(500)),
    ] {
        assert_eq!(check_uri(uri, &own, false).unwrap_err().code, ErrorCode::InvalidRequestUri, "{uri}");
    }
    // FIPS 180-2 appendix B.1
    assert!(is_content_of("https://a.example/#ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", b"abc"));
    assert!(is_content_of("https://a.example/", b"abc"));
    for uri in ["https://a.example/#", "https://a.example/#ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="] {
        assert!(!is_content_of(uri, b"abc"), "{uri}");
    }
}

proptest! {
    /// Whatever is outside, the answer goes nowhere but to what is registered.
    #[test]
    fn no_outer_parameter_turns_the_answer(outer in "[a-z_]{1,12}=[ -~]{0,20}(&[a-z_]{1,12}=[ -~]{0,20}){0,4}") {
        if let Ok(outer) = Params::parse(outer.as_bytes()) {
            let any = client(&json!({}));
            let id = ClientId::new("web");
            let terms = Terms { id: &id, client: &any, issuer: ISSUER, now: NOW };
            for claims in [object(&json!({})), object(&json!({ "exp": 0 }))] {
                match effective(&outer, &claims, &terms) {
                    Ok(request) => prop_assert_eq!(request.get("redirect_uri"), Some("https://rp.example/cb")),
                    Err(Refused::Back(to, _) | Refused::Ask(to, _)) => prop_assert_eq!(to.redirect_uri(), "https://rp.example/cb"),
                    Err(Refused::Page(_)) => {}
                }
            }
        }
    }
}
