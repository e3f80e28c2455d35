//! Each way in which a session or a consent ends, and what its clients are told of it; how tokens are signed for whom.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use hydrant::secret::Secret;
use reqwest::Method;
use serde_json::json;

use crate::support::process::Process;
use crate::support::{RelyingParty, SECRET, Server, Tokens, unverified};

async fn told(server: &Server, rp: &RelyingParty, path: &str, calls: usize) {
    rp.until(path, calls).await;
    server.until_logout_tokens("state=delivered", calls).await;
}

/// An administrator ends a session, or all of a person; disables the person; gives them another password; deletes them.
#[tokio::test]
async fn lo_22_what_an_administrator_ends_is_told() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    server.told_client("rp", &rp.url("/out"), json!({})).await;
    let mut calls = 0;
    for how in ["sid", "subject", "password", "disable", "delete"] {
        let mut users = Vec::new();
        for _ in 0..2 {
            users.push(server.tokens_for(&mut server.browser(), "rp", "openid", "alice").await);
        }
        // Somebody else is not concerned.
        let bob = server.tokens_for(&mut server.browser(), "rp", "openid", "bob").await;
        let alice = server.subject("alice").await;
        let user = format!("/users/{alice}");
        let mut body = server.admin(Method::GET, &user, None).await.json();
        let (answer, ended) = match how {
            "sid" => (server.end_session(&users[0]).await.status, 1),
            "subject" => {
                let path = format!("/oauth2/auth/sessions/login?subject={alice}");
                (server.admin(Method::DELETE, &path, None).await.status, 3)
            }
            "password" => {
                body["password"] = json!("correct horse battery staple");
                let answer = server.admin(Method::PUT, &user, Some(&body)).await;
                let hash = server.app().guard.passwords.hash(&Secret::new(crate::support::PASSWORD)).await.unwrap();
                server.app().store.set_password(&alice, &hash, server.ending()).await.unwrap();
                (answer.status, 2)
            }
            "disable" => {
                body["disabled"] = json!(true);
                let answer = server.admin(Method::PUT, &user, Some(&body)).await;
                body["disabled"] = json!(false);
                server.admin(Method::PUT, &user, Some(&body)).await;
                (answer.status, 2)
            }
            _ => (server.admin(Method::DELETE, &user, None).await.status, 2),
        };
        assert!(answer == 204 || answer == 200, "{how}: {answer}");
        calls += ended;
        told(&server, &rp, "/out", calls).await;
        let sids: Vec<_> = rp.calls("/out").iter().map(|call| call.claim("sid")).collect();
        assert!(sids.contains(&users[0].claims()["sid"].as_str().unwrap().to_owned()), "{how}");
        assert!(!sids.contains(&bob.claims()["sid"].as_str().unwrap().to_owned()), "{how}");
        assert!(
            server.introspect(&bob.access_token).await.active
                && !server.introspect(&users[0].access_token).await.active
        );
    }
    // What is not there is told to nobody.
    let unknown = server.admin(Method::DELETE, "/oauth2/auth/sessions/login?sid=nonsense", None).await;
    assert_eq!(unknown.status, 204);
    assert_eq!(server.logout_tokens("").await.len(), calls);
}

