//! A client as events tell of it: its registration, and of its secrets only that there are some.

use serde_json::{Value, json};

use super::Client;

impl Client {
    /// What the admin API shows, but for the time of the change, which the event has.
    pub(super) fn told(&self) -> Value {
        let mut told = json!(self.metadata());
        told["client_id"] = json!(self.id);
        told["client_secret_expires_at"] = self.secret_expires_at.into();
        told["earlier_secrets"] = self.rotated_secrets.0.len().into();
        told["created_at"] = self.created_at.rfc3339().into();
        told
    }

    /// The same of one that this has become, which tells too whether it has another secret now.
    pub(super) fn told_after(&self, before: &Self) -> Value {
        let mut told = self.told();
        if (&self.secret_hash, &self.secret_sealed) != (&before.secret_hash, &before.secret_sealed) {
            told["secret_replaced"] = true.into();
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeptSecret, RotatedSecret};
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::ClientId;
    use crate::oauth::client_metadata::ClientMetadata;
    use crate::store::db::Json;

    #[test]
    fn nothing_of_a_secret_is_told() {
        let before =
            Client::new(ClientId::new("web"), ClientMetadata::default(), Timestamp::from_seconds(1_753_358_400));
        let mut after = before.clone();
        after.set_secret(Some(&KeptSecret::Hashed("hidden".to_owned())));
        after.rotated_secrets = Json(vec![RotatedSecret { hash: "hidden".to_owned(), expires_at: 0 }]);
        after.registration_token_hash = Some("hidden".to_owned());
        let told = after.told_after(&before);
        assert!(!told.to_string().contains("hidden"), "{told}");
        assert_eq!((&told["earlier_secrets"], &told["secret_replaced"]), (&json!(1), &json!(true)));
        assert_eq!(before.told_after(&before).get("secret_replaced"), None);
    }
}
