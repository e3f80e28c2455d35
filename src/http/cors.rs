//! CORS as `serve.*.cors` says (Fetch standard section 3.3), and per client by its `allowed_cors_origins`.
//!
//! A router gets a policy where scripts may call: token, revocation, userinfo, introspection. Pages (authorize, login,
//! consent, logout) get none: RFC 9700 section 2.6 forbids it.

mod origins;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use futures_util::TryFutureExt as _;
use futures_util::future::{self, BoxFuture, Either, MapOk, Ready};
use tower::{Layer, Service};

pub use self::origins::Origins;
use crate::config;

/// Whether some client registered this origin: all that a preflight can ask, because it names no client.
pub type KnownOrigin = Arc<dyn for<'a> Fn(&'a str) -> BoxFuture<'a, bool> + Send + Sync>;

/// The endpoint's word, as a response extension: the origins of the client that has just been served (`allowed_cors_origins`).
#[derive(Clone, Debug)]
pub struct AllowedOrigins(pub Vec<String>);

/// One port's CORS rules. Clones share them.
#[derive(Clone)]
pub struct Policy(Option<Arc<Rules>>);

#[derive(Clone)]
struct Rules {
    origins: Origins,
    /// Only an origin that the operator listed may send cookies; one that a client registered, or that `*` let in, may not.
    credentials: bool,
    methods: HeaderValue,
    headers: AllowedHeaders,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    known: Option<KnownOrigin>,
}

#[derive(Clone)]
enum AllowedHeaders {
    /// `*`: whatever the preflight asks for. (A literal `*` would not cover `Authorization`.)
    Any,
    These(HeaderValue),
}

impl Policy {
    /// Where `cors.enabled` is false it does nothing at all.
    pub fn new(cors: &config::Cors) -> Self {
        let list = |values: &[String]| HeaderValue::from_str(&values.join(", ")).ok().filter(|value| !value.is_empty());
        Self(cors.enabled.then(|| {
            Arc::new(Rules {
                origins: Origins::new(&cors.allowed_origins),
                credentials: cors.allow_credentials,
                methods: list(&cors.allowed_methods).unwrap_or(HeaderValue::from_static("GET, POST")),
                headers: if cors.allowed_headers.iter().any(|name| name == "*") {
                    AllowedHeaders::Any
                } else {
                    AllowedHeaders::These(
                        list(&cors.allowed_headers).unwrap_or(HeaderValue::from_static("content-type")),
                    )
                },
                exposed: list(&cors.exposed_headers),
                max_age: (cors.max_age > 0).then(|| HeaderValue::from(cors.max_age)),
                known: None,
            })
        }))
    }

    /// Also the origins of clients: `known` answers preflights, `AllowedOrigins` the requests themselves.
    #[must_use]
    pub fn with_client_origins(self, known: KnownOrigin) -> Self {
        Self(self.0.map(|rules| Arc::new(Rules { known: Some(known), ..Arc::unwrap_or_clone(rules) })))
    }

    /// Puts the rules around every route that `router` has by now.
    pub fn apply<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        match &self.0 {
            Some(rules) => router.layer(from_fn_with_state(Arc::clone(rules), answer)),
            None => router,
        }
    }
}

/// Documents that are public anyway (discovery, JWKS): any page may read them, without credentials.
pub fn public_document<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(Publish)
}

#[derive(Clone)]
struct Publish;

impl Layer<Route> for Publish {
    type Service = Published;

    fn layer(&self, route: Route) -> Published {
        Published(route)
    }
}

#[derive(Clone)]
struct Published(Route);

impl Service<Request> for Published {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, MapOk<RouteFuture<Infallible>, fn(Response) -> Response>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if is_preflight(request.method(), request.headers()) {
            return Either::Left(future::ready(Ok(any_may_ask())));
        }
        Either::Right(self.0.call(request).map_ok(any_may_read as fn(Response) -> Response))
    }
}

fn any_may_ask() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    response
}

fn any_may_read(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    response
}

/// Where a policy is applied, no route sees one of these.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

async fn answer(State(rules): State<Arc<Rules>>, request: Request, next: Next) -> Response {
    if is_preflight(request.method(), request.headers()) {
        let (parts, _) = request.into_parts();
        return rules.preflight(&parts).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    let clients = response.extensions_mut().remove::<AllowedOrigins>();
    let headers = response.headers_mut();
    vary(headers, header::ORIGIN);
    let Some((origin, text)) = origin.as_ref().and_then(|origin| Some((origin, origin.to_str().ok()?))) else {
        return response;
    };
    let globally = rules.origins.contains(text);
    if globally || clients.is_some_and(|AllowedOrigins(list)| Origins::of_client(&list).contains(text)) {
        rules.allow(headers, origin, text);
        if let Some(exposed) = &rules.exposed {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
    response
}

impl Rules {
    async fn preflight(&self, parts: &Parts) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        vary(headers, header::ORIGIN);
        vary(headers, header::ACCESS_CONTROL_REQUEST_METHOD);
        vary(headers, header::ACCESS_CONTROL_REQUEST_HEADERS);
        let Some(origin) = parts.headers.get(header::ORIGIN) else { return response };
        let Ok(text) = origin.to_str() else { return response };
        if !self.origins.contains(text) && !self.is_some_clients(text).await {
            return response;
        }
        self.allow(headers, origin, text);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        let allowed = match &self.headers {
            AllowedHeaders::These(list) => Some(list),
            AllowedHeaders::Any => parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS),
        };
        if let Some(allowed) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
        }
        if let Some(max_age) = &self.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        response
    }

    async fn is_some_clients(&self, origin: &str) -> bool {
        match &self.known {
            Some(known) => origins::is_well_formed(origin) && known(origin).await,
            None => false,
        }
    }

    fn allow(&self, headers: &mut HeaderMap, origin: &HeaderValue, text: &str) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials && self.origins.lists(text) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

fn vary(headers: &mut HeaderMap, name: HeaderName) {
    headers.append(header::VARY, name.into());
}

#[cfg(test)]
mod tests;
