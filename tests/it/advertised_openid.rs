//! That discovery is true of OpenID Connect: formats, algorithms, subjects, and the switches. `advertised.rs` has the rest;
//! that each algorithm works is shown where it is used (`protection.rs`, `client_assertion.rs`, `request_object.rs`).

use hydrant::jose::{Algorithm, ContentEncryption, KeyManagement, MacAlgorithm};
use hydrant::secret::Secret;
use serde_json::json;

use crate::advertised::{document, list};
use crate::support::{Authorize, SECRET, Server, VERIFIER, unverified};

const URI: &str = "https://rp.example/cb";

fn signatures() -> Vec<String> {
    let macs = MacAlgorithm::ALL.map(MacAlgorithm::as_str);
    Algorithm::ALL.map(Algorithm::as_str).into_iter().chain(macs).map(str::to_owned).collect()
}

/// DI-05: the lists of algorithms are those that the tests of each go through, and what is not on a list can not be
/// registered.
#[tokio::test]
async fn di_05_the_algorithms_are_the_tested_ones() {
    let server = Server::start().await;
    let document = document(&server).await;
    let with_none: Vec<_> = std::iter::once("none".to_owned()).chain(signatures()).collect();
    for (name, expected) in [
        ("id_token_signing_alg_values_supported", signatures()),
        ("id_token_signed_response_alg", signatures()),
        ("userinfo_signing_alg_values_supported", with_none.clone()),
        ("userinfo_signed_response_alg", with_none),
        ("request_object_signing_alg_values_supported", signatures()),
        ("token_endpoint_auth_signing_alg_values_supported", signatures()),
        ("revocation_endpoint_auth_signing_alg_values_supported", signatures()),
        ("introspection_endpoint_auth_signing_alg_values_supported", signatures()),
    ] {
        assert_eq!(list(&document, name), expected, "{name}");
    }
    for what in ["id_token", "userinfo", "request_object"] {
        let algs = list(&document, &format!("{what}_encryption_alg_values_supported"));
        assert_eq!(algs, KeyManagement::ALL.map(|alg| alg.as_str().to_owned()), "{what}");
        let encs = list(&document, &format!("{what}_encryption_enc_values_supported"));
        assert_eq!(encs, ContentEncryption::ALL.map(|enc| enc.as_str().to_owned()), "{what}");
    }
    for (field, value) in [
        ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", "ES256K"),
        ("userinfo_signed_response_alg", "RS1"),
        ("request_object_signing_alg", "HS1"),
        ("token_endpoint_auth_signing_alg", "none"),
        ("id_token_encrypted_response_alg", "RSA1_5"),
        ("request_object_encryption_alg", "dir"),
        ("subject_type", "pairwise"),
    ] {
        let client = json!({ "redirect_uris": [URI], field: value });
        let answer = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
        answer.assert_error(400, "invalid_client_metadata");
    }
}

/// DI-05: `oidc.id_token.signing_algs` is what is offered, and RS256 what is used unless asked otherwise.
#[tokio::test]
async fn di_05_the_operator_chooses_the_algorithms() {
    let server = Server::with(|config| config.oidc.signing_algs = vec!["RS256".to_owned(), "ES256".to_owned()]).await;
    let document = document(&server).await;
    assert_eq!(list(&document, "id_token_signing_alg_values_supported"), ["RS256", "ES256"]);
    assert_eq!(list(&document, "userinfo_signing_alg_values_supported"), ["none", "RS256", "ES256"]);
    let tokens = server.tokens_with("openid").await;
    assert_eq!(unverified(tokens.id_token.as_deref().unwrap(), 0)["alg"], "RS256");
    let client = json!({ "redirect_uris": [URI], "id_token_signed_response_alg": "PS256" });
    let answer = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
    answer.assert_error(400, "invalid_client_metadata");
}

