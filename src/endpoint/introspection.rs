//! The introspection endpoint of the public port: RFC 7662, with client authentication.

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::http::answer::{no_store, respond};
use crate::http::form::Authenticated;
use crate::http::introspected::Introspected;
use crate::oauth::Result;
use crate::oauth::params::Params;
use crate::store::client::Client;
use crate::token::{self, Active};

pub async fn post(State(app): State<App>, Authenticated { client, form }: Authenticated) -> Response {
    let introspected = introspect(&app, &client, &form).await;
    respond(&client, introspected.map(|introspected| (no_store(), Json(introspected))))
}

async fn introspect(app: &App, client: &Client, form: &Params) -> Result<Introspected> {
    let active = token::any(app, form.require("token")?).await?.filter(|active| may_see(client, active));
    match active {
        Some(active) => Introspected::for_client(app, &active).await,
        None => Ok(Introspected::INACTIVE),
    }
}

/// RFC 7662 section 4: a client sees its own tokens; a resource server (a client that can prove who it is) also the
/// access tokens that are meant for it, or for nobody in particular. One that registered itself is one only for what
/// names it.
fn may_see(client: &Client, active: &Active) -> bool {
    if *active.client() == client.id {
        return true;
    }
    let metadata = client.metadata();
    let is_named = active.audience().iter().any(|one| one == client.id.as_str());
    // Anybody may register, and say of themselves what they like: nobody has made them a resource server.
    let is_trusted = !client.is_self_registered();
    let meant = is_named
        || is_trusted
            && (active.audience().is_empty() || active.audience().iter().any(|one| metadata.audience.contains(one)));
    !metadata.is_public() && !matches!(active, Active::Refresh { .. }) && meant
}
