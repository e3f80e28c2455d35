//! Secrets of clients that follow one another, and those that come from Hydra as hashes (hydra.md sections 3.3 and 6.11).

use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::id::ClientId;
use hydrant::store::client::Client;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_clients::has_null;
use crate::support::signer::Signer;
use crate::support::{Answer, Database, SECRET, Server, race};

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Of 25,000 iterations, as Hydra makes them (computed with Python's hashlib).
const PBKDF2: (&str, &str) = (
    "hydra-secret-1",
    "$pbkdf2-sha256$i=25000,l=32$AAECAwQFBgcICQoLDA0ODw$eWFAnc+AkKcmReXpYz2j2ghiAFnovLfxY5W08Fo0O/Y",
);
/// By crypt(3).
const BCRYPT: (&str, &str) = ("hydra-secret-2", "$2b$04$abcdefghijklmnopqrstuuw70YoB0jSwvtaWEeC86oRdpoUpNQW1e");
/// Of the tests of Hydra's own hashers.
const ARGON2: (&str, &str) = ("test", "$argon2id$v=19$m=32,t=2,p=4$cm94YnRVOW5jZzFzcVE4bQ$MNzk5BtR2vUhrp6qQEjRNw");

async fn basic(server: &Server, id: &str, secret: &str) -> u16 {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret));
    request.form(&GRANT).send().await.unwrap().status().as_u16()
}

async fn rotated(server: &Server, id: &str) -> String {
    let answer = server.admin(Method::POST, &format!("/clients/{id}/secrets/rotate"), None).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.body);
    let client = answer.json();
    assert!(client["client_id"] == id && !has_null(&client), "{client}");
    for word in ["hash", "rotated", "sha256", "argon2"] {
        assert!(!answer.body.contains(word), "AD-07: {}", answer.body);
    }
    client["client_secret"].as_str().unwrap().to_owned()
}

async fn forget(server: &Server, id: &str) -> Answer {
    server.admin(Method::DELETE, &format!("/clients/{id}/secrets/rotate"), None).await
}

async fn stored(server: &Server, id: &str) -> Client {
    server.app().store.client_to_change(&ClientId::new(id)).await.unwrap().unwrap()
}

async fn create(server: &Server, id: &str, more: Value) -> Answer {
    let mut client = json!({ "client_id": id, "grant_types": ["client_credentials"], "response_types": [] });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.admin(Method::POST, "/clients", Some(&client)).await
}

/// The secrets of which the client may still make use, each asked for.
async fn good(server: &Server, id: &str, secrets: &[String]) -> Vec<usize> {
    let mut good = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        if basic(server, id, secret).await == 200 {
            good.push(number);
        }
    }
    good
}

