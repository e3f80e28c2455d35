//! Changing a client: `PATCH /admin/clients/{id}` (RFC 6902), its lifespans, and many changes at once.

use hydrant::clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_clients::has_null;
use crate::support::{Answer, Authorize, Database, SECRET, Server, race};

async fn patch(server: &Server, id: &str, patch: &Value) -> Answer {
    server.admin(Method::PATCH, &format!("/clients/{id}"), Some(patch)).await
}

async fn shown(server: &Server, id: &str) -> Value {
    server.admin(Method::GET, &format!("/clients/{id}"), None).await.json()
}

async fn token(server: &Server, id: &str, secret: &str) -> u16 {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret));
    request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let server = Server::with(|config| config.serve.public.cors.enabled = true).await;
    let before = shown(&server, "svc").await;
    server.pass(5);
    let answer = patch(
        &server,
        "svc",
        &json!([
            { "op": "test", "path": "/client_id", "value": "svc" },
            { "op": "replace", "path": "/client_name", "value": "Service" },
            { "op": "replace", "path": "/client_uri", "value": "https://svc.example" },
            { "op": "add", "path": "/allowed_cors_origins/-", "value": "https://svc.example/" },
            { "op": "add", "path": "/metadata/tier", "value": 1 },
            { "op": "replace", "path": "/client_credentials_grant_access_token_lifespan", "value": "1h" },
        ]),
    )
    .await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.body);
    let mut after = answer.json();
    assert!(!has_null(&after) && after.get("client_secret").is_none(), "{after}");
    assert_eq!(after, shown(&server, "svc").await);
    assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
    let mut expected = before.clone();
    expected["updated_at"] = after["updated_at"].clone();
    expected["client_name"] = json!("Service");
    expected["client_uri"] = json!("https://svc.example");
    expected["allowed_cors_origins"] = json!(["https://svc.example"]);
    expected["metadata"] = json!({ "tier": 1 });
    expected["client_credentials_grant_access_token_lifespan"] = json!("1h0m0s");
    assert_eq!(after, expected);
    assert_eq!(token(&server, "svc", SECRET).await, 200);
    let preflight =
        server.http.request(Method::OPTIONS, server.url("/oauth2/token")).header("origin", "https://svc.example");
    let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
    assert!(preflight.headers().contains_key("access-control-allow-origin"), "the origin is registered");

    // What is set to null is unset, and no null is answered.
    let unset = ["client_uri", "client_credentials_grant_access_token_lifespan", "metadata"];
    let unset: Vec<_> =
        unset.iter().map(|name| json!({ "op": "replace", "path": format!("/{name}"), "value": null })).collect();
    after = patch(&server, "svc", &Value::Array(unset)).await.json();
    for (name, value) in
        [("client_uri", None), ("client_credentials_grant_access_token_lifespan", None), ("metadata", Some(&json!({})))]
    {
        assert_eq!(after.get(name), value, "{name}");
    }
}

#[tokio::test]
async fn a_patched_secret_takes_the_place_of_the_old_one() {
    let server = Server::start().await;
    let set = |value: Value| json!([{ "op": "replace", "path": "/client_secret", "value": value }]);
    let answer = patch(&server, "svc", &set(json!("another one of ours"))).await;
    assert_eq!((answer.status, &answer.json()["client_secret"]), (200, &json!("another one of ours")));
    assert_eq!(token(&server, "svc", SECRET).await, 401);
    assert_eq!(token(&server, "svc", "another+one+of+ours").await, 200);
    patch(&server, "svc", &set(json!("short"))).await.assert_error(400, "invalid_client_metadata");
    patch(&server, "svc", &set(json!(7))).await.assert_error(400, "invalid_client_metadata");
    patch(&server, "spa", &set(json!("another one of ours"))).await.assert_error(400, "invalid_client_metadata");
    // Nothing that was set before is there to be looked at.
    patch(&server, "svc", &json!([{ "op": "test", "path": "/client_secret", "value": "another one of ours" }]))
        .await
        .assert_error(400, "invalid_request");
    assert!(patch(&server, "svc", &set(Value::Null)).await.json().get("client_secret").is_none());
    assert_eq!(token(&server, "svc", "another+one+of+ours").await, 200);
}

