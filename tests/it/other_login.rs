//! Signing in at another app: hydra.md section 2, security-cases.md LC and AD-11 as far as another app has a part in them.

use serde_json::{Value, json};

use crate::support::apps::Asked;
use crate::support::{Authorize, Server, race};

fn alice() -> Value {
    json!({ "subject": "alice@crm", "remember": true, "remember_for": 3600 })
}

/// hydra.md appendix A4 and A5: what the apps are told, and that what they decide ends in tokens.
#[tokio::test]
async fn the_whole_way_by_other_apps() {
    let server = Server::with_apps().await;
    let request = Authorize::web()
        .set("scope", "openid offline profile")
        .set("audience", "https://api.example/v1")
        .set("acr_values", "2 1")
        .set("ui_locales", "de en")
        .set("login_hint", "alice")
        .set("display", "page")
        .set("tenant", "blue");
    let mut browser = server.browser();
    let answer = browser.get(&request.url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let asked = server.asked(Asked::Login, &challenge).await.json();
    assert_eq!(asked["challenge"], challenge);
    assert_eq!(asked["requested_scope"], json!(["openid", "offline", "profile"]));
    assert_eq!(asked["requested_access_token_audience"], json!(["https://api.example/v1"]));
    assert_eq!((&asked["skip"], &asked["subject"]), (&json!(false), &json!("")));
    let context =
        json!({ "acr_values": ["2", "1"], "ui_locales": ["de", "en"], "login_hint": "alice", "display": "page" });
    assert_eq!(asked["oidc_context"], context);
    assert_eq!((&asked["client"]["client_id"], &asked["client"]["client_name"]), (&json!("web"), &json!("Web")));
    assert!(asked["client"].get("client_secret").is_none());
    assert_eq!(asked["request_url"], request.url(&server), "also what is no parameter of ours");
    let session = asked["session_id"].as_str().unwrap().to_owned();

    let login = json!({
        "subject": "alice@crm", "remember": true, "remember_for": 3600, "acr": "2", "amr": ["pwd", "otp"],
        "context": { "team": 7 }, "identity_provider_session_id": "idp-1",
    });
    let answer = browser.app_login(&server, &answer, login).await;
    let cookie = answer.headers.get_all("set-cookie").iter().find_map(|line| {
        line.to_str().unwrap().split_once("session=").is_some().then(|| line.to_str().unwrap().to_owned())
    });
    let cookie = cookie.unwrap();
    assert!(cookie.contains("Max-Age=3600") && cookie.contains("HttpOnly"), "{cookie}");
    let challenge = Asked::Consent.challenge(&answer);
    let asked = server.asked(Asked::Consent, &challenge).await.json();
    for (name, value) in [
        ("subject", json!("alice@crm")),
        ("skip", json!(false)),
        ("acr", json!("2")),
        ("amr", json!(["pwd", "otp"])),
        ("context", json!({ "team": 7 })),
        ("login_session_id", json!(session)),
        ("requested_scope", json!(["openid", "offline", "profile"])),
        ("request_url", json!(request.url(&server))),
        ("oidc_context", context),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert!(asked["consent_request_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(asked["login_challenge"], asked["consent_request_id"]);

    let consent = json!({
        "grant_scope": ["offline", "openid"], "grant_access_token_audience": ["https://api.example/v1"],
        "session": {
            "access_token": { "tenant": "blue", "sub": "evil" },
            "id_token": { "email": "alice@crm.example", "sub": "evil", "aud": "evil" },
        },
    });
    let location = server.accept(Asked::Consent, &challenge, consent).await;
    let answer = browser.get(&location).await;
    assert_eq!(answer.parameter("state").as_deref(), Some("state-0123456789-0123456789-0123"));
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.scope, "openid offline", "less than was asked for, in the order of the request");
    let (_, claims) = server.verify(tokens.id_token.as_deref().unwrap(), "web").await;
    for (name, value) in [
        ("sub", json!("alice@crm")),
        ("sid", json!(session)),
        ("acr", json!("2")),
        ("amr", json!(["pwd", "otp"])),
        ("email", json!("alice@crm.example")),
        ("aud", json!(["web"])),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let introspected = server.introspect(&tokens.access_token).await;
    assert!(introspected.active);
    assert_eq!(introspected.rest["sub"], "alice@crm");
    assert_eq!(introspected.rest["ext"]["tenant"], "blue");
    assert_eq!(introspected.rest["aud"], json!(["https://api.example/v1"]));
    let userinfo = server.userinfo(&tokens.access_token).await.json();
    assert_eq!((&userinfo["sub"], &userinfo["email"]), (&json!("alice@crm"), &json!("alice@crm.example")));
    assert!(userinfo.get("tenant").is_none(), "what is for access tokens is not told to clients: {userinfo}");
    let refreshed = server.refresh("web", tokens.refresh()).await.tokens();
    assert_eq!(refreshed.claims()["email"], "alice@crm.example", "also after a refresh");
}

/// hydra.md section 2.4: the app is asked although the person is signed in, and told so.
#[tokio::test]
async fn a_remembered_session_is_offered_to_the_app() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    browser.app_journey(&server, &Authorize::web(), alice(), json!({ "remember": true })).await;
    server.pass(10);
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let asked = server.asked(Asked::Login, &challenge).await.json();
    assert_eq!((&asked["skip"], &asked["subject"]), (&json!(true), &json!("alice@crm")));
    let answer = browser.app_login(&server, &answer, json!({ "subject": "alice@crm" })).await;
    assert!(!answer.headers.contains_key("set-cookie"), "the session stays as it is: {:?}", answer.headers);
    let consent = server.asked(Asked::Consent, &Asked::Consent.challenge(&answer)).await.json();
    assert_eq!(consent["skip"], true, "it was remembered, and its app is asked all the same");
    assert_eq!(consent["login_session_id"], asked["session_id"]);
    let answer = browser.app_consent(&server, &answer, &json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    let age = server.clock.now().seconds() - tokens.claims()["auth_time"].as_i64().unwrap();
    assert_eq!(age, 10, "the sign-in is as old as it is");

    // Without anybody being asked, it is the same.
    let silent = Authorize::web().set("prompt", "none");
    let answer = browser.app_journey(&server, &silent, json!({ "subject": "alice@crm" }), json!({})).await;
    assert!(answer.parameter("code").is_some(), "{:?}", answer.location());
    // What was not granted before is refused before any app is asked.
    let more = silent.set("scope", "openid profile");
    browser.get(&more.url(&server)).await.assert_back(&server, 302, "consent_required");
}

/// hydra.md section 2.5: a sign-in that is not to be remembered is for this once.
#[tokio::test]
async fn a_login_without_remember_is_not_used_again() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let first = browser.app_journey(&server, &Authorize::web(), json!({ "subject": "bob@crm" }), json!({})).await;
    assert!(first.parameter("code").is_some());
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!(asked["skip"], false);
    browser.get(&Authorize::web().set("prompt", "none").url(&server)).await.assert_back(&server, 302, "login_required");
    // And yet it can be signed out.
    let answer = browser.get(&server.url("/oauth2/sessions/logout")).await;
    Asked::Logout.challenge(&answer);
}

/// hydra.md section 2.7: what forces a login, and what a session is too old for.
#[tokio::test]
async fn a_forced_login_offers_no_session() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    browser.app_journey(&server, &Authorize::web(), alice(), json!({})).await;
    server.pass(100);
    for (name, value, skip) in [
        ("prompt", "login", false),
        ("prompt", "select_account", false),
        ("prompt", "registration", false),
        ("prompt", "create", false),
        ("max_age", "50", false),
        ("max_age", "500", true),
        ("prompt", "consent", true),
    ] {
        let answer = browser.get(&Authorize::web().set(name, value).url(&server)).await;
        let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
        assert_eq!(asked["skip"], skip, "{name}={value}");
    }
    let answer = browser.get(&Authorize::web().set("prompt", "login").url(&server)).await;
    let answer = browser.app_login(&server, &answer, alice()).await;
    let answer = browser.app_consent(&server, &answer, &json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.claims()["auth_time"], server.clock.now().seconds());
}

/// `urls.registration` has a page of its own for those who want to register first.
#[tokio::test]
async fn registration_has_its_own_page() {
    let server = Server::with(|config| {
        config.urls.login = Some("https://accounts.example/login".parse().unwrap());
        config.urls.registration = Some("https://accounts.example/join".parse().unwrap());
    })
    .await;
    for (prompt, page) in
        [("registration", "https://accounts.example/join?"), ("login", "https://accounts.example/login?")]
    {
        let answer = server.browser().get(&Authorize::web().set("prompt", prompt).url(&server)).await;
        assert!(answer.location().unwrap().starts_with(page), "{prompt}: {:?}", answer.location());
    }
    let ours = Server::start().await;
    let answer = ours.browser().get(&Authorize::web().set("prompt", "registration").url(&ours)).await;
    answer.assert_back(&ours, 302, "invalid_request");
}

/// A session is stepped up: the app has found it good enough only after it asked for more.
#[tokio::test]
async fn a_session_that_is_kept_may_have_become_surer() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let mut login = alice();
    login["acr"] = json!("1");
    let answer = browser.app_journey(&server, &Authorize::web(), login, json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.claims()["acr"], "1");
    let stepped_up = Authorize::web().set("acr_values", "2");
    let more = json!({ "subject": "alice@crm", "acr": "2", "amr": ["otp"], "extend_session_lifespan": true, "remember_for": 7200 });
    let answer = browser.get(&stepped_up.url(&server)).await;
    let answer = browser.app_login(&server, &answer, more).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("Max-Age=7200"), "its life was extended: {cookie}");
    let answer = browser.app_consent(&server, &answer, &json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!((&tokens.claims()["acr"], &tokens.claims()["amr"]), (&json!("2"), &json!(["otp"])));
    server.pass(7000);
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!(asked["skip"], true, "the first end has gone by, the second one has not");
    server.pass(300);
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!(asked["skip"], false);
}

/// OpenID Connect Core section 5.5.1.1: an app may reach what we know nothing of, and an essential acr is reached or refused.
#[tokio::test]
async fn an_essential_acr_is_the_apps_to_reach() {
    let server = Server::with_apps().await;
    let claims = json!({ "id_token": { "acr": { "essential": true, "values": ["urn:gold"] } } }).to_string();
    let request = Authorize::web().set("claims", &claims);
    for (acr, refused) in [("urn:gold", false), ("urn:tin", true)] {
        let mut browser = server.browser();
        let answer = browser.get(&request.url(&server)).await;
        let answer = browser.app_login(&server, &answer, json!({ "subject": "alice@crm", "acr": acr })).await;
        if refused {
            answer.assert_back(&server, 302, "unmet_authentication_requirements");
            assert!(browser.cookie("session").is_some(), "signed in all the same");
        } else {
            Asked::Consent.challenge(&answer);
        }
    }
}

/// LC-34: a session's person stays that person. The request asks for a login, and nobody's tokens are a mixture.
#[tokio::test]
async fn lc_34_another_subject_than_the_sessions_starts_again_with_a_login() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    browser.app_journey(&server, &Authorize::web(), alice(), json!({})).await;
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let location = server.accept(Asked::Login, &challenge, json!({ "subject": "mallory@crm" })).await;
    let again = url::Url::parse(&location).unwrap();
    let again = again.query_pairs().find(|(name, _)| name == "login_challenge").unwrap().1.into_owned();
    let asked = server.asked(Asked::Login, &again).await.json();
    assert_eq!((&asked["skip"], &asked["subject"]), (&json!(false), &json!("")));
    let location = server.accept(Asked::Login, &again, json!({ "subject": "mallory@crm" })).await;
    let answer = browser.get(&location).await;
    let answer = browser.app_consent(&server, &answer, &json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.claims()["sub"], "mallory@crm");

    // One that may ask nobody ends.
    let mut browser = server.browser();
    browser.app_journey(&server, &Authorize::web(), alice(), json!({ "remember": true })).await;
    let answer = browser.get(&Authorize::web().set("prompt", "none").url(&server)).await;
    let answer = browser.app_login(&server, &answer, json!({ "subject": "mallory@crm" })).await;
    answer.assert_back(&server, 302, "login_required");
}

