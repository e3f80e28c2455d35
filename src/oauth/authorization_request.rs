//! The authorization request: RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1.
//!
//! Everything that can be refused is refused here, before a person is asked for anything.

use serde::{Deserialize, Serialize};

use super::client_metadata::{ClientMetadata, GrantType};
use super::params::Params;
use super::pkce::Challenge;
use super::response_mode::{self, ResponseMode, ResponseType};
use super::scope::{self, Scope};
use super::{Error, ErrorCode, Result, redirect_uri};
use crate::config::ScopeStrategy;
use crate::id::{ClientId, Subject};

/// The longest state, nonce, `id_token_hint` or `login_hint`: a request travels sealed in a URL.
const LONGEST_VALUE: usize = 2048;

/// A request that may be shown to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: ClientId,
    pub reply_to: ReplyTo,
    /// The redirect URI as the token request must repeat it; `None` where this request named none.
    pub redirect_uri: Option<String>,
    pub scope: Scope,
    pub audience: Vec<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<Challenge>,
    pub prompt: Prompt,
    /// In seconds.
    pub max_age: Option<u64>,
    pub login_hint: Option<String>,
    /// Whom `id_token_hint` names.
    pub hinted_subject: Option<Subject>,
}

/// Where the answer to an authorization request may be sent. Only [`validate`] makes one, after client and redirect URI
/// were matched: an open redirect can not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    redirect_uri: String,
    mode: ResponseMode,
    state: Option<String>,
}

/// `prompt`, OpenID Connect Core section 3.1.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
}

/// How a request is refused.
#[derive(Debug)]
pub enum Refused {
    /// On a page of ours: client or redirect URI are not proven (RFC 6749 section 4.1.2.1).
    Page(Error),
    /// To the client.
    Back(ReplyTo, Error),
}

/// What the server knows besides the request.
pub struct Context<'a> {
    pub client: &'a ClientMetadata,
    pub default_scope: &'a [String],
    pub strategy: ScopeStrategy,
    pub pkce_enforced: bool,
    /// Verifies `id_token_hint` and tells whom it names.
    pub hint: &'a (dyn Fn(&str) -> Result<Subject> + Sync),
}

impl ReplyTo {
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    pub const fn mode(&self) -> ResponseMode {
        self.mode
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
    let (reply_to, mode) = reply_to(params, context.client).map_err(Refused::Page)?;
    mode.and_then(|()| judge(params, id, context, &reply_to)).map_err(|error| Refused::Back(reply_to, error))
}

/// Where the answer to a request of this client goes, whatever else is wrong with it; and what is wrong with the mode that
/// it asks for: then the answer travels as that of its response type does. An error is for a page.
pub fn reply_to(params: &Params, client: &ClientMetadata) -> Result<(ReplyTo, Result<()>)> {
    let redirect_uri = redirect_target(params, client)?;
    let (mode, fault) = match response_mode(params) {
        Ok(mode) => (mode, Ok(())),
        Err(error) => (ResponseMode::Query, Err(error)),
    };
    Ok((ReplyTo { redirect_uri, mode, state: params.get("state").map(str::to_owned) }, fault))
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
        None if params.get("scope").is_some_and(|scope| scope.split(' ').any(|value| value == "openid")) => {
            Err(ErrorCode::InvalidRequest.because("The parameter redirect_uri is missing; OpenID Connect demands it."))
        }
        None => match client.redirect_uris.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(ErrorCode::InvalidRequest
                .because("The parameter redirect_uri is missing and the client has registered several.")),
        },
    }
}

fn response_mode(params: &Params) -> Result<ResponseMode> {
    if params.is_repeated("response_mode") {
        return Err(repeated("response_mode"));
    }
    params.get("response_mode").map_or(Ok(ResponseMode::Query), ResponseMode::parse)
}

