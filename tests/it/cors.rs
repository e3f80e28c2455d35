//! CORS per client (`allowed_cors_origins`) and none at all on pages: Fetch standard section 3.3, RFC 9700 section 2.6.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{Answer, Authorize, SECRET, Server, Tokens, VERIFIER};

const SPA: &str = "https://spa.example";

/// What is none of the origins that anybody registered, though some look like one.
fn strangers() -> Vec<String> {
    let mut strangers: Vec<_> = [
        "https://evil.example",
        "null",
        "https://spa.example.evil",
        "https://evilspa.example",
        "http://spa.example",
        "HTTPS://SPA.EXAMPLE",
        "https://SPA.example",
        "https://spa.example/",
        "https://spa.example:443",
        "https://spa.example:8443",
        "https://user@spa.example",
        "*",
        "",
    ]
    .map(str::to_owned)
    .into();
    strangers.push(format!("https://{}.example", "a".repeat(10_240)));
    strangers
}

async fn server() -> Server {
    let server = Server::with(|config| config.serve.public.cors.enabled = true).await;
    let metadata = json!({
        "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline", "allowed_cors_origins": ["https://app.example"],
    });
    server.client("app", metadata).await;
    server
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

async fn tokens(server: &Server) -> Tokens {
    let request = Authorize::of("spa", "https://spa.example/cb").set("scope", "openid offline");
    let code = server.browser().code(&request, "alice").await;
    server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens()
}

fn allowed(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    answer.header("access-control-allow-origin")
}

#[track_caller]
fn assert_varies(answer: &Answer) {
    let vary =
        answer.headers.get_all("vary").iter().any(|line| line.to_str().unwrap().to_lowercase().contains("origin"));
    assert!(vary, "{:?}", answer.headers);
}

/// CWE-942: only the client that was served decides who may read the answer, letter for letter.
#[tokio::test]
async fn ht_22_an_answer_is_read_by_its_clients_origins_only() {
    let server = server().await;
    let access_token = tokens(&server).await.access_token;
    let calls = |origin: &str| {
        let post = |path: &str| server.http.post(server.url(path)).header("origin", origin);
        [
            post("/oauth2/token").form(&[
                ("client_id", "spa"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ]),
            post("/oauth2/revoke").form(&[("client_id", "spa"), ("token", "x")]),
            post("/oauth2/introspect").form(&[("client_id", "spa"), ("token", "x")]),
            server.http.get(server.url("/userinfo")).bearer_auth(&access_token).header("origin", origin),
            post("/userinfo").bearer_auth(&access_token),
        ]
    };
    for call in calls(SPA) {
        let answer = send(call).await;
        assert_eq!(allowed(&answer), Some(SPA), "{} {}", answer.status, answer.body);
        assert_varies(&answer);
        assert!(answer.header("access-control-expose-headers").is_some());
    }
    // Another client's origin is a stranger here.
    for origin in strangers().iter().map(String::as_str).chain(["https://app.example"]) {
        for call in calls(origin) {
            let answer = send(call).await;
            assert_eq!(allowed(&answer), None, "{origin}: {} {}", answer.status, answer.body);
            assert_varies(&answer);
        }
    }
    for call in calls(SPA) {
        let (client, request) = call.build_split();
        let mut request = request.unwrap();
        request.headers_mut().remove("origin");
        let answer = Answer::of(client.execute(request).await.unwrap()).await;
        assert_eq!(allowed(&answer), None);
        assert_varies(&answer);
    }
}

/// An app in a browser can read why it was refused, where it named itself; nobody else can.
#[tokio::test]
async fn ht_22_a_refusal_is_readable_too() {
    let server = server().await;
    for (client, origin, readable) in [
        ("app", "https://app.example", true),
        ("app", SPA, false),
        ("web", "https://app.example", false),
        ("nobody", "https://app.example", false),
    ] {
        let call = server.http.post(server.url("/oauth2/token")).basic_auth(client, Some("wrong"));
        let answer = send(call.form(&[("grant_type", "client_credentials")]).header("origin", origin)).await;
        assert_eq!(answer.status, 401);
        assert_eq!(allowed(&answer), readable.then_some(origin), "{client} {origin}");
    }
    let call = server.http.post(server.url("/oauth2/token")).basic_auth("app", Some(SECRET));
    let call =
        call.form(&[("grant_type", "authorization_code"), ("code", "x")]).header("origin", "https://app.example");
    let answer = send(call).await;
    assert_eq!((answer.status, allowed(&answer)), (400, Some("https://app.example")));
}

/// A preflight names an origin and no client: one that some client registered may go on to ask.
#[tokio::test]
async fn ht_22_a_preflight_knows_the_origins_of_all_clients() {
    let server = server().await;
    let preflight = async |path: &str, origin: &str| {
        let ask = server.http.request(Method::OPTIONS, server.url(path)).header("origin", origin);
        send(
            ask.header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization"),
        )
        .await
    };
    for path in ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/userinfo"] {
        for origin in [SPA, "https://app.example"] {
            let answer = preflight(path, origin).await;
            assert_eq!((answer.status, allowed(&answer)), (204, Some(origin)), "{path}");
            assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
            assert!(answer.header("access-control-allow-headers").unwrap().to_lowercase().contains("authorization"));
            assert_varies(&answer);
        }
        for origin in strangers() {
            let answer = preflight(path, &origin).await;
            assert_eq!(allowed(&answer), None, "{path} {origin}");
            assert_eq!(answer.header("access-control-allow-methods"), None, "{path} {origin}");
            assert_varies(&answer);
        }
    }
    let spa = hydrant::id::ClientId::new("spa");
    assert!(server.app().store.delete_client(&spa).await.unwrap());
    assert_eq!(allowed(&preflight("/oauth2/token", SPA).await), None, "the client is gone, and its origin with it");
}

/// The same, for what userinfo has of its own: a preflight for its Authorization header, and the real call.
#[tokio::test]
async fn ui_16_userinfo_is_read_by_the_tokens_client() {
    let server = server().await;
    let access_token = tokens(&server).await.access_token;
    let call = async |origin: &str| {
        send(server.http.get(server.url("/userinfo")).bearer_auth(&access_token).header("origin", origin)).await
    };
    let answer = call(SPA).await;
    assert_eq!((answer.status, allowed(&answer)), (200, Some(SPA)));
    for origin in ["https://app.example", "https://evil.example", "null"] {
        let answer = call(origin).await;
        assert_eq!((answer.status, allowed(&answer)), (200, None), "{origin}");
    }
}

/// RFC 9700 section 2.6: "The authorization endpoint MUST NOT support CORS", nor does any page, nor the admin port.
#[tokio::test]
async fn ht_23_pages_and_the_admin_port_have_no_cors() {
    let server = server().await;
    let base = &server.issuer;
    let urls = ["/oauth2/auth", "/login", "/consent", "/logout", "/logout/done", "/oauth2/sessions/logout"]
        .map(|path| format!("{base}{path}"));
    let admin = format!("{}/admin/clients", server.admin);
    for url in urls.iter().chain([&admin]) {
        for origin in [SPA, "https://evil.example", "null", base.as_str()] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let request = server.http.request(method.clone(), url).header("origin", origin);
                let answer = send(request.header("access-control-request-method", "GET")).await;
                let found = answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
                assert_eq!(found, None, "{method} {url} from {origin}");
            }
        }
    }
    let answer = send(server.http.get(Authorize::web().url(&server)).header("origin", SPA)).await;
    assert_eq!((answer.status, allowed(&answer)), (302, None));
}

