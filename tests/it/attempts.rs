//! Attempts to sign in: how many an account and an address have, and that none of it tells who has an account.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

const WRONG: &str = "The name or the password is not right";

async fn server(per_account: u32, per_address: u32) -> Server {
    Server::with(|config| {
        config.limits.login_per_account = per_account;
        config.limits.login_per_address = per_address;
    })
    .await
}

/// A browser at the login page.
async fn stranger(server: &Server) -> (Browser<'_>, Answer) {
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    (browser, page)
}

fn assert_wait(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    assert!(answer.has_field("login_challenge"), "the page is there to try again later");
}

/// CVE-2024-4629: an attempt counts before it is judged, so that any number at once is held to the limit.
#[tokio::test]
async fn lc_16_parallel_attempts_are_held_to_the_limit() {
    let server = Server::with(|config| {
        config.limits.login_per_account = 5;
        config.limits.login_per_address = 10_000;
        config.limits.password_hashes = 4;
    })
    .await;
    let (browser, page) = stranger(&server).await;
    let barrier = tokio::sync::Barrier::new(200);
    let attempts = (0..200).map(|number| {
        let (mut browser, page, barrier) = (browser.copy(), &page, &barrier);
        let password = format!("guess number {number}");
        async move {
            barrier.wait().await;
            browser.submit_login(page, "alice", &password).await
        }
    });
    let answers = futures_util::future::join_all(attempts).await;
    let judged = answers.iter().filter(|answer| answer.status == 400 && answer.body.contains(WRONG)).count();
    assert_eq!(judged, 5);
    answers.iter().filter(|answer| answer.status != 400).for_each(assert_wait);
    // The right password is not looked at either.
    let mut browser = browser.copy();
    assert_wait(&browser.submit_login(&page, "alice", PASSWORD).await);
    assert!(browser.cookie("session").is_none());
}

/// Who signs in at once has no attempts to his name.
#[tokio::test]
async fn a_login_that_succeeds_does_not_count() {
    let server = server(2, 3).await;
    for _ in 0..6 {
        let (mut browser, page) = stranger(&server).await;
        assert_eq!(browser.submit_login(&page, "alice", PASSWORD).await.status, 303);
    }
}

/// CVE-2026-47203 (Authelia): one person has one counter, however the name is spelled.
#[tokio::test]
async fn lc_17_a_spelling_is_no_new_account() {
    let server = server(3, 10_000).await;
    server.user("jo\u{eb}l", json!({}), false).await;
    for (spellings, right) in [
        (["ALICE", " alice ", "Alice@Example.COM"], "alice"),
        (["joe\u{308}l", "JO\u{cb}L", "Joe\u{308}L@example.com"], "jo\u{eb}l"),
        (["bob@example.com", "\u{ff42}\u{ff4f}\u{ff42}", "BOB"], "bob"),
        (["Nobody", "NOBODY", "nobody "], "nobody"),
    ] {
        let (mut browser, page) = stranger(&server).await;
        for spelling in spellings {
            let answer = browser.submit_login(&page, spelling, "not the password").await;
            assert!(answer.status == 400 && answer.body.contains(WRONG), "{spelling}: {}", answer.status);
        }
        assert_wait(&browser.submit_login(&page, right, PASSWORD).await);
    }
}

/// A Cyrillic letter makes another name, and locks nobody else out.
#[tokio::test]
async fn lc_17_a_confusable_name_is_another_one() {
    let server = server(2, 10_000).await;
    let (mut browser, page) = stranger(&server).await;
    for _ in 0..4 {
        browser.submit_login(&page, "\u{430}lice", PASSWORD).await;
    }
    assert_wait(&browser.submit_login(&page, "\u{430}lice", PASSWORD).await);
    assert_eq!(browser.submit_login(&page, "alice", PASSWORD).await.status, 303);
}

/// CWE-645: an attacker who locks an account does not lock its owner out of a device where they signed in before.
#[tokio::test]
async fn lc_20_a_known_device_is_not_locked_out() {
    let server = server(3, 10_000).await;
    let mut owner = server.signed_in("alice").await;
    owner.logout().await;
    let (mut attacker, page) = stranger(&server).await;
    for _ in 0..10 {
        attacker.submit_login(&page, "alice", "guess").await;
    }
    assert_wait(&attacker.submit_login(&page, "alice", PASSWORD).await);
    let page = owner.authorize(&Authorize::web()).await;
    assert_eq!(owner.submit_login(&page, "alice", PASSWORD).await.status, 303);
    // A device that is known to somebody else is a stranger to this account.
    let mut other = server.signed_in("bob").await;
    let page = other.authorize(&Authorize::web().set("prompt", "login")).await;
    assert_wait(&other.submit_login(&page, "alice", PASSWORD).await);
    // The known device has a budget too.
    let page = owner.authorize(&Authorize::web().set("prompt", "login")).await;
    for _ in 0..3 {
        assert_eq!(owner.submit_login(&page, "alice", "guess").await.status, 400);
    }
    assert_wait(&owner.submit_login(&page, "alice", PASSWORD).await);
}