fn judge(params: &Params, id: &ClientId, context: &Context<'_>, reply_to: &ReplyTo) -> Result<AuthorizationRequest> {
    if let Some(name) = params.repeated() {
        return Err(repeated(name));
    }
    refuse_unsupported(params)?;
    response_type(params, context.client)?;
    let scope = requested_scope(params, context)?;
    let audience = requested_audience(params, context.client)?;
    let code_challenge = challenge(params, context)?;
    let prompt = params.get("prompt").map_or(Ok(Prompt::default()), Prompt::parse)?;
    let max_age = params.get("max_age").map(parse_max_age).transpose()?;
    for name in ["state", "nonce", "login_hint"] {
        if params.get(name).is_some_and(|value| value.len() > LONGEST_VALUE) {
            return Err(ErrorCode::InvalidRequest.because(format!("The parameter {name} is longer than 2048 bytes.")));
        }
    }
    let hinted_subject = params.get("id_token_hint").map(context.hint).transpose()?;
    Ok(AuthorizationRequest {
        client_id: id.clone(),
        reply_to: reply_to.clone(),
        redirect_uri: params.get("redirect_uri").map(str::to_owned),
        scope,
        audience,
        nonce: params.get("nonce").map(str::to_owned),
        code_challenge,
        prompt,
        max_age,
        login_hint: params.get("login_hint").map(str::to_owned),
        hinted_subject,
    })
}

