//! The authorization request: RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1.
//!
//! Everything that can be refused is refused here, before a person is asked for anything.

mod judge;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::claims_request::{self, ClaimsRequest};
use super::client_metadata::ClientMetadata;
use super::params::Params;
use super::pkce::Challenge;
use super::response_mode::{self, ResponseMode, ResponseType};
use super::scope::Scope;
use super::{Error, ErrorCode, Result, claims, redirect_uri};
use crate::config::ScopeStrategy;
use crate::id::{ClientId, Subject};

/// A request that may be shown to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: ClientId,
    pub reply_to: ReplyTo,
    /// The redirect URI as the token request must repeat it; `None` where this request named none.
    pub redirect_uri: Option<String>,
    pub response_type: ResponseType,
    pub scope: Scope,
    pub audience: Vec<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<Challenge>,
    pub prompt: Prompt,
    /// In seconds.
    pub max_age: Option<u64>,
    pub login_hint: Option<String>,
    /// Who may answer, as the client knows them: whom `id_token_hint` or the claim `sub` names. Empty: anybody.
    pub subjects: Vec<Subject>,
    /// The `acr` of which one must be reached; empty: any will do.
    pub essential_acr: Vec<String>,
    /// The claims that are asked for by name, as far as this client may have them.
    pub claims: ClaimsRequest,
}

impl AuthorizationRequest {
    /// Leaves out the claims that are asked for by name and that none of the scopes opens.
    pub fn keep_claims_of_scopes(&mut self) {
        let scope = &self.scope;
        self.claims.retain(|name| {
            claims::scope_of(claims_request::base_name(name)).is_some_and(|opening| scope.contains(opening))
        });
    }

    /// The claims asked for by name that none of these scopes opens: each is a matter of its own.
    pub fn claims_beside<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a str> {
        self.claims.names().filter(|name| {
            !claims::scope_of(claims_request::base_name(name)).is_some_and(|opening| scope.contains(opening))
        })
    }
}

/// Where the answer to an authorization request may be sent. Only [`validate`] makes one, after client and redirect URI
/// were matched: an open redirect can not be written. Its texts never grow, and every refusal has it in it: each is as
/// small as it can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    redirect_uri: Box<str>,
    mode: ResponseMode,
    state: Option<Box<str>>,
    /// The client's id, where its request is one of OpenID Connect: it may watch the session.
    watcher: Option<Box<str>>,
}

/// `prompt`, OpenID Connect Core section 3.1.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
    /// The person wants to register first: Hydra's word for OpenID Connect's `prompt=create`, where a login app takes it.
    pub registration: bool,
}

/// How a request is refused.
#[derive(Debug)]
pub enum Refused {
    /// On a page of ours: client or redirect URI are not proven (RFC 6749 section 4.1.2.1).
    Page(Error),
    /// To the client.
    Back(ReplyTo, Error),
    /// On a page of ours from which the person may go on to the client: nobody vouches for it, and nobody has yet seen
    /// that it is meant (RFC 9700 section 4.11.2).
    Ask(ReplyTo, Error),
}

/// What the server knows besides the request.
pub struct Context<'a> {
    pub client: &'a ClientMetadata,
    pub default_scope: &'a [String],
    pub strategy: ScopeStrategy,
    pub pkce_enforced: bool,
    /// What the server offers.
    pub response_types: &'a [ResponseType],
    /// Claims besides the standard ones that may be asked for by name.
    pub supported_claims: &'a [String],
    /// Whom `id_token_hint` names, if it is an ID token of ours.
    pub hinted: Option<&'a Subject>,
    /// People sign in at a page of ours. Another app may know more `acr` values, and may let people register.
    pub own_login: bool,
}

impl ReplyTo {
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    pub const fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// The client that is told how to watch the session (OpenID Connect Session Management 1.0 section 2).
    pub fn watcher(&self) -> Option<&str> {
        self.watcher.as_deref()
    }

    /// The response parameters, with `state` exactly as it was sent and `iss` (RFC 9207) in every one.
    pub fn fields<'a>(&'a self, issuer: &'a str, answer: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut fields = answer.to_vec();
        fields.extend(self.state.as_deref().map(|state| ("state", state)));
        fields.push(("iss", issuer));
        fields
    }

    /// The redirect that carries the answer, for the query and fragment modes.
    pub fn location(&self, issuer: &str, answer: &[(&str, &str)]) -> String {
        response_mode::location(&self.redirect_uri, self.mode, &self.fields(issuer, answer))
    }
}

