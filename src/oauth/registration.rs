//! A client's own request to be registered: RFC 7591 section 3.1, OpenID Connect Dynamic Client Registration section 3.1,
//! and RFC 7592 section 2.2. What it may hold is less than what an operator may set.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::client_metadata::{AuthMethod, ClientMetadata, GrantType, Lifespan, Rules, check_secret};
use super::response_mode::ResponseType;
use super::scope::Scope;
use super::{Error, ErrorCode, Result};
use crate::config::{Oidc, Registration};
use crate::secret::Secret;

/// The shortest secret that a client may choose itself. An operator's may be shorter: it is one that he answers for.
const SHORTEST_SECRET: usize = 12;
const FEWEST_CHARACTERS: usize = 6;

/// Claims of a software statement that are about the statement, not about the software (RFC 7519 section 4.1).
const OF_THE_STATEMENT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// A request as it is sent: everything of [`ClientMetadata`], and what only the server or an operator decides.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(flatten)]
    pub metadata: ClientMetadata,
    #[serde(flatten)]
    privileges: Privileges,
}

/// Members of other servers' models by which a client would be more than others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Privileges {
    is_first_party: Value,
    tls_client_auth_subject_dn: Value,
    tls_client_auth_san_dns: Value,
    tls_client_auth_san_uri: Value,
    tls_client_auth_san_ip: Value,
    tls_client_auth_san_email: Value,
}

/// The registration that a request replaces.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    pub metadata: &'a ClientMetadata,
    /// The operator has made the client, and may have given it what clients can not register themselves.
    pub is_operators: bool,
}

impl Request {
    pub fn read(body: &[u8]) -> Result<Self> {
        serde_json::from_slice(body).map_err(|error| unreadable(&error))
    }

    /// The same request with the claims of its software statement, which go before what it says itself (RFC 7591 section
    /// 2.3). They give no privilege: they are judged like everything else.
    pub fn with_statement(body: &[u8], claims: Map<String, Value>) -> Result<Self> {
        let mut members: Map<String, Value> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        let own = claims.into_iter().filter(|(name, _)| {
            !OF_THE_STATEMENT.contains(&name.as_str())
                && !matches!(name.as_str(), "software_statement" | "client_id" | "client_secret")
        });
        members.extend(own);
        serde_json::from_value(Value::Object(members)).map_err(|_| {
            ErrorCode::InvalidSoftwareStatement.because("The software statement has a member of the wrong type.")
        })
    }

    /// The secret that the client chose; an empty one is none.
    pub fn chosen_secret(&self) -> Result<Option<&Secret>> {
        let Some(secret) = self.client_secret.as_ref().filter(|secret| !secret.expose().is_empty()) else {
            return Ok(None);
        };
        if self.metadata.is_public() {
            return Err(refused("Field client_secret can not be set where token_endpoint_auth_method is none."));
        }
        let different: std::collections::HashSet<_> = secret.expose().bytes().collect();
        if secret.expose().len() < SHORTEST_SECRET || different.len() < FEWEST_CHARACTERS {
            return Err(refused(
                "Field client_secret must have at least 12 characters, and at least 6 different ones.",
            ));
        }
        check_secret(secret.expose())?;
        Ok(Some(secret))
    }

