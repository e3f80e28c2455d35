//! The secrets of clients: hashed, or sealed where something is signed with them (design.md, decision 9).

use hydrant::app::App;
use hydrant::client_secret;
use hydrant::id::ClientId;
use hydrant::secret::Secret;
use hydrant::store::client::Client;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::signer::{Signer, assertion, mac, proof};
use crate::support::{Answer, Server};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const LONG_SECRET: &str = "a-secret-of-sixty-four-characters-which-is-as-long-as-sha-512-is";

async fn create(server: &Server, client: Value) -> Answer {
    let mut whole = json!({ "client_id": "one", "grant_types": ["client_credentials"], "response_types": [] });
    whole.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
    server.admin(Method::POST, "/clients", Some(&whole)).await
}

/// Changes the client; the secret that the answer shows, if it shows one.
async fn change(server: &Server, changes: Value) -> Option<String> {
    let mut client = server.admin(Method::GET, "/clients/one", None).await.json();
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let answer = server.admin(Method::PUT, "/clients/one", Some(&client)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["client_secret"].as_str().map(str::to_owned)
}

async fn stored(server: &Server) -> Client {
    let found = server.app().store.client(&ClientId::new("one")).await.unwrap().unwrap();
    Client::clone(&found)
}

async fn basic(server: &Server, secret: &str) -> u16 {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth("one", Some(secret));
    request.form(&[GRANT]).send().await.unwrap().status().as_u16()
}

async fn posted(server: &Server, secret: &str) -> u16 {
    server.post("/oauth2/token", &[GRANT, ("client_id", "one"), ("client_secret", secret)]).await.status
}

/// A client whose ID tokens are signed with its secret, and that authenticates with it.
#[tokio::test]
async fn a_secret_that_is_needed_back_rests_sealed_and_still_authenticates() {
    let server = Server::start().await;
    let made = create(&server, json!({ "request_object_signing_alg": "HS256" })).await;
    let secret = made.json()["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 86);
    let client = stored(&server).await;
    assert!(client.secret_hash.is_none() && client.secret_sealed.is_some());
    let dump = server.database.dump().await;
    for trace in [&secret[..], &secret[20..60], &hydrant::secret::fingerprint(&secret)] {
        assert!(!dump.contains(trace) && !format!("{client:?}").contains(trace));
    }
    assert_eq!(hydrant::client_secret::reveal(server.app(), &client).unwrap(), Some(Secret::new(&secret)));
    assert_eq!(basic(&server, &secret).await, 200);
    for wrong in ["", "x", &secret[1..], &format!("{secret}x"), client.secret_sealed.as_deref().unwrap()] {
        assert_eq!(basic(&server, wrong).await, 401, "{wrong}");
    }
    assert_eq!(change(&server, json!({ "token_endpoint_auth_method": "client_secret_post" })).await, None);
    assert_eq!((posted(&server, &secret).await, posted(&server, "x").await), (200, 401));
    let shown = server.admin(Method::GET, "/clients/one", None).await;
    assert!(!shown.body.contains(&secret) && shown.json().get("client_secret").is_none());
}

/// design.md, decision 9: from a hash nothing comes back, so a client that needs its secret gets a new one.
#[tokio::test]
async fn what_is_needed_decides_how_a_secret_is_kept() {
    let server = Server::start().await;
    let made = create(&server, json!({})).await;
    let first = made.json()["client_secret"].as_str().unwrap().to_owned();
    assert_eq!((first.len(), stored(&server).await.secret_sealed), (43, None));

    let second = change(&server, json!({ "request_object_signing_alg": "HS512" })).await.unwrap();
    let client = stored(&server).await;
    assert!(second.len() == 86 && client.secret_hash.is_none() && client.secret_sealed.is_some());
    assert_eq!((basic(&server, &first).await, basic(&server, &second).await), (401, 200));
    assert_eq!(change(&server, json!({ "client_name": "x" })).await, None, "kept as it is");
    assert_eq!(change(&server, json!({ "request_object_signing_alg": "HS256" })).await, None, "long enough for both");
    assert_eq!(stored(&server).await.secret_sealed, client.secret_sealed);

    assert_eq!(change(&server, json!({ "request_object_signing_alg": "" })).await, None, "the same, but hashed");
    let client = stored(&server).await;
    assert!(client.secret_hash.is_some() && client.secret_sealed.is_none());
    assert_eq!((basic(&server, &second).await, basic(&server, "x").await), (200, 401));

    let third = change(&server, json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await.unwrap();
    let jwt = mac("HS256", third.as_bytes(), &assertion(&server, "one"));
    let [kind, own] = proof(&jwt);
    server.post("/oauth2/token", &[GRANT, kind, own]).await.tokens();
    let own = Signer::es256().jwks();
    let keys = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": own });
    assert_eq!(change(&server, keys).await, None);
    assert!(stored(&server).await.secret_sealed.is_none());
}

/// RFC 7518 section 3.2.
#[tokio::test]
async fn a_chosen_secret_is_as_long_as_its_algorithm_needs() {
    let server = Server::start().await;
    for (member, alg, least) in [
        ("request_object_signing_alg", "HS256", 32),
        ("request_object_signing_alg", "HS384", 48),
        ("request_object_signing_alg", "HS512", 64),
    ] {
        let short = create(&server, json!({ member: alg, "client_secret": "x".repeat(least - 1) })).await;
        assert_eq!(short.error(), (400, "invalid_client_metadata".to_owned()), "{alg}: {}", short.body);
        assert!(short.body.contains("client_secret") && short.body.contains(&least.to_string()), "{}", short.body);
        let secret = "x".repeat(least);
        let made = create(&server, json!({ member: alg, "client_secret": secret })).await;
        assert_eq!((made.status, &made.json()["client_secret"]), (201, &json!(secret)), "{}", made.body);
        assert_eq!(basic(&server, &secret).await, 200);
        server.delete_client("one").await;
    }
    let jwt = json!({ "token_endpoint_auth_method": "client_secret_jwt", "client_secret": "x".repeat(31) });
    assert_eq!(create(&server, jwt).await.status, 400);
    // One that was long enough for what was asked before is not for what is asked now.
    assert_eq!(
        create(&server, json!({ "request_object_signing_alg": "HS256", "client_secret": "x".repeat(40) })).await.status,
        201
    );
    let mut client = server.admin(Method::GET, "/clients/one", None).await.json();
    client["request_object_signing_alg"] = json!("HS512");
    let refused = server.admin(Method::PUT, "/clients/one", Some(&client)).await;
    refused.assert_error(400, "invalid_client_metadata");
    assert!(refused.body.contains("client_secret"), "{}", refused.body);
    client["client_secret"] = json!(LONG_SECRET);
    assert_eq!(server.admin(Method::PUT, "/clients/one", Some(&client)).await.status, 200);
    assert_eq!((basic(&server, LONG_SECRET).await, basic(&server, &"x".repeat(40)).await), (200, 401));
}

/// A sealed secret opens for its own client, under a system secret that is still listed, and nowhere else.
#[tokio::test]
async fn a_sealed_secret_belongs_to_its_row_and_its_system_secret() {
    let server = Server::start().await;
    let made = create(&server, json!({ "request_object_signing_alg": "HS256" })).await;
    let secret = made.json()["client_secret"].as_str().unwrap().to_owned();
    let moved = json!({ "client_id": "two-of-them", "request_object_signing_alg": "HS256" });
    assert_eq!(create(&server, moved).await.status, 201);
    server
        .database
        .execute(
            "UPDATE clients SET secret_sealed = (SELECT secret_sealed FROM clients WHERE id = 'one') \
             WHERE id = 'two-of-them'",
        )
        .await;
    server.forget_client("two-of-them").await;
    let request = server.http.post(server.url("/oauth2/token")).basic_auth("two-of-them", Some(&secret));
    let answer = Answer::of(request.form(&[GRANT]).send().await.unwrap()).await;
    answer.assert_error(500, "server_error");
    assert!(!answer.body.contains("two-of-them") && !answer.body.contains(&secret), "{}", answer.body);
    assert_eq!(basic(&server, &secret).await, 200);
}

/// JK-14: a secret goes over to the new system secret, and one that opens no more is found before its client comes.
#[tokio::test]
async fn jk_14_a_sealed_secret_follows_the_system_secrets() {
    const NEW: &str = "a new system secret of an operator";
    let server = Server::start().await;
    create(&server, json!({ "request_object_signing_alg": "HS256" })).await;
    let app = async |secrets: &[&str]| {
        let mut config = server.config().clone();
        config.secrets.system = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        App::open(config, server.clock.clone()).await.unwrap()
    };
    let old = server.config().secrets.system[0].expose().to_owned();
    assert_eq!(client_secret::unopened(&app(&[NEW, &old]).await).await.unwrap(), []);
    assert_eq!(client_secret::unopened(&app(&[NEW]).await).await.unwrap(), [ClientId::new("one")]);
    assert_eq!(client_secret::reseal(&app(&[NEW]).await).await.unwrap(), 0, "what does not open stays as it is");
    assert_eq!(client_secret::reseal(&app(&[NEW, &old]).await).await.unwrap(), 1);
    assert_eq!(client_secret::reseal(&app(&[NEW, &old]).await).await.unwrap(), 0);
    assert_eq!(client_secret::unopened(&app(&[NEW]).await).await.unwrap(), []);
    assert_eq!(client_secret::unopened(&app(&[&old]).await).await.unwrap(), [ClientId::new("one")]);
}

/// TC-10: a sealed secret ends like any other.
#[tokio::test]
async fn tc_10_a_sealed_secret_expires() {
    let server = Server::start().await;
    let made = create(&server, json!({ "request_object_signing_alg": "HS256" })).await;
    let secret = made.json()["client_secret"].as_str().unwrap().to_owned();
    let at = server.clock.now().seconds() + 60;
    server.database.execute(&format!("UPDATE clients SET secret_expires_at = {at} WHERE id = 'one'")).await;
    assert_eq!(change(&server, json!({ "client_name": "read anew" })).await, None);
    assert_eq!(basic(&server, &secret).await, 200);
    server.pass(60);
    assert_eq!(basic(&server, &secret).await, 401);
    assert_eq!(hydrant::client_secret::reveal(server.app(), &stored(&server).await).unwrap(), None);
}
