//! A configuration, a database address and a command line that were written for Hydra, as they are (hydra.md sections 4
//! and 5). The files are beside this one.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{Process, Setup, run_with};
use crate::support::{Authorize, Database, Server};

const QUICKSTART: &str = include_str!("hydra_file/quickstart.yml");

/// As the quickstart's compose files have it, on this database.
fn dsn(database: &Database) -> String {
    let parameters = match database.is_postgres() {
        true => "sslmode=disable&max_conns=20&max_idle_conns=4&max_conn_lifetime=30m&max_conn_idle_time=1m",
        false => "_fk=true&mode=rwc",
    };
    format!("{}?{parameters}", database.dsn())
}

fn at(process: &Process, database: &Database) -> Server {
    Server::at(&process.setup.url(""), &process.setup.admin_url(""), database)
}

/// Hydra's tutorial: migrate, serve, make a client, send a browser to the login app.
#[tokio::test]
async fn hydras_quickstart_starts_unchanged() {
    let database = Database::empty().await;
    let setup = Setup::as_written(QUICKSTART, &dsn(&database));
    setup.run(&["client", "list", "--dev"]).await.failed(1, "the database lacks");
    for migrate in [&["migrate", "sql", "up", "-e", "--yes", "--dev"][..], &["migrate", "sql", "-e", "--yes", "--dev"]]
    {
        let migrated = setup.run(migrate).await;
        assert_eq!(migrated.status, 0, "{}", migrated.stderr);
        assert!(migrated.stdout.contains("The schema is up to date."), "{}", migrated.stdout);
    }
    setup.run(&["migrate", "sql", "down", "-e", "--yes", "--dev"]).await.failed(2, "restore a backup");
    for port in ["public", "admin"] {
        setup.run(&["serve", port, "--dev"]).await.failed(2, "one process serves both ports");
    }

    for line in [
        &["serve", "-c", "hydrant.yml", "all", "--dev"][..],
        &["serve", "all", "--dev", "--sqa-opt-out", "--config", "hydrant.yml"],
    ] {
        let process = setup.clone().started_by(line).start().await;
        let server = at(&process, &database);
        let discovery = server.get("/.well-known/openid-configuration").await.json();
        assert_eq!(discovery["issuer"], server.issuer.as_str());
        assert_eq!(discovery["subject_types_supported"], json!(["public", "pairwise"]));
        let log = process.logged("has no effect in Hydrant yet: ").await;
        let warning = log.lines().find(|line| line.contains("has no effect in Hydrant yet: ")).unwrap();
        assert!(warning.contains("urls.device") && !warning.contains("urls.login"), "{warning}");
    }

    let process = setup.started_by(&["serve", "-c", "hydrant.yml", "all", "--dev"]).start().await;
    let server = at(&process, &database);
    let client = json!({
        "client_id": "tutorial", "client_secret": "some-secret-of-the-tutorial",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"], "scope": "openid offline", "redirect_uris": ["http://127.0.0.1:5555/callback"],
    });
    let created = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let token = server.http.post(server.url("/oauth2/token"));
    let token = token.basic_auth("tutorial", Some("some-secret-of-the-tutorial"));
    let token = token.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    assert!(token.json::<Value>().await.unwrap()["access_token"].is_string());
    let asked = Authorize::of("tutorial", "http://127.0.0.1:5555/callback");
    let sent = server.http.get(asked.url(&server)).send().await.unwrap();
    let location = sent.headers()["location"].to_str().unwrap();
    assert!(location.starts_with("http://127.0.0.1:3000/login?login_challenge="), "{location}");
}

/// The older way of the same tutorial: no file, all of it in the environment.
#[tokio::test]
async fn hydras_environment_is_enough() {
    let database = Database::empty().await;
    let setup = Setup::as_written("", &dsn(&database))
        .env("URLS_CONSENT", "http://127.0.0.1:3000/consent")
        .env("URLS_LOGIN", "http://127.0.0.1:3000/login")
        .env("URLS_LOGOUT", "http://127.0.0.1:3000/logout")
        .env("SECRETS_SYSTEM", "youReallyNeedToChangeThis")
        .env("OIDC_SUBJECT_IDENTIFIERS_SUPPORTED_TYPES", "public,pairwise")
        .env("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "youReallyNeedToChangeThis")
        .env("SERVE_PUBLIC_CORS_ENABLED", "true")
        .env("SERVE_PUBLIC_CORS_ALLOWED_METHODS", "POST,GET,PUT,DELETE")
        .started_by(&["serve", "all", "--dev"]);
    let process = setup.start().await;
    let server = at(&process, &database);
    assert_eq!(server.get("/login").await.status, 404, "the login app's page is elsewhere");
    assert_eq!(server.get("/.well-known/jwks.json").await.status, 200);
}

/// A production file may hold any key that Hydra has; what has no effect is named in one line.
#[test]
fn every_key_of_hydras_is_known() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hydra_file/every_key.yml");
    let ran = run_with(&[], &["check".to_owned(), "-c".to_owned(), file.display().to_string()], "");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.ends_with("holds; the issuer is https://login.example.com/\n"), "{}", ran.stdout);
    let lines: Vec<_> = ran.stderr.lines().filter(|line| line.contains("has no effect in Hydrant yet: ")).collect();
    assert_eq!(lines.len(), 1, "{}", ran.stderr);
    for key in ["hsm", "tracing", "sqa", "secrets.cookie", "urls.device", "serve.public.access_log"] {
        assert!(lines[0].contains(key), "{key} is not named: {}", lines[0]);
    }
    for secret in ["kT4pR7vW2xZ9cN5mQ8sB3dF6", "rD6fG9sA2zX5vB8nM1qW4eT7", "5Kq8tXw3", "7Lm2nB", "1234", "Zq3wXk8tPn5v"]
    {
        assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
    }
}

/// What is started and cannot be reached is no start: the container's ports are opened by two more variables.
#[tokio::test]
async fn in_a_container_both_ports_are_opened_by_the_environment() {
    let database = Database::empty().await;
    let setup = Setup::as_written(QUICKSTART, &dsn(&database))
        .started_by(&["serve", "-c", "hydrant.yml", "all", "--dev"])
        .env("SERVE_PUBLIC_HOST", "0.0.0.0")
        .env("SERVE_ADMIN_HOST", "0.0.0.0");
    let mut refused = setup.spawn();
    assert_eq!(refused.ended(Duration::from_secs(10)).await, 2, "{}", refused.log());
    let process = setup.env("SERVE_ADMIN_AUTH", "none").start().await;
    let clients = format!("http://127.0.0.2:{}/admin/clients", process.setup.admin);
    let request = crate::support::client().get(clients).header("host", "hydra:4445");
    assert_eq!(request.send().await.unwrap().status(), 200, "as the consent app reaches it: by a bare name");
}
