//! The authorization code grant through HTTP: RFC 6749 section 4.1, RFC 7636.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, dynamic_filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::support::{Answer, Authorize, PASSWORD, SECRET, Server, VERIFIER, challenge_of};

const CALLBACK: &str = "https://rp.example/cb";

/// The main job: a person signs in, and the client learns who it is.
#[tokio::test]
async fn a_person_signs_in_to_a_client() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline_access email"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("bearer", 3600));
    let subject = server.subject("alice").await;
    assert_eq!(tokens.claims()["sub"], subject.as_str());
    assert!(tokens.refresh_token.is_some());
    let userinfo = server.userinfo(&tokens.access_token).await;
    assert_eq!(
        userinfo.json(),
        serde_json::json!({ "sub": subject, "email": "alice@example.com", "email_verified": true })
    );
}

/// RFC 6749 section 4.1.2: "The client MUST NOT use the authorization code more than once." What the first time gave
/// dies with the second, also what it was refreshed to meanwhile; at once and later.
#[tokio::test]
async fn cp_01_a_replayed_code_revokes_what_it_gave() {
    let server = Server::start().await;
    for later in [0, 1, 30] {
        let code = server.code_for(&Authorize::web().set("scope", "openid offline")).await;
        let first = server.token(&code).await.tokens();
        let second = server.refresh("web", first.refresh()).await.tokens();
        assert!(server.introspect(&second.access_token).await.active);
        server.pass(later);
        server.token(&code).await.assert_error(400, "invalid_grant");
        for token in [&first.access_token, &second.access_token, second.refresh()] {
            assert!(!server.introspect(token).await.active, "after {later} s");
        }
        assert_eq!(server.userinfo(&second.access_token).await.error(), (401, "invalid_token".to_owned()));
        server.refresh("web", second.refresh()).await.assert_error(400, "invalid_grant");
    }
}

/// The operator may let the repeat of an honest client do no harm (decision D14); later it is a replay.
#[tokio::test]
async fn cp_04_a_repeat_within_the_operators_grace_does_no_harm() {
    let server = Server::with(|config| config.oauth2.code_replay_grace = Duration::from_secs(10)).await;
    let code = server.code_for(&Authorize::web().set("scope", "openid offline")).await;
    let tokens = server.token(&code).await.tokens();
    server.pass(10);
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert!(server.introspect(&tokens.access_token).await.active);
    assert!(server.introspect(tokens.refresh()).await.active);
    server.pass(1);
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(&tokens.access_token).await.active);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
}

/// RFC 6749 section 4.1.3: the code was issued to the client that presents it. A thief can not void it either.
#[tokio::test]
async fn cp_05_another_clients_code_is_refused_and_not_spent() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    for _ in 0..4 {
        for uri in [CALLBACK, "https://evil.example/cb"] {
            server.redeem("evil", &code, uri, Some(VERIFIER)).await.assert_error(400, "invalid_grant");
            server.redeem("spa", &code, uri, Some("x")).await.assert_error(400, "invalid_grant");
        }
    }
    let tokens = server.token(&code).await.tokens();
    // Neither is its replay by another client anybody's but the other client's concern.
    server.redeem("evil", &code, CALLBACK, Some(VERIFIER)).await.assert_error(400, "invalid_grant");
    assert!(server.introspect(&tokens.access_token).await.active);
}

/// RFC 6749 section 4.1.3: `redirect_uri` is that of the authorization request, byte for byte. CP-06, RU-23.
#[tokio::test]
async fn cp_06_the_redirect_uri_is_the_one_of_the_request() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::of("two", "https://two.example/cb")).await;
    for uri in [
        "https://two.example/other",
        "https://two.example/cb/",
        "https://TWO.example/cb",
        "https://two.example/cb?",
        "",
    ] {
        let answer = server.redeem("two", &code, uri, Some(VERIFIER)).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()), "{uri}");
    }
    server.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
}

