//! Looking after a registration: RFC 7592 (security-cases.md RA).

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::registration::Own;
use crate::support::{Answer, Server, race};

async fn basic(server: &Server, method: Method, id: &str, secret: &str, body: Option<&Value>) -> Answer {
    let request = server.manage(method, id).basic_auth(id, Some(secret));
    let request = body.into_iter().fold(request, reqwest::RequestBuilder::json);
    Answer::of(request.send().await.unwrap()).await
}

#[track_caller]
fn assert_challenged(answer: &Answer) {
    answer.assert_error(401, "invalid_token");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "), "{:?}", answer.headers);
}

/// RA-01, RA-02: the same answer whoever asks for whatever, so that nobody learns which clients there are.
#[tokio::test]
async fn ra_01_only_its_own_token_opens_a_registration() {
    let server = Server::open_to_all(|_| {}).await;
    let (mine, other) = (server.own_client(json!({})).await, server.own_client(json!({})).await);
    let tokens = server.sign_in_to(&mine).await.tokens();
    let body = mine.with(json!({}));
    for id in [mine.id(), "web", "nobody", "%00", "%FF", "a%2Fb"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            for token in [other.token(), &tokens.access_token, "nonsense", &mine.token()[1..]] {
                assert_challenged(&server.manage_with(method.clone(), id, token, Some(&body)).await);
            }
            assert_challenged(&Answer::of(server.manage(method.clone(), id).json(&body).send().await.unwrap()).await);
            let query = server.manage(method.clone(), id).query(&[("access_token", mine.token())]).json(&body);
            assert_challenged(&Answer::of(query.send().await.unwrap()).await);
        }
    }
    let unchanged = server.manage_with(Method::GET, mine.id(), mine.token(), None).await;
    assert_eq!(unchanged.status, 200, "{}", unchanged.body);
}

/// RFC 7591 section 3.2.1: an end that the client could put off with the same secret would be none.
#[tokio::test]
async fn an_expired_secret_is_not_set_again() {
    let server = Server::open_to_all(|policy| policy.secret_lifetime = Some(Duration::from_hours(1))).await;
    let client = server.own_client(json!({})).await;
    server.pass(3601);
    let same = client.with(json!({ "client_secret": client.secret() }));
    let refused = server.manage_with(Method::PUT, client.id(), client.token(), Some(&same)).await;
    refused.assert_error(400, "invalid_client_metadata");
    let other = client.with(json!({ "client_secret": "another one of mine" }));
    let answer = server.manage_with(Method::PUT, client.id(), client.token(), Some(&other)).await;
    assert_eq!((answer.status, &answer.json()["client_secret"]), (200, &json!("another one of mine")));
    basic(&server, Method::GET, client.id(), client.secret(), None).await.assert_error(401, "invalid_client");
    basic(&server, Method::DELETE, client.id(), "another one of mine", None).await;
    assert_eq!(server.self_registered().await, 0);
}

/// A secret that goes from sealed to hashed is the same secret, with the same end.
#[tokio::test]
async fn another_method_does_not_put_off_the_end_of_a_secret() {
    let server = Server::open_to_all(|policy| policy.secret_lifetime = Some(Duration::from_hours(1))).await;
    let client = server.own_client(json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
    server.pass(1800);
    let body = client.with(json!({ "token_endpoint_auth_method": "client_secret_basic" }));
    let changed = Own(server.manage_with(Method::PUT, client.id(), client.token(), Some(&body)).await.json());
    assert_eq!(changed.0["client_secret_expires_at"], client.0["client_secret_expires_at"], "{}", changed.0);
    assert_eq!(basic(&server, Method::GET, client.id(), client.secret(), None).await.status, 200);
    server.pass(1801);
    basic(&server, Method::GET, client.id(), client.secret(), None).await.assert_error(401, "invalid_client");
}

/// RA-04 as design.md section 9 has it: the client's own secret by Basic, in the query only where the operator lets it.
#[tokio::test]
async fn ra_04_the_clients_own_credentials() {
    let server = Server::open_to_all(|_| {}).await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = server.own_client(json!({ "token_endpoint_auth_method": method })).await;
        let (id, secret) = (client.id(), client.secret());
        assert_eq!(basic(&server, Method::GET, id, secret, None).await.json()["client_id"], id);
        let refused = basic(&server, Method::GET, id, "wrong", None).await;
        refused.assert_error(401, "invalid_client");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
        let query = server.manage(Method::GET, id).query(&[("client_id", id), ("client_secret", secret)]);
        assert_challenged(&Answer::of(query.send().await.unwrap()).await);
        let body = client.with(json!({ "client_name": "By Basic" }));
        let changed = basic(&server, Method::PUT, id, secret, Some(&body)).await;
        assert_eq!(changed.json()["client_name"], "By Basic", "{}", changed.body);
        assert_challenged(&server.manage_with(Method::GET, id, client.token(), None).await);
        assert_eq!(basic(&server, Method::DELETE, id, secret, None).await.status, 204);
        basic(&server, Method::GET, id, secret, None).await.assert_error(401, "invalid_client");
    }
    // One of the operator's own is not the client's to change; and it is not told from one that is not there.
    basic(&server, Method::GET, "web", crate::support::SECRET, None).await.assert_error(401, "invalid_client");

    let lax = Server::open_to_all(|policy| policy.allow_secret_in_query = true).await;
    let client = lax.own_client(json!({ "token_endpoint_auth_method": "client_secret_post" })).await;
    for (secret, status) in [(client.secret(), 200), ("wrong", 401)] {
        let query = lax.manage(Method::GET, client.id()).query(&[("client_secret", secret)]);
        assert_eq!(query.send().await.unwrap().status(), status);
    }
}

