//! A person changes their own password at the account page: security-cases.md LO-23, LC-19, LC-25, LC-32.

use reqwest::header::SET_COOKIE;
use serde_json::json;

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server, Tokens, race};

const NEW: &str = "an entirely new password";

async fn tokens(server: &Server, browser: &mut Browser<'_>, scope: &str) -> Tokens {
    let code = browser.code(&Authorize::web().set("scope", scope), "alice").await;
    server.token(&code).await.tokens()
}

async fn is_signed_in(server: &Server, browser: &Browser<'_>) -> bool {
    let answer = browser.copy().get(&Authorize::web().set("prompt", "none").url(server)).await;
    matches!(answer.parameter("error").as_deref(), None | Some("consent_required"))
}

fn fields<'a>(form: &'a str, current: &'a str, new: &'a str, again: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("form", form),
        ("change_password", "true"),
        ("current_password", current),
        ("new_password", new),
        ("new_password_again", again),
    ]
}

async fn change(server: &Server, browser: &mut Browser<'_>, current: &str, new: &str) -> Answer {
    let form = browser.account("alice").await.field("form");
    browser.post(&server.url("/account"), &fields(&form, current, new, new)).await
}

async fn signs_in(server: &Server, password: &str) -> bool {
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    browser.submit_login(&page, "alice", password).await.status == 303
}

/// LO-23: what the old password has opened is dead, everywhere but here; and here the cookie is another one.
#[tokio::test]
async fn lo_23_a_new_password_ends_everything_but_this_session() {
    for seconds in [0, 100] {
        let server = Server::start().await;
        server.change_client("web", |client| client["backchannel_logout_uri"] = json!("https://rp.example/bye")).await;
        let mut here = server.browser();
        let page = here.authorize(&Authorize::web()).await;
        here.login(&page, "alice", PASSWORD, true).await;
        let own = tokens(&server, &mut here, "openid").await;
        let mut there = server.signed_in("alice").await;
        let online = tokens(&server, &mut there, "openid").await;
        let offline = tokens(&server, &mut there, "openid offline_access").await;
        let of_bob = server.signed_in("bob").await;
        let thief = here.copy();
        server.pass(seconds);
        let answer = change(&server, &mut here, PASSWORD, NEW).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
        assert!(cookie.contains(&format!("Max-Age={}", 720 * 3600 - seconds)), "{cookie}");
        let page = here.follow(answer).await;
        assert!(page.body.contains("role=\"status\">Your password is changed"), "{}", page.body);

        assert!(is_signed_in(&server, &here).await, "this session goes on");
        assert!(!is_signed_in(&server, &there).await && !is_signed_in(&server, &thief).await);
        assert!(is_signed_in(&server, &of_bob).await, "another person is not touched");
        for dead in [&own, &online, &offline] {
            assert!(!server.introspect(&dead.access_token).await.active);
        }
        server.refresh("web", offline.refresh()).await.assert_error(400, "invalid_grant");
        assert_eq!(server.database.count("logout_tokens").await, 1, "the other session's client is told");
        // Here an application gets new tokens, in the same session.
        let again = tokens(&server, &mut here, "openid").await;
        assert_eq!(again.claims()["sid"], own.claims()["sid"]);
        assert!(server.introspect(&again.access_token).await.active);
        assert!(!signs_in(&server, PASSWORD).await && signs_in(&server, NEW).await);
    }
}

/// LC-19: a guess here is a guess there, by account and by address.
#[tokio::test]
async fn lc_19_guesses_count_as_at_the_login_page() {
    let server = Server::with(|config| config.limits.login_per_account = 3).await;
    let mut browser = server.signed_in("alice").await;
    for _ in 0..2 {
        let answer = change(&server, &mut browser, "not the password", NEW).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("role=\"alert\">The current password is not right."), "{}", answer.body);
    }
    let page = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    assert_eq!(browser.submit_login(&page, "alice", "not the password").await.status, 400);
    let answer = change(&server, &mut browser, PASSWORD, NEW).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.header("retry-after").is_some() && answer.body.contains("Too many attempts"), "{}", answer.body);
    assert_eq!(browser.submit_login(&page, "alice", PASSWORD).await.status, 429);
    assert!(signs_in(&server, PASSWORD).await, "a stranger's device has a budget of its own");

    let server = Server::with(|config| config.limits.login_per_address = 3).await;
    let mut browser = server.signed_in("alice").await;
    for _ in 0..3 {
        assert_eq!(change(&server, &mut browser, "not the password", NEW).await.status, 400);
    }
    assert_eq!(change(&server, &mut browser, PASSWORD, NEW).await.status, 429);
    assert!(!signs_in(&server, PASSWORD).await);
}

