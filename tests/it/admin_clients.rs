//! `/admin/clients`: Hydra's client API (hydra.md sections 3.1 to 3.3).

use hydrant::clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Authorize, Database, Server};

async fn call(server: &Server, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = server.http.request(method, format!("{}{path}", server.admin));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

async fn client_credentials(server: &Server, id: &str, secret: &str) -> u16 {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret));
    request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status().as_u16()
}

pub fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// hydra.md appendix A1, conformance.md section 3: no null in any answer; the secret once.
#[tokio::test]
async fn a_client_is_created_shown_and_deleted() {
    let server = Server::start().await;
    let body = json!({ "grant_types": ["client_credentials"], "client_name": null, "scope": "a b" });
    let created = call(&server, Method::POST, "/admin/clients", Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let client = created.json();
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    assert_eq!(created.location(), Some(format!("/admin/clients/{id}")));
    assert_eq!((secret.len(), &client["client_secret_expires_at"]), (43, &json!(0)));
    assert!(!has_null(&client), "{client}");
    assert_eq!(client_credentials(&server, id, secret).await, 200);

    let path = created.location().unwrap();
    let shown = call(&server, Method::GET, &path, None).await.json();
    assert!(shown.get("client_secret").is_none() && !has_null(&shown), "{shown}");
    assert_eq!(call(&server, Method::DELETE, &path, None).await.status, 204);
    assert_eq!(client_credentials(&server, id, secret).await, 401);
    for method in [Method::GET, Method::DELETE] {
        call(&server, method, &path, None).await.assert_error(404, "not_found");
    }
    call(&server, Method::PUT, &path, Some(json!({}))).await.assert_error(404, "not_found");
}

#[tokio::test]
async fn a_chosen_id_is_given_once_and_a_chosen_secret_is_good() {
    let server = Server::start().await;
    let body = json!({
        "client_id": "my shop/1", "client_secret": "chosen secret", "grant_types": ["client_credentials"],
    });
    let created = call(&server, Method::POST, "/clients/", Some(body.clone())).await;
    assert_eq!((created.status, &created.json()["client_secret"]), (201, &json!("chosen secret")));
    assert_eq!(client_credentials(&server, "my+shop%2F1", "chosen+secret").await, 200);
    call(&server, Method::POST, "/admin/clients", Some(body)).await.assert_error(409, "conflict");
    let at_its_location = call(&server, Method::GET, &created.location().unwrap(), None).await;
    assert_eq!(at_its_location.json()["client_id"], "my shop/1");
    for (member, value) in [
        ("client_secret", json!("short")),
        ("client_id", json!("nul\u{0}")),
        ("redirect_uris", json!(["/relative"])),
        ("grant_types", json!(["implicit"])),
    ] {
        let refused = call(&server, Method::POST, "/admin/clients", Some(json!({ member: value }))).await;
        let (status, code) = refused.error();
        assert!(status == 400 && matches!(code.as_str(), "invalid_client_metadata" | "invalid_redirect_uri"), "{code}");
    }
    // A person's subject is no client's id (RFC 9700 section 4.15).
    let alice = json!({ "client_id": server.subject("alice").await });
    call(&server, Method::POST, "/admin/clients", Some(alice)).await.assert_error(409, "conflict");
}

#[tokio::test]
async fn a_put_replaces_everything_but_the_secret() {
    let server = Server::start().await;
    let body = json!({ "client_id": "x", "grant_types": ["client_credentials"], "owner": "me", "contacts": ["a"] });
    let before = call(&server, Method::POST, "/admin/clients", Some(body)).await.json();
    let secret = before["client_secret"].as_str().unwrap();
    server.pass(5);
    let body = json!({ "client_id": "x", "grant_types": ["client_credentials"], "client_secret": "" });
    let after = call(&server, Method::PUT, "/admin/clients/x", Some(body)).await.json();
    assert_eq!((&after["owner"], &after["contacts"]), (&json!(""), &json!([])));
    assert_eq!(after["created_at"], before["created_at"]);
    assert!(after["updated_at"].as_str().unwrap() > before["updated_at"].as_str().unwrap(), "{after}");
    assert!(after.get("client_secret").is_none());
    assert_eq!(client_credentials(&server, "x", secret).await, 200);

    let body = json!({ "grant_types": ["client_credentials"], "client_secret": "another one" });
    let changed = call(&server, Method::PUT, "/admin/clients/x", Some(body)).await.json();
    assert_eq!(changed["client_secret"], "another one");
    assert_eq!(client_credentials(&server, "x", secret).await, 401);
    assert_eq!(client_credentials(&server, "x", "another+one").await, 200);
    let renamed = call(&server, Method::PUT, "/admin/clients/x", Some(json!({ "client_id": "y" }))).await;
    renamed.assert_error(400, "invalid_request");
}

/// A client that was public and no longer is would be locked out for ever without a secret.
#[tokio::test]
async fn a_public_client_gets_its_secret_when_it_becomes_confidential() {
    let server = Server::start().await;
    let mut body =
        json!({ "client_id": "x", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "none" });
    let created = call(&server, Method::POST, "/admin/clients", Some(body.clone())).await;
    assert!(created.json().get("client_secret").is_none());
    body["token_endpoint_auth_method"] = json!("client_secret_basic");
    let updated = call(&server, Method::PUT, "/admin/clients/x", Some(body)).await.json();
    assert_eq!(client_credentials(&server, "x", updated["client_secret"].as_str().unwrap()).await, 200);
}

#[tokio::test]
async fn a_deleted_client_takes_its_tokens_along() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    assert_eq!(call(&server, Method::DELETE, "/admin/clients/web", None).await.status, 204);
    assert!(!server.introspect(&tokens.access_token).await.active);
    assert!(!server.introspect(tokens.refresh()).await.active);
}

