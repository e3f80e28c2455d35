//! What token hooks are told: hydra.md section 6.9 and appendix A9, member by member.

use hydrant::secret::Secret;
use serde_json::{Value, json};

use crate::support::{Authorize, Hook, SECRET, Server, VERIFIER, unverified};

/// Two hooks, and the salt of pairwise subjects.
async fn server() -> (Server, Hook, Hook) {
    let (hook, refresh_hook) = (Hook::start().await, Hook::start().await);
    let server = Server::with(|config| {
        config.oauth2.token_hook = Some(hook.config());
        config.oauth2.refresh_token_hook = Some(refresh_hook.config());
        config.oidc.pairwise_salt = Some(Secret::new("a salt that never changes"));
    })
    .await;
    (server, hook, refresh_hook)
}

/// The session of alice at `web`.
fn session(
    server: &Server,
    subject: &str,
    id_token: &serde_json::Map<String, Value>,
    flow: &Value,
    nonce: &str,
) -> Value {
    let at = |claim: &str| {
        let seconds = id_token[claim].as_i64().unwrap();
        hydrant::clock::Timestamp::from_seconds(seconds).rfc3339()
    };
    json!({
        "id_token": {
            "id_token_claims": {
                "jti": "", "iss": server.issuer, "sub": id_token["sub"], "aud": ["web"], "nonce": nonce,
                "iat": at("iat"), "auth_time": at("auth_time"), "at_hash": "", "acr": id_token["acr"],
                "amr": id_token["amr"], "c_hash": "", "ext": { "sid": id_token["sid"] },
            },
            "headers": { "extra": {} }, "username": "", "subject": subject,
        },
        "extra": {}, "client_id": "web", "consent_challenge": flow, "exclude_not_before_claim": false,
        "allowed_top_level_claims": [], "kid": "", "mirror_top_level_claims": true, "preserve_ext_claims": false,
    })
}

#[tokio::test]
async fn a_code_and_a_refresh_are_told_as_hydra_tells_them() {
    let (server, hook, refresh_hook) = server().await;
    let alice = server.subject("alice").await;
    let request = Authorize::web().set("scope", "openid offline email").set("audience", "https://api.example/v1");
    let code = server.code_for(&request).await;
    let first = server.token(&code).await.tokens();
    let id_token = first.claims();
    let told = hook.last().body;
    let flow = told["session"]["consent_challenge"].clone();
    assert!(flow.as_str().unwrap().parse::<hydrant::id::GrantId>().is_ok(), "{flow}");
    let nonce = "nonce-0123456789-0123456789-0123";
    let scopes = json!(["openid", "offline", "email"]);
    assert_eq!(
        told,
        json!({
            "session": session(&server, alice.as_str(), &id_token, &flow, nonce),
            "request": {
                "client_id": "web", "requested_scopes": scopes, "granted_scopes": scopes,
                "granted_audience": ["https://api.example/v1"], "grant_types": ["authorization_code"],
                "payload": { "grant_type": ["authorization_code"] },
            },
        })
    );

    let fields = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("scope", "openid offline")];
    server.post_as("web", "/oauth2/token", &fields).await.tokens();
    let session = session(&server, alice.as_str(), &id_token, &flow, "");
    let narrow = json!(["openid", "offline"]);
    assert_eq!(
        hook.last().body,
        json!({
            "session": session,
            "request": {
                "client_id": "web", "requested_scopes": scopes, "granted_scopes": narrow,
                "granted_audience": ["https://api.example/v1"], "grant_types": ["refresh_token"],
                "payload": { "grant_type": ["refresh_token"], "scope": ["openid offline"] },
            },
        })
    );
    let requester = json!({
        "client_id": "web", "granted_scopes": narrow, "granted_audience": ["https://api.example/v1"],
        "grant_types": ["refresh_token"],
    });
    assert_eq!(
        refresh_hook.last().body,
        json!({
            "subject": alice, "session": session, "requester": requester, "client_id": "web", "granted_scopes": narrow,
            "granted_audience": ["https://api.example/v1"],
        })
    );
}

