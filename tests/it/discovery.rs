//! Discovery, and the issuer's one name: OpenID Connect Discovery section 4, RFC 8414 section 3.

use hydrant::config::Config;
use serde_json::Value;
use url::Url;

use crate::support::{Answer, Authorize, Server, free_port};

const DOCUMENT: &str = "/.well-known/openid-configuration";

async fn document(server: &Server) -> Value {
    server.get(DOCUMENT).await.json()
}

/// DI-01, OpenID Connect Discovery section 4.3: one constant, letter for letter, wherever the issuer is named.
#[tokio::test]
async fn di_01_the_issuer_is_one_constant() {
    for slash in ["", "/"] {
        let mut server = Server::with(|config| config.urls.issuer.push_str(slash)).await;
        let public = server.config().urls.public.clone();
        let issuer = std::mem::replace(&mut server.issuer, public);
        assert_eq!((issuer.ends_with('/'), server.issuer.ends_with('/')), (!slash.is_empty(), false));
        assert_eq!(document(&server).await["issuer"], issuer.as_str());
        let answer = server.browser().journey(&Authorize::web().set("scope", "openid offline"), "alice").await;
        assert_eq!(answer.parameter("iss").as_deref(), Some(issuer.as_str()));
        let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
        assert_eq!(tokens.claims()["iss"], issuer.as_str());
        assert_eq!(server.introspect(&tokens.access_token).await.rest["iss"], issuer.as_str());
        assert_eq!(server.refresh("web", tokens.refresh()).await.tokens().claims()["iss"], issuer.as_str());
        let error = server.ask(&Authorize::web().set("prompt", "none")).await.get;
        assert_eq!(error.parameter("iss").as_deref(), Some(issuer.as_str()));
    }
}

/// DI-02, CWE-644: what a request calls the server by is in no URL of ours.
#[tokio::test]
async fn di_02_no_header_names_the_server() {
    let server = Server::start().await;
    let expected = document(&server).await;
    let paths = [
        DOCUMENT.to_owned(),
        format!("/oauth2/auth?{}", Authorize::web().query()),
        "/oauth2/sessions/logout".to_owned(),
    ];
    for path in &paths {
        for host in ["evil.example", "evil.example:4444", "op.example@evil.example", "127.0.0.1.evil.example"] {
            let answer = Answer::of(server.http.get(server.url(path)).header("host", host).send().await.unwrap()).await;
            let status = if host.contains('@') { 400 } else { 421 };
            assert_eq!(answer.status, status, "{path} {host}");
            assert!(!answer.body.contains("evil.example") && answer.location().is_none(), "{path}: {}", answer.body);
        }
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "host=evil.example;proto=https"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/evil"),
            ("x-original-url", "/evil"),
            ("x-rewrite-url", "/evil"),
        ] {
            let answer = Answer::of(server.http.get(server.url(path)).header(name, value).send().await.unwrap()).await;
            if path == DOCUMENT {
                assert_eq!(answer.json(), expected, "{name}");
            } else {
                let location = answer.location().unwrap();
                assert!(location.starts_with(&format!("{}/", server.issuer)), "{name}: {location}");
            }
            assert!(!answer.body.contains("evil"), "{name}: {}", answer.body);
        }
    }
    for (name, value) in expected.as_object().unwrap() {
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(value.as_str().unwrap().starts_with(&format!("{}/", server.issuer)), "{name}: {value}");
        }
    }
}

/// DI-04, RFC 8414 section 2: the server does not start under a name that no client could use.
#[test]
fn di_04_an_issuer_that_is_none_is_refused() {
    let load = |issuer: &str| {
        let env = |name: &str| match name {
            "URLS_SELF_ISSUER" => Some(issuer.to_owned()),
            "SECRETS_SYSTEM" => Some("a system secret of an operator".to_owned()),
            "DSN" => Some("memory".to_owned()),
            _ => None,
        };
        Config::load(None, &env, false)
    };
    for issuer in [
        "https://op.example/?x",
        "https://op.example?",
        "https://op.example/#f",
        "https://u:p@op.example",
        "http://op.example",
        "op.example",
    ] {
        let problems = load(issuer).expect_err(issuer);
        assert!(problems.iter().any(|problem| problem.key == "urls.self.issuer"), "{issuer}: {problems:?}");
    }
    for issuer in ["https://op.example", "https://op.example/", "https://op.example/t1"] {
        assert_eq!(load(issuer).unwrap().config.urls.issuer, issuer);
    }
}

/// DI-07, CVE-2026-0976: no spelling of a path leads to another handler, or to the other port's.
#[tokio::test]
async fn di_07_a_path_has_one_spelling() {
    let server = Server::start().await;
    let port = Url::parse(&server.issuer).unwrap().port().unwrap();
    for path in [
        "/.well-known/openid-configuration/",
        "//.well-known/openid-configuration",
        "/.well-known//openid-configuration",
        "/.well-known/openid-configuration;x=1",
        "/.well-known;x=1/openid-configuration",
        "/.WELL-KNOWN/openid-configuration",
        "/.well-known/OpenID-Configuration",
        "/.well-known/openid-configuration%2f",
        "/.well-known%2fopenid-configuration",
        "/x/../.well-known/openid-configuration",
        "/x/%2e%2e/.well-known/openid-configuration",
        "/./.well-known/openid-configuration",
        "/.well-known/openid-configuration%00",
        "/oauth2/../admin/clients",
        "/oauth2/%2e%2e/admin/clients",
        "/oauth2/..%2fadmin/clients",
        "/oauth2/auth/",
        "/oauth2/token/",
        "/userinfo/",
        "/admin/clients",
    ] {
        // By hand: a URL library tidies the path up.
        let status = raw_status(port, path).await;
        assert_eq!(status, 404, "{path}");
    }
    assert_eq!(raw_status(port, DOCUMENT).await, 200);
}

async fn raw_status(port: u16, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// DI-08, RFC 8414 section 3.1: an issuer with a path is found by every rule, and works behind its path.
#[tokio::test]
async fn di_08_an_issuer_with_a_path_is_found() {
    let port = free_port();
    let root = format!("http://127.0.0.1:{port}");
    let server = Server::with(|config| {
        config.serve.public.port = port;
        config.urls.issuer = format!("{root}/t1");
        config.urls.issuer_url = config.urls.issuer.parse().unwrap();
        config.urls.public.clone_from(&config.urls.issuer);
    })
    .await;
    let document = document(&server).await;
    assert_eq!(document["issuer"], format!("{root}/t1"));
    for path in [
        "/.well-known/openid-configuration/t1",
        "/t1/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/t1",
        "/t1/.well-known/oauth-authorization-server",
    ] {
        let answer = Answer::of(server.http.get(format!("{root}{path}")).send().await.unwrap()).await;
        assert_eq!((answer.status, answer.json()), (200, document.clone()), "{path}");
    }
    let other = server.http.get(format!("{root}/.well-known/openid-configuration/t2")).send().await.unwrap();
    assert_eq!(other.status(), 404);
    let tokens = server.tokens_with("openid").await;
    server.verify(tokens.id_token.as_deref().unwrap(), "web").await;
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 200);
}
