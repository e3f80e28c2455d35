//! Who changed what: an event for each admin write, in its transaction, without a secret (security-cases.md AD-13).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::config::{AdminAccess, AdminToken};
use hydrant::jose::Algorithm;
use hydrant::openapi::{self, Port};
use hydrant::secret::sha256;
use reqwest::Method;
use serde_json::{Value, json};

use crate::source;
use crate::support::process;
use crate::support::signer::Signer;
use crate::support::{Answer, Authorize, Database, PASSWORD, Server, race};

/// What changes nothing, and what the login protocol does: who signed in and what was allowed is in the interaction, the
/// session and the grant.
const NO_WRITES: [(&str, &str); 7] = [
    ("post", "/oauth2/introspect"),
    ("put", "/oauth2/auth/requests/login/accept"),
    ("put", "/oauth2/auth/requests/login/reject"),
    ("put", "/oauth2/auth/requests/consent/accept"),
    ("put", "/oauth2/auth/requests/consent/reject"),
    ("put", "/oauth2/auth/requests/logout/accept"),
    ("put", "/oauth2/auth/requests/logout/reject"),
];

const ACTOR: &str = "admin:127.0.0.1";

/// Events newest first.
async fn events(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.admin(Method::GET, &format!("/events?{query}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().as_array().unwrap().clone()
}

/// Every column of every event.
async fn kept(server: &Server) -> String {
    let dump = server.database.dump().await;
    dump.lines().filter(|line| line.starts_with("events: ")).collect::<Vec<_>>().join("\n")
}

fn members(told: &Value) -> BTreeSet<&str> {
    told.as_object().map(|told| told.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Calls operations of the admin API one after the other, and asks of each for its event.
struct Auditor<'a> {
    server: &'a Server,
    called: BTreeSet<(&'static str, &'static str)>,
}

impl<'a> Auditor<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, called: BTreeSet::new() }
    }

    /// The answer, and the one event that there is of it.
    async fn write(
        &mut self,
        operation: (&'static str, &'static str),
        path: &str,
        body: Option<Value>,
        action: &str,
        target: &str,
    ) -> (Value, Value) {
        self.called.insert(operation);
        let before = self.server.database.count("events").await;
        let method = Method::from_bytes(operation.0.to_uppercase().as_bytes()).unwrap();
        let answer = self.server.admin(method, path, body.as_ref()).await;
        assert!((200..300).contains(&answer.status), "{operation:?} {path}: {} {}", answer.status, answer.body);
        assert_eq!(self.server.database.count("events").await, before + 1, "{operation:?} {path}");
        let event = events(self.server, "page_size=1").await.remove(0);
        let answer = if answer.body.is_empty() { Value::Null } else { answer.json() };
        assert_eq!((&event["actor"], &event["action"]), (&json!(ACTOR), &json!(action)), "{operation:?}");
        assert_eq!(event["target_type"], action.split('.').next().unwrap(), "{operation:?}");
        let target = if target.is_empty() { answer["id"].as_str().unwrap() } else { target };
        assert_eq!(event["target"], target, "{operation:?}");
        assert!(event["request_id"].is_string() && event["at"].is_string(), "{event}");
        (answer, event)
    }
}

/// Every operation of the OpenAPI document that is no GET: one that is new is missed here until it has its line.
#[tokio::test]
async fn ad_13_every_admin_write_has_one_event_without_a_secret() {
    let server = Server::with(|config| config.oidc.registration.enabled = true).await;
    let mut auditor = Auditor::new(&server);
    let mut secrets = vec!["a-secret-in-the-open".to_owned(), "another-secret-in-the-open".to_owned()];
    let text = |value: &Value| value.as_str().unwrap().to_owned();

    // Clients.
    let body = json!({
        "client_id": "audited", "client_secret": secrets[0], "client_name": "One", "scope": "openid",
        "redirect_uris": ["https://rp.example/cb"],
    });
    let (made, event) = auditor.write(("post", "/clients"), "/clients", Some(body), "client.created", "audited").await;
    secrets.push(text(&made["registration_access_token"]));
    assert!(event.get("before").is_none() && event["after"]["client_name"] == "One", "{event}");
    let mut body = server.admin(Method::GET, "/clients/audited", None).await.json();
    body["client_name"] = json!("Two");
    body["client_secret"] = json!(secrets[1]);
    let (put, one) = (("put", "/clients/{id}"), "/clients/audited");
    let (_, event) = auditor.write(put, one, Some(body), "client.changed", "audited").await;
    assert_eq!(event["before"], json!({ "client_name": "One" }));
    assert_eq!(event["after"], json!({ "client_name": "Two", "secret_replaced": true }));
    let patch = json!([{ "op": "replace", "path": "/client_name", "value": "Three" }]);
    let (_, event) = auditor.write(("patch", "/clients/{id}"), one, Some(patch), "client.changed", "audited").await;
    assert_eq!(event["before"], json!({ "client_name": "Two" }));
    assert_eq!(event["after"], json!({ "client_name": "Three" }));
    let lifespans = json!({ "client_credentials_grant_access_token_lifespan": "1h" });
    let (operation, path) = (("put", "/clients/{id}/lifespans"), "/clients/audited/lifespans");
    let (_, event) = auditor.write(operation, path, Some(lifespans), "client.changed", "audited").await;
    assert_eq!(members(&event["after"]), ["client_credentials_grant_access_token_lifespan"].into());
    let path = "/clients/audited/secrets/rotate";
    let operation = ("post", "/clients/{id}/secrets/rotate");
    let (rotated, event) = auditor.write(operation, path, None, "client.secret_rotated", "audited").await;
    secrets.push(text(&rotated["client_secret"]));
    assert_eq!(event["after"], json!({ "earlier_secrets": 1, "secret_replaced": true }));
    let operation = ("delete", "/clients/{id}/secrets/rotate");
    let (_, event) = auditor.write(operation, path, None, "client.secrets_forgotten", "audited").await;
    assert_eq!(
        (&event["before"], &event["after"]),
        (&json!({ "earlier_secrets": 1 }), &json!({ "earlier_secrets": 0 }))
    );
    let operation = ("delete", "/oauth2/tokens");
    let path = "/oauth2/tokens?client_id=audited";
    let (_, event) = auditor.write(operation, path, None, "client.tokens_revoked", "audited").await;
    assert_eq!(members(&event["after"]), ["tokens_valid_from"].into());
    let (_, event) = auditor.write(("delete", "/clients/{id}"), one, None, "client.deleted", "audited").await;
    assert!(event.get("after").is_none() && event["before"]["client_name"] == "Three", "{event}");

    // Who may register.
    let body = json!({ "uses": 3, "note": "the sales team" });
    let operation = ("post", "/registration-tokens");
    let (made, event) = auditor.write(operation, operation.1, Some(body), "registration_token.created", "").await;
    secrets.push(text(&made["token"]));
    assert_eq!((&event["after"]["note"], &event["after"]["uses_left"]), (&json!("the sales team"), &json!(3)));
    let id = text(&made["id"]);
    let path = format!("/registration-tokens/{id}");
    let operation = ("delete", "/registration-tokens/{id}");
    let (_, event) = auditor.write(operation, &path, None, "registration_token.deleted", &id).await;
    assert_eq!(event["before"]["note"], "the sales team");

    // People.
    secrets.extend(["correct battery horse staple".to_owned(), "another battery horse staple".to_owned()]);
    let [.., first, second] = secrets.as_slice() else { panic!() };
    let body = json!({ "username": "erin", "email": "erin@example.com", "password": first });
    let (made, event) = auditor.write(("post", "/users"), "/users", Some(body), "user.created", "").await;
    assert_eq!(event["after"]["email"], "erin@example.com");
    let id = text(&made["id"]);
    let path = format!("/users/{id}");
    let body = json!({ "username": "erin", "claims": { "name": "Erin" }, "password": second });
    let (_, event) = auditor.write(("put", "/users/{id}"), &path, Some(body), "user.changed", &id).await;
    assert_eq!(event["before"], json!({ "claims": {}, "email": "erin@example.com" }));
    assert_eq!(event["after"], json!({ "claims": { "name": "Erin" }, "password_replaced": true }));
    let body = json!({ "username": "erin", "claims": { "name": "Erin" }, "disabled": true });
    let (_, event) = auditor.write(("put", "/users/{id}"), &path, Some(body), "user.changed", &id).await;
    assert_eq!((&event["before"], &event["after"]), (&json!({ "disabled": false }), &json!({ "disabled": true })));
    let (_, event) = auditor.write(("delete", "/users/{id}"), &path, None, "user.deleted", &id).await;
    assert_eq!(event["before"]["username"], "erin");

    // Keys.
    let given = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(|alg| Signer::new(alg).private_jwk());
    for key in &given {
        let private = ["d", "p", "q", "dp", "dq", "qi"].into_iter().filter_map(|member| key[member].as_str());
        secrets.extend(private.map(str::to_owned));
    }
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    let told = |told: &Value| told["keys"].as_array().unwrap().iter().map(kid).collect::<BTreeSet<_>>();
    let body = json!({ "alg": "ES256", "kid": "made" });
    let (_, event) = auditor.write(("post", "/keys/{set}"), "/keys/mine", Some(body), "key_set.key_made", "mine").await;
    assert_eq!(told(&event["after"]), ["made".to_owned()].into());
    let path = format!("/keys/mine/{}", kid(&given[0]));
    let (operation, key) = (("put", "/keys/{set}/{kid}"), given[0].clone());
    let (_, event) = auditor.write(operation, &path, Some(key), "key_set.keys_imported", "mine").await;
    assert_eq!(told(&event["after"]), [kid(&given[0])].into());
    let (_, event) = auditor.write(("delete", "/keys/{set}/{kid}"), &path, None, "key_set.key_removed", "mine").await;
    assert_eq!((told(&event["before"]), event.get("after")), ([kid(&given[0])].into(), None));
    let body = json!({ "keys": [given[1], given[2]] });
    let (_, event) = auditor.write(("put", "/keys/{set}"), "/keys/mine", Some(body), "key_set.replaced", "mine").await;
    assert_eq!(told(&event["before"]), ["made".to_owned()].into());
    assert_eq!(told(&event["after"]), given[1..].iter().map(kid).collect());
    assert_eq!(event["after"]["keys"][0]["public_key"].get("d"), None);
    let (_, event) = auditor.write(("delete", "/keys/{set}"), "/keys/mine", None, "key_set.removed", "mine").await;
    assert_eq!(told(&event["before"]), given[1..].iter().map(kid).collect());
    let set = "hydra.openid.id-token";
    let shown = server.admin(Method::GET, &format!("/keys/{set}"), None).await.json();
    let path = format!("/keys/{set}/{}", kid(&shown["keys"][0]));
    let (_, event) = auditor.write(("delete", "/keys/{set}/{kid}"), &path, None, "key_set.key_revoked", set).await;
    assert_eq!(told(&event["before"]), [kid(&shown["keys"][0])].into());
    assert_eq!(told(&event["after"]).len(), 1, "its successor");

    // Trusted issuers.
    let issuers = "/trust/grants/jwt-bearer/issuers";
    let (created, deleted) = (("post", issuers), ("delete", "/trust/grants/jwt-bearer/issuers/{id}"));
    let body = json!({
        "issuer": "https://issuer.example", "subject": "carol", "scope": ["openid"],
        "jwk": Signer::new(Algorithm::Es256).jwk(), "expires_at": (server.clock.now() + Duration::from_hours(1)).rfc3339(),
    });
    let (made, event) = auditor.write(created, issuers, Some(body), "trusted_issuer.created", "").await;
    assert_eq!(
        (&event["after"]["issuer"], &event["after"]["scope"]),
        (&json!("https://issuer.example"), &json!(["openid"]))
    );
    let id = text(&made["id"]);
    let path = format!("{issuers}/{id}");
    let (_, event) = auditor.write(deleted, &path, None, "trusted_issuer.deleted", &id).await;
    assert_eq!(event["before"]["subject"], "carol");

    // What people have allowed, and where they are signed in.
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, true).await;
    let code = browser.consent(&page, &["openid"], true).await.parameter("code").unwrap();
    assert_eq!(server.token(&code).await.status, 200);
    let alice = server.subject("alice").await.to_string();
    let operation = ("delete", "/oauth2/auth/sessions/consent");
    let path = format!("{}?subject={alice}&client=web", operation.1);
    let (_, event) = auditor.write(operation, &path, None, "consent.revoked", &alice).await;
    assert_eq!(event["before"], json!({ "web": { "grants": 1, "remembered": true } }));
    let operation = ("delete", "/oauth2/auth/sessions/login");
    let sessions = server.admin(Method::GET, &format!("{}?subject={alice}", operation.1), None).await.json();
    let sid = text(&sessions[0]["id"]);
    let path = format!("{}?sid={sid}", operation.1);
    let (_, event) = auditor.write(operation, &path, None, "session.ended", &sid).await;
    assert_eq!((&event["before"]["subject"], event.get("after")), (&json!(alice), None));

    let all: BTreeSet<_> =
        openapi::operations(Port::Admin).into_iter().filter(|(method, _)| *method != "get").collect();
    let missed: Vec<_> = all.iter().filter(|one| !auditor.called.contains(one) && !NO_WRITES.contains(one)).collect();
    assert!(missed.is_empty(), "these have no line here: {missed:?}");
    assert!(NO_WRITES.iter().all(|one| all.contains(one) && !auditor.called.contains(one)));

    let kept = kept(&server).await;
    assert!(kept.lines().count() >= 20 && kept.contains("client.created"), "{kept}");
    for secret in secrets {
        assert!(!kept.contains(&secret), "{secret}");
    }
    for hash in ["$argon2", "sha256:", "_hash", "_sealed"] {
        assert!(!kept.contains(hash), "{hash}");
    }
}

