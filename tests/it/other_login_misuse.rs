//! Signing in at another app: what is held back, lent, repeated, late or wrong. security-cases.md LC and AD-11.

use serde_json::{Value, json};

use crate::support::apps::Asked;
use crate::support::{Authorize, Server, race};

fn alice() -> Value {
    json!({ "subject": "alice@crm", "remember": true, "remember_for": 3600 })
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