/// LC-07: what another browser was asked can not be ended here, whoever has signed in meanwhile.
#[tokio::test]
async fn lc_07_a_verifier_is_for_the_browser_that_began() {
    let server = Server::with_apps().await;
    let (mut victim, mut attacker) = (server.browser(), server.browser());
    let answer = attacker.get(&Authorize::web().url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    victim.get(&location).await.assert_page(403, "request_forbidden");
    assert!(victim.cookie("session").is_none());
    assert_eq!(server.database.count("sessions").await, 0, "and no session has begun");
    let answer = attacker.get(&location).await;
    let challenge = Asked::Consent.challenge(&answer);
    let location = server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid"] })).await;
    victim.get(&location).await.assert_page(403, "request_forbidden");
    assert_eq!(server.database.count("grants").await, 0);
    assert!(attacker.get(&location).await.parameter("code").is_some(), "it is not burnt either");
}

/// LC-08: once the browser has come back, the request is handled: 410 with the way on, and one session, one grant.
#[tokio::test]
async fn lc_08_a_handled_request_answers_410_with_the_way_on() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let request = Authorize::web();
    let answer = browser.get(&request.url(&server)).await;
    let login = Asked::Login.challenge(&answer);
    let first = server.accept(Asked::Login, &login, alice()).await;
    assert_eq!(server.asked(Asked::Login, &login).await.status, 200, "not before the browser is back");
    let answer = browser.get(&first).await;
    let consent = Asked::Consent.challenge(&answer);
    let handled = async |asked: Asked, challenge: &str| {
        let body = match asked {
            Asked::Login => alice(),
            _ => json!({ "grant_scope": ["openid"] }),
        };
        for answer in [
            server.asked(asked, challenge).await,
            server.answer(asked, "accept", challenge, &body).await,
            server.answer(asked, "reject", challenge, &json!({})).await,
        ] {
            // A GET of a rejected one is a 410 as well.
            assert_eq!(answer.status, 410, "{}", answer.body);
            assert_eq!(answer.json(), json!({ "redirect_to": request.url(&server) }));
        }
    };
    handled(Asked::Login, &login).await;
    let second = server.accept(Asked::Consent, &consent, json!({ "grant_scope": ["openid"] })).await;
    assert!(browser.get(&second).await.parameter("code").is_some());
    handled(Asked::Consent, &consent).await;
    browser.get(&second).await.assert_page(410, "request_already_handled");
    assert_eq!((server.database.count("sessions").await, server.database.count("grants").await), (1, 1));
    // The login's verifier leads on as it did, and to the same session.
    Asked::Consent.challenge(&browser.get(&first).await);
    assert_eq!(server.database.count("sessions").await, 1);
}

