//! Whether a person is asked again: `prompt`, `max_age` and `id_token_hint`, OpenID Connect Core section 3.1.2.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

/// The ID token's claims of an answer that has a code.
async fn claims(server: &Server, answer: &Answer) -> Map<String, Value> {
    let code = answer.parameter("code").unwrap_or_else(|| panic!("{} {:?}", answer.status, answer.location()));
    server.token(&code).await.tokens().claims()
}

async fn ask(browser: &mut Browser<'_>, name: &str, value: &str) -> Answer {
    browser.authorize(&Authorize::web().set(name, value)).await
}

/// An ID token of `web` for a person.
async fn id_token(server: &Server, username: &str) -> String {
    let code = server.browser().code(&Authorize::web(), username).await;
    server.token(&code).await.tokens().id_token.unwrap()
}

/// AZ-20, OpenID Connect Core section 3.1.2.6: an error at once, and nothing is begun. A form without cookies may have
/// come from another site: the browser is let come by itself, and then it is the same.
#[tokio::test]
async fn az_20_silently_nobody_is_signed_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let asked = server.ask(&Authorize::web().set("prompt", "none")).await;
    let posted = browser.follow(asked.post).await;
    for answer in [asked.get, posted] {
        answer.assert_back(&server, 302, "login_required");
        assert!(answer.body.is_empty() && !answer.headers.contains_key("set-cookie"), "{:?}", answer.headers);
    }
    assert!(browser.cookies.is_empty());
}

/// AZ-20: a session that ended is none.
#[tokio::test]
async fn az_20_silently_after_the_session_there_is_no_answer() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    assert!(ask(&mut browser, "prompt", "none").await.parameter("code").is_some());
    server.pass(server.config().accounts.unremembered_session.as_secs());
    ask(&mut browser, "prompt", "none").await.assert_back(&server, 302, "login_required");
    assert!(browser.authorize(&Authorize::web()).await.has_field("login_challenge"));
}

/// conformance.md section 1: `prompt=none` with a session is the same person, signed in at the same time.
#[tokio::test]
async fn silently_the_same_person_at_the_same_time() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let first = browser.journey(&Authorize::web(), "alice").await;
    let first = claims(&server, &first).await;
    server.pass(100);
    let silent = browser.get(&Authorize::web().set("prompt", "none").url(&server)).await;
    let silent = claims(&server, &silent).await;
    assert_eq!(
        (&silent["sub"], &silent["auth_time"], &silent["sid"]),
        (&first["sub"], &first["auth_time"], &first["sid"])
    );
    assert_eq!(silent["iat"].as_i64(), first["iat"].as_i64().map(|at| at + 100));
}

/// OpenID Connect Core section 3.1.2.6: who has not consented is not asked silently, and never consents so.
#[tokio::test]
async fn silently_nobody_consents() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let more = Authorize::web().set("scope", "openid email").set("prompt", "none");
    browser.authorize(&more).await.assert_back(&server, 302, "consent_required");
    assert!(browser.authorize(&more.set("prompt", "")).await.has_field("consent_challenge"));
}

/// AZ-22: `none` stands alone, and words are what the specification says, letter for letter.
#[tokio::test]
async fn az_22_contradictory_and_unknown_prompts_are_refused() {
    let server = Server::start().await;
    for prompt in
        ["none login", "login none", "none consent", "none select_account", "foo", "login foo", "NONE", "create"]
    {
        server.assert_back(&Authorize::web().set("prompt", prompt), "invalid_request").await;
    }
}

/// conformance.md section 1: `prompt=login` shows a login, which moves `auth_time`.
#[tokio::test]
async fn prompt_login_asks_again() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let first = browser.journey(&Authorize::web(), "alice").await;
    let first = claims(&server, &first).await;
    for prompt in ["login", "select_account", "login consent"] {
        server.pass(100);
        let page = ask(&mut browser, "prompt", prompt).await;
        let mut answer = browser.login(&page, "alice", PASSWORD, false).await;
        if prompt.contains("consent") {
            answer = browser.consent(&answer, &["openid"], true).await;
        }
        let again = claims(&server, &answer).await;
        assert_eq!(again["sub"], first["sub"], "{prompt}");
        assert_eq!(again["auth_time"].as_i64(), Some(server.clock.now().seconds()), "{prompt}");
        assert_eq!(again["sid"], first["sid"], "{prompt}: it is the same session");
    }
}

/// OpenID Connect Core section 3.1.2.1: `prompt=consent` asks again for what was granted before.
#[tokio::test]
async fn prompt_consent_asks_again() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = ask(&mut browser, "prompt", "consent").await;
    assert!(page.has_field("consent_challenge"), "{} {:?}", page.status, page.location());
    let answer = browser.consent(&page, &["openid"], false).await;
    assert!(answer.parameter("code").is_some());
}

/// AZ-23: a whole number of seconds; nothing that some parser would also read as one.
#[tokio::test]
async fn az_23_max_age_is_a_whole_number() {
    let server = Server::start().await;
    for text in ["-1", "1.5", "1e3", "99999999999999999999", "0x10", "+1", " 1", "1 ", "١", "null", "1,000"] {
        server.assert_back(&Authorize::web().set("max_age", text), "invalid_request").await;
    }
}

