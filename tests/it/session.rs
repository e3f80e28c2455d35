//! Sessions: how long they last, what ends them, and what ends with them.

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server, Tokens, race};

const OFFLINE: &str = "openid offline_access";

async fn tokens(server: &Server, browser: &mut Browser<'_>, scope: &str) -> Tokens {
    let code = browser.code(&Authorize::web().set("scope", scope), "alice").await;
    server.token(&code).await.tokens()
}

async fn assert_dead(server: &Server, tokens: &Tokens) {
    let answer = server.userinfo(&tokens.access_token).await;
    assert_eq!(answer.error(), (401, "invalid_token".to_owned()));
    if let Some(refresh_token) = &tokens.refresh_token {
        server.refresh("web", refresh_token).await.assert_error(400, "invalid_grant");
    }
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.authorize(&Authorize::web().set("prompt", "none")).await;
    match answer.parameter("error").as_deref() {
        Some("login_required") => false,
        None | Some("consent_required") => true,
        Some(other) => panic!("{other}"),
    }
}

async fn disable(server: &Server, username: &str) {
    let mut user = server.app().store.user_by_name(username).await.unwrap().unwrap();
    user.disabled = true;
    server.app().store.update_user(&user, None, server.ending()).await.unwrap().unwrap();
}

/// A login for now ends after `accounts.unremembered_session`, a remembered one after `ttl.authentication_session`.
#[tokio::test]
async fn a_session_has_an_end() {
    let server = Server::start().await;
    for (remember, hours) in [(false, 12), (true, 720)] {
        let mut browser = server.browser();
        let page = browser.authorize(&Authorize::web()).await;
        browser.login(&page, "alice", PASSWORD, remember).await;
        server.pass(hours * 3600 - 1);
        assert!(is_signed_in(&mut browser).await, "remember: {remember}");
        server.pass(1);
        assert!(!is_signed_in(&mut browser).await, "remember: {remember}");
    }
}

async fn sign_in_again(browser: &mut Browser<'_>, username: &str) -> Answer {
    let page = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    browser.login(&page, username, PASSWORD, false).await
}

/// The cookie is another at every login: who has copied the one before has nothing of it. The session is the same, and
/// what others were given in it lives on.
#[tokio::test]
async fn lc_32_a_login_goes_on_with_the_session_under_another_cookie() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let first = tokens(&server, &mut browser, "openid").await;
    let other = browser.code(&Authorize::of("two", "https://two.example/cb").set("scope", OFFLINE), "alice").await;
    let other = server.redeem("two", &other, "https://two.example/cb", Some(crate::support::VERIFIER)).await.tokens();
    let mut thief = browser.copy();
    let known = browser.cookie("browser").unwrap().len();
    for seconds in [0, 100] {
        server.pass(seconds);
        let before = browser.cookie("session").unwrap().to_owned();
        let answer = sign_in_again(&mut browser, "alice").await;
        assert_ne!(browser.cookie("session").unwrap(), before, "also in the same millisecond");
        assert_eq!(browser.cookie("browser").unwrap().len(), known, "the same browser, known to the same account");
        let again = server.token(&answer.parameter("code").unwrap()).await.tokens().claims();
        assert_eq!(again["sid"], first.claims()["sid"]);
        assert_eq!(again["auth_time"].as_i64(), Some(server.clock.now().seconds()));
        assert!(!is_signed_in(&mut thief).await, "a cookie from before is dead");
    }
    assert!(is_signed_in(&mut browser).await);
    assert_eq!(server.database.count("sessions").await, 1);
    assert_eq!(server.userinfo(&first.access_token).await.status, 200);
    // OpenID Connect Core section 12.2: it is that of the original authentication.
    let refreshed = server.refresh("two", other.refresh()).await.tokens().claims();
    assert_eq!((&refreshed["auth_time"], &refreshed["sid"]), (&other.claims()["auth_time"], &other.claims()["sid"]));
}

/// Its end may move on and never back: who has chosen to stay signed in stays so.
#[tokio::test]
async fn a_login_ends_no_session_earlier() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    browser.login(&page, "alice", PASSWORD, true).await;
    sign_in_again(&mut browser, "alice").await;
    server.pass(720 * 3600 - 1);
    assert!(is_signed_in(&mut browser).await);
    sign_in_again(&mut browser, "alice").await;
    server.pass(12 * 3600 - 1);
    assert!(is_signed_in(&mut browser).await);
    server.pass(1);
    assert!(!is_signed_in(&mut browser).await);
}

/// Somebody else begins a session of their own; the one before is left as it is.
#[tokio::test]
async fn somebody_elses_login_is_another_session() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let mut of_alice = browser.copy();
    let page = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    browser.login(&page, "bob", PASSWORD, false).await;
    assert_eq!(server.database.count("sessions").await, 2);
    assert!(is_signed_in(&mut of_alice).await && is_signed_in(&mut browser).await);
}

