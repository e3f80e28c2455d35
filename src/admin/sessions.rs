//! `/admin/oauth2/auth/sessions/*`: what people have allowed, and where they are signed in.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::acting::Admin;
use super::clients::Shown;
use super::consent_request::ConsentRequest;
use super::page::{self, Asked, Page};
use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::elsewhere::OidcContext;
use crate::http::answer::JsonError;
use crate::id::{ClientId, SessionId, Subject};
use crate::oauth::params::Params;
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;
use crate::store::consent::Consented;
use crate::store::session::Session;

const CONSENTS: &str = "oauth2/auth/sessions/consent";
const LOGINS: &str = "oauth2/auth/sessions/login";

/// A consent as it is shown: Hydra's `oAuth2ConsentSession`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentSession")]
pub struct ConsentSession {
    consent_request_id: String,
    consent_request: ConsentRequest,
    grant_scope: Vec<String>,
    grant_access_token_audience: Vec<String>,
    session: ShownClaims,
    remember: bool,
    remember_for: i64,
    /// RFC 3339.
    handled_at: String,
    context: Value,
}

/// Both members are always there: SDKs want objects.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentSessionClaims")]
struct ShownClaims {
    access_token: Value,
    id_token: Value,
}

impl From<SessionClaims> for ShownClaims {
    fn from(claims: SessionClaims) -> Self {
        Self { access_token: Value::Object(claims.access_token), id_token: Value::Object(claims.id_token) }
    }
}

fn words(scope: &Scope) -> Vec<String> {
    scope.iter().map(str::to_owned).collect()
}

impl ConsentSession {
    fn new(consented: Consented, subject: &Subject, client: &Client) -> Self {
        let remembered_for = consented.expires_at.map(|end| end.since(consented.granted_at).as_secs());
        let record = consented.consent.map(|record| record.0);
        let (remember, remember_for) = match &record {
            Some(record) => (record.remember, record.remember_for),
            None => (true, remembered_for.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0)),
        };
        let handled_at = record.as_ref().map_or(consented.granted_at, |record| record.handled_at);
        let record = record.unwrap_or_default();
        let consent_request = ConsentRequest {
            // It can not be answered any more.
            challenge: String::new(),
            consent_request_id: consented.flow_id.clone(),
            requested_scope: words(record.requested_scope.as_ref().unwrap_or(&consented.scope)),
            requested_access_token_audience: record.requested_audience.unwrap_or_else(|| consented.audience.0.clone()),
            skip: false,
            subject: subject.to_string(),
            oidc_context: OidcContext::default(),
            client: Shown::new(client, None),
            request_url: record.request_url.unwrap_or_default(),
            login_challenge: consented.flow_id.clone(),
            login_session_id: consented.session_id.map(|id| id.to_string()).unwrap_or_default(),
            acr: consented.acr.unwrap_or_default(),
            amr: consented.amr.0,
            context: json!({}),
        };
        Self {
            consent_request_id: consented.flow_id,
            consent_request,
            grant_scope: words(&consented.scope),
            grant_access_token_audience: consented.audience.0,
            session: consented.claims.map(|claims| claims.0).unwrap_or_default().into(),
            remember,
            remember_for,
            handled_at: handled_at.rfc3339(),
            context: record.context.unwrap_or_else(|| json!({})),
        }
    }
}

/// A login session as it is shown. Hydra lists none.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2LoginSession")]
pub struct LoginSession {
    /// `sid`.
    pub id: String,
    subject: String,
    /// RFC 3339.
    authenticated_at: String,
    pub created_at: String,
    pub expires_at: String,
    /// When it was used last, to within some minutes; not there: not since it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<String>,
    /// Where that was, as the server saw the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The browser, as it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    remember: bool,
    acr: String,
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_provider_session_id: Option<String>,
}

impl From<Session> for LoginSession {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            subject: session.subject.to_string(),
            authenticated_at: session.authenticated_at.rfc3339(),
            created_at: session.created_at.rfc3339(),
            expires_at: session.expires_at.rfc3339(),
            used_at: session.used_at.map(Timestamp::rfc3339),
            address: session.address,
            user_agent: session.user_agent,
            remember: session.remembered,
            acr: session.acr.unwrap_or_default(),
            amr: session.amr.0,
            identity_provider_session_id: session.identity_provider_session_id,
        }
    }
}

fn missing(name: &str) -> Error {
    ErrorCode::InvalidRequest.because(format!("Query parameter {name} is not defined but should have been."))
}

