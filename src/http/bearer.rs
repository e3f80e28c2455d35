//! Bearer tokens: RFC 6750 section 2, and the errors of section 3.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

use super::answer::JsonError;
use super::form;
use crate::app::App;
use crate::oauth::{Error, ErrorCode};

/// The token that a request presents, from the one place where it may stand: the header, or the form of a POST.
pub struct Bearer(pub String);

/// Why a protected resource was not given.
#[derive(Debug)]
pub enum BearerError {
    /// No token at all: a challenge without an error code (RFC 6750 section 3.1).
    NoToken,
    Refused(Error),
}

impl<E: Into<Error>> From<E> for BearerError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl IntoResponse for BearerError {
    fn into_response(self) -> Response {
        let (challenge, error) = match self {
            Self::NoToken => (
                "Bearer realm=\"hydrant\"".to_owned(),
                ErrorCode::InvalidToken.because("The request has no access token."),
            ),
            Self::Refused(error) => (
                format!(
                    "Bearer realm=\"hydrant\", error=\"{}\", error_description=\"{}\"",
                    error.code.as_str(),
                    error.description
                ),
                error,
            ),
        };
        let challenged = matches!(error.status, 400 | 401 | 403);
        let mut response = JsonError(error).into_response();
        if let (true, Ok(challenge)) = (challenged, HeaderValue::from_str(&challenge)) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl FromRequest<App> for Bearer {
    type Rejection = BearerError;

    async fn from_request(request: Request, app: &App) -> Result<Self, BearerError> {
        let header = from_header(request.headers())?;
        let body = match request.method() == Method::POST && form::is_form(request.headers()) {
            true => {
                let params = form::read(request, app).await?;
                if params.is_repeated("access_token") {
                    return Err(two_tokens().into());
                }
                params.get("access_token").map(str::to_owned)
            }
            false => None,
        };
        match (header, body) {
            (Some(_), Some(_)) => Err(two_tokens().into()),
            (Some(token), None) | (None, Some(token)) => Ok(Self(token)),
            (None, None) => Err(BearerError::NoToken),
        }
    }
}

fn two_tokens() -> Error {
    ErrorCode::InvalidRequest.because("The request has more than one access token.")
}

/// The scheme in any case, one space, one token of its alphabet.
pub fn from_header(headers: &HeaderMap) -> Result<Option<String>, BearerError> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (lines.next(), lines.next());
    let Some(line) = first else { return Ok(None) };
    if second.is_some() {
        return Err(two_tokens().into());
    }
    let malformed = || ErrorCode::InvalidRequest.because("The Authorization header is not well-formed.");
    let line = line.to_str().map_err(|_| malformed())?;
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim_start_matches(' ');
    let sound =
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    if sound { Ok(Some(token.to_owned())) } else { Err(malformed().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(lines: &[&'static str]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        from_header(&headers).map_err(|error| match error {
            BearerError::Refused(error) => error.code.as_str(),
            BearerError::NoToken => "no token",
        })
    }

    #[test]
    fn the_header_has_one_shape() {
        assert_eq!(token(&["bearer abc"]), Ok(Some("abc".to_owned())));
        assert_eq!(token(&["Bearer  abc"]), Ok(Some("abc".to_owned())));
        assert_eq!(token(&["Basic abc"]), Ok(None));
        assert_eq!(token(&[]), Ok(None));
        for lines in [&["Bearer"][..], &["Bearer a b"], &["Bearer "], &["Bearer a", "Bearer b"], &["Bearer a\"b"]] {
            assert_eq!(token(lines), Err("invalid_request"), "{lines:?}");
        }
    }
}
