//! The request's id: the caller's if it is harmless, else ours. It is in the answer and in every log line of the request.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::secret::random;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An extension of every request. 1 to 64 characters that need no escaping in a log or a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get(X_REQUEST_ID).filter(|id| is_harmless(id.as_bytes())).cloned().unwrap_or_else(made))
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn made() -> HeaderValue {
    let id = Bytes::from(URL_SAFE_NO_PAD.encode(random::<12>()));
    HeaderValue::from_maybe_shared(id).expect("base64url is letters, digits, `-` and `_`")
}

fn is_harmless(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            RequestId::of(&headers).as_str().to_owned()
        };
        assert_eq!(of(b"0198-abc_D.e:f"), "0198-abc_D.e:f");
        for bad in [&b""[..], b"two words", b"\"quoted\"", b"caf\xc3\xa9", &[b'a'; 65]] {
            let made = of(bad);
            assert_eq!(made.len(), 16);
            assert_ne!(made.as_bytes(), bad);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
