//! What is judged of an authorization request once it is known where the answer goes.

use super::{AuthorizationRequest, Context, Prompt, ReplyTo, repeated};
use crate::id::{ClientId, Subject};
use crate::oauth::claims_request::{ClaimsRequest, base_name};
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::id_token::is_reserved;
use crate::oauth::params::Params;
use crate::oauth::pkce::Challenge;
use crate::oauth::response_mode::ResponseType;
use crate::oauth::scope::{self, Scope};
use crate::oauth::{ErrorCode, Result, acr, claims};

/// The longest state, nonce or `login_hint`: a request travels sealed in a URL.
const LONGEST_VALUE: usize = 2048;

pub(super) fn judge(
    params: &Params,
    id: &ClientId,
    context: &Context<'_>,
    reply_to: &ReplyTo,
) -> Result<AuthorizationRequest> {
    if let Some(name) = params.repeated() {
        return Err(repeated(name));
    }
    refuse_unsupported(params)?;
    let response_type = response_type(params, context)?;
    let scope = requested_scope(params, context)?;
    front_id_token(params, response_type, &scope)?;
    let audience = requested_audience(params, context.client)?;
    let code_challenge = challenge(params, context, response_type)?;
    let prompt = params.get("prompt").map_or(Ok(Prompt::default()), |text| Prompt::parse(text, context.own_login))?;
    let max_age = params.get("max_age").map(parse_max_age).transpose()?.or(context.client.default_max_age);
    for name in ["state", "nonce", "login_hint"] {
        if params.get(name).is_some_and(|value| value.len() > LONGEST_VALUE) {
            return Err(ErrorCode::InvalidRequest.because(format!("The parameter {name} is longer than 2048 bytes.")));
        }
    }
    let mut claims = ClaimsRequest::parse(params.get("claims"), params.get("claims_locales"))?;
    let subjects = who_may_answer(params, context.hinted, &claims)?;
    let essential_acr = claims.essential_acr();
    if context.own_login
        && !essential_acr.is_empty()
        && !essential_acr.iter().any(|acr| acr::SUPPORTED.contains(&acr.as_str()))
    {
        // Before anybody is asked to sign in in vain.
        return Err(ErrorCode::UnmetAuthenticationRequirements.because("None of the acr values can be reached here."));
    }
    claims.retain(|name| may_ask_for(context, name));
    Ok(AuthorizationRequest {
        client_id: id.clone(),
        reply_to: reply_to.clone(),
        redirect_uri: params.get("redirect_uri").map(str::to_owned),
        response_type,
        scope,
        audience,
        nonce: params.get("nonce").map(str::to_owned),
        code_challenge,
        prompt,
        max_age,
        login_hint: params.get("login_hint").map(str::to_owned),
        subjects,
        essential_acr,
        claims,
    })
}

/// Whom `id_token_hint` and the claim `sub` name (OpenID Connect Core sections 3.1.2.2 and 5.5.1).
fn who_may_answer(params: &Params, hinted: Option<&Subject>, claims: &ClaimsRequest) -> Result<Vec<Subject>> {
    let two = || ErrorCode::LoginRequired.because("The request asks for two different persons.");
    let asked = claims.subjects().ok_or_else(two)?;
    let asked: Vec<Subject> = asked.into_iter().map(Subject::new).collect();
    match (params.get("id_token_hint"), hinted) {
        (None, _) => Ok(asked),
        (Some(_), Some(hinted)) if asked.is_empty() || asked.contains(hinted) => Ok(vec![hinted.clone()]),
        (Some(_), Some(_)) => Err(two()),
        (Some(_), None) => {
            Err(ErrorCode::InvalidRequest.because("id_token_hint is not an ID token of this server for this client."))
        }
    }
}

/// A claim by its name is no way around the scopes that a client is registered for; one that is no standard claim may be
/// asked for where the operator has published it. Others are ignored (OpenID Connect Core section 5.5).
fn may_ask_for(context: &Context<'_>, name: &str) -> bool {
    let base = base_name(name);
    if is_reserved(base) {
        return false;
    }
    match claims::scope_of(base) {
        Some(opening) => {
            let registered = context.client.scope(context.default_scope);
            scope::allowed(context.strategy, &registered, &std::iter::once(opening).collect())
        }
        None => context.supported_claims.iter().any(|supported| supported == base),
    }
}

