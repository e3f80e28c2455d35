//! What changes while a flow is on its way: a client's redirect URI, the client, the person (RFC 9700 section 4.1).

use std::time::Duration;

use hydrant::id::ClientId;
use hydrant::secret::Secret;
use hydrant::store::audit::Action;
use hydrant::store::user::User;
use reqwest::Method;
use serde_json::json;

use crate::support::{Authorize, PASSWORD, Server};

/// AZ-37: what was proven when the flow began must still be so when it goes on.
#[tokio::test]
async fn az_37_a_redirect_uri_that_is_removed_meanwhile_gets_no_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let challenge = consent.field("consent_challenge");
    remove_redirect_uri(&server).await;
    for action in ["accept", "reject", "switch"] {
        let fields = [("consent_challenge", challenge.as_str()), ("action", action), ("grant_scope", "openid")];
        browser.post(&server.url("/consent"), &fields).await.assert_page(400, "invalid_request");
    }
    let page = server.url(&format!("/consent?consent_challenge={challenge}"));
    browser.get(&page).await.assert_page(400, "invalid_request");
    server.app().store.delete_client(&ClientId::new("web")).await.unwrap();
    browser.get(&page).await.assert_page(401, "invalid_client");
    browser.login(&login, "alice", PASSWORD, false).await.assert_page(401, "invalid_client");
}

/// AZ-37: also between the consent and the redirect.
#[tokio::test]
async fn az_37_a_decided_consent_is_worth_nothing_without_its_redirect_uri() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let challenge = consent.field("consent_challenge");
    let fields = [("consent_challenge", challenge.as_str()), ("action", "accept"), ("grant_scope", "openid")];
    let decided = browser.post(&server.url("/consent"), &fields).await.location().unwrap();
    remove_redirect_uri(&server).await;
    browser.get(&decided).await.assert_page(400, "invalid_request");
    server.app().store.delete_client(&ClientId::new("web")).await.unwrap();
    browser.get(&decided).await.assert_page(401, "invalid_client");
}

async fn remove_redirect_uri(server: &Server) {
    let mut client = server.app().store.client_to_change(&ClientId::new("web")).await.unwrap().unwrap();
    client.metadata.0.redirect_uris = vec!["https://rp.example/new".to_owned()];
    server
        .app()
        .store
        .change_client(&client, &client, Action::ClientChanged, server.clock.now())
        .await
        .unwrap()
        .unwrap();
}

async fn disable(server: &Server, username: &str) {
    let user = server.app().store.user_by_name(username).await.unwrap().unwrap();
    server.app().store.update_user(&User { disabled: true, ..user }, None, server.ending()).await.unwrap();
}

/// AZ-38: a person who is disabled at the consent page gets no code, whatever is answered there: the session is gone, as
/// after a logout in another tab.
#[tokio::test]
async fn az_38_a_user_who_is_disabled_before_consent_gets_no_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let challenge = consent.field("consent_challenge");
    disable(&server, "alice").await;
    for action in ["accept", "reject", "switch"] {
        let fields = [("consent_challenge", challenge.as_str()), ("action", action), ("grant_scope", "openid")];
        browser.post(&server.url("/consent"), &fields).await.assert_page(403, "request_forbidden");
    }
    let page = browser.get(&server.url(&format!("/consent?consent_challenge={challenge}"))).await;
    page.assert_page(403, "request_forbidden");
    assert!(browser.authorize(&Authorize::web()).await.has_field("login_challenge"), "nobody is signed in");
}

/// AZ-38: between consent and redirect, there is no session any more that a code could come from.
#[tokio::test]
async fn az_38_a_user_who_is_disabled_after_consent_gets_no_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let challenge = consent.field("consent_challenge");
    let fields = [("consent_challenge", challenge.as_str()), ("action", "accept"), ("grant_scope", "openid")];
    let decided = browser.post(&server.url("/consent"), &fields).await;
    disable(&server, "alice").await;
    let answer = browser.follow(decided).await;
    answer.assert_back(&server, 302, "login_required");
}

/// AZ-38: between code and token.
#[tokio::test]
async fn az_38_the_code_of_a_disabled_user_is_dead() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    disable(&server, "alice").await;
    server.token(&code).await.assert_error(400, "invalid_grant");
}

/// AZ-38, LC-23: at the login page a disabled account looks like a wrong password; there is no code to be had.
#[tokio::test]
async fn az_38_a_disabled_user_can_not_sign_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let answer = browser.login(&login, "disabled", PASSWORD, false).await;
    assert!(answer.status == 400 && answer.has_field("login_challenge"), "{} {}", answer.status, answer.body);
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.body, browser.login(&login, "disabled", "a wrong password", false).await.body);
}