fn subject(params: &Params) -> Result<Subject> {
    params.get("subject").map(Subject::new).ok_or_else(|| missing("subject"))
}

fn session_named(params: &Params, name: &str) -> Result<Option<SessionId>> {
    let Some(text) = params.get(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| ErrorCode::InvalidRequest.because(format!("{name} is not the id of a session.")))
}

pub async fn on_list_consents(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let subject = subject(&params)?;
    let session = session_named(&params, "login_session_id")?;
    let asked = Asked::read(&app, CONSENTS, &params)?;
    let now = app.clock.now();
    let rows = app.store.consented(&subject, session, asked.after.as_deref(), asked.size + 1, now).await?;
    let found = Page::of(rows, &asked, |consented: &Consented| consented.flow_id.clone());
    let mut items = Vec::with_capacity(found.items.len());
    for consented in found.items {
        // One that was deleted just now has no consents.
        if let Some(client) = app.store.client(&consented.client_id).await? {
            items.push(ConsentSession::new(consented, &subject, &client));
        }
    }
    Ok(page::answer(&app, CONSENTS, &params, &asked, Page { items, next: found.next })?)
}

/// Exactly one of: a subject with a client, a subject with `all=true`, one consent. Never all people's.
pub async fn on_revoke_consents(Admin(app): Admin, RawQuery(query): RawQuery) -> Result<StatusCode, JsonError> {
    let params = page::query(query.as_deref())?;
    let ending = app.ending(app.clock.now());
    let all = match params.get("all") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ErrorCode::InvalidRequest.because("The parameter all is true or false.").into()),
    };
    let revoked = match (params.get("subject"), params.get("client"), params.get("consent_request_id"), all) {
        (Some(subject), Some(client), None, false) => {
            app.store.revoke_consents(&Subject::new(subject), Some(&ClientId::new(client)), ending).await?
        }
        (Some(subject), None, None, true) => app.store.revoke_consents(&Subject::new(subject), None, ending).await?,
        (None, None, Some(id), false) => app.store.revoke_consent(id, ending).await?,
        _ => {
            return Err(ErrorCode::InvalidRequest
                .because("Invalid combination of query parameters: give subject and client, subject and all=true, or consent_request_id.")
                .into());
        }
    };
    tracing::info!(grants = revoked, "consents were revoked by the admin API");
    Ok(StatusCode::NO_CONTENT)
}

/// Where a person is signed in, newest first.
pub async fn list(app: &App, subject: &Subject, asked: &Asked) -> Result<Page<LoginSession>> {
    let rows = app.store.sessions_of(subject, asked.after.as_deref(), asked.size + 1, app.clock.now()).await?;
    let shown: Vec<LoginSession> = rows.into_iter().map(LoginSession::from).collect();
    Ok(Page::of(shown, asked, |session: &LoginSession| session.id.clone()))
}

/// Ends a session, and has its clients told. Whether it was there.
pub async fn revoke(app: &App, id: SessionId) -> Result<bool> {
    let ended = app.store.end_session(id, app.ending(app.clock.now())).await?.is_some();
    tracing::info!(session = %id, ended, "a session was ended by an administrator");
    Ok(ended)
}

/// Signs a person out everywhere. How many sessions that ended.
pub async fn revoke_all(app: &App, subject: &Subject) -> Result<u64> {
    let sessions = app.store.end_sessions_of(subject, None, app.ending(app.clock.now())).await?;
    tracing::info!(%subject, sessions, "all sessions of a person were ended by an administrator");
    Ok(sessions)
}

pub async fn on_list_logins(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let subject = subject(&params)?;
    let asked = Asked::read(&app, LOGINS, &params)?;
    let found = list(&app, &subject, &asked).await?;
    Ok(page::answer(&app, LOGINS, &params, &asked, found)?)
}

/// One session, or all of a person; with them go the tokens that were not meant to outlive them. Never all people's.
pub async fn on_revoke_logins(Admin(app): Admin, RawQuery(query): RawQuery) -> Result<StatusCode, JsonError> {
    let params = page::query(query.as_deref())?;
    match (params.get("subject"), params.get("sid")) {
        (Some(subject), None) => {
            revoke_all(&app, &Subject::new(subject)).await?;
        }
        // Who names a session that is not there has it as it should be.
        (None, Some(sid)) => {
            if let Ok(sid) = sid.parse() {
                revoke(&app, sid).await?;
            }
        }
        _ => return Err(ErrorCode::InvalidRequest.because("Give either subject or sid.").into()),
    }
    Ok(StatusCode::NO_CONTENT)
}