/// The `next` of a `Link` header.
fn next(answer: &Answer) -> Option<String> {
    let links = answer.header("link")?;
    assert!(links.contains("rel=\"first\""), "{links}");
    let link = links.split(", ").find(|link| link.ends_with("rel=\"next\""))?;
    Some(link[1..link.find('>').unwrap()].to_owned())
}

/// hydra.md section 3.2; AD-08: a token that was tampered with, and sizes that are none.
#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let server = Server::start().await;
    let (mut seen, mut path) = (Vec::new(), "/admin/clients?page_size=3".to_owned());
    loop {
        let answer = call(&server, Method::GET, &path, None).await;
        let page = answer.json();
        let page = page.as_array().unwrap();
        assert!(page.len() <= 3 && !has_null(&json!(page)) && !answer.body.contains("client_secret\""));
        seen.extend(page.iter().map(|client| client["client_id"].as_str().unwrap().to_owned()));
        match next(&answer) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, ["evil", "native", "rs1", "rs2", "spa", "svc", "two", "web"]);

    let first = call(&server, Method::GET, "/admin/clients?page_size=1", None).await;
    let token = next(&first).unwrap();
    for query in ["page_size=0", "page_size=-1", "page_size=x", "page_token=garbage", "page_size=1&page_size=2"] {
        let answer = call(&server, Method::GET, &format!("/admin/clients?{query}"), None).await;
        answer.assert_error(400, "invalid_request");
    }
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{last}", &token[..token.len() - 1]);
    let foreign = token.replace("/clients?", "/users?");
    for path in [forged, foreign] {
        call(&server, Method::GET, &path, None).await.assert_error(400, "invalid_request");
    }
    let answer = call(&server, Method::GET, "/admin/clients?page_size=99999&page_token=1", None).await;
    assert_eq!(answer.json().as_array().unwrap().len(), 8);
    let named = call(&server, Method::GET, "/clients?client_name=Web&owner=", None).await.json();
    assert_eq!(named.as_array().unwrap().len(), 3, "{named}");
}

