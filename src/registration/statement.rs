//! Software statements: what somebody whom the operator trusts says of a client (RFC 7591 section 2.3).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Timestamp;
use crate::config::{TrustedIssuer, TrustedKeys};
use crate::jose::{Algorithm, Expect, KeySet, Token};
use crate::oauth::jwt_claims::{Times, text};
use crate::oauth::{Error, ErrorCode, Result};

/// RFC 7591 has no type of its own for it.
const TYPES: &[&str] = &["JWT", "software-statement+jwt"];

/// The claims of a statement, once its issuer is one that the configuration names and has signed it.
pub async fn verify(app: &App, statement: &str, now: Timestamp) -> Result<Map<String, Value>> {
    let token = Token::read(statement).map_err(|refusal| invalid(refusal.reason()))?;
    let claims = token.unverified_claims().map_err(|refusal| invalid(refusal.reason()))?;
    let trusted = &app.config.oidc.registration.software_statement_issuers;
    let issuer = trusted.iter().find(|trusted| text(&claims, "iss") == Some(trusted.issuer.as_str()));
    let issuer = issuer.ok_or_else(|| {
        ErrorCode::UnapprovedSoftwareStatement
            .because("The software statement is not by anybody whom the server trusts.")
    })?;
    let expect = Expect { algs: &Algorithm::ALL, typ: TYPES, typ_optional: true };
    let keys = keys(app, issuer, None, now).await?;
    let verified = match keys.verify_token(&token, &expect) {
        // A key that is not known may be new.
        Err(refusal) if refusal.is_unknown_key() => {
            self::keys(app, issuer, Some(&keys), now).await?.verify_token(&token, &expect)
        }
        verdict => verdict,
    };
    let claims = verified.map_err(|refusal| invalid(refusal.reason()))?.claims;
    Times::current(&claims, now).map_err(invalid)?;
    Ok(claims)
}

async fn keys(app: &App, issuer: &TrustedIssuer, than: Option<&Arc<KeySet>>, now: Timestamp) -> Result<Arc<KeySet>> {
    match &issuer.keys {
        TrustedKeys::Here(set) => KeySet::parse(set.to_string().as_bytes()).map(Arc::new).map_err(Error::internal),
        TrustedKeys::At(url) => app.fetch.key_set(url.as_str(), than, now).await.ok_or_else(|| {
            ErrorCode::TemporarilyUnavailable
                .because("The keys that software statements are verified with can not be had at the moment.")
                .retry_after(60)
        }),
    }
}

fn invalid(reason: &'static str) -> Error {
    tracing::warn!(reason, "a software statement was refused");
    ErrorCode::InvalidSoftwareStatement.because("The software statement is not valid.")
}
