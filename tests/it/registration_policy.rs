//! Who may register, how often, for how long, and how a client that did is shown to people.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::process::run;
use crate::support::registration::{Own, app};
use crate::support::signer::Signer;
use crate::support::{Answer, Authorize, PASSWORD, Server, Site, VERIFIER, race};

async fn token(server: &Server, body: Value) -> Value {
    let answer = server.admin(Method::POST, "/registration-tokens", Some(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

/// DR-02.
#[tokio::test]
async fn dr_02_an_initial_access_token_lets_in() {
    let server = Server::open_to_all(|policy| policy.require_token = true).await;
    let made = token(&server, json!({ "uses": 1, "note": "sales" })).await;
    let value = made["token"].as_str().unwrap();
    assert!(!server.database.dump().await.contains(value), "only its hash is kept");
    let revoked = token(&server, json!({})).await;
    let path = format!("/registration-tokens/{}", revoked["id"].as_str().unwrap());
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204);
    server.admin(Method::DELETE, &path, None).await.assert_error(404, "not_found");
    let expired = token(&server, json!({ "lifetime": "1m", "uses": 0 })).await;
    server.pass(61);

    let in_body = server.register(&app(json!({ "initial_access_token": value, "access_token": value }))).await;
    let query =
        server.http.post(server.url("/connect/register")).query(&[("access_token", value)]).json(&app(json!({})));
    let in_query = Answer::of(query.send().await.unwrap()).await;
    let bad = |made: &Value| made["token"].as_str().unwrap().to_owned();
    let mut refused = vec![in_body, in_query];
    for bad in [bad(&revoked), bad(&expired), "nonsense".to_owned()] {
        refused.push(server.register_with(Some(&bad), &app(json!({}))).await);
    }
    // A registration that is refused leaves the token as it is.
    let unfit = server.register_with(Some(value), &app(json!({ "skip_consent": true }))).await;
    unfit.assert_error(400, "invalid_client_metadata");
    assert_eq!(server.register_with(Some(value), &app(json!({}))).await.status, 201);
    refused.push(server.register_with(Some(value), &app(json!({}))).await);
    for answer in refused {
        answer.assert_error(401, "invalid_token");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
    }
    let listed = server.admin(Method::GET, "/registration-tokens", None).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["note"], &listed[0]["uses_left"]), (&json!("sales"), &json!(0)));
    assert!(listed[0].get("token").is_none());
    assert_eq!(server.self_registered().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_32_who_register_with_one_token_one_does() {
    let server = Server::open_to_all(|policy| policy.require_token = true).await;
    let made = token(&server, json!({})).await;
    let outcomes = race(32, |_| {
        let request = server.http.post(server.url("/connect/register")).bearer_auth(made["token"].as_str().unwrap());
        let request = request.json(&app(json!({})));
        async move { request.send().await.unwrap().status().as_u16() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|status| **status == 201).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|status| **status == 401).count(), 31, "{outcomes:?}");
    assert_eq!(server.self_registered().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_at_the_command_line_too() {
    let server = Server::open_to_all(|policy| policy.require_token = true).await;
    let run = |arguments: &[&str]| {
        let all = [&["client", "registration-token"], arguments, &["--dev", "--format", "json"]].concat();
        run(server.database.dsn(), &all, "")
    };
    let made = run(&["create", "--uses", "2", "--note", "from here"]).json();
    assert_eq!((&made["uses_left"], &made["note"]), (&json!(2), &json!("from here")));
    assert_eq!(run(&["list"]).json()[0]["id"], made["id"]);
    run(&["create", "--lifetime", "forever"]).failed(1, "lifetime");
    assert_eq!(run(&["revoke", made["id"].as_str().unwrap()]).status, 0);
    run(&["revoke", made["id"].as_str().unwrap()]).failed(1, "no registration token");
}

/// The limits of an address and of all; and what was never used leaves again.
#[tokio::test]
async fn an_address_is_limited_and_what_nobody_uses_leaves() {
    let server = Server::open_to_all(|policy| {
        policy.per_address = 20;
        policy.unused_for = Some(Duration::from_hours(24));
    })
    .await;
    let mut registered = Vec::new();
    let mut limited = 0;
    for _ in 0..200 {
        let answer = server.register(&app(json!({}))).await;
        match answer.status {
            201 => registered.push(Own(answer.json())),
            _ => {
                limited += 1;
                answer.assert_error(429, "too_many_requests");
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=3600).contains(&wait), "{wait}");
            }
        }
    }
    assert_eq!((registered.len(), limited), (20, 180));
    // What is refused for what it says costs nothing; a token of the operator's is not held to the limit.
    server.register(&app(json!({ "scope": "admin" }))).await.assert_error(400, "invalid_client_metadata");
    let made = token(&server, json!({})).await;
    assert_eq!(server.register_with(made["token"].as_str(), &app(json!({}))).await.status, 201);

    assert_eq!(server.sign_in_to(&registered[0]).await.status, 200);
    server.pass(24 * 3600 + 1);
    let request = Authorize::of(registered[1].id(), "https://app.example/cb");
    server.browser().get(&request.url(&server)).await.assert_page(401, "invalid_client");
    let over = server.manage_with(Method::GET, registered[1].id(), registered[1].token(), None).await;
    over.assert_error(401, "invalid_token");
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.self_registered().await, 1, "the one that was used");
    assert_eq!(server.database.count("registration_tokens").await, 0);
    server.sign_in_to(&registered[0]).await.tokens();
    let gone = server.manage_with(Method::GET, registered[1].id(), registered[1].token(), None).await;
    gone.assert_error(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn there_are_never_more_than_the_operator_wants() {
    let server = Server::open_to_all(|policy| policy.max_clients = 5).await;
    let statuses = race(32, |_| {
        let request = server.http.post(server.url("/connect/register")).json(&app(json!({})));
        async move { request.send().await.unwrap().status().as_u16() }
    })
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 5, "{statuses:?}");
    let full = server.register(&app(json!({}))).await;
    full.assert_error(503, "temporarily_unavailable");
    assert!(full.header("retry-after").is_some());
    assert_eq!(server.self_registered().await, 5);
    let invited = token(&server, json!({})).await;
    assert_eq!(server.register_with(invited["token"].as_str(), &app(json!({}))).await.status, 201);
}

#[tokio::test]
async fn a_client_has_the_lifetime_that_the_operator_gives_it() {
    let server = Server::open_to_all(|policy| {
        policy.client_lifetime = Some(Duration::from_hours(48));
        policy.unused_for = None;
    })
    .await;
    let client = server.own_client(json!({})).await;
    let tokens = server.sign_in_to(&client).await.tokens();
    server.pass(47 * 3600);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.self_registered().await, 1);
    server.pass(3601);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.self_registered().await, 0);
    assert!(!server.introspect(tokens.refresh()).await.active);
    assert!(server.database.count("clients").await > 0, "the operator's own stay");
}

