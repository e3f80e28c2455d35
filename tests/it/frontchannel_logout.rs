//! Front-channel logout: OpenID Connect Front-Channel Logout 1.0, security-cases.md LO-17.

use std::time::Duration;

use hydrant::id::ClientId;
use hydrant::oauth::client_metadata::ClientMetadata;
use hydrant::secret::Secret;
use hydrant::store::client::Client;
use serde_json::{Value, json};

use crate::support::apps::Asked;
use crate::support::{Answer, Authorize, Browser, PASSWORD, Server, Tokens, VERIFIER};

const OUT: &str = "https://rp.example/out";

/// A client at a host of its own that has registered a page.
async fn register(server: &Server, id: &str, more: Value) {
    let mut client = json!({
        "redirect_uris": [callback(id)], "grant_types": ["authorization_code"], "scope": "openid offline_access",
        "post_logout_redirect_uris": [format!("https://{id}.example/out")],
        "frontchannel_logout_uri": format!("https://{id}.example/leave"), "skip_consent": true,
    });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.client(id, client).await;
}

fn callback(id: &str) -> String {
    format!("https://{id}.example/cb")
}

/// Alice at this client, in this browser; its tokens.
async fn visit(server: &Server, browser: &mut Browser<'_>, id: &str) -> Tokens {
    let code = browser.code(&Authorize::of(id, &callback(id)), "alice").await;
    server.redeem(id, &code, &callback(id), Some(VERIFIER)).await.tokens()
}

fn logout_url(server: &Server, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    server.url(&format!("/oauth2/sessions/logout?{}", query.finish()))
}

/// An RP-initiated logout by the client whose ID token it is.
fn hinted(server: &Server, id: &str, tokens: &Tokens) -> String {
    let (hint, out) = (tokens.id_token.as_deref().unwrap(), format!("https://{id}.example/out"));
    logout_url(server, &[("id_token_hint", hint), ("post_logout_redirect_uri", &out), ("state", "a b&\"<")])
}

async fn confirm(server: &Server, browser: &mut Browser<'_>) -> Answer {
    let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let page = browser.follow(page).await;
    let challenge = page.field("logout_challenge");
    browser.post(&server.url("/logout"), &[("logout_challenge", &challenge), ("action", "accept")]).await
}

