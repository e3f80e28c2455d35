//! What is fetched from where a client has said, and kept: its key set (`jwks_uri`, RFC 7591 section 2), its request
//! objects (OpenID Connect Core section 6.2), the list of its sector (section 8.1).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

use super::remembered::Remembered;
use super::{Fetch, Fetched, TOTAL};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::jose::KeySet;

/// Some 50 large RSA keys.
const LONGEST_KEY_SET: usize = 64 * 1024;
const LONGEST_REQUEST_OBJECT: usize = 16 * 1024;
/// A thousand redirect URIs.
const LONGEST_SECTOR: usize = 256 * 1024;

const LONGEST_LOGO: usize = 256 * 1024;

const KEY_SET_LASTS: Duration = Duration::from_hours(1);
/// A request object is made anew more often than keys are: its own end is an hour away at most.
const REQUEST_OBJECT_LASTS: Duration = Duration::from_mins(1);
const LOGO_LASTS: Duration = Duration::from_hours(24);
/// Documents of one kind that are kept.
const MOST: usize = 1000;
/// 16 MiB at most.
const MOST_LOGOS: usize = 64;
/// Beyond this many clients the memory of registered keys starts anew.
const MOST_CLIENTS: usize = 10_000;
/// Calls for logos at once. Anybody can ask for any client's, so they must not take the places of what clients need.
const LOGOS_AT_ONCE: usize = 8;

/// The memory of what was fetched, one for the process.
pub(super) struct Documents {
    key_sets: Remembered<KeySet>,
    request_objects: Remembered<String>,
    logos: Remembered<Fetched>,
    logo_places: Arc<Semaphore>,
    /// `jwks` as each client has registered it, and as it was read.
    registered: Mutex<HashMap<ClientId, (Value, Arc<KeySet>)>>,
}

impl Documents {
    pub(super) fn new() -> Self {
        Self {
            key_sets: Remembered::new(KEY_SET_LASTS, MOST),
            request_objects: Remembered::new(REQUEST_OBJECT_LASTS, MOST),
            logos: Remembered::new(LOGO_LASTS, MOST_LOGOS),
            logo_places: Arc::new(Semaphore::new(LOGOS_AT_ONCE)),
            registered: Mutex::default(),
        }
    }
}

impl Fetch {
    /// The keys at a `jwks_uri`, kept for an hour; with `than`, newer ones than these if there are any, which is looked
    /// for once a minute. `None` where there is nothing to be had: why is in the log.
    pub async fn key_set(&self, url: &str, than: Option<&Arc<KeySet>>, now: Timestamp) -> Option<Arc<KeySet>> {
        let (fetch, place) = (self.clone(), url.to_owned());
        let call = async move {
            let body = fetch.document(&place, LONGEST_KEY_SET, "application/jwk-set+json, application/json").await?;
            KeySet::parse(&body)
                .inspect_err(|error| tracing::warn!(url = place, %error, "a jwks_uri leads to no key set"))
                .ok()
        };
        self.documents.key_sets.get(url, than, now, call).await
    }

    /// The keys that a client has registered by value, read once.
    pub fn registered_key_set(&self, client: &ClientId, jwks: &Value) -> Arc<KeySet> {
        if jwks.is_null() {
            return Arc::default();
        }
        let mut registered = self.documents.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((as_read, keys)) = registered.get(client)
            && as_read == jwks
        {
            return Arc::clone(keys);
        }
        let keys = KeySet::parse(jwks.to_string().as_bytes());
        let keys = keys.inspect_err(|error| tracing::error!(%client, %error, "the client's jwks can not be used"));
        let keys = Arc::new(keys.unwrap_or_default());
        if registered.len() >= MOST_CLIENTS {
            registered.clear();
        }
        registered.insert(client.clone(), (jwks.clone(), Arc::clone(&keys)));
        keys
    }

    /// What is at a `request_uri`, kept for a minute.
    pub async fn request_object(&self, url: &str, now: Timestamp) -> Option<Arc<String>> {
        let (fetch, place) = (self.clone(), url.to_owned());
        let call = async move {
            let body = fetch.document(&place, LONGEST_REQUEST_OBJECT, "application/oauth-authz-req+jwt").await?;
            String::from_utf8(body)
                .inspect_err(|_| tracing::warn!(url = place, "a request_uri leads to no request object"))
                .ok()
        };
        self.documents.request_objects.get(url, None, now, call).await
    }

    /// What is at a `logo_uri`, whatever kind of document it is, kept for a day.
    pub async fn logo(&self, url: &str, now: Timestamp) -> Option<Arc<Fetched>> {
        let (fetch, place) = (self.clone(), Url::parse(url).ok()?);
        let call = async move {
            let free = tokio::time::timeout(TOTAL, fetch.documents.logo_places.acquire()).await;
            let _free = free.inspect_err(|_| tracing::warn!("too many logos are being fetched")).ok()?;
            fetch
                .get(&place, LONGEST_LOGO, "image/*")
                .await
                .inspect_err(|error| tracing::debug!(url = %place, %error, "a client's logo could not be fetched"))
                .ok()
                .filter(|fetched| fetched.status == 200)
        };
        self.documents.logos.get(url, None, now, call).await
    }

    /// The redirect URIs of a sector. Asked for when a client registers, and never kept.
    pub async fn sector(&self, url: &str) -> Option<Vec<String>> {
        let body = self.document(url, LONGEST_SECTOR, "application/json").await?;
        serde_json::from_slice(&body)
            .inspect_err(|_| tracing::warn!(url, "a sector_identifier_uri leads to no list of URIs"))
            .ok()
    }

    async fn document(&self, url: &str, limit: usize, accept: &str) -> Option<Vec<u8>> {
        let parsed = Url::parse(url).ok()?;
        match self.get(&parsed, limit, accept).await {
            Ok(fetched) if fetched.status == 200 => Some(fetched.body.into()),
            Ok(fetched) => {
                tracing::warn!(url, status = fetched.status, "a client's document was not given");
                None
            }
            Err(error) => {
                tracing::warn!(url, %error, "a client's document could not be fetched");
                None
            }
        }
    }
}