/// AD-04: a page elsewhere can send a form or text without being asked, and may not.
#[tokio::test]
async fn a_body_is_json_and_errors_are_too() {
    let server = Server::start().await;
    let url = format!("{}/admin/clients", server.admin);
    for (media_type, body, status) in [
        ("text/plain", "{}", 415),
        ("application/x-www-form-urlencoded", "{}", 415),
        ("application/json", "{\"client_name\": ", 400),
        ("application/json", "{\"redirect_uris\": \"hunter2\"}", 400),
        ("application/json", "null", 400),
    ] {
        let request = server.http.post(&url).header("content-type", media_type).body(body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        answer.assert_error(status, "invalid_request");
        assert!(!answer.body.contains("hunter2"), "{}", answer.body);
    }
    call(&server, Method::GET, "/admin/nothing", None).await.assert_error(404, "not_found");
    let wrong = call(&server, Method::POST, "/admin/clients/web", Some(json!([]))).await;
    wrong.assert_error(405, "invalid_request");
    assert_eq!(wrong.header("allow"), Some("GET,HEAD,PUT,PATCH,DELETE"));
}

/// What Hydra's tools do: read the whole client, change one member, send it all back.
#[tokio::test]
async fn what_was_read_can_be_sent_back() {
    let server = Server::start().await;
    let mut client = call(&server, Method::GET, "/admin/clients/web", None).await.json();
    client["redirect_uris"] = json!(["https://rp.example/cb", "https://rp.example/new"]);
    let updated = call(&server, Method::PUT, "/admin/clients/web", Some(client.clone())).await;
    assert_eq!(updated.status, 200, "{}", updated.body);
    let mut updated = updated.json();
    updated["updated_at"] = client["updated_at"].clone();
    assert_eq!(updated, client);
    server.code_for(&Authorize::of("web", "https://rp.example/new")).await;
}

/// AD-07: what was said once, or is kept hashed, is in no answer afterwards.
#[tokio::test]
async fn ad_07_no_later_answer_has_a_secret_or_a_hash() {
    let server = Server::start().await;
    let grants = json!(["client_credentials"]);
    let body = json!({ "client_id": "chosen", "client_secret": "hunter2-hunter2", "grant_types": grants });
    let chosen = call(&server, Method::POST, "/admin/clients", Some(body)).await.json();
    let body = json!({ "client_id": "made", "grant_types": grants });
    let made = call(&server, Method::POST, "/admin/clients", Some(body)).await.json();
    let body = json!({ "username": "carol", "password": "hunter2-hunter2" });
    let carol = call(&server, Method::POST, "/admin/users", Some(body)).await;
    let answers = [
        carol.body.clone(),
        call(&server, Method::GET, "/admin/clients", None).await.body,
        call(&server, Method::GET, "/admin/clients/chosen", None).await.body,
        call(&server, Method::GET, "/admin/clients/made", None).await.body,
        call(&server, Method::PUT, "/admin/clients/made", Some(json!({ "grant_types": grants }))).await.body,
        call(&server, Method::GET, "/admin/users", None).await.body,
        call(&server, Method::GET, &carol.location().unwrap(), None).await.body,
        call(&server, Method::POST, "/admin/clients", Some(chosen)).await.body,
    ];
    let secret = made["client_secret"].as_str().unwrap();
    for answer in &answers {
        for word in ["hunter2", secret, "client_secret\"", "hash", "sha256", "argon2", "password\"", "registration_"] {
            assert!(!answer.contains(word), "{word}: {answer}");
        }
    }
}

/// AD-08: a token is one of this server, of this list, and as it was given.
#[tokio::test]
async fn ad_08_a_page_token_is_of_its_server_and_its_list() {
    let server = Server::start().await;
    // With keys of its own: the tests' databases share theirs.
    let other = Server::on(Database::empty().await, Clock::manual(), |_| {}).await;
    let path = "/admin/clients?page_size=2";
    let own = next(&call(&server, Method::GET, path, None).await).unwrap();
    let foreign = next(&call(&other, Method::GET, path, None).await).unwrap();
    let of_users = next(&call(&server, Method::GET, "/admin/users?page_size=2", None).await).unwrap();
    let (_, token) = own.rsplit_once("page_token=").unwrap();
    let mut wrong =
        vec![foreign, of_users.replace("/users", "/clients"), format!("{own}A"), format!("{own}&page_token=1")];
    for at in (0..token.len()).step_by(5) {
        let mut forged = token.as_bytes().to_vec();
        forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
        wrong.push(format!("{path}&page_token={}", String::from_utf8(forged).unwrap()));
    }
    for path in &wrong {
        call(&server, Method::GET, path, None).await.assert_error(400, "invalid_request");
    }
    // It survives the client that it names, and a client that comes in between.
    server.delete_client("native").await;
    assert_eq!(call(&server, Method::GET, &own, None).await.json()[0]["client_id"], "rs1");
}
