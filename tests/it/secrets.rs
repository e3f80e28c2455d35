//! Secrets stay where they belong: none in a log line at the finest level, none in a table in clear.

use std::process::Command;

use hydrant::config::{self, ApiKey, ApiKeyPlace, Log, LogFormat};
use hydrant::secret::Secret;
use serde_json::json;

use crate::support::signer::{assertion, mac, proof};
use crate::support::{Authorize, Hook, PASSWORD, SECRET, Server, VERIFIER};

/// Set for the process that makes the journey while another reads its log.
const CHILD: &str = "HYDRANT_TEST_LOG_OF_A_JOURNEY";

const GUESS: &str = "canary-a-wrong-password";
const WRONG_SECRET: &str = "canary-a-wrong-client-secret";
const HEADER: &str = "canary-a-header";
const HOOK_KEY: &str = "canary-the-key-of-a-hook";
const HOOK_QUERY: &str = "canary=in-the-url-of-a-hook";

/// All that one may do with the server, well and badly; every secret that was in it, by name.
async fn journey(server: &Server) -> Vec<(&'static str, String)> {
    let mut secrets: Vec<(&'static str, String)> = [
        ("password", PASSWORD),
        ("wrong password", GUESS),
        ("client secret", SECRET),
        ("wrong client secret", WRONG_SECRET),
        ("verifier", VERIFIER),
        ("header", HEADER),
        ("system secret", server.config().secrets.system[0].expose()),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web().set("scope", "openid offline email")).await;
    secrets.push(("login challenge", login.field("login_challenge")));
    browser.submit_login(&login, "alice", GUESS).await;
    browser.submit_login(&login, "nobody", GUESS).await;
    let verifier = browser.submit_login(&login, "alice", PASSWORD).await;
    secrets.push(("login verifier", verifier.parameter("login_verifier").unwrap()));
    browser.submit_login(&login, "alice", PASSWORD).await.assert_page(410, "request_already_handled");
    let consent = browser.follow(verifier).await;
    secrets.push(("consent challenge", consent.field("consent_challenge")));
    let verifier = browser.submit_consent(&consent, &["openid", "offline", "email"]).await;
    secrets.push(("consent verifier", verifier.parameter("consent_verifier").unwrap()));
    let code = browser.follow(verifier).await.parameter("code").unwrap();
    for (name, value) in &browser.cookies {
        secrets.push((if name.ends_with("session") { "session cookie" } else { "browser cookie" }, value.clone()));
    }
    server.redeem("two", &code, "https://rp.example/cb", Some(VERIFIER)).await;
    server.redeem("web", &code, "https://rp.example/cb", Some("canary-another-verifier-0123456789-0123456789")).await;
    let tokens = server.token(&code).await.tokens();
    let newer = server.refresh("web", tokens.refresh()).await.tokens();
    server.userinfo(&newer.access_token).await;
    server.post_as("rs1", "/oauth2/introspect", &[("token", &newer.access_token)]).await;
    server.refresh("two", newer.refresh()).await;
    let wrong = server.http.post(server.url("/oauth2/token")).basic_auth("web", Some(WRONG_SECRET));
    wrong.header("x-canary", HEADER).header("cookie", HEADER).form(&[("grant_type", "x")]).send().await.unwrap();
    let form = [("client_id", "web"), ("client_secret", WRONG_SECRET), ("grant_type", "x")];
    server.post("/oauth2/token", &form).await;
    server.get(&format!("/oauth2/token?client_secret={WRONG_SECRET}&code={code}")).await;
    server.get(&format!("/userinfo?access_token={}", newer.access_token)).await;
    server.get(&format!("/nowhere?code={code}&secret={HEADER}")).await;
    let hint = newer.id_token.clone().unwrap();
    server.get(&format!("/oauth2/sessions/logout?id_token_hint={hint}x")).await;
    browser.get(&server.url(&format!("/oauth2/sessions/logout?id_token_hint={hint}"))).await;
    server.revoke("web", newer.refresh()).await;
    server.token(&code).await.assert_error(400, "invalid_grant");
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    let service = server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await.tokens();
    server.revoke("svc", &service.access_token).await;
    secrets.extend(of_a_client_that_signs(server).await);
    secrets.push(("code", code));
    for tokens in [tokens, newer] {
        secrets.push(("access token", tokens.access_token));
        secrets.push(("refresh token", tokens.refresh_token.unwrap()));
        secrets.push(("ID token", tokens.id_token.unwrap()));
    }
    secrets.push(("service's access token", service.access_token));
    secrets
}

