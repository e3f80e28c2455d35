//! Clients that register themselves (RFC 7591, OpenID Connect Dynamic Client Registration) and look after their own
//! registration (RFC 7592).

mod shown;
mod statement;

use std::net::IpAddr;
use std::sync::Arc;

pub use self::shown::{Shown, in_path};
use crate::app::App;
use crate::attempts::{TooMany, household};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::oauth::client_metadata::{AuthMethod, Rules, check_client_id};
use crate::oauth::registration::{Before, Request};
use crate::oauth::{Error, ErrorCode, Result};
use crate::secret::{self, Secret, fingerprint};
use crate::store::audit::Action;
use crate::store::client::{Client, Registered, SELF_REGISTERED};
use crate::store::db::Json;
use crate::{client_documents, client_secret};

/// When to try again where there are too many clients, in seconds.
const FULL_FOR: u64 = 3600;

/// What somebody shows who wants to manage a registration.
#[derive(Debug)]
pub enum Credentials {
    /// The registration access token, RFC 7592 section 2.
    Token(Secret),
    /// The client's own id and secret, as `seed.md` has it.
    Client(ClientId, Secret),
}

/// A client that has proven that it may manage its registration.
#[derive(Debug)]
pub struct Manager {
    client: Arc<Client>,
}

impl Manager {
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the registration is changed on condition of: its token as it was when this was proven. Each change has another,
    /// so whoever proved themselves with what was changed meanwhile, a token or a secret, comes too late.
    fn token_hash(&self) -> &str {
        self.client.registration_token_hash.as_deref().unwrap_or_default()
    }
}

/// Registers a client; `token` is the initial access token that it came with. Cheap refusals come first: nothing is fetched
/// and nothing written for who may not register.
pub async fn register(app: &App, body: &[u8], token: Option<&Secret>, address: IpAddr) -> Result<Shown> {
    let now = app.clock.now();
    let policy = &app.config.oidc.registration;
    let token_hash = token.map(|token| fingerprint(token.expose()));
    match &token_hash {
        Some(hash) if !app.store.registration_token_is_live(hash, now).await? => return Err(token_refused()),
        None if policy.require_token => return Err(token_refused()),
        _ => {}
    }
    let request = read(app, body, now).await?;
    if request.client_secret.as_ref().is_some_and(|secret| !secret.expose().is_empty()) {
        return Err(
            ErrorCode::InvalidClientMetadata.because("It is not allowed to choose your own OAuth2 Client secret.")
        );
    }
    let metadata = request.metadata(&app.config.oidc, &Rules::of(&app.config), None)?;
    if token_hash.is_none() {
        // What was registered stays counted, and so does what makes us call somebody.
        app.guard.registrations.begin(household(address)).await.map_err(too_many)?;
    }
    client_documents::check_of_stranger(app, &metadata, None).await?;
    client_documents::ensure_keys(app, &metadata).await?;
    let id = ClientId::made();
    let secret = metadata.has_use_for_secret().then(|| client_secret::make(app, &id, &metadata));
    let registration_token = Secret::random();
    let mut client = Client {
        registration_token_hash: Some(fingerprint(registration_token.expose())),
        origin: SELF_REGISTERED.to_owned(),
        expires_at: [policy.unused_for, policy.client_lifetime].into_iter().flatten().min().map(|life| now + life),
        ..Client::new(id, metadata, now)
    };
    if let Some((kept, _)) = &secret {
        client.set_secret(Some(kept));
        client.secret_expires_at = client_secret::expires_at(app, &client, now);
    }
    // Strangers who fill the table must not shut out whom the operator has invited.
    let most = if token_hash.is_some() { u32::MAX } else { policy.max_clients };
    match app.store.register_client(&client, token_hash.as_deref(), most, now).await? {
        Registered::Done => {}
        Registered::TokenSpent => return Err(token_refused()),
        Registered::Full => {
            tracing::warn!("a registration was refused: oidc.dynamic_client_registration.max_clients is reached");
            return Err(ErrorCode::TemporarilyUnavailable
                .because("There are as many registered clients as the server takes.")
                .retry_after(FULL_FOR));
        }
    }
    tracing::info!(client = %client.id, %address, "a client has registered itself");
    Ok(Shown::to_itself(app, &client, secret.map(|(_, secret)| secret), Some(registration_token)))
}

/// Who may manage this registration: by its token whoever has got one, by its secret a client that registered itself. What
/// is wrong is not told: whether there is such a client is nobody's business (RFC 7592 section 2).
pub async fn authenticate(app: &App, id: &ClientId, credentials: &Credentials, address: IpAddr) -> Result<Manager> {
    // What no client can be called is not looked for.
    let client = match check_client_id(id.as_str()) {
        Ok(()) => {
            let now = app.clock.now();
            app.store.client(id).await?.filter(|client| !client.is_gone(now))
        }
        Err(_) => None,
    };
    match credentials {
        Credentials::Token(token) => {
            let hash = fingerprint(token.expose());
            let kept = client.as_ref().and_then(|client| client.registration_token_hash.as_deref());
            let is_right = secret::same(kept.unwrap_or_default().as_bytes(), hash.as_bytes());
            match client.filter(|_| is_right) {
                Some(client) => Ok(Manager { client }),
                None => {
                    tracing::warn!(%address, "a registration access token was refused: it is not that of this client");
                    Err(token_refused())
                }
            }
        }
        Credentials::Client(named, secret) => {
            let failed = || ErrorCode::InvalidClient.because("The credentials are not those of this client.");
            let has_secret = |client: &Arc<Client>| {
                client.is_self_registered()
                    && matches!(client.metadata().auth_method(), AuthMethod::Basic | AuthMethod::Post)
            };
            let client = client.filter(|client| client.id == *named).filter(has_secret).ok_or_else(failed)?;
            match client_secret::is_right(app, &client, secret, address).await? {
                true => Ok(Manager { client }),
                false => Err(failed()),
            }
        }
    }
}