/// RFC 6749 section 4.1.2: a code is short-lived.
#[tokio::test]
async fn cp_06_an_expired_code_is_refused() {
    let server = Server::start().await;
    let life = server.config().ttl.auth_code.as_secs();
    let (early, late) = (server.code_for(&Authorize::web()).await, server.code_for(&Authorize::web()).await);
    server.pass(life - 1);
    server.token(&early).await.tokens();
    server.pass(1);
    server.token(&late).await.assert_error(400, "invalid_grant");
}

/// RFC 6749 section 10.10: a code can not be guessed, nor made from another.
#[tokio::test]
async fn cp_07_every_changed_byte_of_a_code_is_refused() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    server.token("").await.assert_error(400, "invalid_request");
    let mut wrong = vec![
        "x".to_owned(),
        "a".repeat(30_000),
        "höchst geheim".to_owned(),
        code[..code.len() - 1].to_owned(),
        code["hyc_".len()..].to_owned(),
        code.replacen("hyc_", "hyr_", 1),
        code.to_uppercase(),
    ];
    wrong.extend([" ", "=", "A", "AAAA", "\n", "."].map(|junk| format!("{code}{junk}")));
    wrong.extend((0..code.len()).map(|at| {
        let other = if &code[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &code[..at], &code[at + 1..])
    }));
    for wrong in &wrong {
        let answer = server.token(wrong).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()), "{wrong}");
    }
    assert!(code.len() >= 4 + 22, "at least 128 bits in base64url");
    server.token(&code).await.tokens();
}

/// RFC 6819 section 5.1.4.1.3: whoever reads the database can use nothing of it.
#[tokio::test]
async fn cp_08_nothing_in_the_database_can_be_presented() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    let next = server.refresh("web", tokens.refresh()).await.tokens();
    let mut secrets = vec![code.as_str(), &tokens.access_token, tokens.refresh(), next.refresh(), SECRET, PASSWORD];
    secrets.extend([VERIFIER, next.id_token.as_deref().unwrap()]);
    secrets.extend(browser.cookies.values().map(String::as_str));
    let dump = server.database.dump().await;
    assert!(dump.contains(server.subject("alice").await.as_str()), "the dump has nothing in it");
    for secret in secrets {
        assert!(!dump.contains(secret), "{secret}");
    }
}

/// Where the request of `spa` went.
fn assert_back_to_spa(answer: &Answer, code: &str) {
    let location = answer.location().unwrap_or_default();
    assert!(location.starts_with("https://spa.example/cb?"), "{} {location}", answer.status);
    assert_eq!(answer.parameter("error").as_deref(), Some(code), "{location}");
    assert_eq!(answer.parameter("code"), None);
}

/// RFC 9700 section 2.1.1: public clients must use PKCE.
#[tokio::test]
async fn cp_10_a_public_client_needs_a_challenge() {
    let server = Server::start().await;
    let request = Authorize::of("spa", "https://spa.example/cb");
    let bare = request.clone().without("code_challenge").without("code_challenge_method");
    assert_back_to_spa(&server.browser().authorize(&bare).await, "invalid_request");
    let code = server.code_for(&request).await;
    server.redeem("spa", &code, "https://spa.example/cb", None).await.assert_error(400, "invalid_grant");
    server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens();
}

/// Decision D15: a policy for all, or the choice of a confidential client.
#[tokio::test]
async fn cp_11_the_operator_may_ask_every_client_for_a_challenge() {
    let bare = || Authorize::web().without("code_challenge").without("code_challenge_method");
    let strict = Server::with(|config| config.oauth2.pkce_enforced = true).await;
    strict.browser().authorize(&bare()).await.assert_back(&strict, 302, "invalid_request");
    let lenient = Server::start().await;
    let code = lenient.code_for(&bare()).await;
    lenient.redeem("web", &code, CALLBACK, None).await.tokens();
}