/// What discovery says is not supported is refused with the error that OpenID Connect Core section 3.1.2.6 has for it;
/// to ignore it would be to answer another request than the one that was made.
fn refuse_unsupported(params: &Params) -> Result<()> {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if params.get(name).is_some() {
            return Err(code.because(format!("The parameter {name} is not supported.")));
        }
    }
    Ok(())
}

fn response_type(params: &Params, context: &Context<'_>) -> Result<ResponseType> {
    let asked = ResponseType::parse(params.require("response_type")?)?;
    if !context.response_types.contains(&asked) {
        return Err(ErrorCode::UnsupportedResponseType.because("The server does not offer this response_type."));
    }
    if !context.client.response_types().any(|registered| registered == asked) {
        return Err(ErrorCode::UnsupportedResponseType.because("The client is not registered for this response_type."));
    }
    Ok(asked)
}

/// What an ID token from the authorization endpoint needs: OpenID Connect Core sections 3.2.2.1 and 3.3.2.11.
fn front_id_token(params: &Params, asked: ResponseType, scope: &Scope) -> Result<()> {
    if !asked.gives_id_token() {
        return Ok(());
    }
    if !scope.contains("openid") {
        return Err(ErrorCode::InvalidRequest.because("A response_type with id_token needs the scope openid."));
    }
    match params.get("nonce") {
        Some(_) => Ok(()),
        None => Err(ErrorCode::InvalidRequest
            .because("The parameter nonce is missing; a response_type with id_token needs it.")),
    }
}

fn requested_scope(params: &Params, context: &Context<'_>) -> Result<Scope> {
    let asked = Scope::parse(params.get("scope").unwrap_or_default())?;
    let registered = context.client.scope(context.default_scope);
    if !scope::allowed(context.strategy, &registered, &asked) {
        return Err(ErrorCode::InvalidScope.because("The client may not request one of these scopes."));
    }
    Ok(asked)
}

/// `audience` is Hydra's, space separated or repeated; `resource` is RFC 8707's.
fn requested_audience(params: &Params, client: &ClientMetadata) -> Result<Vec<String>> {
    let named: Vec<String> = params
        .all("audience")
        .flat_map(|value| value.split(' '))
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect();
    if !scope::audience_allowed(&client.audience, &named) {
        return Err(ErrorCode::InvalidRequest.because("The client may not request this audience."));
    }
    let resources: Vec<String> = params.all("resource").filter(|one| !one.is_empty()).map(str::to_owned).collect();
    if resources.iter().any(|one| one.contains('#')) || !scope::audience_allowed(&client.audience, &resources) {
        return Err(ErrorCode::InvalidTarget.because("The client may not request this resource."));
    }
    let mut audience = named;
    for resource in resources {
        if !audience.contains(&resource) {
            audience.push(resource);
        }
    }
    Ok(audience)
}

/// RFC 9700 section 2.1.1: public clients always, others where the operator says so.
fn challenge(params: &Params, context: &Context<'_>, asked: ResponseType) -> Result<Option<Challenge>> {
    let challenge = Challenge::parse(params.get("code_challenge"), params.get("code_challenge_method"))?;
    if !asked.gives_code() {
        return Ok(None);
    }
    if challenge.is_none() && (context.client.is_public() || context.pkce_enforced) {
        return Err(ErrorCode::InvalidRequest
            .because("PKCE is required: send code_challenge and code_challenge_method=S256 (RFC 7636)."));
    }
    Ok(challenge)
}

fn parse_max_age(text: &str) -> Result<u64> {
    if text.is_empty() || text.len() > 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ErrorCode::InvalidRequest.because("max_age must be a whole number of seconds."));
    }
    text.parse().map_err(|_| ErrorCode::InvalidRequest.because("max_age must be a whole number of seconds."))
}

impl Prompt {
    fn parse(text: &str, own_login: bool) -> Result<Self> {
        let mut prompt = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                "registration" | "create" if !own_login => prompt.registration = true,
                _ => return Err(ErrorCode::InvalidRequest.because("prompt has a value that is not known.")),
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account || prompt.registration) {
            return Err(ErrorCode::InvalidRequest.because("prompt=none can not be combined with another value."));
        }
        Ok(prompt)
    }
}
