//! The operator's token hooks (`oauth2.token_hook`, `oauth2.refresh_token_hook`): a web service of theirs that is asked
//! before tokens are issued, as Hydra asks it. It may refuse, and it may say what tokens carry besides.
//!
//! A hook is asked while nothing is spent and nothing of the database is held, so that one that hangs or fails costs
//! neither the client its code or refresh token, nor anybody else a connection.

mod payload;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::config::Hook;
use crate::fetch::FetchError;
use crate::id::ClientId;
use crate::oauth::client_metadata::GrantType;
use crate::oauth::id_token::without_reserved;
use crate::oauth::params::Params;
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;
use crate::store::grant::Grant;

/// What a hook may make tokens carry, as JSON.
const LONGEST: usize = 16 * 1024;

/// A request at the token endpoint that is about to succeed.
pub struct Asking<'a> {
    pub client: &'a Client,
    pub grant_type: GrantType,
    pub form: &'a Params,
    /// The request's id, which the hook is called with.
    pub id: &'a str,
    /// Of the access token.
    pub scope: &'a Scope,
    pub audience: &'a [String],
    /// Whom the tokens are about, or the client itself.
    pub subject: &'a str,
    /// What the tokens come from, where that is kept.
    pub grant: Option<&'a Grant>,
}

/// Whether anybody is to be asked before tokens of this grant type. Where nobody is, that is all there is to it.
pub fn is_asked(app: &App, grant_type: GrantType) -> bool {
    let oauth2 = &app.config.oauth2;
    oauth2.token_hook.is_some() || (oauth2.refresh_token_hook.is_some() && grant_type == GrantType::RefreshToken)
}

/// Asks every hook that is to be asked. `Some` is what tokens carry from now on; `None` leaves it as it is. An error
/// refuses the tokens.
pub async fn ask(app: &App, asking: &Asking<'_>) -> Result<Option<SessionClaims>> {
    let oauth2 = &app.config.oauth2;
    let before = asking.grant.and_then(|grant| grant.claims.as_ref()).map(|claims| &claims.0);
    let mut changed = None;
    if let Some(hook) = oauth2.refresh_token_hook.as_ref().filter(|_| asking.grant_type == GrantType::RefreshToken) {
        let body = payload::of_refresh_hook(app, asking, before)?;
        changed = call(app, asking, hook, "oauth2.refresh_token_hook", body).await?;
    }
    if let Some(hook) = &oauth2.token_hook {
        let body = payload::of_token_hook(app, asking, changed.as_ref().or(before))?;
        changed = call(app, asking, hook, "oauth2.token_hook", body).await?.or(changed);
    }
    Ok(changed)
}

/// Hydra's meaning of each status.
async fn call(
    app: &App,
    asking: &Asking<'_>,
    hook: &Hook,
    key: &'static str,
    body: Vec<u8>,
) -> Result<Option<SessionClaims>> {
    let client = &asking.client.id;
    let refused = |why| refusal(Failure { hook: key, client: client.clone(), why });
    let answered =
        app.fetch.ask_hook(hook, asking.id, body).await.map_err(|error| refused(Failing::Unanswered(error)))?;
    match answered.status {
        200 => read(&answered.body).map_err(|what| refused(Failing::Unusable(what))),
        204 => Ok(None),
        403 => {
            tracing::info!(%client, hook = key, "a hook has refused a token");
            Err(ErrorCode::AccessDenied.because(DESCRIPTION))
        }
        status => Err(refused(Failing::Status(status))),
    }
}

/// Hydra's.
const DESCRIPTION: &str = "The token hook target responded with an error.";

/// What went wrong, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{hook} was asked about the client {client}")]
struct Failure {
    hook: &'static str,
    client: ClientId,
    #[source]
    why: Failing,
}