/// What is refused, fails, or finds nothing to change leaves none; nor does anybody else's doing.
#[tokio::test]
async fn what_changes_nothing_and_what_people_do_themselves_leaves_no_event() {
    let server = Server::with(|config| config.oidc.registration.enabled = true).await;
    let alice = server.subject("alice").await;
    let issuers = "/trust/grants/jwt-bearer/issuers/0197f7f0-0000-7000-8000-000000000000";
    for (method, path, body, status) in [
        (Method::POST, "/clients", Some(json!({ "client_id": "web" })), 409),
        (Method::POST, "/clients", Some(json!({ "redirect_uris": ["nonsense"] })), 400),
        (Method::PUT, "/clients/nobody", Some(json!({})), 404),
        (Method::PATCH, "/clients/web", Some(json!([{ "op": "test", "path": "/client_name", "value": "x" }])), 400),
        (Method::DELETE, "/clients/nobody", None, 404),
        (Method::DELETE, "/oauth2/tokens?client_id=nobody", None, 204),
        (Method::POST, "/users", Some(json!({ "username": "alice" })), 409),
        (Method::PUT, &*format!("/users/{alice}"), Some(json!({ "username": "bob" })), 409),
        (Method::DELETE, "/users/nobody", None, 404),
        (Method::DELETE, "/keys/nothing", None, 404),
        (Method::DELETE, "/keys/hydra.openid.id-token/nothing", None, 404),
        (Method::DELETE, "/registration-tokens/0123456789abcdef", None, 404),
        (Method::DELETE, issuers, None, 404),
        (Method::DELETE, "/oauth2/auth/sessions/consent?subject=nobody&all=true", None, 204),
        (Method::DELETE, "/oauth2/auth/sessions/consent?consent_request_id=nothing", None, 204),
        (Method::DELETE, "/oauth2/auth/sessions/login?subject=nobody", None, 204),
        (Method::DELETE, "/oauth2/auth/sessions/login?sid=0197f7f0-0000-7000-8000-000000000000", None, 204),
    ] {
        let answer = server.admin(method.clone(), path, body.as_ref()).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    // A key that the server makes because a client needs it is its own doing; so is a key's succession.
    let needs = json!({ "client_id": "es", "redirect_uris": ["https://rp.example/cb"], "id_token_signed_response_alg": "ES384" });
    assert_eq!(server.admin(Method::POST, "/clients", Some(&needs)).await.status, 201);
    assert_eq!(events(&server, "").await.len(), 1, "the client's");
    let (app, now) = (server.app(), server.clock.now());
    server.pass(server.config().keys.rotation_interval.unwrap().as_secs());
    app.keys.tend(&app.store, now + server.config().keys.rotation_interval.unwrap()).await.unwrap();
    // People and clients.
    let tokens = server.tokens_with("openid offline").await;
    assert_eq!(server.revoke("web", tokens.refresh()).await.status, 200);
    let own = server.own_client(json!({})).await;
    assert_eq!(server.manage_with(Method::DELETE, own.id(), own.token(), None).await.status, 204);
    let mut browser = server.signed_in("bob").await;
    browser.logout().await;
    assert_eq!(server.database.count("events").await, 1, "{}", kept(&server).await);
}

/// What the events can not be written of does not happen: 503, and the tables are as they were.
#[tokio::test]
async fn ad_13_a_write_without_its_event_does_not_happen() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, true).await;
    browser.consent(&page, &["openid"], true).await;
    let set = json!({ "alg": "ES256", "kid": "one" });
    assert_eq!(server.admin(Method::POST, "/keys/mine", Some(&set)).await.status, 201);
    let issuer = |subject: &str| {
        json!({
            "issuer": "https://issuer.example", "subject": subject, "scope": [], "jwk": Signer::new(Algorithm::Es256).jwk(),
            "expires_at": (server.clock.now() + Duration::from_hours(1)).rfc3339(),
        })
    };
    let trusted = server.admin(Method::POST, "/trust/grants/jwt-bearer/issuers", Some(&issuer("a"))).await.json();
    let token = server.admin(Method::POST, "/registration-tokens", Some(&json!({}))).await.json();
    let alice = server.subject("alice").await;
    let key = Signer::new(Algorithm::Es256).private_jwk();
    let signing = server.admin(Method::GET, "/keys/hydra.openid.id-token", None).await.json();

    assert!(server.database.is_postgres() || server.database.execute("PRAGMA busy_timeout = 5000").await == 0);
    server.database.execute("ALTER TABLE events RENAME TO events_that_are_away").await;
    let before = server.database.dump().await;
    let user = format!("/users/{alice}");
    for (method, path, body) in [
        (Method::POST, "/clients", Some(json!({ "client_id": "new" }))),
        (Method::PUT, "/clients/svc", Some(json!({ "client_name": "x", "grant_types": ["client_credentials"] }))),
        (Method::PATCH, "/clients/web", Some(json!([{ "op": "replace", "path": "/client_name", "value": "x" }]))),
        (Method::PUT, "/clients/web/lifespans", Some(json!({ "implicit_grant_id_token_lifespan": "1h" }))),
        (Method::POST, "/clients/web/secrets/rotate", None),
        (Method::DELETE, "/clients/web/secrets/rotate", None),
        (Method::DELETE, "/clients/web", None),
        (Method::DELETE, "/oauth2/tokens?client_id=web", None),
        (Method::POST, "/registration-tokens", Some(json!({}))),
        (Method::DELETE, &*format!("/registration-tokens/{}", token["id"].as_str().unwrap()), None),
        (Method::POST, "/users", Some(json!({ "username": "erin" }))),
        (Method::PUT, &*user, Some(json!({ "username": "alice", "password": "another battery horse staple" }))),
        (Method::PUT, &*user, Some(json!({ "username": "alice", "disabled": true }))),
        (Method::DELETE, &*user, None),
        (Method::POST, "/keys/mine", Some(json!({ "alg": "ES256" }))),
        (Method::PUT, "/keys/mine", Some(json!({ "keys": [key] }))),
        (Method::PUT, &*format!("/keys/mine/{}", key["kid"].as_str().unwrap()), Some(key.clone())),
        (Method::DELETE, "/keys/mine/one", None),
        (Method::DELETE, "/keys/mine", None),
        (
            Method::DELETE,
            &*format!("/keys/hydra.openid.id-token/{}", signing["keys"][0]["kid"].as_str().unwrap()),
            None,
        ),
        (Method::POST, "/trust/grants/jwt-bearer/issuers", Some(issuer("b"))),
        (Method::DELETE, &*format!("/trust/grants/jwt-bearer/issuers/{}", trusted["id"].as_str().unwrap()), None),
        (Method::DELETE, &*format!("/oauth2/auth/sessions/consent?subject={alice}&all=true"), None),
        (
            Method::DELETE,
            &*format!("/oauth2/auth/sessions/login?sid={}", session(&server, &alice.to_string()).await),
            None,
        ),
    ] {
        let answer = server.admin(method.clone(), path, body.as_ref()).await;
        assert_eq!(answer.status, 503, "{method} {path}: {}", answer.body);
        answer.assert_error(503, "temporarily_unavailable");
        let after = server.database.dump().await;
        let changed: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
        assert!(after.lines().count() == before.lines().count() && changed.is_empty(), "{method} {path}: {changed:?}");
    }
    server.admin(Method::GET, "/events", None).await.assert_error(503, "temporarily_unavailable");
    server.database.execute("ALTER TABLE events_that_are_away RENAME TO events").await;
    let patch = json!([{ "op": "replace", "path": "/client_name", "value": "x" }]);
    assert_eq!(server.admin(Method::PATCH, "/clients/web", Some(&patch)).await.status, 200);
    assert_eq!(events(&server, "page_size=1").await[0]["after"], json!({ "client_name": "x" }));
}

async fn session(server: &Server, subject: &str) -> String {
    let listed = server.admin(Method::GET, &format!("/oauth2/auth/sessions/login?subject={subject}"), None).await;
    listed.json()[0]["id"].as_str().unwrap().to_owned()
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
        line.contains(actor) && line.ends_with("robot   client_name") || line.ends_with("robot  client_name"),
        "{line}"
    );
    run(&["event", "list", "--since", "yesterday"]).failed(1, "RFC 3339");
    run(&["event", "list", "--action", "client.painted"]).failed(1, "client.created");
    let kept = kept(&server).await;
    for secret in secrets {
        assert!(!kept.contains(&secret), "{secret}");
    }
}
