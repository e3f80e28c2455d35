//! Pairwise subjects: OpenID Connect Core section 8.

use hydrant::secret::Secret;
use serde_json::{Value, json};

use crate::support::{Authorize, Server, Tokens, VERIFIER};

async fn server() -> Server {
    let server =
        Server::with(|config| config.oidc.pairwise_salt = Some(Secret::new("a salt that never changes"))).await;
    for (id, host) in [("pair1", "a.example"), ("pair2", "a.example"), ("pair3", "b.example")] {
        let client = json!({
            "redirect_uris": [format!("https://{host}/cb")], "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid offline_access email", "subject_type": "pairwise",
            "post_logout_redirect_uris": [format!("https://{host}/out")],
        });
        server.client(id, client).await;
    }
    server
}

fn uri(client: &str) -> &'static str {
    if client == "pair3" { "https://b.example/cb" } else { "https://a.example/cb" }
}

async fn tokens(server: &Server, client: &str, who: &str) -> Tokens {
    let request = Authorize::of(client, uri(client)).set("scope", "openid offline_access email");
    let code = server.browser().code(&request, who).await;
    server.redeem(client, &code, uri(client), Some(VERIFIER)).await.tokens()
}

fn sub(tokens: &Tokens) -> String {
    tokens.claims()["sub"].as_str().unwrap().to_owned()
}

/// One sector sees one subject, another sees another, and neither sees the person's own.
#[tokio::test]
async fn a_sector_has_its_own_subjects() {
    let server = server().await;
    let of = |client: &'static str, who: &'static str| {
        let server = &server;
        async move { sub(&tokens(server, client, who).await) }
    };
    let alice = of("pair1", "alice").await;
    assert_eq!(of("pair2", "alice").await, alice);
    assert_eq!(of("pair1", "alice").await, alice, "stable");
    assert_ne!(of("pair3", "alice").await, alice);
    assert_ne!(of("pair1", "bob").await, alice);
    assert_ne!(alice, server.subject("alice").await.as_str());
    assert!(alice.len() <= 255 && alice.bytes().all(|byte| byte.is_ascii_graphic()));
}

/// UI-11: the ID token, userinfo and introspection name the same, before and after a refresh.
#[tokio::test]
async fn ui_11_everybody_says_the_same() {
    let server = server().await;
    for client in ["pair1", "pair3"] {
        let first = tokens(&server, client, "alice").await;
        let second = server.refresh(client, first.refresh()).await.tokens();
        let expected = sub(&first);
        assert_eq!(sub(&second), expected);
        assert_eq!(server.userinfo(&second.access_token).await.json()["sub"], expected.as_str());
        for token in [&second.access_token, second.refresh()] {
            assert_eq!(server.introspect(token).await.rest["sub"], expected.as_str());
            let by_client: Value = server.introspect_as(client, token).await.json();
            assert_eq!(by_client["sub"], expected.as_str());
        }
    }
}

/// A client knows people only by what it calls them: hints and asked-for subjects are in its own words.
#[tokio::test]
async fn hints_are_in_the_words_of_the_client() {
    let server = server().await;
    let mine = tokens(&server, "pair1", "alice").await;
    let others = tokens(&server, "pair3", "alice").await;
    let request = Authorize::of("pair1", uri("pair1")).set("prompt", "none");
    let mut browser = server.browser();
    browser.journey(&Authorize::of("pair1", uri("pair1")), "alice").await;
    let hint = |tokens: &Tokens| request.clone().set("id_token_hint", tokens.id_token.as_deref().unwrap());
    assert!(browser.authorize(&hint(&mine)).await.parameter("code").is_some());
    let foreign = browser.authorize(&hint(&others)).await;
    assert_eq!(foreign.parameter("error").as_deref(), Some("login_required"));
    let by_claim = |sub: &str| {
        let claims = json!({ "id_token": { "sub": { "value": sub } } });
        request.clone().set("claims", &claims.to_string())
    };
    assert!(browser.authorize(&by_claim(&sub(&mine))).await.parameter("code").is_some());
    let own = server.subject("alice").await;
    let answer = browser.authorize(&by_claim(own.as_str())).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "not by the name that others use");
}

