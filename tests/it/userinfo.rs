//! Userinfo and the transport of bearer tokens: OpenID Connect Core section 5.3, RFC 6750.

use serde_json::json;

use crate::support::{Answer, Authorize, Server, VERIFIER};

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

/// The error object, and a challenge that names the same code (RFC 6750 section 3).
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    answer.assert_error(status, code);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=") && challenge.contains(&format!("error=\"{code}\"")), "{challenge}");
}

/// RFC 6750 section 3.1: a challenge without a code, because nothing was tried.
#[track_caller]
fn assert_no_token(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"hydrant\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.body.len() < 200);
}

#[tokio::test]
async fn ui_01_without_a_token_the_scheme_is_named() {
    let server = Server::start().await;
    assert_no_token(&server.get("/userinfo").await);
    assert_no_token(&server.post("/userinfo", &[]).await);
    assert_no_token(&server.get("/userinfo?access_token=x").await);
}

#[tokio::test]
async fn ui_02_a_dead_token_is_refused() {
    let server = Server::start().await;
    let revoked = server.tokens_with("openid").await.access_token;
    server.revoke("web", &revoked).await;
    let expired = server.tokens_with("openid").await.access_token;
    server.pass(3600);
    for token in ["x", &revoked, &expired, &expired[..30]] {
        assert_refused(&server.userinfo(token).await, 401, "invalid_token");
    }
}

/// UI-03: RFC 6750 section 3.1.
#[tokio::test]
async fn ui_03_a_token_without_openid_has_not_the_scope() {
    let server = Server::start().await;
    let token = server.tokens_with("email").await.access_token;
    assert_refused(&server.userinfo(&token).await, 403, "insufficient_scope");
}

/// OpenID Connect Core section 5.3: an access token of a person, and nothing else that we have given out.
#[tokio::test]
async fn ui_04_what_is_no_access_token_of_a_person_is_refused() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let code = server.code_for(&Authorize::web()).await;
    let own = server.client_tokens("svc", &[]).await.access_token;
    for token in [own.as_str(), tokens.refresh(), tokens.id_token.as_deref().unwrap(), &code] {
        assert_refused(&server.userinfo(token).await, 401, "invalid_token");
    }
    let disguised = tokens.refresh().replacen("hyr_", "hya_", 1);
    assert_refused(&server.userinfo(&disguised).await, 401, "invalid_token");
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 200);
}

/// RFC 6750 section 2: "Clients MUST NOT use more than one method to transmit the token in each request."
#[tokio::test]
async fn ui_05_two_transports_are_refused() {
    let server = Server::start().await;
    let token = server.tokens_with("openid").await.access_token;
    let url = server.url("/userinfo");
    let both = server.http.post(&url).bearer_auth(&token).form(&[("access_token", &token)]);
    assert_refused(&send(both).await, 400, "invalid_request");
    let twice = server.http.get(&url).bearer_auth(&token).bearer_auth(&token);
    assert_refused(&send(twice).await, 400, "invalid_request");
    let other = "x".to_owned();
    for fields in [
        &[("access_token", &token), ("access_token", &token)][..],
        &[("x", &other), ("x", &other), ("access_token", &token), ("access_token", &other)],
    ] {
        assert_refused(&send(server.http.post(&url).form(fields)).await, 400, "invalid_request");
    }
}

/// RFC 6750 section 2.2: in the body only of a form that is posted.
#[tokio::test]
async fn ui_07_a_body_carries_a_token_only_as_a_form() {
    let server = Server::start().await;
    let token = server.tokens_with("openid").await.access_token;
    let url = server.url("/userinfo");
    assert_eq!(send(server.http.post(&url).form(&[("access_token", &token)])).await.status, 200);
    assert_eq!(send(server.http.post(&url).bearer_auth(&token)).await.status, 200);
    assert_no_token(&send(server.http.get(&url).form(&[("access_token", &token)])).await);
    assert_no_token(&send(server.http.post(&url).json(&json!({ "access_token": token }))).await);
    let multipart = format!("--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n{token}\r\n--x--\r\n");
    let multipart = server.http.post(&url).header("content-type", "multipart/form-data; boundary=x").body(multipart);
    assert_no_token(&send(multipart).await);
}

