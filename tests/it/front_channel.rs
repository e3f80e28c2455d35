//! Implicit and hybrid flows, and `none`: OpenID Connect Core sections 3.2 and 3.3, OAuth 2.0 Multiple Response Types.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hydrant::config::ResponseType;
use hydrant::secret::sha256;
use serde_json::json;

use crate::support::{Answer, Authorize, Server, VERIFIER, race, unverified};

fn request(kind: ResponseType) -> Authorize {
    Authorize::of("front", "https://rp.example/cb").set("response_type", kind.as_str())
}

fn left_half(value: &str) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(value.as_bytes())[..16])
}

fn sorted(response: &HashMap<String, String>) -> Vec<&str> {
    let mut names: Vec<_> = response.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// conformance.md section 1, implicit and hybrid: each type gives what its words say, in the fragment, and nothing else.
#[tokio::test]
async fn each_response_type_gives_what_its_words_say() {
    let server = Server::with_every_response_type().await;
    for kind in ResponseType::ALL {
        let answer = server.browser().journey(&request(*kind).set("scope", "openid email"), "alice").await;
        let location = answer.location().unwrap();
        let (front, rest) = (kind.is_front(), location.strip_prefix("https://rp.example/cb").unwrap());
        assert!(rest.starts_with(if front { '#' } else { '?' }), "{kind:?}: {location}");
        let response = answer.response();
        let mut expected = vec!["iss", "state"];
        expected.extend(kind.gives_code().then_some("code"));
        expected.extend(kind.gives_id_token().then_some("id_token"));
        if kind.gives_token() {
            expected.extend(["access_token", "token_type", "expires_in", "scope"]);
        }
        expected.sort_unstable();
        assert_eq!(sorted(&response), expected, "{kind:?}");
        assert_eq!(response["state"], "state-0123456789-0123456789-0123");
        assert_eq!(response["iss"], server.issuer);
        if kind.gives_token() {
            assert_eq!((response["token_type"].as_str(), response["expires_in"].as_str()), ("bearer", "3600"));
            let told = server.userinfo(&response["access_token"]).await.json();
            assert_eq!(told["email"], "alice@example.com", "{kind:?}");
            assert!(server.introspect(&response["access_token"]).await.active);
        }
        if kind.gives_id_token() {
            let (header, claims) = server.verify(&response["id_token"], "front").await;
            assert_eq!(header.typ.as_deref(), Some("JWT"));
            assert_eq!(claims["nonce"], "nonce-0123456789-0123456789-0123");
            assert_eq!(claims["sub"], server.subject("alice").await.as_str());
            // ID-05.
            let hash = |name: &str| response.get(name).map(|value| json!(left_half(value)));
            assert_eq!(claims.get("at_hash").cloned(), hash("access_token"), "{kind:?}");
            assert_eq!(claims.get("c_hash").cloned(), hash("code"), "{kind:?}");
            // OpenID Connect Core section 5.4: only where there is no other way to have them.
            assert_eq!(claims.contains_key("email"), *kind == ResponseType::IdToken, "{kind:?}");
        }
        if kind.gives_code() {
            let tokens =
                server.redeem("front", &response["code"], "https://rp.example/cb", Some(VERIFIER)).await.tokens();
            let claims = tokens.claims();
            assert_eq!(claims["nonce"], "nonce-0123456789-0123456789-0123");
            assert!(claims.contains_key("at_hash") && !claims.contains_key("c_hash"));
            if let Some(front) = response.get("id_token") {
                // OpenID Connect Core section 3.3.3.6.
                assert_eq!(
                    (&claims["sub"], &claims["iss"]),
                    (&unverified(front, 1)["sub"], &unverified(front, 1)["iss"])
                );
            }
            if let Some(front) = response.get("access_token") {
                assert_ne!(front, &tokens.access_token);
                assert!(server.introspect(front).await.active, "redeeming the code does not end the token beside it");
            }
        }
    }
}

/// The form post plans: the same parameters as hidden fields of a page that posts itself.
#[tokio::test]
async fn every_response_type_by_form_post() {
    let server = Server::with_every_response_type().await;
    let mut browser = server.browser();
    browser.journey(&request(ResponseType::Code), "alice").await;
    for kind in ResponseType::ALL {
        let in_front = browser.authorize(&request(*kind)).await.response();
        let answer = browser.authorize(&request(*kind).set("response_mode", "form_post")).await;
        assert_eq!((answer.status, answer.location()), (200, None), "{kind:?}");
        assert!(answer.body.contains("<form method=\"post\" action=\"https://rp.example/cb\""), "{kind:?}");
        assert_eq!(sorted(&answer.response()), sorted(&in_front), "{kind:?}");
        let refused = browser.authorize(&request(*kind).set("response_mode", "form_post").set("prompt", "foo")).await;
        assert_eq!(sorted(&refused.response()), ["error", "error_description", "iss", "state"], "{kind:?}");
    }
}

/// conformance.md section 1: errors come back where the answer would have, and nothing is in the query.
#[tokio::test]
async fn errors_are_in_the_fragment() {
    let server = Server::with_every_response_type().await;
    for kind in ResponseType::ALL {
        for (name, value, error) in [
            ("prompt", "none", "login_required"),
            ("scope", "openid admin", "invalid_scope"),
            ("max_age", "x", "invalid_request"),
        ] {
            let answer = server.browser().authorize(&request(*kind).set(name, value)).await;
            let location = answer.location().unwrap();
            assert_eq!(location.contains("/cb#"), kind.as_str().contains("token"), "{kind:?}: {location}");
            assert_eq!(answer.response()["error"], error, "{kind:?}");
            assert_eq!(answer.response()["state"], "state-0123456789-0123456789-0123");
        }
    }
}

/// ID-04: a nonce wherever an ID token comes from the front, and only there. The answer is in the fragment.
#[tokio::test]
async fn id_04_a_nonce_is_needed_for_an_id_token_from_the_front() {
    let server = Server::with_every_response_type().await;
    let mut browser = server.browser();
    browser.journey(&request(ResponseType::Code), "alice").await;
    for kind in ResponseType::ALL {
        let response = browser.authorize(&request(*kind).without("nonce")).await.response();
        let error = response.get("error").map(String::as_str);
        assert_eq!(error, kind.gives_id_token().then_some("invalid_request"), "{kind:?}");
    }
}

/// AZ-07: a token is never forced into the query; the refusal is in the fragment.
#[tokio::test]
async fn az_07_a_token_never_travels_in_a_query() {
    let server = Server::with_every_response_type().await;
    let mut browser = server.browser();
    browser.journey(&request(ResponseType::Code), "alice").await;
    for kind in ResponseType::ALL.iter().filter(|kind| kind.is_front()) {
        let answer = browser.authorize(&request(*kind).set("response_mode", "query")).await;
        assert!(answer.location().unwrap().starts_with("https://rp.example/cb#error="), "{:?}", answer.location());
        assert_eq!(sorted(&answer.response()), ["error", "error_description", "iss", "state"]);
        assert_eq!(answer.response()["error"], "invalid_request");
    }
}

/// TC-17: by default the server offers `code` alone, and a client must have registered what it asks for.
#[tokio::test]
async fn tc_17_what_is_not_offered_or_not_registered_is_refused() {
    let server = Server::start().await;
    let every = Server::with_every_response_type().await;
    for kind in ResponseType::ALL.iter().filter(|kind| **kind != ResponseType::Code) {
        let ask = Authorize::web().set("response_type", kind.as_str());
        for server in [&server, &every] {
            let response = server.browser().authorize(&ask).await.response();
            assert_eq!(response["error"], "unsupported_response_type", "{kind:?}");
        }
    }
    let admin =
        json!({ "response_types": ["token"], "grant_types": ["implicit"], "redirect_uris": ["https://rp.example/cb"] });
    let refused = server.admin(reqwest::Method::POST, "/clients", Some(&admin)).await;
    refused.assert_error(400, "invalid_client_metadata");
    assert_eq!(every.admin(reqwest::Method::POST, "/clients", Some(&admin)).await.status, 201);
    // A type without its grant types is no type of the client's.
    let half = json!({ "response_types": ["code id_token"], "redirect_uris": ["https://rp.example/cb"] });
    every.admin(reqwest::Method::POST, "/clients", Some(&half)).await.assert_error(400, "invalid_client_metadata");
}

/// `implicit` is a word for registrations, and no request at the token endpoint (TC-14).
#[tokio::test]
async fn there_is_no_token_request_of_the_implicit_grant() {
    let server = Server::with_every_response_type().await;
    server
        .post_as("front", "/oauth2/token", &[("grant_type", "implicit")])
        .await
        .assert_error(400, "unsupported_grant_type");
}

/// RFC 6749 section 4.1.2: a replayed code ends what came with it at the front as well.
#[tokio::test]
async fn a_replayed_code_ends_the_token_of_the_front() {
    let server = Server::with_every_response_type().await;
    let request = request(ResponseType::CodeIdTokenToken).set("scope", "openid offline_access");
    let response = server.browser().journey(&request, "alice").await.response();
    let redeem = || server.redeem("front", &response["code"], "https://rp.example/cb", Some(VERIFIER));
    let tokens = redeem().await.tokens();
    let refreshed = server.refresh("front", tokens.refresh()).await.tokens();
    assert!(server.introspect(&response["access_token"]).await.active, "a rotation ends only its own chain");
    assert!(!server.introspect(&tokens.access_token).await.active);
    redeem().await.assert_error(400, "invalid_grant");
    for token in [&response["access_token"], &refreshed.access_token] {
        assert!(!server.introspect(token).await.active);
    }
}

/// Tokens of the front end with what they are of: their own time, their revocation, the session.
#[tokio::test]
async fn tokens_of_the_front_end_in_every_way() {
    let server = Server::with_every_response_type().await;
    server
        .front_client(
            "short",
            json!({
                "implicit_grant_access_token_lifespan": "2m0s", "implicit_grant_id_token_lifespan": "3m0s",
            }),
        )
        .await;
    let ask = Authorize::of("short", "https://rp.example/cb").set("response_type", "id_token token");
    let mut browser = server.browser();
    let first = browser.journey(&ask, "alice").await.response();
    assert_eq!(first["expires_in"], "120");
    let claims = unverified(&first["id_token"], 1);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 180);
    assert!(server.introspect(&first["access_token"]).await.active);
    server.pass(121);
    assert!(!server.introspect(&first["access_token"]).await.active);
    let second = browser.authorize(&ask).await.response();
    assert_eq!(server.revoke("short", &second["access_token"]).await.status, 200);
    assert!(!server.introspect(&second["access_token"]).await.active);
    let third = browser.authorize(&ask).await.response();
    browser.logout().await;
    assert!(!server.introspect(&third["access_token"]).await.active);
}

