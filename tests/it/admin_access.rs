//! Who reaches the admin API, and by which way (security-cases.md AD-01, AD-02, AD-04).

use std::time::Duration;

use hydrant::config::{AdminAccess, AdminToken};
use hydrant::secret::sha256;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::{Process, Setup, run};
use crate::support::{Answer, Database, Server, client};

const FULL: &str = "hyt_the-token-that-may-do-everything-0123456789abcd";
const READ_ONLY: &str = "hyt_the-token-that-may-only-read-0123456789abcdefg";

/// Status and body of a request that is sent as it stands: no library tidies its target.
async fn send(authority: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {text}"));
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// AD-01: on the public port every admin route is as unknown as any other, however it is spelt.
#[tokio::test]
async fn ad_01_the_public_port_knows_no_admin_route() {
    let server = Server::start().await;
    let authority = server.issuer.strip_prefix("http://").unwrap();
    let get = async |method: &str, target: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
        send(authority, &format!("{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}")).await
    };
    let unknown = get("GET", "/no/such/path").await;
    assert_eq!(unknown.0, 404);
    let alice = server.subject("alice").await;
    let own = [
        "/clients".to_owned(),
        "/clients/web".to_owned(),
        "/users".to_owned(),
        format!("/users/{alice}"),
        "/keys/hydra.openid.id-token".to_owned(),
        "/oauth2/auth/requests/login?login_challenge=x".to_owned(),
        "/oauth2/tokens?client_id=web".to_owned(),
    ];
    for path in own {
        for prefix in
            ["/admin", "", "/Admin", "/%61dmin", "//admin", "/admin/", "/./admin", "/x/../admin", "/oauth2/..;/admin"]
        {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                let target = format!("{prefix}{path}");
                assert_eq!(get(method, &target).await, unknown, "{method} {target}");
            }
        }
    }
    for target in ["/admin", "/admin/", "/admin/../admin/clients", "/health/..;/admin/clients", "/oauth2/../clients"] {
        assert_eq!(get("GET", target).await, unknown, "{target}");
    }
    // Introspection is there by name, for clients that authenticate; with the prefix it is not.
    assert_eq!(get("POST", "/admin/oauth2/introspect").await, unknown);
    assert!(server.app().store.client(&hydrant::id::ClientId::new("web")).await.unwrap().is_some());
}

/// AD-02: without a word of the operator the admin port is for this machine.
#[tokio::test]
async fn ad_02_the_admin_port_listens_on_loopback() {
    let env = |name: &str| match name {
        "URLS_SELF_ISSUER" => Some("https://id.example.com".to_owned()),
        "SECRETS_SYSTEM" => Some("kT4pR7vW2xZ9cN5mQ8sB".to_owned()),
        _ => None,
    };
    let config = hydrant::config::Config::load(None, &env, false).unwrap().config;
    assert!(config.serve.admin.host.is_local() && !config.serve.admin_open);
}

const SECRET: &str = "kT4pR7vW2xZ9cN5mQ8sB";

/// AD-02: off this machine the admin port needs tokens, or the operator's word; else nothing starts.
#[tokio::test]
async fn ad_02_an_open_admin_port_does_not_start() {
    let database = Database::empty().await;
    let setup = || Setup::production(database.dsn(), SECRET).env("DATABASE_AUTO_MIGRATE", "true");
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let mut process = setup().env("SERVE_ADMIN_HOST", host).spawn();
        assert_eq!(process.ended(Duration::from_secs(10)).await, 2, "{host}: {}", process.log());
        let line = "environment SERVE_ADMIN_HOST: serve.admin.host: must be a loopback address";
        assert!(process.log().contains(line) && process.log().contains("serve.admin.tokens"), "{}", process.log());
    }
    // 127.0.0.2 is this machine too, but not the address that is listened on.
    let reachable = async |process: &Process| TcpStream::connect(("127.0.0.2", process.setup.admin)).await.is_ok();
    let asked = async |process: &Process, token: Option<&str>| {
        let request = client().get(process.setup.admin_url("/admin/clients"));
        let request = token.iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.unwrap().status().as_u16()
    };
    let default = setup().start().await;
    assert!(!reachable(&default).await);
    assert_eq!(asked(&default, None).await, 200);
    let everywhere = || setup().env("SERVE_ADMIN_HOST", "0.0.0.0");
    let open = everywhere().env("SERVE_ADMIN_AUTH", "none").start().await;
    assert!(reachable(&open).await);
    assert_eq!(asked(&open, None).await, 200);

    // The token that the command makes, through the environment.
    let made = run(database.dsn(), &["admin-token", "create", "--name", "deploy", "--format", "json"], "").json();
    let token = made["token"].as_str().unwrap();
    assert!(made["access"] == "full" && token.starts_with("hyt_") && token.len() == 47, "{made}");
    let list = serde_json::json!([{ "name": "deploy", "hash": made["hash"] }]).to_string();
    let guarded = everywhere().env("SERVE_ADMIN_TOKENS", &list).start().await;
    assert!(reachable(&guarded).await);
    assert_eq!([asked(&guarded, None).await, asked(&guarded, Some("other")).await], [401, 401]);
    assert_eq!(asked(&guarded, Some(token)).await, 200);
    let log = guarded.logged("\"admin\":\"deploy\"").await;
    assert!(log.contains("admin tokens cross the network in the clear"), "{log}");
    assert!(!log.contains(token) && !log.contains(made["hash"].as_str().unwrap()), "{log}");
}

