//! The payloads of sealed tokens and codes, and the token endpoint's answer (RFC 6749 section 5.1).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::claims_request::ClaimsRequest;
use super::scope::Scope;
use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, Subject, TokenId};

/// What an access token says, sealed or as a JWT. It is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessToken {
    /// A token of a grant: who and what for stands in the grant's row.
    Grant {
        id: TokenId,
        grant: GrantId,
        /// The refresh generation that it was issued with; it dies when that one is rotated away. `None` for a token of
        /// the authorization endpoint, which no rotation ends.
        generation: Option<i64>,
        /// Where less was asked for than the grant has (RFC 6749 section 6); `None` is all of it.
        scope: Option<Scope>,
        /// The same of the audience (RFC 8707 section 2.2).
        audience: Option<Vec<String>>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    },
    /// A token of client credentials: there is no grant, everything is in here.
    Client {
        id: TokenId,
        client: ClientId,
        scope: Scope,
        audience: Vec<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
        /// What a token hook added, a JSON object. The last, and left out where there is none: such a token is then no
        /// longer than without it.
        #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "or_end")]
        ext: Option<String>,
    },
    /// A token that a client got for somebody by an assertion (RFC 7523): no grant either.
    Asserted {
        id: TokenId,
        client: ClientId,
        /// Who the assertion was about; a user of the server's or not.
        subject: Subject,
        scope: Scope,
        audience: Vec<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
        /// As above.
        #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "or_end")]
        ext: Option<String>,
    },
}

/// A payload says nothing of its length: where it ends before its last field, that one is not there.
#[expect(clippy::unnecessary_wraps, reason = "serde asks for a Result")]
fn or_end<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::deserialize(from).unwrap_or_default())
}

impl AccessToken {
    pub const fn id(&self) -> TokenId {
        match self {
            Self::Grant { id, .. } | Self::Client { id, .. } | Self::Asserted { id, .. } => *id,
        }
    }

    pub const fn issued_at(&self) -> Timestamp {
        match self {
            Self::Grant { issued_at, .. } | Self::Client { issued_at, .. } | Self::Asserted { issued_at, .. } => {
                *issued_at
            }
        }
    }

    pub const fn expires_at(&self) -> Timestamp {
        match self {
            Self::Grant { expires_at, .. } | Self::Client { expires_at, .. } | Self::Asserted { expires_at, .. } => {
                *expires_at
            }
        }
    }

    /// What is in the token itself besides; of a grant it stands in the row.
    pub fn ext(&self) -> Option<Map<String, Value>> {
        match self {
            Self::Grant { .. } => None,
            Self::Client { ext, .. } | Self::Asserted { ext, .. } => serde_json::from_str(ext.as_deref()?).ok(),
        }
    }
}

/// A refresh token: one generation of a grant. Alike for the same generation, so that a repeated request gets the
/// same successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    pub grant: GrantId,
    pub generation: i64,
    pub due: Due,
    /// Which registered scope the grant's was last compared with: while the client's is the same, there is no need to compare
    /// again. The last, and left out where there is none, as above.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "or_end")]
    pub compared: Option<u64>,
}

/// An authorization code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub grant: GrantId,
    pub due: Due,
}

/// What an exchange will need besides the grant, known before the grant is read: what can not be had must not cost the
/// client its code or refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// An ID token, and so the keys that it is made with.
    pub id_token: bool,
    /// Claims of the person in it.
    pub person: bool,
}

impl Due {
    pub fn of(scope: &Scope, requested: Option<&ClaimsRequest>) -> Self {
        let id_token = scope.contains("openid");
        Self { id_token, person: id_token && requested.is_some_and(|requested| !requested.id_token.is_empty()) }
    }
}

/// The token endpoint's answer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "oAuth2TokenExchange")]
pub struct TokenResponse {
    pub access_token: String,
    /// Lower case, as Hydra writes it (RFC 6749 section 5.1: case insensitive).
    pub token_type: &'static str,
    /// In seconds.
    pub expires_in: u64,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schemars(with = "String")]
    pub scope: Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token without claims is as long as before there were any, and one of that time is understood.
    #[test]
    fn a_clients_own_token_carries_claims_or_not_a_byte_of_them() {
        let now = Timestamp::from_millis(1_753_358_400_123);
        let token = |ext: Option<&str>| AccessToken::Client {
            id: TokenId::new(Timestamp::from_millis(0)),
            client: ClientId::new("svc"),
            scope: Scope::default(),
            audience: vec!["https://api.example".to_owned()],
            issued_at: now,
            expires_at: now,
            ext: ext.map(str::to_owned),
        };
        let (bare, full) = (token(None), token(Some(r#"{"tenant":"x"}"#)));
        let AccessToken::Client { client, scope, audience, .. } = &bare else { unreachable!() };
        let before = postcard::to_allocvec(&(1_u32, bare.id(), client, scope, audience, now, now)).unwrap();
        assert_eq!(postcard::to_allocvec(&bare).unwrap(), before);
        for token in [bare, full] {
            let bytes = postcard::to_allocvec(&token).unwrap();
            assert_eq!(postcard::take_from_bytes(&bytes).unwrap(), (token, &[][..]));
        }
        let refresh =
            |compared| RefreshToken { grant: GrantId::new(now), generation: 7, due: Due::default(), compared };
        let bytes = |token: &RefreshToken| postcard::to_allocvec(token).unwrap();
        for compared in [None, Some(u64::MAX)] {
            let token = refresh(compared);
            assert_eq!(postcard::take_from_bytes(&bytes(&token)).unwrap(), (token, &[][..]));
        }
        let bare = refresh(None);
        assert_eq!(bytes(&bare), postcard::to_allocvec(&(bare.grant, bare.generation, bare.due)).unwrap());
        assert_eq!(token(None).ext(), None);
        assert_eq!(token(Some(r#"{"tenant":"x"}"#)).ext().unwrap()["tenant"], "x");
    }
}
