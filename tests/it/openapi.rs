//! The OpenAPI document: all that is routed, nothing else, and answers that are what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hydrant::openapi::{self, Port};
use hydrant::router;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::process::run;
use crate::support::{Answer, Authorize, Server};

const KEPT: &str = include_str!("../../docs/openapi.json");

/// With everything switched on that is a route.
async fn server() -> Server {
    Server::with(|config| {
        config.oidc.registration.enabled = true;
        config.logout.session_management = true;
    })
    .await
}

/// Methods by path, as the routers have them: each names them in `Allow` when it is asked for one that it does not have.
async fn routed(server: &Server, origin: &str, paths: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut routed = BTreeMap::new();
    for path in paths {
        let url = format!("{origin}{}", path.replace(['{', '}'], ""));
        let answer = server.http.request(Method::from_bytes(b"FOO").unwrap(), url).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        let allow = answer.headers()["allow"].to_str().unwrap().to_ascii_lowercase();
        let methods = allow.split(',').map(|method| method.trim().to_owned()).filter(|method| method != "head");
        routed.insert(path.clone(), methods.collect());
    }
    routed
}

fn documented(port: Port) -> BTreeMap<String, BTreeSet<String>> {
    let mut documented = BTreeMap::<String, BTreeSet<String>>::new();
    for (method, path) in openapi::operations(port) {
        assert!(documented.entry(path.to_owned()).or_default().insert(method.to_owned()), "{method} {path} twice");
    }
    documented
}

/// Who adds a route adds its line to `src/openapi/public.rs` or `src/openapi/admin.rs`.
#[tokio::test]
async fn every_route_is_documented_and_every_operation_is_routed() {
    let server = server().await;
    let public = router::public_paths(server.config());
    assert_eq!(routed(&server, &server.issuer, &public).await, documented(Port::Public), "the public port");
    let admin: Vec<_> = router::admin_paths().into_iter().map(str::to_owned).collect();
    assert_eq!(routed(&server, &server.admin, &admin).await, documented(Port::Admin), "the admin port");
}

/// `hydrant schema --openapi > docs/openapi.json` brings the file up to date.
#[tokio::test]
async fn the_document_is_kept_and_served() {
    let made = run("memory", &["schema", "--openapi"], "");
    assert_eq!(made.status, 0, "{}", made.stderr);
    let is_kept = made.stdout == KEPT;
    assert!(is_kept, "docs/openapi.json is not what `hydrant schema --openapi` prints");
    let server = server().await;
    let mut kept: Value = serde_json::from_str(KEPT).unwrap();
    kept["servers"][0]["url"] = server.issuer.as_str().into();
    for path in ["/openapi.json", "/admin/openapi.json"] {
        let answer = server.get_admin(path).await;
        assert_eq!((answer.status, answer.json()), (200, kept.clone()));
        assert_eq!(server.get(path).await.status, 404, "the public port says nothing of the admin API");
    }
}

