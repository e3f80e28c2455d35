//! A store that does not answer is 503 with `Retry-After` everywhere: never 200, never "inactive" (CVE-2020-15223).

use serde_json::json;

use crate::support::{Answer, Authorize, PASSWORD, SECRET, Server, VERIFIER};

/// `J(503, temporarily_unavailable)`.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.assert_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert!(!answer.body.contains("pool") && !answer.body.contains("sql"), "{}", answer.body);
}

/// Both where the client is remembered and where even that has to be asked of the store.
#[tokio::test]
async fn rv_08_in_12_ui_12_without_the_store_every_endpoint_is_503() {
    for remembered in [true, false] {
        let server = Server::start().await;
        let tokens = server.tokens_with("openid offline").await;
        let own = server.client_tokens("svc", &[]).await;
        let code = server.code_for(&Authorize::web()).await;
        if remembered {
            server.introspect_as("rs1", &tokens.access_token).await;
        }
        server.app().store.close().await;
        for token in [tokens.refresh(), &tokens.access_token] {
            assert_unavailable(&server.revoke("web", token).await);
            assert_unavailable(&server.introspect_as("web", token).await);
            assert_unavailable(&server.introspect_as("rs1", token).await);
            let admin = server.http.post(format!("{}/admin/oauth2/introspect", server.admin)).form(&[("token", token)]);
            assert_unavailable(&Answer::of(admin.send().await.unwrap()).await);
        }
        assert_unavailable(&server.revoke("svc", &own.access_token).await);
        assert_unavailable(&server.introspect_as("svc", &own.access_token).await);
        assert_unavailable(&server.userinfo(&tokens.access_token).await);
        assert_unavailable(&server.token(&code).await);
        assert_unavailable(
            &server.redeem("web", &code, "https://rp.example/cb", Some(&VERIFIER.replace('a', "b"))).await,
        );
        assert_unavailable(&server.refresh("web", tokens.refresh()).await);
        assert_unavailable(&server.admin(reqwest::Method::GET, "/clients", None).await);
        assert_unavailable(&server.admin(reqwest::Method::POST, "/clients", Some(&json!({}))).await);
        let patch = json!([]);
        assert_unavailable(&server.admin(reqwest::Method::PATCH, "/clients/web", Some(&patch)).await);
        assert_unavailable(&server.admin(reqwest::Method::POST, "/clients/web/secrets/rotate", None).await);
        assert_unavailable(&server.admin(reqwest::Method::DELETE, "/oauth2/tokens?client_id=web", None).await);
        assert_unavailable(&server.admin(reqwest::Method::GET, "/users", None).await);
        // An unknown client is not known to be unknown.
        assert_unavailable(&server.revoke("nobody", "x").await);
    }
}

/// RFC 6749 section 4.1.2.1: a page where the client is not proven yet, else an error that goes back to it. Never a code.
#[tokio::test]
async fn az_without_the_store_the_authorization_endpoint_gives_no_code() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    server.app().store.close().await;
    let answer = browser.get(&Authorize::web().url(&server)).await;
    if answer.status == 302 {
        answer.assert_back(&server, 302, "temporarily_unavailable");
    } else {
        answer.assert_page(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    let unknown = browser.get(&Authorize::web().set("client_id", "nobody").url(&server)).await;
    unknown.assert_page(503, "temporarily_unavailable");
    assert!(unknown.header("retry-after").is_some());
}

/// A password that can not be checked is neither right nor wrong.
#[tokio::test]
async fn lc_without_the_store_nobody_signs_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let challenge = page.field("login_challenge");
    server.app().store.close().await;
    for password in [PASSWORD, "wrong"] {
        let fields =
            [("login_challenge", challenge.as_str()), ("email", "alice"), ("password", password), ("action", "accept")];
        let answer = browser.post(&server.url("/login"), &fields).await;
        assert_eq!((answer.status, answer.location()), (503, None), "{}", answer.body);
        assert!(answer.header("retry-after").is_some() && answer.is_html());
        assert!(!answer.headers.contains_key("set-cookie"), "{:?}", answer.headers);
    }
}

/// What is in memory goes on: relying parties can still verify what they have.
#[tokio::test]
async fn jk_without_the_store_keys_and_discovery_are_served() {
    let server = Server::start().await;
    let before = server.get("/.well-known/jwks.json").await.body;
    server.app().store.close().await;
    let jwks = server.get("/.well-known/jwks.json").await;
    assert_eq!((jwks.status, jwks.body), (200, before));
    assert_eq!(server.get("/.well-known/openid-configuration").await.status, 200);
    assert_eq!(server.get("/health/alive").await.status, 200);
    assert_eq!(server.get("/health/ready").await.status, 503);
}

/// Once the store is back everything goes on, and what was refused was not spent.
#[tokio::test]
async fn co_13_what_failed_was_not_spent() {
    let mut server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let code = server.code_for(&Authorize::web()).await;
    server.app().store.close().await;
    assert_unavailable(&server.token(&code).await);
    assert_unavailable(&server.refresh("web", tokens.refresh()).await);
    let request = server.http.post(server.url("/oauth2/token")).basic_auth("web", Some(SECRET));
    assert_unavailable(
        &Answer::of(
            request.form(&[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())]).send().await.unwrap(),
        )
        .await,
    );
    server.stop().await;
    server.resume().await;
    server.token(&code).await.tokens();
    server.refresh("web", tokens.refresh()).await.tokens();
}