/// LC-35: until the browser is back the last word counts, and only its own verifier: an answer about one person is never
/// used up by who was answered about another.
#[tokio::test]
async fn lc_35_the_last_answer_before_the_browser_is_back_counts() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().set("scope", "openid profile email").url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let first = server.accept(Asked::Login, &challenge, json!({ "subject": "first@crm" })).await;
    let second = server.accept(Asked::Login, &challenge, json!({ "subject": "second@crm" })).await;
    browser.get(&first).await.assert_page(410, "request_already_handled");
    let answer = browser.get(&second).await;
    let challenge = Asked::Consent.challenge(&answer);
    let first = server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid", "profile"] })).await;
    let second = server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid", "email"] })).await;
    browser.get(&first).await.assert_page(410, "request_already_handled");
    let answer = browser.get(&second).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!((tokens.scope.as_str(), &tokens.claims()["sub"]), ("openid email", &json!("second@crm")));
}

/// LC-07: who has a verifier of his own and lends his challenge to somebody else does not get what they have said.
#[tokio::test]
async fn lc_07_a_held_back_verifier_is_not_for_what_was_answered_later() {
    let server = Server::with_apps().await;
    let (mut attacker, mut victim) = (server.browser(), server.browser());
    let answer = attacker.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let rejected = server.answer(Asked::Login, "reject", &challenge, &json!({})).await.json();
    let held_back = rejected["redirect_to"].as_str().unwrap();
    let of_victim = server.accept(Asked::Login, &challenge, json!({ "subject": "victim@crm" })).await;
    victim.get(&of_victim).await.assert_page(403, "request_forbidden");
    attacker.get(held_back).await.assert_page(410, "request_already_handled");
    assert!(attacker.cookie("session").is_none());
    assert_eq!(server.database.count("sessions").await, 0);
    // The same with a login of his own, and at the consent.
    let answer = attacker.get(&Authorize::web().url(&server)).await;
    let answer = attacker.app_login(&server, &answer, json!({ "subject": "attacker@crm" })).await;
    let challenge = Asked::Consent.challenge(&answer);
    let rejected = server.answer(Asked::Consent, "reject", &challenge, &json!({})).await.json();
    server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid"] })).await;
    let held_back = rejected["redirect_to"].as_str().unwrap();
    attacker.get(held_back).await.assert_page(410, "request_already_handled");
    assert_eq!(server.database.count("grants").await, 0);
}

