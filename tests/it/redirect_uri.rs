//! Redirect URIs through the authorization endpoint: RFC 9700 section 4.1, RFC 8252 section 7. What may be registered is
//! tested beside the rule, in `src/oauth/redirect_uri/registration.rs`.

use hydrant::oauth::ErrorCode;
use hydrant::oauth::client_metadata::{ClientMetadata, Rules};
use serde_json::{Value, json};

use crate::support::{Authorize, Server, VERIFIER};

/// RU-01, RU-02, RU-04, RU-05: what is not the registered string is another URI, whatever a URL parser makes of it.
#[tokio::test]
async fn ru_01_only_the_exact_string_matches() {
    let server = Server::start().await;
    for uri in [
        "https://rp.example/cb/",
        "https://rp.example/CB",
        "https://rp.example/cb?",
        "https://rp.example/cb?x=1",
        "https://rp.example/cb#",
        "https://rp.example/cb#f",
        "https://RP.example/cb",
        "HTTPS://rp.example/cb",
        "https://rp.example:443/cb",
        "http://rp.example/cb",
        "https://rp.example/%63b",
        "https://rp.example/./cb",
        "https://rp.example//cb",
        "https://rp.example/a/../cb",
        "https://rp.example/cb%2f",
        "https://rp.example/cb%20",
        "https://rp.example/cb ",
        " https://rp.example/cb",
        "https://rp.example\\cb",
        "https://rp.example\\@evil.example/cb",
        "https:\\\\evil.example/cb",
        "https:/rp.example/cb",
        "https://rp.example%09.evil.example/cb",
        "https://rp.example/c\tb",
        "https://rp.example/c\nb",
        "https://rp.example/cb\r\n",
        "https://rp.example/cb\0",
        "https://rp.example/cb%00",
        "https://user@rp.example/cb",
        "https://rp.example.evil.example/cb",
        "https://evilrp.example/cb",
        "https://rp.example./cb",
        "https://rp.example",
        "//rp.example/cb",
        "/cb",
        "javascript:alert(1)",
        "*",
    ] {
        server.assert_page(&Authorize::of("web", uri), 400, "invalid_request").await;
    }
    assert_eq!(server.ask(&Authorize::web()).await.get.status, 302);
}

/// RU-08, CVE-2024-52289: a registered URI is no pattern.
#[tokio::test]
async fn ru_08_a_dot_is_a_dot() {
    let server = Server::start().await;
    let uris = ["https://rp.example/cb.v1", "https://rp.example/(a+)+$?x=[a-z]"];
    server.client("dotted", json!({ "redirect_uris": uris, "scope": "openid" })).await;
    assert_eq!(server.ask(&Authorize::of("dotted", uris[0])).await.get.status, 302);
    for uri in ["https://rp.example/cbXv1", "https://rp.example/cb.v12", "https://rp.example/aa?x=b"] {
        server.assert_page(&Authorize::of("dotted", uri), 400, "invalid_request").await;
    }
}

/// RU-10, OpenID Connect Core section 3.1.2.1; RFC 6749 section 3.1.2.3 lets plain OAuth leave out the only one.
#[tokio::test]
async fn ru_10_openid_connect_names_its_redirect_uri() {
    let server = Server::start().await;
    let without = Authorize::web().without("redirect_uri");
    server.assert_page(&without, 400, "invalid_request").await;
    server.assert_page(&without.clone().set("redirect_uri", ""), 400, "invalid_request").await;
    let two = Authorize::of("two", "").without("redirect_uri").set("scope", "photos.read");
    server.assert_page(&two, 400, "invalid_request").await;
    let code = server.code_for(&without.set("scope", "photos.read")).await;
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
    let tokens = server.post_as("web", "/oauth2/token", &fields).await.tokens();
    assert_eq!((tokens.scope.as_str(), tokens.id_token), ("photos.read", None));
}

/// RU-11: an empty list never means "anything".
#[tokio::test]
async fn ru_11_a_client_without_redirect_uris_has_no_authorization_endpoint() {
    let server = Server::start().await;
    let request = Authorize::of("svc", "https://evil.example/cb").set("scope", "photos.read");
    server.assert_page(&request, 400, "unauthorized_client").await;
    server.assert_page(&request.without("redirect_uri"), 400, "unauthorized_client").await;
}

/// RU-16, RFC 8252 section 7.3: an app listens where there is a port left.
#[tokio::test]
async fn ru_16_the_port_of_a_loopback_uri_may_vary() {
    let server = Server::start().await;
    for uri in ["http://127.0.0.1:51004/cb", "http://[::1]:51004/cb", "http://127.0.0.1/cb", "com.example.app:/cb"] {
        let mut browser = server.browser();
        let answer = browser.journey(&Authorize::of("native", uri), "alice").await;
        let location = answer.location().unwrap();
        assert!(location.starts_with(&format!("{uri}?code=")), "{location}");
        let code = location.split_once("code=").unwrap().1.split_once('&').unwrap().0;
        // What the token request repeats is the URI of the request, port and all (RFC 6749 section 4.1.3).
        let other = server.redeem("native", code, "http://127.0.0.1:5/cb", Some(VERIFIER)).await;
        other.assert_error(400, "invalid_grant");
        server.redeem("native", code, uri, Some(VERIFIER)).await.tokens();
    }
}