/// What the page frames, decoded and sorted.
#[track_caller]
fn frames(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{:?} {}", answer.location(), answer.body);
    let sources = answer.body.split("<iframe src=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut sources: Vec<_> = sources.map(|source| source.replace("&amp;", "&")).collect();
    sources.sort();
    sources
}

/// Where the page goes on to.
fn onward(answer: &Answer) -> String {
    let (_, rest) = answer.body.split_once("id=\"continue\" href=\"").unwrap();
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

fn frame(server: &Server, page: &str, sid: &Value) -> String {
    let issuer: String = url::form_urlencoded::byte_serialize(server.issuer.as_bytes()).collect();
    let separator = if page.contains('?') { '&' } else { '?' };
    format!("{page}{separator}iss={issuer}&sid={}", sid.as_str().unwrap())
}

/// LO-17: the page of each client that the session gave something to, with `iss` and `sid`, in a sandbox; then on.
#[tokio::test]
async fn lo_17_the_pages_of_a_sessions_clients_are_loaded() {
    let server = Server::start().await;
    register(&server, "one", json!({ "frontchannel_logout_uri": "https://one.example/leave?tenant=a%20b" })).await;
    register(&server, "three", json!({ "frontchannel_logout_session_required": true })).await;
    register(&server, "unused", json!({})).await;
    let mut browser = server.browser();
    let one = visit(&server, &mut browser, "one").await;
    let three = visit(&server, &mut browser, "three").await;
    browser.code(&Authorize::web(), "alice").await;
    let sid = one.claims()["sid"].clone();
    assert_eq!(sid, three.claims()["sid"], "one session");
    let answer = browser.get(&hinted(&server, "one", &one)).await;
    assert_eq!(
        frames(&answer),
        [
            frame(&server, "https://one.example/leave?tenant=a%20b", &sid),
            frame(&server, "https://three.example/leave", &sid)
        ]
    );
    assert_eq!(answer.body.matches("sandbox=\"allow-scripts allow-same-origin\" hidden").count(), 2);
    assert_eq!(onward(&answer), "https://one.example/out?state=a%20b%26%22%3C");
    assert!(answer.body.contains("data-wait=\"5000\""), "{}", answer.body);
    // Without scripts: the link, and by itself after the wait.
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"5;url=https://one.example/out?state=";
    assert!(answer.body.contains(refresh) && answer.body.contains("Signing out…"), "{}", answer.body);
    let policy = answer.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "frame-src https://one.example https://three.example",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.split("; ").any(|directive| directive == part), "{part} in {policy}");
    }
    assert!(policy.contains("; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(browser.cookie("session").is_none());
    assert!(!server.introspect(&three.access_token).await.active);
    // It is over: there is nobody left to tell.
    let again = browser.get(&hinted(&server, "one", &one)).await;
    assert_eq!((again.status, again.location().unwrap()), (302, onward(&answer)));
}

/// Where nobody has registered a page the browser goes on at once.
#[tokio::test]
async fn without_pages_it_is_a_redirect() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web(), "alice").await;
    let tokens = server.token(&code).await.tokens();
    let url = logout_url(
        &server,
        &[("id_token_hint", tokens.id_token.as_deref().unwrap()), ("post_logout_redirect_uri", OUT)],
    );
    let answer = browser.get(&url).await;
    assert_eq!((answer.status, answer.location().as_deref()), (302, Some(OUT)));
}

/// The person's own logout: the question, the frames, then our page or the operator's.
#[tokio::test]
async fn a_confirmed_logout_loads_the_pages_too() {
    for bye in [None, Some("https://www.example.com/bye")] {
        let server = Server::with(|config| {
            config.urls.post_logout_redirect = bye.map(|bye| bye.parse().unwrap());
            config.logout.front_channel_wait = Duration::from_secs(2);
        })
        .await;
        register(&server, "one", json!({})).await;
        let mut browser = server.browser();
        let tokens = visit(&server, &mut browser, "one").await;
        let answer = confirm(&server, &mut browser).await;
        assert_eq!(frames(&answer), [frame(&server, "https://one.example/leave", &tokens.claims()["sid"])]);
        assert_eq!(onward(&answer), bye.map_or_else(|| server.url("/logout/done"), str::to_owned));
        assert!(answer.body.contains("data-wait=\"2000\"") && answer.body.contains("content=\"2;url="));
        assert!(browser.cookie("session").is_none());
    }
}

/// LO-13: of two confirmations at once one has the frames; the other is where that one goes.
#[tokio::test]
async fn lo_13_the_second_of_two_goes_where_the_first_one_leads() {
    let server = Server::start().await;
    register(&server, "one", json!({})).await;
    for _ in 0..5 {
        let mut browser = server.browser();
        visit(&server, &mut browser, "one").await;
        let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
        let challenge = browser.follow(page).await.field("logout_challenge");
        let fields = [("logout_challenge", challenge.as_str()), ("action", "accept")];
        let (mut left, mut right) = (browser.copy(), browser.copy());
        let url = server.url("/logout");
        let (left, right) = futures_util::join!(left.post(&url, &fields), right.post(&url, &fields));
        let (first, second) = if left.status == 200 { (left, right) } else { (right, left) };
        assert_eq!(frames(&first).len(), 1);
        assert_eq!((second.status, second.location()), (303, Some(onward(&first))));
    }
}