/// The id of the client that asks, before anything else is looked at.
pub fn client_id(params: &Params) -> Result<ClientId, Refused> {
    if let Some(name) = ["client_id", "redirect_uri"].into_iter().find(|name| params.is_repeated(name)) {
        return Err(Refused::Page(repeated(name)));
    }
    params.require("client_id").map(ClientId::new).map_err(Refused::Page)
}

/// Judges a request of this client.
pub fn validate(params: &Params, id: &ClientId, context: &Context<'_>) -> Result<AuthorizationRequest, Refused> {
    let (reply_to, mode) = reply_to(params, id, context.client).map_err(Refused::Page)?;
    mode.and_then(|()| judge::judge(params, id, context, &reply_to)).map_err(|error| Refused::Back(reply_to, error))
}

/// Where the answer to a request of this client goes, whatever else is wrong with it; and what is wrong with the mode that
/// it asks for: then the answer travels as that of its response type does. An error is for a page.
pub fn reply_to(params: &Params, id: &ClientId, client: &ClientMetadata) -> Result<(ReplyTo, Result<()>)> {
    let redirect_uri = redirect_target(params, client)?;
    let (mode, fault) = response_mode(params);
    let state = params.get("state").map(Box::from);
    let watcher = is_openid(params).then(|| id.as_str().into());
    Ok((ReplyTo { redirect_uri: redirect_uri.into(), mode, state, watcher }, fault))
}

fn is_openid(params: &Params) -> bool {
    params.get("scope").is_some_and(|scope| scope.split(' ').any(|value| value == "openid"))
}

/// The mode of the answer. A token stays out of the query, and so does the error in its place (OAuth 2.0 Multiple Response
/// Types section 5).
fn response_mode(params: &Params) -> (ResponseMode, Result<()>) {
    let text = params.get("response_type").unwrap_or_default();
    let own = match ResponseType::parse(text) {
        Ok(kind) => kind.default_mode(),
        Err(_) if text.split(' ').any(|word| matches!(word, "token" | "id_token")) => ResponseMode::Fragment,
        Err(_) => ResponseMode::Query,
    };
    if params.is_repeated("response_mode") {
        return (own, Err(repeated("response_mode")));
    }
    match params.get("response_mode").map(ResponseMode::parse) {
        None => (own, Ok(())),
        Some(Err(error)) => (own, Err(error)),
        Some(Ok(ResponseMode::Query)) if own != ResponseMode::Query => {
            (own, Err(ErrorCode::InvalidRequest.because("A response with a token can not travel in the query.")))
        }
        Some(Ok(mode)) => (mode, Ok(())),
    }
}

/// RFC 6749 section 3.1.2.3: the registered one that was named; the only one where plain OAuth names none.
fn redirect_target(params: &Params, client: &ClientMetadata) -> Result<String> {
    if client.redirect_uris.is_empty() {
        return Err(ErrorCode::UnauthorizedClient.because("The client has no redirect_uri registered."));
    }
    match params.get("redirect_uri") {
        Some(given) if redirect_uri::matches(&client.redirect_uris, given, client.is_native()) => Ok(given.to_owned()),
        Some(_) => Err(ErrorCode::InvalidRequest.because(
            "The redirect_uri is not one that the client has registered. It is compared character by character.",
        )),
        None if is_openid(params) => {
            Err(ErrorCode::InvalidRequest.because("The parameter redirect_uri is missing; OpenID Connect demands it."))
        }
        None => match client.redirect_uris.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(ErrorCode::InvalidRequest
                .because("The parameter redirect_uri is missing and the client has registered several.")),
        },
    }
}

fn repeated(name: &str) -> Error {
    // The name is echoed only where it is one of ours.
    let known = ["client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt"];
    match known.iter().find(|known| **known == name) {
        Some(known) => ErrorCode::InvalidRequest.because(format!("The parameter {known} is given more than once.")),
        None => ErrorCode::InvalidRequest.because("A parameter is given more than once."),
    }
}
