//! How a client has what is told it about a person protected: signed, by a MAC of its own secret, encrypted (OpenID Connect
//! Core sections 10.1 and 10.2).

use std::sync::Arc;

use aws_lc_rs::digest;
use serde::Serialize;

use crate::app::App;
use crate::clock::Timestamp;
use crate::jose::{self, Algorithm, Encrypter, MacAlgorithm, MacKey, SignatureAlgorithm};
use crate::keys::{KeyUse, Live};
use crate::oauth::client_metadata::encryption_enc;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;
use crate::{client_keys, client_secret};

/// Keys in hand, so that nothing can be missing once something is spent.
pub struct Protection {
    signature: Option<Signature>,
    encrypter: Option<Box<Encrypter>>,
}

enum Signature {
    Unsecured,
    Mac(Box<MacKey>),
    Key(Arc<Live>, Algorithm),
}

impl Protection {
    /// `id_token_signed_response_alg`, RS256 unless set, and the encryption beside it.
    pub async fn of_id_tokens(app: &App, client: &Client, now: Timestamp) -> Result<Self> {
        let alg = id_token_alg(client)?;
        Self::like_id_tokens(app, client, alg, now).await
    }

    /// The same, but signed in any case (OpenID Connect Back-Channel Logout 1.0 section 2.4).
    pub async fn of_logout_tokens(app: &App, client: &Client, now: Timestamp) -> Result<Self> {
        let alg = match id_token_alg(client)? {
            SignatureAlgorithm::None => SignatureAlgorithm::Signature(Algorithm::Rs256),
            own => own,
        };
        Self::like_id_tokens(app, client, alg, now).await
    }

    async fn like_id_tokens(app: &App, client: &Client, alg: SignatureAlgorithm, now: Timestamp) -> Result<Self> {
        let metadata = client.metadata();
        let encryption = (&metadata.id_token_encrypted_response_alg, &metadata.id_token_encrypted_response_enc);
        Ok(Self {
            signature: Some(Signature::of(app, client, alg, now).await?),
            encrypter: encrypter(app, client, encryption).await?,
        })
    }

    /// The same for userinfo, whose `none` is plain JSON: `None` where nothing protects it.
    pub async fn of_userinfo(app: &App, client: &Client, now: Timestamp) -> Result<Option<Self>> {
        let metadata = client.metadata();
        let signature = match metadata.userinfo_signed_response_alg.as_str() {
            "" | "none" => None,
            own => Some(Signature::of(app, client, own.parse().map_err(Error::internal)?, now).await?),
        };
        let encryption = (&metadata.userinfo_encrypted_response_alg, &metadata.userinfo_encrypted_response_enc);
        let encrypter = encrypter(app, client, encryption).await?;
        Ok((signature.is_some() || encrypter.is_some()).then_some(Self { signature, encrypter }))
    }

    /// The hash of `at_hash` and `c_hash`.
    pub fn hash_alg(&self) -> Option<&'static digest::Algorithm> {
        match &self.signature {
            Some(Signature::Key(_, alg)) => Some(alg.hash_alg()),
            Some(Signature::Mac(key)) => Some(key.alg().hash_alg()),
            Some(Signature::Unsecured) | None => None,
        }
    }

    /// The claims signed, then encrypted (RFC 7519 section 11.2); or encrypted alone, where the client wants no signature.
    pub fn protect(&self, typ: &str, claims: &impl Serialize, now: Timestamp) -> Result<String> {
        let signed = match &self.signature {
            Some(signature) => Some(signature.sign(typ, claims, now)?),
            None => None,
        };
        match (&self.encrypter, signed) {
            (None, Some(signed)) => Ok(signed),
            (Some(encrypter), Some(signed)) => {
                encrypter.encrypt(signed.as_bytes(), Some("JWT"), None).map_err(Error::internal)
            }
            (Some(encrypter), None) => {
                let plain = serde_json::to_vec(claims).map_err(Error::internal)?;
                encrypter.encrypt(&plain, None, None).map_err(Error::internal)
            }
            (None, None) => Err(Error::internal("nothing protects what was to be protected")),
        }
    }
}

impl Signature {
    async fn of(app: &App, client: &Client, alg: SignatureAlgorithm, now: Timestamp) -> Result<Self> {
        if !app.config.oidc.signing_algs.iter().any(|offered| offered == alg.as_str()) {
            // It was offered when the client registered it.
            tracing::error!(client = %client.id, %alg, "oidc.id_token.signing_algs does not have the client's algorithm");
            return Err(Error::internal("the client's algorithm is not offered any more"));
        }
        match alg {
            SignatureAlgorithm::None => Ok(Self::Unsecured),
            SignatureAlgorithm::Mac(alg) => Ok(Self::Mac(Box::new(mac_key(app, client, alg)?))),
            SignatureAlgorithm::Signature(alg) => {
                Ok(Self::Key(app.keys.ensure(&app.store, KeyUse::IdToken, alg, now).await?, alg))
            }
        }
    }

    fn sign(&self, typ: &str, claims: &impl Serialize, now: Timestamp) -> Result<String> {
        match self {
            Self::Unsecured => jose::unsecured(typ, claims).map_err(Error::internal),
            Self::Mac(key) => key.sign(typ, claims).map_err(Error::internal),
            Self::Key(live, alg) => {
                let signer = live.signer(KeyUse::IdToken, *alg, now);
                let signer = signer.ok_or_else(|| Error::unavailable("the signing key is not there any more"))?;
                signer.sign(typ, claims).map_err(Error::internal)
            }
        }
    }
}

fn id_token_alg(client: &Client) -> Result<SignatureAlgorithm> {
    match client.metadata().id_token_signed_response_alg.as_str() {
        "" => Ok(SignatureAlgorithm::Signature(Algorithm::Rs256)),
        own => own.parse().map_err(Error::internal),
    }
}

/// The client's secret as a key (OpenID Connect Core section 10.1).
fn mac_key(app: &App, client: &Client, alg: MacAlgorithm) -> Result<MacKey> {
    let secret = client_secret::reveal(app, client)?
        .ok_or_else(|| Error::internal("the client has an HS algorithm and no secret that can be had back"))?;
    MacKey::new(alg, secret.expose().as_bytes()).map_err(Error::internal)
}

/// ID-13: a client that asks for encryption is never answered in the clear.
async fn encrypter(app: &App, client: &Client, (alg, enc): (&String, &String)) -> Result<Option<Box<Encrypter>>> {
    if alg.is_empty() {
        return Ok(None);
    }
    let (alg, enc) = (alg.parse().map_err(Error::internal)?, encryption_enc(enc).parse().map_err(Error::internal)?);
    let keys = client_keys::of(app, client).await?;
    Encrypter::of(&keys, alg, enc).map(|encrypter| Some(Box::new(encrypter))).map_err(|error| {
        ErrorCode::ServerError
            .because("The client's keys have none to encrypt to it with; see its jwks or jwks_uri.")
            .caused_by(error)
    })
}
