//! Every URL of both ports, on one screen.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router};
use serde_json::Value;

use crate::app::App;
use crate::config::Config;
use crate::endpoint::{
    account, authorize, check_session, consent, discovery, end_session, introspection, jwks, login, logo, logout,
    registration, revocation, style, token, userinfo,
};
use crate::http::answer::JsonError;
use crate::http::listener::Drain;
use crate::http::middleware::{self, Options};
use crate::http::{cors, health, page};
use crate::oauth::server_metadata::{path, well_known_paths};
use crate::oauth::{Error, ErrorCode};
use crate::{admin, openapi};

/// A path and what it takes.
type Route = (String, MethodRouter<App>);

/// What relying parties, browsers and people see.
pub fn public(app: &App, drain: Drain) -> Router {
    let config = &app.config;
    let published = cors::public_document(refusing_methods(router(keys())));
    let routes = router(pages(config)).merge(published).merge(for_clients(app, router(apis(config))));
    let base = page::base(app);
    // Behind a proxy that strips the issuer's path and behind one that does not.
    let routes = if base.is_empty() { routes } else { Router::new().nest(base, routes.clone()).merge(routes) };
    let discovery = cors::public_document(refusing_methods(router(discovery(config))));
    let routes = routes.merge(discovery).merge(router(probes()));
    let options = Options::public(config, &app.metrics, drain).telling(&app.guard.told);
    finish(app, routes.fallback(no_page), options)
}

/// What operators see.
pub fn admin(app: &App, drain: Drain) -> Router {
    let cors = cors::Policy::new(&app.config.serve.admin.cors);
    let routes = cors.apply(refusing_methods(admin::routes(resources()))).fallback(not_found);
    finish(app, routes, Options::admin(&app.config, &app.metrics, drain))
}

/// Every path of the public port, for an issuer without one of its own.
pub fn public_paths(config: &Config) -> Vec<String> {
    let routes = [pages(config), keys(), apis(config), discovery(config), probes()];
    routes.into_iter().flatten().map(|(path, _)| path).collect()
}

/// Every path of the admin port, without `/admin`.
pub fn admin_paths() -> Vec<&'static str> {
    resources().into_iter().map(|(path, _)| path).collect()
}

fn resources() -> Vec<admin::Resource> {
    admin::resources().into_iter().chain([("/openapi.json", get(openapi_document))]).collect()
}

fn router(routes: Vec<Route>) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, (path, methods)| router.route(&path, methods))
}

fn route(path: &str, methods: MethodRouter<App>) -> Route {
    (path.to_owned(), methods)
}

/// For people and their browsers: no other site may read these (RFC 9700 section 2.6).
fn pages(config: &Config) -> Vec<Route> {
    let mut routes = vec![
        route(path::AUTHORIZATION, get(authorize::get).post(authorize::post)),
        route(path::END_SESSION, get(end_session::get).post(end_session::post).head(end_session::head)),
        route("/account", get(account::get).post(account::post)),
        route("/login", get(login::get).post(login::post)),
        route("/consent", get(consent::get).post(consent::post)),
        route("/logout", get(logout::get).post(logout::post)),
        route("/logout/done", get(logout::done)),
        route("/ui/hydrant.css", get(style::stylesheet)),
        route("/ui/icon.svg", get(style::icon)),
        route("/ui/logo/{client_id}", get(logo::get)),
    ];
    if config.logout.session_management {
        routes.push(route(path::CHECK_SESSION, get(check_session::get)));
    }
    routes
}

/// For everybody. These paths have the issuer's path in them where it belongs.
fn discovery(config: &Config) -> Vec<Route> {
    let resource = discovery::resource(config);
    well_known_paths(&config.urls.issuer_url).into_iter().map(|path| route(&path, resource.clone())).collect()
}

/// For everybody.
fn keys() -> Vec<Route> {
    vec![route(path::JWKS, jwks::resource())]
}

/// For clients, also those that live in a browser.
fn apis(config: &Config) -> Vec<Route> {
    let mut routes = vec![
        route(path::TOKEN, post(token::post)),
        route(path::REVOCATION, post(revocation::post)),
        route(path::USERINFO, get(userinfo::serve).post(userinfo::serve)),
    ];
    if config.oauth2.public_introspection {
        routes.push(route(path::INTROSPECTION, post(introspection::post)));
    }
    for path in [path::REGISTRATION, path::REGISTRATION_OF_HYDRA] {
        let (clients, client) = match config.oidc.registration.enabled {
            true => {
                (post(registration::post), get(registration::get).put(registration::put).delete(registration::delete))
            }
            false => (any(registration::disabled), any(registration::disabled)),
        };
        routes.extend([route(path, clients), route(&format!("{path}/{{id}}"), client)]);
    }
    routes
}

fn for_clients(app: &App, routes: Router<App>) -> Router<App> {
    let store = app.store.clone();
    let known: cors::KnownOrigin = Arc::new(move |origin| {
        let store = store.clone();
        Box::pin(async move { store.is_registered_origin(origin).await.unwrap_or(false) })
    });
    cors::Policy::new(&app.config.serve.public.cors).with_client_origins(known).apply(refusing_methods(routes))
}

/// For orchestrators: whether to restart, whether to send requests.
fn probes() -> Vec<Route> {
    vec![
        route("/health/alive", get(health::alive)),
        route("/health/ready", get(health::ready_public)),
        route("/version", get(health::version)),
    ]
}

/// Of both ports, with this server's own address.
async fn openapi_document(State(app): State<App>) -> Json<Value> {
    Json(openapi::document(&app.config.urls.public))
}

fn finish(app: &App, routes: Router<App>, options: Options) -> Router {
    middleware::layers(refusing_methods(routes), options).with_state(app.clone())
}

/// Before a layer is put around them: a preflight is a method that no route takes, and a fallback that is set later
/// answers it in the layer's place.
fn refusing_methods(routes: Router<App>) -> Router<App> {
    routes.method_not_allowed_fallback(method_not_allowed)
}

async fn not_found() -> JsonError {
    JsonError(nothing_here())
}

/// Who types the issuer into a browser gets a page, and a program the same as everywhere.
async fn no_page(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return page::fault(&app, &headers, nothing_here());
    }
    JsonError(nothing_here()).into_response()
}

fn nothing_here() -> Error {
    ErrorCode::NotFound.because("The requested resource does not exist. Check path, domain and port.")
}

async fn method_not_allowed(_: HeaderMap) -> Response {
    let error = ErrorCode::InvalidRequest.because("This resource does not take this method; see the header Allow.");
    JsonError(error.with_status(StatusCode::METHOD_NOT_ALLOWED.as_u16())).into_response()
}
