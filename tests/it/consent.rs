//! The consent page: what is granted is what the person left checked; OpenID Connect Core section 3.1.2.4.

use serde_json::json;

use crate::support::{Authorize, PASSWORD, Server};

const WIDE: &str = "openid profile email photos.read";

/// The property "no token without consent": more than was asked for is refused, less is what is granted.
#[tokio::test]
async fn lc_11_no_form_grants_more_than_was_asked() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    for scopes in [&["openid", "email"][..], &["photos.read"], &["openid", "admin"], &["openid email"]] {
        browser.submit_consent(&page, scopes).await.assert_page(400, "invalid_request");
    }
    assert_eq!(server.database.count("grants").await, 0);
    let challenge = page.field("consent_challenge");
    // A flag in the form or the URL is none of the server's own.
    let fields = [("consent_challenge", challenge.as_str()), ("skip", "true")];
    browser.post(&server.url("/consent"), &fields).await.assert_page(400, "invalid_request");
    let page_again = browser.get(&server.url(&format!("/consent?consent_challenge={challenge}&skip=true"))).await;
    assert_eq!(page_again.status, 200);
    let skipped = Authorize::web().set("skip", "true").set("skip_consent", "true");
    assert!(browser.authorize(&skipped).await.has_field("consent_challenge"));
    let silent = browser.authorize(&skipped.set("prompt", "none")).await;
    silent.assert_back(&server, 302, "consent_required");
    let code = browser.consent(&page, &["openid"], false).await.parameter("code").unwrap();
    assert_eq!(server.token(&code).await.tokens().scope, "openid");
}

/// What the person unchecks is not granted, not in the tokens and not by userinfo.
#[tokio::test]
async fn lc_11_an_unchecked_scope_is_not_granted() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web().set("scope", WIDE)).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    let code = browser.consent(&page, &["email", "openid"], false).await.parameter("code").unwrap();
    let tokens = server.token(&code).await.tokens();
    assert_eq!(tokens.scope, "openid email", "in the order that was asked for");
    let told = server.userinfo(&tokens.access_token).await.json();
    assert!(told["name"].is_null() && told["email"] == "alice@example.com", "{told}");
}

/// Every scope unticked: a code for nothing would only confuse the client.
#[tokio::test]
async fn to_allow_nothing_is_to_deny() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&login, "alice", PASSWORD, false).await;
    let answer = browser.consent(&page, &[], true).await;
    answer.assert_back(&server, 302, "access_denied");
    assert_eq!(server.database.count("consents").await, 0);
    assert_eq!(server.database.count("grants").await, 0);
}

/// The person denies: the client is told, nothing is granted, and nothing is remembered.
#[tokio::test]
async fn a_denied_consent_goes_back_to_the_client() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    let challenge = page.field("consent_challenge");
    let fields = [("consent_challenge", challenge.as_str()), ("action", "reject"), ("remember", "true")];
    let answer = browser.post(&server.url("/consent"), &fields).await;
    assert_eq!(answer.status, 303);
    let answer = browser.follow(answer).await;
    answer.assert_back(&server, 302, "access_denied");
    assert_eq!((server.database.count("grants").await, server.database.count("consents").await), (0, 0));
    browser.submit_consent(&page, &["openid"]).await.assert_page(410, "request_already_handled");
}

/// A remembered consent is one person's, for one client, for these scopes.
#[tokio::test]
async fn a_consent_is_remembered_per_person_client_and_scope() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let narrow = Authorize::web().set("scope", "openid email");
    let page = browser.authorize(&narrow).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    browser.consent(&page, &["openid", "email"], true).await;
    for scope in ["openid email", "openid", "email openid"] {
        let answer = browser.authorize(&Authorize::web().set("scope", scope)).await;
        assert!(answer.parameter("code").is_some(), "{scope}: {}", answer.body);
    }
    let wider = Authorize::web().set("scope", "openid profile");
    assert!(browser.authorize(&wider).await.has_field("consent_challenge"), "another scope");
    let other = Authorize::of("two", "https://two.example/cb");
    assert!(browser.authorize(&other).await.has_field("consent_challenge"), "another client");
    let mut bob = server.browser();
    let page = bob.authorize(&narrow).await;
    assert!(bob.login(&page, "bob", PASSWORD, false).await.has_field("consent_challenge"), "another person");
    // What is granted later comes to what was granted before.
    let page = browser.authorize(&wider).await;
    browser.consent(&page, &["openid", "profile"], true).await;
    let both = Authorize::web().set("scope", "openid profile email");
    assert!(browser.authorize(&both).await.parameter("code").is_some());
}

