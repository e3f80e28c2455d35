//! `/admin/trust/grants/jwt-bearer/issuers`: whose assertions are grants (hydra.md section 3.8).

use std::sync::Arc;

use hydrant::clock::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_clients::has_null;
use crate::support::signer::Signer;
use crate::support::{Answer, Server, race};

pub const ISSUERS: &str = "/trust/grants/jwt-bearer/issuers";

/// A trust in `signer` for `alice` of an hour, with what a test changes.
pub fn body(server: &Server, signer: &Signer, changes: &Value) -> Value {
    let end = Timestamp::from_seconds(server.clock.now().seconds() + 3600);
    let mut body = json!({
        "issuer": "https://idp.example", "subject": "alice", "scope": ["photos.read"], "jwk": signer.jwk(),
        "expires_at": end.rfc3339(),
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

pub async fn trust(server: &Server, signer: &Signer, changes: Value) -> Value {
    let made = post(server, &body(server, signer, &changes)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()
}

async fn post(server: &Server, body: &Value) -> Answer {
    server.admin(Method::POST, ISSUERS, Some(body)).await
}

async fn get(server: &Server, path: &str) -> Answer {
    let answer = server.admin(Method::GET, path, None).await;
    assert!(!has_null(&answer.json()), "{}", answer.body);
    answer
}

/// hydra.md appendix A12.
#[tokio::test]
async fn an_issuer_is_trusted_shown_and_forgotten() {
    let server = Server::start().await;
    let signer = Signer::es256();
    let made = post(&server, &body(&server, &signer, &json!({ "more": 1 }))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let trusted = made.json();
    let id = trusted["id"].as_str().unwrap();
    let now = server.clock.now().seconds();
    assert_eq!(
        trusted,
        json!({
            "id": id, "issuer": "https://idp.example", "subject": "alice", "allow_any_subject": false,
            "scope": ["photos.read"], "public_key": { "set": "https://idp.example", "kid": signer.kid() },
            "created_at": Timestamp::from_seconds(now).rfc3339(),
            "expires_at": Timestamp::from_seconds(now + 3600).rfc3339(),
        })
    );
    let path = format!("{ISSUERS}/{id}");
    assert_eq!(made.location(), Some(format!("/admin{path}")));
    assert_eq!(get(&server, &path).await.json(), trusted);
    assert_eq!(get(&server, ISSUERS).await.json(), json!([trusted]));
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        server.admin(method.clone(), &path, None).await.assert_error(404, "not_found");
        let no_uuid = format!("{ISSUERS}/nobody");
        server.admin(method, &no_uuid, None).await.assert_error(400, "invalid_request");
    }
    assert_eq!(get(&server, ISSUERS).await.json(), json!([]));
}

/// hydra.md section 3.8; TX-13: nobody speaks for everybody without being told to.
#[tokio::test]
async fn tx_13_what_is_missing_is_said_and_any_subject_is_said_aloud() {
    let server = Server::start().await;
    let signer = Signer::es256();
    for (changes, code) in [
        (json!({ "issuer": "" }), "missing_required_parameter"),
        (json!({ "subject": "" }), "missing_required_parameter"),
        (json!({ "allow_any_subject": true }), "missing_required_parameter"),
        (json!({ "expires_at": null }), "missing_required_parameter"),
        (json!({ "jwk": {} }), "missing_required_parameter"),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), "invalid_request"),
        (json!({ "jwk": signer.private_jwk() }), "invalid_request"),
        (json!({ "scope": "photos.read" }), "invalid_request"),
        (json!({ "subject": 7 }), "invalid_request"),
    ] {
        let refused = post(&server, &body(&server, &signer, &changes)).await;
        refused.assert_error(400, code);
        assert!(!refused.body.contains(signer.private_jwk()["d"].as_str().unwrap()));
    }
    assert_eq!(server.database.count("trusted_issuers").await, 0);
    let any = trust(&server, &signer, json!({ "subject": "", "allow_any_subject": true })).await;
    assert_eq!((&any["subject"], &any["allow_any_subject"]), (&json!(""), &json!(true)));
}

/// One trust for each issuer, subject and key, also of 32 that are made at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_trust_twice_is_a_conflict() {
    let server = Arc::new(Server::start().await);
    let signer = Signer::es256();
    let wanted = body(&server, &signer, &json!({}));
    let statuses = race(32, |_| {
        let (server, wanted) = (Arc::clone(&server), wanted.clone());
        async move { post(&server, &wanted).await.status }
    });
    let mut statuses = statuses.await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201][..], &[409; 31]].concat());
    post(&server, &wanted).await.assert_error(409, "conflict");
    for changes in [
        json!({ "issuer": "https://other.example" }),
        json!({ "subject": "bob" }),
        json!({ "subject": "", "allow_any_subject": true }),
        json!({ "jwk": Signer::es256().jwk() }),
    ] {
        trust(&server, &signer, changes).await;
    }
    // What has ended stands in nobody's way, swept or not.
    server.pass(3600);
    assert_eq!(get(&server, ISSUERS).await.json(), json!([]));
    trust(&server, &signer, json!({})).await;
}

/// hydra.md section 3.2, AD-08.
#[tokio::test]
async fn issuers_are_walked_page_by_page_and_filtered() {
    let server = Server::start().await;
    let signer = Signer::es256();
    for (number, issuer) in ["a", "b", "a", "b", "a"].iter().enumerate() {
        server.pass(1);
        trust(&server, &signer, json!({ "issuer": issuer, "subject": format!("s{number}") })).await;
    }
    let (mut seen, mut path) = (Vec::new(), format!("{ISSUERS}?issuer=a&page_size=2"));
    loop {
        let page = get(&server, &path).await;
        seen.extend(page.json().as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap().to_owned()));
        let links = page.header("link").unwrap().to_owned();
        let Some(next) = links.split(", ").find(|link| link.ends_with("rel=\"next\"")) else { break };
        next[1..next.find('>').unwrap()].strip_prefix("/admin").unwrap().clone_into(&mut path);
        assert!(path.starts_with(ISSUERS) && path.contains("issuer=a"), "{path}");
    }
    assert_eq!(seen, ["s0", "s2", "s4"]);
    assert_eq!(get(&server, ISSUERS).await.json().as_array().unwrap().len(), 5);
    assert_eq!(get(&server, &format!("{ISSUERS}?issuer=c")).await.json(), json!([]));
    for query in ["page_size=0", "page_token=x", "issuer=a&issuer=b", "issuer=%00"] {
        let path = format!("{ISSUERS}?{query}");
        server.admin(Method::GET, &path, None).await.assert_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_trust_that_has_ended_is_swept() {
    let server = Server::start().await;
    trust(&server, &Signer::es256(), json!({})).await;
    server.pass(3599);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.database.count("trusted_issuers").await, 1);
    server.pass(1);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.database.count("trusted_issuers").await, 0);
}

#[tokio::test]
async fn a_database_that_is_away_is_503() {
    let server = Server::start().await;
    let wanted = body(&server, &Signer::es256(), &json!({}));
    server.app().store.close().await;
    let id = "01983c6d-0000-7000-8000-000000000000";
    for (method, path, body) in [
        (Method::POST, ISSUERS.to_owned(), Some(&wanted)),
        (Method::GET, ISSUERS.to_owned(), None),
        (Method::GET, format!("{ISSUERS}/{id}"), None),
        (Method::DELETE, format!("{ISSUERS}/{id}"), None),
    ] {
        server.admin(method, &path, body).await.assert_error(503, "temporarily_unavailable");
    }
}
