//! Logout that a relying party or the person begins: OpenID Connect RP-Initiated Logout 1.0.

use hydrant::jose::Algorithm;
use hydrant::keys::{KeyUse, Purpose};
use serde_json::{Value, json};

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

const OUT: &str = "https://rp.example/out";

/// Alice in a browser, and the ID token that `web` has of it.
async fn signed_in(server: &Server) -> (Browser<'_>, String) {
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web(), "alice").await;
    (browser, server.token(&code).await.tokens().id_token.unwrap())
}

fn logout_url(server: &Server, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    server.url(&format!("/oauth2/sessions/logout?{}", query.finish()))
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.authorize(&Authorize::web().set("prompt", "none")).await.parameter("code").is_some()
}

async fn confirm(server: &Server, browser: &mut Browser<'_>, page: &Answer, action: &str) -> Answer {
    let challenge = page.field("logout_challenge");
    browser.post(&server.url("/logout"), &[("logout_challenge", &challenge), ("action", action)]).await
}

/// RFC 9110 section 9.2.1: a HEAD is safe. Who looks where a link leads has not followed it.
#[tokio::test]
async fn a_head_ends_nothing() {
    let server = Server::start().await;
    let (mut browser, id_token) = signed_in(&server).await;
    let url = logout_url(&server, &[("id_token_hint", &id_token)]);
    let answer = browser.send(server.http.head(&url)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,POST")));
    assert!(answer.header("set-cookie").is_none());
    assert!(is_signed_in(&mut browser).await);
    assert_eq!(browser.get(&url).await.status, 302);
    assert!(!is_signed_in(&mut browser).await);
}

/// An ID token of this server's own key with other claims: what `change` makes of the real ones.
fn signed(server: &Server, id_token: &str, typ: &str, change: impl FnOnce(&mut Value)) -> String {
    let keys = server.app().keys.live().unwrap();
    let mut claims = Value::Object(keys.verify_id_token(id_token).unwrap());
    change(&mut claims);
    let signer = keys.signer(KeyUse::IdToken, Algorithm::Rs256, server.clock.now()).unwrap();
    signer.sign(typ, &claims).unwrap()
}

/// RP-Initiated Logout section 2: no parameter is required.
#[tokio::test]
async fn lo_01_without_parameters_and_session_it_is_over() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let get = browser.get(&server.url("/oauth2/sessions/logout")).await;
    assert_eq!((get.status, get.location()), (302, Some(server.url("/logout/done"))));
    let post = browser.post(&server.url("/oauth2/sessions/logout"), &[]).await;
    assert_eq!((post.status, post.location()), (303, Some(server.url("/logout/done"))));
    let bare = server.http.post(server.url("/oauth2/sessions/logout")).send().await.unwrap();
    assert_eq!(bare.status(), 303);
    let page = browser.get(&server.url("/logout/done")).await;
    assert!(page.status == 200 && page.body.contains("You are signed out"), "{}", page.body);
}

/// `urls.post_logout_redirect` is the default page where it is set.
#[tokio::test]
async fn lo_01_the_default_page_can_be_the_operators() {
    let server =
        Server::with(|config| config.urls.post_logout_redirect = Some("https://www.example.com/bye".parse().unwrap()))
            .await;
    let answer = server.get("/oauth2/sessions/logout").await;
    assert_eq!(answer.location().as_deref(), Some("https://www.example.com/bye"));
}