/// What is ended takes along what was answered and is not there yet: a verifier that is held back begins nothing.
#[tokio::test]
async fn lc_32_signing_out_everywhere_reaches_an_answer_under_way() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    server.admin(reqwest::Method::DELETE, "/oauth2/auth/sessions/login?subject=alice@crm", None).await;
    browser.get(&location).await.assert_page(410, "request_already_handled");
    assert_eq!(server.database.count("sessions").await, 0);
    assert!(browser.cookie("session").is_none());
}

/// Only the visit that begins a session hands it to the browser: the history's back button is no sign-in.
#[tokio::test]
async fn a_verifier_signs_in_once() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    assert!(browser.get(&location).await.headers.contains_key("set-cookie"));
    let again = browser.get(&location).await;
    assert!(!again.headers.contains_key("set-cookie"), "{:?}", again.headers);
    Asked::Consent.challenge(&again);
}

/// A session that the app keeps is still held to the request when the browser is back.
#[tokio::test]
async fn a_kept_session_is_judged_again_at_the_return() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    browser.app_journey(&server, &Authorize::web(), alice(), json!({})).await;
    let answer = browser.get(&Authorize::web().set("max_age", "60").url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    server.pass(61);
    let answer = browser.get(&location).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!(asked["skip"], false, "it has become too old meanwhile");
    let answer = browser.app_login(&server, &answer, alice()).await;
    assert!(browser.app_consent(&server, &answer, &json!({})).await.parameter("code").is_some());

    // One that may ask nobody begins no session either, where the one that was offered has ended.
    let mut browser = server.browser();
    browser.app_journey(&server, &Authorize::web(), alice(), json!({ "remember": true })).await;
    let answer = browser.get(&Authorize::web().set("prompt", "none").url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    server.admin(reqwest::Method::DELETE, "/oauth2/auth/sessions/login?subject=alice@crm", None).await;
    let location = server.accept(Asked::Login, &challenge, json!({ "subject": "bob@crm" })).await;
    browser.get(&location).await.assert_back(&server, 302, "login_required");
    assert_eq!(server.database.count("sessions").await, 0);
}

/// Two verifiers are two requests.
#[tokio::test]
async fn a_request_has_one_verifier() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    let verifier = location.split_once('?').unwrap().1.to_owned();
    for more in [verifier.as_str(), "consent_verifier=x", "consent_verifier="] {
        browser.get(&format!("{location}&{more}")).await.assert_page(400, "invalid_request");
    }
    Asked::Consent.challenge(&browser.get(&location).await);
}

