//! `logout.*`: what ends with a session, and who is told.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Logout {
    /// `logout.revoke_grants`: grants without `offline_access` end with their session.
    pub revoke_grants: bool,
    pub back_channel: BackChannel,
    /// `logout.front_channel.wait`: how long the browser waits for the pages of clients.
    pub front_channel_wait: Duration,
    /// `logout.session_management`: `check_session_iframe` and `session_state`.
    pub session_management: bool,
}

/// `logout.back_channel.*`: how logout tokens are delivered.
#[derive(Clone, Copy, Debug)]
pub struct BackChannel {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long attempts go on.
    pub retry_for: Duration,
    /// Attempts to one host at once, per process.
    pub per_host: usize,
}