    /// What is registered, with every default filled in (RFC 7591 section 3.2.1).
    ///
    /// What was given to the registration before may be sent back (RFC 7592 section 2.2). What the operator has given to a
    /// client of his stays with it, sent back or not; but that people need not be asked holds for the redirect URIs that he
    /// knew.
    pub fn metadata(&self, oidc: &Oidc, rules: &Rules, before: Option<Before<'_>>) -> Result<ClientMetadata> {
        let given = before.filter(|before| before.is_operators).map(|before| before.metadata);
        let has = before.map_or(&[][..], |before| &before.metadata.audience);
        self.refuse_privileges(&oidc.registration, given.unwrap_or(&ClientMetadata::default()), has)?;
        let mut metadata = complete(self.metadata.clone(), &oidc.default_scope);
        metadata.audience.clone_from(&oidc.registration.allowed_audience);
        if let Some(given) = given {
            let is_known = metadata.redirect_uris.iter().all(|uri| given.redirect_uris.contains(uri));
            metadata.audience.clone_from(&given.audience);
            metadata.owner.clone_from(&given.owner);
            metadata.metadata.clone_from(&given.metadata);
            metadata.access_token_strategy.clone_from(&given.access_token_strategy);
            metadata.lifespans.clone_from(&given.lifespans);
            metadata.skip_consent = given.skip_consent && is_known;
            metadata.skip_logout_consent = given.skip_logout_consent;
        }
        check_policy(&metadata, given, &oidc.registration, &oidc.default_scope)?;
        metadata.validate(rules)?;
        check_redirect_uris(&metadata)?;
        let is_given = given.is_some_and(|given| given.frontchannel_logout_uri == metadata.frontchannel_logout_uri);
        if !is_given && !metadata.has_its_own_frontchannel_page() {
            return Err(refused(
                "Field frontchannel_logout_uri must match the domain, port, scheme of at least one of the redirect URIs.",
            ));
        }
        match given {
            Some(given) if given.logo_uri == metadata.logo_uri => Ok(metadata),
            _ => check_logo(metadata),
        }
    }

    /// DR-04. `given`: what the operator has given to the client; `has`: its audience, whoever it is from.
    fn refuse_privileges(&self, policy: &Registration, given: &ClientMetadata, has: &[String]) -> Result<()> {
        let metadata = &self.metadata;
        let is_set = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => true,
        };
        let is_theirs = |one: &String| policy.allowed_audience.contains(one) || has.contains(one);
        let is_new = |value: &String, given: &String| !value.is_empty() && value != given;
        let theirs = [
            ("skip_consent", metadata.skip_consent && !given.skip_consent),
            (
                "skip_logout_consent",
                metadata.skip_logout_consent == Some(true) && given.skip_logout_consent != Some(true),
            ),
            ("metadata", is_set(&metadata.metadata) && metadata.metadata != given.metadata),
            ("access_token_strategy", is_new(&metadata.access_token_strategy, &given.access_token_strategy)),
            ("audience", !metadata.audience.iter().all(is_theirs)),
            ("owner", is_new(&metadata.owner, &given.owner)),
            ("is_first_party", is_set(&self.privileges.is_first_party)),
            ("tls_client_auth_subject_dn", is_set(&self.privileges.tls_client_auth_subject_dn)),
            ("tls_client_auth_san_dns", is_set(&self.privileges.tls_client_auth_san_dns)),
            ("tls_client_auth_san_uri", is_set(&self.privileges.tls_client_auth_san_uri)),
            ("tls_client_auth_san_ip", is_set(&self.privileges.tls_client_auth_san_ip)),
            ("tls_client_auth_san_email", is_set(&self.privileges.tls_client_auth_san_email)),
        ];
        let is_given = |own: &(&str, Lifespan)| given.lifespans.iter().any(|given| given == *own);
        let lifespan = metadata.lifespans.iter().find(|own| !is_given(own)).map(|(field, _)| field);
        match theirs.into_iter().find_map(|(field, set)| set.then_some(field)).or(lifespan) {
            Some(field) => Err(refused(format!("Field {field} can not be set for dynamic client registration."))),
            None => Ok(()),
        }
    }
}

/// The defaults of OpenID Connect Dynamic Client Registration section 2. A client that says nothing of its kind is taken
/// for an app where only an app can receive its answers: many apps leave it out, and were otherwise refused.
fn complete(metadata: ClientMetadata, default_scope: &[String]) -> ClientMetadata {
    let mut metadata = metadata.with_defaults(default_scope);
    metadata.skip_logout_consent = None;
    if metadata.grant_types.is_empty() {
        metadata.grant_types.push(GrantType::AuthorizationCode.as_str().to_owned());
    }
    if metadata.response_types.is_empty() && metadata.may_use(GrantType::AuthorizationCode) {
        metadata.response_types.push(ResponseType::Code.as_str().to_owned());
    }
    if metadata.application_type.is_empty() {
        let kind = if metadata.is_native() { "native" } else { "web" };
        kind.clone_into(&mut metadata.application_type);
    }
    metadata
}

