//! Events as they are read, kept and taken: `GET /admin/events` and `hydrant event list`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::config::{AdminAccess, AdminToken};
use hydrant::openapi;
use hydrant::secret::sha256;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_audit::{ACTOR, events, kept, members};
use crate::source;
use crate::support::process;
use crate::support::{Answer, Authorize, Database, PASSWORD, Server, race};

/// `ttl.admin_event`, as it stood when the event was written.
#[tokio::test]
async fn events_leave_when_their_time_is_over() {
    let server = Server::with(|config| config.ttl.admin_event = Duration::from_hours(24)).await;
    let sweep = async || server.app().store.sweep(server.clock.now()).await.unwrap();
    let name = async |name: &str| {
        let patch = json!([{ "op": "replace", "path": "/client_name", "value": name }]);
        assert_eq!(server.admin(Method::PATCH, "/clients/web", Some(&patch)).await.status, 200);
    };
    name("one").await;
    server.pass(3600);
    name("two").await;
    server.pass(23 * 3600 - 1);
    assert_eq!((sweep().await, events(&server, "").await.len()), (0, 2));
    server.pass(1);
    assert_eq!((sweep().await, events(&server, "").await.len()), (1, 1));
    server.pass(3600);
    assert_eq!((sweep().await, events(&server, "").await.len()), (1, 0));
    let year = Server::start().await;
    assert_eq!(year.config().ttl.admin_event, Duration::from_hours(365 * 24));
}

