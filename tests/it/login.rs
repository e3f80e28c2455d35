//! The login page: who may send its form, in which browser, how often; OpenID Connect Core section 3.1.2.3.

use std::time::Instant;

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

/// The fields of a login form that would do.
fn fields<'a>(challenge: &'a str, username: &'a str, password: &'a str) -> [(&'static str, &'a str); 4] {
    [("login_challenge", challenge), ("email", username), ("password", password), ("action", "accept")]
}

async fn login_form(server: &Server, browser: &mut Browser<'_>) -> Answer {
    let page = browser.authorize(&Authorize::web()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.has_field("login_challenge"));
    assert!(browser.cookie("session").is_none(), "{}", server.issuer);
    page
}

/// OWASP cross-site request forgery: a form that another site sends changes nothing, whatever it knows.
#[tokio::test]
async fn lc_01_a_form_from_another_site_is_refused() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let challenge = page.field("login_challenge");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "http://127.0.0.1"),
    ] {
        let form = server.http.post(server.url("/login")).form(&fields(&challenge, "alice", PASSWORD));
        let answer = browser.send(form.header(name, value)).await;
        answer.assert_page(403, "request_forbidden");
        assert!(browser.cookie("session").is_none(), "{name}: {value}");
    }
    let answer = browser.login(&page, "alice", PASSWORD, false).await;
    assert!(answer.has_field("consent_challenge"), "nothing had changed: {}", answer.body);
    let challenge = answer.field("consent_challenge");
    let form = [("consent_challenge", challenge.as_str()), ("grant_scope", "openid"), ("action", "accept")];
    for action in ["accept", "reject", "switch"] {
        let form = [form[0], form[1], ("action", action)];
        let form = server.http.post(server.url("/consent")).form(&form).header("sec-fetch-site", "cross-site");
        browser.send(form).await.assert_page(403, "request_forbidden");
    }
    let answer = browser.consent(&answer, &["openid"], false).await;
    assert!(answer.parameter("code").is_some(), "nothing had changed: {}", answer.body);
}

/// A form's fields in the URL are no form: only the page is shown.
#[tokio::test]
async fn lc_01_a_login_in_the_url_signs_nobody_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let challenge = page.field("login_challenge");
    let query = format!("/login?login_challenge={challenge}&email=alice&password=correct+horse+battery&action=accept");
    let answer = browser.get(&server.url(&query)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.has_field("login_challenge") && browser.cookie("session").is_none());
    let consent = browser.login(&page, "alice", PASSWORD, false).await;
    let challenge = consent.field("consent_challenge");
    let query = format!("/consent?consent_challenge={challenge}&grant_scope=openid&action=accept");
    let answer = browser.get(&server.url(&query)).await;
    assert!(answer.status == 200 && answer.has_field("consent_challenge"), "{}", answer.body);
}

/// CWE-352: nobody is signed in to an attacker's account by the attacker's form.
#[tokio::test]
async fn lc_02_an_attackers_challenge_does_not_sign_a_victim_in() {
    let server = Server::start().await;
    let mut attacker = server.browser();
    let page = login_form(&server, &mut attacker).await;
    let challenge = page.field("login_challenge");
    let fields = fields(&challenge, "bob", PASSWORD);
    // Without any cookie, and with those of another browser.
    let mut stranger = server.browser();
    stranger.post(&server.url("/login"), &fields).await.assert_page(403, "request_forbidden");
    assert!(stranger.cookies.is_empty());
    let mut victim = server.browser();
    login_form(&server, &mut victim).await;
    victim.post(&server.url("/login"), &fields).await.assert_page(403, "request_forbidden");
    assert!(victim.cookie("session").is_none());
}

/// CVE-2022-39222 (Dex): a challenge or verifier is worth nothing in another browser.
#[tokio::test]
async fn lc_07_a_stolen_challenge_opens_in_no_other_browser() {
    let server = Server::start().await;
    let mut alice = server.browser();
    let page = login_form(&server, &mut alice).await;
    let login = format!("/login?login_challenge={}", page.field("login_challenge"));
    let mut thief = server.signed_in("bob").await;
    thief.get(&server.url(&login)).await.assert_page(403, "request_forbidden");
    server.browser().get(&server.url(&login)).await.assert_page(403, "request_forbidden");

    let verifier = alice.submit_login(&page, "alice", PASSWORD).await;
    assert_eq!(verifier.status, 303);
    let verifier = verifier.location().unwrap();
    thief.get(&verifier).await.assert_page(403, "request_forbidden");
    let page = alice.get(&verifier).await;
    let page = alice.follow(page).await;
    let consent = format!("/consent?consent_challenge={}", page.field("consent_challenge"));
    thief.get(&server.url(&consent)).await.assert_page(403, "request_forbidden");
    thief.submit_consent(&page, &["openid"]).await.assert_page(403, "request_forbidden");

    let verifier = alice.submit_consent(&page, &["openid"]).await.location().unwrap();
    thief.get(&verifier).await.assert_page(403, "request_forbidden");
    server.browser().get(&verifier).await.assert_page(403, "request_forbidden");
    assert!(alice.get(&verifier).await.parameter("code").is_some());
}