#[tokio::test]
async fn a_patch_that_is_refused_changes_nothing() {
    let server = Server::start().await;
    let before = shown(&server, "web").await;
    let first = json!({ "op": "replace", "path": "/client_name", "value": "Changed" });
    for (second, code, named) in [
        (json!({ "op": "replace", "path": "/client_id", "value": "x" }), "invalid_request", "client_id"),
        (json!({ "op": "replace", "path": "/created_at", "value": "x" }), "invalid_request", "created_at"),
        (
            json!({ "op": "add", "path": "/registration_access_token", "value": "x" }),
            "invalid_request",
            "registration_access_token",
        ),
        (json!({ "op": "test", "path": "/client_name", "value": "Other" }), "invalid_request", "Operation 2"),
        (json!({ "op": "remove", "path": "/nothing" }), "invalid_request", "Operation 2"),
        (
            json!({ "op": "add", "path": "/redirect_uri", "value": "https://x.example" }),
            "invalid_request",
            "Operation 2",
        ),
        (json!({ "op": "replace", "path": "/grant_types", "value": ["x"] }), "invalid_client_metadata", "grant_types"),
        (json!({ "op": "replace", "path": "/redirect_uris", "value": ["/x"] }), "invalid_redirect_uri", ""),
        (json!({ "op": "replace", "path": "/scope", "value": ["a"] }), "invalid_client_metadata", "scope"),
        (json!({ "op": "replace" }), "invalid_request", ""),
        (json!("remove"), "invalid_request", ""),
    ] {
        let answer = patch(&server, "web", &json!([first, second])).await;
        answer.assert_error(400, code);
        assert!(answer.body.contains(named), "{second}: {}", answer.body);
    }
    patch(&server, "web", &json!({ "client_name": "Changed" })).await.assert_error(400, "invalid_request");
    assert_eq!(shown(&server, "web").await, before);
    for id in ["nobody", "%00"] {
        patch(&server, id, &json!([first])).await.assert_error(404, "not_found");
    }
}

/// RFC 6902 section 6 has a media type of its own, Hydra's tools send plain JSON; AD-04: a page can send neither unasked.
#[tokio::test]
async fn ad_04_a_patch_has_a_media_type() {
    let server = Server::start().await;
    let body = r#"[{"op": "replace", "path": "/client_name", "value": "Shop"}]"#;
    for (media_type, status) in [
        ("application/json", 200),
        ("application/json-patch+json; charset=utf-8", 200),
        ("application/merge-patch+json", 415),
        ("text/plain", 415),
    ] {
        let request = server.http.patch(format!("{}/admin/clients/web", server.admin));
        let answer = request.header("content-type", media_type).body(body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{media_type}");
    }
}

/// hydra.md section 3.3: what is left out is unset; section 10, trap 18.
#[tokio::test]
async fn lifespans_are_replaced_as_a_whole() {
    let server = Server::start().await;
    let put = async |body: Value| server.admin(Method::PUT, "/clients/svc/lifespans", Some(&body)).await;
    let before = shown(&server, "svc").await;
    let first = put(json!({
        "client_credentials_grant_access_token_lifespan": "10m", "refresh_token_grant_id_token_lifespan": "1h",
        "jwt_bearer_grant_access_token_lifespan": null,
    }))
    .await;
    assert_eq!((first.status, has_null(&first.json())), (200, false), "{}", first.body);
    assert_eq!(first.json()["client_credentials_grant_access_token_lifespan"], "10m0s");
    assert_eq!(server.client_tokens("svc", &[]).await.expires_in, 600);
    let second = put(json!({ "client_credentials_grant_access_token_lifespan": "90m" })).await.json();
    assert_eq!(second["client_credentials_grant_access_token_lifespan"], "1h30m0s");
    assert!(second.get("refresh_token_grant_id_token_lifespan").is_none(), "{second}");
    for (body, named) in [
        (json!({ "client_credentials_grant_access_token_lifespan": "0s" }), "client_credentials_grant"),
        (json!({ "client_credentials_grant_access_token_lifespan": "soon" }), "column"),
        (json!({ "client_credentials_grant_access_token_lifespan": 600 }), "column"),
        (json!([]), "column"),
    ] {
        let refused = put(body).await;
        assert!(refused.status == 400 && refused.body.contains(named), "{}", refused.body);
    }
    assert_eq!(shown(&server, "svc").await["client_credentials_grant_access_token_lifespan"], "1h30m0s");
    let mut third = put(json!({})).await.json();
    third["updated_at"] = before["updated_at"].clone();
    assert_eq!(third, before, "nothing else was changed");
    assert_eq!(token(&server, "svc", SECRET).await, 200);
    server.admin(Method::PUT, "/clients/nobody/lifespans", Some(&json!({}))).await.assert_error(404, "not_found");
}

/// Of changes at once of different members none is lost, on however many servers they are made.
#[tokio::test(flavor = "multi_thread")]
async fn of_32_changes_at_once_every_one_sticks() {
    let database = Database::new().await;
    let first = Server::on(database.clone(), Clock::manual(), |_| {}).await;
    let second = Server::on(database, first.clock.clone(), |_| {}).await;
    let answers = race(32, |racer| {
        let server = if racer % 2 == 0 { &first } else { &second };
        let url = format!("{}/admin/clients/svc", server.admin);
        let request = match racer {
            0 => server
                .http
                .put(format!("{url}/lifespans"))
                .json(&json!({ "client_credentials_grant_access_token_lifespan": "7m" })),
            1 => server.http.post(format!("{url}/secrets/rotate")),
            2 => server.http.patch(url).json(&json!([{ "op": "replace", "path": "/owner", "value": "me" }])),
            3 => server.http.patch(url).json(&json!([{ "op": "add", "path": "/metadata/x", "value": 1 }])),
            racer => server
                .http
                .patch(url)
                .json(&json!([{ "op": "add", "path": "/contacts/-", "value": format!("c{racer}") }])),
        };
        async move { Answer::of(request.send().await.unwrap()).await }
    })
    .await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let client = first.app().store.client_to_change(&hydrant::id::ClientId::new("svc")).await.unwrap().unwrap();
    let metadata = client.metadata();
    assert_eq!((metadata.owner.as_str(), &metadata.metadata), ("me", &json!({ "x": 1 })));
    assert_eq!((metadata.contacts.len(), metadata.lifespans.iter().count(), client.revision), (28, 1, 32));
    let rotated = answers[1].json()["client_secret"].as_str().unwrap().to_owned();
    assert_eq!((token(&first, "svc", &rotated).await, token(&first, "svc", SECRET).await), (200, 200));
}

/// AD-14: what an operator writes is text wherever people see it.
#[tokio::test]
async fn ad_14_what_an_operator_writes_is_shown_as_text() {
    let server = Server::start().await;
    let name = "<script>alert(1)</script>\"'&";
    let answer = patch(&server, "web", &json!([{ "op": "replace", "path": "/client_name", "value": name }])).await;
    assert_eq!(answer.json()["client_name"], name);
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web()).await;
    let consent = browser.login(&login, "alice", crate::support::PASSWORD, false).await;
    for page in [&login.body, &consent.body] {
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    }
}

