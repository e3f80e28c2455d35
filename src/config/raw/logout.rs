//! `logout.*` as it is written: what ends with a session, and who is told.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::setting::Setting;

/// What ends with a session, and who is told.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Logout {
    /// Tokens that were not meant to outlive the session (no `offline_access`) end with it.
    #[schemars(extend("default" = true))]
    pub revoke_grants: Setting<bool>,
    pub back_channel: BackChannel,
    pub front_channel: FrontChannel,
    /// Let clients watch the session from a frame of theirs (OpenID Connect Session Management 1.0); needs https, or localhost.
    #[schemars(extend("default" = false))]
    pub session_management: Setting<bool>,
}

/// Logout tokens to `backchannel_logout_uri` (OpenID Connect Back-Channel Logout 1.0).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct BackChannel {
    /// How long one attempt may take.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Setting<Duration>,
    /// How long attempts go on, with longer and longer pauses, until the client has answered with success.
    #[schemars(extend("default" = "24h"))]
    pub retry_for: Setting<Duration>,
    /// Attempts to one host at once, per process.
    #[schemars(extend("default" = 4))]
    pub per_host: Setting<u32>,
}

/// Pages of clients that are loaded in the browser (OpenID Connect Front-Channel Logout 1.0).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct FrontChannel {
    /// How long the browser waits for them at most before it goes on.
    #[schemars(extend("default" = "5s"))]
    pub wait: Setting<Duration>,
}