/// A password that succeeds, or a new one that can not be one, costs no attempt.
#[tokio::test]
async fn only_a_wrong_guess_counts() {
    let server = Server::with(|config| config.limits.login_per_account = 1).await;
    let mut browser = server.signed_in("alice").await;
    let long = "x".repeat(257);
    let form = browser.account("alice").await.field("form");
    for (new, again, why) in [
        ("", "", "at least 8 characters"),
        ("seven77", "seven77", "at least 8 characters"),
        ("ééééééé", "ééééééé", "at least 8 characters"),
        (NEW, "another password", "are not the same"),
        (long.as_str(), long.as_str(), "at most 256 bytes"),
    ] {
        let answer = browser.post(&server.url("/account"), &fields(&form, PASSWORD, new, again)).await;
        assert_eq!(answer.status, 400, "{new}");
        assert!(answer.body.contains(why) && answer.body.contains("role=\"alert\""), "{why} in {}", answer.body);
        assert!(!answer.body.contains(PASSWORD), "nothing that was typed is shown");
    }
    for (current, new) in [(PASSWORD, NEW), (NEW, "one more new password")] {
        assert_eq!(change(&server, &mut browser, current, new).await.status, 303);
    }
    assert!(signs_in(&server, "one more new password").await);
}

/// Of 32 changes at once with the right password exactly one is made: in one browser, and in as many.
#[tokio::test]
async fn of_changes_at_once_one_is_made() {
    for browsers in [1, 8] {
        let server = Server::with(|config| {
            config.limits.password_hashes = 8;
            config.limits.login_per_account = 100;
        })
        .await;
        let mut signed_in = Vec::new();
        for _ in 0..browsers {
            let mut browser = server.signed_in("alice").await;
            let form = browser.account("alice").await.field("form");
            signed_in.push((browser, form));
        }
        let answers = race(32, |racer| {
            let (browser, form) = &signed_in[racer % browsers];
            let new = format!("new password number {racer}");
            browser.submit(&server.url("/account"), &fields(form, PASSWORD, &new, &new))
        })
        .await;
        let mut won = Vec::new();
        for (racer, answer) in answers.iter().enumerate() {
            // A wrong one by now, or nobody is signed in any more.
            assert!(matches!(answer.status, 303 | 400), "{} {}", answer.status, answer.body);
            if answer.headers.contains_key(SET_COOKIE) {
                won.push(racer);
            }
        }
        assert_eq!(won.len(), 1, "{won:?}");
        let (browser, _) = &mut signed_in[won[0] % browsers];
        browser.keep(&answers[won[0]]);
        assert!(is_signed_in(&server, browser).await);
        assert_eq!(server.database.count("sessions").await, 1);
        assert!(signs_in(&server, &format!("new password number {}", won[0])).await);
        assert!(!signs_in(&server, PASSWORD).await);
    }
}

/// A session that is ended while its person changes the password does not come back by it, and the password stays.
#[tokio::test]
async fn a_change_does_not_bring_back_a_session() {
    let server = Server::with(|config| config.limits.login_per_account = 100).await;
    let mut changes = 0;
    for round in 0..8 {
        let mut here = server.signed_in("alice").await;
        let form = here.account("alice").await.field("form");
        let mut there = server.signed_in("alice").await;
        let end = there.account("alice").await.field("form");
        let answers = race(2, |racer| match racer {
            0 => here.submit(&server.url("/account"), &fields(&form, PASSWORD, PASSWORD, PASSWORD)),
            _ => there.submit(&server.url("/account"), &fields(&end, PASSWORD, PASSWORD, PASSWORD)),
        })
        .await;
        changes += answers.iter().filter(|answer| answer.headers.contains_key(SET_COOKIE)).count();
        let mut alive = 0;
        for (mut browser, answer) in [(here, &answers[0]), (there, &answers[1])] {
            browser.keep(answer);
            alive += usize::from(is_signed_in(&server, &browser).await);
        }
        assert_eq!(alive, 1, "round {round}: {answers:?}");
    }
    assert_eq!(changes, 8);
}

