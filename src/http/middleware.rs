//! What surrounds every endpoint of both ports: the checks before it, the bounds around it, the headers after it.

mod in_flight;
mod request_id;
mod request_log;
#[cfg(test)]
pub(in crate::http) mod samples;
#[cfg(test)]
mod tests;
mod within;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use maud::Markup;
use tower::{Layer, Service};

use self::in_flight::{Arriving, Place};
pub use self::request_id::{RequestId, X_REQUEST_ID};
use self::request_log::RequestLog;
pub use self::within::current;
use self::within::{Current, within};
use super::admin_access::{self, Caller, Gate};
use super::client_address::{self, ClientAddress, Peer};
use super::cors::{self, Origins};
use super::host::{self, Hosts, Termination};
use super::listener::Drain;
use super::page;
use super::refusal::{FULL, Refusal, TOO_LARGE};
use crate::config::{self, Config};
use crate::metrics::{self, Metrics};

/// Bytes of a request's target; more is 414. What does not fit here is for a pushed authorization request.
const MAX_TARGET: usize = 16 * 1024;

/// A body that has come with its head, for the most part: a connection can go on after it, read or not.
const SMALL: u64 = 4096;

const READINESS: &str = "/health/ready";

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const UNNAMED: &str = "the proxy before the unix socket sends no X-Forwarded-For: all callers count as one, and limits \
                       per address (limits.login.per_address) stop everybody together";

const REFUSED_METHOD: Refusal =
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "This server does not take this method.");

/// On the answer that pages of others may frame. There is one (`endpoint/check_session.rs`).
#[derive(Clone, Copy, Debug)]
pub struct Framable;

/// What the layers of one port need to know.
pub struct Options {
    hosts: Hosts,
    termination: Termination,
    proxies: Vec<ipnet::IpNet>,
    /// On the admin port: the origins whose pages may call it.
    browsers: Option<Origins>,
    /// On the admin port, where tokens are listed.
    gate: Option<Gate>,
    port: Port,
    metrics: Metrics,
    /// Whether browsers come over https: then they are told to stay there.
    https: bool,
    body: usize,
    max_in_flight: usize,
    /// What people see where those are taken.
    full_page: Option<Markup>,
    request_timeout: Duration,
    silent_health: bool,
    drain: Drain,
    /// Whether the operator was told that the proxy before a socket names nobody.
    told: Arc<Once>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Public,
    Admin,
}