/// What the operator lets strangers register, and what he has `given` to a client of his.
fn check_policy(
    metadata: &ClientMetadata,
    given: Option<&ClientMetadata>,
    policy: &Registration,
    default_scope: &[String],
) -> Result<()> {
    let has_grant = |grant: &String| given.is_some_and(|given| given.grant_types.contains(grant));
    if metadata.grant_types.iter().any(|grant| !policy.allowed_grant_types.contains(grant) && !has_grant(grant)) {
        return Err(refused(format!(
            "A value of field grant_types can not be registered by clients themselves, only [{}] can.",
            policy.allowed_grant_types.join(" ")
        )));
    }
    if metadata.may_use(GrantType::ClientCredentials) && metadata.auth_method() == AuthMethod::None {
        return Err(refused("A client without authentication can not have the grant type client_credentials."));
    }
    if metadata.may_use(GrantType::JwtBearer) && metadata.auth_method() == AuthMethod::None {
        return Err(refused("A client without authentication can not have the grant type of RFC 7523."));
    }
    let scope = Scope::parse(&metadata.scope).map_err(|_| refused("Field scope is not a list of scope values."))?;
    let has_scope = |word: &str| given.is_some_and(|given| given.scope.split(' ').any(|given| given == word));
    let may =
        |word: &str| policy.allowed_scope.iter().chain(default_scope).any(|allowed| allowed == word) || has_scope(word);
    if !scope.iter().all(may) {
        return Err(refused("A value of field scope can not be registered by clients themselves."));
    }
    // RFC 7591 section 2.1; validate() looks at the implicit types.
    for text in &metadata.response_types {
        let needs_code = ResponseType::parse(text).is_ok_and(ResponseType::gives_code);
        if needs_code && !metadata.may_use(GrantType::AuthorizationCode) {
            return Err(refused("Field grant_types must have authorization_code for a response type with code."));
        }
    }
    Ok(())
}

/// RFC 7591 section 2: who is answered by redirect says where. OpenID Connect Dynamic Client Registration section 2: a web
/// client that takes tokens from a redirect is not on the visitor's own machine.
fn check_redirect_uris(metadata: &ClientMetadata) -> Result<()> {
    let implicit = metadata.may_use(GrantType::Implicit);
    if metadata.redirect_uris.is_empty() && (implicit || metadata.may_use(GrantType::AuthorizationCode)) {
        return Err(ErrorCode::InvalidRedirectUri.because("Field redirect_uris must be set for these grant_types."));
    }
    let is_here = |uri: &String| host(uri).is_some_and(|host| host == "localhost" || host.ends_with(".localhost"));
    if implicit && metadata.application_type == "web" && metadata.redirect_uris.iter().any(is_here) {
        return Err(ErrorCode::InvalidRedirectUri
            .because("Redirect URIs of a web client with the grant type implicit must not be on localhost."));
    }
    Ok(())
}

/// DR-11: a logo from elsewhere than where the person is sent could be anybody's. An app has no such place; it goes
/// without (RFC 7591 section 3.2.1 lets the server leave out what it does not take).
fn check_logo(mut metadata: ClientMetadata) -> Result<ClientMetadata> {
    let Some(logo) = host(&metadata.logo_uri) else { return Ok(metadata) };
    let is_web = |uri: &&String| uri.starts_with("https:") || uri.starts_with("http:");
    let mut hosts = metadata.redirect_uris.iter().filter(is_web).filter_map(|uri| host(uri)).peekable();
    if hosts.peek().is_none() || metadata.application_type == "native" {
        metadata.logo_uri.clear();
    } else if !hosts.all(|host| host == logo) {
        // One of theirs beside one of a bank's would borrow the bank's logo.
        return Err(refused("Field logo_uri must be on the host of the redirect URIs, of each of them."));
    }
    Ok(metadata)
}

fn host(uri: &str) -> Option<String> {
    Url::parse(uri).ok()?.host_str().map(str::to_owned)
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    ErrorCode::InvalidClientMetadata.because(why)
}

/// DR-29. Where it is wrong, and nothing of what is there.
fn unreadable(error: &serde_json::Error) -> Error {
    let what = match error.is_data() {
        true => "The request body has a member that is given twice or of the wrong type",
        false => "The request body is not a JSON object",
    };
    match error.line() {
        0 => refused(format!("{what}.")),
        line => refused(format!("{what} (line {line}, column {}).", error.column())),
    }
}

#[cfg(test)]
mod tests;
