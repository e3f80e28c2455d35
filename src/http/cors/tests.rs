//! Calls and preflights through a router.

use axum::body::Body;
use axum::routing::{get, post};
use tower::ServiceExt as _;

use super::*;
use crate::http::middleware::samples;

const CLIENTS: &str = "https://rp.example";
const OPERATORS: &str = "https://console.example.com";

fn app(allowed: &[&str]) -> Router {
    let mut cors = samples::cors();
    cors.enabled = true;
    cors.allow_credentials = true;
    cors.allowed_origins = allowed.iter().map(|origin| (*origin).to_owned()).collect();
    cors.max_age = 600;
    let known: KnownOrigin = Arc::new(|origin| Box::pin(async move { origin == CLIENTS }));
    let token = Router::new().route(
        "/token",
        post(async || {
            let mut response = "{}".into_response();
            response.extensions_mut().insert(AllowedOrigins(vec![CLIENTS.to_owned()]));
            response
        }),
    );
    Policy::new(&cors).with_client_origins(known).apply(token).merge(Router::new().route("/auth", get("page")))
}

async fn call(app: Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn value<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn only_registered_origins_read_the_answer() {
    let long = format!("https://{}.example", "a".repeat(10_240));
    for (origin, allowed, credentials) in [
        (CLIENTS, true, false),
        (OPERATORS, true, true),
        ("https://unregistered.example", false, false),
        ("null", false, false),
        ("https://rp.example.evil", false, false),
        ("http://rp.example", false, false),
        ("HTTPS://RP.EXAMPLE", false, false),
        ("https://rp.example/", false, false),
        ("https://rp.example:443", false, false),
        (long.as_str(), false, false),
    ] {
        let response = call(app(&[OPERATORS]), "POST", "/token", &[("origin", origin)]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(value(&response, "access-control-allow-origin"), allowed.then_some(origin), "{origin}");
        assert_eq!(value(&response, "access-control-allow-credentials"), credentials.then_some("true"), "{origin}");
        assert_eq!(value(&response, "vary"), Some("origin"));
        assert!(response.extensions().get::<AllowedOrigins>().is_none());

        let ask = [("origin", origin), ("access-control-request-method", "POST")];
        let response = call(app(&[OPERATORS]), "OPTIONS", "/token", &ask).await;
        assert_eq!(response.status(), 204);
        assert_eq!(value(&response, "access-control-allow-origin"), allowed.then_some(origin), "{origin}");
        assert_eq!(value(&response, "access-control-allow-methods").is_some(), allowed);
        assert_eq!(value(&response, "access-control-max-age"), allowed.then_some("600"));
        assert_eq!(value(&response, "vary"), Some("origin"));
    }
}

#[tokio::test]
async fn a_star_never_comes_with_credentials() {
    let response = call(app(&["*"]), "POST", "/token", &[("origin", "https://anyone.example")]).await;
    assert_eq!(value(&response, "access-control-allow-origin"), Some("https://anyone.example"));
    assert_eq!(value(&response, "access-control-allow-credentials"), None);
}

#[tokio::test]
async fn pages_have_no_cors() {
    for method in ["GET", "OPTIONS"] {
        let ask = [("origin", OPERATORS), ("access-control-request-method", "GET")];
        let response = call(app(&["*"]), method, "/auth", &ask).await;
        assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn an_options_request_that_is_no_preflight_goes_through() {
    assert_eq!(call(app(&["*"]), "OPTIONS", "/token", &[]).await.status(), 405);
}

#[tokio::test]
async fn switched_off_it_does_nothing() {
    let known: KnownOrigin = Arc::new(|_| Box::pin(async { true }));
    let router = Router::new().route("/token", post("{}"));
    let app = Policy::new(&samples::cors()).with_client_origins(known).apply(router);
    let response = call(app, "POST", "/token", &[("origin", CLIENTS)]).await;
    assert_eq!(value(&response, "access-control-allow-origin"), None);
    assert_eq!(value(&response, "vary"), None);
}

#[tokio::test]
async fn public_documents_are_for_every_page() {
    let app = || public_document(Router::new().route("/keys", get("{}")));
    let response = call(app(), "GET", "/keys", &[("origin", "null")]).await;
    assert_eq!(value(&response, "access-control-allow-origin"), Some("*"));
    assert_eq!(value(&response, "access-control-allow-credentials"), None);
    let ask = [("origin", CLIENTS), ("access-control-request-method", "GET")];
    let response = call(app(), "OPTIONS", "/keys", &ask).await;
    assert_eq!((response.status().as_u16(), value(&response, "access-control-allow-origin")), (204, Some("*")));
}
