//! Every URL of both ports, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use crate::admin;
use crate::app::App;
use crate::endpoint::{
    authorize, consent, discovery, end_session, introspection, jwks, login, logo, logout, registration, revocation,
    style, token, userinfo,
};
use crate::http::answer::JsonError;
use crate::http::listener::Drain;
use crate::http::middleware::{self, Options};
use crate::http::{cors, health, page};
use crate::oauth::server_metadata::{path, well_known_paths};
use crate::oauth::{Error, ErrorCode};

/// What relying parties, browsers and people see.
pub fn public(app: &App, drain: Drain) -> Router {
    let routes = pages().merge(keys()).merge(apis(app));
    let base = page::base(app);
    // Behind a proxy that strips the issuer's path and behind one that does not.
    let routes = if base.is_empty() { routes } else { Router::new().nest(base, routes.clone()).merge(routes) };
    finish(
        app,
        routes.merge(discovery(app)).merge(probes()).fallback(no_page),
        Options::public(&app.config, &app.metrics, drain),
    )
}

/// What operators see.
pub fn admin(app: &App, drain: Drain) -> Router {
    let cors = cors::Policy::new(&app.config.serve.admin.cors);
    finish(
        app,
        cors.apply(refusing_methods(admin::routes())).fallback(not_found),
        Options::admin(&app.config, &app.metrics, drain),
    )
}

/// For people and their browsers: no other site may read these (RFC 9700 section 2.6).
fn pages() -> Router<App> {
    Router::new()
        .route(path::AUTHORIZATION, get(authorize::get).post(authorize::post))
        .route(path::END_SESSION, get(end_session::get).post(end_session::post))
        .route("/login", get(login::get).post(login::post))
        .route("/consent", get(consent::get).post(consent::post))
        .route("/logout", get(logout::get).post(logout::post))
        .route("/logout/done", get(logout::done))
        .route("/ui/hydrant.css", get(style::stylesheet))
        .route("/ui/icon.svg", get(style::icon))
        .route("/ui/logo/{client_id}", get(logo::get))
}

/// For everybody. These paths have the issuer's path in them where it belongs.
fn discovery(app: &App) -> Router<App> {
    let routes = well_known_paths(&app.config.urls.issuer_url)
        .into_iter()
        .fold(Router::new(), |routes, path| routes.route(&path, get(discovery::get)))
        .layer(Extension(discovery::document(&app.config)));
    cors::public_document(refusing_methods(routes))
}

/// For everybody.
fn keys() -> Router<App> {
    cors::public_document(refusing_methods(Router::new().route(path::JWKS, get(jwks::get))))
}

/// For clients, also those that live in a browser.
fn apis(app: &App) -> Router<App> {
    let mut routes = Router::new()
        .route(path::TOKEN, post(token::post))
        .route(path::REVOCATION, post(revocation::post))
        .route(path::USERINFO, get(userinfo::serve).post(userinfo::serve));
    if app.config.oauth2.public_introspection {
        routes = routes.route(path::INTROSPECTION, post(introspection::post));
    }
    for path in [path::REGISTRATION, path::REGISTRATION_OF_HYDRA] {
        let (clients, client) = match app.config.oidc.registration.enabled {
            true => {
                (post(registration::post), get(registration::get).put(registration::put).delete(registration::delete))
            }
            false => (any(registration::disabled), any(registration::disabled)),
        };
        routes = routes.route(path, clients).route(&format!("{path}/{{id}}"), client);
    }
    let store = app.store.clone();
    let known: cors::KnownOrigin = Arc::new(move |origin| {
        let store = store.clone();
        Box::pin(async move { store.is_registered_origin(origin).await.unwrap_or(false) })
    });
    cors::Policy::new(&app.config.serve.public.cors).with_client_origins(known).apply(refusing_methods(routes))
}

/// For orchestrators: whether to restart, whether to send requests.
fn probes() -> Router<App> {
    Router::new()
        .route("/health/alive", get(health::alive))
        .route("/health/ready", get(health::ready_public))
        .route("/version", get(health::version))
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
