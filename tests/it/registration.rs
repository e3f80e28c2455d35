//! Registering a client: RFC 7591, OpenID Connect Dynamic Client Registration (security-cases.md DR).

use hydrant::oauth::scope::Scope;
use reqwest::Method;
use serde_json::json;

use crate::admin_clients::has_null;
use crate::support::registration::{Own, app};
use crate::support::signer::Signer;
use crate::support::{Answer, Authorize, Server, Site, VERIFIER};

/// A server whose documents may come from this machine.
async fn near(change: impl FnOnce(&mut hydrant::config::Config)) -> Server {
    Server::with(|config| {
        config.oidc.registration.enabled = true;
        config.oidc.registration.per_address = 10_000;
        config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        change(config);
    })
    .await
}

async fn send(server: &Server, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.http.post(server.url("/connect/register")).header("content-type", "application/json");
    Answer::of(request.body(body).send().await.unwrap()).await
}

#[tokio::test]
async fn dr_01_off_by_default() {
    let server = Server::start().await;
    for path in ["/connect/register", "/oauth2/register", "/connect/register/x", "/oauth2/register/x"] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let request = server.http.request(method, server.url(path)).json(&json!({}));
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
        }
    }
    let discovery = server.get("/.well-known/openid-configuration").await.json();
    assert!(discovery.get("registration_endpoint").is_none());
    let open = Server::open_to_all(|_| {}).await;
    let discovery = open.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovery["registration_endpoint"], open.url("/connect/register"));
    assert_eq!(open.get("/connect/register").await.status, 405);
}

/// DR-32, conformance.md section 3: what is answered, and that it works.
#[tokio::test]
async fn dr_32_a_client_registers_and_signs_somebody_in() {
    let server = Server::open_to_all(|_| {}).await;
    for path in ["/connect/register", "/oauth2/register"] {
        let request = server.http.post(server.url(path)).json(&app(json!({})));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{}", answer.body);
        let client = Own(answer.json());
        assert!(!has_null(&client.0), "{}", client.0);
        assert_eq!(client.0["client_secret_expires_at"], 0);
        assert_eq!(client.text("registration_client_uri"), server.url(&format!("/connect/register/{}", client.id())));
        for (member, value) in [
            ("application_type", json!("web")),
            ("response_types", json!(["code"])),
            ("grant_types", json!(["authorization_code", "refresh_token"])),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("subject_type", json!("public")),
            ("scope", json!("openid offline_access")),
        ] {
            assert_eq!(client.0[member], value, "{member}");
        }
        // Section 2 there: userinfo is plain JSON where this is left out.
        assert!(client.0.get("userinfo_signed_response_alg").is_none());
        let stored = server.database.dump().await;
        assert!(!stored.contains(client.secret()) && !stored.contains(client.token()), "only hashes are kept");
        let tokens = server.sign_in_to(&client).await.tokens();
        assert_eq!(tokens.claims()["aud"], json!([client.id()]));
        assert!(tokens.refresh_token.is_some());
    }
}

/// A public client has no secret, and one that signs with its own gets one that is long enough.
#[tokio::test]
async fn the_secret_is_what_the_method_needs() {
    let server = Server::open_to_all(|_| {}).await;
    let public = server.own_client(json!({ "token_endpoint_auth_method": "none" })).await;
    assert!(public.0.get("client_secret").is_none());
    assert_eq!(public.0["client_secret_expires_at"], 0);
    let mac = server.own_client(json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
    assert!(mac.secret().len() >= 64);
    let signer = Signer::es256();
    let jwt = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks() });
    assert!(server.own_client(jwt).await.0.get("client_secret").is_none());
}

