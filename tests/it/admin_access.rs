//! Who reaches the admin API, and by which way (security-cases.md AD-01, AD-02, AD-04).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, Server};

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
    assert!(config.serve.admin.host.is_loopback() && !config.serve.admin_open);
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
