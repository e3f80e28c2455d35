//! What a hook is told, as Hydra tells it (hydra.md section 6.9 and appendix A9). Never a code, a token of ours or a
//! secret: of the form only what follows is passed on.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Asking;
use crate::app::App;
use crate::oauth::client_metadata::GrantType;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::{Error, Result};

/// The fields of the form that a hook sees. An assertion is good once, and only from a client that authenticates.
const SHOWN: [&str; 5] = ["assertion", "grant_type", "response_type", "scope", "client_id"];

/// `oauth2.token_hook`.
#[derive(Serialize)]
struct TokenHook<'a> {
    session: Session<'a>,
    request: Request<'a>,
}

#[derive(Serialize)]
struct Request<'a> {
    client_id: &'a str,
    requested_scopes: Vec<&'a str>,
    granted_scopes: Vec<&'a str>,
    granted_audience: &'a [String],
    grant_types: [&'a str; 1],
    payload: BTreeMap<&'a str, [&'a str; 1]>,
}

/// `oauth2.refresh_token_hook`.
#[derive(Serialize)]
struct RefreshHook<'a> {
    subject: &'a str,
    session: Session<'a>,
    requester: Requester<'a>,
    client_id: &'a str,
    granted_scopes: Vec<&'a str>,
    granted_audience: &'a [String],
}

#[derive(Serialize)]
struct Requester<'a> {
    client_id: &'a str,
    granted_scopes: Vec<&'a str>,
    granted_audience: &'a [String],
    grant_types: [&'a str; 1],
}

/// Hydra's session, with what of it there is here.
#[derive(Serialize)]
struct Session<'a> {
    id_token: IdTokenSession<'a>,
    /// What access tokens carry.
    extra: Map<String, Value>,
    client_id: &'a str,
    /// The id of the flow.
    consent_challenge: String,
    exclude_not_before_claim: bool,
    allowed_top_level_claims: [&'static str; 0],
    kid: &'static str,
    mirror_top_level_claims: bool,
    preserve_ext_claims: bool,
}

#[derive(Serialize)]
struct IdTokenSession<'a> {
    id_token_claims: IdTokenClaims<'a>,
    headers: Headers,
    username: &'static str,
    /// The person's own, also where the client knows them by another.
    subject: &'a str,
}

#[derive(Serialize)]
struct Headers {
    extra: Map<String, Value>,
}

/// The times are RFC 3339, which is what Hydra's type makes of them. What an ID token gets when it is made is empty.
#[derive(Serialize)]
struct IdTokenClaims<'a> {
    jti: &'static str,
    iss: &'a str,
    /// As the client sees it.
    sub: String,
    aud: Vec<&'a str>,
    /// Of the request that a code came from.
    nonce: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<String>,
    at_hash: &'static str,
    acr: &'a str,
    /// `null` where there is none, as Hydra has it.
    amr: Option<&'a [String]>,
    c_hash: &'static str,
    /// What ID tokens carry, and `sid`.
    ext: Map<String, Value>,
}

pub(super) fn of_token_hook(app: &App, asking: &Asking<'_>, claims: Option<&SessionClaims>) -> Result<Vec<u8>> {
    let request = Request {
        client_id: asking.client.id.as_str(),
        requested_scopes: asking.grant.map_or(asking.scope, |grant| &grant.scope).iter().collect(),
        granted_scopes: asking.scope.iter().collect(),
        granted_audience: asking.audience,
        grant_types: [asking.grant_type.as_str()],
        payload: SHOWN.iter().filter_map(|name| Some((*name, [asking.form.get(name)?]))).collect(),
    };
    text(&TokenHook { session: session(app, asking, claims)?, request })
}

pub(super) fn of_refresh_hook(app: &App, asking: &Asking<'_>, claims: Option<&SessionClaims>) -> Result<Vec<u8>> {
    let client_id = asking.client.id.as_str();
    let granted_scopes: Vec<_> = asking.scope.iter().collect();
    text(&RefreshHook {
        subject: asking.subject,
        session: session(app, asking, claims)?,
        requester: Requester {
            client_id,
            granted_scopes: granted_scopes.clone(),
            granted_audience: asking.audience,
            grant_types: [asking.grant_type.as_str()],
        },
        client_id,
        granted_scopes,
        granted_audience: asking.audience,
    })
}

fn text(payload: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(payload).map_err(Error::internal)
}

fn session<'a>(app: &'a App, asking: &Asking<'a>, claims: Option<&SessionClaims>) -> Result<Session<'a>> {
    let client = asking.client;
    let SessionClaims { access_token, id_token } = claims.cloned().unwrap_or_default();
    let mut ext = id_token;
    let mut sub = String::new();
    if let Some(grant) = asking.grant {
        ext.insert("sid".to_owned(), app.session_for(client, grant.session_id)?.into());
        sub = app.subject_of(client, &grant.subject, grant.seen_as.as_ref())?.to_string();
    }
    let code = asking.grant.filter(|_| asking.grant_type == GrantType::AuthorizationCode);
    let id_token_claims = IdTokenClaims {
        jti: "",
        iss: &app.config.urls.issuer,
        sub,
        aud: asking.grant.iter().map(|_| client.id.as_str()).collect(),
        nonce: code.and_then(|grant| grant.nonce.as_deref()).unwrap_or_default(),
        iat: asking.grant.map(|grant| grant.created_at.rfc3339()),
        auth_time: asking.grant.map(|grant| grant.authenticated_at.rfc3339()),
        at_hash: "",
        acr: asking.grant.and_then(|grant| grant.acr.as_deref()).unwrap_or_default(),
        amr: asking.grant.map(|grant| grant.amr.0.as_slice()).filter(|amr| !amr.is_empty()),
        c_hash: "",
        ext,
    };
    Ok(Session {
        id_token: IdTokenSession {
            id_token_claims,
            headers: Headers { extra: Map::new() },
            username: "",
            subject: asking.subject,
        },
        extra: access_token,
        client_id: client.id.as_str(),
        consent_challenge: asking.grant.map(|grant| grant.id.to_string()).unwrap_or_default(),
        exclude_not_before_claim: false,
        allowed_top_level_claims: [],
        kid: "",
        mirror_top_level_claims: true,
        preserve_ext_claims: false,
    })
}
