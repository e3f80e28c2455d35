//! The admin API: Hydra's resources, and our users. Every route stands with and without `/admin` before it, and with
//! and without a slash at its end, because Hydra's tools of all ages do.

mod acting;
pub mod challenge;
pub mod clients;
pub mod consent_request;
pub mod events;
pub mod introspection;
pub mod keys;
pub mod login_request;
pub mod logout_request;
pub mod logout_tokens;
pub mod metrics;
mod page;
pub mod registration_tokens;
pub mod sessions;
pub mod tokens;
pub mod trusted_issuers;
pub mod users;

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post, put};

pub use self::page::{Asked, Page};
use crate::app::App;
use crate::http::health;

/// A path without `/admin`, and what it takes.
pub type Resource = (&'static str, MethodRouter<App>);

/// Every resource of the admin API. `openapi/admin.rs` says of each what it is.
pub fn resources() -> Vec<Resource> {
    vec![
        ("/clients", get(clients::on_list).post(clients::on_post)),
        (
            "/clients/{id}",
            get(clients::on_get).put(clients::on_put).patch(clients::on_patch).delete(clients::on_delete),
        ),
        ("/clients/{id}/lifespans", put(clients::on_put_lifespans)),
        ("/clients/{id}/secrets/rotate", post(clients::on_rotate).delete(clients::on_forget)),
        ("/registration-tokens", get(registration_tokens::on_list).post(registration_tokens::on_post)),
        ("/registration-tokens/{id}", delete(registration_tokens::on_delete)),
        ("/users", get(users::on_list).post(users::on_post)),
        ("/users/{id}", get(users::on_get).put(users::on_put).delete(users::on_delete)),
        ("/keys/{set}", get(keys::on_get).post(keys::on_post).put(keys::on_put).delete(keys::on_delete)),
        ("/keys/{set}/{kid}", get(keys::on_get_key).put(keys::on_put_key).delete(keys::on_delete_key)),
        (trusted_issuers::PATH, get(trusted_issuers::on_list).post(trusted_issuers::on_post)),
        (trusted_issuers::ONE, get(trusted_issuers::on_get).delete(trusted_issuers::on_delete)),
        ("/oauth2/auth/requests/login", get(login_request::on_get)),
        ("/oauth2/auth/requests/login/accept", put(login_request::on_accept)),
        ("/oauth2/auth/requests/login/reject", put(login_request::on_reject)),
        ("/oauth2/auth/requests/consent", get(consent_request::on_get)),
        ("/oauth2/auth/requests/consent/accept", put(consent_request::on_accept)),
        ("/oauth2/auth/requests/consent/reject", put(consent_request::on_reject)),
        ("/oauth2/auth/requests/logout", get(logout_request::on_get)),
        ("/oauth2/auth/requests/logout/accept", put(logout_request::on_accept)),
        ("/oauth2/auth/requests/logout/reject", put(logout_request::on_reject)),
        ("/oauth2/auth/sessions/consent", get(sessions::on_list_consents).delete(sessions::on_revoke_consents)),
        ("/oauth2/auth/sessions/login", get(sessions::on_list_logins).delete(sessions::on_revoke_logins)),
        ("/logout-tokens", get(logout_tokens::on_list)),
        ("/oauth2/introspect", post(introspection::on_post)),
        ("/oauth2/tokens", delete(tokens::on_delete)),
        ("/events", get(events::on_list)),
        ("/health/alive", get(health::alive)),
        ("/health/ready", get(health::ready_admin)),
        ("/version", get(health::version)),
        ("/metrics/prometheus", get(metrics::on_get)),
    ]
}

/// Their routes. What they do not know is answered by `http::middleware`: 404, and 405 with `Allow`.
pub fn routes(resources: Vec<Resource>) -> Router<App> {
    resources.into_iter().fold(Router::new(), |router, (path, methods)| {
        ["/admin", ""].into_iter().fold(router, |router, prefix| {
            router
                .route(&format!("{prefix}{path}"), methods.clone())
                .route(&format!("{prefix}{path}/"), methods.clone())
        })
    })
}
