//! Calls to the operator's own hooks. The configuration names them, so they may be anywhere (they usually are on a
//! private network, or on this machine); what they answer is still bounded, and still leads nowhere else.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue};
use reqwest::{Client, Request, Response, StatusCode};
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use super::{Fetch, FetchError, failure, skip};
use crate::config::{ApiKey, ApiKeyPlace, Hook};

/// Calls at once. What waits for a place waits within its own time, and holds nothing meanwhile.
const AT_ONCE: usize = 128;
/// Sixteen times what a hook may say.
const LONGEST: usize = 256 * 1024;
const LONGEST_ERROR: usize = 8 * 1024;
/// A shorter wait than web servers commonly have (5 s), so that it is us who close what is idle: a request on a
/// connection that the other side is just closing would fail, and could not be sent again.
const IDLE: Duration = Duration::from_secs(4);
/// Before another attempt at a connection.
const PAUSES: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];

/// The header that a hook can find the request by, in its log and in ours.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a hook has answered, with the body of a 200.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub body: Bytes,
}

/// The way to the hooks.
pub(super) struct Hooks {
    client: Client,
    places: Semaphore,
}

impl Hooks {
    pub(super) fn new(tls: &ClientConfig) -> Result<Self, reqwest::Error> {
        let client = super::client(tls).pool_idle_timeout(IDLE).build()?;
        Ok(Self { client, places: Semaphore::new(AT_ONCE) })
    }
}

impl Fetch {
    /// Asks a hook, once: only a connection that could not be made is tried again, because a hook that has got the
    /// request may have acted on it. All of it within the hook's time.
    pub async fn ask_hook(&self, hook: &Hook, request_id: &str, body: Vec<u8>) -> Result<Answered, FetchError> {
        let hooks = &self.hooks;
        let mut request = hooks
            .client
            .post(hook.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json; charset=UTF-8")
            .header(REQUEST_ID, request_id)
            .body(body);
        if let Some(key) = &hook.api_key {
            let (name, value) = proof(key).ok_or(FetchError::Refused("the API key is no header or cookie"))?;
            request = request.header(name, value);
        }
        let call = async {
            let _place = hooks.places.acquire().await;
            let response = send(&hooks.client, request.build()).await?;
            let status = response.status();
            if status == StatusCode::OK {
                return Ok(Answered { status: status.as_u16(), body: read(response).await? });
            }
            skip(response, LONGEST_ERROR).await;
            Ok(Answered { status: status.as_u16(), body: Bytes::new() })
        };
        tokio::time::timeout(hook.timeout, call).await.map_err(|_| FetchError::TimedOut)?
    }
}

/// The header that an API key is.
fn proof(key: &ApiKey) -> Option<(HeaderName, HeaderValue)> {
    let (name, text) = match key.place {
        ApiKeyPlace::Header => (HeaderName::from_bytes(key.name.as_bytes()).ok()?, key.value.expose().to_owned()),
        ApiKeyPlace::Cookie => (COOKIE, format!("{}={}", key.name, key.value.expose())),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

async fn send(client: &Client, request: reqwest::Result<Request>) -> Result<Response, FetchError> {
    let request = request.map_err(nameless)?;
    for pause in PAUSES {
        let Some(copy) = request.try_clone() else { break };
        match client.execute(copy).await {
            Err(error) if error.is_connect() => tokio::time::sleep(pause).await,
            outcome => return outcome.map_err(nameless),
        }
    }
    client.execute(request).await.map_err(nameless)
}

/// The URL may have credentials in it, and errors are for the log.
fn nameless(error: reqwest::Error) -> FetchError {
    failure(error.without_url())
}

/// The body of an answer that counts.
async fn read(mut response: Response) -> Result<Bytes, FetchError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(nameless)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
