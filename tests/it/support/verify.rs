//! Verifying as a relying party does, with another library than the server signs with.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::Server;

impl Server {
    pub async fn jwks(&self) -> Value {
        let answer = self.get("/.well-known/jwks.json").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// An ID token of ours for this client, by the published key that its header names. Its times are for the test.
    pub async fn verify(&self, id_token: &str, client: &str) -> (Header, Map<String, Value>) {
        verify_with(&self.jwks().await, id_token, &self.issuer, client)
    }
}

pub fn verify_with(jwks: &Value, id_token: &str, issuer: &str, client: &str) -> (Header, Map<String, Value>) {
    let keys: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let header = decode_header(id_token).unwrap();
    let jwk = keys.find(header.kid.as_deref().unwrap()).unwrap_or_else(|| panic!("{header:?} is not in {jwks}"));
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_audience(&[client]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let token = decode::<Map<String, Value>>(id_token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
    (header, token.claims)
}
