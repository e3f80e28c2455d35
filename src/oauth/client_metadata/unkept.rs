//! Members by which a client demands protection that the server does not have yet. To drop one silently would be to
//! promise what is not kept, so each is read, refused, and never stored.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::validate::refused;
use crate::oauth::Result;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Unkept {
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
        for demand in [r#"{"dpop_bound_access_tokens": true}"#, r#"{"require_pushed_authorization_requests": true}"#] {
            assert!(read(demand).unkept.check().is_err(), "{demand}");
        }
        let idle = read(r#"{"dpop_bound_access_tokens": false, "require_pushed_authorization_requests": null}"#);
        assert!(idle.unkept.check().is_ok());
        assert!(!serde_json::to_string(&idle).unwrap().contains("dpop"));
    }
}