async fn guarded() -> Server {
    let token =
        |name: &str, token: &str, access| AdminToken { name: name.to_owned(), hash: sha256(token.as_bytes()), access };
    Server::with(|config| {
        config.serve.admin_tokens =
            vec![token("full", FULL, AdminAccess::Full), token("reader", READ_ONLY, AdminAccess::ReadOnly)];
    })
    .await
}

/// Every route by every method in every spelling: a route that somebody adds is guarded without a word of theirs.
#[tokio::test]
async fn with_tokens_listed_no_route_is_open() {
    let server = guarded().await;
    let ask = async |method: &str, path: &str, token: Option<&str>| {
        let request = server.http.request(Method::from_bytes(method.as_bytes()).unwrap(), server.admin.clone() + path);
        let request = token.iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        Answer::of(request.send().await.unwrap()).await
    };
    let mut paths = hydrant::router::admin_paths();
    assert!(paths.len() >= 10 && paths.contains(&"/clients/{id}"), "{paths:?}");
    paths.extend(["/no/such/route", "/health", "/health/other"]);
    for pattern in paths {
        // Ids that nobody has.
        let path = pattern.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        let is_probe = matches!(pattern, "/health/alive" | "/health/ready");
        for path in [format!("/admin{path}"), path.clone(), format!("/admin{path}/"), format!("{path}/")] {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO"] {
                for token in [None, Some("hyt_wrong"), Some(&FULL[..FULL.len() - 1]), Some("")] {
                    let answer = ask(method, &path, token).await;
                    if is_probe {
                        assert!(matches!(answer.status, 200 | 405), "{method} {path}: {}", answer.status);
                        continue;
                    }
                    assert_eq!(answer.status, 401, "{method} {path} {token:?}: {}", answer.body);
                    let challenge = answer.header("www-authenticate").unwrap();
                    assert!(challenge.starts_with("Bearer realm="), "{challenge}");
                    if method != "HEAD" {
                        answer.assert_error(401, "invalid_token");
                        assert_eq!(answer.json().as_object().unwrap().len(), 2, "{}", answer.body);
                    }
                }
                let reads = matches!(method, "GET" | "HEAD")
                    || method == "POST" && path.trim_matches('/').ends_with("oauth2/introspect");
                let answer = ask(method, &path, Some(READ_ONLY)).await;
                assert_eq!(answer.status == 403, !reads && !is_probe, "{method} {path}: {}", answer.status);
                if answer.status == 403 {
                    assert!(answer.header("www-authenticate").unwrap().contains("insufficient_scope"));
                }
                let answer = ask(method, &path, Some(FULL)).await;
                assert!(!matches!(answer.status, 401 | 403), "{method} {path}: {}", answer.status);
            }
        }
    }
    assert!(server.app().store.client(&hydrant::id::ClientId::new("web")).await.unwrap().is_some());
    // What only looks like a probe is none.
    let authority = server.admin.strip_prefix("http://").unwrap();
    for target in
        ["/clients/../health/alive", "/clients?/health/alive", "/health/alive/../../clients", "//health/alive"]
    {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        assert_eq!(send(authority, &request).await.0, 401, "{target}");
    }
}

