//! Members by which a client demands protection that the server does not have yet. To drop one silently would be to
//! promise what is not kept, so each is read, refused, and never stored.

use serde::{Deserialize, Deserializer, Serialize};

use super::validate::refused;
use crate::oauth::Result;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unkept {
    #[serde(skip_serializing, deserialize_with = "is_set")]
    id_token_encrypted_response_alg: bool,
    #[serde(skip_serializing, deserialize_with = "is_set")]
    userinfo_encrypted_response_alg: bool,
    #[serde(skip_serializing, deserialize_with = "is_set")]
    request_object_encryption_alg: bool,
    #[serde(skip_serializing, deserialize_with = "is_set")]
    require_signed_request_object: bool,
    #[serde(skip_serializing, deserialize_with = "is_set")]
    require_pushed_authorization_requests: bool,
    #[serde(skip_serializing, deserialize_with = "is_set")]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing, deserialize_with = "is_set")]
    dpop_bound_access_tokens: bool,
}

impl Unkept {
    pub fn check(&self) -> Result<()> {
        let demanded = [
            ("id_token_encrypted_response_alg", self.id_token_encrypted_response_alg),
            ("userinfo_encrypted_response_alg", self.userinfo_encrypted_response_alg),
            ("request_object_encryption_alg", self.request_object_encryption_alg),
            ("require_signed_request_object", self.require_signed_request_object),
            ("require_pushed_authorization_requests", self.require_pushed_authorization_requests),
            ("tls_client_certificate_bound_access_tokens", self.tls_client_certificate_bound_access_tokens),
            ("dpop_bound_access_tokens", self.dpop_bound_access_tokens),
        ];
        match demanded.iter().find(|(_, set)| *set) {
            Some((field, _)) => Err(refused(format!("Field {field} is not supported by server."))),
            None => Ok(()),
        }
    }
}

/// Anything but absence, null, `false` and the empty string demands something.
fn is_set<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(!(value.is_null() || value == false || value == ""))
}

#[cfg(test)]
mod tests {
    use crate::oauth::client_metadata::ClientMetadata;

    #[test]
    fn what_is_demanded_and_not_kept_is_refused() {
        let read = |json: &str| serde_json::from_str::<ClientMetadata>(json).unwrap();
        for demand in [
            r#"{"id_token_encrypted_response_alg": "RSA-OAEP"}"#,
            r#"{"dpop_bound_access_tokens": true}"#,
            r#"{"require_pushed_authorization_requests": true}"#,
        ] {
            assert!(read(demand).unkept.check().is_err(), "{demand}");
        }
        let idle = read(r#"{"dpop_bound_access_tokens": false, "id_token_encrypted_response_alg": null}"#);
        assert!(idle.unkept.check().is_ok());
        assert!(!serde_json::to_string(&idle).unwrap().contains("dpop"));
    }
}
