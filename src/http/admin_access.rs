//! Who may call the admin API where `serve.admin.tokens` lists somebody: bearer tokens (RFC 6750).
//!
//! A gate before the whole port, and not a part of any route: what is not named here needs a token, a route that is new
//! and a path that does not exist as well.

use std::sync::Arc;

use axum::extract::MatchedPath;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};

use super::bearer;
use super::refusal::Refusal;
use crate::config::{AdminAccess, AdminToken};
use crate::secret::{same, sha256};

const NO_TOKEN: Refusal = Refusal::new(
    StatusCode::UNAUTHORIZED,
    "invalid_token",
    "The admin API needs a token: send one of serve.admin.tokens in the header Authorization, as a Bearer token.",
)
.challenging("Bearer realm=\"hydrant admin\"");
const WRONG_TOKEN: Refusal =
    Refusal::new(StatusCode::UNAUTHORIZED, "invalid_token", "The token is not one of serve.admin.tokens.")
        .challenging("Bearer realm=\"hydrant admin\", error=\"invalid_token\"");
const READ_ONLY: Refusal =
    Refusal::new(StatusCode::FORBIDDEN, "insufficient_scope", "The token may read and introspect, and change nothing.")
        .challenging("Bearer realm=\"hydrant admin\", error=\"insufficient_scope\"");

/// Whose token it was: for the log, and an extension of the request for what is recorded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(Arc<str>);

impl Caller {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub struct Gate(Vec<Holder>);

struct Holder {
    name: Caller,
    hash: [u8; 32],
    access: AdminAccess,
}

impl Gate {
    /// `None` where nobody is listed: then whoever reaches the port may call.
    pub fn new(tokens: &[AdminToken]) -> Option<Self> {
        let holder = |token: &AdminToken| Holder {
            name: Caller(token.name.as_str().into()),
            hash: token.hash,
            access: token.access,
        };
        (!tokens.is_empty()).then(|| Self(tokens.iter().map(holder).collect()))
    }

    /// Who calls; `None` for a probe, which needs no token.
    pub fn admit(&self, parts: &Parts) -> Result<Option<Caller>, Refusal> {
        let route = parts.extensions.get::<MatchedPath>().map(|matched| bare(matched.as_str()));
        if matches!(route, Some("/health/alive" | "/health/ready")) {
            return Ok(None);
        }
        let Ok(Some(token)) = bearer::from_header(&parts.headers) else { return Err(NO_TOKEN) };
        let holder = self.holder(&token).ok_or(WRONG_TOKEN)?;
        let reads = matches!(parts.method, Method::GET | Method::HEAD)
            || parts.method == Method::POST && route == Some("/oauth2/introspect");
        match holder.access {
            AdminAccess::ReadOnly if !reads => Err(READ_ONLY),
            AdminAccess::ReadOnly | AdminAccess::Full => Ok(Some(holder.name.clone())),
        }
    }

    /// Looks at all of them, so that the time tells nothing of how many there are before the right one.
    fn holder(&self, token: &str) -> Option<&Holder> {
        let hash = sha256(token.as_bytes());
        self.0.iter().fold(None, |found, holder| if same(&holder.hash, &hash) { Some(holder) } else { found })
    }
}

/// A route of the admin port without the ways of writing it: `/admin` before it, a slash behind it.
pub fn bare(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix("/admin").unwrap_or(pattern);
    pattern.strip_suffix('/').unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_one_bare_form() {
        for pattern in ["/admin/clients/{id}", "/admin/clients/{id}/", "/clients/{id}", "/clients/{id}/"] {
            assert_eq!(bare(pattern), "/clients/{id}");
        }
    }

    /// Without a route (a path that does not exist) there is no way around the token.
    #[test]
    fn each_token_has_its_name_and_its_reach() {
        let token = |name: &str, access| AdminToken {
            name: name.to_owned(),
            hash: sha256(format!("token-of-{name}").as_bytes()),
            access,
        };
        let gate = Gate::new(&[token("a", AdminAccess::Full), token("b", AdminAccess::ReadOnly)]).unwrap();
        let asked = |method: &str, authorization: &[&str]| {
            let request = axum::http::Request::builder().method(method).uri("/health/alive");
            let request = authorization.iter().fold(request, |request, line| request.header("authorization", *line));
            gate.admit(&request.body(()).unwrap().into_parts().0).map(|name| name.map(|name| name.as_str().to_owned()))
        };
        for (method, lines, expected) in [
            ("GET", &["Bearer token-of-a"][..], Ok(Some("a".to_owned()))),
            ("DELETE", &["bearer token-of-a"], Ok(Some("a".to_owned()))),
            ("GET", &["Bearer token-of-b"], Ok(Some("b".to_owned()))),
            ("HEAD", &["Bearer token-of-b"], Ok(Some("b".to_owned()))),
            ("POST", &["Bearer token-of-b"], Err(READ_ONLY)),
            ("OPTIONS", &["Bearer token-of-b"], Err(READ_ONLY)),
            ("GET", &["Bearer token-of-c"], Err(WRONG_TOKEN)),
            ("GET", &["Bearer TOKEN-OF-A"], Err(WRONG_TOKEN)),
            ("GET", &[], Err(NO_TOKEN)),
            ("GET", &["Basic dG9rZW4tb2YtYQ"], Err(NO_TOKEN)),
            ("GET", &["token-of-a"], Err(NO_TOKEN)),
            ("GET", &["Bearer token-of-a", "Bearer token-of-a"], Err(NO_TOKEN)),
        ] {
            assert_eq!(asked(method, lines), expected, "{method} {lines:?}");
        }
        assert!(Gate::new(&[]).is_none());
    }
}
