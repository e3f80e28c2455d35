//! Session management: OpenID Connect Session Management 1.0. What the frame's script makes of it is shown in a real browser
//! (`tests/e2e/logout.test.mjs`); here the same is computed from the browser's cookies.

use hydrant::config::ResponseType;
use hydrant::secret::fingerprint;
use reqwest::header::{HOST, SET_COOKIE};
use serde_json::json;

use crate::advertised::document;
use crate::support::apps::Asked;
use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

const FRAME: &str = "/oauth2/sessions/check";
const SILENT: (&str, &str) = ("prompt", "none");

async fn watched() -> Server {
    Server::with(|config| {
        config.logout.session_management = true;
        config.oauth2.response_types = ResponseType::ALL.to_vec();
    })
    .await
}

/// What the frame says to a client at this origin of what it was told.
#[track_caller]
fn verdict(browser: &Browser<'_>, client: &str, origin: &str, session_state: &str) -> &'static str {
    let (_, salt) = session_state.split_once('.').unwrap_or_else(|| panic!("no salt: {session_state}"));
    let Some(state) = browser.cookie("hydrant_state") else { return "error" };
    let expected = format!("{}.{salt}", fingerprint(&format!("{client} {origin} {state} {salt}")));
    if session_state == expected { "unchanged" } else { "changed" }
}

fn of_web(browser: &Browser<'_>, session_state: &str) -> &'static str {
    verdict(browser, "web", "https://rp.example", session_state)
}

#[track_caller]
fn session_state(answer: &Answer) -> String {
    let state = answer.response().remove("session_state").unwrap_or_else(|| panic!("{:?}", answer.location()));
    assert!(!state.contains(' '), "section 2");
    state
}

fn lines(answer: &Answer, name: &str) -> Vec<String> {
    let lines = answer.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned());
    lines.filter(|line| line.starts_with(&format!("{name}="))).collect()
}

/// `logout.session_management: false`: nothing of it is there.
#[tokio::test]
async fn switched_off_there_is_nothing_of_it() {
    let server = Server::start().await;
    assert!(document(&server).await.get("check_session_iframe").is_none());
    assert_eq!((server.get(FRAME).await.status, server.post(FRAME, &[]).await.status), (404, 404));
    let mut browser = server.browser();
    let answer = browser.journey(&Authorize::web(), "alice").await;
    assert!(answer.parameter("code").is_some() && answer.parameter("session_state").is_none());
    let answer = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    let login = browser.submit_login(&answer, "alice", PASSWORD).await;
    assert_eq!(lines(&login, "hydrant_state"), Vec::<String>::new());
    browser.logout().await;
    assert!(browser.cookies.keys().all(|name| !name.contains("state")), "{:?}", browser.cookies);
}

/// Section 3.2: the frame is for everybody's pages, and the only page of ours that is.
#[tokio::test]
async fn anybody_may_frame_the_frame() {
    let server = watched().await;
    assert_eq!(document(&server).await["check_session_iframe"], server.url(FRAME));
    let frame = server.get(FRAME).await;
    assert!(frame.status == 200 && frame.is_html(), "{}", frame.body);
    assert_eq!(frame.header("x-frame-options"), None);
    let policy = frame.header("content-security-policy").unwrap();
    assert!(!policy.contains("frame-ancestors") && policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains("; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(frame.body.matches("<script").count(), 1);
    assert!(frame.body.contains("data-cookie=\"hydrant_state\""), "{}", frame.body);
    assert_eq!(frame.header("cache-control"), Some("public, max-age=3600"));
    assert!(lines(&frame, "hydrant_state").is_empty());
    assert_eq!(server.post(FRAME, &[]).await.status, 405);
    for path in ["/logout/done", "/oauth2/auth"] {
        assert_eq!(server.get(path).await.header("x-frame-options"), Some("DENY"), "{path}");
    }
}

/// Section 2: in every answer to a request of OpenID Connect, wherever the answer is.
#[tokio::test]
async fn every_openid_answer_has_it() {
    let server = watched().await;
    server.front_client("front", json!({})).await;
    let mut browser = server.browser();
    let request = Authorize::of("front", "https://rp.example/cb");
    browser.journey(&request, "alice").await;
    for kind in ResponseType::ALL {
        for mode in ["fragment", "form_post"] {
            let request = request.clone().set("response_type", kind.as_str()).set("response_mode", mode);
            let answer = browser.authorize(&request).await;
            let state = session_state(&answer);
            assert_eq!(verdict(&browser, "front", "https://rp.example", &state), "unchanged", "{kind:?} {mode}");
            assert_eq!(answer.response()["state"], "state-0123456789-0123456789-0123");
            for (client, origin) in [("web", "https://rp.example"), ("front", "https://evil.example")] {
                assert_eq!(verdict(&browser, client, origin, &state), "changed", "for one client at one place");
            }
        }
    }
    // What is not of OpenID Connect has no session to watch.
    let plain = browser.journey(&Authorize::web().set("scope", "photos.read"), "alice").await;
    assert!(plain.parameter("code").is_some() && plain.parameter("session_state").is_none());
    let refused = browser.authorize(&Authorize::web().set("scope", "photos.read").set("prompt", "x")).await;
    assert!(refused.parameter("error").is_some() && refused.parameter("session_state").is_none());
}

/// Section 3.2: it changes when somebody signs in, signs in anew, and signs out, by either way; and not otherwise.
#[tokio::test]
async fn it_changes_with_who_is_signed_in() {
    let server = watched().await;
    let mut browser = server.browser();
    let first = session_state(&browser.journey(&Authorize::web(), "alice").await);
    assert_eq!(of_web(&browser, &first), "unchanged");
    let second = session_state(&browser.authorize(&Authorize::web().set(SILENT.0, SILENT.1)).await);
    assert_ne!(first, second, "salted");
    server.pass(3600);
    assert_eq!((of_web(&browser, &first), of_web(&browser, &second)), ("unchanged", "unchanged"));
    // Somebody else.
    let login = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    let answer = browser.login(&login, "bob", PASSWORD, false).await;
    let bobs = session_state(&browser.consent(&answer, &["openid"], true).await);
    assert_eq!((of_web(&browser, &first), of_web(&browser, &bobs)), ("changed", "unchanged"));
    // By the logout page.
    browser.logout().await;
    assert_eq!(of_web(&browser, &bobs), "changed");
    // By the client.
    let code = browser.journey(&Authorize::web(), "alice").await;
    let third = session_state(&code);
    assert_eq!(of_web(&browser, &third), "unchanged");
    let tokens = server.token(&code.parameter("code").unwrap()).await.tokens();
    browser
        .get(&server.url(&format!("/oauth2/sessions/logout?id_token_hint={}", tokens.id_token.unwrap())))
        .await
        .location()
        .unwrap();
    assert_eq!(of_web(&browser, &third), "changed");
    // Nobody: a state of its own, that is watched as well.
    let nobodys = browser.cookie("hydrant_state").unwrap().to_owned();
    let fourth = session_state(&browser.authorize(&Authorize::web().set(SILENT.0, SILENT.1)).await);
    assert_eq!((of_web(&browser, &third), of_web(&browser, &fourth)), ("changed", "unchanged"));
    assert_eq!(browser.cookie("hydrant_state"), Some(nobodys.as_str()));
    browser.journey(&Authorize::web(), "alice").await;
    assert_eq!(of_web(&browser, &fourth), "changed");
}

/// Section 4: the state is not for guessing. Any website can make the hash of a state that it knows, with a client and a salt
/// of its own: the frame would tell it whether that is the browser's.
#[tokio::test]
async fn a_state_that_nobody_has_signed_in_to_is_as_random() {
    let server = watched().await;
    let silent = Authorize::web().set(SILENT.0, SILENT.1);
    let (mut one, mut two) = (server.browser(), server.browser());
    for browser in [&mut one, &mut two] {
        let answer = browser.authorize(&silent).await;
        let [line] = lines(&answer, "hydrant_state").try_into().unwrap();
        assert!(!line.contains("HttpOnly") && !line.contains("Max-Age") && line.contains("; Path=/"), "{line}");
        let state = session_state(&answer);
        let (hash, salt) = state.split_once('.').unwrap();
        assert_ne!(hash, fingerprint(&format!("web https://rp.example  {salt}")), "an empty state");
    }
    assert_ne!(one.cookie("hydrant_state"), two.cookie("hydrant_state"));
    // After a sign-out too.
    let mut browser = server.signed_in("alice").await;
    let before = browser.cookie("hydrant_state").unwrap().to_owned();
    browser.logout().await;
    let after = browser.cookie("hydrant_state").unwrap();
    assert!(after.len() == 22 && after != before, "{after}");
    // Where nobody may watch, there is nothing to see.
    let mut browser = server.browser();
    let answer = browser.authorize(&silent.set("scope", "photos.read")).await;
    assert!(answer.parameter("error").is_some() && lines(&answer, "hydrant_state").is_empty());
}

/// Section 3.2: an error tells a client when to ask again, and nothing by which it would know the person.
#[tokio::test]
async fn an_error_has_it_too_and_names_nobody() {
    let server = watched().await;
    let mut browser = server.browser();
    let silent = Authorize::web().set(SILENT.0, SILENT.1);
    let (one, two) = (browser.authorize(&silent).await, browser.authorize(&silent).await);
    one.assert_back(&server, 302, "login_required");
    let (one, two) = (session_state(&one), session_state(&two));
    assert_ne!(one, two);
    assert_eq!((of_web(&browser, &one), of_web(&browser, &two)), ("unchanged", "unchanged"));
    browser.journey(&Authorize::web(), "alice").await;
    assert_eq!(of_web(&browser, &one), "changed");
}

/// A session that was ended elsewhere: the first client that asks brings it to the notice of all the others.
#[tokio::test]
async fn a_session_that_ended_elsewhere_is_noticed() {
    let server = watched().await;
    let mut browser = server.browser();
    let state = session_state(&browser.journey(&Authorize::web(), "alice").await);
    let subject = server.subject("alice").await;
    let path = format!("/oauth2/auth/sessions/login?subject={subject}");
    assert_eq!(server.admin(reqwest::Method::DELETE, &format!("/admin{path}"), None).await.status / 100, 4);
    assert_eq!(server.admin(reqwest::Method::DELETE, &path, None).await.status, 204);
    assert_eq!(of_web(&browser, &state), "unchanged", "the frame asks nobody");
    let answer = browser.authorize(&Authorize::web().set(SILENT.0, SILENT.1)).await;
    answer.assert_back(&server, 302, "login_required");
    assert_eq!((of_web(&browser, &state), of_web(&browser, &session_state(&answer))), ("changed", "unchanged"));
    assert!(browser.cookie("hydrant_session").is_none());
    // In a frame of another site only the one cookie comes along: that ends nothing.
    let mut browser = server.signed_in("alice").await;
    let session = browser.cookies.remove("hydrant_session").unwrap();
    let state = browser.cookie("hydrant_state").unwrap().to_owned();
    browser.authorize(&Authorize::web().set(SILENT.0, SILENT.1)).await.assert_back(&server, 302, "login_required");
    assert_eq!(browser.cookie("hydrant_state"), Some(state.as_str()));
    browser.cookies.insert("hydrant_session".to_owned(), session);
    assert!(browser.authorize(&Authorize::web()).await.parameter("code").is_some());
}

/// A session from before this was switched on, and a cookie that was lost or made up: the next answer mends it, once.
#[tokio::test]
async fn a_browser_without_a_state_gets_one() {
    let server = watched().await;
    let mut browser = server.signed_in("alice").await;
    for lost in [None, Some(""), Some("made up"), Some("012345678901234567890123")] {
        browser.cookies.remove("hydrant_state");
        if let Some(lost) = lost {
            browser.cookies.insert("hydrant_state".to_owned(), lost.to_owned());
        }
        let state = session_state(&browser.authorize(&Authorize::web()).await);
        assert_eq!(of_web(&browser, &state), "unchanged", "{lost:?}");
        let kept = browser.cookie("hydrant_state").unwrap().to_owned();
        assert_eq!(kept.len(), 22);
        browser.authorize(&Authorize::web()).await;
        assert_eq!(browser.cookie("hydrant_state"), Some(kept.as_str()));
    }
}

/// The one cookie that scripts may read: it tells nothing of the session, and lives as long.
#[tokio::test]
async fn the_cookie_is_for_scripts_and_tells_nothing() {
    let server = watched().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let challenge = page.field("login_challenge");
    let fields = [
        ("login_challenge", challenge.as_str()),
        ("email", "alice"),
        ("password", PASSWORD),
        ("action", "accept"),
        ("remember", "true"),
    ];
    let answer = browser.post(&server.url("/login"), &fields).await;
    let [line] = lines(&answer, "hydrant_state").try_into().unwrap();
    assert!(!line.contains("HttpOnly") && line.contains("; SameSite=Lax") && line.contains("; Path=/"), "{line}");
    assert!(line.contains("; Max-Age=2592000") && !line.contains("Secure"), "{line}");
    let state = browser.cookie("hydrant_state").unwrap();
    assert!(!browser.cookie("hydrant_session").unwrap().contains(state));
    let answer = browser.follow(answer).await;
    let code = browser.consent(&answer, &["openid"], false).await.parameter("code").unwrap();
    let tokens = server.token(&code).await.tokens();
    assert!(!tokens.claims()["sid"].as_str().unwrap().contains(browser.cookie("hydrant_state").unwrap()));
    assert!(lines(&browser.logout().await, "hydrant_state").is_empty(), "on the page after it");
}

/// On https it goes along into pages of other sites, bound to this host.
#[tokio::test]
async fn on_https_the_cookie_goes_into_foreign_pages() {
    let server = Server::with(|config| {
        let issuer = "https://op.example";
        issuer.clone_into(&mut config.urls.issuer);
        config.urls.issuer_url = issuer.parse().unwrap();
        issuer.clone_into(&mut config.urls.public);
        config.logout.session_management = true;
    })
    .await;
    let mut browser = server.browser();
    let local = |url: &str| url.replace("https://op.example", &format!("http://{}", server.address()));
    let get = |url: &str| server.http.get(local(url)).header(HOST, "op.example");
    let page = browser.send(get(&Authorize::web().url(&server))).await;
    let page = browser.send(get(&page.location().unwrap())).await;
    let challenge = page.field("login_challenge");
    let form =
        [("login_challenge", challenge.as_str()), ("email", "alice"), ("password", PASSWORD), ("action", "accept")];
    let post = server.http.post(local(&server.url("/login"))).form(&form).header("sec-fetch-site", "same-origin");
    let answer = browser.send(post.header(HOST, "op.example")).await;
    let [line] = lines(&answer, "__Host-hydrant_state").try_into().unwrap();
    for part in ["; Secure", "; SameSite=None", "; Path=/"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    for part in ["HttpOnly", "Domain", "Max-Age", "Expires"] {
        assert!(!line.contains(part), "{part}: {line}");
    }
    let frame = browser.send(get(&server.url(FRAME))).await;
    assert!(frame.body.contains("data-cookie=\"__Host-hydrant_state\""), "{}", frame.body);
}

/// A session that another app begins has its state in the very answer that begins it; one that it keeps, keeps it.
#[tokio::test]
async fn another_apps_session_has_a_state_too() {
    let server = Server::with(|config| {
        config.urls.login = Some(crate::support::apps::LOGIN_APP.parse().unwrap());
        config.logout.session_management = true;
    })
    .await;
    let client = json!({
        "redirect_uris": ["https://rp.example/cb"], "grant_types": ["authorization_code"], "scope": "openid",
        "skip_consent": true,
    });
    server.client("own", client).await;
    let own = Authorize::of("own", "https://rp.example/cb");
    let of_own = |browser: &Browser<'_>, state: &str| verdict(browser, "own", "https://rp.example", state);
    let mut browser = server.browser();
    let at = browser.get(&own.url(&server)).await;
    let alice = json!({ "subject": "alice@crm", "remember": true });
    let first = session_state(&browser.app_login(&server, &at, alice.clone()).await);
    assert_eq!(of_own(&browser, &first), "unchanged");
    // The app finds it good enough, and prolongs it.
    let at = browser.get(&own.url(&server)).await;
    assert_eq!(server.asked(Asked::Login, &Asked::Login.challenge(&at)).await.json()["skip"], true);
    let kept = json!({ "subject": "alice@crm", "remember": true, "extend_session_lifespan": true });
    let second = session_state(&browser.app_login(&server, &at, kept).await);
    assert_eq!((of_own(&browser, &first), of_own(&browser, &second)), ("unchanged", "unchanged"));
    // Another sign-in.
    let at = browser.get(&own.clone().set("prompt", "login").url(&server)).await;
    let third = session_state(&browser.app_login(&server, &at, alice).await);
    assert_eq!((of_own(&browser, &second), of_own(&browser, &third)), ("changed", "unchanged"));
}