/// A session that has ended does not come back: the same person's next login is another one. Nor does a stolen cookie of
/// before open a way into it.
#[tokio::test]
async fn a_session_that_has_ended_does_not_go_on() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let first = tokens(&server, &mut browser, "openid").await;
    let page = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    let mut stale = browser.copy();
    browser.copy().logout().await;
    let answer = browser.login(&page, "alice", PASSWORD, false).await;
    let second = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_ne!(second.claims()["sid"], first.claims()["sid"]);
    sign_in_again(&mut browser, "alice").await;
    // With the cookie of the first, whose session is gone.
    sign_in_again(&mut stale, "alice").await;
    assert_eq!(server.database.count("sessions").await, 2);
}

/// A page that was answered before changes nothing: the browser stays signed in by the cookie that it has.
#[tokio::test]
async fn lc_08_a_login_that_was_sent_twice_leaves_the_session_as_it_is() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    browser.login(&page, "alice", PASSWORD, false).await;
    let before = browser.cookie("session").unwrap().to_owned();
    browser.submit_login(&page, "alice", PASSWORD).await.assert_page(410, "already_handled");
    assert_eq!(browser.cookie("session").unwrap(), before);
    assert!(is_signed_in(&mut browser).await);
    // In a browser where nobody is signed in by now either.
    browser.cookies.retain(|name, _| !name.ends_with("session"));
    browser.submit_login(&page, "alice", PASSWORD).await.assert_page(410, "already_handled");
    assert_eq!(server.database.count("sessions").await, 1);
}

/// Of any number of logins at once in one browser one goes on with the session; the others come with a cookie that is dead
/// by then, and begin their own. Each cookie opens what it was given for.
#[tokio::test]
async fn of_logins_at_once_one_goes_on_with_the_session() {
    let server = Server::with(|config| {
        config.limits.password_hashes = 8;
        config.limits.login_per_account = 100;
    })
    .await;
    let mut browser = server.signed_in("alice").await;
    let mut challenges = Vec::new();
    for _ in 0..32 {
        let page = browser.authorize(&Authorize::web().set("prompt", "login")).await;
        challenges.push(page.field("login_challenge"));
    }
    let answers = race(32, |racer| {
        let fields = [("login_challenge", challenges[racer].as_str()), ("email", "alice"), ("password", PASSWORD)];
        browser.submit(&server.url("/login"), &fields)
    })
    .await;
    for answer in answers {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let mut tab = browser.copy();
        tab.keep(&answer);
        assert!(is_signed_in(&mut tab).await);
    }
    assert_eq!(server.database.count("sessions").await, 32);
    assert!(!is_signed_in(&mut browser).await);
}

/// Two tabs of one browser go their ways side by side, also where the person signs in in both.
#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let one = browser.authorize(&Authorize::web()).await;
    let two = browser.authorize(&Authorize::of("two", "https://two.example/cb")).await;
    let one = browser.login(&one, "alice", PASSWORD, false).await;
    let two = browser.login(&two, "alice", PASSWORD, false).await;
    let two = browser.consent(&two, &["openid"], false).await;
    let one = browser.consent(&one, &["openid"], false).await;
    let code = |answer: &Answer| answer.parameter("code").unwrap_or_else(|| panic!("{}", answer.body));
    assert_eq!(server.token(&code(&one)).await.status, 200);
    assert_eq!(
        server.redeem("two", &code(&two), "https://two.example/cb", Some(crate::support::VERIFIER)).await.status,
        200
    );
}

/// Two tabs, two people: the page that one of them was asked on is not the other's to answer.
#[tokio::test]
async fn a_page_asked_of_one_person_is_not_answered_by_another() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let one = browser.authorize(&Authorize::web()).await;
    let two = browser.authorize(&Authorize::of("two", "https://two.example/cb")).await;
    let of_alice = browser.login(&one, "alice", PASSWORD, false).await;
    let of_bob = browser.login(&two, "bob", PASSWORD, false).await;
    browser.submit_consent(&of_alice, &["openid"]).await.assert_page(403, "request_forbidden");
    let page = format!("/consent?consent_challenge={}", of_alice.field("consent_challenge"));
    browser.get(&server.url(&page)).await.assert_page(403, "request_forbidden");
    assert!(browser.consent(&of_bob, &["openid"], false).await.parameter("code").is_some());
}

/// The session ends between login and consent: nothing is granted.
#[tokio::test]
async fn a_session_that_ended_meanwhile_grants_nothing() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let to_consent = browser.submit_login(&page, "alice", PASSWORD).await.location().unwrap();
    let page = browser.get(&to_consent).await;
    let page = browser.follow(page).await;
    let mut tab = browser.copy();
    tab.logout().await;
    // With the cookie that the other tab cleared, and with one kept from before.
    browser.submit_consent(&page, &["openid"]).await.assert_page(403, "request_forbidden");
    tab.submit_consent(&page, &["openid"]).await.assert_page(403, "request_forbidden");
    // The login's redirect finds nobody and asks again, in a flow of its own.
    let again = browser.get(&to_consent).await;
    let again = browser.follow(again).await;
    assert!(again.has_field("login_challenge"), "{}", again.body);
    let consent = browser.login(&again, "alice", PASSWORD, false).await;
    assert!(browser.consent(&consent, &["openid"], false).await.parameter("code").is_some());
}

