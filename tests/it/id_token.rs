//! The ID token: OpenID Connect Core section 2, verified as a relying party does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hydrant::secret::sha256;
use hydrant::store::user::User;
use serde_json::{Value, json};

use crate::support::{Authorize, Server};

/// ID-01, ID-02: signed by a published key; ours, for this client, for an hour at most. By a code and by a refresh.
#[tokio::test]
async fn id_01_every_id_token_verifies() {
    let server = Server::start().await;
    let signed_in_at = server.clock.now().seconds();
    let code = server.code_for(&Authorize::web().set("scope", "openid offline_access")).await;
    server.pass(10);
    let first = server.token(&code).await.tokens();
    server.pass(100);
    let second = server.refresh("web", first.refresh()).await.tokens();
    let mut ids = Vec::new();
    for (age, tokens) in [(10, &first), (110, &second)] {
        let (header, claims) = server.verify(tokens.id_token.as_deref().unwrap(), "web").await;
        assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
        assert_eq!(header.typ.as_deref(), Some("JWT"));
        assert!(header.jku.is_none() && header.jwk.is_none() && header.x5u.is_none());
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.issuer), &json!(["web"])));
        assert_eq!(claims["sub"], server.subject("alice").await.as_str());
        assert_eq!(claims["iat"], signed_in_at + age);
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert!((1..=3600).contains(&life), "{life}");
        assert_eq!(claims["auth_time"], signed_in_at, "a refresh is no login");
        assert!(claims.values().all(|value| !value.is_null() && *value != json!("")), "{claims:?}");
        ids.push(claims["jti"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    let (first, second) = (first.claims(), second.claims());
    for name in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(first[name], second[name], "{name}");
    }
}

/// OpenID Connect Core section 2 and 12.2: the request's nonce, none where none was sent, none after a refresh.
#[tokio::test]
async fn the_nonce_is_the_requests_own() {
    let server = Server::start().await;
    let long = "n".repeat(64);
    for nonce in ["nonce-0123456789", "\" \\ é %00 &", &long] {
        let request = Authorize::web().set("nonce", nonce).set("scope", "openid offline");
        let tokens = server.token(&server.code_for(&request).await).await.tokens();
        assert_eq!(tokens.claims()["nonce"], nonce);
        let refreshed = server.refresh("web", tokens.refresh()).await.tokens();
        assert!(!refreshed.claims().contains_key("nonce"));
    }
    let tokens = server.token(&server.code_for(&Authorize::web().without("nonce")).await).await.tokens();
    assert!(!tokens.claims().contains_key("nonce"));
}

/// OpenID Connect Core section 3.1.2.1: without `openid` there is no ID token.
#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let server = Server::start().await;
    let tokens = server.tokens_with("offline profile").await;
    assert!(tokens.id_token.is_none());
    let tokens = server.refresh("web", tokens.refresh()).await.tokens();
    assert!(tokens.id_token.is_none());
    assert_eq!(server.userinfo(&tokens.access_token).await.error(), (403, "insufficient_scope".to_owned()));
}

/// ID-04, TC-17: unless the operator says otherwise no ID token leaves by the front channel, with a nonce or without
/// (RFC 9700 section 2.1.2).
#[tokio::test]
async fn id_04_no_id_token_at_the_front() {
    let server = Server::start().await;
    for kind in ["id_token", "code id_token", "id_token token"] {
        for request in [Authorize::web(), Authorize::web().without("nonce")] {
            server.assert_back(&request.set("response_type", kind), "unsupported_response_type").await;
        }
    }
}

/// ID-05, OpenID Connect Core section 3.1.3.6: the left half of SHA-256 for RS256, of the access token beside it.
#[tokio::test]
async fn id_05_at_hash_is_of_the_access_token_beside_it() {
    let server = Server::start().await;
    let first = server.tokens_with("openid offline").await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    for tokens in [first, second] {
        let expected = URL_SAFE_NO_PAD.encode(&sha256(tokens.access_token.as_bytes())[..16]);
        assert_eq!(tokens.claims()["at_hash"], expected.as_str());
    }
}

/// ID-07: a password is a password, whatever was asked for.
#[tokio::test]
async fn id_07_acr_and_amr_say_what_was_done() {
    let server = Server::start().await;
    let request = Authorize::web().set("acr_values", "urn:x:loa9 2");
    let claims = server.token(&server.code_for(&request).await).await.tokens().claims();
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("1"), &json!(["pwd"])));
}

