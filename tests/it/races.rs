//! Whatever may happen once happens once, over two servers on one database: security-cases.md group CO.

use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use serde_json::json;

use crate::support::{Answer, Authorize, Database, Server, Tokens, race};

const RACERS: usize = 32;
const ROUNDS: usize = 4;
const OFFLINE: &str = "openid offline";

/// Two replicas: one database, one time.
async fn pair(grace: Duration) -> [Arc<Server>; 2] {
    let (database, clock) = (Database::new().await, Clock::manual());
    let change = |config: &mut hydrant::config::Config| {
        config.oauth2.refresh_grace = grace;
        config.limits.request_timeout = Duration::from_secs(30);
    };
    let one = Server::on(database.clone(), clock.clone(), change).await;
    let two = Server::on(database, clock, change).await;
    [Arc::new(one), Arc::new(two)]
}

const GRACE: Duration = Duration::from_secs(10);

/// The tokens of the one who won; all others were told `invalid_grant` and nothing else.
#[track_caller]
fn only_winner(answers: &[Answer]) -> Tokens {
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1, "{:?}", answers.iter().map(|answer| (answer.status, &answer.body)).collect::<Vec<_>>());
    for answer in lost {
        answer.assert_error(400, "invalid_grant");
    }
    won[0].tokens()
}

/// CVE-2026-47386: a code is redeemed by one, however many come at once, and wherever they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cp_02_co_01_of_many_who_redeem_a_code_one_does() {
    let servers = pair(GRACE).await;
    let mut browser = servers[0].signed_in("alice").await;
    for _ in 0..ROUNDS {
        let code = browser.code(&Authorize::web().set("scope", OFFLINE), "alice").await;
        let answers = race(RACERS, |racer| {
            let (server, code) = (Arc::clone(&servers[racer % 2]), code.clone());
            async move { server.token(&code).await }
        })
        .await;
        let tokens = only_winner(&answers);
        // design.md: any replay revokes at once, and so the losers have revoked what the winner got.
        assert!(!servers[0].introspect(&tokens.access_token).await.active);
        servers[1].refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    }
}

/// CP-04, the operator's grace: the losers of an honest client's race do not kill what its winner got.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cp_04_within_the_grace_the_winner_keeps_its_tokens() {
    let (database, clock) = (Database::new().await, Clock::manual());
    let change = |config: &mut hydrant::config::Config| config.oauth2.code_replay_grace = GRACE;
    let one = Arc::new(Server::on(database.clone(), clock.clone(), change).await);
    let two = Arc::new(Server::on(database, clock, change).await);
    let code = one.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    let answers = race(RACERS, |racer| {
        let (server, code) = (Arc::clone([&one, &two][racer % 2]), code.clone());
        async move { server.token(&code).await }
    })
    .await;
    let tokens = only_winner(&answers);
    assert!(two.introspect(&tokens.access_token).await.active);
    one.refresh("web", tokens.refresh()).await.tokens();
}

async fn refresh_by_many(servers: &[Arc<Server>; 2], token: &str) -> Vec<Answer> {
    race(RACERS, |racer| {
        let (server, token) = (Arc::clone(&servers[racer % 2]), token.to_owned());
        async move { server.refresh("web", &token).await }
    })
    .await
}

/// CVE-2026-1035: within the grace all get the same successor, and there is one live generation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rt_04_co_02_many_refreshes_at_once_get_one_successor() {
    let servers = pair(GRACE).await;
    let first = servers[0].tokens_with(OFFLINE).await;
    let mut current = first.refresh().to_owned();
    for _ in 0..ROUNDS {
        let answers = refresh_by_many(&servers, &current).await;
        let next = answers[0].tokens().refresh().to_owned();
        for answer in &answers {
            assert_eq!(answer.tokens().refresh(), next);
        }
        assert_ne!(next, current);
        assert!(!servers[0].introspect(&current).await.active);
        assert!(servers[1].introspect(&next).await.active);
        current = next;
    }
}

/// Without a grace one is served; the others are reuse, and the family is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rt_04_without_a_grace_one_wins_and_the_family_dies() {
    let servers = pair(Duration::ZERO).await;
    for _ in 0..ROUNDS {
        let first = servers[0].tokens_with(OFFLINE).await;
        let winner = only_winner(&refresh_by_many(&servers, first.refresh()).await);
        for token in [winner.refresh(), &winner.access_token, &first.access_token] {
            assert!(!servers[1].introspect(token).await.active);
        }
        servers[0].refresh("web", winner.refresh()).await.assert_error(400, "invalid_grant");
    }
}

