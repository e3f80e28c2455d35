//! `oidc.dynamic_client_registration`: who may register a client, and what such a client may be.

use std::time::Duration;

use url::Url;

/// Clients that register themselves. An operator's own are not bound by any of this.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    pub enabled: bool,
    /// `require_token`: an initial access token (RFC 7591 section 3).
    pub require_token: bool,
    pub allowed_scope: Vec<String>,
    pub allowed_grant_types: Vec<String>,
    /// What their tokens may be for: each client has all of it.
    pub allowed_audience: Vec<String>,
    /// Registrations of one address within `window`.
    pub per_address: u32,
    pub window: Duration,
    pub max_clients: u32,
    /// `None` (written 0): also a client that was never used stays.
    pub unused_for: Option<Duration>,
    pub client_lifetime: Option<Duration>,
    pub secret_lifetime: Option<Duration>,
    pub allow_secret_in_query: bool,
    pub software_statement_issuers: Vec<TrustedIssuer>,
    pub untrusted_redirects: UntrustedRedirects,
}

/// What is done with an error of a request that no person has seen a page of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UntrustedRedirects {
    #[default]
    Interstitial,
    Redirect,
}

/// Somebody who vouches for software.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedIssuer {
    /// `iss`, letter for letter.
    pub issuer: String,
    pub keys: TrustedKeys,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TrustedKeys {
    /// A JWK set.
    Here(serde_json::Value),
    At(Url),
}