/// A hint of an earlier session in this browser ends both, and both sessions' clients are told of their own.
#[tokio::test]
async fn a_hint_that_ends_two_sessions_loads_the_pages_of_both() {
    for elsewhere in [false, true] {
        let server = if elsewhere {
            Server::with(|config| config.urls.logout = Some(crate::support::apps::LOGOUT_APP.parse().unwrap())).await
        } else {
            Server::start().await
        };
        register(&server, "one", json!({})).await;
        register(&server, "three", json!({})).await;
        let mut browser = server.browser();
        let first = visit(&server, &mut browser, "one").await;
        // Somebody else in between, so that hers is another session afterwards.
        let login = browser.authorize(&Authorize::web().set("prompt", "login")).await;
        browser.submit_login(&login, "bob", PASSWORD).await;
        let login = browser.authorize(&Authorize::of("three", &callback("three")).set("prompt", "login")).await;
        let code = browser.login(&login, "alice", PASSWORD, false).await.parameter("code").unwrap();
        let second = server.redeem("three", &code, &callback("three"), Some(VERIFIER)).await.tokens();
        let (old, new) = (first.claims()["sid"].clone(), second.claims()["sid"].clone());
        assert_ne!(old, new);
        let mut answer = browser.get(&hinted(&server, "one", &first)).await;
        if elsewhere {
            let location = server.accept(Asked::Logout, &Asked::Logout.challenge(&answer), json!({})).await;
            answer = browser.get(&location).await;
        }
        let both =
            [frame(&server, "https://one.example/leave", &old), frame(&server, "https://three.example/leave", &new)];
        assert_eq!(frames(&answer), both, "another app: {elsewhere}");
        assert_eq!(onward(&answer), "https://one.example/out?state=a%20b%26%22%3C");
        let bob = server.subject("bob").await;
        assert_eq!(server.database.column("SELECT subject FROM sessions").await, [bob.to_string()]);
    }
}

/// By another app's word: the visit with its verifier loads the pages, the second visit goes on.
#[tokio::test]
async fn a_logout_by_another_app_loads_the_pages() {
    let server = Server::with_apps().await;
    register(&server, "one", json!({})).await;
    let mut browser = server.browser();
    let login = json!({ "subject": "alice@crm", "remember": true });
    let answer = browser.app_journey(&server, &Authorize::of("one", &callback("one")), login, json!({})).await;
    let code = answer.parameter("code").unwrap();
    let tokens = server.redeem("one", &code, &callback("one"), Some(VERIFIER)).await.tokens();
    let answer = browser.get(&hinted(&server, "one", &tokens)).await;
    let location = server.accept(Asked::Logout, &Asked::Logout.challenge(&answer), json!({})).await;
    let answer = browser.get(&location).await;
    assert_eq!(frames(&answer), [frame(&server, "https://one.example/leave", &tokens.claims()["sid"])]);
    assert_eq!(browser.get(&location).await.location(), Some(onward(&answer)));
}

/// Another person's hint ends that one's session: its clients are told in the browser that has brought it.
#[tokio::test]
async fn a_session_elsewhere_has_its_pages_loaded_here() {
    let server = Server::start().await;
    register(&server, "one", json!({})).await;
    let tokens = visit(&server, &mut server.browser(), "one").await;
    let mut bob = server.signed_in("bob").await;
    let answer = bob.get(&hinted(&server, "one", &tokens)).await;
    assert_eq!(frames(&answer), [frame(&server, "https://one.example/leave", &tokens.claims()["sid"])]);
    assert!(bob.cookie("session").is_some(), "bob stays");
}