/// AZ-23, conformance.md section 1: `max_age` is honoured, and 0 asks for a login each time.
#[tokio::test]
async fn az_23_max_age_is_honoured() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let first = browser.journey(&Authorize::web(), "alice").await;
    let first = claims(&server, &first).await;
    server.pass(2);
    for age in ["15000", "10000", "4294967295", "3"] {
        let answer = ask(&mut browser, "max_age", age).await;
        assert_eq!(claims(&server, &answer).await["auth_time"], first["auth_time"], "{age}");
    }
    for age in ["1", "2", "0"] {
        let page = ask(&mut browser, "max_age", age).await;
        assert!(page.has_field("login_challenge"), "{age}: {:?}", page.location());
        let silent = Authorize::web().set("max_age", age).set("prompt", "none");
        browser.authorize(&silent).await.assert_back(&server, 302, "login_required");
    }
    let page = ask(&mut browser, "max_age", "1").await;
    let answer = browser.login(&page, "alice", PASSWORD, false).await;
    let again = claims(&server, &answer).await;
    assert_eq!(again["auth_time"].as_i64(), first["auth_time"].as_i64().map(|at| at + 2));
    assert!(ask(&mut browser, "max_age", "0").await.has_field("login_challenge"), "signed in this very second");
}

fn forged(token: &str, header: &Value) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[0] = URL_SAFE_NO_PAD.encode(header.to_string());
    parts.join(".")
}

/// AZ-25: what is no ID token of ours is no hint.
#[tokio::test]
async fn az_25_a_forged_hint_is_refused() {
    let server = Server::start().await;
    let stranger = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let genuine = id_token(&server, "alice").await;
    let kid = server.jwks().await["keys"][0]["kid"].clone();
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let access_token = server.tokens_with("openid").await.access_token;
    let (head, rest) = genuine.split_once('.').unwrap();
    let claims = rest.split('.').next().unwrap();
    let other_claims = URL_SAFE_NO_PAD
        .encode(String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap().replace("\"aud\"", "\"azp\""));
    for (what, hint) in [
        ("signature", format!("{signed}.{flipped}{}", &signature[1..])),
        ("no signature", format!("{signed}.")),
        ("claims", format!("{head}.{other_claims}.{signature}")),
        ("alg none", format!("{}.", forged(signed, &serde_json::json!({ "alg": "none" })))),
        ("alg none, signed", forged(&genuine, &serde_json::json!({ "alg": "none", "kid": kid }))),
        ("alg HS256", forged(&genuine, &serde_json::json!({ "alg": "HS256", "kid": kid }))),
        ("another server's", id_token(&stranger, "alice").await),
        ("an access token", access_token),
        ("garbage", "x.y.z".to_owned()),
        ("10 KiB", "a".repeat(10 * 1024)),
    ] {
        let request = Authorize::web().set("id_token_hint", &hint);
        browser.authorize(&request).await.assert_back(&server, 302, "invalid_request");
        let answer = browser.authorize(&request.set("prompt", "none")).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{what}");
    }
}

/// AZ-25: a key that both share does not make another issuer's token ours.
#[tokio::test]
async fn az_25_a_hint_of_another_issuer_is_refused() {
    let server = Server::start().await;
    let other = Server::on(server.database.clone(), server.clock.clone(), |_| {}).await;
    assert_eq!(server.jwks().await, other.jwks().await);
    let hint = id_token(&other, "alice").await;
    server.assert_back(&Authorize::web().set("id_token_hint", &hint), "invalid_request").await;
}

/// AZ-25, OpenID conformance `oidcc-id-token-hint`: silent for the one it names, however old it is.
#[tokio::test]
async fn az_25_a_genuine_hint_is_silent() {
    let server = Server::start().await;
    let hint = id_token(&server, "alice").await;
    server.pass(2 * server.config().ttl.id_token.as_secs());
    let mut browser = server.signed_in("alice").await;
    let answer = browser.authorize(&Authorize::web().set("prompt", "none").set("id_token_hint", &hint)).await;
    assert_eq!(claims(&server, &answer).await["sub"], server.subject("alice").await.as_str());
}

/// AZ-25: neither the tokens of the one it names nor of the one who is here.
#[tokio::test]
async fn az_25_the_hint_of_somebody_else_gets_nobodys_tokens() {
    let server = Server::start().await;
    let hint = id_token(&server, "bob").await;
    let mut browser = server.signed_in("alice").await;
    let request = Authorize::web().set("id_token_hint", &hint);
    let silent = request.clone().set("prompt", "none");
    browser.authorize(&silent).await.assert_back(&server, 302, "login_required");
    let page = browser.authorize(&request).await;
    let answer = browser.login(&page, "alice", PASSWORD, false).await;
    answer.assert_back(&server, 302, "login_required");
    let page = browser.authorize(&request).await;
    let mut answer = browser.login(&page, "bob", PASSWORD, false).await;
    if answer.has_field("consent_challenge") {
        answer = browser.consent(&answer, &["openid"], true).await;
    }
    assert_eq!(claims(&server, &answer).await["sub"], server.subject("bob").await.as_str());
}