/// 32 browsers' worth of the same verifier at once: one session, one code.
#[tokio::test]
async fn of_many_visits_with_one_verifier_one_begins_the_session() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    let answers = race(32, |_| browser.visit(&location)).await;
    for answer in &answers {
        Asked::Consent.challenge(answer);
    }
    assert_eq!(server.database.count("sessions").await, 1);
    // One of them has handed it to the browser.
    assert_eq!(answers.iter().filter(|answer| answer.headers.contains_key("set-cookie")).count(), 1);
    for answer in &answers {
        browser.keep(answer);
    }
    let challenge = Asked::Consent.challenge(&answers[0]);
    let location = server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid"] })).await;
    let answers = race(32, |_| browser.visit(&location)).await;
    let codes = answers.iter().filter(|answer| answer.parameter("code").is_some()).count();
    assert_eq!((codes, server.database.count("grants").await), (1, 1));
}

/// LC-32, LO-16: a verifier that is used again brings no session back that has ended.
#[tokio::test]
async fn a_verifier_brings_no_session_back() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let location = server.accept(Asked::Login, &Asked::Login.challenge(&answer), alice()).await;
    let answer = browser.get(&location).await;
    let asked = server.asked(Asked::Consent, &Asked::Consent.challenge(&answer)).await.json();
    let path = format!("/oauth2/auth/sessions/login?sid={}", asked["login_session_id"].as_str().unwrap());
    let ended = server.admin(reqwest::Method::DELETE, &path, None).await;
    assert_eq!(ended.status, 204);
    let answer = browser.get(&location).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!((&asked["skip"], server.database.count("sessions").await), (&json!(false), 0));
}