#[tokio::test]
async fn events_are_read_by_pages_and_by_what_is_asked_for() {
    let server = Server::start().await;
    let start = server.clock.now();
    for number in 0..5 {
        let name = json!([{ "op": "replace", "path": "/client_name", "value": format!("name {number}") }]);
        let client = if number % 2 == 0 { "web" } else { "two" };
        assert_eq!(server.admin(Method::PATCH, &format!("/clients/{client}"), Some(&name)).await.status, 200);
        server.pass(60);
    }
    server.delete_client("two").await;
    let mut path = "/events?page_size=2&target_type=client".to_owned();
    let mut read = Vec::new();
    let mut pages = 0;
    loop {
        let answer = server.admin(Method::GET, &path, None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        read.extend(answer.json().as_array().unwrap().clone());
        pages += 1;
        let links = answer.header("link").unwrap().to_owned();
        let Some(next) = links.split(", ").find(|link| link.ends_with("rel=\"next\"")) else { break };
        path = next[1..].split('>').next().unwrap().strip_prefix("/admin").unwrap().to_owned();
    }
    assert_eq!((pages, read.len()), (3, 6));
    let names: Vec<_> = read.iter().map(|event| event["after"]["client_name"].as_str().unwrap_or("")).collect();
    assert_eq!(names, ["", "name 4", "name 3", "name 2", "name 1", "name 0"], "newest first");

    let minute = |number: u64| (start + Duration::from_secs(number * 60)).rfc3339();
    for (query, count) in [
        (String::new(), 6),
        ("target=web".to_owned(), 3),
        ("target=two".to_owned(), 3),
        ("target=two&action=client.deleted".to_owned(), 1),
        ("target=two&target_type=user".to_owned(), 0),
        ("action=client.changed".to_owned(), 5),
        ("action=user.deleted".to_owned(), 0),
        (format!("actor={ACTOR}"), 6),
        ("actor=somebody".to_owned(), 0),
        (format!("since={}", minute(3)), 3),
        (format!("until={}", minute(3)), 3),
        (format!("since={}&until={}", minute(1), minute(3)), 2),
        (format!("target=web&since={}&until={}", minute(1), minute(3)), 1),
        ("page_size=4".to_owned(), 4),
    ] {
        assert_eq!(events(&server, &query).await.len(), count, "{query}");
    }
    for query in [
        "since=yesterday",
        "until=5",
        "action=client.painted",
        "page_size=0",
        "page_token=x",
        "target=a&target=b",
        "target=%00",
    ] {
        let answer = server.admin(Method::GET, &format!("/events?{query}"), None).await;
        answer.assert_error(400, "invalid_request");
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(server.admin(method.clone(), "/events", Some(&json!({}))).await.status, 405, "{method}");
    }
    let document = openapi::document(&server.issuer);
    let schema = &document["components"]["schemas"]["adminEvent"]["properties"];
    for event in &read {
        assert!(members(event).is_subset(&members(schema)), "{event}");
    }
}

/// Where tokens are listed the actor is the token's name, and one that may only read may read events.
#[tokio::test]
async fn an_event_names_the_token_of_its_request() {
    let server = Server::with(|config| {
        let token = |name: &str, access| AdminToken {
            name: name.to_owned(),
            hash: sha256(format!("token-of-{name}").as_bytes()),
            access,
        };
        config.serve.admin_tokens = vec![token("deploy", AdminAccess::Full), token("reader", AdminAccess::ReadOnly)];
    })
    .await;
    let ask = async |method: Method, path: &str, token: &str| {
        let request = server.http.request(method, format!("{}/admin{path}", server.admin));
        let request = request.bearer_auth(token).header("x-request-id", "the-request");
        Answer::of(request.send().await.unwrap()).await
    };
    assert_eq!(ask(Method::DELETE, "/clients/two", "token-of-reader").await.status, 403);
    assert_eq!(ask(Method::DELETE, "/clients/two", "token-of-deploy").await.status, 204);
    assert_eq!(ask(Method::GET, "/events", "nonsense").await.status, 401);
    let read = ask(Method::GET, "/events", "token-of-reader").await.json();
    assert_eq!(read.as_array().unwrap().len(), 1);
    let event = &read[0];
    assert_eq!((&event["actor"], &event["request_id"]), (&json!("deploy"), &json!("the-request")));
    assert!(!kept(&server).await.contains("token-of-"));
}

/// As many events as changes that were accepted, each of which begins with what the one before it has made.
#[tokio::test(flavor = "multi_thread")]
async fn racers_leave_an_event_for_each_change_that_was_accepted() {
    let server = Arc::new(Server::start().await);
    let outcomes = race(32, |racer| {
        let server = Arc::clone(&server);
        async move {
            let patch = json!([{ "op": "replace", "path": "/client_name", "value": format!("racer {racer}") }]);
            server.admin(Method::PATCH, "/clients/web", Some(&patch)).await.status
        }
    })
    .await;
    assert!(outcomes.iter().all(|status| matches!(status, 200 | 409 | 503)), "{outcomes:?}");
    let accepted = outcomes.iter().filter(|status| **status == 200).count();
    let found = events(&server, "target=web").await;
    assert!(accepted > 0 && found.len() == accepted, "{accepted} accepted, {} events", found.len());
    for two in found.windows(2) {
        assert_eq!(two[0]["before"]["client_name"], two[1]["after"]["client_name"]);
    }
    assert_eq!(found[accepted - 1]["before"]["client_name"], "Web");
    let client = server.admin(Method::GET, "/clients/web", None).await.json();
    assert_eq!(found[0]["after"]["client_name"], client["client_name"]);
}

/// Of two that delete one client at once, one did.
#[tokio::test(flavor = "multi_thread")]
async fn racers_delete_once() {
    let server = Arc::new(Server::start().await);
    let alice = server.subject("alice").await;
    for path in ["/clients/web".to_owned(), format!("/users/{alice}")] {
        let outcomes = race(32, |_| {
            let (server, path) = (Arc::clone(&server), path.clone());
            async move { server.admin(Method::DELETE, &path, None).await.status }
        })
        .await;
        assert_eq!(outcomes.iter().filter(|status| **status == 204).count(), 1, "{path}: {outcomes:?}");
        assert_eq!(events(&server, &format!("target={}", path.rsplit('/').next().unwrap())).await.len(), 1);
    }
}

/// All sessions of a person: one event for each.
#[tokio::test]
async fn each_session_that_is_ended_has_its_event() {
    let server = Server::start().await;
    let _browsers = [server.signed_in("alice").await, server.signed_in("alice").await];
    let alice = server.subject("alice").await;
    let path = format!("/oauth2/auth/sessions/login?subject={alice}");
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204);
    let found = events(&server, "action=session.ended").await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|event| event["before"]["subject"] == alice.as_str()), "{found:?}");
    assert_ne!(found[0]["target"], found[1]["target"]);
}