/// The command line's way of ending everything ends this session as well.
#[tokio::test]
async fn an_operators_new_password_leaves_nobody_signed_in() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let form = browser.account("alice").await.field("form");
    let hash = server.app().guard.passwords.hash(&hydrant::secret::Secret::new(NEW)).await.unwrap();
    let alice = server.subject("alice").await;
    server.app().store.set_password(&alice, &hash, server.ending()).await.unwrap();
    let answer = browser.post(&server.url("/account"), &fields(&form, NEW, PASSWORD, PASSWORD)).await;
    assert_eq!((answer.status, answer.location()), (303, Some(server.url("/account"))));
    assert!(signs_in(&server, NEW).await);
}

/// LO-23, LC-32: whoever has copied the session's cookie and holds back the last step of a flow of theirs gains nothing by
/// the person's next sign-in, and keeps nothing beyond the next password.
#[tokio::test]
async fn lo_23_what_was_held_back_ends_in_nothing() {
    for (what, held) in [("password", "consent"), ("login", "consent"), ("password", "login"), ("login", "login")] {
        let server = Server::start().await;
        let mut here = server.browser();
        let page = here.authorize(&Authorize::web()).await;
        let page = here.login(&page, "alice", PASSWORD, true).await;
        here.consent(&page, &["openid"], true).await;
        // A browser of the thief's own, with a copy of the one cookie.
        let mut thief = server.browser();
        let (name, cookie) = here.cookies.iter().find(|(name, _)| name.ends_with("session")).unwrap();
        thief.cookies.insert(name.clone(), cookie.clone());
        let step = match held {
            "consent" => {
                let request = Authorize::web().set("scope", "openid offline_access").set("prompt", "consent");
                let page = thief.authorize(&request).await;
                thief.submit_consent(&page, &["openid", "offline_access"]).await
            }
            _ => {
                // Who knows the old password as well.
                let page = thief.authorize(&Authorize::web().set("prompt", "login")).await;
                thief.submit_login(&page, "alice", PASSWORD).await
            }
        };
        assert_eq!(step.status, 303, "{what} {held}: {}", step.body);
        if held == "login" {
            // The cookie is a new one by that, and the person's own is dead: they sign in again.
            let page = here.authorize(&Authorize::web()).await;
            here.login(&page, "alice", PASSWORD, true).await;
        }
        server.pass(60);
        match what {
            "password" => assert_eq!(change(&server, &mut here, PASSWORD, NEW).await.status, 303),
            _ => {
                let page = here.authorize(&Authorize::web().set("prompt", "login")).await;
                here.login(&page, "alice", PASSWORD, true).await;
            }
        }
        let ended = thief.follow(step).await;
        if (what, held) == ("login", "login") {
            // Two browsers in which the person has signed in, each by the password: each has its own session.
            assert!(ended.parameter("code").is_some(), "{:?}", ended.location());
        } else {
            assert_eq!(ended.parameter("code"), None, "{what} {held}: {:?}", ended.location());
        }
        assert!(is_signed_in(&server, &here).await, "{what} {held}");
    }
}

/// A flow that ends in a grant at the moment of the change, in the same session: each takes the rows in one order, and
/// neither waits for the other for ever. The grant is there and dead, or it is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_ends_at_the_moment_of_the_change_is_no_deadlock() {
    let server = Server::with(|config| config.limits.login_per_account = 1000).await;
    server.change_client("web", |client| client["backchannel_logout_uri"] = json!("https://rp.example/bye")).await;
    let mut here = server.browser();
    let page = here.authorize(&Authorize::web()).await;
    here.login(&page, "alice", PASSWORD, true).await;
    let mut passwords = [PASSWORD, NEW];
    for round in 0..12 {
        let page = here.authorize(&Authorize::web().set("prompt", "consent")).await;
        let step = here.submit_consent(&page, &["openid"]).await.location().unwrap();
        let form = here.account("alice").await.field("form");
        let fields = fields(&form, passwords[0], passwords[1], passwords[1]);
        let (ended, changed) = futures_util::join!(here.visit(&step), here.submit(&server.url("/account"), &fields));
        assert_eq!(changed.status, 303, "{round}: {}", changed.body);
        assert!(ended.status < 500, "{round}: {}", ended.body);
        assert_ne!(ended.parameter("error").as_deref(), Some("temporarily_unavailable"), "{round}");
        here.keep(&changed);
        if let Some(code) = ended.parameter("code") {
            server.token(&code).await.assert_error(400, "invalid_grant");
        }
        passwords.swap(0, 1);
    }
}