/// AD-11: each field that can be wrong is named, and nothing happens.
#[tokio::test]
async fn ad_11_a_login_is_accepted_only_as_it_should_be() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let long = "x".repeat(10 * 1024);
    for (field, body) in [
        ("subject", json!({})),
        ("subject", json!({ "subject": "" })),
        ("subject", json!({ "subject": null })),
        ("subject", json!({ "subject": long })),
        ("subject", json!({ "subject": "a\u{0}b" })),
        ("subject", json!({ "subject": "a\nb" })),
        ("subject", json!({ "subject": "web" })),
        ("remember_for", json!({ "subject": "a", "remember_for": -1 })),
        ("acr", json!({ "subject": "a", "acr": long })),
        ("acr", json!({ "subject": "a", "acr": "1\r\nx: y" })),
        ("amr", json!({ "subject": "a", "amr": [long] })),
        ("amr", json!({ "subject": "a", "amr": vec!["pwd"; 17] })),
        ("context", json!({ "subject": "a", "context": { "x": "x".repeat(17 * 1024) } })),
        ("context", json!({ "subject": "a", "context": (0..33).fold(json!(1), |inner, _| json!([inner])) })),
        ("identity_provider_session_id", json!({ "subject": "a", "identity_provider_session_id": long })),
        ("force_subject_identifier", json!({ "subject": "a", "force_subject_identifier": long })),
    ] {
        let answer = server.answer(Asked::Login, "accept", &challenge, &body).await;
        answer.assert_error(400, "invalid_request");
        assert!(answer.json()["error_description"].as_str().unwrap().contains(field), "{field}: {}", answer.body);
    }
    for body in [json!({ "subject": 7 }), json!({ "subject": "a", "remember": "yes" }), json!([]), json!("x")] {
        server.answer(Asked::Login, "accept", &challenge, &body).await.assert_error(400, "invalid_request");
    }
    assert_eq!(server.database.count("interactions").await, 0);
    for wrong in ["", "x", &challenge[..challenge.len() - 1], "AAAA"] {
        let answer = server.answer(Asked::Login, "accept", wrong, &alice()).await;
        let expected = if wrong.is_empty() { (400, "invalid_request") } else { (404, "not_found") };
        answer.assert_error(expected.0, expected.1);
    }
    // One kind of challenge is not another.
    server.asked(Asked::Consent, &challenge).await.assert_error(404, "not_found");
    server.asked(Asked::Logout, &challenge).await.assert_error(404, "not_found");
    // The longest time is 180 days, not an overflow.
    let body = json!({ "subject": "a", "remember": true, "remember_for": i64::MAX });
    let location = server.accept(Asked::Login, &challenge, body).await;
    let answer = browser.get(&location).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains(&format!("Max-Age={}", 180 * 24 * 3600)), "{cookie}");
}