/// RP-Initiated Logout section 6: without an ID token the person is asked, and nothing ends before the answer.
#[tokio::test]
async fn lo_02_nobody_is_signed_out_by_a_link() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let page = browser.follow(page).await;
    assert!(page.status == 200 && page.body.contains("alice@example.com"), "{}", page.body);
    assert!(is_signed_in(&mut browser).await);
    let challenge = page.field("logout_challenge");
    // A GET with the form's fields, a form of another site, another browser, another challenge.
    let url = server.url(&format!("/logout?logout_challenge={challenge}&action=accept"));
    assert!(browser.get(&url).await.has_field("logout_challenge"));
    let fields = [("logout_challenge", challenge.as_str()), ("action", "accept")];
    let foreign = server.http.post(server.url("/logout")).form(&fields).header("sec-fetch-site", "cross-site");
    browser.send(foreign).await.assert_page(403, "request_forbidden");
    let mut other = server.signed_in("bob").await;
    other.post(&server.url("/logout"), &fields).await.assert_page(403, "request_forbidden");
    server.browser().post(&server.url("/logout"), &fields).await.assert_page(403, "request_forbidden");
    let none = [("action", "accept")];
    browser.post(&server.url("/logout"), &none).await.assert_page(400, "invalid_request");
    let wrong = [("logout_challenge", "x"), ("action", "accept")];
    browser.post(&server.url("/logout"), &wrong).await.assert_page(404, "not_found");
    assert!(is_signed_in(&mut browser).await && is_signed_in(&mut other).await);
    // "Stay signed in" and then "Sign out".
    let answer = confirm(&server, &mut browser, &page, "reject").await;
    assert_eq!(answer.status, 303);
    assert!(is_signed_in(&mut browser).await);
    let answer = confirm(&server, &mut browser, &page, "accept").await;
    assert_eq!((answer.status, answer.location()), (303, Some(server.url("/logout/done"))));
    assert!(browser.cookie("session").is_none() && !is_signed_in(&mut browser).await);
}

/// The question has its time.
#[tokio::test]
async fn lo_02_the_confirmation_expires() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let page = browser.follow(page).await;
    server.pass(30 * 60);
    confirm(&server, &mut browser, &page, "accept").await.assert_page(410, "request_already_handled");
    assert!(is_signed_in(&mut browser).await);
}

/// RP-Initiated Logout section 3: an address that no ID token vouches for is not gone to.
#[tokio::test]
async fn lo_04_without_a_hint_there_is_no_redirect_to_a_client() {
    let server = Server::start().await;
    for parameters in [
        &[("post_logout_redirect_uri", OUT)][..],
        &[("post_logout_redirect_uri", OUT), ("state", "s")],
        &[("post_logout_redirect_uri", "https://evil.example/")],
        &[("post_logout_redirect_uri", OUT), ("client_id", "web")],
        &[("state", "only")],
    ] {
        let (mut browser, _) = signed_in(&server).await;
        let page = browser.get(&logout_url(&server, parameters)).await;
        let page = browser.follow(page).await;
        assert!(!page.body.contains("rp.example/out") && !page.body.contains("evil"), "{parameters:?}");
        let answer = confirm(&server, &mut browser, &page, "accept").await;
        assert_eq!(answer.location(), Some(server.url("/logout/done")), "{parameters:?}");
        assert!(!is_signed_in(&mut browser).await, "{parameters:?}");
    }
}

/// The way that OpenID Connect clients go: hint, address, state.
#[tokio::test]
async fn lo_14_state_comes_back_exactly_and_only_if_sent() {
    let server = Server::start().await;
    for state in [None, Some("a b+c%26=&ü\"<")] {
        let (mut browser, hint) = signed_in(&server).await;
        let mut parameters = vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT)];
        parameters.extend(state.map(|state| ("state", state)));
        let answer = browser.get(&logout_url(&server, &parameters)).await;
        assert_eq!(answer.status, 302, "{}", answer.body);
        let location = answer.location().unwrap();
        assert!(location == OUT || location.starts_with("https://rp.example/out?state="), "{location}");
        assert_eq!(answer.parameter("state").as_deref(), state);
        assert!(browser.cookie("session").is_none() && !is_signed_in(&mut browser).await);
    }
    let (mut browser, hint) = signed_in(&server).await;
    let form = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT)];
    let answer = browser.post(&server.url("/oauth2/sessions/logout"), &form).await;
    assert_eq!((answer.status, answer.location().as_deref()), (303, Some(OUT)));
    // A hint alone, and once more.
    let (mut browser, hint) = signed_in(&server).await;
    for _ in 0..2 {
        let answer = browser.get(&logout_url(&server, &[("id_token_hint", &hint)])).await;
        assert_eq!(answer.location(), Some(server.url("/logout/done")));
        assert!(!is_signed_in(&mut browser).await);
    }
}

