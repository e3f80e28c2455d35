//! The rules of self-registration, without a server.

use serde_json::{Value, json};

use super::*;
use crate::config::Config;

fn registered(change: impl FnOnce(&mut Registration), client: &Value) -> Result<ClientMetadata> {
    let mut config = Config::for_tests("https://op.example", "memory");
    config.dev = false;
    change(&mut config.oidc.registration);
    Request::read(client.to_string().as_bytes())?.metadata(&config.oidc, &Rules::of(&config), None)
}

/// The registration that the operator's `before` becomes by this request of its client.
fn replaced(before: &Value, request: &Value) -> Result<ClientMetadata> {
    let config = Config::for_tests("https://op.example", "memory");
    let before: ClientMetadata = serde_json::from_value(web(before)).unwrap();
    let before = Before { metadata: &before, is_operators: true };
    let request = Request::read(web(request).to_string().as_bytes()).unwrap();
    request.metadata(&config.oidc, &Rules::of(&config), Some(before))
}

fn web(more: &Value) -> Value {
    let mut client = json!({ "redirect_uris": ["https://app.example/cb"] });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client
}

fn refusal(more: &Value) -> (&'static str, String) {
    let error = registered(|_| {}, &web(more)).expect_err(&more.to_string());
    (error.code.as_str(), error.description.into_owned())
}

/// OpenID Connect Dynamic Client Registration section 2, RFC 7591 section 2.
#[test]
fn what_is_left_out_is_filled_in() {
    let client = registered(|_| {}, &web(&json!({}))).unwrap();
    assert_eq!(
        (&client.grant_types[..], &client.response_types[..]),
        (&["authorization_code".to_owned()][..], &["code".to_owned()][..])
    );
    assert_eq!(
        (client.application_type.as_str(), client.token_endpoint_auth_method.as_str()),
        ("web", "client_secret_basic")
    );
    assert_eq!(client.scope, "offline_access offline openid");
    let native =
        registered(|_| {}, &json!({ "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none" }));
    assert_eq!(native.unwrap().application_type, "native");
}

/// DR-04: what the operator alone decides; empty values of the same members, as SDKs send them back, are nothing.
#[test]
fn dr_04_privileges_are_refused() {
    for (field, value) in [
        ("skip_consent", json!(true)),
        ("skip_logout_consent", json!(true)),
        ("metadata", json!({ "tenant": 1 })),
        ("metadata", json!([1])),
        ("access_token_strategy", json!("jwt")),
        ("audience", json!(["https://api.example"])),
        ("owner", json!("me")),
        ("is_first_party", json!(true)),
        ("tls_client_auth_subject_dn", json!("CN=bank")),
        ("authorization_code_grant_access_token_lifespan", json!("8760h")),
        ("refresh_token_grant_refresh_token_lifespan", json!("1h")),
    ] {
        let (code, why) = refusal(&json!({ field: value }));
        assert!(code == "invalid_client_metadata" && why.contains(field), "{field}: {why}");
    }
    let idle = json!({
        "skip_consent": false, "skip_logout_consent": null, "metadata": {}, "access_token_strategy": "", "audience": [],
        "owner": "", "is_first_party": false, "client_id": "mine", "registration_access_token": "x", "created_at": "x",
        "client_credentials_grant_access_token_lifespan": null,
    });
    registered(|_| {}, &web(&idle)).unwrap();
}

/// DR-05, DR-07.
#[test]
fn dr_05_the_operator_says_what_strangers_may_ask_for() {
    for more in [
        json!({ "scope": "admin offline openid" }),
        json!({ "scope": "*" }),
        json!({ "scope": "openid.*" }),
        json!({ "grant_types": ["client_credentials"], "response_types": [] }),
        json!({ "grant_types": ["authorization_code", "password"] }),
        json!({ "grant_types": ["refresh_token"], "response_types": ["code"] }),
    ] {
        assert_eq!(refusal(&more).0, "invalid_client_metadata", "{more}");
    }
    let allow = |policy: &mut Registration| {
        policy.allowed_scope.push("photos.read".to_owned());
        policy.allowed_grant_types.push("client_credentials".to_owned());
    };
    let robot = json!({ "grant_types": ["client_credentials"], "scope": "openid photos.read" });
    let client = registered(allow, &robot).unwrap();
    assert!(client.response_types.is_empty() && client.redirect_uris.is_empty());
    let mut public = robot;
    public["token_endpoint_auth_method"] = json!("none");
    assert!(registered(allow, &public).is_err());
}