/// The session ends between the consent and its redirect.
#[tokio::test]
async fn a_session_that_ended_after_the_consent_gives_no_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    let verifier = browser.submit_consent(&page, &["openid"]).await.location().unwrap();
    browser.copy().logout().await;
    browser.get(&verifier).await.assert_back(&server, 302, "login_required");
    assert_eq!(server.database.count("grants").await, 0);
}

/// An operator disables a person in the middle of a flow.
#[tokio::test]
async fn a_person_disabled_meanwhile_gets_no_further() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let kept = tokens(&server, &mut browser, OFFLINE).await;
    let code = browser.code(&Authorize::web(), "alice").await;
    let page = browser.authorize(&Authorize::web().set("prompt", "consent")).await;
    disable(&server, "alice").await;
    browser.submit_consent(&page, &["openid"]).await.assert_page(403, "request_forbidden");
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &kept).await;
    assert!(!is_signed_in(&mut browser).await);
    let page = browser.authorize(&Authorize::web()).await;
    let answer = browser.submit_login(&page, "alice", PASSWORD).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("The name or the password is not right"), "{}", answer.body);
}

/// Disabled between the password and its redirect.
#[tokio::test]
async fn a_person_disabled_right_after_the_login_has_to_sign_in_again() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let verifier = browser.submit_login(&page, "alice", PASSWORD).await.location().unwrap();
    disable(&server, "alice").await;
    let answer = browser.get(&verifier).await;
    let answer = browser.follow(answer).await;
    assert!(answer.has_field("login_challenge"), "{}", answer.body);
}

/// OWASP ASVS 3.3: a new password ends every session and grant, `offline_access` or not.
#[tokio::test]
async fn lc_32_a_new_password_ends_sessions_and_grants() {
    let server = Server::start().await;
    let mut stolen = server.signed_in("alice").await;
    let (online, offline) = (tokens(&server, &mut stolen, "openid").await, tokens(&server, &mut stolen, OFFLINE).await);
    let mut of_bob = server.signed_in("bob").await;
    let alice = server.subject("alice").await;
    let app = server.app();
    let hash = app.guard.passwords.hash(&hydrant::secret::Secret::new("another long password")).await.unwrap();
    app.store.set_password(&alice, &hash, server.ending()).await.unwrap();
    assert!(!is_signed_in(&mut stolen).await);
    assert_dead(&server, &online).await;
    assert_dead(&server, &offline).await;
    assert!(is_signed_in(&mut of_bob).await, "another person is not touched");
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    assert_eq!(browser.submit_login(&page, "alice", PASSWORD).await.status, 400);
    assert_eq!(browser.submit_login(&page, "alice", "another long password").await.status, 303);
}

/// A cookie that was copied before the logout is worth nothing after it.
#[tokio::test]
async fn lc_32_a_stolen_cookie_is_dead_after_logout() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    browser.login(&page, "alice", PASSWORD, true).await;
    let mut thief = browser.copy();
    assert!(is_signed_in(&mut thief).await);
    browser.logout().await;
    assert!(browser.cookie("session").is_none());
    assert!(!is_signed_in(&mut thief).await);
}

/// Logout ends what was not meant to outlive the session, and codes on their way; `offline_access` stays.
#[tokio::test]
async fn logout_revokes_what_was_not_granted_for_offline() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let online = tokens(&server, &mut browser, "openid").await;
    let mut elsewhere = server.signed_in("alice").await;
    let other = tokens(&server, &mut elsewhere, "openid").await;
    let offline = tokens(&server, &mut browser, OFFLINE).await;
    let code = browser.code(&Authorize::web().set("scope", OFFLINE), "alice").await;
    browser.logout().await;
    assert_dead(&server, &online).await;
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(&offline.access_token).await.status, 200);
    assert_eq!(server.refresh("web", offline.refresh()).await.status, 200);
    assert_eq!(server.userinfo(&other.access_token).await.status, 200, "the other browser's session");
}

/// Casdoor's overwrite: a session that is being ended never comes back, whatever goes on meanwhile.
#[tokio::test]
async fn lo_16_a_session_does_not_survive_a_race_with_its_logout() {
    let server = Server::start().await;
    for round in 0..8 {
        let mut browser = server.signed_in("alice").await;
        let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
        let page = browser.follow(page).await;
        let challenge = page.field("logout_challenge");
        let barrier = tokio::sync::Barrier::new(5);
        let leaving = async {
            let mut tab = browser.copy();
            barrier.wait().await;
            let fields = [("logout_challenge", challenge.as_str()), ("action", "accept")];
            tab.post(&server.url("/logout"), &fields).await
        };
        let asking = (0..4).map(|_| async {
            let mut tab = browser.copy();
            barrier.wait().await;
            tab.authorize(&Authorize::web()).await.parameter("code")
        });
        let (left, codes) = futures_util::join!(leaving, futures_util::future::join_all(asking));
        assert_eq!(left.status, 303);
        assert!(!is_signed_in(&mut browser).await, "round {round}");
        for code in codes.into_iter().flatten() {
            server.token(&code).await.assert_error(400, "invalid_grant");
        }
    }
}