/// Addresses are compared character by character, and only with those of the client that the hint names.
#[tokio::test]
async fn lo_05_only_a_registered_address_is_gone_to() {
    let server = Server::start().await;
    let (mut browser, hint) = signed_in(&server).await;
    for uri in [
        "https://rp.example/out?foo=bar",
        "https://rp.example/out#x",
        "https://rp.example/out/",
        "https://RP.example/out",
        "https://rp.example:443/out",
        "https://rp.example/OUT",
        "http://rp.example/out",
        "https://rp.example/",
        "https://rp.example/cb",
        "https://two.example/out",
        "https://evil.example/",
        "//rp.example/out",
        "javascript:alert(1)",
    ] {
        for state in [None, Some("s")] {
            let mut parameters = vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", uri)];
            parameters.extend(state.map(|state| ("state", state)));
            browser.get(&logout_url(&server, &parameters)).await.assert_page(400, "invalid_request");
        }
    }
    assert!(is_signed_in(&mut browser).await, "a refused request ends nothing");
    let twice =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT), ("post_logout_redirect_uri", OUT)];
    browser.get(&logout_url(&server, &twice)).await.assert_page(400, "invalid_request");
}

/// RP-Initiated Logout section 2: an expired ID token is as good a hint; so is one of a key that no longer signs.
#[tokio::test]
async fn lo_07_an_old_hint_is_accepted() {
    let server = Server::start().await;
    let expired = |claims: &mut Value| claims["exp"] = json!(claims["exp"].as_i64().unwrap() - 365 * 86_400);
    let several = |claims: &mut Value| claims["aud"] = json!(["web"]);
    let one = |claims: &mut Value| claims["aud"] = json!("web");
    for change in [&expired as &dyn Fn(&mut Value), &several, &one] {
        let (mut browser, hint) = signed_in(&server).await;
        let hint = signed(&server, &hint, "JWT", change);
        let answer =
            browser.get(&logout_url(&server, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)])).await;
        assert_eq!((answer.status, answer.location().as_deref()), (302, Some(OUT)), "{}", answer.body);
        assert!(!is_signed_in(&mut browser).await);
    }
    let (mut browser, hint) = signed_in(&server).await;
    let app = server.app();
    let rs256 = Purpose::Sign(KeyUse::IdToken, Algorithm::Rs256);
    app.keys.rotate(&app.store, rs256, server.clock.now()).await.unwrap();
    server.pass(3600 - 1);
    app.keys.load(&app.store, server.clock.now()).await.unwrap();
    let answer =
        browser.get(&logout_url(&server, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)])).await;
    assert_eq!(answer.location().as_deref(), Some(OUT), "a key that was rotated out but is published: {}", answer.body);
}

/// A hint from the future, or without what every ID token of ours has, is none.
#[tokio::test]
async fn lo_08_a_hint_must_be_whole() {
    let server = Server::start().await;
    let (mut browser, hint) = signed_in(&server).await;
    let mut hints = vec![signed(&server, &hint, "JWT", |claims| {
        claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 3600);
    })];
    for name in ["iss", "sub", "sid", "aud", "iat"] {
        hints.push(signed(&server, &hint, "JWT", |claims| drop(claims.as_object_mut().unwrap().remove(name))));
    }
    for (name, value) in [("iss", "https://op.example"), ("sub", ""), ("sid", "x")] {
        hints.push(signed(&server, &hint, "JWT", |claims| claims[name] = json!(value)));
    }
    for hint in &hints {
        let answer = browser.get(&logout_url(&server, &[("id_token_hint", hint)])).await;
        answer.assert_page(400, "invalid_request");
    }
    assert!(is_signed_in(&mut browser).await);
}