/// RFC 6750 section 2.1, RFC 9110 section 11.1: the scheme in any case, then one token.
#[tokio::test]
async fn ui_08_the_header_has_one_shape() {
    let server = Server::start().await;
    let token = server.tokens_with("openid").await.access_token;
    let with = |header: Vec<u8>| send(server.http.get(server.url("/userinfo")).header("authorization", header));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(with(format!("{scheme} {token}").into()).await.status, 200, "{scheme}");
    }
    for header in ["Bearer", "Bearer a b", "Bearer a,b", "Bearer \"a\""] {
        assert_refused(&with(header.into()).await, 400, "invalid_request");
    }
    assert_refused(&with(b"Bearer \xc3\xa9".to_vec()).await, 400, "invalid_request");
    assert_refused(&with(format!("Bearer {}", "a".repeat(12 * 1024)).into()).await, 401, "invalid_token");
    for header in ["Basic d2ViOng=", "DPoP abc", "Digest x", "Bearerx y"] {
        assert_no_token(&with(header.into()).await);
    }
}

/// OpenID Connect Core section 5.4: what the scopes open, no more.
#[tokio::test]
async fn ui_10_exactly_the_claims_of_the_granted_scopes() {
    let server = Server::start().await;
    let sub = server.subject("alice").await;
    let email = json!({ "sub": sub, "email": "alice@example.com", "email_verified": true });
    let profile = json!({ "sub": sub, "name": "Alice Adams", "given_name": "Alice", "preferred_username": "alice" });
    let only = json!({ "sub": sub });
    for (scope, told) in
        [("openid", &only), ("openid email", &email), ("openid profile", &profile), ("openid photos.read", &only)]
    {
        let token = server.tokens_with(scope).await.access_token;
        let answer = server.userinfo(&token).await;
        assert_eq!(&answer.json(), told, "{scope}");
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    }
    // What the person did not agree to is not told, though it was asked for.
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web().set("scope", "openid email profile")).await;
    let page = browser.login(&page, "bob", crate::support::PASSWORD, false).await;
    let code = browser.consent(&page, &["openid", "email"], false).await.parameter("code").unwrap();
    let tokens = server.token(&code).await.tokens();
    assert_eq!(tokens.scope, "openid email");
    let sub = server.subject("bob").await;
    let email = json!({ "sub": sub, "email": "bob@example.com", "email_verified": false });
    assert_eq!(server.userinfo(&tokens.access_token).await.json(), email);
}

/// OpenID Connect Core section 5.3.2: `sub` is always there, and that of the ID token.
#[tokio::test]
async fn ui_11_the_subject_is_that_of_the_id_token() {
    let server = Server::start().await;
    let mut subjects = Vec::new();
    for (client, uri) in
        [("web", "https://rp.example/cb"), ("two", "https://two.example/cb"), ("spa", "https://spa.example/cb")]
    {
        let code = server.code_for(&Authorize::of(client, uri)).await;
        let tokens = server.redeem(client, &code, uri, Some(VERIFIER)).await.tokens();
        let userinfo = server.userinfo(&tokens.access_token).await.json();
        assert_eq!(userinfo["sub"], tokens.claims()["sub"]);
        subjects.push(userinfo["sub"].clone());
    }
    let bob = server.browser().code(&Authorize::web(), "bob").await;
    assert!(!subjects.contains(&server.token(&bob).await.tokens().claims()["sub"]));
}

#[tokio::test]
async fn ui_13_the_token_of_a_deleted_client_is_refused() {
    let server = Server::start().await;
    let token = server.tokens_with("openid").await.access_token;
    assert_eq!(server.userinfo(&token).await.status, 200);
    server.delete_client("web").await;
    assert_refused(&server.userinfo(&token).await, 401, "invalid_token");
}

/// RFC 9700 section 2.6: the origins that the client has registered, by name, and never with credentials.
#[tokio::test]
async fn ui_16_only_the_clients_own_origins_may_read() {
    let server = Server::with(|config| config.serve.public.cors.enabled = true).await;
    let request = Authorize::of("spa", "https://spa.example/cb");
    let code = server.code_for(&request).await;
    let token = server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens().access_token;
    let url = server.url("/userinfo");
    for (origin, allowed) in [("https://spa.example", true), ("https://evil.example", false), ("null", false)] {
        let preflight = server.http.request(reqwest::Method::OPTIONS, &url).header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "GET");
        let preflight = send(preflight.header("access-control-request-headers", "authorization")).await;
        let called = send(server.http.get(&url).bearer_auth(&token).header("origin", origin)).await;
        assert_eq!(called.status, 200);
        for answer in [&preflight, &called] {
            let named = answer.header("access-control-allow-origin");
            assert_eq!(named, allowed.then_some(origin), "{origin}: {answer:?}");
            assert!(
                answer
                    .headers
                    .get_all("vary")
                    .iter()
                    .any(|value| value.to_str().unwrap().eq_ignore_ascii_case("origin"))
            );
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
}
