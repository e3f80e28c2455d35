//! What a consent adds to the tokens of a grant: the `session` of Hydra's consent and of its token hooks.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Claims by the token that tells them. Claims of the protocol's own (`id_token::is_reserved`) are left out there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "acceptOAuth2ConsentRequestSession")]
pub struct SessionClaims {
    /// Told by introspection and by JWT access tokens, under `ext`.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Map::is_empty")]
    pub access_token: Map<String, Value>,
    /// Told by the ID token and by userinfo.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Map::is_empty")]
    pub id_token: Map<String, Value>,
}

impl SessionClaims {
    /// A claim that is null says nothing.
    #[must_use]
    pub fn without_nulls(mut self) -> Self {
        for claims in [&mut self.access_token, &mut self.id_token] {
            claims.retain(|_, value| !value.is_null());
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.access_token.is_empty() && self.id_token.is_empty()
    }
}

/// SDKs send null for what is not there.
fn or_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    Option::<Map<String, Value>>::deserialize(from).map(Option::unwrap_or_default)
}