/// Whoever has the cookie of a known device has one budget, whatever else they say the browser is called: a tab that was
/// opened without cookies is told a new name each time.
#[tokio::test]
async fn lc_20_a_known_device_has_one_budget_under_all_its_names() {
    let server = server(3, 10_000).await;
    let owner = server.signed_in("alice").await;
    let known = owner.cookie("hydrant_browser").unwrap();
    let mut judged = 0;
    for number in 0..12 {
        let (mut browser, page) = stranger(&server).await;
        assert!(browser.cookies.keys().any(|name| name.starts_with("hydrant_browser_")), "{:?}", browser.cookies);
        browser.cookies.insert("hydrant_browser".to_owned(), known.to_owned());
        let answer = browser.submit_login(&page, "alice", "guess").await;
        assert!(matches!(answer.status, 400 | 429), "{number}: {}", answer.body);
        judged += usize::from(answer.status == 400);
    }
    assert_eq!(judged, 3);
}

/// However many devices an account has: together they have four budgets. What one of them is refused takes nothing from
/// the others.
#[tokio::test]
async fn lc_20_all_known_devices_have_a_budget_together() {
    let server = server(2, 10_000).await;
    let mut judged = Vec::new();
    let mut devices = Vec::new();
    for _ in 0..6 {
        devices.push(server.signed_in("alice").await);
    }
    for device in &mut devices {
        let page = device.authorize(&Authorize::web().set("prompt", "login")).await;
        let mut here = 0;
        for _ in 0..5 {
            here += usize::from(device.submit_login(&page, "alice", "guess").await.status == 400);
        }
        judged.push(here);
    }
    assert_eq!(judged, [2, 2, 2, 2, 0, 0]);
    let mut last = devices.pop().unwrap();
    let page = last.authorize(&Authorize::web().set("prompt", "login")).await;
    assert_wait(&last.submit_login(&page, "alice", PASSWORD).await);
    // A device that nobody knows has the budget that it had.
    let (mut browser, page) = stranger(&server).await;
    assert_eq!(browser.submit_login(&page, "alice", PASSWORD).await.status, 303);
}

/// Credential stuffing: an address has its budget, whatever accounts it tries and whatever it says of itself.
#[tokio::test]
async fn lc_22_an_address_has_its_own_budget() {
    let server = server(100, 5).await;
    let (mut browser, page) = stranger(&server).await;
    for number in 0..5 {
        let answer = browser.submit_login(&page, &format!("person{number}"), PASSWORD).await;
        assert_eq!(answer.status, 400, "{number}");
    }
    assert_wait(&browser.submit_login(&page, "alice", PASSWORD).await);
    let challenge = page.field("login_challenge");
    let form = [("login_challenge", challenge.as_str()), ("email", "alice"), ("password", PASSWORD)];
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "client-ip"] {
        let request = server.http.post(server.url("/login")).form(&form).header(header, "203.0.113.9");
        assert_wait(&browser.send(request).await);
    }
}

