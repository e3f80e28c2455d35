//! `/admin/users`: our own API for the people who sign in at the built-in pages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Authorize, PASSWORD, Server};

async fn call(server: &Server, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = server.http.request(method, format!("{}{path}", server.admin));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

/// AD-07: never a hash.
#[tokio::test]
async fn a_person_is_added_shown_and_deleted() {
    let server = Server::start().await;
    let body = json!({
        "username": "Carol", "email": "carol@x.example", "password": "a long password",
        "claims": { "name": "Carol", "roles": ["a"] },
    });
    let created = call(&server, Method::POST, "/admin/users", Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let path = created.location().unwrap();
    let user = call(&server, Method::GET, &path, None).await.json();
    assert_eq!(user, created.json());
    let mut names: Vec<_> = user.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["claims", "created_at", "disabled", "email", "id", "updated_at", "username"]);
    assert!(!created.body.contains("argon2"));
    assert_eq!(call(&server, Method::DELETE, &path, None).await.status, 204);
    call(&server, Method::GET, &path, None).await.assert_error(404, "not_found");
    call(&server, Method::DELETE, &path, None).await.assert_error(404, "not_found");
    call(&server, Method::GET, "/admin/users/a%00b", None).await.assert_error(404, "not_found");
}

/// Names and emails are one namespace, and a name has one spelling.
#[tokio::test]
async fn a_name_is_given_once() {
    let server = Server::start().await;
    for body in [
        json!({ "username": "ALICE" }),
        json!({ "username": "ａｌｉｃｅ" }),
        json!({ "username": "other", "email": "Alice@Example.com" }),
    ] {
        call(&server, Method::POST, "/admin/users", Some(body)).await.assert_error(409, "conflict");
    }
    let bob = server.subject("bob").await;
    let taken = call(&server, Method::PUT, &format!("/admin/users/{bob}"), Some(json!({ "username": "Alice" }))).await;
    taken.assert_error(409, "conflict");
    assert_eq!(server.subject("bob").await, bob);
}

/// LC-38 and the rules for passwords and claims.
#[tokio::test]
async fn what_is_no_person_is_refused() {
    let server = Server::start().await;
    for body in [
        json!({}),
        json!({ "username": "" }),
        json!({ "username": "Admin" }),
        json!({ "username": "a b" }),
        json!({ "username": "x", "email": "nowhere" }),
        json!({ "username": "x", "password": "short" }),
        json!({ "username": "x", "password": "l".repeat(257) }),
        json!({ "username": "x", "claims": { "sub": "alice" } }),
        json!({ "username": "x", "claims": { "email_verified": "yes" } }),
        json!({ "username": "x", "id": "alice" }),
        json!({ "username": "x", "disbaled": true }),
    ] {
        call(&server, Method::POST, "/admin/users", Some(body)).await.assert_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn whoever_is_disabled_is_out_at_once() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let path = format!("/admin/users/{}", server.subject("alice").await);
    let mut user = call(&server, Method::GET, &path, None).await.json();
    user["disabled"] = json!(true);
    let disabled = call(&server, Method::PUT, &path, Some(user.clone())).await;
    assert_eq!((disabled.status, &disabled.json()["disabled"]), (200, &json!(true)));
    assert!(!server.introspect(&tokens.access_token).await.active);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    // What was ended does not come back.
    user["disabled"] = json!(false);
    assert_eq!(call(&server, Method::PUT, &path, Some(user)).await.status, 200);
    assert!(!server.introspect(&tokens.access_token).await.active);
    server.tokens_with("openid").await;
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_opened() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let path = format!("/admin/users/{}", server.subject("alice").await);
    let mut user = call(&server, Method::GET, &path, None).await.json();
    // Without a password nothing ends.
    assert_eq!(call(&server, Method::PUT, &path, Some(user.clone())).await.status, 200);
    assert!(server.introspect(&tokens.access_token).await.active);
    user["password"] = json!("another long password");
    let changed = call(&server, Method::PUT, &path, Some(user)).await;
    assert!(changed.status == 200 && !changed.body.contains("password"), "{}", changed.body);
    assert!(!server.introspect(&tokens.access_token).await.active);
}

#[tokio::test]
async fn people_are_listed_page_by_page() {
    let server = Server::start().await;
    let first = call(&server, Method::GET, "/admin/users?page_size=2", None).await;
    let links = first.header("link").unwrap();
    let next = links.split(", ").find(|link| link.contains("rel=\"next\"")).unwrap();
    let second = call(&server, Method::GET, &next[1..next.find('>').unwrap()], None).await;
    assert!(!second.header("link").unwrap().contains("rel=\"next\""));
    let names = [first, second].iter().flat_map(|page| page.json().as_array().unwrap().clone()).collect::<Vec<_>>();
    let mut names: Vec<_> = names.iter().map(|user| user["username"].as_str().unwrap()).collect();
    // All three are of one millisecond of the tests' clock.
    names.sort_unstable();
    assert_eq!(names, ["alice", "bob", "disabled"]);
}

/// LC-38: nobody can be called what people would take for somebody else.
#[tokio::test]
async fn lc_38_reserved_and_confusable_names_are_refused() {
    let server = Server::start().await;
    let long = "n".repeat(300);
    let names = [
        "admin",
        "ADMIN",
        "root",
        "ｒｏｏｔ",
        "hydrant",
        "support",
        "..",
        ".",
        ".well-known",
        "a/b",
        "a\\b",
        "nul\u{0}l",
        "а\u{200b}lice",
        "аlice",
        "\u{202e}ecila",
        "alice\u{fe0f}",
        " ",
        "\t",
        "eve@example.com",
        &long,
    ];
    for name in names {
        let refused = call(&server, Method::POST, "/admin/users", Some(json!({ "username": name }))).await;
        assert_eq!(refused.error(), (400, "invalid_request".to_owned()), "{name:?}: {}", refused.body);
    }
    // Renaming is no way around it.
    let bob = format!("/admin/users/{}", server.subject("bob").await);
    for name in ["admin", "аlice"] {
        call(&server, Method::PUT, &bob, Some(json!({ "username": name }))).await.assert_error(400, "invalid_request");
    }
    assert_eq!(call(&server, Method::GET, &bob, None).await.json()["username"], "bob");
    for name in ["Zoë", "李明", "алиса", "o'brien"] {
        let made = call(&server, Method::POST, "/admin/users", Some(json!({ "username": name }))).await;
        assert_eq!(made.status, 201, "{name}: {}", made.body);
    }
}

/// I16: after the answer no session of that person works, whatever ended it, and none comes back.
#[tokio::test]
async fn i16_no_session_outlives_what_ends_it() {
    for what in ["disabled", "password", "deleted"] {
        let server = Server::start().await;
        let mut browser = server.signed_in("alice").await;
        let silent = Authorize::web().set("prompt", "none");
        assert!(browser.authorize(&silent).await.parameter("code").is_some());
        let code = browser.code(&Authorize::web(), "alice").await;
        let path = format!("/admin/users/{}", server.subject("alice").await);
        let mut user = call(&server, Method::GET, &path, None).await.json();
        let ended = match what {
            "deleted" => call(&server, Method::DELETE, &path, None).await,
            "password" => {
                user["password"] = json!("another long password");
                call(&server, Method::PUT, &path, Some(user.clone())).await
            }
            _ => {
                user["disabled"] = json!(true);
                call(&server, Method::PUT, &path, Some(user.clone())).await
            }
        };
        assert!(matches!(ended.status, 200 | 204), "{what}: {}", ended.body);
        browser.authorize(&silent).await.assert_back(&server, 302, "login_required");
        server.token(&code).await.assert_error(400, "invalid_grant");
        let page = browser.authorize(&Authorize::web()).await;
        let refused = browser.login(&page, "alice", PASSWORD, false).await;
        assert!(refused.has_field("login_challenge"), "{what}: {:?}", refused.location());
        if what == "disabled" {
            user["disabled"] = json!(false);
            assert_eq!(call(&server, Method::PUT, &path, Some(user)).await.status, 200);
            browser.authorize(&silent).await.assert_back(&server, 302, "login_required");
        }
    }
}