/// DR-10: whatever it calls itself, people see that nobody vouches for it, and where it leads.
#[tokio::test]
async fn dr_10_pages_mark_a_client_that_registered_itself() {
    let server = Server::open_to_all(|_| {}).await;
    let client = server.own_client(json!({ "client_name": "Web", "redirect_uris": ["https://evil.example/cb"] })).await;
    for (id, uri, is_marked) in
        [(client.id(), "https://evil.example/cb", true), ("web", "https://rp.example/cb", false)]
    {
        let mut browser = server.browser();
        let login = browser.authorize(&Authorize::of(id, uri)).await;
        let consent = browser.login(&login, "alice", PASSWORD, false).await;
        assert!(consent.has_field("consent_challenge"), "{}", consent.body);
        for page in [&login, &consent] {
            assert_eq!(page.body.contains("Unverified app"), is_marked, "{}", page.body);
            assert!(page.body.contains(if is_marked { "evil.example" } else { "rp.example" }));
        }
    }
}

/// RFC 9700 section 4.11.2: a browser is not sent to where a stranger wants it before its person has seen a page.
#[tokio::test]
async fn errors_of_a_stranger_wait_for_the_person() {
    let server = Server::open_to_all(|_| {}).await;
    let uris = ["https://evil.example/cb", "https://app.example/cb"];
    let client = server.own_client(json!({ "redirect_uris": uris })).await;
    let request = Authorize::of(client.id(), uris[0]);
    for (request, code) in [
        (request.clone().set("prompt", "none"), "login_required"),
        (request.clone().set("scope", "openid admin"), "invalid_scope"),
        (request.clone().set("response_type", "token"), "unsupported_response_type"),
    ] {
        let page = server.browser().get(&request.url(&server)).await;
        page.assert_page(400, code);
        assert!(page.body.contains("href=\"https://evil.example/cb"), "the person may go on: {}", page.body);
        assert!(page.body.contains(&format!("error={code}")), "{}", page.body);
    }
    // Once the person has decided on a page, the client is told.
    let mut browser = server.browser();
    let login = browser.authorize(&request).await;
    let challenge = login.field("login_challenge");
    let fields = [("login_challenge", challenge.as_str()), ("action", "reject")];
    let answer = browser.post(&server.url("/login"), &fields).await;
    let answer = browser.follow(answer).await;
    assert!(answer.location().unwrap().starts_with("https://evil.example/cb?error=access_denied"), "{answer:?}");
    // So it is where the flow fails after they have signed in: as somebody else than the client has named.
    let tokens = server.sign_in_to(&client).await.tokens();
    let hinted = request.clone().set("id_token_hint", tokens.id_token.as_deref().unwrap());
    let mut browser = server.browser();
    let login = browser.authorize(&hinted).await;
    let answer = browser.login(&login, "bob", PASSWORD, false).await;
    assert!(answer.location().unwrap().starts_with("https://evil.example/cb?error=login_required"), "{answer:?}");

    let redirecting = Server::open_to_all(|policy| {
        policy.untrusted_redirects = hydrant::config::UntrustedRedirects::Redirect;
    })
    .await;
    let client = redirecting.own_client(json!({ "redirect_uris": ["https://evil.example/cb"] })).await;
    let request = Authorize::of(client.id(), "https://evil.example/cb").set("prompt", "none");
    let answer = redirecting.browser().get(&request.url(&redirecting)).await;
    assert!(answer.location().unwrap().starts_with("https://evil.example/cb?error=login_required"));
}