/// DR-04, DR-05, DR-07, DR-11, DR-23, DR-28: refused, and nothing is kept.
#[tokio::test]
async fn dr_04_05_07_what_a_stranger_may_not_have() {
    let server = Server::open_to_all(|_| {}).await;
    let private = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d": "d" }] });
    for more in [
        json!({ "skip_consent": true }),
        json!({ "skip_logout_consent": true }),
        json!({ "metadata": { "admin": true } }),
        json!({ "access_token_strategy": "jwt" }),
        json!({ "audience": ["https://api.example"] }),
        json!({ "is_first_party": true }),
        json!({ "tls_client_auth_subject_dn": "CN=bank" }),
        json!({ "refresh_token_grant_refresh_token_lifespan": "87600h" }),
        json!({ "client_secret": "a secret of my own choice" }),
        json!({ "scope": "admin offline openid" }),
        json!({ "grant_types": ["client_credentials"] }),
        json!({ "grant_types": ["refresh_token"], "response_types": ["code"] }),
        json!({ "logo_uri": "https://cdn.example/logo.png" }),
        json!({ "jwks": private }),
        json!({ "jwks": { "keys": [] } }),
        json!({ "jwks": { "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] } }),
        json!({ "jwks": Signer::es256().jwks(), "jwks_uri": "https://app.example/jwks" }),
        json!({ "allowed_cors_origins": ["*"] }),
        json!({ "allowed_cors_origins": ["https://app.example/path"] }),
        json!({ "initiate_login_uri": "https://app.example/login#x" }),
        json!({ "client_name": "Bank\u{202e}knab" }),
        json!({ "client_name": "x".repeat(10 * 1024) }),
    ] {
        let answer = server.register(&app(more.clone())).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{more}");
    }
    assert_eq!(server.self_registered().await, 0);
    let client = server.own_client(json!({ "scope": null })).await;
    assert_eq!(client.text("scope"), "offline_access offline openid", "the configured default");
    let initiated = server.own_client(json!({ "initiate_login_uri": "https://app.example/login" })).await;
    assert_eq!(initiated.text("initiate_login_uri"), "https://app.example/login", "3rd-party init");
}

/// DR-08; outside of development mode.
#[tokio::test]
async fn dr_08_redirect_uris_of_no_good() {
    let server = Server::with(|config| {
        config.oidc.registration.enabled = true;
        config.dev = false;
    })
    .await;
    for uri in [
        "http://app.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.example/cb#f",
        "https://*.app.example/",
        "https://user@app.example/cb",
        "file:///etc/passwd",
        "myapp:/cb",
        "https://app.example/cb?code=1",
        "/cb",
        "",
        "https://app.example/cb?state=1&x=2",
        "http://localhost/cb",
        "https://127.1/cb",
    ] {
        let answer = server.register(&app(json!({ "redirect_uris": [uri] }))).await;
        assert_eq!(answer.error(), (400, "invalid_redirect_uri".to_owned()), "{uri}");
    }
    for (kind, uri, status) in [
        ("native", "com.example.app:/cb", 201),
        ("native", "http://127.0.0.1/cb", 201),
        ("native", "https://app.example/cb", 201),
        ("web", "http://127.0.0.1/cb", 400),
        ("web", "com.example.app:/cb", 400),
    ] {
        let answer = server.register(&app(json!({ "redirect_uris": [uri], "application_type": kind }))).await;
        assert_eq!(answer.status, status, "{kind} {uri}: {}", answer.body);
    }
}

/// RU-19, and what an MCP client on a developer's machine does.
#[tokio::test]
async fn ru_19_localhost_where_the_operator_lets_it() {
    let server = Server::with(|config| {
        config.oidc.registration.enabled = true;
        config.dev = false;
        config.oauth2.localhost_redirect_uris = true;
    })
    .await;
    let uri = "http://localhost:6274/cb";
    let public = json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "none" });
    let client = server.own_client(public).await;
    let elsewhere = Authorize::of(client.id(), "http://localhost:6275/cb");
    server.browser().get(&elsewhere.url(&server)).await.assert_page(400, "invalid_request");
    let code = server.browser().code(&Authorize::of(client.id(), uri), "alice").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client.id()),
        ("code", &code),
        ("redirect_uri", uri),
        ("code_verifier", VERIFIER),
    ];
    server.post("/oauth2/token", &fields).await.tokens();
    let other = app(json!({ "redirect_uris": ["http://rp.example/cb"] }));
    server.register(&other).await.assert_error(400, "invalid_redirect_uri");
}