/// RA-05, RA-07: a replacement is judged as a registration is, and one that is refused changes nothing.
#[tokio::test]
async fn ra_05_07_what_is_refused_changes_nothing() {
    let server = Server::open_to_all(|_| {}).await;
    let client = server.own_client(json!({})).await;
    let mut without_id = client.with(json!({}));
    without_id.as_object_mut().unwrap().remove("client_id");
    for body in [
        without_id,
        client.with(json!({ "client_id": "web" })),
        client.with(json!({ "scope": "openid admin" })),
        client.with(json!({ "grant_types": ["client_credentials"] })),
        client.with(json!({ "skip_consent": true })),
        client.with(json!({ "metadata": { "a": 1 } })),
        client.with(json!({ "audience": ["https://api.example"] })),
        client.with(json!({ "client_secret": "weak" })),
        client.with(json!({ "client_secret": "aaaaaaaaaaaaaaaaaaaaaaaa" })),
    ] {
        let answer = server.manage_with(Method::PUT, client.id(), client.token(), Some(&body)).await;
        answer.assert_error(400, "invalid_client_metadata");
    }
    let found = server.manage_with(Method::GET, client.id(), client.token(), None).await.json();
    assert_eq!(found["updated_at"], client.0["updated_at"]);
    assert_eq!(server.sign_in_to(&client).await.status, 200);
}

/// RFC 7592 section 2.2: the whole registration is replaced, the token with it.
#[tokio::test]
async fn a_replacement_rotates_the_token() {
    let server = Server::open_to_all(|_| {}).await;
    let client = server.own_client(json!({ "contacts": ["a@app.example"] })).await;
    let body = json!({ "client_id": client.id(), "redirect_uris": ["https://app.example/cb"], "client_name": "New" });
    let answer = server.manage_with(Method::PUT, client.id(), client.token(), Some(&body)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.body);
    let after = Own(answer.json());
    assert_eq!((&after.0["contacts"], after.text("client_name")), (&json!([]), "New"));
    assert!(after.token() != client.token() && after.0.get("client_secret").is_none());
    assert_challenged(&server.manage_with(Method::GET, client.id(), client.token(), None).await);
    assert_eq!(server.manage_with(Method::GET, client.id(), after.token(), None).await.status, 200);
}

/// design.md section 9, where the seed document differs from RA-08: the secret is the client's to choose.
#[tokio::test]
async fn ra_08_a_chosen_secret_is_set_and_shown() {
    let server = Server::open_to_all(|policy| {
        policy.secret_lifetime = Some(std::time::Duration::from_hours(1));
    })
    .await;
    let client = server.own_client(json!({})).await;
    let same = client.with(json!({ "client_secret": client.secret() }));
    let kept = Own(server.manage_with(Method::PUT, client.id(), client.token(), Some(&same)).await.json());
    assert_eq!(
        (kept.secret(), &kept.0["client_secret_expires_at"]),
        (client.secret(), &client.0["client_secret_expires_at"])
    );
    server.pass(600);
    let chosen = client.with(json!({ "client_secret": "a secret of my own choice" }));
    let after = Own(server.manage_with(Method::PUT, client.id(), kept.token(), Some(&chosen)).await.json());
    assert_eq!(after.secret(), "a secret of my own choice");
    assert!(after.0["client_secret_expires_at"].as_i64() > client.0["client_secret_expires_at"].as_i64());
    assert_eq!(server.sign_in_to(&after).await.status, 200);
    server.sign_in_to(&client).await.assert_error(401, "invalid_client");
    let found = server.manage_with(Method::GET, client.id(), after.token(), None).await;
    assert!(!found.body.contains("my own choice"), "{}", found.body);
    server.pass(3601);
    server.sign_in_to(&after).await.assert_error(401, "invalid_client");
}

