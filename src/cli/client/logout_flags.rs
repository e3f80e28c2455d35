//! The flags of how a client learns that a session has ended.

use clap::Args;

use crate::oauth::client_metadata::ClientMetadata;

/// An empty value takes back what was set. The names are Hydra's.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct LogoutFlags {
    /// Where browsers may be sent after signing out. Repeatable.
    #[arg(long = "post-logout-callback", value_name = "URI")]
    post_logout_callbacks: Option<Vec<String>>,
    /// Where the server tells the client that a session has ended (`backchannel_logout_uri`).
    #[arg(long = "backchannel-logout-callback", value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// The client wants to be told of sessions (`sid`), never of a person alone.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    backchannel_logout_session_required: Option<bool>,
    /// The client's page that browsers load when a session has ended (`frontchannel_logout_uri`).
    #[arg(long = "frontchannel-logout-callback", value_name = "URI")]
    frontchannel_logout_uri: Option<String>,
    /// The client wants `iss` and `sid` there; it gets them in any case.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    frontchannel_logout_session_required: Option<bool>,
    /// A logout application is told not to ask whoever comes from this client.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_logout_consent: Option<bool>,
}

impl LogoutFlags {
    pub fn apply(&self, client: &mut ClientMetadata) {
        let texts = [
            (&self.backchannel_logout_uri, &mut client.backchannel_logout_uri),
            (&self.frontchannel_logout_uri, &mut client.frontchannel_logout_uri),
        ];
        for (given, kept) in texts {
            if let Some(given) = given {
                kept.clone_from(given);
            }
        }
        let switches = [
            (self.backchannel_logout_session_required, &mut client.backchannel_logout_session_required),
            (self.frontchannel_logout_session_required, &mut client.frontchannel_logout_session_required),
        ];
        for (given, kept) in switches {
            *kept = given.unwrap_or(*kept);
        }
        client.skip_logout_consent = self.skip_logout_consent.or(client.skip_logout_consent);
        if let Some(given) = &self.post_logout_callbacks {
            client.post_logout_redirect_uris = given.iter().filter(|one| !one.is_empty()).cloned().collect();
        }
    }
}