/// DR-13, DR-14, DR-17: one answer for all that we never call, whatever is or is not there.
#[tokio::test]
async fn dr_13_14_17_addresses_that_are_never_called() {
    let server = Server::open_to_all(|_| {}).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut uris: Vec<String> = [
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::ffff:7f00:1]/",
        "https://localhost/",
        "https://postgres:5432/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/",
        "https://[fd00::1]/",
        "https://app.example:22/",
        "https://app.example:6379/",
        "https://100.100.100.200/",
    ]
    .map(str::to_owned)
    .to_vec();
    uris.push(format!("https://127.0.0.1:{port}/"));
    uris.push(format!("http://127.0.0.1:{port}/"));
    for field in ["jwks_uri", "sector_identifier_uri", "backchannel_logout_uri", "request_uris"] {
        let mut words = std::collections::HashSet::new();
        for uri in &uris {
            let value = if field == "request_uris" { json!([uri]) } else { json!(uri) };
            let answer = server.register(&app(json!({ field: value }))).await;
            assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{field} {uri}");
            words.insert(answer.json()["error_description"].as_str().unwrap().to_owned());
        }
        assert_eq!(words.len(), 1, "{field}: {words:?}");
    }
    for scheme in ["gopher", "ftp", "file", "unix"] {
        let answer = server.register(&app(json!({ "jwks_uri": format!("{scheme}://app.example/") }))).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{scheme}");
    }
    let untouched = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(untouched.is_err() && server.self_registered().await == 0);
}