/// ID-08, OpenID Connect Core section 5.7: `sub` is the person's for ever, and nobody else's ever.
#[tokio::test]
async fn id_08_sub_is_stable_and_never_given_again() {
    let server = Server::start().await;
    let sub = |name: &'static str| {
        let server = &server;
        async move {
            let code = server.browser().code(&Authorize::web(), name).await;
            server.token(&code).await.tokens().claims()["sub"].as_str().unwrap().to_owned()
        }
    };
    let first = sub("alice").await;
    assert!(first.len() <= 255 && first.bytes().all(|byte| byte.is_ascii_graphic()));
    let store = &server.app().store;
    let user = store.user_by_name("alice").await.unwrap().unwrap();
    let renamed = User { username: "alicia".to_owned(), email: Some("a@b.example".to_owned()), ..user.clone() };
    store.update_user(&renamed, None, server.ending()).await.unwrap();
    assert_eq!(sub("alicia").await, first);
    assert_eq!(sub("a@b.example").await, first);
    store.delete_user(&user.id, server.ending()).await.unwrap();
    server.user("alice", json!({}), false).await;
    server.user("alicia", json!({}), false).await;
    assert_ne!(sub("alice").await, first);
    assert_ne!(sub("alicia").await, first);
}

/// conformance.md section 1: what scopes ask for comes from userinfo, not in the ID token. ID-10: an address that nobody
/// has verified is not verified.
#[tokio::test]
async fn id_10_claims_of_scopes_come_from_userinfo() {
    let server = Server::start().await;
    for (username, verified) in [("alice", true), ("bob", false)] {
        let request = Authorize::web().set("scope", "openid profile email");
        let code = server.browser().code(&request, username).await;
        let tokens = server.token(&code).await.tokens();
        let claims = tokens.claims();
        for name in ["name", "email", "email_verified", "given_name", "preferred_username"] {
            assert!(!claims.contains_key(name), "{name}");
        }
        let userinfo = server.userinfo(&tokens.access_token).await.json();
        assert_eq!(userinfo["sub"], claims["sub"]);
        assert_eq!(userinfo["email"], format!("{username}@example.com"));
        assert_eq!(userinfo["email_verified"], verified);
        assert_eq!(userinfo["preferred_username"], username);
    }
}

/// ID-11: what a consent or a person's own claims add never speaks for the server.
#[tokio::test]
async fn id_11_added_claims_override_nothing() {
    let server = Server::start().await;
    let reserved = json!({
        "iss": "https://evil.example", "sub": "admin", "aud": ["evil"], "exp": 1, "iat": 1, "nbf": 9_999_999_999_i64,
        "nonce": "evil", "cnf": {}, "id": "x", "auth_time": 1, "acr": "9", "amr": ["mfa"], "azp": "evil", "sid": "evil",
        "jti": "evil", "at_hash": "evil", "client_id": "evil", "scope": "admin", "events": {}, "nothing": null,
        "role": "admin",
    });
    server.user("mallory", reserved.clone(), false).await;
    let code = server.browser().code(&Authorize::web().set("scope", "openid profile"), "mallory").await;
    let added = json!({ "id_token": reserved });
    let changed = server.database.execute(&format!("UPDATE grants SET claims = '{added}'")).await;
    assert_eq!(changed, 1);
    let tokens = server.token(&code).await.tokens();
    let (_, claims) = server.verify(tokens.id_token.as_deref().unwrap(), "web").await;
    assert_eq!(claims["sub"], server.subject("mallory").await.as_str());
    assert_eq!((&claims["role"], &claims["id"]), (&json!("admin"), &json!("x")), "what is not reserved is told");
    for (name, evil) in
        reserved.as_object().unwrap().iter().filter(|(name, _)| !["role", "id"].contains(&name.as_str()))
    {
        assert_ne!(claims.get(name), Some(evil), "{name}");
    }
    let userinfo = server.userinfo(&tokens.access_token).await.json();
    let told: Vec<_> = userinfo.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(told.len(), 4, "{userinfo}");
    assert_eq!(userinfo["sub"], server.subject("mallory").await.as_str());
    assert_eq!(userinfo["preferred_username"], "mallory");
}

/// ID-14: relying parties keep an ID token in headers and cookies; one that does not fit is an error, not half a token.
#[tokio::test]
async fn id_14_a_token_of_more_than_16_kib_is_an_error() {
    let server = Server::start().await;
    for (groups, fits) in [(10, true), (5000, false)] {
        let code = server.code_for(&Authorize::web()).await;
        let groups_of: Vec<_> = (0..groups).map(|number| format!("group-{number}")).collect();
        let claims = json!({ "id_token": { "groups": groups_of } });
        server.database.execute(&format!("UPDATE grants SET claims = '{claims}' WHERE code_redeemed_at IS NULL")).await;
        let answer = server.token(&code).await;
        if fits {
            assert_eq!(answer.tokens().claims()["groups"].as_array().map(Vec::len), Some(groups));
        } else {
            answer.assert_error(500, "server_error");
            assert!(!answer.body.contains("group-"), "{}", answer.body);
        }
    }
}

/// conformance.md section 1: at least 128 bits of randomness, by length and by what differs.
#[tokio::test]
async fn codes_and_tokens_can_not_be_guessed() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let mut seen: Vec<Value> = Vec::new();
    for _ in 0..4 {
        let code = browser.code(&Authorize::web(), "alice").await;
        let tokens = server.token(&code).await.tokens();
        for text in [code, tokens.access_token] {
            assert!(
                text.len() >= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
            );
            let tail = json!(&text[text.len() - 22..]);
            assert!(!seen.contains(&tail), "{text}");
            seen.push(tail);
        }
    }
}