/// LC-23: who is given another password, banned or deleted while their old password is still being looked at is not
/// signed in by it, and what was begun can be begun again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lc_23_a_sign_in_under_way_does_not_outlive_the_password() {
    for what in ["password", "deletion", "ban that was lifted"] {
        let server = Server::with(|config| config.limits.password_hashes = 1).await;
        let subject = server.subject("alice").await;
        let other = server.app().guard.passwords.hash(&Secret::new("another password")).await.unwrap();
        let mut browser = server.browser();
        let login = browser.authorize(&Authorize::web()).await;
        let app = server.app().clone();
        // Some tenths of a second, in which the sign-in has read its row and waits.
        let busy = tokio::spawn(async move {
            let heavy = "$argon2id$v=19$m=65536,t=8,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
            app.guard.passwords.verify(&Secret::new(PASSWORD), Some(heavy)).await.unwrap();
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let change = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (store, ending) = (&server.app().store, server.ending());
            match what {
                "password" => assert!(store.set_password(&subject, &other, ending).await.unwrap()),
                "deletion" => assert!(store.delete_user(&subject, ending).await.unwrap()),
                _ => {
                    let user = store.user(&subject).await.unwrap().unwrap();
                    store.update_user(&User { disabled: true, ..user.clone() }, None, ending).await.unwrap();
                    store.update_user(&User { disabled: false, ..user }, None, ending).await.unwrap();
                }
            }
            assert!(!busy.is_finished(), "the change came too late for this test");
        };
        let (answer, ()) = tokio::join!(browser.login(&login, "alice", PASSWORD, false), change);
        assert!(answer.status == 400 && answer.has_field("login_challenge"), "{what}: {}", answer.status);
        assert!(!answer.headers.contains_key("set-cookie"), "{what}");
        assert_eq!(server.database.count("sessions").await, 0, "{what}");
        let password = match what {
            "password" => "another password",
            "deletion" => continue,
            _ => PASSWORD,
        };
        assert!(browser.login(&answer, "alice", password, false).await.has_field("consent_challenge"), "{what}");
    }
}

/// LC-08: a verifier is honoured once, also after the tokens that came of it have expired and their row could go.
#[tokio::test]
async fn lc_08_a_flow_ends_once_however_short_its_tokens_live() {
    let server = Server::with(|config| config.ttl.access_token = Duration::from_mins(1)).await;
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let decided = browser.submit_consent(&consent, &["openid"]).await.location().unwrap();
    let code = browser.get(&decided).await.parameter("code").unwrap();
    server.token(&code).await.tokens();
    server.pass(120);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    browser.get(&decided).await.assert_page(410, "request_already_handled");
    server.pass(server.config().ttl.login_consent_request.as_secs() + server.config().ttl.auth_code.as_secs());
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.database.count("grants").await, 0);
    browser.get(&decided).await.assert_page(410, "request_already_handled");
}

/// RFC 9700 section 4.1: a scope that the client has lost while the person thought about it is not granted.
#[tokio::test]
async fn az_37_a_scope_that_is_lost_meanwhile_is_not_granted() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request = Authorize::web().set("scope", "openid email").set("audience", "https://api.example/v1");
    for (field, less) in [("scope", json!("openid profile")), ("audience", json!([]))] {
        let mut page = browser.authorize(&request).await;
        if page.has_field("login_challenge") {
            page = browser.login(&page, "alice", PASSWORD, false).await;
        }
        let before = server.admin(Method::GET, "/clients/web", None).await.json()[field].clone();
        server.change_client("web", |client| client[field] = less).await;
        let answer = browser.consent(&page, &["openid", "email"], false).await;
        answer.assert_back(&server, 302, "invalid_scope");
        server.change_client("web", |client| client[field] = before).await;
    }
    assert!(browser.journey(&request, "alice").await.parameter("code").is_some());
}

/// LO-15: a person who signs in again while the logout page waits is signed out by it all the same, on the server too.
#[tokio::test]
async fn lo_15_a_logout_ends_the_session_that_the_browser_has_by_then() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let page = browser.follow(page).await;
    let code = browser.code(&Authorize::web().set("prompt", "login"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    let challenge = page.field("logout_challenge");
    let kept = browser.copy();
    browser.post(&server.url("/logout"), &[("logout_challenge", &challenge), ("action", "accept")]).await;
    assert_eq!(browser.cookie("session"), None);
    assert_eq!(server.database.count("sessions").await, 0);
    assert!(!server.introspect(&tokens.access_token).await.active);
    browser = kept;
    assert!(browser.authorize(&Authorize::web()).await.has_field("login_challenge"), "the cookie is worth nothing");
}

/// A person who is deleted at the moment in which what they allow is to be remembered: neither waits for the other for
/// ever, and nothing of theirs stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_deleted_while_a_consent_is_remembered_leaves_nothing() {
    let server = Server::start().await;
    server.change_client("web", |client| client["backchannel_logout_uri"] = json!("https://rp.example/bye")).await;
    for round in 0..12 {
        let name = format!("guest{round}");
        let subject = server.user(&name, json!({}), false).await;
        let mut browser = server.browser();
        browser.journey(&Authorize::web(), &name).await;
        let page = browser.authorize(&Authorize::web().set("prompt", "consent")).await;
        let challenge = page.field("consent_challenge");
        let fields = [
            ("consent_challenge", challenge.as_str()),
            ("action", "accept"),
            ("remember", "true"),
            ("grant_scope", "openid"),
        ];
        let step = browser.post(&server.url("/consent"), &fields).await.location().unwrap();
        let path = format!("/users/{subject}");
        let deleted = server.admin(reqwest::Method::DELETE, &path, None);
        let (ended, deleted) = futures_util::join!(browser.visit(&step), deleted);
        assert_eq!(deleted.status, 204, "{round}: {}", deleted.body);
        assert!(ended.status < 500, "{round}: {}", ended.body);
        assert_ne!(ended.parameter("error").as_deref(), Some("temporarily_unavailable"), "{round}");
        for table in ["sessions", "consents", "interactions"] {
            let left =
                server.database.column(&format!("SELECT subject FROM {table} WHERE subject = '{subject}'")).await;
            assert_eq!(left, Vec::<String>::new(), "{round}: {table}");
        }
    }
}