impl Options {
    /// A pattern without what is written in several ways.
    fn route_of<'a>(&self, pattern: &'a str) -> &'a str {
        match self.port {
            Port::Public => pattern,
            Port::Admin => admin_access::bare(pattern),
        }
    }

    fn requests(&self) -> &metrics::Http {
        match self.port {
            Port::Public => self.metrics.public(),
            Port::Admin => self.metrics.admin(),
        }
    }

    pub fn public(config: &Config, metrics: &Metrics, drain: Drain) -> Self {
        let https = config.urls.issuer_url.scheme() == "https";
        let hosts = Hosts::public(&config.urls, config.dev);
        let full_page = Some(page::prepared(config, &FULL));
        Self { full_page, ..Self::new(&config.serve.public, &config.limits, hosts, https, metrics, drain) }
    }

    /// Tells it once together with the port's other threads.
    #[must_use]
    pub fn telling(self, told: &Arc<Once>) -> Self {
        Self { told: Arc::clone(told), ..self }
    }

    pub fn admin(config: &Config, metrics: &Metrics, drain: Drain) -> Self {
        let listener = &config.serve.admin;
        let cors = &listener.cors;
        let browsers = if cors.enabled { Origins::new(&cors.allowed_origins) } else { Origins::none() };
        let hosts = Hosts::admin(listener);
        Self {
            browsers: Some(browsers),
            gate: Gate::new(&config.serve.admin_tokens),
            port: Port::Admin,
            ..Self::new(listener, &config.limits, hosts, listener.tls.is_some(), metrics, drain)
        }
    }

    fn new(
        listener: &config::Listener,
        limits: &config::Limits,
        hosts: Hosts,
        https: bool,
        metrics: &Metrics,
        drain: Drain,
    ) -> Self {
        Self {
            hosts,
            termination: Termination::new(listener),
            proxies: listener.allow_termination_from.clone(),
            browsers: None,
            gate: None,
            port: Port::Public,
            metrics: metrics.clone(),
            https,
            body: limits.body,
            max_in_flight: limits.max_in_flight,
            full_page: None,
            request_timeout: limits.request_timeout,
            silent_health: listener.request_log_disable_for_health,
            drain,
            told: Arc::new(Once::new()),
        }
    }

    /// Everything that can be wrong with a request before it is anybody's; and whose it is, on a port that asks. Probes
    /// come from orchestrators: by address, in plain http, from anywhere.
    fn check(&self, parts: &Parts) -> Result<Option<Caller>, Refusal> {
        if matches!(parts.method, Method::TRACE | Method::CONNECT) {
            return Err(REFUSED_METHOD);
        }
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, "invalid_request", "The request URI is too long."));
        }
        if is_health(parts.uri.path()) {
            let draining = parts.uri.path() == READINESS && self.drain.is_draining();
            return if draining { Err(Refusal::unavailable("The server is shutting down.")) } else { Ok(None) };
        }
        self.hosts.check(parts)?;
        self.termination.check(client_address::peer(&parts.extensions), &parts.headers)?;
        if let Some(allowed) = &self.browsers {
            host::check_browser(parts, allowed)?;
        }
        let caller = match &self.gate {
            // Browsers send no token with it, and the CORS layer answers it before any route.
            Some(_) if self.is_preflight(parts) => None,
            Some(gate) => gate.admit(parts)?,
            None => None,
        };
        if declared_length(&parts.headers).is_some_and(|length| length > self.body as u64) {
            return Err(TOO_LARGE);
        }
        Ok(caller)
    }

    /// Only the public port counts anybody by address, and a probe is nobody's.
    fn look_for_names(&self, peer: Peer, client: ClientAddress, path: &str) {
        let unnamed = peer == Peer::Socket && client.0.is_unspecified();
        if unnamed && self.port == Port::Public && !is_health(path) {
            self.told.call_once(|| tracing::warn!("{UNNAMED}"));
        }
    }

    /// From an origin that may call.
    fn is_preflight(&self, parts: &Parts) -> bool {
        let origin = parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let allowed = origin.zip(self.browsers.as_ref()).is_some_and(|(origin, allowed)| allowed.contains(origin));
        allowed && cors::is_preflight(&parts.method, &parts.headers)
    }
}

/// Puts the layers around every route and the fallback that `router` has by now: the last thing done to a router.
pub fn layers<S: Clone + Send + Sync + 'static>(router: Router<S>, options: Options) -> Router<S> {
    // The limit is ours: axum's own would only hold for its extractors.
    router.layer(DefaultBodyLimit::disable()).layer(Surround(Arc::new(options)))
}

#[derive(Clone)]
struct Surround(Arc<Options>);

impl Layer<Route> for Surround {
    type Service = Surrounded;

    fn layer(&self, route: Route) -> Surrounded {
        Surrounded { options: Arc::clone(&self.0), route }
    }
}

/// A route with everything around it.
#[derive(Clone)]
struct Surrounded {
    options: Arc<Options>,
    route: Route,
}