/// RA-10.
#[tokio::test]
async fn ra_10_reading_back_leaks_nothing() {
    let server = Server::open_to_all(|_| {}).await;
    let client = server.own_client(json!({})).await;
    let answer = server.manage_with(Method::GET, client.id(), client.token(), None).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let found = answer.json();
    for member in ["client_secret", "registration_access_token", "secret_hash", "origin", "registration_token_hash"] {
        assert!(found.get(member).is_none(), "{member}");
    }
    assert_eq!(found["registration_client_uri"], client.0["registration_client_uri"]);
    assert!(!found.as_object().unwrap().values().any(Value::is_null));
}

/// RA-11: with the registration everything ends.
#[tokio::test]
async fn ra_11_a_deleted_client_is_dead_at_once() {
    let server = Server::open_to_all(|_| {}).await;
    let client = server.own_client(json!({})).await;
    let tokens = server.sign_in_to(&client).await.tokens();
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 200);
    assert_eq!(server.manage_with(Method::DELETE, client.id(), client.token(), None).await.status, 204);
    assert_challenged(&server.manage_with(Method::DELETE, client.id(), client.token(), None).await);
    assert_challenged(&server.manage_with(Method::GET, client.id(), client.token(), None).await);
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 401);
    assert!(!server.introspect(&tokens.access_token).await.active && !server.introspect(tokens.refresh()).await.active);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(client.id(), Some(client.secret()));
    assert_eq!(request.form(&refresh).send().await.unwrap().status(), 401);
}

/// Who gets its id later finds nothing that a deleted client has left: what people have allowed it, and what it knew them
/// as. Whoever deletes it: it, the operator, or the sweep.
#[tokio::test]
async fn a_deleted_client_leaves_nothing_behind() {
    let server = Server::open_to_all(|policy| policy.unused_for = Some(Duration::from_hours(1))).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = server.own_client(json!({})).await;
        for statement in [
            "INSERT INTO consents (subject, client_id, scope, audience, granted_at) VALUES ('s', '{id}', 'openid', '[]', 0)",
            "INSERT INTO forced_subjects (client_id, subject, seen_as) VALUES ('{id}', 's', 'customer-17')",
        ] {
            assert_eq!(server.database.execute(&statement.replace("{id}", client.id())).await, 1);
        }
        clients.push(client);
    }
    let left = async || [server.database.count("consents").await, server.database.count("forced_subjects").await];
    assert_eq!(left().await, [3, 3]);
    assert_eq!(server.manage_with(Method::DELETE, clients[0].id(), clients[0].token(), None).await.status, 204);
    assert_eq!(left().await, [2, 2], "it has deleted itself");
    assert_eq!(server.admin(Method::DELETE, &format!("/clients/{}", clients[1].id()), None).await.status, 204);
    assert_eq!(left().await, [1, 1], "the operator has");
    server.pass(3601);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(left().await, [0, 0], "it was never used");
}

/// Of 32 who replace a registration with one token, one does.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_32_replacements_with_one_token_one_succeeds() {
    let server = Server::open_to_all(|_| {}).await;
    let client = server.own_client(json!({})).await;
    let outcomes = race(32, |racer| {
        let body = client.with(json!({ "client_name": format!("Racer {racer}") }));
        let request = server.manage(Method::PUT, client.id()).bearer_auth(client.token()).json(&body);
        async move { Answer::of(request.send().await.unwrap()).await }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 31));
    lost.into_iter().for_each(assert_challenged);
    let winner = Own(won[0].json());
    let found = server.manage_with(Method::GET, client.id(), winner.token(), None).await.json();
    assert_eq!(found["client_name"], winner.0["client_name"]);
}