/// DR-16, DR-20: what is fetched must be what it is to be, where it is to be.
#[tokio::test]
async fn dr_16_20_a_jwks_uri_leads_to_keys() {
    let server = near(|_| {}).await;
    let site = Site::start().await;
    let good = Signer::es256();
    site.put("/jwks", good.jwks());
    let client =
        |path: &str| app(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": site.url(path) }));
    assert_eq!(server.register(&client("/jwks")).await.status, 201);
    for (path, status, body) in [
        ("/html", 200, "<html>sign in</html>".to_owned()),
        ("/empty", 204, String::new()),
        ("/moved", 302, good.jwks().to_string()),
        ("/string", 200, json!({ "keys": "x" }).to_string()),
        ("/none", 200, json!({ "keys": [] }).to_string()),
        ("/deep", 200, "[".repeat(10_000)),
        ("/many", 200, json!({ "keys": vec![good.jwk(); 10_000] }).to_string()),
    ] {
        site.put_as(path, status, body);
        let answer = server.register(&client(path)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{path}");
        let why = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert_eq!(why, "Field jwks_uri does not lead to a document that can be used.", "{path}");
    }
    assert_eq!(server.register(&client("/nothing")).await.status, 400);
}

/// DR-25: who is not in the list is not in the sector.
#[tokio::test]
async fn dr_25_a_sector_lists_its_members() {
    let server = near(|config| {
        config.oidc.pairwise_salt = Some(hydrant::secret::Secret::new("a salt that never changes"));
    })
    .await;
    let site = Site::start().await;
    let member = |path: &str| {
        app(json!({ "subject_type": "pairwise", "sector_identifier_uri": site.url(path),
            "redirect_uris": ["https://app.example/cb", "https://other.example/cb"] }))
    };
    site.put("/good", json!(["https://app.example/cb", "https://other.example/cb", "https://third.example/"]));
    site.put("/bad", json!(["https://app.example/cb"]));
    site.put("/object", json!({ "uris": [] }));
    assert_eq!(server.register(&member("/good")).await.status, 201);
    for path in ["/bad", "/object", "/missing"] {
        server.register(&member(path)).await.assert_error(400, "invalid_client_metadata");
    }
    let mut without = member("/good");
    without.as_object_mut().unwrap().remove("sector_identifier_uri");
    server.register(&without).await.assert_error(400, "invalid_client_metadata");
}

/// DR-29.
#[tokio::test]
async fn dr_29_json_that_is_an_attack() {
    let server = Server::open_to_all(|_| {}).await;
    let members = (0..3000).map(|n| format!("\"m{n}\": {n}, ")).collect::<Vec<_>>().concat();
    for body in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "[".repeat(60_000),
        "{\"jwks\": 1e999}".to_owned(),
        "{\"scope\": \"a\", \"scope\": \"b\"}".to_owned(),
        "{\"client_name\": \"\\ud800\"}".to_owned(),
        "{\"redirect_uris\": [NaN]}".to_owned(),
        "{\"redirect_uris\": \"https://app.example/cb\"}".to_owned(),
        "{\"redirect_uris\": [\"https://app.example/cb\"], \"client_name\": \"a\\u0000b\"}".to_owned(),
        "{\"redirect_uris\": [\"https://app.example/cb\"], \"contacts\": [\"\\u0000\"]}".to_owned(),
    ] {
        send(&server, body).await.assert_error(400, "invalid_client_metadata");
    }
    let large = send(&server, vec![b' '; 1024 * 1024]).await;
    assert_eq!(large.error().0, 413);
    let unknown = send(&server, format!("{{{members} \"redirect_uris\": [\"https://app.example/cb\"]}}")).await;
    assert!(unknown.status == 201 && unknown.json().get("m1").is_none(), "{}", unknown.body);
    let form = server.post("/connect/register", &[("client_name", "x")]).await;
    assert_eq!(form.status, 415, "{}", form.body);
}

/// DR-31: only what a trusted issuer has signed, and then before what the body says.
#[tokio::test]
async fn dr_31_software_statements() {
    let (issuer, stranger) = (Signer::es256(), Signer::es256());
    let trusted = hydrant::config::TrustedIssuer {
        issuer: "https://directory.example".to_owned(),
        keys: hydrant::config::TrustedKeys::Here(issuer.jwks()),
    };
    let off = Server::open_to_all(|_| {}).await;
    let server = Server::open_to_all(|policy| policy.software_statement_issuers = vec![trusted]).await;
    let now = server.clock.now().seconds();
    let claims = json!({ "iss": "https://directory.example", "iat": now, "exp": now + 60, "client_name": "Vouched for",
        "software_id": "4NRB1", "redirect_uris": ["https://vouched.example/cb"] });
    let with = |statement: String| app(json!({ "software_statement": statement }));
    let mut other = claims.clone();
    other["iss"] = json!("https://elsewhere.example");
    let mut old = claims.clone();
    old["exp"] = json!(now - 60);
    let mut greedy = claims.clone();
    greedy["skip_consent"] = json!(true);
    for (statement, code) in [
        (issuer.sign(&other), "unapproved_software_statement"),
        (stranger.sign(&claims), "invalid_software_statement"),
        (issuer.sign(&old), "invalid_software_statement"),
        (crate::support::signer::unsigned(&claims), "invalid_software_statement"),
        ("nonsense".to_owned(), "invalid_software_statement"),
        (issuer.sign(&greedy), "invalid_client_metadata"),
    ] {
        server.register(&with(statement)).await.assert_error(400, code);
    }
    off.register(&with(issuer.sign(&claims))).await.assert_error(400, "unapproved_software_statement");
    let statement = issuer.sign(&claims);
    let client = Own(server.register(&with(statement.clone())).await.json());
    assert_eq!((client.text("client_name"), client.text("software_id")), ("Vouched for", "4NRB1"));
    assert_eq!(client.0["redirect_uris"], json!(["https://vouched.example/cb"]));
    assert_eq!(client.text("software_statement"), statement, "RFC 7591 section 3.2.1: as it came");
    assert!(Scope::parse(client.text("scope")).unwrap().contains("openid"));
}

/// DR-34.
#[tokio::test]
async fn dr_34_the_same_twice_is_two_clients() {
    let server = Server::open_to_all(|_| {}).await;
    let (first, second) = (server.own_client(json!({})).await, server.own_client(json!({})).await);
    assert!(first.id() != second.id() && first.secret() != second.secret() && first.token() != second.token());
    let chosen = server.own_client(json!({ "client_id": "web" })).await;
    assert_ne!(chosen.id(), "web", "RFC 7591 section 3.2.1: the server makes the id");
}
