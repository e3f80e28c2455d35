//! Authentication by a JWT that the client has signed: with a key of its own, or with its secret.

use super::failed;
use crate::app::App;
use crate::client_keys;
use crate::client_secret;
use crate::jose::{Expect, MacKey, Token, peek};
use crate::oauth::client_assertion::{self, Audience, TYPES};
use crate::oauth::client_metadata::AuthMethod;
use crate::oauth::jwt_claims::Fault;
use crate::oauth::server_metadata::path;
use crate::oauth::{Error, Result};
use crate::store::client::Client;

type Claims = serde_json::Map<String, serde_json::Value>;

/// Whether the assertion is one of this client, for us, of now, and used for the first time. It is spent only when all the
/// rest is right: what a stranger sends must not spend what the client is about to use.
pub(super) async fn authenticate(app: &App, client: &Client, assertion: &str) -> Result<()> {
    let refuse = |fault| refused(Some(client), fault);
    let claims = match client.metadata().auth_method() {
        AuthMethod::PrivateKeyJwt => by_key(app, client, assertion).await?.map_err(refuse)?,
        AuthMethod::SecretJwt => by_secret(app, client, assertion)?.map_err(refuse)?,
        AuthMethod::Basic | AuthMethod::Post | AuthMethod::None => {
            return Err(refuse("the client is registered for another method"));
        }
    };
    let urls = &app.config.urls;
    let token_endpoint = app.config.oauth2.compatible_audience.then(|| format!("{}{}", urls.public, path::TOKEN));
    let audience = Audience { issuer: &urls.issuer, token_endpoint: token_endpoint.as_deref() };
    let valid = client_assertion::judge(&claims, &client.id, &audience, app.clock.now()).map_err(refuse)?;
    if valid.has_old_audience {
        tracing::warn!(client = %client.id, "a client assertion whose aud is not the issuer alone was accepted");
    }
    if app.store.spend_jti(&client.id, &valid.jti, valid.forget_at).await? {
        Ok(())
    } else {
        Err(refuse("it was used before"))
    }
}

async fn by_key(app: &App, client: &Client, assertion: &str) -> Result<Result<Claims, Fault>> {
    let token = match Token::read(assertion) {
        Ok(token) => token,
        Err(refusal) => return Ok(Err(refusal.reason())),
    };
    let algs = client_assertion::signature_algs(client.metadata());
    let expect = Expect { algs: &algs, typ: TYPES, typ_optional: true };
    let verdict = client_keys::verify(app, client, &token, &expect).await?;
    Ok(verdict.map(|verified| verified.claims).map_err(|refusal| refusal.reason()))
}

fn by_secret(app: &App, client: &Client, assertion: &str) -> Result<Result<Claims, Fault>> {
    let Some(secret) = client_secret::reveal(app, client)? else {
        return Ok(Err("the client's secret has expired, or only its hash is kept"));
    };
    let verify = || -> Result<Claims, Fault> {
        let named = peek(assertion).map_err(|refusal| refusal.reason())?.alg;
        let algs = client_assertion::mac_algs(client.metadata());
        let alg =
            algs.into_iter().find(|alg| alg.as_str() == named).ok_or("the algorithm is not one of those expected")?;
        let key =
            MacKey::new(alg, secret.expose().as_bytes()).map_err(|_| "the secret is too short for the algorithm")?;
        key.verify(assertion, TYPES, true).map_err(|refusal| refusal.reason())
    };
    Ok(verify())
}

/// Whatever is wrong with an assertion, its sender is told the same; the reason is for the log.
pub(super) fn refused(client: Option<&Client>, fault: Fault) -> Error {
    let client = client.map(|client| client.id.as_str());
    tracing::warn!(client, reason = fault, "a client assertion was refused");
    failed()
}
