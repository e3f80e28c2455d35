//! `oidc.dynamic_client_registration`: Hydra's two keys and our own.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::setting::Setting;
use crate::config::{TrustedIssuer, UntrustedRedirects};

/// Registration of clients by themselves (OpenID Connect Dynamic Client Registration, RFC 7591, RFC 7592).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Registration {
    /// Let clients register themselves at `/connect/register` and `/oauth2/register`.
    #[schemars(extend("default" = false))]
    pub enabled: Setting<bool>,
    /// The scope of clients that name none.
    #[schemars(extend("default" = ["offline_access", "offline", "openid"]))]
    pub default_scope: Setting<Vec<String>>,
    /// Only who has an initial access token may register (`hydrant client registration-token create`).
    #[schemars(extend("default" = false))]
    pub require_token: Setting<bool>,
    /// What clients may register in `scope` themselves, besides `default_scope`; compared word by word.
    #[schemars(extend("default" = ["openid", "offline", "offline_access", "profile", "email", "address", "phone"]))]
    pub allowed_scope: Setting<Vec<String>>,
    /// The grant types that clients may register themselves.
    #[schemars(extend("default" = ["authorization_code", "refresh_token", "implicit"]))]
    pub allowed_grant_types: Setting<Vec<String>>,
    /// What tokens of clients that registered themselves may be for (`resource`, RFC 8707): your APIs and MCP servers; a client registers with all of them.
    #[schemars(extend("default" = []))]
    pub allowed_audience: Setting<Vec<String>>,
    /// Registrations from one address within `window`; those with an initial access token do not count.
    #[schemars(extend("default" = 20))]
    pub per_address: Setting<u32>,
    /// The window over which `per_address` is refilled.
    #[schemars(extend("default" = "1h"))]
    pub window: Setting<Duration>,
    /// How many clients that registered themselves there may be at once; beyond it only an initial access token lets more in.
    #[schemars(extend("default" = 10000))]
    pub max_clients: Setting<u32>,
    /// A client that has got no tokens for this long after it registered is deleted; 0 keeps it.
    #[schemars(extend("default" = "168h"))]
    pub unused_for: Setting<Duration>,
    /// How long a client lasts that registered itself; 0 for as long as nobody deletes it.
    #[schemars(extend("default" = "0s"))]
    pub client_lifetime: Setting<Duration>,
    /// How long its secret lasts (`client_secret_expires_at`); 0 for as long as the client.
    #[schemars(extend("default" = "0s"))]
    pub secret_lifetime: Setting<Duration>,
    /// Take the secret of a client of `client_secret_post` from the URL, where proxies write it to their logs. For clients of old SDKs.
    #[schemars(extend("default" = false))]
    pub allow_secret_in_query: Setting<bool>,
    /// Whose software statements are believed (RFC 7591 section 2.3): `ISSUER JWKS_URI`, or `ISSUER` and its key set as JSON.
    #[schemars(extend("default" = []))]
    pub software_statement_issuers: Setting<Vec<TrustedIssuer>>,
    /// Errors of requests that nobody has seen a page of yet: `interstitial` shows them on a page of ours, `redirect` sends the browser on to where the client says (RFC 9700 section 4.11.2).
    #[schemars(extend("default" = "interstitial"))]
    pub untrusted_redirects: Setting<UntrustedRedirects>,
}