/// RU-17, CVE-2020-15233: and nothing but the port.
#[tokio::test]
async fn ru_17_nothing_but_the_port_may_vary() {
    let server = Server::start().await;
    for uri in [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:5/cb?x",
        "http://127.0.0.1:5/cb#f",
        "http://127.0.0.2:5/cb",
        "http://127.000.000.001:5/cb",
        "http://127.1:5/cb",
        "http://2130706433/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://localhost:5/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://u:p@127.0.0.1/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:65536/cb",
        "https://127.0.0.1:5/cb",
        "com.example.app://evil.example/cb",
        "com.example.app.evil:/cb",
    ] {
        server.assert_page(&Authorize::of("native", uri), 400, "invalid_request").await;
    }
}

/// RU-17: a client of the web has its port in its URI.
#[tokio::test]
async fn ru_17_the_port_of_a_web_client_is_exact() {
    let server = Server::start().await;
    let web = json!({ "redirect_uris": ["http://127.0.0.1:8080/cb"], "scope": "openid", "application_type": "web" });
    server.client("local", web).await;
    assert_eq!(server.ask(&Authorize::of("local", "http://127.0.0.1:8080/cb")).await.get.status, 302);
    server.assert_page(&Authorize::of("local", "http://127.0.0.1:8081/cb"), 400, "invalid_request").await;
}

/// RU-20, RFC 8252 section 8.1: an app keeps no secret, so PKCE is what binds its code.
#[tokio::test]
async fn ru_20_a_private_use_scheme_needs_pkce() {
    let server = Server::start().await;
    let request = Authorize::of("native", "com.example.app:/cb");
    let bare = request.without("code_challenge").without("code_challenge_method");
    let answer = server.ask(&bare).await.get;
    assert_eq!((answer.status, answer.parameter("error").as_deref()), (302, Some("invalid_request")));
    assert!(answer.location().unwrap().starts_with("com.example.app:/cb?error="));
}

fn refused(metadata: Value, dev: bool) -> Option<ErrorCode> {
    let config = hydrant::config::Config::for_tests("http://127.0.0.1:4444", "memory");
    let rules = Rules { dev, ..Rules::of(&config) };
    let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
    metadata.with_defaults(&[]).validate(&rules).err().map(|error| error.code)
}

/// RU-07, RU-13, RU-14, RU-19, RU-20, RU-22, RU-25 at registration: the rule that every way to register a client asks.
#[test]
fn ru_07_what_may_not_be_matched_may_not_be_registered() {
    let long = format!("https://rp.example/{}", "a".repeat(10 * 1024));
    for (uri, native) in [
        ("https://*.rp.example/cb", false),
        ("https://rp.example/*", false),
        ("http://rp.example/cb", false),
        ("http://127.0.0.1/cb", false),
        ("http://localhost/cb", true),
        ("https://rp.example/cb#f", false),
        ("https://rp.example/cb#", false),
        ("myapp:/cb", true),
        ("https.evil:/cb", true),
        ("com.example.app:/cb", false),
        ("https://rp.example/cb?x=\"onfocus=alert(1)\"", false),
        ("https://rp.example/cb?x=<b>", false),
        ("https://rp.example/cb?code=1", false),
        (&long, false),
    ] {
        let kind = if native { "native" } else { "web" };
        let metadata = json!({ "redirect_uris": ["https://rp.example/ok", uri], "application_type": kind });
        assert_eq!(refused(metadata, false), Some(ErrorCode::InvalidRedirectUri), "{uri}");
    }
    let many: Vec<_> = (0..1000).map(|number| format!("https://rp.example/{number}")).collect();
    assert_eq!(refused(json!({ "redirect_uris": many }), false), Some(ErrorCode::InvalidRedirectUri));
    assert_eq!(refused(json!({ "redirect_uris": &many[..50] }), false), None);
    let native = json!({ "redirect_uris": ["com.example.app:/cb", "http://[::1]/cb"], "application_type": "native" });
    assert_eq!(refused(native, false), None);
    assert_eq!(refused(json!({ "redirect_uris": ["http://rp.example/cb"] }), true), None, "RU-13: in dev mode");
}

/// RU-23, CVE-2025-4143: the token request repeats the redirect URI, and a wrong one does not cost its owner the code.
#[tokio::test]
async fn ru_23_the_token_request_repeats_the_redirect_uri() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    for uri in ["https://rp.example/cb/", "https://rp.example/CB", "https://evil.example/cb", ""] {
        server.redeem("web", &code, uri, Some(VERIFIER)).await.assert_error(400, "invalid_grant");
    }
    server.redeem("evil", &code, "https://rp.example/cb", Some(VERIFIER)).await.assert_error(400, "invalid_grant");
    server.token(&code).await.tokens();
    let code = server.code_for(&Authorize::of("two", "https://two.example/cb")).await;
    let other = server.redeem("two", &code, "https://two.example/other", Some(VERIFIER)).await;
    other.assert_error(400, "invalid_grant");
    server.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
}

/// RU-26, RFC 9700 section 4.1.
#[tokio::test]
async fn ru_26_the_uri_of_another_client_is_not_this_ones() {
    let server = Server::start().await;
    for (client, uri) in [
        ("web", "https://two.example/cb"),
        ("two", "https://rp.example/cb"),
        ("web", "https://evil.example/cb"),
        ("evil", "https://rp.example/cb"),
    ] {
        server.assert_page(&Authorize::of(client, uri), 400, "invalid_request").await;
    }
}