/// RP-Initiated Logout section 2: "the OP MUST verify that the Client Identifier matches".
#[tokio::test]
async fn lo_10_client_and_hint_must_agree() {
    let server = Server::start().await;
    let (mut browser, hint) = signed_in(&server).await;
    for client in ["two", "nobody", "WEB"] {
        let parameters = [("id_token_hint", hint.as_str()), ("client_id", client)];
        browser.get(&logout_url(&server, &parameters)).await.assert_page(400, "invalid_request");
    }
    assert!(is_signed_in(&mut browser).await);
    let parameters = [("id_token_hint", hint.as_str()), ("client_id", "web"), ("post_logout_redirect_uri", OUT)];
    assert_eq!(browser.get(&logout_url(&server, &parameters)).await.location().as_deref(), Some(OUT));
}

/// RFC 8725 section 3.12: one kind of JWT is not another; and what is not signed by us is nothing.
#[tokio::test]
async fn lo_11_what_is_no_id_token_is_no_hint() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    let hint = tokens.id_token.clone().unwrap();
    let unsigned = format!("{}.", hint.rsplit_once('.').unwrap().0);
    let none = format!("eyJhbGciOiJub25lIn0.{}.", hint.split('.').nth(1).unwrap());
    let flipped = format!("{}{}", &hint[..hint.len() - 4], if hint.ends_with("AAAA") { "BBBB" } else { "AAAA" });
    let hints = [
        signed(&server, &hint, "at+jwt", |_| {}),
        signed(&server, &hint, "logout+jwt", |_| {}),
        signed(&server, &hint, "JWT", |claims| {
            claims["events"] = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
        }),
        signed(&server, &hint, "JWT", |claims| claims["client_id"] = json!("web")),
        unsigned,
        none,
        flipped,
        tokens.access_token.clone(),
        tokens.refresh().to_owned(),
        "x".to_owned(),
        "a.b.c".to_owned(),
    ];
    for hint in &hints {
        let answer = browser.get(&logout_url(&server, &[("id_token_hint", hint)])).await;
        answer.assert_page(400, "invalid_request");
        assert!(!answer.body.contains(hint.as_str()) || hint == "x", "{hint}");
    }
    assert!(is_signed_in(&mut browser).await);
}

/// RP-Initiated Logout section 2: `logout_hint` and `ui_locales` are hints, and LC-29: whatever is in them, they are no
/// error and no path. By GET and by POST, with a hint and without.
#[tokio::test]
async fn lc_29_hints_for_people_are_harmless() {
    let server = Server::start().await;
    for (name, value) in [
        ("ui_locales", "fr-CA fr en"),
        ("ui_locales", "tlh-Klingon"),
        ("ui_locales", "../../etc/passwd"),
        ("ui_locales", "en\" onload=\"alert(1)"),
        ("ui_locales", " "),
        ("ui_locales", ""),
        ("ui_locales", &"x".repeat(2000)),
        ("logout_hint", "alice@example.com"),
        ("logout_hint", "bob"),
        ("logout_hint", "<script>alert(1)</script>"),
        ("prompt", "none"),
        ("nothing_known", "x"),
    ] {
        let (mut browser, hint) = signed_in(&server).await;
        let page = browser.get(&logout_url(&server, &[(name, value)])).await;
        let page = browser.follow(page).await;
        assert!(page.has_field("logout_challenge") && page.body.contains("alice@example.com"), "{name}={value}");
        assert!(page.body.contains("<html lang=\"en\">") && !page.body.contains("<script"), "{name}={value}");
        assert!(is_signed_in(&mut browser).await, "{name}={value} proves nothing");
        let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT), (name, value)];
        let answer = match value.len() % 2 {
            0 => browser.get(&logout_url(&server, &parameters)).await,
            _ => browser.post(&server.url("/oauth2/sessions/logout"), &parameters).await,
        };
        assert_eq!(answer.location().as_deref(), Some(OUT), "{name}={value}: {}", answer.body);
        assert!(!is_signed_in(&mut browser).await, "{name}={value}");
    }
}