/// hydra.md section 2.2: a challenge has an end, and the app is told that it is that.
#[tokio::test]
async fn an_old_challenge_is_refused() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let login = Asked::Login.challenge(&answer);
    let verifier = server.accept(Asked::Login, &login, alice()).await;
    server.pass(30 * 60 + 1);
    server.asked(Asked::Login, &login).await.assert_error(401, "request_unauthorized");
    server.answer(Asked::Login, "accept", &login, &alice()).await.assert_error(401, "request_unauthorized");
    server.answer(Asked::Login, "reject", &login, &json!({})).await.assert_error(401, "request_unauthorized");
    browser.get(&verifier).await.assert_page(410, "request_already_handled");
}

/// hydra.md section 2.4: what the app refuses with is what the client is told, in characters that a URL's reader expects.
#[tokio::test]
async fn a_rejection_goes_to_the_client() {
    let server = Server::with_apps().await;
    for (body, error, description) in [
        (json!({}), "access_denied", "The request was denied."),
        (
            json!({ "error": "login_required", "error_description": "No \"way\"", "error_hint": "Try\nlater", "status_code": 403 }),
            "login_required",
            "No 'way' Try later",
        ),
    ] {
        let mut browser = server.browser();
        let answer = browser.get(&Authorize::web().url(&server)).await;
        let challenge = Asked::Login.challenge(&answer);
        let rejected = server.answer(Asked::Login, "reject", &challenge, &body).await;
        assert_eq!(rejected.status, 200, "{}", rejected.body);
        let answer = browser.get(rejected.json()["redirect_to"].as_str().unwrap()).await;
        answer.assert_back(&server, 302, error);
        assert_eq!(answer.parameter("error_description").as_deref(), Some(description));
        assert_eq!(server.asked(Asked::Login, &challenge).await.status, 410);
    }
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let wrong = json!({ "error": "not a code" });
    server.answer(Asked::Login, "reject", &challenge, &wrong).await.assert_error(400, "invalid_request");
}

/// LC-10: a page of ours is not there where another app has its place: its password form would be a way around it.
#[tokio::test]
async fn our_pages_are_not_there_beside_another_apps() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    browser.get(&server.url(&format!("/login?login_challenge={challenge}"))).await.assert_page(404, "not_found");
    let fields = [
        ("login_challenge", challenge.as_str()),
        ("email", "alice"),
        ("password", crate::support::PASSWORD),
        ("action", "accept"),
    ];
    browser.post(&server.url("/login"), &fields).await.assert_page(404, "not_found");
    let answer = browser.app_login(&server, &answer, alice()).await;
    let challenge = Asked::Consent.challenge(&answer);
    browser.get(&server.url(&format!("/consent?consent_challenge={challenge}"))).await.assert_page(404, "not_found");
    let fields = [("consent_challenge", challenge.as_str()), ("action", "accept"), ("grant_scope", "openid")];
    browser.post(&server.url("/consent"), &fields).await.assert_page(404, "not_found");
    assert_eq!(server.database.count("grants").await, 0);
}

