//! A client as it is shown: to itself (RFC 7591 section 3.2.1) and to its operator.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::id::ClientId;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::server_metadata::path;
use crate::secret::Secret;
use crate::store::client::Client;

/// No member is ever null: the SDKs of `seed.md` fail on one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "oAuth2Client", description = "A client: RFC 7591 section 2, and Hydra's members.")]
pub struct Shown {
    pub client_id: ClientId,
    /// Only in the answer to the request that set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<Secret>,
    /// Seconds since 1970, 0 for never.
    pub client_secret_expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id_issued_at: Option<i64>,
    /// Only in the answer to the request that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub registration_access_token: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    #[serde(flatten)]
    pub metadata: ClientMetadata,
    /// RFC 3339.
    pub created_at: String,
    pub updated_at: String,
    /// Hydra has no member for it.
    #[serde(skip)]
    pub is_self_registered: bool,
}

impl Shown {
    /// For its operator; `secret` is the one that it has got just now.
    pub fn new(client: &Client, secret: Option<Secret>) -> Self {
        Self {
            client_id: client.id.clone(),
            client_secret: secret,
            client_secret_expires_at: client.secret_expires_at,
            client_id_issued_at: None,
            registration_access_token: None,
            registration_client_uri: None,
            metadata: client.metadata().clone(),
            created_at: client.created_at.rfc3339(),
            updated_at: client.updated_at.rfc3339(),
            is_self_registered: client.is_self_registered(),
        }
    }

    /// With where the client can manage itself, and what it needs for that (RFC 7592).
    #[must_use]
    pub fn managed(mut self, app: &App, token: Option<Secret>) -> Self {
        self.registration_access_token = token;
        let id = in_path(&self.client_id);
        self.registration_client_uri = Some(format!("{}{}/{id}", app.config.urls.public, path::REGISTRATION));
        self
    }

    /// For the client itself.
    pub(super) fn to_itself(app: &App, client: &Client, secret: Option<Secret>, token: Option<Secret>) -> Self {
        let mut shown = Self::new(client, secret).managed(app, token);
        shown.client_id_issued_at = Some(client.created_at.seconds());
        // Hydra's word for plain JSON. To the letter of OpenID Connect Dynamic Client Registration section 2 it is a JWT
        // without a signature, and client libraries wait for one; plain JSON is where the member is left out.
        if shown.metadata.userinfo_signed_response_alg == "none" {
            shown.metadata.userinfo_signed_response_alg.clear();
        }
        // What the operator notes of a client is not for the client, as in Hydra.
        shown.metadata.metadata = serde_json::Value::Object(serde_json::Map::new());
        shown
    }
}

/// What stands for itself in a path, RFC 3986 section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An id as a segment of a path.
pub fn in_path(id: &ClientId) -> String {
    utf8_percent_encode(id.as_str(), ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;

    /// hydra.md appendix A1: the shape of an answer, without nulls.
    #[test]
    fn a_client_is_shown_without_nulls() {
        let metadata: ClientMetadata =
            serde_json::from_str(r#"{"redirect_uris": ["https://app.example/cb"], "client_name": null}"#).unwrap();
        let at = Timestamp::from_seconds(1_753_358_400);
        let mut client = Client::new(ClientId::new("web"), metadata.with_defaults(&[]), at);
        client.secret_hash = Some("sha256:hidden".to_owned());
        client.registration_token_hash = Some("hidden".to_owned());
        let shown = serde_json::to_value(Shown::new(&client, None)).unwrap();
        assert_eq!(
            shown,
            json!({
                "client_id": "web", "client_name": "", "client_secret_expires_at": 0,
                "redirect_uris": ["https://app.example/cb"], "grant_types": [], "response_types": [],
                "audience": [], "owner": "", "contacts": [], "allowed_cors_origins": [], "subject_type": "public",
                "token_endpoint_auth_method": "client_secret_basic", "userinfo_signed_response_alg": "none",
                "metadata": {}, "skip_consent": false, "created_at": "2025-07-24T12:00:00Z",
                "updated_at": "2025-07-24T12:00:00Z",
            })
        );
        let created = serde_json::to_value(Shown::new(&client, Some(Secret::new("s3cret")))).unwrap();
        assert_eq!(created["client_secret"], Value::from("s3cret"));
    }

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(in_path(&ClientId::new("0b2c-4d.e_f~g")), "0b2c-4d.e_f~g");
        assert_eq!(in_path(&ClientId::new("my shop/1?#")), "my%20shop%2F1%3F%23");
    }
}
