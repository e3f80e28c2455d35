//! The admin API: Hydra's resources, and our users. Every route stands with and without `/admin` before it, and with
//! and without a slash at its end, because Hydra's tools of all ages do.

pub mod clients;
pub mod introspection;
pub mod keys;
mod page;
pub mod registration_tokens;
pub mod trusted_issuers;
pub mod users;

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post};

pub use self::page::{Asked, Page};
use crate::app::App;
use crate::http::health;

/// All routes of the admin port. What they do not know is answered by `http::middleware`: 404, and 405 with `Allow`.
pub fn routes() -> Router<App> {
    let resources: [(&str, MethodRouter<App>); 14] = [
        ("/clients", get(clients::on_list).post(clients::on_post)),
        ("/clients/{id}", get(clients::on_get).put(clients::on_put).delete(clients::on_delete)),
        ("/registration-tokens", get(registration_tokens::on_list).post(registration_tokens::on_post)),
        ("/registration-tokens/{id}", delete(registration_tokens::on_delete)),
        ("/users", get(users::on_list).post(users::on_post)),
        ("/users/{id}", get(users::on_get).put(users::on_put).delete(users::on_delete)),
        ("/keys/{set}", get(keys::on_get).post(keys::on_post).put(keys::on_put).delete(keys::on_delete)),
        ("/keys/{set}/{kid}", get(keys::on_get_key).put(keys::on_put_key).delete(keys::on_delete_key)),
        (trusted_issuers::PATH, get(trusted_issuers::on_list).post(trusted_issuers::on_post)),
        (trusted_issuers::ONE, get(trusted_issuers::on_get).delete(trusted_issuers::on_delete)),
        ("/oauth2/introspect", post(introspection::on_post)),
        ("/health/alive", get(health::alive)),
        ("/health/ready", get(health::ready_admin)),
        ("/version", get(health::version)),
    ];
    resources.into_iter().fold(Router::new(), |router, (path, methods)| {
        ["/admin", ""].into_iter().fold(router, |router, prefix| {
            router
                .route(&format!("{prefix}{path}"), methods.clone())
                .route(&format!("{prefix}{path}/"), methods.clone())
        })
    })
}
