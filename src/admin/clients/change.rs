//! What an operator changes of a client: each change is of the row that it was made for, or made anew.

use super::{Input, Patch, checked, chosen_secret, unknown};
use crate::app::App;
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::oauth::client_metadata::{Lifespans, Rules, check_client_id, check_secret};
use crate::oauth::{ErrorCode, Result};
use crate::registration::Shown;
use crate::secret::Secret;
use crate::store::audit::Action;
use crate::store::client::Client;
use crate::store::db::Json;
use crate::{client_documents, client_secret};

/// How often a change is made anew because another one came between. Each time, another one was made.
const TRIES: usize = 100;

#[derive(Clone, Debug)]
pub enum Change {
    /// As a whole, but for its secret, which stays unless another is given. A client that needs one and has none, or of
    /// whose only a hash is left where the secret itself is needed, gets one, which is in the answer.
    Replace(Box<Input>),
    /// RFC 6902.
    Patch(Patch),
    /// The whole block of them.
    Lifespans(Lifespans),
    /// To a new secret, which is in the answer; the one before stays good.
    RotateSecret,
    /// The secrets before the present one are good no longer.
    ForgetRotated,
}

/// Changes a client. Of two changes at once of different members neither is lost: the one that comes second is made once
/// more, of what the first has made.
pub async fn change(app: &App, id: &ClientId, change: &Change) -> Result<Shown> {
    check_client_id(id.as_str()).map_err(|_| unknown())?;
    for _ in 0..TRIES {
        let now = app.clock.now();
        let before = app.store.client_to_change(id).await?.ok_or_else(unknown)?;
        // Boxed: it is large, and so would be whatever waits for it.
        let (after, secret) = Box::pin(change.of(app, &before, now)).await?;
        if let Some(client) = app.store.change_client(&before, &after, change.action(), now).await? {
            tracing::info!(client = %id, change = change.name(), new_secret = secret.is_some(), "a client was changed");
            return Ok(Shown::new(&client, secret));
        }
    }
    Err(ErrorCode::Conflict.because("The client is being changed by others all the time. Please try again."))
}

impl Change {
    /// For the log.
    fn name(&self) -> &'static str {
        match self {
            Self::Replace(_) => "replaced",
            Self::Patch(_) => "patched",
            Self::Lifespans(_) => "lifespans",
            Self::RotateSecret => "secret rotated",
            Self::ForgetRotated => "earlier secrets forgotten",
        }
    }

    /// For the event.
    fn action(&self) -> Action {
        match self {
            Self::Replace(_) | Self::Patch(_) | Self::Lifespans(_) => Action::ClientChanged,
            Self::RotateSecret => Action::ClientSecretRotated,
            Self::ForgetRotated => Action::ClientSecretsForgotten,
        }
    }

    /// What becomes of the client, and its secret where it gets another one.
    async fn of(&self, app: &App, before: &Client, now: Timestamp) -> Result<(Client, Option<Secret>)> {
        match self {
            Self::Replace(input) => replace(app, before, Input::clone(input), now).await,
            Self::Patch(patch) => replace(app, before, patch.apply(before)?, now).await,
            Self::Lifespans(lifespans) => {
                let mut after = before.clone();
                after.metadata.0.lifespans = lifespans.clone();
                after.metadata().validate(&Rules::of(&app.config))?;
                Ok((after, None))
            }
            Self::RotateSecret => {
                let (after, secret) = client_secret::rotate(app, before, now).await?;
                Ok((after, Some(secret)))
            }
            Self::ForgetRotated => Ok((Client { rotated_secrets: Json::default(), ..before.clone() }, None)),
        }
    }
}

async fn replace(app: &App, before: &Client, input: Input, now: Timestamp) -> Result<(Client, Option<Secret>)> {
    if input.client_id.is_some_and(|named| !named.is_empty() && named != before.id.as_str()) {
        return Err(ErrorCode::InvalidRequest.because("The client_id is not that of the path; it can not be changed."));
    }
    if input.client_secret_hash.is_some_and(|hash| !hash.expose().is_empty()) {
        return Err(ErrorCode::InvalidClientMetadata
            .because("Field client_secret_hash can only be set where a client is created."));
    }
    let metadata = checked(app, input.metadata)?;
    let chosen = chosen_secret("client_secret", input.client_secret, &metadata)?;
    let (kept, secret) = match chosen {
        Some(secret) => {
            check_secret(secret.expose())?;
            (Some(client_secret::keep(app, &before.id, &metadata, &secret).await?), Some(secret))
        }
        None => {
            client_secret::rekeep(app, before, &metadata).await?.map_or((None, None), |(kept, new)| (Some(kept), new))
        }
    };
    client_documents::check(app, &metadata, Some(before.metadata())).await?;
    client_documents::ensure_keys(app, &metadata).await?;
    let mut after = Client { metadata: Json(metadata), ..before.clone() };
    if let Some(kept) = &kept {
        after.set_secret(Some(kept));
    }
    if client_secret::check_rotation(after.metadata()).is_err() {
        // What can not be rotated has nothing before it that could come back.
        after.rotated_secrets = Json::default();
    }
    if secret.is_some() {
        after.secret_expires_at = client_secret::expires_at(app, before, now);
        after.rotated_secrets = Json::default();
    }
    Ok((after, secret))
}
