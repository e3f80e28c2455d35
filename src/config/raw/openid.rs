//! `oidc.*` as it is written: ID tokens, request objects, what people are called.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Registration;
use crate::config::setting::Setting;
use crate::secret::Secret;

/// OpenID Connect.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Oidc {
    pub id_token: IdToken,
    pub request_objects: RequestObjects,
    pub subject_identifiers: SubjectIdentifiers,
    pub dynamic_client_registration: Registration,
}

/// ID tokens.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IdToken {
    /// What clients may have ID tokens and userinfo signed with; RS256 is everybody's. `none` (code flow only) must be added.
    #[schemars(extend("default" = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"]))]
    pub signing_algs: Setting<Vec<String>>,
}

/// Request objects: authorization requests as JWTs (RFC 9101, OpenID Connect Core section 6).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RequestObjects {
    /// Take them in the parameter `request`.
    #[schemars(extend("default" = true))]
    pub by_value: Setting<bool>,
    /// Fetch them from the URLs that clients have registered (`request_uri`).
    #[schemars(extend("default" = true))]
    pub by_reference: Setting<bool>,
    /// Let clients register `request_object_signing_alg: none`, and take unsigned ones from those that have.
    #[schemars(extend("default" = false))]
    pub unsigned: Setting<bool>,
}

/// What people are called to clients (`sub`).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SubjectIdentifiers {
    /// `public` (the same for all clients), `pairwise` (another for each sector).
    #[schemars(extend("default" = ["public"]))]
    pub supported_types: Setting<Vec<String>>,
    pub pairwise: Pairwise,
}

/// Pairwise subjects, OpenID Connect Core section 8.1.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Pairwise {
    /// What they are made with, 8 characters or more: another salt makes everybody somebody else. Required for pairwise.
    pub salt: Setting<Option<Secret>>,
}
