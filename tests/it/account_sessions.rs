//! The sessions of the account page: where a person is signed in, and ending it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Authorize, Browser, Server, Tokens, race};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/18.5 Mobile/15E148 Safari/604.1";

async fn tokens(server: &Server, browser: &mut Browser<'_>) -> Tokens {
    let code = browser.code(&Authorize::web(), "alice").await;
    server.token(&code).await.tokens()
}

async fn is_signed_in(server: &Server, browser: &Browser<'_>) -> bool {
    let answer = browser.copy().get(&Authorize::web().set("prompt", "none").url(server)).await;
    answer.parameter("code").is_some()
}

async fn listed(server: &Server, username: &str) -> Vec<Value> {
    let path = format!("/oauth2/auth/sessions/login?subject={}", server.subject(username).await);
    let listed = server.admin(Method::GET, &path, None).await.json();
    assert!(!listed.to_string().contains("null"), "{listed}");
    listed.as_array().unwrap().clone()
}

/// The ids that the page's buttons would end.
fn offered(page: &Answer) -> Vec<String> {
    let buttons = page.body.split("name=\"end_session\" value=\"").skip(1);
    buttons.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// One session ends with what was given in it, its client is told, and the others go on.
#[tokio::test]
async fn a_person_ends_one_session() {
    let server = Server::start().await;
    server.change_client("web", |client| client["backchannel_logout_uri"] = json!("https://rp.example/bye")).await;
    let mut here = server.browser().calling_itself(FIREFOX);
    let mut there = server.browser().calling_itself(SAFARI);
    let (kept, lost) = (tokens(&server, &mut here).await, tokens(&server, &mut there).await);
    let page = here.account("alice").await;
    assert!(page.body.contains(">Firefox on Linux<") && page.body.contains(">Safari on iPhone<"), "{}", page.body);
    let sid = lost.claims()["sid"].as_str().unwrap().to_owned();
    assert_eq!(offered(&page), std::slice::from_ref(&sid), "this browser's is not ended by a button of the list");
    assert!(page.body.find("This browser") > page.body.find("Firefox on Linux"));
    assert!(page.body.find("This browser") < page.body.find("Safari on iPhone"));

    let answer = here.press(&page, "end_session", &sid).await;
    let page = here.follow(answer).await;
    assert!(page.body.contains("role=\"status\">That session has ended."), "{}", page.body);
    assert!(page.body.contains("You are signed in nowhere else.") && offered(&page).is_empty());
    assert!(!is_signed_in(&server, &there).await && is_signed_in(&server, &here).await);
    assert!(!server.introspect(&lost.access_token).await.active);
    assert!(server.introspect(&kept.access_token).await.active);
    assert_eq!(server.database.count("logout_tokens").await, 1);
    // Once more: it is not there.
    here.press(&page, "end_session", &sid).await.assert_page(404, "not_found");
}

/// A session of somebody else is nobody's to end here, and the answer does not tell that it is there.
#[tokio::test]
async fn another_persons_session_is_not_ended() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let of_bob = server.signed_in("bob").await;
    let sid = listed(&server, "bob").await[0]["id"].as_str().unwrap().to_owned();
    let page = browser.account("alice").await;
    let mut told = Vec::new();
    for id in [sid.as_str(), "0198f000-0000-7000-8000-000000000000", "x"] {
        let answer = browser.press(&page, "end_session", id).await;
        answer.assert_page(404, "not_found");
        let request_id = answer.header("x-request-id").unwrap().to_owned();
        told.push(answer.body.replace(&request_id, ""));
    }
    assert!(told.iter().all(|body| *body == told[0]), "{told:?}");
    assert!(is_signed_in(&server, &of_bob).await);
}