#[derive(Debug, thiserror::Error)]
enum Failing {
    #[error(transparent)]
    Unanswered(FetchError),
    #[error("it has answered {0}")]
    Status(u16),
    #[error("what it has answered can not be used: {0}")]
    Unusable(&'static str),
}

/// What may be otherwise in a moment is 503, so that clients try again: nothing was spent. What will not is Hydra's 500.
fn refusal(failure: Failure) -> Error {
    match &failure.why {
        Failing::Unanswered(FetchError::Unreachable(_) | FetchError::TimedOut) | Failing::Status(429 | 502..=504) => {
            ErrorCode::TemporarilyUnavailable
                .because("The token hook can not be reached at the moment. Please try again.")
                .retry_after(2)
                .caused_by(failure)
        }
        Failing::Unanswered(_) | Failing::Status(_) | Failing::Unusable(_) => {
            ErrorCode::ServerError.because(DESCRIPTION).caused_by(failure)
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    session: Option<Session>,
}

#[derive(Deserialize)]
struct Session {
    access_token: Option<Map<String, Value>>,
    id_token: Option<Map<String, Value>>,
}

/// What a 200 says. As in Hydra a session takes the place of all that was there: a map that it lacks is an empty one.
/// Without a session nothing changes.
fn read(body: &[u8]) -> Result<Option<SessionClaims>, &'static str> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "it is no JSON object with a session of two maps")?;
    let Some(session) = answer.session else { return Ok(None) };
    let mut access_token = session.access_token.unwrap_or_default();
    access_token.retain(|_, value| !value.is_null());
    let claims = SessionClaims { access_token, id_token: without_reserved(session.id_token.unwrap_or_default()) };
    let length = serde_json::to_vec(&claims).map_or(usize::MAX, |text| text.len());
    if length > LONGEST { Err("it is more than 16 KiB of claims") } else { Ok(Some(claims)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(access_token: Value, id_token: Value) -> SessionClaims {
        let map = |value| serde_json::from_value(value).unwrap();
        SessionClaims { access_token: map(access_token), id_token: map(id_token) }
    }

    #[test]
    fn a_session_takes_the_place_of_what_was_there() {
        let both = br#"{"session": {"access_token": {"a": 1}, "id_token": {"b": [2]}}, "more": true}"#;
        assert_eq!(read(both), Ok(Some(claims(json!({"a": 1}), json!({"b": [2]})))));
        let one = br#"{"session": {"access_token": {"a": 1}}}"#;
        assert_eq!(read(one), Ok(Some(claims(json!({"a": 1}), json!({})))), "hydra.md section 6.9");
        assert_eq!(read(br#"{"session": {"id_token": null}}"#), Ok(Some(claims(json!({}), json!({})))));
    }

    #[test]
    fn without_a_session_nothing_changes() {
        for body in ["", " \n", "{}", r#"{"session": null}"#, r#"{"other": 1}"#] {
            assert_eq!(read(body.as_bytes()), Ok(None), "{body}");
        }
    }

    #[test]
    fn what_only_the_server_says_a_hook_does_not() {
        let body = br#"{"session": {"access_token": {"sub": "kept below ext", "n": null},
                        "id_token": {"sub": "x", "iss": "x", "sid": "x", "aud": [], "exp": 1, "name": "Alice", "n": null}}}"#;
        assert_eq!(read(body), Ok(Some(claims(json!({"sub": "kept below ext"}), json!({"name": "Alice"})))));
    }

    #[test]
    fn anything_else_is_no_answer() {
        let deep = format!(r#"{{"session": {{"id_token": {{"a": {}1{}}}}}}}"#, "[".repeat(200), "]".repeat(200));
        let long = json!({"session": {"access_token": {"a": "x".repeat(LONGEST)}}}).to_string();
        for body in [
            "null",
            "[]",
            "{",
            "x",
            r#"{"session": []}"#,
            r#"{"session": {"id_token": []}}"#,
            r#"{"session": {"id_token": "x"}}"#,
            r#"{"session": {}, "session": {}}"#,
            "{}{}",
            &deep,
            &long,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body:.80}");
        }
        let fits = json!({"session": {"access_token": {"a": "x".repeat(LONGEST - 50)}}}).to_string();
        assert!(read(fits.as_bytes()).is_ok());
    }
}