/// What does not fit the schema, a line each: a type, a member that must be there, one that the schema does not know.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut String) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
        return misfits(document, schema, value, at, found);
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("{at}: {other}"),
    };
    if !fits {
        writeln!(found, "{at}: {value} is not of {}", schema["type"]).unwrap();
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            writeln!(found, "{at}: lacks {name}").unwrap();
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let inner = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) | (None, schema @ Value::Object(_)) => {
                misfits(document, schema, member, &inner, found);
            }
            (None, Value::Bool(true)) => {}
            (None, Value::Null) if schema["type"].is_null() => {}
            (None, _) => writeln!(found, "{inner}: is not in the schema").unwrap(),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        misfits(document, &schema["items"], item, &format!("{at}[{index}]"), found);
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let document =
        json!({ "a": { "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] } });
    let list = json!({ "type": "array", "items": { "$ref": "#/a" } });
    let told = |value: Value| {
        let mut found = String::new();
        misfits(&document, &list, &value, "", &mut found);
        found
    };
    assert_eq!(told(json!([{ "id": "x" }])), "");
    assert_eq!(told(json!([{ "id": "x" }, { "id": 1 }])), "[1].id: 1 is not of \"string\"\n");
    assert_eq!(told(json!([{}])), "[0]: lacks id\n");
    assert_eq!(told(json!([{ "id": "x", "more": null }])), "[0].more: is not in the schema\n");
    assert_eq!(told(json!({})), ": {} is not of \"array\"\n");
}

/// Asserts that an answer is one that the document has for this operation.
#[track_caller]
fn assert_fits(document: &Value, path: &str, method: &str, answer: &Answer) {
    let responses = &document["paths"][path][method]["responses"];
    let response = responses.get(answer.status.to_string()).unwrap_or(&responses["default"]);
    assert!(response.is_object(), "{method} {path} is not documented");
    let Some(content) = response.get("content") else {
        assert_eq!(answer.body, "", "{method} {path}: {}", answer.status);
        return;
    };
    let media_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let schema =
        &content.get(media_type).unwrap_or_else(|| panic!("{method} {path}: {media_type} {content}"))["schema"];
    let mut found = String::new();
    misfits(document, schema, &answer.json(), "", &mut found);
    assert!(found.is_empty(), "{method} {path} answers {}:\n{found}{}", answer.status, answer.body);
}

/// Clients, people, tokens and the published documents as they are, against what the document says of them.
#[tokio::test]
async fn answers_are_what_the_document_says() {
    let server = server().await;
    let document = openapi::document(&server.issuer);
    let body = json!({
        "client_name": "Documented", "redirect_uris": ["https://rp.example/cb"], "scope": "openid offline",
        "grant_types": ["authorization_code", "refresh_token"], "contacts": ["a@b.example"], "default_max_age": 60,
        "authorization_code_grant_access_token_lifespan": "1h", "metadata": { "a": [1] }, "skip_logout_consent": true,
        "software_id": "x", "jwks_uri": "https://rp.example/jwks", "require_auth_time": true,
    });
    let created = server.admin(Method::POST, "/clients", Some(&body)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let client = created.json()["client_id"].as_str().unwrap().to_owned();
    assert_fits(&document, "/admin/clients", "post", &created);
    let patch = json!([{ "op": "replace", "path": "/client_name", "value": "Patched" }]);
    let user = json!({ "username": "carol", "email": "carol@example.com", "password": "correct horse battery" });
    let person = server.admin(Method::POST, "/users", Some(&user)).await;
    assert_fits(&document, "/admin/users", "post", &person);
    let person = person.json()["id"].as_str().unwrap().to_owned();
    let note = json!({ "uses": 2, "note": "x" });
    let wanted = json!({ "alg": "ES256", "use": "sig", "kid": "one" });
    let set = server.admin(Method::POST, "/keys/mine", Some(&wanted)).await;
    assert_eq!(set.status, 201, "{}", set.body);
    assert_fits(&document, "/admin/keys/{set}", "post", &set);
    let issuer = json!({
        "issuer": "https://issuer.example", "subject": "carol", "scope": ["openid"], "jwk": set.json()["keys"][0],
        "expires_at": (server.clock.now() + std::time::Duration::from_hours(1)).rfc3339(),
    });
    let issuers = "/trust/grants/jwt-bearer/issuers";
    let trusted = server.admin(Method::POST, issuers, Some(&issuer)).await;
    assert_eq!(trusted.status, 201, "{}", trusted.body);
    assert_fits(&document, &format!("/admin{issuers}"), "post", &trusted);
    let trusted = format!("{issuers}/{}", trusted.json()["id"].as_str().unwrap());
    let one_issuer = format!("{issuers}/{{id}}");
    for (path, method, filled, body) in [
        ("/clients", "get", "/clients?page_size=2", None),
        ("/clients/{id}", "get", &*format!("/clients/{client}"), None),
        ("/clients/{id}", "patch", &*format!("/clients/{client}"), Some(&patch)),
        ("/clients/{id}", "get", "/clients/nobody", None),
        ("/clients", "post", "/clients", Some(&json!({ "redirect_uris": "x" }))),
        ("/clients/{id}/lifespans", "put", &*format!("/clients/{client}/lifespans"), Some(&json!({}))),
        ("/clients/{id}/secrets/rotate", "post", &*format!("/clients/{client}/secrets/rotate"), None),
        ("/clients/{id}/secrets/rotate", "delete", &*format!("/clients/{client}/secrets/rotate"), None),
        ("/clients/{id}", "delete", &*format!("/clients/{client}"), None),
        ("/users", "get", "/users", None),
        ("/users", "post", "/users", Some(&user)),
        ("/users/{id}", "get", &*format!("/users/{person}"), None),
        ("/users/{id}", "delete", &*format!("/users/{person}"), None),
        ("/registration-tokens", "post", "/registration-tokens", Some(&note)),
        ("/registration-tokens", "get", "/registration-tokens", None),
        ("/keys/{set}", "get", "/keys/mine", None),
        ("/keys/{set}/{kid}", "get", "/keys/mine/one", None),
        ("/keys/{set}/{kid}", "get", "/keys/mine/two", None),
        ("/keys/{set}/{kid}", "delete", "/keys/mine/one", None),
        ("/keys/{set}", "delete", "/keys/mine", None),
        (issuers, "get", issuers, None),
        (issuers, "post", issuers, Some(&issuer)),
        (&*one_issuer, "get", &*trusted, None),
        (&*one_issuer, "delete", &*trusted, None),
        (&*one_issuer, "get", &*trusted, None),
        ("/oauth2/tokens", "delete", "/oauth2/tokens?client_id=svc", None),
        ("/oauth2/tokens", "delete", "/oauth2/tokens", None),
        ("/health/alive", "get", "/health/alive", None),
        ("/health/ready", "get", "/health/ready", None),
        ("/version", "get", "/version", None),
    ] {
        let answer = server.admin(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), filled, body).await;
        assert_fits(&document, &format!("/admin{path}"), method, &answer);
    }

    let tokens =
        server.token(&server.code_for(&Authorize::web().set("scope", "openid offline profile email")).await).await;
    assert_fits(&document, "/oauth2/token", "post", &tokens);
    let tokens = tokens.tokens();
    assert_fits(&document, "/oauth2/token", "post", &server.refresh("web", "hyr_x").await);
    assert_fits(&document, "/userinfo", "get", &server.userinfo(&tokens.access_token).await);
    assert_fits(&document, "/userinfo", "get", &server.userinfo("hya_x").await);
    for token in [tokens.access_token.as_str(), tokens.refresh(), "hya_x"] {
        let asked = server.http.post(format!("{}/admin/oauth2/introspect", server.admin)).form(&[("token", token)]);
        let answer = Answer::of(asked.send().await.unwrap()).await;
        assert_fits(&document, "/admin/oauth2/introspect", "post", &answer);
        assert_fits(&document, "/oauth2/introspect", "post", &server.introspect_as("web", token).await);
    }
    assert_fits(&document, "/oauth2/revoke", "post", &server.revoke("web", tokens.refresh()).await);
    for path in
        ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"]
    {
        assert_fits(&document, path, "get", &server.get(path).await);
    }
    let own =
        server.http.post(server.url("/oauth2/register")).json(&json!({ "redirect_uris": ["https://rp.example/x"] }));
    let own = Answer::of(own.send().await.unwrap()).await;
    assert_eq!(own.status, 201, "{}", own.body);
    assert_fits(&document, "/oauth2/register", "post", &own);
    let own = own.json();
    let read = server.http.get(own["registration_client_uri"].as_str().unwrap());
    let read = read.bearer_auth(own["registration_access_token"].as_str().unwrap()).send().await.unwrap();
    assert_fits(&document, "/connect/register/{id}", "get", &Answer::of(read).await);
}

/// Login, consent and logout requests, and what is listed of them.
#[tokio::test]
async fn requests_are_what_the_document_says() {
    let server = Server::with(|config| {
        config.urls.login = Some("https://accounts.example/login".parse().unwrap());
        config.urls.consent = Some("https://accounts.example/consent".parse().unwrap());
        config.urls.logout = Some("https://accounts.example/logout".parse().unwrap());
    })
    .await;
    let document = openapi::document(&server.issuer);
    let mut browser = server.browser();
    let admin = async |method: &str, path: &str, query: &str, body: Option<&Value>| {
        let url = format!("{path}?{query}");
        let method_name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = server.admin(method_name, &url, body).await;
        assert_fits(&document, &format!("/admin{path}"), method, &answer);
        answer
    };
    let challenge = |answer: &Answer| answer.location().unwrap().split_once('?').unwrap().1.to_owned();
    let request = Authorize::web().set("scope", "openid offline").set("acr_values", "high").set("login_hint", "a");
    let login = challenge(&browser.get(&request.url(&server)).await);
    assert!(login.starts_with("login_challenge="), "{login}");
    let requests = "/oauth2/auth/requests";
    admin("get", &format!("{requests}/login"), &login, None).await;
    admin("get", &format!("{requests}/login"), "login_challenge=unknown", None).await;
    admin("put", &format!("{requests}/login/accept"), &login, Some(&json!({}))).await;
    let accept = json!({ "subject": "dave", "remember": true, "acr": "high", "amr": ["pwd"], "context": { "a": 1 } });
    let accepted = admin("put", &format!("{requests}/login/accept"), &login, Some(&accept)).await;
    let consent = challenge(&browser.get(accepted.json()["redirect_to"].as_str().unwrap()).await);
    admin("get", &format!("{requests}/consent"), &consent, None).await;
    let accept = json!({
        "grant_scope": ["openid", "offline"], "remember": true, "remember_for": 60,
        "session": { "access_token": { "a": 1 }, "id_token": { "b": [2] } },
    });
    let accepted = admin("put", &format!("{requests}/consent/accept"), &consent, Some(&accept)).await;
    let back = browser.get(accepted.json()["redirect_to"].as_str().unwrap()).await;
    let tokens = server.token(&back.parameter("code").unwrap()).await.tokens();
    assert!(tokens.id_token.is_some());
    admin("get", &format!("{requests}/login"), &login, None).await;
    admin("get", &format!("{requests}/consent"), &consent, None).await;
    let sessions = "/oauth2/auth/sessions";
    for list in ["consent", "login"] {
        let listed = admin("get", &format!("{sessions}/{list}"), "subject=dave", None).await;
        assert_eq!(listed.json().as_array().unwrap().len(), 1, "{}", listed.body);
    }
    let logout = challenge(&browser.get(&server.url("/oauth2/sessions/logout")).await);
    admin("get", &format!("{requests}/logout"), &logout, None).await;
    admin("put", &format!("{requests}/logout/reject"), &logout, None).await;
    admin("delete", &format!("{sessions}/login"), "subject=dave", None).await;
    admin("delete", &format!("{sessions}/consent"), "subject=dave&all=true", None).await;
    admin("delete", &format!("{sessions}/consent"), "", None).await;
}