/// A secret that rests sealed, and what is signed with it; used well and badly.
async fn of_a_client_that_signs(server: &Server) -> Vec<(&'static str, String)> {
    let client = json!({
        "client_id": "signs", "token_endpoint_auth_method": "client_secret_jwt", "redirect_uris": ["https://rp.example/cb"],
        "grant_types": ["authorization_code", "client_credentials"], "request_object_signing_alg": "HS256",
    });
    let made = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await.json();
    let secret = made["client_secret"].as_str().unwrap().to_owned();
    let good = mac("HS256", secret.as_bytes(), &assertion(server, "signs"));
    let bad = mac("HS384", &secret.as_bytes()[1..], &assertion(server, "signs"));
    for (jwt, status) in [(&good, 200), (&good, 401), (&bad, 401)] {
        let [kind, own] = proof(jwt);
        let answer = server.post("/oauth2/token", &[("grant_type", "client_credentials"), kind, own]).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    for object in [&good, &bad] {
        let request = Authorize::of("signs", "https://rp.example/cb").set("request", object);
        server.assert_page(&request, 400, "invalid_request_object").await;
    }
    let posted = [("grant_type", "client_credentials"), ("client_id", "signs"), ("client_secret", secret.as_str())];
    server.post("/oauth2/token", &posted).await.assert_error(401, "invalid_client");
    vec![("sealed secret", secret), ("client assertion", good), ("wrong client assertion", bad)]
}

/// The parts of a secret that must not be found: whole, and a piece long enough to be no chance.
fn traces(secret: &str) -> Vec<String> {
    // The first characters of a sealed string name its key and are many strings'; its middle is its own.
    let middle = &secret[secret.len() / 2..];
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let piece = middle[..middle.len().min(16)].to_owned();
    let mut traces = vec![secret.to_owned(), encoded];
    if secret.len() >= 40 {
        traces.push(piece);
    }
    traces
}

fn assert_none(text: &str, secrets: &[(&str, String)]) {
    for (name, secret) in secrets {
        for trace in traces(secret) {
            let line = text.lines().find(|line| line.contains(&trace));
            assert_eq!(line, None, "the {name} is there: {trace}");
        }
    }
}

/// A hook with a secret in a header, and one in its URL.
fn with_secrets(hook: &Hook) -> Box<config::Hook> {
    let mut url = hook.url.clone();
    url.set_query(Some(HOOK_QUERY));
    let api_key = ApiKey { place: ApiKeyPlace::Header, name: "x-key".to_owned(), value: Secret::new(HOOK_KEY) };
    Box::new(config::Hook { url, api_key: Some(api_key), ..*hook.config() })
}

/// The journey of the next test, in a process whose log is all its own. By itself it only writes that log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "sc_01 runs it, in a process of its own, because a process has one log"]
async fn a_journey_with_the_log_at_its_finest() {
    let guard = hydrant::telemetry::init(&Log { level: "trace".to_owned(), format: LogFormat::Json });
    let hook = Hook::start().await;
    let server = Server::with(|config| config.oauth2.token_hook = Some(with_secrets(&hook))).await;
    let mut secrets = journey(&server).await;
    hook.say(500, "");
    server
        .post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")])
        .await
        .assert_error(500, "server_error");
    assert_eq!(hook.last().headers["x-key"], HOOK_KEY);
    secrets.extend([("hook's API key", HOOK_KEY.to_owned()), ("hook's URL", HOOK_QUERY.to_owned())]);
    tracing::warn!("the journey is over");
    drop(guard);
    if std::env::var_os(CHILD).is_some() {
        println!("\n{CHILD} {}", serde_json::to_string(&secrets).unwrap());
    }
}

/// SC-01, CP-26, RFC 6819 section 4.4.1.1: at TRACE, with every library's lines asked for, no secret is in the log.
#[test]
fn sc_01_cp_26_no_secret_is_in_the_log() {
    let journey = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "secrets::a_journey_with_the_log_at_its_finest", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let (told, log) = (String::from_utf8_lossy(&journey.stdout), String::from_utf8_lossy(&journey.stderr));
    assert!(journey.status.success(), "{told}\n{log}");
    let start = format!("{CHILD} ");
    let secrets = told.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    let secrets: Vec<(String, String)> = serde_json::from_str(secrets).unwrap();
    let secrets: Vec<_> = secrets.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert!(secrets.len() >= 18, "{}", secrets.len());
    assert!(log.lines().count() > 40 && log.contains("the journey is over"), "there is a log: {log}");
    assert!(log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""), "at its finest: {log}");
    assert!(log.contains("/oauth2/token") && log.contains("request_id"), "{log}");
    assert!(log.contains("oauth2.token_hook was asked about the client svc: it has answered 500"), "{log}");
    assert_none(&log, &secrets);
}

