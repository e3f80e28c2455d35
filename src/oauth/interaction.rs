//! What a flow needs next from the person: OpenID Connect Core section 3.1.2.3 and 3.1.2.4.

use super::authorization_request::{AuthorizationRequest, Prompt};
use super::claims_request::base_name;
use super::client_metadata::ClientMetadata;
use super::scope::Scope;
use super::{Error, ErrorCode, redirect_uri};
use crate::clock::Timestamp;
use crate::id::Subject;

/// Who is here, as the session says.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// As this client knows them.
    pub subject: &'a Subject,
    pub authenticated_at: Timestamp,
    pub acr: Option<&'a str>,
    /// The login was done for this very flow, so that `prompt=login` and `max_age` are met.
    pub in_this_flow: bool,
}

/// What this person has granted this client before, and wants remembered.
#[derive(Clone, Copy, Debug)]
pub struct Remembered<'a> {
    pub scope: &'a Scope,
    pub audience: &'a [String],
    /// Names of claims that were granted by themselves.
    pub claims: &'a [String],
}

/// What a flow needs next.
#[derive(Debug)]
pub enum Next {
    Refuse(Error),
    Login,
    Consent,
    /// Nothing: all that was requested has been granted before.
    Proceed,
}

/// Who has to be asked for what.
pub fn next(
    request: &AuthorizationRequest,
    client: &ClientMetadata,
    present: Option<Present<'_>>,
    remembered: Option<Remembered<'_>>,
    now: Timestamp,
) -> Next {
    let Some(present) = present.filter(|present| suffices(request, *present, now)) else {
        return if request.prompt.none { Next::Refuse(nobody()) } else { Next::Login };
    };
    // Signed in for this flow, and still not what the request needs.
    if !is_asked_for(request, present) {
        return Next::Refuse(ErrorCode::LoginRequired.because("Somebody else signed in than the request asks for."));
    }
    if !reaches_acr(request, present) {
        return Next::Refuse(
            ErrorCode::UnmetAuthenticationRequirements.because("The sign-in has not reached any of the acr values."),
        );
    }
    if consent_is_given(request, client, remembered) {
        Next::Proceed
    } else if request.prompt.none && !request.subjects.is_empty() {
        // Who was allowed nothing is not told whether its guess of who is here was right.
        Next::Refuse(nobody())
    } else if request.prompt.none {
        Next::Refuse(
            ErrorCode::ConsentRequired.because("The request needs the consent of the person who is signed in."),
        )
    } else {
        Next::Consent
    }
}

fn nobody() -> Error {
    ErrorCode::LoginRequired.because("Nobody is signed in who may answer this request silently.")
}

/// Whether a session will do for this request, or the person has to sign in (again).
fn suffices(request: &AuthorizationRequest, present: Present<'_>, now: Timestamp) -> bool {
    if present.in_this_flow {
        return true;
    }
    let Prompt { login, select_account, registration, .. } = request.prompt;
    let forced = login || select_account || registration;
    let too_old =
        request.max_age.is_some_and(|age| now.since(present.authenticated_at).as_secs() >= age.max(1) || age == 0);
    !(forced || too_old) && is_asked_for(request, present) && reaches_acr(request, present)
}

fn is_asked_for(request: &AuthorizationRequest, present: Present<'_>) -> bool {
    request.subjects.is_empty() || request.subjects.contains(present.subject)
}

/// OpenID Connect Core section 5.5.1.1: an essential `acr` is one of those asked for, or nothing is answered.
fn reaches_acr(request: &AuthorizationRequest, present: Present<'_>) -> bool {
    request.essential_acr.is_empty()
        || present.acr.is_some_and(|acr| request.essential_acr.iter().any(|asked| asked == acr))
}

/// Silently only where the answer can reach none but the client: a public client proves who it is by its redirect URI
/// alone, and of those only claimed https is proof (RFC 8252 section 8.6, RFC 9700 section 4.11).
fn consent_is_given(
    request: &AuthorizationRequest,
    client: &ClientMetadata,
    remembered: Option<Remembered<'_>>,
) -> bool {
    is_remembered(request, client, remembered) || (client.skip_consent && may_be_silent(request, client))
}

/// Whether this person has granted all of it before, and wanted that remembered.
pub fn is_remembered(
    request: &AuthorizationRequest,
    client: &ClientMetadata,
    remembered: Option<Remembered<'_>>,
) -> bool {
    let covers = |remembered: Remembered<'_>| {
        request.scope.is_subset_of(remembered.scope)
            && request.audience.iter().all(|one| remembered.audience.contains(one))
            && request
                .claims_beside(&request.scope)
                .all(|name| remembered.claims.iter().any(|granted| granted == base_name(name)))
    };
    remembered.is_some_and(covers) && may_be_silent(request, client)
}

