//! Reading JSON: a body of `application/json` (RFC 8259), and what is wrong with one, in our words.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::answer::JsonError;
use super::refusal::unreadable_body;
use crate::oauth::{Error, ErrorCode, Result};

/// A body of JSON. The media type is required, because a page on another site can not send it without asking first
/// (Fetch section 3.2.2): what it would send by itself, a form or plain text, is refused.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = JsonError;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonError> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// A body of `application/json-patch+json` (RFC 6902 section 6), or of plain JSON, which Hydra's tools send.
pub struct PatchBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for PatchBody<T> {
    type Rejection = JsonError;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonError> {
        let bytes = read(request, state, &[JSON, "application/json-patch+json"]).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// The same as [`JsonBody`] before it is read.
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = JsonError;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonError> {
        read(request, state, &[JSON]).await.map(Self)
    }
}

const JSON: &str = "application/json";

async fn read<S: Send + Sync>(request: Request, state: &S, media_types: &[&str]) -> Result<Bytes, JsonError> {
    if !is_one_of(media_types, request.headers()) {
        let refusal = format!("The Content-Type must be {}.", media_types.join(" or "));
        return Err(ErrorCode::InvalidRequest.because(refusal).with_status(415).into());
    }
    Ok(Bytes::from_request(request, state).await.map_err(|error| unreadable_body(&error))?)
}

/// Reads a value. The error says where, and nothing of what is there.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| describe(&error))
}

fn describe(error: &serde_json::Error) -> Error {
    let what = if error.is_data() {
        "The request body has a member that is missing, given twice, unknown or of the wrong type"
    } else {
        "The request body is not JSON"
    };
    let place = match error.line() {
        0 => String::new(),
        line => format!(" (line {line}, column {})", error.column()),
    };
    ErrorCode::InvalidRequest.because(format!("{what}{place}."))
}

fn is_one_of(media_types: &[&str], headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(one)), None) = (lines.next().map(|line| line.to_str()), lines.next()) else { return false };
    let named = one.split(';').next().unwrap_or_default().trim();
    media_types.iter().any(|media_type| named.eq_ignore_ascii_case(media_type))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_json_is_json() {
        for (line, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain; application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(line))]);
            assert_eq!(is_one_of(&[JSON], &headers), expected, "{line}");
        }
        assert!(!is_one_of(&[JSON], &HeaderMap::new()));
    }

    #[test]
    fn an_error_tells_the_place_and_repeats_nothing() {
        let syntax = parse::<Value>(b"{\"secret\": hunter2}").unwrap_err();
        assert_eq!(syntax.description, "The request body is not JSON (line 1, column 12).");
        let data = parse::<Vec<String>>(b"[\"a\",\n 17]").unwrap_err();
        assert!(data.description.ends_with("of the wrong type (line 2, column 3)."), "{}", data.description);
        assert_eq!((data.code, data.status), (ErrorCode::InvalidRequest, 400));
    }
}