/// LO-22: all others end, whoever asks how often at once; each is ended once, and this one is left.
#[tokio::test]
async fn all_others_end_once() {
    let server = Server::start().await;
    let mut here = server.browser().calling_itself(FIREFOX);
    let kept = tokens(&server, &mut here).await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(server.signed_in("alice").await);
    }
    let of_bob = server.signed_in("bob").await;
    let page = here.account("alice").await;
    assert_eq!(offered(&page).len(), 5);
    let form = page.field("form");
    let answers =
        race(32, |_| here.submit(&server.url("/account"), &[("form", form.as_str()), ("end_others", "true")])).await;
    let mut ended = 0;
    for answer in answers {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let page = here.get(&answer.location().unwrap()).await;
        ended += match page.body.split("role=\"status\">").nth(1).unwrap().split_whitespace().next().unwrap() {
            "There" => 0,
            "One" => 1,
            several => several.parse::<u32>().unwrap(),
        };
    }
    assert_eq!(ended, 5, "each by one");
    for other in &others {
        assert!(!is_signed_in(&server, other).await);
    }
    assert!(is_signed_in(&server, &here).await && is_signed_in(&server, &of_bob).await);
    assert!(server.introspect(&kept.access_token).await.active);
}

/// Two browsers that end each other at the same moment: neither comes back, and none of it fails.
#[tokio::test]
async fn sessions_that_end_each_other_at_once() {
    let server = Server::start().await;
    let mut browsers = Vec::new();
    for _ in 0..8 {
        let mut browser = server.signed_in("alice").await;
        let form = browser.account("alice").await.field("form");
        browsers.push((browser, form));
    }
    let answers = race(8, |racer| {
        let (browser, form) = &browsers[racer];
        browser.submit(&server.url("/account"), &[("form", form.as_str()), ("end_others", "true")])
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 303), "{answers:?}");
    let mut alive = 0;
    for (browser, _) in &browsers {
        alive += i64::from(is_signed_in(&server, browser).await);
    }
    assert!(alive <= 1 && server.database.count("sessions").await == alive, "{alive}");
}

/// The newest hundred are shown, and this one wherever it stands; "everywhere else" is all of them.
#[tokio::test]
async fn many_sessions_are_shown_in_part_and_ended_in_whole() {
    let server = Server::start().await;
    let mut here = server.browser().calling_itself(FIREFOX);
    here.account("alice").await;
    let copied = (0..130).fold(String::new(), |text, number| {
        format!(
            "{text}INSERT INTO sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at)
            SELECT '0fffffff-0000-7000-8000-{number:012}', subject, authenticated_at, acr, amr, remembered, created_at,
                expires_at FROM sessions WHERE id NOT LIKE '0fff%'; "
        )
    });
    server.database.execute(&copied).await;
    let page = here.account("alice").await;
    assert_eq!(offered(&page).len(), 100);
    assert!(page.body.contains(">Firefox on Linux<") && page.body.contains("These are the newest."), "{}", page.body);
    let answer = here.press(&page, "end_others", "true").await;
    let page = here.follow(answer).await;
    assert!(page.body.contains("130 other sessions have ended."), "{}", page.body);
    assert_eq!(server.database.count("sessions").await, 1);
}