/// Whatever a flow gives, it gives once: 32 browsers' tabs that hand in the same verifier get one answer.
#[tokio::test]
async fn a_flow_without_a_code_ends_once_too() {
    let server = Server::with_every_response_type().await;
    for kind in [ResponseType::IdToken, ResponseType::Token, ResponseType::None] {
        let mut browser = server.browser();
        let page = browser.authorize(&request(kind)).await;
        let page = browser.login(&page, "alice", crate::support::PASSWORD, false).await;
        let done = browser.submit_consent(&page, &["openid"]).await;
        let verifier = done.location().unwrap();
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answers = race(32, |_| {
            let request = server.http.get(&verifier).header("cookie", cookies.join("; "));
            async move { Answer::of(request.send().await.unwrap()).await }
        })
        .await;
        let given = answers.iter().filter(|answer: &&Answer| answer.location().is_some()).count();
        assert_eq!(given, 1, "{kind:?}");
        assert!(answers.iter().all(|answer| answer.location().is_some() || answer.status == 410), "{kind:?}");
    }
}

/// RFC 9700 section 2.1.1: a public client without a code needs no PKCE, and with one it does.
#[tokio::test]
async fn pkce_is_of_the_code() {
    let server = Server::with_every_response_type().await;
    server.front_client("page", json!({ "token_endpoint_auth_method": "none" })).await;
    let ask = |kind: &str| {
        Authorize::of("page", "https://rp.example/cb")
            .set("response_type", kind)
            .without("code_challenge")
            .without("code_challenge_method")
    };
    let mut browser = server.browser();
    assert!(browser.journey(&ask("id_token"), "alice").await.response().contains_key("id_token"));
    assert_eq!(browser.authorize(&ask("code id_token")).await.response()["error"], "invalid_request");
}