/// What is registered, without the secret and without another token.
pub fn read_back(app: &App, manager: &Manager) -> Shown {
    Shown::to_itself(app, &manager.client, None, None)
}

/// Replaces a registration as a whole by the rules of a new one (RFC 7592 section 2.2), its token too. The secret stays
/// unless another is given.
pub async fn replace(app: &App, manager: &Manager, body: &[u8], address: IpAddr) -> Result<Shown> {
    let now = app.clock.now();
    let before = &manager.client;
    let request = read(app, body, now).await?;
    if request.client_id.as_deref() != Some(before.id.as_str()) {
        return Err(ErrorCode::InvalidClientMetadata
            .because("Field client_id must be that of the registration (RFC 7592 section 2.2)."));
    }
    let registered = Before { metadata: before.metadata(), is_operators: !before.is_self_registered() };
    let metadata = request.metadata(&app.config.oidc, &Rules::of(&app.config), Some(registered))?;
    // A client that sends its secret along changes nothing by it.
    let given = match request.client_secret.as_ref().filter(|secret| !secret.expose().is_empty()) {
        Some(secret) if client_secret::is_same(app, before, secret, address).await? => {
            if client_secret::is_expired(before, now) {
                return Err(ErrorCode::InvalidClientMetadata
                    .because("Field client_secret must be another one: this one has expired."));
            }
            Some((secret, false))
        }
        Some(_) => request.chosen_secret()?.map(|secret| (secret, true)),
        None => None,
    };
    // What costs as much as registering anew is counted as that: a call, and a secret to be hashed.
    let is_new = given.is_some_and(|(_, is_new)| is_new);
    let unseals = before.secret_sealed.is_some() && !metadata.needs_secret_back();
    if is_new || unseals || client_documents::are_to_be_fetched(&metadata, before.metadata()) {
        app.guard.registrations.begin(household(address)).await.map_err(too_many)?;
    }
    client_documents::check_of_stranger(app, &metadata, Some(before.metadata())).await?;
    client_documents::ensure_keys(app, &metadata).await?;
    let (kept, new) = match given {
        Some((secret, true)) => {
            (Some(client_secret::keep(app, &before.id, &metadata, secret).await?), Some(secret.clone()))
        }
        _ => client_secret::rekeep(app, before, &metadata).await?.map_or((None, None), |(kept, new)| (Some(kept), new)),
    };
    let token = Secret::random();
    let mut client = Client {
        registration_token_hash: Some(fingerprint(token.expose())),
        metadata: Json(metadata),
        ..Client::clone(before)
    };
    if let Some(kept) = &kept {
        client.set_secret(Some(kept));
    }
    if new.is_some() {
        // A secret that is only kept in another way lasts no longer for it.
        client.secret_expires_at = client_secret::expires_at(app, &client, now);
        client.rotated_secrets = Json::default();
    }
    let changed = app.store.change_client(before, &client, Action::ClientChanged, now).await?;
    let Some(client) = changed else { return Err(overtaken(app, manager).await?) };
    tracing::info!(client = %client.id, new_secret = new.is_some(), "a client has replaced its registration");
    let secret = new.or_else(|| given.map(|(secret, _)| secret.clone()));
    Ok(Shown::to_itself(app, &client, secret, Some(token)))
}

/// Why a registration is no longer the one that the client has proven to be its own: it was replaced, or an operator has
/// changed it.
async fn overtaken(app: &App, manager: &Manager) -> Result<Error> {
    let now_there = app.store.client_to_change(&manager.client.id).await?;
    let has_same_token =
        now_there.is_some_and(|client| client.registration_token_hash == manager.client.registration_token_hash);
    Ok(match has_same_token {
        true => ErrorCode::Conflict.because("The client was changed at the same moment. Please try again."),
        false => token_refused(),
    })
}

/// Deletes a registration; the client's tokens are dead from then on.
pub async fn delete(app: &App, manager: &Manager) -> Result<()> {
    let id = &manager.client.id;
    if !app.store.delete_registration(id, manager.token_hash()).await? {
        return Err(token_refused());
    }
    tracing::info!(client = %id, "a client has deleted its registration");
    Ok(())
}

/// Remembers that the client has got tokens. A failure is not the client's concern: its next tokens tell the same.
pub async fn has_got_tokens(app: &App, client: &Client, now: Timestamp) {
    let ends_at = app.config.oidc.registration.client_lifetime.map(|life| client.created_at + life);
    if let Err(error) = app.store.client_was_used(client, ends_at, now).await {
        tracing::warn!(%error, client = %client.id, "the client's first use could not be kept");
    }
}

async fn read(app: &App, body: &[u8], now: Timestamp) -> Result<Request> {
    let request = Request::read(body)?;
    let statement = request.metadata.software.software_statement.as_str();
    if statement.is_empty() {
        return Ok(request);
    }
    let claims = statement::verify(app, statement, now).await?;
    Request::with_statement(body, claims)
}

/// For initial access tokens and for registration access tokens alike.
fn token_refused() -> Error {
    ErrorCode::InvalidToken.because("The request has no token that is good for this.")
}

fn too_many(TooMany(wait): TooMany) -> Error {
    ErrorCode::TooManyRequests
        .because("Too many clients were registered from this address. Please wait and try again.")
        .retry_after(wait.as_secs().max(1))
}