/// Behind a trusted proxy each caller has a budget; an IPv6 network of one household is one caller.
#[tokio::test]
async fn lc_22_behind_a_proxy_the_caller_counts() {
    let server = Server::with(|config| {
        config.limits.login_per_address = 3;
        config.serve.public.allow_termination_from = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from = async |browser: &mut Browser<'_>, page: &Answer, address: &str| {
        let challenge = page.field("login_challenge");
        let form = [("login_challenge", challenge.as_str()), ("email", "alice"), ("password", "guess")];
        let request = server.http.post(server.url("/login")).form(&form);
        browser.send(request.header("x-forwarded-for", address).header("x-forwarded-proto", "https")).await.status
    };
    let mut browser = server.browser();
    let proxied = |url: &str| server.http.get(url).header("x-forwarded-proto", "https");
    let answer = browser.send(proxied(&Authorize::web().url(&server))).await;
    let page = browser.send(proxied(&answer.location().unwrap())).await;
    for _ in 0..3 {
        assert_eq!(from(&mut browser, &page, "203.0.113.1").await, 400);
    }
    assert_eq!(from(&mut browser, &page, "203.0.113.1").await, 429);
    assert_eq!(from(&mut browser, &page, "8.8.8.8, 203.0.113.1").await, 429, "the caller's own word");
    assert_eq!(from(&mut browser, &page, "203.0.113.2").await, 400);
    for last in 1..=3 {
        assert_eq!(from(&mut browser, &page, &format!("2001:db8:1:2::{last}")).await, 400);
    }
    assert_eq!(from(&mut browser, &page, "2001:db8:1:2:ffff::4").await, 429);
    assert_eq!(from(&mut browser, &page, "2001:db8:1:3::1").await, 400);
}

/// CWE-204: an unknown name, a wrong password, a disabled account and one without a password get the same bytes.
#[tokio::test]
async fn lc_23_every_failure_has_the_same_answer() {
    let server = server(100, 10_000).await;
    let nopass = server.user("nopass", json!({}), false).await;
    server.app().store.set_password(&nopass, "", server.ending()).await.unwrap();
    let (mut browser, page) = stranger(&server).await;
    let mut told = Vec::new();
    for (name, password) in [
        ("alice", "not the password"),
        ("nobody", PASSWORD),
        ("nopass", PASSWORD),
        ("nopass", ""),
        ("disabled", PASSWORD),
        ("disabled", "not the password"),
    ] {
        let answer = browser.submit_login(&page, name, password).await;
        let mut headers: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers
            .retain(|line| !["date:", "x-request-id:", "content-length:"].iter().any(|start| line.starts_with(start)));
        headers.sort();
        told.push((name, password, answer.status, headers, answer.body.replace(&format!("\"{name}\""), "\"NAME\"")));
    }
    for other in &told {
        assert_eq!((other.2, &other.3, &other.4), (told[0].2, &told[0].3, &told[0].4), "{} {}", other.0, other.1);
    }
}

/// The same for the lockout: a name that nobody has is locked as one that somebody has.
#[tokio::test]
async fn lc_23_a_lockout_does_not_tell_who_has_an_account() {
    let server = server(2, 10_000).await;
    for name in ["alice", "nobody", "disabled"] {
        let (mut browser, page) = stranger(&server).await;
        for _ in 0..2 {
            assert_eq!(browser.submit_login(&page, name, "guess").await.status, 400, "{name}");
        }
        assert_wait(&browser.submit_login(&page, name, "guess").await);
    }
}

/// And for the time: an unknown name costs a hash as well.
#[tokio::test]
async fn lc_23_an_unknown_name_takes_as_long() {
    let server = Server::with(|config| {
        config.limits.login_per_account = 1000;
        config.limits.login_per_address = 10_000;
        config.accounts.argon2.memory_kib = 2048;
        config.accounts.argon2.iterations = 3;
    })
    .await;
    let (mut browser, page) = stranger(&server).await;
    let mut best = [Duration::MAX; 3];
    let mut bare = Duration::MAX;
    // The best of many, in turns: what else the machine does meanwhile falls out.
    for _ in 0..16 {
        let started = Instant::now();
        browser.get(&server.url("/logout/done")).await;
        bare = started.elapsed().min(bare);
        for (best, name) in best.iter_mut().zip(["alice", "nobody", "disabled"]) {
            let started = Instant::now();
            assert_eq!(browser.submit_login(&page, name, "guess").await.status, 400);
            *best = started.elapsed().min(*best);
        }
    }
    let (least, most) = (best.iter().min().unwrap(), best.iter().max().unwrap());
    assert!(*most < *least * 2, "alice, nobody, disabled: {best:?}");
    assert!(*least > bare * 2, "a hash is what takes the time: {best:?}, {bare:?} without");
}

/// RE-01: a flood of sign-ins is bounded, the rest is told to come back, and others are served meanwhile.
#[tokio::test]
async fn re_01_a_flood_of_sign_ins_is_bounded() {
    let server = Server::with(|config| {
        config.limits.login_per_account = 10_000;
        config.limits.login_per_address = 10_000;
        config.limits.password_hashes = 1;
        config.accounts.argon2.memory_kib = 4096;
        config.accounts.argon2.iterations = 4;
    })
    .await;
    let (browser, page) = stranger(&server).await;
    let long = "x".repeat(200);
    let flood = (0..100).map(|number| {
        let (mut browser, page, long) = (browser.copy(), &page, &long);
        async move { browser.submit_login(page, if number % 2 == 0 { "alice" } else { "nobody" }, long).await }
    });
    let others = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let started = Instant::now();
            assert_eq!(server.get("/.well-known/jwks.json").await.status, 200);
            slowest = slowest.max(started.elapsed());
        }
        slowest
    };
    let (answers, slowest) = futures_util::join!(futures_util::future::join_all(flood), others);
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && answers.iter().all(|answer| matches!(answer.status, 400 | 503)));
    assert!(answers.iter().filter(|answer| answer.status == 400).count() >= 9, "one is computed and eight wait");
    for answer in refused {
        assert!(answer.header("retry-after").is_some() && answer.is_html(), "{:?}", answer.headers);
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// RE-02: while a password is hashed, the thread that serves everybody else is free. (A test has one such thread.)
#[tokio::test]
async fn re_02_hashing_does_not_hold_up_the_runtime() {
    let server = Server::with(|config| {
        config.accounts.argon2.memory_kib = 32 * 1024;
        config.accounts.argon2.iterations = 3;
    })
    .await;
    let (mut browser, page) = stranger(&server).await;
    let started = Instant::now();
    let longest = std::cell::Cell::new(Duration::ZERO);
    let watching = async {
        loop {
            let tick = Instant::now();
            tokio::time::sleep(Duration::from_millis(2)).await;
            longest.set(longest.get().max(tick.elapsed()));
        }
    };
    tokio::select! {
        answer = browser.submit_login(&page, "alice", PASSWORD) => assert_eq!(answer.status, 303),
        () = watching => unreachable!("it does not end"),
    }
    let took = started.elapsed();
    assert!(longest.get() * 2 < took, "a stall of {:?} in a login of {took:?}", longest.get());
}