/// A pairwise client is told the session by the name that its ID tokens have.
#[tokio::test]
async fn sid_is_what_the_client_knows_the_session_by() {
    let server = Server::with(|config| config.oidc.pairwise_salt = Some(Secret::new("a salt for tests"))).await;
    register(&server, "one", json!({ "subject_type": "pairwise" })).await;
    register(&server, "three", json!({})).await;
    let mut browser = server.browser();
    let one = visit(&server, &mut browser, "one").await.claims()["sid"].clone();
    let three = visit(&server, &mut browser, "three").await.claims()["sid"].clone();
    assert_ne!(one, three);
    let answer = confirm(&server, &mut browser).await;
    let both =
        [frame(&server, "https://one.example/leave", &one), frame(&server, "https://three.example/leave", &three)];
    assert_eq!(frames(&answer), both);
}

/// What could not be registered today is not loaded, whoever has put it there; nor is a client's that is gone.
#[tokio::test]
async fn lo_17_only_what_could_be_registered_is_loaded() {
    let server = Server::with(|config| config.dev = false).await;
    for (id, uri) in [
        ("plain", "http://plain.example/leave"),
        ("script", "javascript:alert(1)"),
        ("data", "data:text/html,x"),
        ("odd", "https://odd.example/\"onload=alert(1)"),
        ("user", "https://bank.example@user.example/"),
        ("fine", "https://fine.example/leave"),
        ("gone", "https://gone.example/leave"),
    ] {
        let metadata = json!({
            "redirect_uris": [callback(id)], "grant_types": ["authorization_code"], "scope": "openid",
            "frontchannel_logout_uri": uri, "skip_consent": true,
        });
        // As an older version, another configuration, or a hand in the database has left it.
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let secret_hash = Some(Client::hash_of_generated(&Secret::new(crate::support::SECRET)));
        let client = Client { secret_hash, ..Client::new(ClientId::new(id), metadata, server.clock.now()) };
        server.app().store.insert_client(&client).await.unwrap();
    }
    let mut browser = server.browser();
    for id in ["plain", "script", "data", "odd", "user", "fine", "gone"] {
        visit(&server, &mut browser, id).await;
    }
    assert_eq!(server.admin(reqwest::Method::DELETE, "/clients/gone", None).await.status, 204);
    let answer = confirm(&server, &mut browser).await;
    assert_eq!(frames(&answer).len(), 1, "{}", answer.body);
    assert!(answer.body.contains("https://fine.example/leave?iss="));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("; frame-src https://fine.example; "), "{policy}");
}

/// On a laptop the pages are on http like everything else there.
#[tokio::test]
async fn in_dev_mode_pages_may_be_on_http() {
    let server = Server::with(|config| config.dev = true).await;
    register(&server, "one", json!({ "frontchannel_logout_uri": "http://127.0.0.1:5555/leave" })).await;
    let mut browser = server.browser();
    visit(&server, &mut browser, "one").await;
    let answer = confirm(&server, &mut browser).await;
    assert_eq!(frames(&answer).len(), 1);
    assert!(answer.header("content-security-policy").unwrap().contains("; frame-src http://127.0.0.1:5555; "));
}

/// What the client's own page is called by is never markup of ours.
#[tokio::test]
async fn lo_17_state_is_text_on_the_page() {
    let server = Server::start().await;
    register(&server, "one", json!({ "frontchannel_logout_uri": "https://one.example/leave?a=%22%3E%3Cb%3E" })).await;
    let mut browser = server.browser();
    let tokens = visit(&server, &mut browser, "one").await;
    let hint = tokens.id_token.as_deref().unwrap();
    let state = "\"><script>alert(1)</script>'0;url=https://evil.example/";
    let url = logout_url(
        &server,
        &[("id_token_hint", hint), ("post_logout_redirect_uri", "https://one.example/out"), ("state", state)],
    );
    let answer = browser.get(&url).await;
    assert_eq!(answer.body.matches("<script").count(), 1, "{}", answer.body);
    assert!(!answer.body.contains("evil.example/\"") && !answer.body.contains("<b>"), "{}", answer.body);
    let parsed = url::Url::parse(&onward(&answer)).unwrap();
    assert_eq!(parsed.query_pairs().next().unwrap().1, state);
}