/// OpenID Connect Core section 3.1.2.4: who does not let the client sign them in is not named in an ID token.
#[tokio::test]
async fn an_id_token_is_not_given_against_the_persons_will() {
    let server = Server::with_every_response_type().await;
    for kind in ResponseType::ALL.iter().filter(|kind| kind.gives_id_token()) {
        let mut browser = server.browser();
        let page = browser.authorize(&request(*kind).set("scope", "openid profile")).await;
        let page = browser.login(&page, "alice", crate::support::PASSWORD, false).await;
        let response = browser.consent(&page, &["profile"], false).await.response();
        assert_eq!(response.get("error").map(String::as_str), Some("access_denied"), "{kind:?}: {response:?}");
        assert!(!response.contains_key("id_token") && !response.contains_key("access_token"), "{response:?}");
    }
}

/// LO-16: of a logout and the answer to a request at the same moment, the token is dead afterwards or was never given.
#[tokio::test]
async fn lo_16_a_token_of_the_front_does_not_survive_a_race_with_the_logout() {
    let server = Server::with_every_response_type().await;
    let store = &server.app().store;
    for _ in 0..8 {
        let mut browser = server.browser();
        browser.journey(&request(ResponseType::Token), "alice").await;
        let sessions = server.database.column("SELECT id FROM sessions").await;
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answers = race(32, |racer| {
            let request =
                server.http.get(request(ResponseType::Token).url(&server)).header("cookie", cookies.join("; "));
            let (store, sessions, ending) = (store.clone(), sessions.clone(), server.ending());
            async move {
                if racer == 16 {
                    for id in sessions {
                        store.end_session(id.parse().unwrap(), ending).await.unwrap();
                    }
                    return None;
                }
                Some(Answer::of(request.send().await.unwrap()).await)
            }
        })
        .await;
        for answer in
            answers.into_iter().flatten().filter(|answer| answer.location().is_some_and(|to| to.contains('#')))
        {
            if let Some(token) = answer.response().get("access_token") {
                assert!(!server.introspect(token).await.active);
            }
        }
    }
}