/// A consent that is revoked: the client is told of each session that is alive; where there is none, of the person.
#[tokio::test]
async fn a_revoked_consent_is_told() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    let alice = server.subject("alice").await;
    server.told_client("rp", &rp.url("/out"), json!({})).await;
    server.told_client("other", &rp.url("/other"), json!({})).await;
    server.told_client("picky", &rp.url("/picky"), json!({ "backchannel_logout_session_required": true })).await;
    let revoke = async |query: &str| {
        let path = format!("/oauth2/auth/sessions/consent?{query}");
        assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204, "{query}");
    };
    let sid = |tokens: &Tokens| tokens.claims()["sid"].as_str().unwrap().to_owned();

    let mut browser = server.browser();
    let first = server.tokens_for(&mut browser, "rp", "openid offline_access", "alice").await;
    let other = server.tokens_for(&mut browser, "other", "openid", "alice").await;
    revoke(&format!("subject={alice}&client=rp")).await;
    told(&server, &rp, "/out", 1).await;
    assert_eq!(rp.calls("/out")[0].claim("sid"), sid(&first));
    assert!(server.introspect(&other.access_token).await.active && rp.calls("/other").is_empty());
    // Told once: not again when the session ends, for all that the client has had in it is over.
    browser.logout().await;
    told(&server, &rp, "/other", 1).await;

    // The session has ended, the grant lives on (offline_access): the person is signed out at the client.
    let mut browser = server.browser();
    server.tokens_for(&mut browser, "rp", "openid offline_access", "alice").await;
    browser.logout().await;
    rp.until("/out", 2).await;
    revoke(&format!("subject={alice}&client=rp")).await;
    let calls = rp.until("/out", 3).await;
    assert_eq!((calls[2].claim("sub"), calls[2].claim("sid")), (alice.to_string(), String::new()));
    // A client that wants to hear of sessions only does not.
    let mut browser = server.browser();
    server.tokens_for(&mut browser, "picky", "openid offline_access", "alice").await;
    browser.logout().await;
    rp.until("/picky", 1).await;
    revoke(&format!("subject={alice}&all=true")).await;
    let failed = server.until_logout_tokens("client_id=picky&state=failed", 1).await;
    assert!(failed[0].get("sid").is_none());
    assert_eq!(failed[0]["failure"], "the client wants to be told of sessions only, and this is about a person");
    assert_eq!(rp.calls("/picky").len(), 1);

    // One consent by its id.
    let mut browser = server.browser();
    let tokens = server.tokens_for(&mut browser, "rp", "openid", "bob").await;
    let bob = server.subject("bob").await;
    let listed = server.admin(Method::GET, &format!("/oauth2/auth/sessions/consent?subject={bob}"), None).await.json();
    revoke(&format!("consent_request_id={}", listed[0]["consent_request_id"].as_str().unwrap())).await;
    let calls = rp.until("/out", 4).await;
    assert_eq!(calls[3].claim("sid"), sid(&tokens));
    // One that is remembered, whose grant has long been swept.
    let mut browser = server.browser();
    let tokens = server.tokens_for(&mut browser, "rp", "openid", "bob").await;
    server.pass(5 * 3600);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    let listed = server.admin(Method::GET, &format!("/oauth2/auth/sessions/consent?subject={bob}"), None).await.json();
    revoke(&format!("consent_request_id={}", listed[0]["consent_request_id"].as_str().unwrap())).await;
    let calls = rp.until("/out", 5).await;
    assert_eq!(calls[4].claim("sid"), sid(&tokens));
}

/// `logout.revoke_grants`: whether tokens that were not meant to outlive the session end with it. Codes do in any case.
#[tokio::test]
async fn grants_end_with_their_session_unless_that_is_switched_off() {
    for revokes in [true, false] {
        let server = Server::with_relying_parties(|config| config.logout.revoke_grants = revokes).await;
        let mut browser = server.browser();
        let request = crate::support::Authorize::web();
        let bound = server.token(&browser.code(&request, "alice").await).await.tokens();
        let offline = request.clone().set("scope", "openid offline_access");
        let offline = server.token(&browser.code(&offline, "alice").await).await.tokens();
        let code = browser.code(&request, "alice").await;
        assert_eq!(server.end_session(&bound).await.status, 204);
        assert_eq!(server.introspect(&bound.access_token).await.active, !revokes);
        assert!(server.introspect(&offline.access_token).await.active);
        assert_eq!(server.refresh("web", offline.refresh()).await.status, 200);
        server.token(&code).await.assert_error(400, "invalid_grant");
    }
}

/// Person and session under the client's own names, signed as its ID tokens are, and never unsigned (section 2.4).
#[tokio::test]
async fn a_logout_token_is_made_as_the_clients_id_tokens_are() {
    let server = Server::with_relying_parties(|config| {
        config.oidc.signing_algs.push("none".to_owned());
        config.oidc.pairwise_salt = Some(Secret::new("some salt of the tests"));
    })
    .await;
    let rp = RelyingParty::start().await;
    for (id, more, alg) in [
        ("es", json!({ "id_token_signed_response_alg": "ES256" }), "ES256"),
        ("unsigned", json!({ "id_token_signed_response_alg": "none" }), "RS256"),
        ("pairwise", json!({ "subject_type": "pairwise" }), "RS256"),
    ] {
        server.told_client(id, &rp.url(&format!("/{id}")), more).await;
        let mut browser = server.browser();
        let tokens = server.tokens_for(&mut browser, id, "openid", "alice").await;
        browser.logout().await;
        let call = rp.until(&format!("/{id}"), 1).await.remove(0);
        assert_eq!(unverified(&call.token(), 0)["alg"], alg, "{id}");
        let claims = tokens.claims();
        assert_eq!(
            (call.claim("sub"), call.claim("sid")),
            (claims["sub"].as_str().unwrap().to_owned(), claims["sid"].as_str().unwrap().to_owned())
        );
    }
    let pairwise = rp.calls("/pairwise")[0].claim("sub");
    assert_ne!(pairwise, server.subject("alice").await.to_string());
}