/// A person with an account here that is disabled is not signed in by another app either (LC-19).
#[tokio::test]
async fn lc_19_a_disabled_account_is_disabled_everywhere() {
    let server = Server::with_apps().await;
    let disabled = server.subject("disabled").await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let challenge = Asked::Login.challenge(&answer);
    let body = json!({ "subject": disabled.as_str() });
    server.answer(Asked::Login, "accept", &challenge, &body).await.assert_error(403, "request_forbidden");
    // One that is disabled between the app's word and the browser's return gets no session that counts.
    let bob = server.subject("bob").await;
    let location = server.accept(Asked::Login, &challenge, json!({ "subject": bob.as_str() })).await;
    let change = json!({ "username": "bob", "disabled": true });
    let changed = server.admin(reqwest::Method::PUT, &format!("/users/{bob}"), Some(&change)).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let answer = browser.get(&location).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!(asked["skip"], false);
}

/// Two tabs, one browser, one client: both go through (hydra.md section 10, trap 22).
#[tokio::test]
async fn two_tabs_of_one_client_both_go_through() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let one = browser.get(&Authorize::web().set("state", "the-first-tab").url(&server)).await;
    let two = browser.get(&Authorize::web().set("state", "the-second-tab").url(&server)).await;
    let one = browser.app_login(&server, &one, alice()).await;
    let two = browser.app_login(&server, &two, alice()).await;
    for (tab, state) in [(two, "the-second-tab"), (one, "the-first-tab")] {
        let answer = browser.app_consent(&server, &tab, &json!({})).await;
        assert_eq!(answer.parameter("state").as_deref(), Some(state));
        assert_eq!(server.token(&answer.parameter("code").unwrap()).await.status, 200);
    }
}

/// A browser that has no cookie yet opens several tabs at once: each is told another name, and all go through.
#[tokio::test]
async fn tabs_that_are_opened_at_once_all_go_through() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let url = Authorize::web().url(&server);
    let answers = race(8, |_| browser.visit(&url)).await;
    for answer in &answers {
        browser.keep(answer);
    }
    let names = browser.cookies.keys().filter(|name| name.contains("hydrant_browser")).count();
    assert_eq!(names, 9, "{:?}", browser.cookies.keys());
    for answer in &answers {
        let answer = browser.app_login(&server, answer, alice()).await;
        let answer = browser.app_consent(&server, &answer, &json!({})).await;
        assert!(answer.parameter("code").is_some(), "{} {}", answer.status, answer.body);
    }
    let mut other = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    other.app_login(&server, &answer, alice()).await.assert_page(403, "request_forbidden");
}

/// A login app with our consent page, and our login page with a consent app.
#[tokio::test]
async fn one_page_may_be_ours_and_the_other_not() {
    let server =
        Server::with(|config| config.urls.login = Some(crate::support::apps::LOGIN_APP.parse().unwrap())).await;
    let mut browser = server.browser();
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let answer = browser.app_login(&server, &answer, alice()).await;
    let page = browser.follow(answer).await;
    assert!(page.body.contains("alice@crm"), "{}", page.body);
    let answer = browser.consent(&page, &["openid"], true).await;
    assert!(answer.parameter("code").is_some());
    let answer = browser.app_journey(&server, &Authorize::web(), json!({ "subject": "alice@crm" }), json!({})).await;
    assert!(answer.parameter("code").is_some(), "our own page asks nobody again: {:?}", answer.location());

    let server =
        Server::with(|config| config.urls.consent = Some(crate::support::apps::CONSENT_APP.parse().unwrap())).await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let answer = browser.login(&page, "alice", crate::support::PASSWORD, false).await;
    let asked = server.asked(Asked::Consent, &Asked::Consent.challenge(&answer)).await.json();
    assert_eq!(asked["subject"], server.subject("alice").await.as_str());
    let answer = browser.app_consent(&server, &answer, &json!({ "remember": true })).await;
    assert!(answer.parameter("code").is_some());
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let asked = server.asked(Asked::Consent, &Asked::Consent.challenge(&answer)).await.json();
    assert_eq!((&asked["skip"], &asked["context"]), (&json!(true), &json!({})));
}