/// RFC 7636 section 4.3: no method means `plain`, which is refused at once and by name. CP-12, CP-13, CP-14, CP-16.
#[tokio::test]
async fn cp_13_a_challenge_that_is_not_s256_is_refused_before_anyone_signs_in() {
    let server = Server::start().await;
    let good = challenge_of(VERIFIER);
    let with = |challenge: &str| Authorize::web().set("code_challenge", challenge);
    for request in [
        Authorize::web().without("code_challenge_method"),
        Authorize::web().without("code_challenge"),
        Authorize::web().set("code_challenge_method", "plain"),
        Authorize::web().set("code_challenge_method", "s256"),
        Authorize::web().set("code_challenge_method", "S512"),
        with(&good[..42]),
        with(&"a".repeat(129)),
        with(&format!("{good}=")),
        with(&format!("+/{}", &good[2..])),
        with(&format!("é{}", &good[1..])),
        with(""),
        with(VERIFIER),
    ] {
        let answer = server.browser().authorize(&request).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{}", request.query());
        answer.assert_back(&server, 302, "invalid_request");
    }
}

/// CVE-2023-48228: a verifier is asked for wherever there was a challenge, of confidential clients too. CP-18: empty is
/// absent.
#[tokio::test]
async fn cp_17_a_missing_or_empty_verifier_is_refused() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    for verifier in [None, Some("")] {
        server.redeem("web", &code, CALLBACK, verifier).await.assert_error(400, "invalid_grant");
    }
    server.token(&code).await.tokens();
}

/// RFC 9700 section 4.8.2: a verifier without a challenge is the downgrade that PKCE is to prevent.
#[tokio::test]
async fn cp_19_a_verifier_without_a_challenge_is_refused() {
    let server = Server::start().await;
    let bare = Authorize::web().without("code_challenge").without("code_challenge_method");
    let code = server.code_for(&bare).await;
    server.token(&code).await.assert_error(400, "invalid_grant");
    server.redeem("web", &code, CALLBACK, Some("x")).await.assert_error(400, "invalid_grant");
    server.redeem("web", &code, CALLBACK, None).await.tokens();
}

/// RFC 7636 sections 4.1 and 4.6.
#[tokio::test]
async fn cp_20_a_wrong_verifier_is_refused() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let wrong = VERIFIER.replace('a', "b");
    let bad = format!("{VERIFIER}!");
    let accented = format!("{VERIFIER}é");
    for verifier in [
        wrong.as_str(),
        &challenge_of(VERIFIER),
        &VERIFIER[..42],
        &"a".repeat(129),
        &bad,
        &accented,
        &VERIFIER.to_uppercase(),
    ] {
        let code = browser.code(&Authorize::web(), "alice").await;
        let answer = server.redeem("web", &code, CALLBACK, Some(verifier)).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()), "{verifier}");
        server.token(&code).await.tokens();
    }
}

/// RFC 6749 section 10.10: two mistakes are forgiven, the third kills the code. Malformed verifiers count as well.
#[tokio::test]
async fn cp_22_the_third_wrong_verifier_kills_the_code() {
    let server = Server::start().await;
    let wrong = VERIFIER.replace('a', "b");
    for verifier in [wrong.as_str(), "short"] {
        let code = server.code_for(&Authorize::web()).await;
        for _ in 0..3 {
            server.redeem("web", &code, CALLBACK, Some(verifier)).await.assert_error(400, "invalid_grant");
        }
        server.token(&code).await.assert_error(400, "invalid_grant");
    }
}

/// RFC 9700 section 2.1.1: each code answers to its own request, whatever two requests have in common.
#[tokio::test]
async fn cp_23_a_challenge_may_repeat_but_each_code_has_its_own_request() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let one = browser.code(&Authorize::web().set("nonce", "nonce-one"), "alice").await;
    let two = browser.code(&Authorize::web().set("nonce", "nonce-two"), "alice").await;
    assert_ne!(one, two);
    assert_eq!(server.token(&two).await.tokens().claims()["nonce"], "nonce-two");
    assert_eq!(server.token(&one).await.tokens().claims()["nonce"], "nonce-one");
}