/// The session and what is to be told of it end up in the database together or not at all.
#[tokio::test]
async fn a_session_does_not_end_where_nobody_could_be_told() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    server.told_client("rp", &rp.url("/out"), json!({})).await;
    let mut browser = server.browser();
    let tokens = server.tokens_for(&mut browser, "rp", "openid", "alice").await;
    server.database.execute("ALTER TABLE logout_tokens RENAME TO away").await;
    server.end_session(&tokens).await.assert_error(503, "temporarily_unavailable");
    assert!(server.introspect(&tokens.access_token).await.active);
    assert_eq!(server.database.count("sessions").await, 1);
    let url = server.url(&format!("/oauth2/sessions/logout?id_token_hint={}", tokens.id_token.as_deref().unwrap()));
    browser.get(&url).await.assert_page(503, "temporarily_unavailable");
    server.database.execute("ALTER TABLE away RENAME TO logout_tokens").await;
    assert_eq!(server.end_session(&tokens).await.status, 204);
    rp.until("/out", 1).await;
}

/// CO-16: the process is killed after the session has ended and before the client has been told, or while it is: after the
/// next start it is told, once or more often, never not at all.
#[tokio::test]
async fn co_16_a_killed_process_forgets_nobody() {
    let (server, mut process) =
        Server::outside(&[("LOGOUT_BACK_CHANNEL_TIMEOUT", "1s"), ("CLIENTS_HTTP_ALLOWED_NETWORKS", "127.0.0.0/8")])
            .await;
    let rp = RelyingParty::start().await;
    let client = json!({
        "client_id": "rp", "client_secret": SECRET, "redirect_uris": ["https://rp.example/cb"], "scope": "openid",
        "backchannel_logout_uri": rp.url("/out"),
    });
    let created = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    // It hangs, so that each kill comes while it is being told.
    rp.slow_down("/out", Duration::from_mins(1));
    let mut ended = Vec::new();
    for _ in 0..3 {
        let tokens = server.tokens_for(&mut server.browser(), "rp", "openid", "alice").await;
        assert_eq!(server.end_session(&tokens).await.status, 204);
        process.kill_and_restart().await;
        ended.push(tokens.claims()["sid"].as_str().unwrap().to_owned());
    }
    rp.slow_down("/out", Duration::ZERO);
    let began = Instant::now();
    let told = loop {
        let delivered = server.logout_tokens("state=delivered").await;
        if delivered.len() == ended.len() {
            break delivered;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", server.logout_tokens("").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("after the last start all were told within {:?}", began.elapsed());
    for sid in &ended {
        assert!(told.iter().any(|token| token["sid"] == **sid));
        assert!(rp.calls("/out").iter().any(|call| call.claim("sid") == *sid));
    }
    let _: &Process = &process;
}

/// A client that was away while the person signed out is told when it is back, by whichever server is there then.
#[tokio::test]
async fn co_16_what_one_server_has_written_another_sends() {
    let mut server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    rp.reply(|_| StatusCode::BAD_GATEWAY.into_response());
    server.told_client("rp", &rp.url("/out"), json!({})).await;
    let tokens = server.tokens_for(&mut server.browser(), "rp", "openid", "alice").await;
    assert_eq!(server.end_session(&tokens).await.status, 204);
    rp.until("/out", 1).await;
    server.stop().await;
    rp.reply(|_| StatusCode::OK.into_response());
    // A claim that the stop has cut short ends by itself.
    server.pass(20);
    server.resume().await;
    rp.until("/out", 2).await;
    server.until_logout_tokens("state=delivered", 1).await;
}

/// The person is called what the client has known them as in that session, also where that is not kept any more.
#[tokio::test]
async fn a_forced_subject_is_told_as_it_was_given() {
    let server = Server::with_relying_parties(|config| {
        config.oidc.pairwise_salt = Some(Secret::new("some salt of the tests"));
    })
    .await;
    let rp = RelyingParty::start().await;
    server.told_client("pair", &rp.url("/out"), json!({ "subject_type": "pairwise" })).await;
    let alice = server.subject("alice").await;
    let force = |seen_as: &str| {
        format!(
            "INSERT INTO forced_subjects (client_id, subject, seen_as) VALUES ('pair', '{alice}', '{seen_as}')
             ON CONFLICT (client_id, subject) DO UPDATE SET seen_as = excluded.seen_as"
        )
    };
    server.database.execute(&force("customer-1")).await;
    let tokens = server.tokens_for(&mut server.browser(), "pair", "openid", "alice").await;
    assert_eq!(tokens.claims()["sub"], "customer-1");
    server.database.execute(&force("customer-2")).await;
    // The session's own id: the client's name for it is no administrator's.
    let sid = server.database.column("SELECT id FROM sessions").await.remove(0);
    let path = format!("/oauth2/auth/sessions/login?sid={sid}");
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(rp.until("/out", 1).await[0].claim("sub"), "customer-1");
    let tokens = server.tokens_for(&mut server.browser(), "pair", "openid", "alice").await;
    assert_eq!(tokens.claims()["sub"], "customer-2");
    assert_eq!(server.admin(Method::DELETE, &format!("/users/{alice}"), None).await.status, 204);
    assert_eq!(rp.until("/out", 2).await[1].claim("sub"), "customer-2");
}