/// What a read-only token is for: resource servers that introspect, and whoever watches.
#[tokio::test]
async fn a_read_only_token_introspects() {
    let server = guarded().await;
    let access_token = server.client_tokens("svc", &[]).await.access_token;
    let introspect = server.http.post(format!("{}/admin/oauth2/introspect", server.admin));
    let answer = introspect.bearer_auth(READ_ONLY).form(&[("token", &access_token)]).send().await.unwrap();
    assert_eq!(Answer::of(answer).await.json()["active"], true);
    let client = server.http.get(format!("{}/admin/clients/web", server.admin)).bearer_auth(READ_ONLY);
    assert_eq!(Answer::of(client.send().await.unwrap()).await.json()["client_id"], "web");
    // An access token of this server is no admin token.
    let client = server.http.get(format!("{}/admin/clients/web", server.admin)).bearer_auth(&access_token);
    Answer::of(client.send().await.unwrap()).await.assert_error(401, "invalid_token");
}

/// A console in a browser, from an origin that the operator lists: the preflight has no token, and gives nothing away.
#[tokio::test]
async fn a_preflight_needs_no_token_and_the_request_does() {
    let server = Server::with(|config| {
        let hash = sha256(FULL.as_bytes());
        config.serve.admin_tokens = vec![AdminToken { name: "full".to_owned(), hash, access: AdminAccess::Full }];
        config.serve.admin.cors.enabled = true;
        config.serve.admin.cors.allowed_origins = vec!["https://console.example".to_owned()];
    })
    .await;
    let url = format!("{}/admin/clients", server.admin);
    let preflight = async |origin: &str| {
        let request = server.http.request(Method::OPTIONS, &url).header("origin", origin);
        request.header("access-control-request-method", "GET").send().await.unwrap()
    };
    let allowed = preflight("https://console.example").await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://console.example");
    assert_eq!(preflight("https://evil.example").await.status(), 403);
    let get = || server.http.get(&url).header("origin", "https://console.example");
    assert_eq!(get().send().await.unwrap().status(), 401);
    assert_eq!(get().bearer_auth(FULL).send().await.unwrap().status(), 200);
    // An OPTIONS that is no preflight is a request like others.
    let options = server.http.request(Method::OPTIONS, &url).header("origin", "https://console.example");
    assert_eq!(options.send().await.unwrap().status(), 401);
}

/// AD-04: a page that a browser shows can neither read nor write: not by DNS rebinding, not by a form, not by a script.
#[tokio::test]
async fn ad_04_a_page_elsewhere_does_not_reach_the_admin_port() {
    let server = Server::start().await;
    let authority = server.admin.strip_prefix("http://").unwrap();
    let port = authority.rsplit_once(':').unwrap().1;
    for (host, status) in [
        (authority.to_owned(), 200),
        (format!("localhost:{port}"), 200),
        (format!("rebind.evil.example:{port}"), 421),
        ("evil.example".to_owned(), 421),
        (format!("127.0.0.1.evil.example:{port}"), 421),
    ] {
        let request = format!("GET /admin/clients HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (found, body) = send(authority, &request).await;
        assert_eq!(found, status, "{host}: {body}");
        assert_eq!(body.contains("redirect_uris"), status == 200, "{host}");
    }
    let url = format!("{}/admin/clients", server.admin);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:3000"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for request in [
            server.http.get(&url),
            server.http.post(&url).json(&serde_json::json!({})),
            server.http.delete(format!("{url}/web")),
            server.http.request(reqwest::Method::OPTIONS, &url).header("access-control-request-method", "POST"),
        ] {
            let answer = Answer::of(request.header(name, value).send().await.unwrap()).await;
            assert_eq!(answer.status, 403, "{name}: {value}: {}", answer.body);
            assert!(
                !answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")),
                "{:?}",
                answer.headers
            );
        }
    }
    // What a page can send without asking is no JSON, even without the headers that tell of it.
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = server.http.post(&url).header("content-type", media_type).body("{\"client_id\": \"planted\"}");
        Answer::of(request.send().await.unwrap()).await.assert_error(415, "invalid_request");
    }
    for id in ["web", "planted"] {
        let status = server.admin(reqwest::Method::GET, &format!("/clients/{id}"), None).await.status;
        assert_eq!(status, if id == "web" { 200 } else { 404 }, "{id}");
    }
}