#[tokio::test]
async fn five_secrets_before_the_newest_stay_good_until_they_are_forgotten() {
    let server = Server::start().await;
    let mut secrets = vec![SECRET.to_owned()];
    for _ in 0..6 {
        secrets.push(rotated(&server, "svc").await);
    }
    assert_eq!(good(&server, "svc", &secrets).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(basic(&server, "svc", "wrong").await, 401);
    // Other changes leave them.
    server.change_client("svc", |client| client["client_name"] = json!("Service")).await;
    let patch = json!([{ "op": "replace", "path": "/owner", "value": "me" }]);
    assert_eq!(server.admin(Method::PATCH, "/clients/svc", Some(&patch)).await.status, 200);
    assert_eq!(good(&server, "svc", &secrets).await, [1, 2, 3, 4, 5, 6]);

    let forgotten = forget(&server, "svc").await;
    assert!(forgotten.status == 200 && forgotten.json().get("client_secret").is_none(), "{}", forgotten.body);
    assert_eq!(good(&server, "svc", &secrets).await, [6]);
    assert_eq!(forget(&server, "svc").await.status, 200, "there may be none");
    for (method, id) in [(Method::POST, "nobody"), (Method::DELETE, "nobody"), (Method::POST, "%00")] {
        server.admin(method, &format!("/clients/{id}/secrets/rotate"), None).await.assert_error(404, "not_found");
    }
}

/// hydra.md section 3.3: a secret that an operator sets ends what was before it, by PUT and by PATCH.
#[tokio::test]
async fn a_chosen_secret_ends_those_before_it() {
    let server = Server::start().await;
    for by_patch in [false, true] {
        let old = rotated(&server, "svc").await;
        let secrets = [old, rotated(&server, "svc").await, "chosen-by-hand".to_owned()];
        if by_patch {
            let patch = json!([{ "op": "add", "path": "/client_secret", "value": "chosen-by-hand" }]);
            assert_eq!(server.admin(Method::PATCH, "/clients/svc", Some(&patch)).await.status, 200);
        } else {
            server.change_client("svc", |client| client["client_secret"] = json!("chosen-by-hand")).await;
        }
        assert_eq!(good(&server, "svc", &secrets).await, [2]);
    }
}

/// A secret that somebody chose, and that was found right a moment ago, is forgotten at once like any other; and however
/// often a secret was rotated, there is one at most that takes long to look at.
#[tokio::test]
async fn one_secret_at_most_is_looked_at_slowly() {
    let server = Server::start().await;
    create(&server, "one", json!({ "client_secret": "chosen-by-hand" })).await;
    assert_eq!(basic(&server, "one", "chosen-by-hand").await, 200);
    let slow = async || {
        let client = stored(&server, "one").await;
        let earlier = client.rotated_secrets.0.iter().map(|earlier| earlier.hash.clone());
        client.secret_hash.into_iter().chain(earlier).filter(|hash| hash.starts_with('$')).count()
    };
    let mut secrets = vec!["chosen-by-hand".to_owned()];
    for _ in 0..5 {
        secrets.push(rotated(&server, "one").await);
        assert_eq!(slow().await, 1);
    }
    assert_eq!(good(&server, "one", &secrets).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(forget(&server, "one").await.status, 200);
    assert_eq!((good(&server, "one", &secrets).await, slow().await), (vec![5], 0));
}

/// Also where another replica has found the old secret right a moment ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_secret_is_forgotten_by_every_replica() {
    let database = Database::new().await;
    let first = Server::on(database.clone(), Clock::manual(), |_| {}).await;
    let second = Server::on(database, first.clock.clone(), |_| {}).await;
    create(&first, "one", json!({ "client_secret": "chosen-by-hand" })).await;
    rotated(&first, "one").await;
    for server in [&first, &second] {
        assert_eq!(basic(server, "one", "chosen-by-hand").await, 200);
    }
    assert_eq!(forget(&first, "one").await.status, 200);
    assert_eq!(basic(&first, "one", "chosen-by-hand").await, 401);
    let began = std::time::Instant::now();
    while basic(&second, "one", "chosen-by-hand").await != 401 {
        assert!(began.elapsed() < Duration::from_secs(3), "it is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a rotation says is good is good: of any number at once none takes away what another one has just given.
#[tokio::test(flavor = "multi_thread")]
async fn of_32_rotations_at_once_the_last_six_are_good() {
    let database = Database::new().await;
    let first = Server::on(database.clone(), Clock::manual(), |_| {}).await;
    let second = Server::on(database, first.clock.clone(), |_| {}).await;
    let secrets = race(32, |racer| {
        let server = if racer % 2 == 0 { &first } else { &second };
        let request = server.http.post(format!("{}/admin/clients/svc/secrets/rotate", server.admin));
        async move {
            request.send().await.unwrap().json::<Value>().await.unwrap()["client_secret"].as_str().unwrap().to_owned()
        }
    })
    .await;
    first.forget_client("svc").await;
    assert_eq!(good(&first, "svc", &secrets).await.len(), 6);
    assert_eq!(basic(&first, "svc", SECRET).await, 401);
}

#[tokio::test]
async fn only_who_authenticates_with_a_secret_has_one_to_rotate() {
    let server = Server::start().await;
    let keys = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": Signer::es256().jwks() });
    assert_eq!(create(&server, "keys", keys).await.status, 201);
    assert_eq!(create(&server, "mac", json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await.status, 201);
    for (id, method) in [("spa", "none"), ("keys", "private_key_jwt"), ("mac", "client_secret_jwt")] {
        let path = format!("/clients/{id}/secrets/rotate");
        let refused = server.admin(Method::POST, &path, None).await;
        refused.assert_error(400, "invalid_request");
        let why = format!(
            "configured to use the {method} authentication method, which does not support client secret rotation."
        );
        assert!(refused.body.contains(&why), "{}", refused.body);
        // To forget is always right.
        assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 200, "{id}");
    }
    // What was rotated away does not come back with the method that it was for.
    assert_eq!(create(&server, "moved", json!({})).await.status, 201);
    let first = server.admin(Method::POST, "/clients/moved/secrets/rotate", None).await.json();
    let first = first["client_secret"].as_str().unwrap().to_owned();
    server.admin(Method::POST, "/clients/moved/secrets/rotate", None).await;
    for method in ["client_secret_jwt", "client_secret_basic"] {
        let change = json!([{ "op": "add", "path": "/token_endpoint_auth_method", "value": method }]);
        let changed = server.admin(Method::PATCH, "/clients/moved", Some(&change)).await;
        assert_eq!(changed.status, 200, "{method}: {}", changed.body);
    }
    let form = [("grant_type", "client_credentials")];
    let request = server.http.post(server.url("/oauth2/token")).basic_auth("moved", Some(&first)).form(&form);
    Answer::of(request.send().await.unwrap()).await.assert_error(401, "invalid_client");
    assert_eq!(
        create(&server, "post", json!({ "token_endpoint_auth_method": "client_secret_post" })).await.status,
        201
    );
    let secrets = [rotated(&server, "post").await, rotated(&server, "post").await];
    for secret in &secrets {
        let fields = [GRANT[0], ("client_id", "post"), ("client_secret", secret)];
        server.post("/oauth2/token", &fields).await.tokens();
    }
}

/// A secret that is a key: the new one signs, and either still authenticates.
#[tokio::test]
async fn a_sealed_secret_is_followed_by_a_sealed_one() {
    let server = Server::start().await;
    let made = create(&server, "one", json!({ "id_token_signed_response_alg": "HS256" })).await.json();
    let mut secrets = vec![made["client_secret"].as_str().unwrap().to_owned()];
    for _ in 0..2 {
        secrets.push(rotated(&server, "one").await);
        let client = stored(&server, "one").await;
        assert!(client.secret_hash.is_none() && client.secret_sealed.is_some());
    }
    assert_eq!(good(&server, "one", &secrets).await, [0, 1, 2]);
    let revealed = hydrant::client_secret::reveal(server.app(), &stored(&server, "one").await).unwrap().unwrap();
    assert_eq!(revealed.expose(), secrets[2]);
    // Hashed from now on, it is still the same, and those before it are good.
    server.change_client("one", |client| client["id_token_signed_response_alg"] = json!("")).await;
    assert!(stored(&server, "one").await.secret_sealed.is_none());
    assert_eq!(good(&server, "one", &secrets).await, [0, 1, 2]);
    assert_eq!(forget(&server, "one").await.status, 200);
    assert_eq!(good(&server, "one", &secrets).await, [2]);
}

/// RFC 7591 section 3.2.1: a secret ends when its client was told that it does, whoever set it and whatever follows it.
#[tokio::test]
async fn a_client_that_registered_itself_gets_secrets_that_end() {
    let server = Server::open_to_all(|policy| {
        policy.secret_lifetime = Some(Duration::from_hours(1));
        policy.allowed_grant_types.push("client_credentials".to_owned());
    })
    .await;
    let own = server.own_client(json!({ "grant_types": ["authorization_code", "client_credentials"] })).await;
    server.pass(3000);
    let second = rotated(&server, own.id()).await;
    let secrets = [own.secret().to_owned(), second];
    assert_eq!(good(&server, own.id(), &secrets).await, [0, 1]);
    server.pass(601);
    assert_eq!(good(&server, own.id(), &secrets).await, [1], "it has not got longer by its successor");
    server.pass(3600);
    let third = rotated(&server, own.id()).await;
    let secrets = [secrets[0].clone(), secrets[1].clone(), third];
    assert_eq!(good(&server, own.id(), &secrets).await, [2], "what has ended does not come back");

    server.pass(3601);
    let path = format!("/clients/{}", own.id());
    let change = json!([{ "op": "add", "path": "/client_secret", "value": "an operators choice" }]);
    let answer = server.admin(Method::PATCH, &path, Some(&change)).await.json();
    assert_eq!(answer["client_secret_expires_at"], server.clock.now().seconds() + 3600);
    assert_eq!(basic(&server, own.id(), "an+operators+choice").await, 200);
    server.pass(3600);
    assert_eq!(basic(&server, own.id(), "an+operators+choice").await, 401);
    let mut whole = server.admin(Method::GET, &path, None).await.json();
    whole["client_secret"] = json!("another of his choices");
    assert_eq!(server.admin(Method::PUT, &path, Some(&whole)).await.status, 200);
    assert_eq!(basic(&server, own.id(), "another+of+his+choices").await, 200);
    // Those of the operator's clients have no end.
    assert_eq!(rotated(&server, "svc").await.len(), 43);
    assert_eq!(stored(&server, "svc").await.secret_expires_at, 0);
}

/// AD-16: hashes of each kind are verified, and give way to one of ours when their client first comes.
#[tokio::test]
async fn ad_16_hashes_from_hydra_are_good_until_they_are_ours() {
    let server = Server::start().await;
    for (id, (secret, hash)) in [("pbkdf2", PBKDF2), ("bcrypt", BCRYPT), ("argon2", ARGON2)] {
        let created = create(&server, id, json!({ "client_secret_hash": hash })).await;
        assert_eq!(created.status, 201, "{}", created.body);
        for word in ["client_secret\"", "client_secret_hash", "$"] {
            assert!(!created.body.contains(word), "AD-07: {}", created.body);
        }
        assert_eq!(stored(&server, id).await.secret_hash.as_deref(), Some(hash));
        for wrong in ["", "wrong", hash, &secret[1..]] {
            assert_eq!(basic(&server, id, wrong).await, 401, "{id} {wrong}");
        }
        assert_eq!(stored(&server, id).await.secret_hash.as_deref(), Some(hash), "the wrong one changes nothing");
        assert_eq!(basic(&server, id, secret).await, 200, "{id}");
        let ours = stored(&server, id).await.secret_hash.unwrap();
        assert!(ours.starts_with("$argon2id$v=19$") && ours != hash, "{ours}");
        assert_eq!((basic(&server, id, secret).await, basic(&server, id, "wrong").await), (200, 401), "{id}");
        assert_eq!(stored(&server, id).await.secret_hash.as_deref(), Some(&*ours), "once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_first_uses_at_once_every_one_is_right() {
    let server = Server::with(|config| config.limits.password_hashes = 8).await;
    create(&server, "one", json!({ "client_secret_hash": PBKDF2.1 })).await;
    let statuses = race(32, |_| {
        let request = server.http.post(server.url("/oauth2/token")).basic_auth("one", Some(PBKDF2.0)).form(&GRANT);
        async move { request.send().await.unwrap().status().as_u16() }
    })
    .await;
    assert_eq!(statuses, [200; 32]);
    assert!(stored(&server, "one").await.secret_hash.unwrap().starts_with("$argon2id$"));
}

/// A hash of before that was not replaced yet stays good besides the new secret.
#[tokio::test]
async fn a_hash_from_hydra_can_be_rotated_away() {
    let server = Server::start().await;
    create(&server, "one", json!({ "client_secret_hash": BCRYPT.1 })).await;
    let secrets = [BCRYPT.0.to_owned(), rotated(&server, "one").await];
    assert_eq!(good(&server, "one", &secrets).await, [0, 1]);
    assert!(stored(&server, "one").await.secret_hash.unwrap().starts_with("sha256:"), "the newest is as it was");
    assert_eq!(forget(&server, "one").await.status, 200);
    assert_eq!(good(&server, "one", &secrets).await, [1]);
}

/// AD-16, LC-26: what can not be verified is not taken.
#[tokio::test]
async fn ad_16_a_hash_that_can_not_be_used_is_refused() {
    let server = Server::start().await;
    let tail = "AAECAwQFBgcICQoLDA0ODw$eWFAnc+AkKcmReXpYz2j2ghiAFnovLfxY5W08Fo0O/Y";
    for hash in [
        "hydra-secret-1",
        "sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
        &format!("$pbkdf2-sha256$i=1000000000,l=32${tail}"),
        &format!("$pbkdf2-md5$i=25000,l=32${tail}"),
        "$2b$31$abcdefghijklmnopqrstuuw70YoB0jSwvtaWEeC86oRdpoUpNQW1e",
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,t=1000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$scrypt$ln=15,r=8,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ] {
        let refused = create(&server, "one", json!({ "client_secret_hash": hash })).await;
        refused.assert_error(400, "invalid_client_metadata");
        assert!(refused.body.contains("Field client_secret_hash can not be used") && !refused.body.contains("eWFA"));
    }
    for more in [
        json!({ "client_secret": "chosen-by-hand" }),
        json!({ "token_endpoint_auth_method": "none" }),
        json!({ "id_token_signed_response_alg": "HS256" }),
    ] {
        let mut more = more;
        more["client_secret_hash"] = json!(PBKDF2.1);
        let refused = create(&server, "one", more).await;
        refused.assert_error(400, "invalid_client_metadata");
        assert!(refused.body.contains("client_secret_hash"), "{}", refused.body);
    }
    server.admin(Method::GET, "/clients/one", None).await.assert_error(404, "not_found");
    let mut whole = server.admin(Method::GET, "/clients/svc", None).await.json();
    whole["client_secret_hash"] = json!(PBKDF2.1);
    server.admin(Method::PUT, "/clients/svc", Some(&whole)).await.assert_error(400, "invalid_client_metadata");
    let patch = json!([{ "op": "add", "path": "/client_secret_hash", "value": PBKDF2.1 }]);
    server.admin(Method::PATCH, "/clients/svc", Some(&patch)).await.assert_error(400, "invalid_request");
    assert_eq!(basic(&server, "svc", SECRET).await, 200);
}

/// LC-26: a database that was tampered with does not stop the server.
#[tokio::test]
async fn lc_26_a_stored_hash_that_asks_for_too_much_is_a_wrong_secret() {
    let server = Server::start().await;
    let tail = "AAECAwQFBgcICQoLDA0ODw$eWFAnc+AkKcmReXpYz2j2ghiAFnovLfxY5W08Fo0O/Y";
    for hash in [
        format!("$pbkdf2-sha256$i=4294967295,l=32${tail}"),
        "$2b$31$abcdefghijklmnopqrstuuw70YoB0jSwvtaWEeC86oRdpoUpNQW1e".to_owned(),
        format!("$pbkdf2-sha1$i=25000,l=32${tail}"),
        "$2b$".to_owned(),
    ] {
        server.database.execute(&format!("UPDATE clients SET secret_hash = '{hash}' WHERE id = 'svc'")).await;
        server.forget_client("svc").await;
        let began = std::time::Instant::now();
        assert_eq!(basic(&server, "svc", PBKDF2.0).await, 401, "{hash}");
        assert!(began.elapsed() < Duration::from_secs(2), "{hash}");
    }
}