impl Service<Request> for Surrounded {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.route, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let options = Arc::clone(&self.options);
        let (mut parts, body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let peer = client_address::peer(&parts.extensions);
        let client = ClientAddress::of(peer, &parts.headers, &options.proxies);
        let silent = options.silent_health && is_health(parts.uri.path());
        let mut log = RequestLog::start(&options, &parts, client.0, id.clone(), silent);
        let version = parts.version;

        let place = Place::of(&options, &parts);
        let caller = match place.as_ref().map_err(|full| *full).and_then(|_| options.check(&parts)) {
            Err(refusal) => {
                let response = match refusal {
                    REFUSED_METHOD => ([(header::ALLOW, METHODS)], REFUSED_METHOD).into_response(),
                    FULL => options.turn_away(&parts.headers),
                    refusal => refusal.into_response(),
                };
                let is_large =
                    !body.is_end_stream() && declared_length(&parts.headers).is_none_or(|length| length > SMALL);
                let mut response = finish(&options, &id, version, log, response);
                if is_large && version <= Version::HTTP_11 {
                    // The body will not be read, so that nothing can follow it (RFC 9112 section 9.3).
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                return Box::pin(future::ready(Ok(response)));
            }
            Ok(caller) => caller,
        };
        options.look_for_names(peer, client, parts.uri.path());
        parts.extensions.insert(client);
        parts.extensions.insert(id.clone());
        if let Some(caller) = &caller {
            parts.extensions.insert(caller.clone());
        }
        let body = if body.is_end_stream() { body } else { Body::new(Arriving::new(body, &options)) };
        log.caller.clone_from(&caller);
        let answer = self.route.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let _place = place;
            let endpoint = bounded(&options, answer.map(|Ok(response)| response));
            let response = within(Current { id: id.clone(), caller }, endpoint).await;
            Ok(finish(&options, &id, version, log, response))
        })
    }
}

/// What every answer gets, and the end of its line in the log.
fn finish(options: &Options, id: &RequestId, version: Version, log: RequestLog, response: Response) -> Response {
    let mut response = speak_json(response);
    headers(response.headers_mut(), options, id, version);
    if response.extensions().get::<Framable>().is_some() {
        response.headers_mut().remove(header::X_FRAME_OPTIONS);
    }
    log.finish(response.status(), response.body().size_hint().exact());
    response
}

/// A panic is a 500 that says nothing; an endpoint that takes too long is dropped, and with it whatever it waits for.
async fn bounded(options: &Options, endpoint: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(options.request_timeout, AssertUnwindSafe(endpoint).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            options.metrics.panicked();
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "The server met an unexpected condition.")
                .into_response()
        }
        Err(_elapsed) => Refusal::unavailable("The server took too long. Please try again.").into_response(),
    }
}

/// Turns axum's own refusals (an empty 405, a 404, a plain text 415) into the error object; endpoints' answers stay.
fn speak_json(response: Response) -> Response {
    let plain = match response.headers().get(header::CONTENT_TYPE) {
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
        None => true,
    };
    let status = response.status();
    if !plain {
        return response;
    }
    let (error, description) = match status {
        StatusCode::NOT_FOUND => ("not_found", "There is nothing at this path."),
        StatusCode::METHOD_NOT_ALLOWED => ("invalid_request", "This path does not take this method."),
        StatusCode::PAYLOAD_TOO_LARGE => (TOO_LARGE.error, TOO_LARGE.description),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("invalid_request", "The request has an unsupported content type."),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => ("invalid_request", "The request is malformed."),
        StatusCode::INTERNAL_SERVER_ERROR => ("server_error", "The server met an unexpected condition."),
        _ => return response,
    };
    let (parts, _) = response.into_parts();
    let mut ours = Refusal::new(status, error, description).into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            ours.headers_mut().append(name, value.clone());
        }
    }
    *ours.extensions_mut() = parts.extensions;
    ours
}

fn headers(headers: &mut HeaderMap, options: &Options, id: &RequestId, version: Version) {
    headers.reserve(8);
    let mut unless_set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(header::REFERRER_POLICY, "no-referrer");
    unless_set(header::X_FRAME_OPTIONS, "DENY");
    if options.https {
        unless_set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // RFC 6749 section 5.1 asks for both.
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
    headers.insert(X_REQUEST_ID, id.header());
    // RFC 9112 section 9.6; HTTP/2 has GOAWAY instead.
    if options.drain.is_draining() && version <= Version::HTTP_11 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

fn is_health(path: &str) -> bool {
    matches!(path, "/health/alive" | READINESS)
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
