//! `hydrant client`: what is told of clients, and their secrets, at the command line.

use hydrant::clock::Clock;
use serde_json::{Value, json};

use crate::support::process::{Ran, run};
use crate::support::{Database, Server};

fn hydrant(server: &Server, arguments: &[&str]) -> Ran {
    run(server.database.dsn(), &[&["client"], arguments, &["--dev"]].concat(), "")
}

async fn basic(server: &Server, id: &str, secret: &str) -> u16 {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret));
    request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_and_the_old_one_forgotten() {
    let server = Server::on(Database::new().await, Clock::System, |_| {}).await;
    let secret = |ran: Ran| ran.json()["client_secret"].as_str().map(str::to_owned);
    let create = ["create", "--id", "robot", "--grant-type", "client_credentials", "--format", "json"];
    let first = secret(hydrant(&server, &create)).unwrap();
    assert_eq!(basic(&server, "robot", &first).await, 200);
    let second = secret(hydrant(&server, &["rotate-secret", "robot", "--format", "json"])).unwrap();
    server.forget_client("robot").await;
    assert_eq!((basic(&server, "robot", &first).await, basic(&server, "robot", &second).await), (200, 200));
    assert_eq!(secret(hydrant(&server, &["rotate-secret", "robot", "--forget", "--format", "json"])), None);
    server.forget_client("robot").await;
    assert_eq!((basic(&server, "robot", &first).await, basic(&server, "robot", &second).await), (401, 200));
    let told = hydrant(&server, &["rotate-secret", "robot"]);
    assert!(told.stdout.contains("CLIENT SECRET") && told.stderr.contains("shown this once"), "{}", told.stdout);
    hydrant(&server, &["rotate-secret", "nobody"]).failed(1, "no client with this id");
    hydrant(&server, &["rotate-secret", "spa"]).failed(1, "does not support client secret rotation");
}

/// Who runs a server wants to know which of its clients strangers have made.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_registered_themselves_are_told_from_others() {
    let server = Server::open_to_all(|_| {}).await;
    let own = server.own_client(json!({})).await;
    let listed = hydrant(&server, &["list", "--format", "json"]).json();
    for client in listed.as_array().unwrap() {
        let expected = if client["client_id"] == own.id() { "registration" } else { "operator" };
        assert_eq!(client["origin"], expected, "{client}");
    }
    assert_eq!(hydrant(&server, &["get", own.id(), "--format", "json"]).json()["origin"], "registration");
    let card = hydrant(&server, &["get", "web"]).stdout;
    assert!(card.lines().any(|line| line.split_whitespace().eq(["ORIGIN", "operator"])), "{card}");
    assert!(hydrant(&server, &["list"]).stdout.lines().next().unwrap().contains("ORIGIN"));
    // Hydra's API has no such member.
    let shown = server.admin(reqwest::Method::GET, "/clients/web", None).await.json();
    assert_eq!(shown.get("origin"), None);
}

/// At the command line nobody reads a log.
#[tokio::test(flavor = "multi_thread")]
async fn a_jwks_uri_without_keys_is_told() {
    let server = Server::start().await;
    let more = ["--token-endpoint-auth-method", "private_key_jwt", "--jwks-uri", "https://127.0.0.1:1/jwks"];
    let created = hydrant(&server, &[&["create", "--id", "keys", "--format", "json"], &more[..]].concat());
    assert_eq!(created.json()["client_id"], "keys", "{}", created.stdout);
    assert!(created.stderr.contains("WARN") && created.stderr.contains("jwks_uri"), "{}", created.stderr);
    let updated = hydrant(&server, &["update", "keys", "--jwks-uri", "https://127.0.0.1:2/jwks", "--format", "json"]);
    assert!(updated.stderr.contains("gives no keys yet"), "{}", updated.stderr);
    let renamed = hydrant(&server, &["update", "keys", "--name", "Keys", "--format", "json"]);
    assert_eq!((renamed.json()["client_name"].clone(), renamed.stderr.as_str()), (Value::from("Keys"), ""));
}