/// DI-05: userinfo by every algorithm that is named.
#[tokio::test]
async fn di_05_userinfo_is_signed_as_named() {
    let server = Server::start().await;
    for alg in list(&document(&server).await, "userinfo_signing_alg_values_supported") {
        let id = format!("by-{alg}");
        let client = json!({
            "client_id": id, "redirect_uris": [URI], "userinfo_signed_response_alg": alg, "scope": "openid",
            "client_secret": SECRET.repeat(3),
        });
        let made = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let code = server.browser().code(&Authorize::of(&id, URI), "alice").await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", URI),
            ("code_verifier", VERIFIER),
        ];
        let request = server.http.post(server.url("/oauth2/token")).basic_auth(&id, Some(SECRET.repeat(3)));
        let tokens = crate::support::Answer::of(request.form(&fields).send().await.unwrap()).await.tokens();
        let answer = server.userinfo(&tokens.access_token).await;
        let media_type = answer.header("content-type").unwrap();
        if alg == "none" {
            assert_eq!(media_type, "application/json");
            assert!(answer.json()["sub"].is_string());
        } else {
            assert_eq!((media_type, &unverified(&answer.body, 0)["alg"]), ("application/jwt", &json!(alg)));
        }
    }
}

/// DI-05: response types, and the grant type that belongs to them, only when on.
#[tokio::test]
async fn di_05_response_types_are_named_when_on() {
    let off = document(&Server::start().await).await;
    assert_eq!(list(&off, "response_types_supported"), ["code"]);
    assert!(!list(&off, "grant_types_supported").contains(&"implicit".to_owned()));
    let server = Server::with_every_response_type().await;
    let on = document(&server).await;
    assert!(list(&on, "grant_types_supported").contains(&"implicit".to_owned()));
    let mut browser = server.browser();
    browser.journey(&Authorize::of("front", URI), "alice").await;
    for kind in list(&on, "response_types_supported") {
        for mode in list(&on, "response_modes_supported") {
            let request = Authorize::of("front", URI).set("response_type", &kind).set("response_mode", &mode);
            let response = browser.authorize(&request).await.response();
            let may = mode != "query" || !kind.contains("token");
            assert_eq!(response.contains_key("error"), !may, "{kind} by {mode}: {response:?}");
        }
    }
}

/// DI-05: whom tokens are about.
#[tokio::test]
async fn di_05_subject_types() {
    let public = Server::start().await;
    assert_eq!(list(&document(&public).await, "subject_types_supported"), ["public"]);
    let tokens = public.tokens_with("openid").await;
    let code = public.code_for(&Authorize::of("two", "https://two.example/cb")).await;
    let other = public.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
    assert_eq!(other.claims()["sub"], tokens.claims()["sub"], "public: the same for every client");
    let both = Server::with(|config| config.oidc.pairwise_salt = Some(Secret::new("a salt for tests"))).await;
    assert_eq!(list(&document(&both).await, "subject_types_supported"), ["public", "pairwise"]);
    let client = json!({ "redirect_uris": [URI], "subject_type": "pairwise" });
    assert_eq!(both.admin(reqwest::Method::POST, "/clients", Some(&client)).await.status, 201);
}

/// DI-05: every `acr` that is named is reached by a sign-in.
#[tokio::test]
async fn di_05_acr_values() {
    let server = Server::start().await;
    for acr in list(&document(&server).await, "acr_values_supported") {
        let claims = json!({ "id_token": { "acr": { "essential": true, "value": acr } } });
        let request = Authorize::web().set("claims", &claims.to_string()).set("acr_values", &acr);
        let tokens = server.token(&server.code_for(&request).await).await.tokens();
        assert_eq!(tokens.claims()["acr"], acr.as_str());
    }
}

