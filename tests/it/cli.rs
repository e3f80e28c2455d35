//! The command line as people and scripts use it: the program itself, its output and its exit status. The program is
//! waited for on this thread, so that a server that is to answer meanwhile needs another.

use std::time::{Duration, Instant};

use hydrant::clock::Clock;
use serde_json::Value;

use crate::support::process::{self, Ran, run};
use crate::support::{Database, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_migrated_before_it_is_used() {
    let database = Database::empty().await;
    let run = |arguments: &[&str]| run(database.dsn(), arguments, "");
    run(&["client", "list", "--dev"]).failed(1, "run `hydrant migrate up --dev` first");
    assert_eq!(run(&["migrate", "status", "--dev", "--format", "json"]).json()[0]["applied"], false);
    for _ in 0..2 {
        assert_eq!(run(&["migrate", "up", "--dev", "--format", "json"]).json()[0]["applied"], true);
    }
    assert_eq!(run(&["client", "list", "--dev", "--format", "json"]).json(), Value::Array(Vec::new()));
}

/// What one process writes, the running server serves: the same database, the same rules.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_command_line_is_the_servers() {
    // One clock for both processes: what is older than its client is no token of it.
    let server = Server::on(Database::new().await, Clock::System, |_| {}).await;
    let run =
        |arguments: &[&str]| run(server.database.dsn(), &[arguments, &["--dev", "--format", "json"]].concat(), "");
    let created =
        run(&["client", "create", "--id", "cli", "--grant-type", "client_credentials", "--scope", "a b"]).json();
    let secret = created["client_secret"].as_str().unwrap();
    let token = server.http.post(server.url("/oauth2/token")).basic_auth("cli", Some(secret));
    let token = token.form(&[("grant_type", "client_credentials"), ("scope", "a")]).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let token = token["access_token"].as_str().unwrap();

    let told = run(&["token", "introspect", token]).json();
    assert_eq!((&told["active"], &told["client_id"]), (&Value::Bool(true), &Value::from("cli")));
    assert_eq!(run(&["token", "introspect", token, "--scope", "b"]).json()["active"], false);
    assert_eq!(run(&["token", "revoke", token]).status, 0);
    assert!(!server.introspect(token).await.active);
    run(&["token", "revoke", "garbage"]).failed(1, "no token of this server");

    run(&["client", "create", "--id", "cli"]).failed(1, "in use");
    run(&["client", "create", "--id", "x", "--secret", "short"]).failed(1, "at least 6 characters");
    let updated = run(&["client", "update", "cli", "--name", "Robot"]).json();
    assert_eq!((&updated["client_name"], &updated["scope"]), (&Value::from("Robot"), &Value::from("a b")));
    assert!(updated.get("client_secret").is_none());
    run(&["client", "update", "cli"]).failed(2, "nothing is to be changed");
    // All or nothing.
    run(&["client", "delete", "cli", "nobody"]).failed(1, "nobody");
    assert_eq!(run(&["client", "get", "cli"]).json()["client_id"], "cli");
    assert_eq!(run(&["client", "delete", "cli"]).status, 0);
    run(&["client", "get", "cli"]).failed(1, "no client with this id");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_managed_by_any_of_their_names() {
    let server = Server::start().await;
    let run = |arguments: &[&str], input: &str| {
        run(server.database.dsn(), &[arguments, &["--dev", "--format", "json"]].concat(), input)
    };
    let tokens = server.tokens_with("openid").await;
    let disabled = run(&["user", "disable", "alice@example.com"], "").json();
    assert_eq!((&disabled[0]["username"], &disabled[0]["disabled"]), (&Value::from("alice"), &Value::Bool(true)));
    assert!(!server.introspect(&tokens.access_token).await.active);
    assert_eq!(run(&["user", "enable", "ALICE"], "").json()[0]["disabled"], false);

    let create = ["user", "create", "--username", "carol", "--email", "carol@x.example"];
    let with = |more: &[&'static str]| [&create[..], more].concat();
    run(&with(&["--password-stdin"]), "short\n").failed(1, "at least");
    run(&with(&["--claims", "[]"]), "").failed(2, "--claims is not a JSON object");
    run(&with(&["--password-stdin"]), "").failed(2, "standard input");
    let made = run(&with(&[]), "").json();
    assert_eq!(made["password"].as_str().unwrap().len(), 43);
    run(&with(&[]), "").failed(1, "in use");
    let set = run(&["user", "set-password", "carol", "--password-stdin"], "a password of hers\n").json();
    assert!(set.get("password").is_none(), "{set}");
    run(&["user", "delete", "carol", "nobody"], "").failed(1, "nobody");
    let id = made["id"].as_str().unwrap();
    assert_eq!(run(&["user", "delete", id], "").json(), serde_json::json!([id]));
    let left = run(&["user", "list"], "").json();
    assert_eq!(left.as_array().unwrap().len(), 3, "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gets_a_successor() {
    let server = Server::start().await;
    let run =
        |arguments: &[&str]| run(server.database.dsn(), &[arguments, &["--dev", "--format", "json"]].concat(), "");
    let states = |listed: &Value| -> Vec<String> {
        let keys = listed.as_array().unwrap().iter();
        let signing = keys.filter(|key| key["set"] == "hydra.openid.id-token");
        signing.map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&run(&["key", "list"]).json()), ["active"]);
    let made = run(&["key", "rotate"]).json();
    assert_eq!((&made[0]["outcome"], &made[0]["alg"]), (&Value::from("made"), &Value::from("RS256")), "{made}");
    let again = run(&["key", "rotate", "--alg", "RS256"]).json();
    assert_eq!(again[0]["outcome"], "already_there", "{again}");
    assert_eq!((&again[0]["kid"], &again[0]["active_from"]), (&made[0]["kid"], &made[0]["active_from"]));
    let listed = run(&["key", "list"]);
    assert_eq!(states(&listed.json()), ["published", "active"]);
    assert!(!listed.stdout.contains("private"), "{}", listed.stdout);
    let sealing = run(&["key", "rotate", "--set", "hydrant.seal"]).json();
    assert_eq!((&sealing[0]["set"], sealing.as_array().unwrap().len()), (&Value::from("hydrant.seal"), 1));

    run(&["key", "rotate", "--set", "hydra.jwt.access-token"]).failed(1, "has no keys yet");
    run(&["key", "rotate", "--alg", "ES256"]).failed(1, "no key for ES256 yet");
    run(&["key", "rotate", "--alg", "HS256"]).failed(1, "no algorithm of the set");
    run(&["key", "rotate", "--set", "x"]).failed(2, "hydra.openid.id-token");
    run(&["key", "revoke", "nobody"]).failed(1, "hydrant key list");

    // For people: what was done, from when on it holds, and why nothing was.
    let told = |arguments: &[&str]| {
        let ran = process::run(server.database.dsn(), &[&["key", "--dev"], arguments].concat(), "");
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran.stdout
    };
    let (next, from) = (made[0]["kid"].as_str().unwrap(), made[0]["active_from"].as_str().unwrap());
    let said = told(&["rotate"]);
    assert!(said.contains("made nothing") && said.contains(next) && said.contains(from), "{said}");
    let active = run(&["key", "list"]).json();
    let active =
        active.as_array().unwrap().iter().find(|key| key["state"] == "active" && key["alg"] == "RS256").unwrap();
    let said = told(&["revoke", "--", active["kid"].as_str().unwrap()]);
    assert!(said.contains(&format!("The key {next} signs from now on.")), "{said}");
    assert_eq!(states(&run(&["key", "list"]).json()), ["active", "revoked"]);
    assert!(told(&["rotate"]).contains("made the key"));
}

/// Exit status 2 and every problem at once; a password in `dsn` is never printed.
#[test]
fn a_bad_configuration_is_told_in_full() {
    let ran = run("postgres://hydrant:hunter2@127.0.0.1:1/none", &["check"], "");
    ran.failed(2, "urls.self.issuer");
    assert!(ran.stderr.contains("secrets.system") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let ran = run("postgres://hydrant:hunter2@127.0.0.1:1/none", &["client", "list", "--dev"], "");
    ran.failed(1, "the database does not answer");
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let ran = run("memory", &["check", "--dev"], "");
    assert!(ran.status == 0 && ran.stdout.starts_with("ok: "), "{}{}", ran.stdout, ran.stderr);
    run("memory", &["client", "list", "--dev"], "").failed(1, "belongs to one process");
    run("memory", &["nonsense"], "").failed(2, "unrecognized subcommand");
}

#[test]
fn what_needs_no_database_needs_none() {
    let schema = run("memory", &["schema"], "").json();
    assert!(schema["properties"]["urls"].is_object());
    assert_eq!(run("memory", &["version", "--format", "json"], "").json()["version"], env!("CARGO_PKG_VERSION"));
    let help = run("memory", &["client", "create", "--help"], "");
    assert!(help.status == 0 && help.stdout.contains("Examples:"), "{}", help.stdout);
}

/// For containers: 0 or 1, never anything else.
#[tokio::test(flavor = "multi_thread")]
async fn health_tells_a_server_that_serves() {
    let server = Server::start().await;
    let healthy = run("memory", &["health", "--url", &server.issuer], "");
    assert_eq!((healthy.status, healthy.stdout.as_str()), (0, "ok\n"), "{}", healthy.stderr);
    server.app().store.close().await;
    run("memory", &["health", "--url", &server.issuer], "").failed(1, "503");
    assert_eq!(run("memory", &["health", "--alive", "--url", &server.issuer], "").status, 0);
    run("memory", &["health", "--url", "http://127.0.0.1:1"], "").failed(1, "can not be reached");
    run("memory", &["health", "-c", "/nowhere.yml"], "").failed(1, "/nowhere.yml");
}

/// design.md section 8: the main job in one command, each of its steps a line.
#[test]
fn the_demo_walks_the_whole_journey_by_itself() {
    let mut quickest = Duration::MAX;
    for _ in 0..2 {
        let began = Instant::now();
        let ran = run("postgres://nobody@127.0.0.1:1/none", &["demo", "--check"], "");
        quickest = quickest.min(began.elapsed());
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        for step in ["discovery", "userinfo", "refresh", "introspect", "revo", "logout"] {
            assert!(ran.stdout.to_lowercase().contains(step), "{step} is not in {}", ran.stdout);
        }
    }
    assert!(quickest < Duration::from_secs(5), "{quickest:?}");
}

/// What the command line changes, a server that is running and remembers the client takes up.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_hears_of_a_change_within_two_seconds() {
    let server = Server::on(Database::new().await, Clock::System, |_| {}).await;
    let run = |arguments: &[&str], input: &str| {
        run(server.database.dsn(), &[arguments, &["--dev", "--format", "json"]].concat(), input)
    };
    let create = ["client", "create", "--id", "cli", "--grant-type", "client_credentials", "--scope", "a"];
    let created = run(&[&create[..], &["--secret", "-"]].concat(), "the first secret\n").json();
    assert_eq!(created["client_secret"], "the first secret");
    let status = async |secret: &str| {
        let request = server.http.post(server.url("/oauth2/token")).basic_auth("cli", Some(secret));
        request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status().as_u16()
    };
    let becomes = async |secret: &str, wanted: u16| {
        let began = Instant::now();
        while status(secret).await != wanted {
            assert!(began.elapsed() < Duration::from_secs(2), "{secret} is not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(status("the+first+secret").await, 200);
    assert_eq!(run(&["client", "update", "cli", "--secret", "-"], "the second secret\n").status, 0);
    becomes("the+first+secret", 401).await;
    assert_eq!(status("the+second+secret").await, 200);
    assert_eq!(run(&["client", "delete", "cli"], "").status, 0);
    becomes("the+second+secret", 401).await;
}

/// A secret is shown to whoever makes it, once, and only then.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once() {
    let database = Database::empty().await;
    let run = |arguments: &[&str]| run(database.dsn(), &[arguments, &["--dev"]].concat(), "");
    assert_eq!(run(&["migrate", "up"]).status, 0);
    let value = |ran: &Ran, name: &str| -> String {
        let line = ran.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {ran:?}"));
        line[name.len()..].trim().to_owned()
    };
    let created = run(&["client", "create", "--id", "web", "--redirect-uri", "http://127.0.0.1:5555/callback"]);
    let secret = value(&created, "CLIENT SECRET");
    assert!(secret.len() == 43 && created.stderr.contains("shown this once"), "{created:?}");
    let person = run(&["user", "create", "--username", "alice", "--email", "alice@example.com"]);
    let password = value(&person, "PASSWORD");
    assert!(password.len() == 43 && person.stderr.contains("shown this once"), "{person:?}");
    let public = ["client", "create", "--id", "app", "--redirect-uri", "com.example.app:/cb"];
    let public = run(&[&public[..], &["--token-endpoint-auth-method", "none"]].concat());
    assert!(public.status == 0 && !public.stdout.contains("SECRET") && public.stderr.is_empty(), "{public:?}");
    for command in [
        &["client", "get", "web"][..],
        &["client", "list"],
        &["client", "list", "--format", "json"],
        &["client", "update", "web", "--name", "Web"],
        &["user", "list"],
        &["user", "list", "--format", "json"],
        &["user", "disable", "alice"],
    ] {
        let ran = run(command);
        assert_eq!(ran.status, 0, "{ran:?}");
        for hidden in [secret.as_str(), password.as_str(), "SECRET", "PASSWORD", "argon2", "sha256", "_secret\""] {
            assert!(!ran.stdout.contains(hidden), "{command:?}: {hidden}: {}", ran.stdout);
        }
    }
}

/// Whoever asks for help is shown how it is done.
#[test]
fn help_has_examples() {
    for command in [
        &["serve"][..],
        &["demo"],
        &["migrate"],
        &["check"],
        &["schema"],
        &["health"],
        &["client", "create"],
        &["client", "update"],
        &["user", "create"],
        &["user", "set-password"],
        &["key", "rotate"],
        &["token", "introspect"],
    ] {
        let help = run("memory", &[command, &["--help"]].concat(), "");
        let (_, examples) = help.stdout.split_once("Examples:\n").unwrap_or_else(|| panic!("{command:?}: {help:?}"));
        assert!(examples.contains(&format!("hydrant {}", command.join(" "))), "{examples}");
    }
    let first = run("memory", &["--help"], "");
    assert!(first.stdout.contains("First steps:") && first.stdout.contains("hydrant demo"), "{}", first.stdout);
}