/// A client can not have the server call others as often as it likes by changing where its keys are.
#[tokio::test]
async fn what_makes_the_server_call_somebody_is_counted_too() {
    let server = Server::with(|config| {
        config.oidc.registration.enabled = true;
        config.oidc.registration.per_address = 2;
        config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let site = Site::start().await;
    let keys = Signer::es256();
    let mut client = server.own_client(json!({})).await;
    for (path, status) in [("/a", 200), ("/b", 429)] {
        site.put(path, keys.jwks());
        let body = client.with(json!({ "jwks_uri": site.url(path) }));
        let answer = server.manage_with(Method::PUT, client.id(), client.token(), Some(&body)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 200 {
            client = Own(answer.json());
        }
    }
    assert_eq!(site.visits(), 1);
    let body = client.with(json!({ "client_secret": "a-secret-to-be-hashed" }));
    let answer = server.manage_with(Method::PUT, client.id(), client.token(), Some(&body)).await;
    answer.assert_error(429, "too_many_requests");
    let body = client.with(json!({ "client_name": "Still the same keys" }));
    let answer = server.manage_with(Method::PUT, client.id(), client.token(), Some(&body)).await;
    assert_eq!(answer.status, 200, "nothing is fetched for it: {}", answer.body);
}

/// RFC 7662 section 4: nobody becomes a resource server by registering.
#[tokio::test]
async fn in_04_a_client_that_registered_itself_sees_its_own_tokens_only() {
    let server = Server::open_to_all(|_| {}).await;
    let (mine, other) = (server.own_client(json!({})).await, server.own_client(json!({})).await);
    let theirs = server.tokens_with("openid").await.access_token;
    let own = server.sign_in_to(&mine).await.tokens().access_token;
    for (client, token, active) in [(&mine, &own, true), (&other, &own, false), (&mine, &theirs, false)] {
        let request = server.http.post(server.url("/oauth2/introspect"));
        let request = request.basic_auth(client.id(), Some(client.secret())).form(&[("token", token)]);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, &answer.json()["active"]), (200, &json!(active)), "{}", answer.body);
    }
}

/// A stranger can have an ID token of its own; that opens no way through this server to the stranger's pages.
#[tokio::test]
async fn a_logout_leads_to_a_stranger_only_who_was_signed_in_to_it() {
    let server = Server::open_to_all(|_| {}).await;
    let out = "https://app.example/out";
    let client = server.own_client(json!({ "post_logout_redirect_uris": [out] })).await;
    let hint = server.sign_in_to(&client).await.tokens().id_token.unwrap();
    let logout = |hint: &str| {
        server.url(&format!("/oauth2/sessions/logout?id_token_hint={hint}&post_logout_redirect_uri={out}"))
    };
    let mut nobody = server.browser();
    let mut bob = server.browser();
    bob.code(&Authorize::of("web", "https://rp.example/cb"), "bob").await;
    for browser in [&mut nobody, &mut bob] {
        let answer = browser.get(&logout(&hint)).await;
        assert!(!answer.location().unwrap_or_default().starts_with(out), "{answer:?}");
    }
    let mut alice = server.browser();
    let request = Authorize::of(client.id(), "https://app.example/cb").set("scope", "openid offline_access");
    let code = alice.code(&request, "alice").await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://app.example/cb"),
        ("code_verifier", VERIFIER),
    ];
    let exchange = server.http.post(server.url("/oauth2/token")).basic_auth(client.id(), Some(client.secret()));
    let tokens = Answer::of(exchange.form(&form).send().await.unwrap()).await.tokens();
    let answer = alice.get(&logout(&tokens.id_token.unwrap())).await;
    assert!(answer.location().unwrap().starts_with(out), "{answer:?}");
}
