//! How a relying party's requests travel: its HTTP client, its authentication, and what a refusal says.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longer than anything takes on one machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why something did not come about. For the person in front of it: no secret is in it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server's own refusal: an OAuth error, by its code.
    #[error("{code}: {description}")]
    Refused { code: String, description: String },
    /// The server's answer is not to be believed.
    #[error("{0}")]
    Wrong(String),
    #[error("the server did not answer: {0}")]
    Http(#[from] reqwest::Error),
}

impl Failure {
    pub fn wrong(why: impl Into<String>) -> Self {
        Self::Wrong(why.into())
    }

    /// The OAuth error code, where the server gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Wrong(_) | Self::Http(_) => None,
        }
    }
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A client for servers of this machine: no proxy is asked on the way, no redirect followed.
pub fn http() -> Result<reqwest::Client> {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::wrong(error.to_string()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT);
    Ok(client.build()?)
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
pub fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

pub async fn answer<T: DeserializeOwned>(response: Response) -> Result<T> {
    if response.status().is_success() {
        let body = response.bytes().await?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::wrong(format!("the answer is not the JSON due: {error}")))
    } else {
        Err(refused(response).await)
    }
}

/// RFC 6749 section 5.2; a bearer's error stands in the challenge alone where there is no body (RFC 6750 section 3).
pub async fn refused(response: Response) -> Failure {
    #[derive(Default, Deserialize)]
    struct Body {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    let status = response.status().as_u16();
    let challenge = response.headers().get(reqwest::header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let in_challenge = challenge.and_then(bearer_error).map(str::to_owned);
    let body: Option<Body> = response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok());
    match (body, in_challenge) {
        (Some(body), _) => Failure::Refused { code: body.error, description: body.error_description },
        (None, Some(code)) => Failure::Refused { code, description: format!("status {status}") },
        (None, None) => Failure::wrong(format!("the server answered with status {status} and no reason")),
    }
}

fn bearer_error(challenge: &str) -> Option<&str> {
    challenge.split_once("error=\"")?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_authenticates_with_both_halves_encoded() {
        // RFC 6749 section 2.3.1 with RFC 7617 section 2: "a b:c%" has to come apart at the right colon
        assert_eq!(basic("a b", "c:%"), format!("Basic {}", STANDARD.encode("a+b:c%3A%25")));
    }

    #[test]
    fn a_bearer_challenge_tells_its_error() {
        let challenge = r#"Bearer realm="x", error="invalid_token", error_description="It has expired.""#;
        assert_eq!(bearer_error(challenge), Some("invalid_token"));
        assert_eq!(bearer_error("Bearer"), None);
    }
}