/// Who does not want it remembered is asked again.
#[tokio::test]
async fn a_consent_for_once_is_not_remembered() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    assert!(browser.consent(&page, &["openid"], false).await.parameter("code").is_some());
    assert!(browser.authorize(&Authorize::web()).await.has_field("consent_challenge"));
    let silent = browser.authorize(&Authorize::web().set("prompt", "none")).await;
    silent.assert_back(&server, 302, "consent_required");
}

/// OpenID Connect Core section 3.1.2.1: `prompt=consent` asks although it is remembered.
#[tokio::test]
async fn prompt_consent_asks_again() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    assert!(browser.authorize(&Authorize::web()).await.parameter("code").is_some());
    let page = browser.authorize(&Authorize::web().set("prompt", "consent")).await;
    assert!(page.has_field("consent_challenge"), "{}", page.body);
    assert!(browser.consent(&page, &["openid"], false).await.parameter("code").is_some());
}

/// "Not you?": the flow goes on as the other person, and only as that one.
#[tokio::test]
async fn another_account_can_be_chosen_on_the_consent_page() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    assert!(page.body.contains("alice@example.com"));
    let challenge = page.field("consent_challenge");
    let fields = [("consent_challenge", challenge.as_str()), ("action", "switch")];
    let answer = browser.post(&server.url("/consent"), &fields).await;
    assert_eq!(answer.status, 303);
    let login = browser.follow(answer).await;
    let page_of_bob = browser.login(&login, "bob", PASSWORD, false).await;
    assert!(page_of_bob.body.contains("bob@example.com"), "{}", page_of_bob.body);
    // The page that was alice's can not be answered by bob.
    browser.submit_consent(&page, &["openid"]).await.assert_page(403, "request_forbidden");
    let code = browser.consent(&page_of_bob, &["openid"], false).await.parameter("code").unwrap();
    let subject = server.subject("bob").await;
    assert_eq!(server.token(&code).await.tokens().claims()["sub"], subject.as_str());
}

/// RFC 8252 section 8.6, RFC 9700 section 4.11: a public client is served silently only at a claimed https address.
#[tokio::test]
async fn lc_13_a_public_client_is_not_served_silently() {
    let server = Server::start().await;
    for (client, uri, silent) in [
        ("native", "com.example.app:/cb", false),
        ("native", "http://127.0.0.1:51004/cb", false),
        ("native", "http://[::1]:51004/cb", false),
        ("spa", "https://spa.example/cb", true),
    ] {
        let request = Authorize::of(client, uri);
        let mut browser = server.browser();
        let first = browser.journey(&request, "alice").await;
        assert!(first.parameter("code").is_some(), "{uri}: {}", first.body);
        let again = browser.authorize(&request).await;
        assert_eq!(again.parameter("code").is_some(), silent, "{uri}");
        assert_eq!(again.has_field("consent_challenge"), !silent, "{uri}");
        let none = browser.authorize(&request.set("prompt", "none")).await;
        assert_eq!(none.parameter("error").as_deref(), (!silent).then_some("consent_required"), "{uri}");
    }
}

/// A client of one's own house needs no consent where the operator says so; `prompt=consent` asks all the same.
#[tokio::test]
async fn a_first_party_client_may_skip_consent() {
    let server = Server::start().await;
    let metadata = json!({ "redirect_uris": ["https://own.example/cb"], "scope": "openid", "skip_consent": true });
    server.client("own", metadata).await;
    let mut browser = server.browser();
    let request = Authorize::of("own", "https://own.example/cb");
    let page = browser.authorize(&request).await;
    assert!(browser.login(&page, "alice", PASSWORD, false).await.parameter("code").is_some());
    assert!(browser.authorize(&request.set("prompt", "consent")).await.has_field("consent_challenge"));
}

/// What was proven when the flow began must still be so when it ends.
#[tokio::test]
async fn a_redirect_uri_withdrawn_meanwhile_gets_no_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    let verifier = browser.submit_consent(&page, &["openid"]).await.location().unwrap();
    let store = &server.app().store;
    let web = hydrant::id::ClientId::new("web");
    assert!(store.delete_client(&web).await.unwrap());
    let changed = json!({ "redirect_uris": ["https://rp.example/new"], "scope": "openid" });
    server.client("web", changed).await;
    browser.get(&verifier).await.assert_page(400, "invalid_request");
    assert_eq!(server.database.count("grants").await, 0);
}