/// Where it was used last: at the sign-in, then at the authorization endpoint and the account page, every few minutes at
/// most, and never by whoever has no session.
#[tokio::test]
async fn where_a_session_is_used_is_noted_now_and_then() {
    let server = Server::with(|config| {
        config.serve.public.allow_termination_from = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from = async |browser: &mut Browser<'_>, address: &str, user_agent: &str, path: &str| {
        let request = server.http.get(server.url(path)).header("x-forwarded-for", address);
        let request = request.header("x-forwarded-proto", "https").header("user-agent", user_agent);
        browser.send(request).await
    };
    let mut browser = server.browser().calling_itself(FIREFOX);
    let answer = from(&mut browser, "192.0.2.1", FIREFOX, "/account").await;
    let challenge = answer.parameter("login_challenge").unwrap();
    let fields = [("login_challenge", challenge.as_str()), ("email", "alice"), ("password", crate::support::PASSWORD)];
    let request = server.http.post(server.url("/login")).form(&fields).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(browser.send(request.header("x-forwarded-proto", "https")).await.status, 303);
    let noted = async || {
        let one = listed(&server, "alice").await.remove(0);
        let text = |name: &str| one.get(name).map(|value| value.as_str().unwrap().to_owned());
        (text("address").unwrap(), text("user_agent").unwrap(), text("used_at"))
    };
    let began = ("192.0.2.1".to_owned(), FIREFOX.to_owned(), None);
    assert_eq!(noted().await, began);
    let authorize = format!("/oauth2/auth?{}", Authorize::web().set("prompt", "none").query());
    server.pass(299);
    from(&mut browser, "192.0.2.2", SAFARI, &authorize).await;
    assert_eq!(noted().await, began, "not so soon");
    for path in [authorize.as_str(), "/account"] {
        server.pass(300);
        let mut stranger = server.browser();
        from(&mut stranger, "203.0.113.9", "stranger", path).await;
        let before = noted().await;
        assert_ne!(before.0, "203.0.113.9");
        let at = Some(server.clock.now().rfc3339());
        from(&mut browser, "192.0.2.3", SAFARI, path).await;
        assert_eq!(noted().await, ("192.0.2.3".to_owned(), SAFARI.to_owned(), at), "{path}");
        let long = "x".repeat(4000);
        from(&mut browser, "192.0.2.4", &long, path).await;
        assert_eq!(noted().await.0, "192.0.2.3", "again at once");
    }
    server.pass(300);
    let long = "x".repeat(4000);
    from(&mut browser, "2001:db8::7", &long, "/account").await;
    assert_eq!(noted().await, ("2001:db8::7".to_owned(), "x".repeat(255), Some(server.clock.now().rfc3339())));
}

/// A use that can not be noted is no reason to refuse: a read-only database still shows who is signed in.
#[tokio::test]
async fn a_use_that_can_not_be_noted_is_no_failure() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    server.pass(600);
    let (trigger, function) = (
        "CREATE TRIGGER no_uses BEFORE UPDATE OF used_at ON sessions",
        "CREATE FUNCTION no() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no'; END $$ LANGUAGE plpgsql;",
    );
    let statement = match server.database.is_postgres() {
        true => format!("{function} {trigger} FOR EACH ROW EXECUTE FUNCTION no()"),
        false => format!("{trigger} BEGIN SELECT RAISE(ABORT, 'no'); END"),
    };
    server.database.execute(&statement).await;
    assert_eq!(browser.account("alice").await.status, 200);
    assert!(is_signed_in(&server, &browser).await);
    assert!(listed(&server, "alice").await[0].get("used_at").is_none());
}

/// Signing out of this browser is a button of the page, which asks once more.
#[tokio::test]
async fn the_page_leads_to_the_logout() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = browser.account("alice").await;
    assert!(page.body.contains("id=\"sign-out\" href=\"/oauth2/sessions/logout\""), "{}", page.body);
    browser.logout().await;
    assert!(browser.get(&server.url("/account")).await.parameter("login_challenge").is_some());
}

/// A person who is disabled while they look at the page is nobody there.
#[tokio::test]
async fn who_is_disabled_meanwhile_ends_nothing() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = browser.account("alice").await;
    let path = format!("/users/{}", server.subject("alice").await);
    let mut user = server.admin(Method::GET, &path, None).await.json();
    user["disabled"] = json!(true);
    assert_eq!(server.admin(Method::PUT, &path, Some(&user)).await.status, 200);
    for (name, value) in [("end_others", "true"), ("disconnect", "web"), ("change_password", "true")] {
        let answer = browser.press(&page, name, value).await;
        assert_eq!((answer.status, answer.location()), (303, Some(server.url("/account"))), "{name}");
    }
    assert!(server.database.count("consents").await >= 1);
}