/// OpenID Connect Core section 3.1.3.2: who has signed out between code and token is not signed in.
#[tokio::test]
async fn cp_25_a_code_dies_with_the_session() {
    let server = Server::start().await;
    for scope in ["openid", "openid offline_access"] {
        let request = Authorize::web().set("scope", scope);
        let mut browser = server.browser();
        let first = browser.code(&request, "alice").await;
        let first = server.token(&first).await.tokens();
        let code = browser.code(&request, "alice").await;
        let hint = first.id_token.unwrap();
        browser.get(&server.url(&format!("/oauth2/sessions/logout?id_token_hint={hint}"))).await;
        server.token(&code).await.assert_error(400, "invalid_grant");
    }
}

/// Keeps what is logged on this thread, on which everything of a test runs.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LISTENING: AtomicBool = AtomicBool::new(false);

/// RFC 6819 section 4.4.1.1: nothing that could be presented shows in the log, not even in part, at any level.
#[tokio::test]
async fn cp_26_no_secret_shows_in_the_log() {
    let kept = Kept::default();
    let writer = kept.clone();
    // What `telemetry` never lets through is left out here as well: libraries that show what is on the wire.
    let wire = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower_http"];
    let but_the_wire =
        Targets::new().with_default(LevelFilter::TRACE).with_targets(wire.map(|library| (library, LevelFilter::INFO)));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    // The threads of a server log to the one subscriber of the process. Of what other tests say there is nothing to keep.
    let while_we_listen = dynamic_filter_fn(|_, _| LISTENING.load(Ordering::Relaxed));
    let lines = tracing_subscriber::registry().with(layer.with_filter(but_the_wire.and(while_we_listen)));
    tracing::subscriber::set_global_default(lines).expect("this test alone has a subscriber");
    LISTENING.store(true, Ordering::Relaxed);

    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    let next = server.refresh("web", tokens.refresh()).await.tokens();
    server.userinfo(&next.access_token).await;
    server.introspect(&next.access_token).await;
    let wrong = VERIFIER.replace('a', "b");
    let other = browser.code(&Authorize::web(), "alice").await;
    server.redeem("web", &other, CALLBACK, Some(&wrong)).await;
    server.token(&code).await;
    server.refresh("web", tokens.refresh()).await;
    server.revoke("evil", next.refresh()).await;
    let hint = next.id_token.clone().unwrap();
    browser.get(&server.url(&format!("/oauth2/sessions/logout?id_token_hint={hint}"))).await;
    server.get(&format!("/oauth2/token?client_secret={SECRET}")).await;

    LISTENING.store(false, Ordering::Relaxed);
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("/oauth2/token") && log.contains("replayed"), "nothing was logged: {log}");
    let mut secrets = vec![code, other, tokens.access_token.clone(), tokens.refresh().to_owned(), hint];
    secrets.extend([next.access_token.clone(), next.refresh().to_owned(), VERIFIER.to_owned(), wrong]);
    secrets.extend([SECRET.to_owned(), PASSWORD.to_owned()]);
    secrets.extend(browser.cookies.values().cloned());
    for secret in secrets {
        // The first characters tell the kind and the key.
        let parts = secret.as_bytes().chunks(16).skip(usize::from(secret.len() > 40));
        for part in parts.filter(|part| part.len() == 16).map(|part| std::str::from_utf8(part).unwrap()) {
            let line = log.lines().find(|line| line.contains(part));
            assert!(line.is_none(), "a part of {secret} is in the log: {line:?}");
        }
    }
}

/// RFC 6749 section 5.2: a client without the grant type is told that, before anything is looked up.
#[tokio::test]
async fn cp_28_a_client_without_the_grant_type_is_refused() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    for code in [code.as_str(), "nothing"] {
        server.redeem("svc", code, CALLBACK, Some(VERIFIER)).await.assert_error(400, "unauthorized_client");
    }
    server.token(&code).await.tokens();
}