/// DI-05: the switches say what is.
#[tokio::test]
async fn di_05_switches() {
    let server = Server::start().await;
    let named = document(&server).await;
    for locale in list(&named, "ui_locales_supported") {
        let page = server.browser().authorize(&Authorize::web().set("ui_locales", &locale)).await;
        assert!(page.body.contains(&format!("lang=\"{locale}\"")), "{locale}");
    }
    assert_eq!(list(&named, "claim_types_supported"), ["normal"]);
    for name in ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(named[name], true, "{name}");
    }
    assert_eq!(named["require_request_uri_registration"], true);
    let off = Server::with(|config| {
        config.oidc.request_by_value = false;
        config.oidc.request_by_reference = false;
    })
    .await;
    let unnamed = document(&off).await;
    for (name, parameter, error) in [
        ("request_parameter_supported", "request", "request_not_supported"),
        ("request_uri_parameter_supported", "request_uri", "request_uri_not_supported"),
    ] {
        assert_eq!(unnamed[name], false, "{name}");
        off.assert_back(&Authorize::web().set(parameter, "x"), error).await;
    }
    assert!(unnamed.as_object().unwrap().keys().all(|name| !name.starts_with("request_object_")), "{unnamed}");
}

/// DI-05: clients are told of logouts in the browser and behind it, and which session it was.
#[tokio::test]
async fn di_05_logout() {
    let server = Server::start().await;
    let named = document(&server).await;
    let told = json!({
        "redirect_uris": [URI], "grant_types": ["authorization_code"], "scope": "openid",
        "frontchannel_logout_uri": "https://rp.example/front", "backchannel_logout_uri": "https://rp.example/back",
    });
    server.client("told", told).await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::of("told", URI), "alice").await;
    let sid = server.redeem("told", &code, URI, Some(VERIFIER)).await.tokens().claims()["sid"].clone();
    let logout = browser.logout().await;
    assert_eq!(
        (&named["frontchannel_logout_supported"], &named["frontchannel_logout_session_supported"]),
        (&json!(true), &json!(true))
    );
    let frame = format!("&amp;sid={}\"", sid.as_str().unwrap());
    assert!(
        logout.body.contains("<iframe src=\"https://rp.example/front?iss=") && logout.body.contains(&frame),
        "{}",
        logout.body
    );
    assert_eq!(
        (&named["backchannel_logout_supported"], &named["backchannel_logout_session_supported"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(server.database.count("logout_tokens").await, 1);
}

/// DI-05: the frame of session management is named only where it is there.
#[tokio::test]
async fn di_05_check_session_iframe() {
    let off = Server::start().await;
    assert!(document(&off).await.get("check_session_iframe").is_none());
    let on = Server::with(|config| config.logout.session_management = true).await;
    let frame = document(&on).await["check_session_iframe"].as_str().unwrap().to_owned();
    let path = frame.strip_prefix(&on.issuer).unwrap();
    assert_eq!((on.get(path).await.status, off.get(path).await.status), (200, 404));
}

/// Whatever is named is tested here or in `advertised.rs`.
#[tokio::test]
async fn di_05_nothing_is_named_that_is_not_tested() {
    let server = Server::with(|config| config.logout.session_management = true).await;
    let tested = [
        "_endpoint",
        "_uri",
        "response_types_supported",
        "response_modes_supported",
        "prompt_values_supported",
        "code_challenge_methods_supported",
        "grant_types_supported",
        "_endpoint_auth_methods_supported",
        "scopes_supported",
        "claims_supported",
        "_signing_alg_values_supported",
        "_encryption_alg_values_supported",
        "_encryption_enc_values_supported",
        "_signed_response_alg",
        "subject_types_supported",
        "claim_types_supported",
        "ui_locales_supported",
        "acr_values_supported",
        "_parameter_supported",
        "require_request_uri_registration",
        "_logout_supported",
        "_logout_session_supported",
        "check_session_iframe",
        "issuer",
    ];
    for (name, value) in document(&server).await.as_object().unwrap() {
        assert!(tested.iter().any(|suffix| name.ends_with(suffix)), "{name} is not tested");
        assert!(!value.is_null(), "{name}");
    }
}
