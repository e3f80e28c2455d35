//! Public documents: prepared bodies that caches may keep (RFC 9111), with an entity tag.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;

use crate::secret;

/// A JSON body with the headers that let it be kept.
#[derive(Clone, Debug)]
pub struct Document {
    body: Bytes,
    etag: HeaderValue,
    cache: HeaderValue,
}

impl Document {
    /// # Panics
    /// Where the value is not one that JSON can hold.
    pub fn of(value: &impl Serialize, max_age: Duration) -> Self {
        let body = serde_json::to_vec(value).expect("a document is made of strings and lists");
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(secret::sha256(&body)));
        Self::prepared(body.into(), &etag, max_age)
    }

    pub fn prepared(body: Bytes, etag: &str, max_age: Duration) -> Self {
        let cache = format!("public, max-age={}", max_age.as_secs());
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("no-store"));
        Self { body, etag: value(etag), cache: value(&cache) }
    }

    /// 304 to whoever has it already (RFC 9110 section 13.1.2).
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let kept = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        let unchanged = kept.flat_map(|line| line.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.etag.as_bytes()
        });
        let about = [(header::ETAG, self.etag.clone()), (header::CACHE_CONTROL, self.cache.clone())];
        if unchanged {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (about, media_type, Body::from(self.body.clone())).into_response()
    }
}