/// CO-04: the janitor takes nothing that is being used, and what it took is used by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_04_a_sweep_and_a_redemption_do_not_meet_half_way() {
    let servers = pair(GRACE).await;
    let config = servers[0].config();
    let (code_life, row_life) =
        (config.ttl.auth_code.as_secs(), (config.ttl.auth_code + config.ttl.login_consent_request).as_secs());
    for passed in [code_life - 1, code_life, row_life - 1, row_life] {
        let code = servers[0].code_for(&Authorize::web().set("scope", OFFLINE)).await;
        servers[0].pass(passed);
        let answers = race(RACERS, |racer| {
            let (server, code) = (Arc::clone(&servers[racer % 2]), code.clone());
            async move {
                if racer == 0 {
                    return Some(server.token(&code).await);
                }
                server.app().store.sweep(server.clock.now()).await.unwrap();
                None
            }
        })
        .await;
        let answer = answers.into_iter().flatten().next().unwrap();
        if passed < code_life {
            let tokens = answer.tokens();
            servers[1].app().store.sweep(servers[1].clock.now()).await.unwrap();
            assert!(servers[1].introspect(&tokens.access_token).await.active);
            assert!(servers[1].introspect(tokens.refresh()).await.active);
        } else {
            answer.assert_error(400, "invalid_grant");
        }
    }
}

/// CO-05, RV-10: after a revocation was answered nothing of the grant is alive, whoever refreshed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_05_a_revocation_among_refreshes_leaves_nothing_alive() {
    let servers = pair(GRACE).await;
    for round in 0..ROUNDS {
        let first = servers[0].tokens_with(OFFLINE).await;
        let answers = race(RACERS, |racer| {
            let (server, token) = (Arc::clone(&servers[racer % 2]), first.refresh().to_owned());
            async move {
                if racer == RACERS / 2 + round {
                    server.revoke("web", &token).await
                } else {
                    server.refresh("web", &token).await
                }
            }
        })
        .await;
        assert_eq!(answers[RACERS / 2 + round].status, 200);
        for (racer, answer) in answers.iter().enumerate().filter(|(racer, _)| *racer != RACERS / 2 + round) {
            if answer.status == 200 {
                let tokens = answer.tokens();
                assert!(!servers[racer % 2].introspect(&tokens.access_token).await.active);
                servers[0].refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
            } else {
                answer.assert_error(400, "invalid_grant");
            }
        }
    }
}

/// CO-05: a logout or the deletion of the client, at the moment when the code is redeemed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_05_a_code_that_is_redeemed_while_its_ground_goes_leaves_nothing_alive() {
    let servers = pair(GRACE).await;
    for round in 0..ROUNDS {
        let client = format!("gone-{round}");
        let callback = format!("https://{client}.example/cb");
        let metadata = json!({ "redirect_uris": [callback], "scope": "openid offline", "grant_types": ["authorization_code", "refresh_token"] });
        servers[0].client(&client, metadata).await;
        let request = Authorize::of(&client, &callback).set("scope", "openid");
        let mut browser = servers[0].browser();
        let code = browser.code(&request, "alice").await;
        let hint = servers[0]
            .redeem(&client, &code, &callback, Some(crate::support::VERIFIER))
            .await
            .tokens()
            .id_token
            .unwrap();
        let code = browser.code(&request, "alice").await;
        let answers = race(3, |racer| {
            let (server, code, hint) = (Arc::clone(&servers[racer % 2]), code.clone(), hint.clone());
            // An ID token is known to the issuer that it names.
            let issuer = Arc::clone(&servers[0]);
            let (client, callback) = (client.clone(), callback.clone());
            async move {
                match racer {
                    0 => Some(server.redeem(&client, &code, &callback, Some(crate::support::VERIFIER)).await),
                    1 if round % 2 == 0 => {
                        let answer = issuer.get(&format!("/oauth2/sessions/logout?id_token_hint={hint}")).await;
                        assert!(answer.status < 400, "{} {}", answer.status, answer.body);
                        None
                    }
                    1 => {
                        server.delete_client(&client).await;
                        None
                    }
                    _ => None,
                }
            }
        })
        .await;
        let answer = answers.into_iter().flatten().next().unwrap();
        if answer.status == 200 {
            let token = answer.tokens().access_token;
            assert!(!servers[0].introspect(&token).await.active, "round {round}");
            assert!(!servers[1].introspect(&token).await.active, "round {round}");
        } else {
            assert!(matches!(answer.status, 400 | 401), "{} {}", answer.status, answer.body);
        }
    }
}