/// SC-02, Hydra #820: nothing that opens anything is in the tables in clear.
#[tokio::test]
async fn sc_02_no_secret_is_in_the_tables() {
    let server = Server::start().await;
    let secrets = journey(&server).await;
    let dump = server.database.dump().await;
    assert!(dump.contains("alice@example.com") && dump.contains("https://rp.example/cb"), "there is a dump: {dump}");
    assert_none(&dump, &secrets);
    // Nor is a private key, in any of the forms that it is made of.
    let keys: Vec<_> = dump.lines().filter(|line| line.starts_with("keys:")).collect();
    assert!(keys.len() >= 2, "{dump}");
    for line in keys {
        assert!(!line.contains("\"d\":") && !line.contains("\\\"d\\\":") && !line.contains("PRIVATE KEY"), "{line}");
    }
}

/// RFC 6749 section 10.4: the same holds while everything is still alive.
#[tokio::test]
async fn sc_02_live_tokens_are_not_in_the_tables() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web(), "alice").await;
    let tokens = server.tokens_with("openid offline").await;
    let secrets = vec![
        ("code", code),
        ("access token", tokens.access_token.clone()),
        ("refresh token", tokens.refresh().to_owned()),
        ("session cookie", browser.cookie("session").unwrap().to_owned()),
    ];
    assert_none(&server.database.dump().await, &secrets);
}

/// SC-10, CWE-209: an answer has no statement, no path of a file and no name of a library in it.
#[tokio::test]
async fn sc_10_answers_do_not_tell_how_the_server_is_made() {
    let server = Server::start().await;
    server.app().store.close().await;
    let mut answers = vec![
        server.get(&format!("/oauth2/auth?{}", Authorize::of("unheard-of", "https://rp.example/cb").query())).await,
        server.post_as("unheard-of", "/oauth2/token", &[("grant_type", "client_credentials")]).await,
        server.userinfo("hya_x").await,
        server.get("/health/ready").await,
    ];
    answers.push(server.refresh("web", "hyr_x").await);
    assert!(answers.iter().any(|answer| answer.status == 503), "{answers:?}");
    for answer in answers {
        let body = answer.body.to_lowercase();
        for word in
            ["sqlx", "select", "pool", ".rs", "sqlite", "postgres", "panicked", "/src/", "/tmp/", "axum", "database is"]
        {
            assert!(!body.contains(word), "{word}: {}", answer.body);
        }
    }
}