/// The command line changes the same tables by the same code.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_leaves_events_and_lists_them() {
    let server = Server::on(Database::new().await, Clock::System, |_| {}).await;
    let run = |arguments: &[&str]| process::run(server.database.dsn(), &[arguments, &["--dev"]].concat(), "");
    let json_of = |arguments: &[&str]| run(&[arguments, &["--format", "json"]].concat()).json();
    let events = |more: &[&str]| {
        let listed = json_of(&[&["event", "list"], more].concat());
        listed.as_array().unwrap().clone()
    };
    let mut secrets = Vec::new();
    let client = json_of(&["client", "create", "--id", "robot", "--grant-type", "client_credentials"]);
    secrets.push(client["client_secret"].as_str().unwrap().to_owned());
    json_of(&["client", "update", "robot", "--name", "Robot"]);
    let rotated = json_of(&["client", "rotate-secret", "robot"]);
    secrets.push(rotated["client_secret"].as_str().unwrap().to_owned());
    json_of(&["client", "rotate-secret", "robot", "--forget"]);
    let token = server.http.post(server.url("/oauth2/token")).basic_auth("robot", Some(&secrets[1]));
    let token: Value = token.form(&[("grant_type", "client_credentials")]).send().await.unwrap().json().await.unwrap();
    assert_eq!(run(&["token", "revoke", token["access_token"].as_str().unwrap()]).status, 0);
    secrets.push(token["access_token"].as_str().unwrap().to_owned());
    let made = json_of(&["client", "registration-token", "create"]);
    secrets.push(made["token"].as_str().unwrap().to_owned());
    json_of(&["client", "registration-token", "revoke", made["id"].as_str().unwrap()]);
    json_of(&["client", "delete", "robot"]);
    let user = json_of(&["user", "create", "--username", "erin"]);
    secrets.push(user["password"].as_str().unwrap().to_owned());
    json_of(&["user", "disable", "erin"]);
    json_of(&["user", "enable", "erin"]);
    let set = json_of(&["user", "set-password", "erin"]);
    secrets.push(set["password"].as_str().unwrap().to_owned());
    json_of(&["user", "delete", "erin"]);
    json_of(&["key", "rotate"]);
    let kid = json_of(&["key", "list"])[0]["kid"].as_str().unwrap().to_owned();
    let revoke = ["key", "revoke", "--dev", "--format", "json", "--", &kid];
    assert_eq!(process::run(server.database.dsn(), &revoke, "").status, 0);

    let all = events(&[]);
    let actions: Vec<_> = all.iter().rev().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "client.created",
            "client.changed",
            "client.secret_rotated",
            "client.secrets_forgotten",
            "token.revoked",
            "registration_token.created",
            "registration_token.deleted",
            "client.deleted",
            "user.created",
            "user.changed",
            "user.changed",
            "user.password_set",
            "user.deleted",
            "key_set.key_made",
            "key_set.key_revoked",
        ]
    );
    let actor = all[0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("cli:") && actor.len() > 4, "{actor}");
    assert!(all.iter().all(|event| event["actor"] == actor && event.get("request_id").is_none()), "{all:?}");
    assert_eq!(events(&["--target", "robot", "--limit", "2"]).len(), 2);
    assert_eq!(events(&["--target-type", "user", "--action", "user.changed", "--limit", "0"]).len(), 2);
    assert_eq!(events(&["--until", "2020-01-01T00:00:00Z"]).len(), 0);
    let table = run(&["event", "list", "--target", "robot"]);
    assert_eq!(table.status, 0, "{}", table.stderr);
    let line = table.stdout.lines().find(|line| line.contains("client.changed")).unwrap();
    assert!(
        line.contains(actor) && (line.ends_with("robot   client_name") || line.ends_with("robot  client_name")),
        "{line}"
    );
    run(&["event", "list", "--since", "yesterday"]).failed(1, "RFC 3339");
    run(&["event", "list", "--action", "client.painted"]).failed(1, "client.created");
    run(&["event", "list", "--target-type", "clients"]).failed(1, "registration_token");
    let kept = kept(&server).await;
    for secret in secrets {
        assert!(!kept.contains(&secret), "{secret}");
    }
}