/// An operator's change of a client that looks after itself does not lock it out (hydra.md section 10, trap 17).
#[tokio::test]
async fn a_client_of_the_operators_can_manage_itself() {
    let server = Server::open_to_all(|_| {}).await;
    let body = json!({
        "client_id": "my shop", "redirect_uris": ["https://shop.example/cb"], "scope": "openid photos.read",
        "skip_consent": true, "owner": "sales", "metadata": { "tier": 1 }, "audience": ["https://api.example"],
        "grant_types": ["authorization_code", "client_credentials"],
    });
    let created = server.admin(Method::POST, "/clients", Some(&body)).await.json();
    let token = created["registration_access_token"].as_str().unwrap();
    assert_eq!(created["registration_client_uri"], server.url("/connect/register/my%20shop"));
    let read = server.manage_with(Method::GET, "my%20shop", token, None).await;
    assert_eq!((read.status, &read.json()["metadata"]), (200, &json!({})), "the operator's notes are his");

    let path = "/clients/my%20shop";
    let mut whole = server.admin(Method::GET, path, None).await.json();
    for member in ["registration_access_token", "registration_client_uri", "client_secret", "client_id_issued_at"] {
        assert!(whole.get(member).is_none(), "{member} in {whole}");
    }
    whole["client_name"] = json!("Shop");
    assert_eq!(server.admin(Method::PUT, path, Some(&whole)).await.status, 200);
    let patched = json!([{ "op": "replace", "path": "/tos_uri", "value": "https://shop.example/tos" }]);
    assert_eq!(server.admin(Method::PATCH, path, Some(&patched)).await.status, 200);
    assert_eq!(server.admin(Method::POST, &format!("{path}/secrets/rotate"), None).await.status, 200);

    // RFC 7592 section 2.2: all that it was shown, sent back.
    let mut own = server.manage_with(Method::GET, "my%20shop", token, None).await.json();
    own["client_name"] = json!("Our shop");
    let replaced = server.manage_with(Method::PUT, "my%20shop", token, Some(&own)).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    let next = replaced.json()["registration_access_token"].as_str().unwrap().to_owned();
    let mut now_there = server.admin(Method::GET, path, None).await.json();
    assert_eq!(
        (&now_there["client_name"], &now_there["tos_uri"]),
        (&json!("Our shop"), &json!("https://shop.example/tos"))
    );
    for member in ["skip_consent", "owner", "metadata", "audience", "scope", "grant_types"] {
        assert_eq!(now_there[member].take(), body[member], "{member}");
    }
    server.manage_with(Method::GET, "my%20shop", token, None).await.assert_error(401, "invalid_token");
    // By its secret only who has registered itself: the operator's clients were not made to be changed by it.
    let secret = created["client_secret"].as_str().unwrap();
    let basic = server.manage(Method::GET, "my%20shop").basic_auth("my+shop", Some(secret)).send().await.unwrap();
    assert_eq!(basic.status(), 401);
    assert_eq!(server.manage_with(Method::DELETE, "my%20shop", &next, None).await.status, 204);
    server.admin(Method::GET, path, None).await.assert_error(404, "not_found");

    let closed = Server::start().await;
    let created = closed.admin(Method::POST, "/clients", Some(&body)).await.json();
    assert!(!has_null(&created) && created.get("registration_access_token").is_none(), "{created}");
    assert!(created.get("registration_client_uri").is_none(), "{created}");
}