fn repeated(name: &str) -> Error {
    // The name is echoed only where it is one of ours.
    let known = ["client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt"];
    match known.iter().find(|known| **known == name) {
        Some(known) => ErrorCode::InvalidRequest.because(format!("The parameter {known} is given more than once.")),
        None => ErrorCode::InvalidRequest.because("A parameter is given more than once."),
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

fn response_type(params: &Params, client: &ClientMetadata) -> Result<()> {
    let asked = ResponseType::parse(params.require("response_type")?)?;
    if !client.response_types().any(|registered| registered == asked) {
        return Err(ErrorCode::UnsupportedResponseType.because("The client is not registered for this response_type."));
    }
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(
            ErrorCode::UnauthorizedClient.because("The client is not registered for the authorization code grant.")
        );
    }
    Ok(())
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
fn challenge(params: &Params, context: &Context<'_>) -> Result<Option<Challenge>> {
    let challenge = Challenge::parse(params.get("code_challenge"), params.get("code_challenge_method"))?;
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
    fn parse(text: &str) -> Result<Self> {
        let mut prompt = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(ErrorCode::InvalidRequest.because("prompt has a value that is not known.")),
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
            return Err(ErrorCode::InvalidRequest.because("prompt=none can not be combined with another value."));
        }
        Ok(prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(json: &serde_json::Value) -> ClientMetadata {
        let mut whole =
            serde_json::json!({ "redirect_uris": ["https://rp.example/cb"], "scope": "openid offline_access profile" });
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn ask(client: &ClientMetadata, query: &str) -> Result<AuthorizationRequest, Refused> {
        let params = Params::parse(query.as_bytes()).unwrap();
        let id = client_id(&params)?;
        let hint = |_: &str| Ok(Subject::new("alice"));
        let context = Context {
            client,
            default_scope: &[],
            strategy: ScopeStrategy::Wildcard,
            pkce_enforced: false,
            hint: &hint,
        };
        validate(&params, &id, &context)
    }

    const GOOD: &str =
        "client_id=web&redirect_uri=https%3A%2F%2Frp.example%2Fcb&response_type=code&scope=openid&state=s";

    fn back(outcome: Result<AuthorizationRequest, Refused>) -> ErrorCode {
        match outcome {
            Err(Refused::Back(_, error)) => error.code,
            other => panic!("not sent back: {other:?}"),
        }
    }

    fn page(outcome: Result<AuthorizationRequest, Refused>) -> ErrorCode {
        match outcome {
            Err(Refused::Page(error)) => error.code,
            other => panic!("no page: {other:?}"),
        }
    }

    #[test]
    fn nothing_is_sent_to_a_redirect_uri_that_is_not_proven() {
        let web = client(&serde_json::json!({}));
        for query in [
            "redirect_uri=https://rp.example/cb&response_type=code".to_owned(),
            GOOD.replace("cb&", "cb%2F&"),
            format!("{GOOD}&client_id=evil"),
            format!("{GOOD}&redirect_uri=https://evil.example/cb"),
            format!("nonce=1&nonce=2&{GOOD}&redirect_uri=https://evil.example/cb"),
            format!("x=1&x=2&{GOOD}&client_id=evil"),
            "client_id=web&response_type=code&scope=openid".to_owned(),
        ] {
            assert_eq!(page(ask(&web, &query)), ErrorCode::InvalidRequest, "{query}");
        }
        let none = client(&serde_json::json!({ "redirect_uris": [] }));
        assert_eq!(page(ask(&none, GOOD)), ErrorCode::UnauthorizedClient);
    }

    #[test]
    fn plain_oauth_may_leave_out_the_only_redirect_uri() {
        let request = ask(&client(&serde_json::json!({})), "client_id=web&response_type=code&scope=profile").unwrap();
        assert_eq!(request.redirect_uri, None);
        assert_eq!(request.reply_to.redirect_uri(), "https://rp.example/cb");
    }

    #[test]
    fn each_fault_has_its_error() {
        let web = client(&serde_json::json!({}));
        for (query, code) in [
            (GOOD.replace("response_type=code&", ""), ErrorCode::InvalidRequest),
            (GOOD.replace("=code&", "=foo&"), ErrorCode::UnsupportedResponseType),
            (format!("{GOOD}&response_mode=xyz"), ErrorCode::UnsupportedResponseMode),
            (format!("{GOOD}&response_mode=query&response_mode=query"), ErrorCode::InvalidRequest),
            (format!("{GOOD}&nonce=1&nonce=2"), ErrorCode::InvalidRequest),
            (GOOD.replace("=openid", "=openid+admin"), ErrorCode::InvalidScope),
            (format!("{GOOD}&prompt=none+login"), ErrorCode::InvalidRequest),
            (format!("{GOOD}&prompt=NONE"), ErrorCode::InvalidRequest),
            (format!("{GOOD}&request=x"), ErrorCode::RequestNotSupported),
            (format!("{GOOD}&request_uri=x"), ErrorCode::RequestUriNotSupported),
            (format!("{GOOD}&registration=x"), ErrorCode::RegistrationNotSupported),
            (format!("{GOOD}&resource=https://other.example"), ErrorCode::InvalidTarget),
            (format!("{GOOD}&resource=relative"), ErrorCode::InvalidTarget),
            (format!("{GOOD}&audience=https://other.example"), ErrorCode::InvalidRequest),
            (format!("{GOOD}&code_challenge_method=S256"), ErrorCode::InvalidRequest),
        ] {
            assert_eq!(back(ask(&web, &query)), code, "{query}");
        }
    }

    #[test]
    fn max_age_is_a_whole_number() {
        let web = client(&serde_json::json!({}));
        for (text, seconds) in [("0", 0), ("1", 1), ("15000", 15000)] {
            assert_eq!(ask(&web, &format!("{GOOD}&max_age={text}")).unwrap().max_age, Some(seconds));
        }
        for text in ["-1", "1.5", "1e3", "99999999999999999999", "0x10", "%2B1"] {
            assert_eq!(back(ask(&web, &format!("{GOOD}&max_age={text}"))), ErrorCode::InvalidRequest, "{text}");
        }
    }

    #[test]
    fn a_public_client_needs_pkce() {
        let spa = client(&serde_json::json!({ "token_endpoint_auth_method": "none" }));
        assert_eq!(back(ask(&spa, GOOD)), ErrorCode::InvalidRequest);
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(ask(&spa, &format!("{GOOD}&code_challenge={challenge}&code_challenge_method=S256")).is_ok());
    }

    #[test]
    fn state_and_issuer_go_with_every_answer() {
        let request = ask(&client(&serde_json::json!({})), &GOOD.replace("state=s", "state=a%0d%0aX%3A%261")).unwrap();
        let location = request.reply_to.location("https://op.example", &[("code", "c")]);
        assert_eq!(location, "https://rp.example/cb?code=c&state=a%0D%0AX%3A%261&iss=https%3A%2F%2Fop.example");
    }
}
