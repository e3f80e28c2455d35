//! The flags of a client's keys and algorithms, and of what people are called to it.

use anyhow::Result;
use clap::Args;

use crate::cli::input;
use crate::oauth::client_metadata::ClientMetadata;

/// An empty value takes back what was set.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct KeyFlags {
    /// The client's public keys as a JWK set, JSON; `-` reads it from standard input.
    #[arg(long, value_name = "JSON", conflicts_with = "jwks_uri", allow_hyphen_values = true)]
    jwks: Option<String>,
    /// Where the client's public keys are.
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// What its client assertions are signed with; any that fits its keys unless set.
    #[arg(long, value_name = "ALG")]
    token_endpoint_auth_signing_alg: Option<String>,
    /// What its ID tokens are signed with: `RS256` (default), `ES256`, `EdDSA`, `HS256` by its secret, …
    #[arg(long, value_name = "ALG")]
    id_token_signed_response_alg: Option<String>,
    /// What its ID tokens are encrypted with, besides: `RSA-OAEP-256`, `ECDH-ES`, …
    #[arg(long, value_name = "ALG")]
    id_token_encrypted_response_alg: Option<String>,
    /// `A128CBC-HS256` (default), `A256GCM`, …
    #[arg(long, value_name = "ENC")]
    id_token_encrypted_response_enc: Option<String>,
    /// What userinfo is signed with; `none` (default) is plain JSON.
    #[arg(long, value_name = "ALG")]
    userinfo_signed_response_alg: Option<String>,
    /// What userinfo is encrypted with, besides.
    #[arg(long, value_name = "ALG")]
    userinfo_encrypted_response_alg: Option<String>,
    /// `A128CBC-HS256` (default), `A256GCM`, …
    #[arg(long, value_name = "ENC")]
    userinfo_encrypted_response_enc: Option<String>,
    /// What its request objects are signed with; `none` lets them be unsigned.
    #[arg(long, value_name = "ALG")]
    request_object_signing_alg: Option<String>,
    /// What its request objects are encrypted with, besides.
    #[arg(long, value_name = "ALG")]
    request_object_encryption_alg: Option<String>,
    /// `A128CBC-HS256` (default), `A256GCM`, …
    #[arg(long, value_name = "ENC")]
    request_object_encryption_enc: Option<String>,
    /// Only what is in a signed request object counts (RFC 9101).
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_signed_request_object: Option<bool>,
    /// Where request objects may be fetched from. Repeatable.
    #[arg(long = "request-uri", value_name = "URI")]
    request_uris: Option<Vec<String>>,
    /// `public`, or `pairwise` for people that no other client calls the same.
    #[arg(long, value_name = "TYPE")]
    subject_type: Option<String>,
    /// The list of redirect URIs whose host is the client's sector.
    #[arg(long, value_name = "URI")]
    sector_identifier_uri: Option<String>,
    /// `opaque`, or `jwt` (RFC 9068); the server's `strategies.access_token` unless set.
    #[arg(long, value_name = "STRATEGY")]
    access_token_strategy: Option<String>,
    /// Seconds after which people sign in again, where a request does not say.
    #[arg(long, value_name = "SECONDS")]
    default_max_age: Option<u64>,
}

impl KeyFlags {
    pub fn apply(&self, client: &mut ClientMetadata) -> Result<()> {
        let texts = [
            (&self.jwks_uri, &mut client.jwks_uri),
            (&self.token_endpoint_auth_signing_alg, &mut client.token_endpoint_auth_signing_alg),
            (&self.id_token_signed_response_alg, &mut client.id_token_signed_response_alg),
            (&self.id_token_encrypted_response_alg, &mut client.id_token_encrypted_response_alg),
            (&self.id_token_encrypted_response_enc, &mut client.id_token_encrypted_response_enc),
            (&self.userinfo_signed_response_alg, &mut client.userinfo_signed_response_alg),
            (&self.userinfo_encrypted_response_alg, &mut client.userinfo_encrypted_response_alg),
            (&self.userinfo_encrypted_response_enc, &mut client.userinfo_encrypted_response_enc),
            (&self.request_object_signing_alg, &mut client.request_object_signing_alg),
            (&self.request_object_encryption_alg, &mut client.request_object_encryption_alg),
            (&self.request_object_encryption_enc, &mut client.request_object_encryption_enc),
            (&self.subject_type, &mut client.subject_type),
            (&self.sector_identifier_uri, &mut client.sector_identifier_uri),
            (&self.access_token_strategy, &mut client.access_token_strategy),
        ];
        for (given, kept) in texts {
            if let Some(given) = given {
                kept.clone_from(given);
            }
        }
        if let Some(text) = &self.jwks {
            let text = input::given(text, "the client's keys")?;
            client.jwks = match text.expose() {
                "" => serde_json::Value::Null,
                text => input::json(text, "--jwks")?,
            };
        }
        if let Some(uris) = &self.request_uris {
            client.request_uris = uris.iter().filter(|uri| !uri.is_empty()).cloned().collect();
        }
        if let Some(required) = self.require_signed_request_object {
            client.require_signed_request_object = required;
        }
        if self.default_max_age.is_some() {
            client.default_max_age = self.default_max_age;
        }
        Ok(())
    }
}