/// Off is off; the public documents are everybody's all the same.
#[tokio::test]
async fn ht_22_cors_is_off_unless_switched_on() {
    let server = Server::start().await;
    let form = [("client_id", "spa"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
    let answer = send(server.http.post(server.url("/oauth2/token")).form(&form).header("origin", SPA)).await;
    assert_eq!(allowed(&answer), None);
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        let answer = send(server.http.get(server.url(path)).header("origin", "null")).await;
        assert_eq!((answer.status, allowed(&answer)), (200, Some("*")), "{path}");
    }
}

/// The operator's own list: with credentials for who stands in it, and never for a client's origin.
#[tokio::test]
async fn ht_22_the_operators_list_comes_on_top() {
    let server = Server::with(|config| {
        let cors = &mut config.serve.public.cors;
        cors.enabled = true;
        cors.allow_credentials = true;
        cors.allowed_origins = vec!["https://console.example".to_owned()];
    })
    .await;
    let form = [("client_id", "spa"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
    for (origin, may, credentials) in
        [("https://console.example", true, true), (SPA, true, false), ("https://evil.example", false, false)]
    {
        let answer = send(server.http.post(server.url("/oauth2/token")).form(&form).header("origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), may.then_some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), credentials.then_some("true"), "{origin}");
    }
}