/// CO-05: a disabled person's codes and refreshes, at the moment of the disabling.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_05_nothing_of_a_person_survives_their_disabling() {
    let servers = pair(GRACE).await;
    for round in 0..ROUNDS {
        let name = format!("person-{round}");
        let subject = servers[0].user(&name, json!({}), false).await;
        let mut browser = servers[0].browser();
        let request = Authorize::web().set("scope", OFFLINE);
        let first = browser.code(&request, &name).await;
        let first = servers[0].token(&first).await.tokens();
        let code = browser.code(&request, &name).await;
        let path = format!("/users/{subject}");
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "disabled": true });
        let answers = race(8, |racer| {
            let (server, code) = (Arc::clone(&servers[racer % 2]), code.clone());
            let (refresh, path, body) = (first.refresh().to_owned(), path.clone(), body.clone());
            async move {
                match racer {
                    3 => server.admin(reqwest::Method::PUT, &path, Some(&body)).await,
                    0..3 => server.refresh("web", &refresh).await,
                    _ => server.token(&code).await,
                }
            }
        })
        .await;
        assert_eq!(answers[3].status, 200, "{}", answers[3].body);
        for (racer, answer) in answers.iter().enumerate().filter(|(racer, _)| *racer != 3) {
            if answer.status == 200 {
                let tokens = answer.tokens();
                assert!(!servers[racer % 2].introspect(&tokens.access_token).await.active);
                servers[0].refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
            } else {
                answer.assert_error(400, "invalid_grant");
            }
        }
    }
}

/// CO-08: whoever asks while a client changes is judged by the one registration or the other, and the change holds on
/// the server that made it once it was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_08_a_client_changes_at_once() {
    let servers = pair(GRACE).await;
    let server = &servers[0];
    for round in 0..ROUNDS {
        let (old, new) = match round % 2 {
            0 => ("https://rp.example/cb", "https://rp.example/new"),
            _ => ("https://rp.example/new", "https://rp.example/cb"),
        };
        let answers = race(RACERS, |racer| {
            let server = Arc::clone(server);
            async move {
                if racer == RACERS / 2 {
                    server.change_client("web", |client| client["redirect_uris"] = json!([new])).await;
                    return None;
                }
                let uri = if racer % 2 == 0 { old } else { new };
                Some(server.get(&format!("/oauth2/auth?{}", Authorize::of("web", uri).query())).await)
            }
        })
        .await;
        for answer in answers.iter().flatten() {
            match answer.status {
                302 => assert!(answer.location().unwrap().starts_with(&server.url("/login?login_challenge="))),
                400 => assert_eq!(answer.location(), None),
                other => panic!("{other}: {}", answer.body),
            }
        }
        let asked = |uri| format!("/oauth2/auth?{}", Authorize::of("web", uri).query());
        assert_eq!(server.get(&asked(new)).await.status, 302);
        assert_eq!(server.get(&asked(old)).await.status, 400);
    }
}

/// CO-17: of several janitors each row goes once, and the tables are empty in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_17_several_janitors_do_each_row_once() {
    let servers = pair(GRACE).await;
    let mut browser = servers[0].signed_in("alice").await;
    for _ in 0..10 {
        browser.code(&Authorize::web(), "alice").await;
    }
    servers[0].pass(10 * 365 * 24 * 3600);
    let swept = race(4, |racer| {
        let server = Arc::clone(&servers[racer % 2]);
        async move { server.app().store.sweep(server.clock.now()).await.unwrap() }
    })
    .await;
    assert!(swept.iter().any(|rows| *rows >= 10), "{swept:?}");
    assert_eq!(servers[1].app().store.sweep(servers[1].clock.now()).await.unwrap(), 0);
    assert_eq!(servers[0].get("/health/ready").await.status, 200);
}