/// RP-Initiated Logout by a hint that names a pairwise subject.
#[tokio::test]
async fn a_pairwise_hint_signs_out() {
    let server = server().await;
    let mut browser = server.browser();
    let request = Authorize::of("pair1", uri("pair1"));
    let code = browser.code(&request, "alice").await;
    let tokens = server.redeem("pair1", &code, uri("pair1"), Some(VERIFIER)).await.tokens();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("id_token_hint", tokens.id_token.as_deref().unwrap())
        .append_pair("post_logout_redirect_uri", "https://a.example/out")
        .finish();
    let answer = browser.get(&server.url(&format!("/oauth2/sessions/logout?{query}"))).await;
    assert_eq!(answer.location().as_deref(), Some("https://a.example/out"));
    assert!(browser.authorize(&request).await.has_field("login_challenge"));
}

/// OpenID Connect Core section 8.1: several hosts need a sector; and without a salt there are no pairwise clients.
#[tokio::test]
async fn a_pairwise_client_has_one_sector() {
    let server = server().await;
    let mut client =
        json!({ "subject_type": "pairwise", "redirect_uris": ["https://a.example/cb", "https://b.example/cb"] });
    let create =
        async |server: &Server, client: &Value| server.admin(reqwest::Method::POST, "/clients", Some(client)).await;
    let refused = create(&server, &client).await;
    refused.assert_error(400, "invalid_client_metadata");
    assert!(refused.body.contains("sector_identifier_uri"), "{}", refused.body);
    client["redirect_uris"] = json!(["com.example.app:/cb"]);
    create(&server, &client).await.assert_error(400, "invalid_client_metadata");
    client["redirect_uris"] = json!(["https://a.example/cb"]);
    assert_eq!(create(&server, &client).await.status, 201);
    create(&Server::start().await, &client).await.assert_error(400, "invalid_client_metadata");
}

/// A salt that was taken away makes nobody somebody else: nothing is said instead.
#[tokio::test]
async fn without_its_salt_a_pairwise_client_is_told_nothing() {
    let server = server().await;
    let tokens = tokens(&server, "pair1", "alice").await;
    let without = Server::on(server.database.clone(), server.clock.clone(), |config| {
        config.urls.issuer.clone_from(&server.issuer);
        config.oidc.pairwise_salt = None;
    })
    .await;
    let request = without.http.get(format!("http://127.0.0.1:{}/userinfo", without.config().serve.public.port));
    let answer = request.bearer_auth(&tokens.access_token).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let introspected = without.http.post(format!("{}/admin/oauth2/introspect", without.admin));
    let answer = introspected.form(&[("token", &tokens.access_token)]).send().await.unwrap();
    assert_eq!(answer.status(), 500);
}

/// OpenID Connect Core section 17.3: two sectors that saw one session can not tell by its `sid`, and one sector knows it
/// again; nor does introspection give the name away.
#[tokio::test]
async fn no_other_claim_joins_two_sectors() {
    let server = server().await;
    let mut browser = server.browser();
    let mut sid = async |client: &'static str| {
        let code = browser.code(&Authorize::of(client, uri(client)), "alice").await;
        let tokens = server.redeem(client, &code, uri(client), Some(VERIFIER)).await.tokens();
        for answer in [
            server.introspect(&tokens.access_token).await.rest,
            server.introspect_as(client, &tokens.access_token).await.json().as_object().unwrap().clone(),
        ] {
            assert!(!answer.contains_key("username"), "{answer:?}");
        }
        tokens.claims()["sid"].as_str().unwrap().to_owned()
    };
    let (first, again, same_sector, other) =
        (sid("pair1").await, sid("pair1").await, sid("pair2").await, sid("pair3").await);
    assert_eq!((&first, &first), (&again, &same_sector));
    assert_ne!(first, other);
    let sessions = server.database.column("SELECT id FROM sessions").await;
    assert!(sessions.len() == 1 && sessions[0] != first, "{sessions:?}");
}