/// Hydra's double submit, CVE-2025-46815: every step of a flow is taken once, and it ends in one code.
#[tokio::test]
async fn lc_08_no_step_is_taken_twice() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = login_form(&server, &mut browser).await;
    let to_consent = browser.submit_login(&login, "alice", PASSWORD).await.location().unwrap();
    // The back button, and the button again.
    let again = browser.submit_login(&login, "alice", PASSWORD).await;
    again.assert_page(410, "request_already_handled");
    assert_eq!(server.database.count("sessions").await, 1, "the refused login left no session");
    let consent = browser.get(&to_consent).await;
    let consent = browser.follow(consent).await;
    let to_client = browser.submit_consent(&consent, &["openid"]).await.location().unwrap();
    browser.submit_consent(&consent, &["openid"]).await.assert_page(410, "request_already_handled");
    let answer = browser.get(&to_client).await;
    let code = answer.parameter("code").unwrap();
    for used in [&to_client, &to_client] {
        browser.get(used).await.assert_page(410, "request_already_handled");
    }
    // The login's redirect leads to the consent page again, and no further.
    let answer = browser.get(&to_consent).await;
    let answer = browser.follow(answer).await;
    browser.submit_consent(&answer, &["openid"]).await.assert_page(410, "request_already_handled");
    assert_eq!(server.database.count("grants").await, 1);
    assert_eq!(server.token(&code).await.status, 200, "the one code is as good as ever");
}

/// 32 at once take the same step: one code.
#[tokio::test]
async fn lc_08_of_racing_redirects_one_has_the_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let login = login_form(&server, &mut browser).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let verifier = browser.submit_consent(&consent, &["openid"]).await.location().unwrap();
    let barrier = tokio::sync::Barrier::new(32);
    let racers = (0..32).map(|_| async {
        let mut racer = browser.copy();
        barrier.wait().await;
        racer.get(&verifier).await
    });
    let answers = futures_util::future::join_all(racers).await;
    let codes = answers.iter().filter(|answer| answer.parameter("code").is_some()).count();
    assert_eq!(codes, 1);
    for answer in answers.iter().filter(|answer| answer.location().is_none()) {
        answer.assert_page(410, "request_already_handled");
    }
    assert_eq!(server.database.count("grants").await, 1);
}

/// GHSA-xg6x-h9c9-2m83: the kind of a challenge says which step it is for; there is no other order.
#[tokio::test]
async fn lc_10_steps_out_of_order_lead_nowhere() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let challenge = page.field("login_challenge");
    for path in [
        format!("/consent?consent_challenge={challenge}"),
        format!("/logout?logout_challenge={challenge}"),
        format!("/oauth2/auth?login_verifier={challenge}"),
        format!("/oauth2/auth?consent_verifier={challenge}"),
        format!("/oauth2/auth?login_verifier={challenge}&client_id=web&prompt=none"),
    ] {
        browser.get(&server.url(&path)).await.assert_page(404, "not_found");
    }
    let fields = [("consent_challenge", challenge.as_str()), ("grant_scope", "openid"), ("action", "accept")];
    browser.post(&server.url("/consent"), &fields).await.assert_page(404, "not_found");
    assert!(browser.cookie("session").is_none());
    assert_eq!((server.database.count("grants").await, server.database.count("interactions").await), (0, 0));
}

/// A person who turns back: the client is told, and the flow is over.
#[tokio::test]
async fn a_refused_login_goes_back_to_the_client() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let challenge = page.field("login_challenge");
    let fields = [("login_challenge", challenge.as_str()), ("action", "reject")];
    let answer = browser.post(&server.url("/login"), &fields).await;
    let answer = browser.follow(answer).await;
    answer.assert_back(&server, 302, "access_denied");
    assert_eq!(answer.parameter("state").unwrap(), "state-0123456789-0123456789-0123");
    browser.submit_login(&page, "alice", PASSWORD).await.assert_page(410, "request_already_handled");
}

/// A challenge has its time, `ttl.login_consent_request`.
#[tokio::test]
async fn a_challenge_expires() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    server.pass(30 * 60 - 1);
    let consent = browser.login(&page, "alice", PASSWORD, false).await;
    assert!(consent.has_field("consent_challenge"), "{}", consent.body);
    server.pass(1);
    browser.submit_consent(&consent, &["openid"]).await.assert_page(410, "request_already_handled");
    browser.submit_login(&page, "alice", PASSWORD).await.assert_page(410, "request_already_handled");
}

/// A length is checked before anything is hashed; nothing is cut off.
#[tokio::test]
async fn lc_25_a_password_is_taken_whole_or_not_at_all() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let long = "x".repeat(1024);
    let longer = "x".repeat(60_000);
    let tail = format!("{PASSWORD}{long}");
    for password in ["", "1", "12345678", &"é".repeat(72), &long, &longer, &tail, "correct horse batter"] {
        let answer = browser.submit_login(&page, "alice", password).await;
        assert_eq!(answer.status, 400, "{} bytes: {}", password.len(), answer.body);
        assert!(answer.body.contains("The name or the password is not right"), "{}", answer.body);
    }
    let started = Instant::now();
    assert_eq!(browser.submit_login(&page, "alice", &"x".repeat(1 << 20)).await.status, 413);
    assert!(started.elapsed().as_millis() < 500);
    let nul = browser.submit_login(&page, "alice", "correct\0horse").await;
    nul.assert_page(400, "invalid_request");
    assert!(browser.login(&page, "alice", PASSWORD, false).await.has_field("consent_challenge"));
}

