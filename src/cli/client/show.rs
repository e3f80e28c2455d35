//! Clients as the command line shows them.

use anyhow::Result;
use serde::Serialize;

use crate::cli::output::{Format, card, print, print_json, table};
use crate::registration::Shown;
use crate::secret::Secret;

/// What the admin API shows, and who has made the client: Hydra has no member for that.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    client: &'a Shown,
    origin: &'static str,
}

fn told(client: &Shown) -> Told<'_> {
    Told { client, origin: if client.is_self_registered { "registration" } else { "operator" } }
}

pub fn show_one(client: &Shown, format: Format) -> Result<()> {
    let told = told(client);
    if format == Format::Json {
        return print_json(&told);
    }
    let metadata = &client.metadata;
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default();
    print(&card(&[
        ("CLIENT ID", client.client_id.to_string()),
        ("CLIENT SECRET", secret(&client.client_secret)),
        ("REGISTRATION TOKEN", secret(&client.registration_access_token)),
        ("REGISTRATION URI", client.registration_client_uri.clone().unwrap_or_default()),
        ("NAME", metadata.client_name.clone()),
        ("OWNER", metadata.owner.clone()),
        ("GRANT TYPES", metadata.grant_types.join(", ")),
        ("RESPONSE TYPES", metadata.response_types.join(", ")),
        ("SCOPE", metadata.scope.clone()),
        ("AUDIENCE", metadata.audience.join(", ")),
        ("REDIRECT URIS", metadata.redirect_uris.join(", ")),
        ("POST LOGOUT URIS", metadata.post_logout_redirect_uris.join(", ")),
        ("CORS ORIGINS", metadata.allowed_cors_origins.join(", ")),
        ("AUTHENTICATION", metadata.token_endpoint_auth_method.clone()),
        ("ORIGIN", told.origin.to_owned()),
        ("CREATED", client.created_at.clone()),
        ("UPDATED", client.updated_at.clone()),
    ]))?;
    if client.client_secret.is_some() {
        eprintln!("The secret is shown this once: keep it where the client reads it.");
    }
    Ok(())
}

pub fn show_all(clients: &[Shown], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&clients.iter().map(told).collect::<Vec<_>>());
    }
    let rows: Vec<_> = clients
        .iter()
        .map(|client| {
            vec![
                client.client_id.to_string(),
                client.metadata.client_name.clone(),
                told(client).origin.to_owned(),
                client.metadata.grant_types.join(", "),
                client.metadata.scope.clone(),
                client.metadata.redirect_uris.join(", "),
            ]
        })
        .collect();
    print(&table(&["CLIENT ID", "NAME", "ORIGIN", "GRANT TYPES", "SCOPE", "REDIRECT URIS"], &rows))
}
