//! Who changed what: an event for each admin write, in its transaction, without a secret (security-cases.md AD-13).

use std::collections::BTreeSet;
use std::time::Duration;

use hydrant::jose::Algorithm;
use hydrant::openapi::{self, Port};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::signer::Signer;
use crate::support::{Authorize, PASSWORD, Server};

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

/// Two secrets of a client that somebody chose.
const CHOSEN: [&str; 2] = ["a-secret-in-the-open", "another-secret-in-the-open"];

pub const ACTOR: &str = "admin:127.0.0.1";

/// Events newest first.
pub async fn events(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.admin(Method::GET, &format!("/events?{query}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().as_array().unwrap().clone()
}

/// Every column of every event.
pub async fn kept(server: &Server) -> String {
    let dump = server.database.dump().await;
    dump.lines().filter(|line| line.starts_with("events: ")).collect::<Vec<_>>().join("\n")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub fn members(told: &Value) -> BTreeSet<&str> {
    told.as_object().map(|told| told.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Calls operations of the admin API one after the other, and asks of each for its event.
struct Auditor<'a> {
    server: &'a Server,
    called: BTreeSet<(&'static str, &'static str)>,
    /// What was sent and what was made that nobody may read again.
    secrets: Vec<String>,
}

impl<'a> Auditor<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, called: BTreeSet::new(), secrets: Vec::new() }
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

    async fn clients(&mut self) {
        self.secrets.extend(CHOSEN.map(str::to_owned));
        let body = json!({
            "client_id": "audited", "client_secret": CHOSEN[0], "client_name": "One", "scope": "openid",
            "redirect_uris": ["https://rp.example/cb"],
        });
        let (made, event) = self.write(("post", "/clients"), "/clients", Some(body), "client.created", "audited").await;
        self.secrets.push(text(&made["registration_access_token"]));
        assert!(event.get("before").is_none() && event["after"]["client_name"] == "One", "{event}");
        let mut body = self.server.admin(Method::GET, "/clients/audited", None).await.json();
        body["client_name"] = json!("Two");
        body["client_secret"] = json!(CHOSEN[1]);
        let (put, one) = (("put", "/clients/{id}"), "/clients/audited");
        let (_, event) = self.write(put, one, Some(body), "client.changed", "audited").await;
        assert_eq!(event["before"], json!({ "client_name": "One" }));
        assert_eq!(event["after"], json!({ "client_name": "Two", "secret_replaced": true }));
        let renamed = json!([{ "op": "replace", "path": "/client_name", "value": "Three" }]);
        let (_, event) = self.write(("patch", "/clients/{id}"), one, Some(renamed), "client.changed", "audited").await;
        assert_eq!(event["before"], json!({ "client_name": "Two" }));
        assert_eq!(event["after"], json!({ "client_name": "Three" }));
        let lifespans = json!({ "client_credentials_grant_access_token_lifespan": "1h" });
        let (operation, path) = (("put", "/clients/{id}/lifespans"), "/clients/audited/lifespans");
        let (_, event) = self.write(operation, path, Some(lifespans), "client.changed", "audited").await;
        assert_eq!(members(&event["after"]), ["client_credentials_grant_access_token_lifespan"].into());
        let path = "/clients/audited/secrets/rotate";
        let operation = ("post", "/clients/{id}/secrets/rotate");
        let (rotated, event) = self.write(operation, path, None, "client.secret_rotated", "audited").await;
        self.secrets.push(text(&rotated["client_secret"]));
        assert_eq!(event["after"], json!({ "earlier_secrets": 1, "secret_replaced": true }));
        let operation = ("delete", "/clients/{id}/secrets/rotate");
        let (_, event) = self.write(operation, path, None, "client.secrets_forgotten", "audited").await;
        assert_eq!(
            (&event["before"], &event["after"]),
            (&json!({ "earlier_secrets": 1 }), &json!({ "earlier_secrets": 0 }))
        );
        let operation = ("delete", "/oauth2/tokens");
        let path = "/oauth2/tokens?client_id=audited";
        let (_, event) = self.write(operation, path, None, "client.tokens_revoked", "audited").await;
        assert_eq!(members(&event["after"]), ["tokens_valid_from"].into());
        let (_, event) = self.write(("delete", "/clients/{id}"), one, None, "client.deleted", "audited").await;
        assert!(event.get("after").is_none() && event["before"]["client_name"] == "Three", "{event}");
    }

    async fn registration_tokens(&mut self) {
        let body = json!({ "uses": 3, "note": "the sales team" });
        let operation = ("post", "/registration-tokens");
        let (made, event) = self.write(operation, operation.1, Some(body), "registration_token.created", "").await;
        self.secrets.push(text(&made["token"]));
        assert_eq!((&event["after"]["note"], &event["after"]["uses_left"]), (&json!("the sales team"), &json!(3)));
        let id = text(&made["id"]);
        let path = format!("/registration-tokens/{id}");
        let operation = ("delete", "/registration-tokens/{id}");
        let (_, event) = self.write(operation, &path, None, "registration_token.deleted", &id).await;
        assert_eq!(event["before"]["note"], "the sales team");
    }

    async fn people(&mut self) {
        let [first, second] = ["correct battery horse staple", "another battery horse staple"];
        self.secrets.extend([first.to_owned(), second.to_owned()]);
        let body = json!({ "username": "erin", "email": "erin@example.com", "password": first });
        let (made, event) = self.write(("post", "/users"), "/users", Some(body), "user.created", "").await;
        assert_eq!(event["after"]["email"], "erin@example.com");
        let id = text(&made["id"]);
        let path = format!("/users/{id}");
        let body = json!({ "username": "erin", "claims": { "name": "Erin" }, "password": second });
        let (_, event) = self.write(("put", "/users/{id}"), &path, Some(body), "user.changed", &id).await;
        assert_eq!(event["before"], json!({ "claims": {}, "email": "erin@example.com" }));
        assert_eq!(event["after"], json!({ "claims": { "name": "Erin" }, "password_replaced": true }));
        let body = json!({ "username": "erin", "claims": { "name": "Erin" }, "disabled": true });
        let (_, event) = self.write(("put", "/users/{id}"), &path, Some(body), "user.changed", &id).await;
        assert_eq!((&event["before"], &event["after"]), (&json!({ "disabled": false }), &json!({ "disabled": true })));
        let (_, event) = self.write(("delete", "/users/{id}"), &path, None, "user.deleted", &id).await;
        assert_eq!(event["before"]["username"], "erin");
    }

    async fn keys(&mut self) {
        let given = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(|alg| Signer::new(alg).private_jwk());
        for key in &given {
            let private = ["d", "p", "q", "dp", "dq", "qi"].into_iter().filter_map(|member| key[member].as_str());
            self.secrets.extend(private.map(str::to_owned));
        }
        let kid = |key: &Value| text(&key["kid"]);
        let told = |told: &Value| told["keys"].as_array().unwrap().iter().map(kid).collect::<BTreeSet<_>>();
        let body = json!({ "alg": "ES256", "kid": "made" });
        let (_, event) =
            self.write(("post", "/keys/{set}"), "/keys/mine", Some(body), "key_set.key_made", "mine").await;
        assert_eq!(told(&event["after"]), ["made".to_owned()].into());
        let path = format!("/keys/mine/{}", kid(&given[0]));
        let (operation, key) = (("put", "/keys/{set}/{kid}"), given[0].clone());
        let (_, event) = self.write(operation, &path, Some(key), "key_set.keys_imported", "mine").await;
        assert_eq!(told(&event["after"]), [kid(&given[0])].into());
        let (_, event) = self.write(("delete", "/keys/{set}/{kid}"), &path, None, "key_set.key_removed", "mine").await;
        assert_eq!((told(&event["before"]), event.get("after")), ([kid(&given[0])].into(), None));
        let body = json!({ "keys": [given[1], given[2]] });
        let (_, event) = self.write(("put", "/keys/{set}"), "/keys/mine", Some(body), "key_set.replaced", "mine").await;
        assert_eq!(told(&event["before"]), ["made".to_owned()].into());
        assert_eq!(told(&event["after"]), given[1..].iter().map(kid).collect());
        assert_eq!(event["after"]["keys"][0]["public_key"].get("d"), None);
        let (_, event) = self.write(("delete", "/keys/{set}"), "/keys/mine", None, "key_set.removed", "mine").await;
        assert_eq!(told(&event["before"]), given[1..].iter().map(kid).collect());
        let set = "hydra.openid.id-token";
        let shown = self.server.admin(Method::GET, &format!("/keys/{set}"), None).await.json();
        let path = format!("/keys/{set}/{}", kid(&shown["keys"][0]));
        let (_, event) = self.write(("delete", "/keys/{set}/{kid}"), &path, None, "key_set.key_revoked", set).await;
        assert_eq!(told(&event["before"]), [kid(&shown["keys"][0])].into());
        assert_eq!(told(&event["after"]).len(), 1, "its successor");
    }

    async fn trusted_issuers(&mut self) {
        let issuers = "/trust/grants/jwt-bearer/issuers";
        let (created, deleted) = (("post", issuers), ("delete", "/trust/grants/jwt-bearer/issuers/{id}"));
        let body = json!({
            "issuer": "https://issuer.example", "subject": "carol", "scope": ["openid"],
            "jwk": Signer::new(Algorithm::Es256).jwk(), "expires_at": (self.server.clock.now() + Duration::from_hours(1)).rfc3339(),
        });
        let (made, event) = self.write(created, issuers, Some(body), "trusted_issuer.created", "").await;
        assert_eq!(
            (&event["after"]["issuer"], &event["after"]["scope"]),
            (&json!("https://issuer.example"), &json!(["openid"]))
        );
        let id = text(&made["id"]);
        let path = format!("{issuers}/{id}");
        let (_, event) = self.write(deleted, &path, None, "trusted_issuer.deleted", &id).await;
        assert_eq!(event["before"]["subject"], "carol");
    }

    async fn consents_and_sessions(&mut self) {
        let mut browser = self.server.browser();
        let page = browser.authorize(&Authorize::web()).await;
        let page = browser.login(&page, "alice", PASSWORD, true).await;
        let code = browser.consent(&page, &["openid"], true).await.parameter("code").unwrap();
        assert_eq!(self.server.token(&code).await.status, 200);
        let alice = self.server.subject("alice").await.to_string();
        let operation = ("delete", "/oauth2/auth/sessions/consent");
        let path = format!("{}?subject={alice}&client=web", operation.1);
        let (_, event) = self.write(operation, &path, None, "consent.revoked", &alice).await;
        assert_eq!(event["before"], json!({ "web": { "grants": 1, "remembered": true } }));
        let operation = ("delete", "/oauth2/auth/sessions/login");
        let sessions = self.server.admin(Method::GET, &format!("{}?subject={alice}", operation.1), None).await.json();
        let sid = text(&sessions[0]["id"]);
        let path = format!("{}?sid={sid}", operation.1);
        let (_, event) = self.write(operation, &path, None, "session.ended", &sid).await;
        assert_eq!((&event["before"]["subject"], event.get("after")), (&json!(alice), None));
    }
}

/// Every operation of the OpenAPI document that is no GET: one that is new is missed here until it has its line.
#[tokio::test]
async fn ad_13_every_admin_write_has_one_event_without_a_secret() {
    let server = Server::with(|config| config.oidc.registration.enabled = true).await;
    let mut auditor = Auditor::new(&server);
    auditor.clients().await;
    auditor.registration_tokens().await;
    auditor.people().await;
    auditor.keys().await;
    auditor.trusted_issuers().await;
    auditor.consents_and_sessions().await;

    let all: BTreeSet<_> =
        openapi::operations(Port::Admin).into_iter().filter(|(method, _)| *method != "get").collect();
    let missed: Vec<_> = all.iter().filter(|one| !auditor.called.contains(one) && !NO_WRITES.contains(one)).collect();
    assert!(missed.is_empty(), "these have no line here: {missed:?}");
    assert!(NO_WRITES.iter().all(|one| all.contains(one) && !auditor.called.contains(one)));

    let kept = kept(&server).await;
    assert!(kept.lines().count() >= 20 && kept.contains("client.created"), "{kept}");
    assert!(auditor.secrets.len() > 10);
    for secret in auditor.secrets {
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
        (Method::DELETE, &*format!("/oauth2/auth/sessions/login?subject={alice}"), None),
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