/// What stands in the database is input too: parameters that would stop the server are a wrong password.
#[tokio::test]
async fn lc_26_a_hash_with_absurd_parameters_is_a_wrong_password() {
    let server = Server::with(|config| config.limits.login_per_account = 100).await;
    let alice = server.subject("alice").await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let tail = "c29tZXNhbHRzb21lc2FsdA$hPqYwTYK5ZhE8vL4MdDqO6W9nq0nG3yq8yyl6cXZ0hI";
    for stored in [
        format!("$argon2id$v=19$m=4194304,t=2,p=1${tail}"),
        format!("$argon2id$v=19$m=19456,t=1000000,p=1${tail}"),
        format!("$argon2id$v=19$m=19456,t=2,p=255${tail}"),
        format!("$scrypt$v=19$m=19456,t=2,p=1${tail}"),
        String::new(),
        "correct horse battery".to_owned(),
    ] {
        server.app().store.set_password(&alice, &stored, server.ending()).await.unwrap();
        let started = Instant::now();
        let answer = browser.submit_login(&page, "alice", PASSWORD).await;
        assert_eq!(answer.status, 400, "{stored}: {}", answer.body);
        assert!(answer.body.contains("The name or the password is not right"), "{stored}");
        assert!(started.elapsed().as_secs() < 2, "{stored}");
    }
}

/// Nothing that a request names is followed but what the server itself made or a client registered.
#[tokio::test]
async fn lc_28_no_parameter_leads_away() {
    let server = Server::start().await;
    for target in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "https://evil.example/",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        for name in ["return_to", "next", "redirect", "redirect_uri", "post_logout_redirect_uri"] {
            let mut browser = server.browser();
            let answer = browser.get(&server.url(&format!("/oauth2/sessions/logout?{name}={encoded}"))).await;
            assert_eq!(answer.location().unwrap(), server.url("/logout/done"), "{name}={target}");
            let answer = browser.get(&server.url(&format!("/logout/done?{name}={encoded}"))).await;
            assert!(answer.status == 200 && !answer.body.contains("evil"), "{name}={target}");
            let answer = browser.get(&server.url(&format!("/login?{name}={encoded}"))).await;
            answer.assert_page(400, "invalid_request");
            assert!(!answer.body.contains("evil"), "{name}={target}");
        }
        let mut browser = server.browser();
        let answer = browser.authorize(&Authorize::web().set("redirect_uri", target)).await;
        answer.assert_page(400, "invalid_request");
        assert!(!answer.body.contains("evil"), "{target}");
        // Beside a good request, as a field of the form too.
        let page = browser.authorize(&Authorize::web().set("next", target)).await;
        let challenge = page.field("login_challenge");
        let mut form = fields(&challenge, "alice", PASSWORD).to_vec();
        form.push(("return_to", target));
        let answer = browser.post(&server.url("/login"), &form).await;
        assert!(answer.location().unwrap().starts_with(&server.url("/oauth2/auth?login_verifier=")), "{target}");
    }
}

/// A locale that nobody speaks is no reason to turn anybody away.
#[tokio::test]
async fn lc_29_languages_are_never_an_error() {
    let server = Server::start().await;
    let long = "en".repeat(1000);
    for locale in ["../../etc/passwd", "xx-XX", "de fr", &long, "'; DROP TABLE users; --"] {
        let mut browser = server.browser();
        let request = Authorize::web().set("ui_locales", locale);
        let get = server.http.get(request.url(&server)).header("accept-language", locale);
        let answer = browser.send(get).await;
        let page = browser.follow(answer).await;
        assert!(page.status == 200 && page.has_field("login_challenge"), "{locale}: {}", page.body);
        assert!(!page.body.contains("passwd"));
        assert!(browser.login(&page, "alice", PASSWORD, false).await.has_field("consent_challenge"), "{locale}");
    }
}

/// `login_hint` fills in the field, as text.
#[tokio::test]
async fn a_login_hint_is_text_in_the_field() {
    let server = Server::start().await;
    let request = Authorize::web().set("login_hint", "\"><script>alert(1)</script>");
    let page = server.browser().authorize(&request).await;
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(page.body.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""), "{}", page.body);
}

/// A request that was made twice in one form is two requests.
#[tokio::test]
async fn a_field_given_twice_is_refused() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = login_form(&server, &mut browser).await;
    let challenge = page.field("login_challenge");
    let mut form = fields(&challenge, "alice", PASSWORD).to_vec();
    form.push(("email", "bob"));
    browser.post(&server.url("/login"), &form).await.assert_page(400, "invalid_request");
    assert!(browser.cookie("session").is_none());
}