fn may_be_silent(request: &AuthorizationRequest, client: &ClientMetadata) -> bool {
    let proven = !client.is_public() || redirect_uri::may_be_silent(request.reply_to.redirect_uri());
    proven && !request.prompt.consent
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::ScopeStrategy;
    use crate::id::ClientId;
    use crate::oauth::authorization_request::{Context, validate};
    use crate::oauth::params::Params;
    use crate::oauth::response_mode::ResponseType;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn client(json: &serde_json::Value) -> ClientMetadata {
        let mut whole = serde_json::json!({ "redirect_uris": ["https://rp.example/cb", "com.example.app:/cb"], "scope": "openid profile", "audience": ["https://api.example"] });
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn request(client: &ClientMetadata, extra: &str) -> AuthorizationRequest {
        let base = "response_type=code&scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
        let redirect = if extra.contains("redirect_uri") { "" } else { "&redirect_uri=https://rp.example/cb" };
        let params = Params::parse(format!("{base}{redirect}&{extra}").as_bytes()).unwrap();
        let hinted = params.get("id_token_hint").map(Subject::new);
        let context = Context {
            client,
            default_scope: &[],
            strategy: ScopeStrategy::Exact,
            pkce_enforced: false,
            response_types: &[ResponseType::Code],
            supported_claims: &[],
            hinted: hinted.as_ref(),
            own_login: true,
        };
        validate(&params, &ClientId::new("web"), &context).unwrap()
    }

    const NAME: &str = r#"claims={"userinfo":{"name":null}}"#;
    const AUDIENCE: &str = "audience=https://api.example";

    fn outcome(extra: &str, age: Option<u64>, in_this_flow: bool, remembered: Option<&str>) -> &'static str {
        outcome_for(&client(&serde_json::json!({})), extra, age, in_this_flow, remembered)
    }

    fn outcome_for(
        client: &ClientMetadata,
        extra: &str,
        age: Option<u64>,
        in_this_flow: bool,
        remembered: Option<&str>,
    ) -> &'static str {
        let alice = Subject::new("alice");
        let present = age.map(|age| Present {
            subject: &alice,
            authenticated_at: NOW - Duration::from_secs(age),
            acr: Some("1"),
            in_this_flow,
        });
        // "claims" is remembered as the claim `name`, "api" as an audience, and all else as scope.
        let words: Vec<_> = remembered.unwrap_or_default().split(' ').collect();
        let scope: Scope = words.iter().filter(|word| !matches!(**word, "claims" | "api")).collect();
        let claims = words.contains(&"claims").then(|| "name".to_owned()).into_iter().collect::<Vec<_>>();
        let audience = words.contains(&"api").then(|| "https://api.example".to_owned()).into_iter().collect::<Vec<_>>();
        let remembered = remembered.map(|_| Remembered { scope: &scope, audience: &audience, claims: &claims });
        match next(&request(client, extra), client, present, remembered, NOW) {
            Next::Refuse(error) => error.code.as_str(),
            Next::Login => "login",
            Next::Consent => "consent",
            Next::Proceed => "proceed",
        }
    }

    #[test]
    fn who_is_asked_for_what() {
        let all = Some("openid profile");
        for (extra, age, fresh, remembered, expected) in [
            ("", None, false, None, "login"),
            ("", Some(60), false, None, "consent"),
            ("", Some(60), false, all, "proceed"),
            ("scope2=x", Some(60), false, Some("profile"), "consent"),
            ("prompt=none", None, false, all, "login_required"),
            ("prompt=none", Some(60), false, None, "consent_required"),
            ("prompt=none", Some(60), false, all, "proceed"),
            ("prompt=login", Some(60), false, all, "login"),
            ("prompt=login", Some(0), true, all, "proceed"),
            ("prompt=select_account", Some(60), false, all, "login"),
            ("prompt=consent", Some(60), false, all, "consent"),
            ("max_age=59", Some(60), false, all, "login"),
            ("max_age=15000", Some(60), false, all, "proceed"),
            ("max_age=0", Some(0), false, all, "login"),
            ("max_age=0", Some(0), true, all, "proceed"),
            ("prompt=none&max_age=59", Some(60), false, all, "login_required"),
            ("id_token_hint=alice", Some(60), false, all, "proceed"),
            ("id_token_hint=bob", Some(60), false, all, "login"),
            ("id_token_hint=bob", Some(0), true, all, "login_required"),
            ("prompt=none&id_token_hint=bob", Some(60), false, all, "login_required"),
            ("prompt=none&id_token_hint=alice", Some(60), false, None, "login_required"),
            ("prompt=none&id_token_hint=alice", Some(60), false, all, "proceed"),
            (r#"claims={"id_token":{"sub":{"value":"bob"}}}"#, Some(60), false, all, "login"),
            (r#"claims={"id_token":{"sub":{"value":"bob"}}}"#, Some(0), true, all, "login_required"),
            (r#"claims={"id_token":{"sub":{"value":"alice"}}}"#, Some(60), false, all, "proceed"),
            (r#"claims={"id_token":{"acr":{"essential":true,"value":"1"}}}"#, Some(60), false, all, "proceed"),
            (NAME, Some(60), false, Some("openid"), "consent"),
            (NAME, Some(60), false, Some("openid claims"), "proceed"),
            (AUDIENCE, Some(60), false, all, "consent"),
            (AUDIENCE, Some(60), false, Some("openid api"), "proceed"),
        ] {
            assert_eq!(outcome(extra, age, fresh, remembered), expected, "{extra} {age:?} {fresh} {remembered:?}");
        }
    }

    #[test]
    fn a_public_client_is_served_silently_only_at_claimed_https() {
        let native = client(&serde_json::json!({ "token_endpoint_auth_method": "none", "application_type": "native" }));
        let all = Some("openid profile");
        assert_eq!(outcome_for(&native, "", Some(60), false, all), "proceed");
        assert_eq!(outcome_for(&native, "redirect_uri=com.example.app:/cb", Some(60), false, all), "consent");
        assert_eq!(
            outcome_for(&native, "redirect_uri=com.example.app:/cb&prompt=none", Some(60), false, all),
            "consent_required"
        );
        let first_party = client(&serde_json::json!({ "skip_consent": true }));
        assert_eq!(outcome_for(&first_party, "", Some(60), false, None), "proceed");
        assert_eq!(outcome_for(&first_party, "prompt=consent", Some(60), false, None), "consent");
    }
}