#[test]
fn who_is_answered_by_redirect_says_where() {
    let of = |client: Value| registered(|_| {}, &client).unwrap_err().code.as_str();
    assert_eq!(of(json!({})), "invalid_redirect_uri");
    assert_eq!(of(json!({ "redirect_uris": ["https://app.example/cb?code=1"] })), "invalid_redirect_uri");
    assert_eq!(
        of(json!({ "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "web" })),
        "invalid_redirect_uri"
    );
}

/// DR-11.
#[test]
fn dr_11_a_logo_is_from_where_the_answer_goes() {
    let (code, why) = refusal(&json!({ "logo_uri": "https://cdn.example/bank.png" }));
    assert!(code == "invalid_client_metadata" && why.contains("logo_uri"), "{why}");
    let beside = json!({ "redirect_uris": ["https://evil.example/cb", "https://bank.example/"], "logo_uri": "https://bank.example/l.png" });
    assert_eq!(refusal(&beside).0, "invalid_client_metadata");
    let own = json!({ "logo_uri": "https://app.example/l.png", "tos_uri": "https://openid.net", "policy_uri": "https://p.example" });
    assert_eq!(registered(|_| {}, &web(&own)).unwrap().logo_uri, "https://app.example/l.png");
    let app = json!({ "redirect_uris": ["com.example.app:/cb"], "logo_uri": "https://bank.example/l.png" });
    assert_eq!(registered(|_| {}, &app).unwrap().logo_uri, "");
}

/// DR-29.
#[test]
fn dr_29_what_is_no_registration_is_refused() {
    let deep = format!("{{\"x\": {}}}", "[".repeat(100_000));
    for text in [
        "",
        "null",
        "[]",
        "1",
        "{",
        "{\"scope\": \"a\", \"scope\": \"b\"}",
        "{\"client_id\": 1}",
        "{\"jwks\": 1e999}",
        "{\"client_name\": \"\\ud800\"}",
        "{\"default_max_age\": NaN}",
        "{\"redirect_uris\": [null]}",
        &deep,
    ] {
        let error = Request::read(text.as_bytes()).unwrap_err();
        assert_eq!((error.code, error.status), (ErrorCode::InvalidClientMetadata, 400), "{text:.40}");
    }
    assert_eq!(refusal(&json!({ "client_name": "a\u{0}b" })).0, "invalid_client_metadata");
}

/// RFC 7591 section 2.3: the statement wins, and makes nobody more than he is.
#[test]
fn dr_31_a_statement_goes_before_what_is_beside_it() {
    let body = web(&json!({ "client_name": "Mine", "software_statement": "a.b.c" })).to_string();
    let claims = json!({ "iss": "https://d.example", "client_name": "Theirs", "client_id": "x", "skip_consent": true });
    let request = Request::with_statement(body.as_bytes(), claims.as_object().unwrap().clone()).unwrap();
    assert_eq!((request.metadata.client_name.as_str(), &request.client_id), ("Theirs", &None));
    assert_eq!(request.metadata.software.software_statement, "a.b.c");
    assert!(request.refuse_privileges(&Registration::default(), &ClientMetadata::default(), &[]).is_err());
    let wrong = json!({ "redirect_uris": 1 });
    let error = Request::with_statement(body.as_bytes(), wrong.as_object().unwrap().clone()).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidSoftwareStatement);
}

#[test]
fn a_secret_that_can_be_guessed_is_refused() {
    let of = |secret: &str, method: &str| {
        let body = web(&json!({ "client_secret": secret, "token_endpoint_auth_method": method })).to_string();
        Request::read(body.as_bytes()).unwrap().chosen_secret().map(Option::<&Secret>::cloned)
    };
    for weak in ["123456", "short secret".get(..11).unwrap(), "aaaaaaaaaaaaaaaaaaaaaa", "ababababababababab"] {
        assert!(of(weak, "client_secret_basic").is_err(), "{weak}");
    }
    assert!(of("a longer secret", "client_secret_post").unwrap().is_some());
    assert!(of("", "none").unwrap().is_none());
    assert!(of("a longer secret", "none").is_err());
}

/// OpenID Connect Front-Channel Logout section 2: "The domain, port, and scheme of this URL MUST be the same as that of a
/// registered Redirection URI value". A stranger has nobody else's page loaded.
#[test]
fn a_page_for_logout_is_the_clients_own() {
    for uri in ["https://app.example/out", "https://app.example:443/out?a=b", ""] {
        assert!(registered(|_| {}, &web(&json!({ "frontchannel_logout_uri": uri }))).is_ok(), "{uri}");
    }
    for uri in ["https://other.example/out", "https://app.example:8443/out", "https://sub.app.example/out"] {
        let (code, description) = refusal(&json!({ "frontchannel_logout_uri": uri }));
        assert!(code == "invalid_client_metadata" && description.contains("frontchannel_logout_uri"), "{description}");
    }
    let given = json!({ "frontchannel_logout_uri": "https://cdn.example/out" });
    assert!(replaced(&given, &given).is_ok(), "an operator has said so");
    assert!(replaced(&json!({}), &given).is_err());
}

/// RFC 7592 section 2.2: what an operator has given may be sent back, stays if it is not, and is not added to.
#[test]
fn a_client_of_the_operators_keeps_what_he_has_given_to_it() {
    let given = json!({
        "skip_consent": true, "skip_logout_consent": true, "owner": "sales", "metadata": { "tier": 1 },
        "access_token_strategy": "jwt", "audience": ["https://api.example"], "scope": "openid photos.read",
        "grant_types": ["authorization_code", "client_credentials"], "logo_uri": "https://cdn.example/l.png",
        "authorization_code_grant_access_token_lifespan": "5m",
    });
    for request in [given.clone(), json!({ "client_name": "x" })] {
        let client = replaced(&given, &request).unwrap();
        assert!(client.skip_consent && client.skip_logout_consent == Some(true), "{request}");
        assert_eq!((client.owner.as_str(), &client.metadata), ("sales", &json!({ "tier": 1 })));
        assert_eq!((client.access_token_strategy.as_str(), client.audience.len()), ("jwt", 1));
        assert_eq!(client.lifespans.iter().count(), 1);
    }
    for (field, value) in [
        ("owner", json!("others")),
        ("metadata", json!({ "tier": 2 })),
        ("access_token_strategy", json!("opaque")),
        ("audience", json!(["https://api.example", "https://other.example"])),
        ("scope", json!("openid photos.read photos.write")),
        ("grant_types", json!(["client_credentials", "urn:x"])),
        ("authorization_code_grant_access_token_lifespan", json!("6m")),
        ("refresh_token_grant_access_token_lifespan", json!("5m")),
        ("logo_uri", json!("https://evil.example/l.png")),
    ] {
        let error = replaced(&given, &json!({ field: value })).expect_err(field);
        assert!(error.description.contains(field), "{}", error.description);
    }
    assert!(replaced(&json!({}), &json!({ "skip_consent": true })).is_err());
    let elsewhere = json!({ "redirect_uris": ["https://app.example/cb", "https://app.example/new"], "logo_uri": "" });
    let client = replaced(&given, &elsewhere).unwrap();
    assert!(!client.skip_consent && client.owner == "sales", "what was vouched for was another redirect URI");
}