async fn told(server: &Server, path: &str, action: &str, target: &str) -> Value {
    let before = events(server, "").await.len();
    let answer = server.admin(Method::DELETE, path, None).await;
    assert_eq!(answer.status, 204, "{path}: {}", answer.body);
    let after = events(server, "").await;
    assert_eq!(after.len(), before + 1, "{path}: {after:?}");
    assert_eq!((&after[0]["action"], &after[0]["target"]), (&json!(action), &json!(target)), "{path}");
    after[0]["before"].clone()
}

/// What is ended beside the rows that one thinks of: flows under way, grants of a session that has been swept, a place in
/// a session without a consent.
#[tokio::test]
async fn ad_13_no_write_goes_unseen() {
    let server = Server::with_relying_parties(|_| {}).await;
    let alice = server.subject("alice").await.to_string();
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    browser.submit_login(&page, "alice", PASSWORD).await;
    server.database.execute("DELETE FROM sessions").await;
    let path = format!("/oauth2/auth/sessions/login?subject={alice}");
    assert_eq!(told(&server, &path, "interaction.ended", &alice).await, json!({ "interactions": 1 }));

    let tokens = server.tokens_with("openid").await;
    let sid = tokens.claims()["sid"].as_str().unwrap().to_owned();
    server.database.execute("DELETE FROM sessions").await;
    let path = format!("/oauth2/auth/sessions/login?sid={sid}");
    assert_eq!(told(&server, &path, "session.ended", &sid).await, json!({ "grants": 1 }));
    assert!(!server.introspect(&tokens.access_token).await.active);
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(events(&server, "").await.len(), 2, "nothing was left to end");

    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web().set("prompt", "consent")).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    let flow = browser.submit_consent(&page, &["openid"]).await;
    assert_eq!(flow.status, 303);
    let id = server.database.column("SELECT flow_id FROM interactions").await.remove(0);
    let path = format!("/oauth2/auth/sessions/consent?consent_request_id={id}");
    told(&server, &path, "consent.revoked", &alice).await;

    server.told_client("rp", "http://127.0.0.1:9999/out", json!({})).await;
    server.tokens_for(&mut server.browser(), "rp", "openid", "alice").await;
    server.database.execute("DELETE FROM grants").await;
    server.database.execute("DELETE FROM consents").await;
    server.database.execute("DELETE FROM interactions").await;
    let path = format!("/oauth2/auth/sessions/consent?subject={alice}&client=rp");
    told(&server, &path, "consent.revoked", &alice).await;
    assert_eq!(server.database.count("logout_tokens").await, 1);
}

/// Nothing in the program changes an event; it is written in one place, and taken by the sweep alone.
#[test]
fn ad_13_events_are_only_ever_added() {
    let mut found = BTreeMap::<(String, String), usize>::new();
    for file in source::files() {
        for token in source::tokens(&file.text) {
            let Some(text) = token.text() else { continue };
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for verb in ["INSERT INTO", "UPDATE", "DELETE FROM", "DROP TABLE", "ALTER TABLE", "TRUNCATE"] {
                if text.contains(&format!("{verb} events ")) || text.ends_with(&format!("{verb} events")) {
                    *found.entry((file.path.clone(), verb.to_owned())).or_default() += 1;
                    assert!(!text.contains("ON CONFLICT"), "{text}");
                }
            }
        }
    }
    let of = |path: &str, verb: &str| ((path.to_owned(), verb.to_owned()), 1);
    assert_eq!(found, [of("store/audit.rs", "INSERT INTO"), of("store/sweep.rs", "DELETE FROM")].into());
}