/// RP-Initiated Logout section 2: both methods, each the same; and as a form of another site sends it, without cookies.
#[tokio::test]
async fn a_post_is_what_a_get_is() {
    let server = Server::start().await;
    let end = server.url("/oauth2/sessions/logout");
    let (mut browser, hint) = signed_in(&server).await;
    let page = browser.post(&end, &[("client_id", "web")]).await;
    assert_eq!(page.status, 303);
    let page = browser.follow(page).await;
    assert!(page.has_field("logout_challenge") && page.body.contains("alice@example.com"), "{}", page.body);
    let wrong = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.example/")];
    browser.post(&end, &wrong).await.assert_page(400, "invalid_request");
    assert!(is_signed_in(&mut browser).await);
    let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT), ("state", "a b")];
    let foreign = server.http.post(&end).form(&fields).header("sec-fetch-site", "cross-site");
    let answer = Answer::of(foreign.send().await.unwrap()).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(answer.location().unwrap().starts_with(&format!("{end}?")), "once more, with the cookies");
    let answer = browser.get(&answer.location().unwrap()).await;
    assert_eq!(answer.location().as_deref(), Some("https://rp.example/out?state=a%20b"));
    assert!(!is_signed_in(&mut browser).await);
}

/// RP-Initiated Logout section 3: "the OP also MUST NOT" redirect where the request is no good: each is a page of ours.
#[tokio::test]
async fn lo_04_nothing_that_is_wrong_leads_to_the_client() {
    let server = Server::start().await;
    let (mut browser, hint) = signed_in(&server).await;
    let flipped = format!("{}{}", &hint[..hint.len() - 4], if hint.ends_with("AAAA") { "BBBB" } else { "AAAA" });
    for wrong in [
        &[("id_token_hint", "x")][..],
        &[("id_token_hint", &flipped)],
        &[("id_token_hint", &hint), ("client_id", "two")],
        &[("id_token_hint", &hint), ("client_id", "web"), ("client_id", "web")],
        &[("id_token_hint", &hint), ("id_token_hint", &hint)],
        &[("id_token_hint", &hint), ("state", "a"), ("state", "b")],
    ] {
        let mut parameters = wrong.to_vec();
        parameters.push(("post_logout_redirect_uri", OUT));
        browser.get(&logout_url(&server, &parameters)).await.assert_page(400, "invalid_request");
    }
    // A client that is gone has nothing registered.
    assert_eq!(server.admin(reqwest::Method::DELETE, "/clients/web", None).await.status, 204);
    let gone = logout_url(&server, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]);
    browser.get(&gone).await.assert_page(400, "invalid_request");
    assert!(browser.cookie("session").is_some());
}

/// A hint of somebody else ends that one's session, not that of whoever sits here now.
#[tokio::test]
async fn lo_10_another_persons_hint_leaves_this_session() {
    let server = Server::start().await;
    let (mut alice, hint) = signed_in(&server).await;
    let mut bob = server.signed_in("bob").await;
    let answer = bob.get(&logout_url(&server, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)])).await;
    assert_eq!(answer.location().as_deref(), Some(OUT));
    assert!(is_signed_in(&mut bob).await && bob.cookie("session").is_some());
    assert!(!is_signed_in(&mut alice).await);
}

/// Hydra: two clicks are one logout, and both end on the same page.
#[tokio::test]
async fn lo_13_a_double_submit_is_one_logout() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let page = browser.follow(page).await;
    let (mut one, mut two) = (browser.copy(), browser.copy());
    let (one, two) =
        futures_util::join!(confirm(&server, &mut one, &page, "accept"), confirm(&server, &mut two, &page, "accept"));
    for answer in [&one, &two] {
        assert_eq!((answer.status, answer.location()), (303, Some(server.url("/logout/done"))), "{}", answer.body);
    }
    assert!(!is_signed_in(&mut browser).await);
    assert_eq!(server.database.count("sessions").await, 0);
}

/// A confirmation from before ends the session it was asked for, not the one that came after.
#[tokio::test]
async fn lo_13_an_old_confirmation_does_not_end_a_new_session() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let page = browser.follow(page).await;
    confirm(&server, &mut browser, &page, "accept").await;
    let login = browser.authorize(&Authorize::web()).await;
    browser.login(&login, "alice", PASSWORD, false).await;
    confirm(&server, &mut browser, &page, "accept").await;
    assert!(is_signed_in(&mut browser).await, "neither the session nor its cookie");
}