/// The client is the subject, as in Hydra, and there is neither person nor session.
#[tokio::test]
async fn client_credentials_are_told_of_the_client() {
    let (server, hook, refresh_hook) = server().await;
    let fields =
        [("grant_type", "client_credentials"), ("scope", "openid photos.read"), ("audience", "https://api.example/v1")];
    server.post_as("svc", "/oauth2/token", &fields).await.tokens();
    assert_eq!(
        hook.last().body,
        json!({
            "session": {
                "id_token": {
                    "id_token_claims": {
                        "jti": "", "iss": server.issuer, "sub": "", "aud": [], "nonce": "", "at_hash": "", "acr": "",
                        "amr": null, "c_hash": "", "ext": {},
                    },
                    "headers": { "extra": {} }, "username": "", "subject": "svc",
                },
                "extra": {}, "client_id": "svc", "consent_challenge": "", "exclude_not_before_claim": false,
                "allowed_top_level_claims": [], "kid": "", "mirror_top_level_claims": true, "preserve_ext_claims": false,
            },
            "request": {
                "client_id": "svc", "requested_scopes": ["photos.read"], "granted_scopes": ["photos.read"],
                "granted_audience": ["https://api.example/v1"], "grant_types": ["client_credentials"],
                "payload": { "grant_type": ["client_credentials"], "scope": ["openid photos.read"] },
            },
        })
    );
    assert_eq!(refresh_hook.calls(), 0);
}

/// What could be used by whoever reads the hook's log is not in it: SC-01.
#[tokio::test]
async fn sc_01_no_secret_code_or_token_is_told() {
    let (server, hook, refresh_hook) = server().await;
    let code = server.code_for(&Authorize::web().set("scope", "openid offline")).await;
    let first = server.token(&code).await.tokens();
    let calls = [hook.last().body.to_string()];
    server.client("post", json!({
        "grant_types": ["client_credentials"], "response_types": [], "token_endpoint_auth_method": "client_secret_post",
    })).await;
    server.refresh("web", first.refresh()).await.tokens();
    let refreshed = [hook.last().body.to_string(), refresh_hook.last().body.to_string()];
    let fields =
        [("grant_type", "client_credentials"), ("client_id", "post"), ("client_secret", SECRET), ("x", "more")];
    server.post("/oauth2/token", &fields).await.tokens();
    assert_eq!(
        hook.last().body["request"]["payload"],
        json!({ "grant_type": ["client_credentials"], "client_id": ["post"] })
    );
    for told in calls.iter().chain(&refreshed).chain([&hook.last().body.to_string()]) {
        for secret in [&code, &first.access_token, first.refresh(), first.id_token.as_ref().unwrap(), SECRET, VERIFIER]
        {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

/// hydra.md section 6.9: the hook is the operator's, and hears of the person under both names.
#[tokio::test]
async fn a_pairwise_client_is_called_by_both_names() {
    let (server, hook, _) = server().await;
    server
        .client(
            "pair1",
            json!({
                "redirect_uris": ["https://a.example/cb"], "grant_types": ["authorization_code"], "scope": "openid",
                "subject_type": "pairwise",
            }),
        )
        .await;
    let code = server.browser().code(&Authorize::of("pair1", "https://a.example/cb"), "alice").await;
    let tokens = server.redeem("pair1", &code, "https://a.example/cb", Some(VERIFIER)).await.tokens();
    let seen = unverified(tokens.id_token.as_deref().unwrap(), 1);
    let told = hook.last().body["session"]["id_token"].clone();
    assert_eq!(told["subject"], json!(server.subject("alice").await));
    assert_eq!(told["id_token_claims"]["sub"], seen["sub"]);
    assert_eq!(told["id_token_claims"]["ext"]["sid"], seen["sid"]);
    assert_ne!(told["subject"], seen["sub"]);
}
