//! How an authorization response travels (RFC 6749 section 3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices,
//! OAuth 2.0 Form Post Response Mode).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

pub use crate::config::ResponseType;
use crate::oauth::{ErrorCode, Result};

/// Everything but RFC 3986's unreserved characters is encoded: no reader of a URI or of a form takes it for syntax, no
/// header breaks at it, and a space is `%20`, which both readings decode alike.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl ResponseType {
    pub const ALL: &[Self] = &[
        Self::Code,
        Self::IdToken,
        Self::IdTokenToken,
        Self::Token,
        Self::CodeIdToken,
        Self::CodeToken,
        Self::CodeIdTokenToken,
        Self::None,
    ];

    /// A set of words in any order; an unknown word, or one given twice, is `unsupported_response_type`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words: Vec<&str> = text.split(' ').collect();
        words.sort_unstable();
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str().split(' ').eq(words.iter().copied()))
            .ok_or_else(|| ErrorCode::UnsupportedResponseType.because("The response_type is not known."))
    }

    /// Its words in their order, as OAuth 2.0 Multiple Response Types section 5 writes them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::IdToken => "id_token",
            Self::IdTokenToken => "id_token token",
            Self::Token => "token",
            Self::CodeIdToken => "code id_token",
            Self::CodeToken => "code token",
            Self::CodeIdTokenToken => "code id_token token",
            Self::None => "none",
        }
    }

    pub const fn gives_code(self) -> bool {
        matches!(self, Self::Code | Self::CodeIdToken | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// An access token from the authorization endpoint.
    pub const fn gives_token(self) -> bool {
        matches!(self, Self::IdTokenToken | Self::Token | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// An ID token from the authorization endpoint.
    pub const fn gives_id_token(self) -> bool {
        matches!(self, Self::IdToken | Self::IdTokenToken | Self::CodeIdToken | Self::CodeIdTokenToken)
    }

    /// Any token from the authorization endpoint: what the grant type `implicit` is for.
    pub const fn is_front(self) -> bool {
        self.gives_token() || self.gives_id_token()
    }

    /// OAuth 2.0 Multiple Response Types sections 3 to 5: what holds a token never travels in a query.
    pub const fn default_mode(self) -> ResponseMode {
        if self.is_front() { ResponseMode::Fragment } else { ResponseMode::Query }
    }
}

/// Where in the redirect the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

impl ResponseMode {
    pub const ALL: &[Self] = &[Self::Query, Self::Fragment, Self::FormPost];

    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|mode| mode.as_str() == text).ok_or_else(|| {
            ErrorCode::UnsupportedResponseMode.because("The response_mode must be query, fragment or form_post.")
        })
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }
}

/// The URI to send the browser to. The registered query is kept (RFC 6749 section 3.1.2); with `form_post` the fields
/// travel in the body, and the URI is what the form posts to.
///
/// `redirect_uri` has been matched against a registered one, so it has no fragment and is safe in a header.
pub fn location(redirect_uri: &str, mode: ResponseMode, fields: &[(&str, &str)]) -> String {
    let mut location = redirect_uri.to_owned();
    let mut separator = match mode {
        ResponseMode::FormPost => return location,
        ResponseMode::Fragment => "#",
        ResponseMode::Query if !location.contains('?') => "?",
        ResponseMode::Query if location.ends_with(['?', '&']) => "",
        ResponseMode::Query => "&",
    };
    for (name, value) in fields {
        location.push_str(separator);
        location.extend(utf8_percent_encode(name, NOT_UNRESERVED));
        location.push('=');
        location.extend(utf8_percent_encode(value, NOT_UNRESERVED));
        separator = "&";
    }
    location
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// AZ-05; OAuth 2.0 Multiple Response Types section 5: the order of the words is none.
    #[test]
    fn a_response_type_is_a_set_of_known_words() {
        for kind in ResponseType::ALL {
            assert_eq!(ResponseType::parse(kind.as_str()).unwrap(), *kind);
        }
        assert_eq!(ResponseType::parse("token code id_token").unwrap(), ResponseType::CodeIdTokenToken);
        assert_eq!(ResponseType::parse("token id_token").unwrap(), ResponseType::IdTokenToken);
        for text in
            ["foo", "code foo", "code code", "code none", "none none", "CODE", "code ", " code", "code  token", ""]
        {
            assert_eq!(ResponseType::parse(text).unwrap_err().code, ErrorCode::UnsupportedResponseType, "{text}");
        }
    }

    /// AZ-07.
    #[test]
    fn what_holds_a_token_stays_out_of_the_query() {
        for kind in ResponseType::ALL {
            let front = kind.as_str().contains("token");
            assert_eq!(kind.is_front(), front, "{kind:?}");
            assert_eq!(kind.default_mode() == ResponseMode::Query, !front, "{kind:?}");
        }
    }

    /// AZ-08.
    #[test]
    fn unknown_response_modes_are_refused() {
        for mode in ResponseMode::ALL {
            assert_eq!(ResponseMode::parse(mode.as_str()).unwrap(), *mode);
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
        for text in ["web_message", "xyz", "Query", "query.jwt", ""] {
            assert_eq!(ResponseMode::parse(text).unwrap_err().code, ErrorCode::UnsupportedResponseMode, "{text}");
        }
    }

    #[test]
    fn a_registered_query_is_kept() {
        let fields = [("code", "abc"), ("state", "x y")];
        let query = |uri| location(uri, ResponseMode::Query, &fields);
        assert_eq!(query("https://rp.example/cb"), "https://rp.example/cb?code=abc&state=x%20y");
        assert_eq!(query("https://rp.example/cb?"), "https://rp.example/cb?code=abc&state=x%20y");
        assert_eq!(query("https://rp.example/cb?a=1"), "https://rp.example/cb?a=1&code=abc&state=x%20y");
        assert_eq!(query("https://rp.example/cb?a=1&"), "https://rp.example/cb?a=1&code=abc&state=x%20y");
        assert_eq!(query("com.example.app:/cb"), "com.example.app:/cb?code=abc&state=x%20y");
        let fragment = location("https://rp.example/cb?a=1", ResponseMode::Fragment, &fields);
        assert_eq!(fragment, "https://rp.example/cb?a=1#code=abc&state=x%20y");
        assert_eq!(location("https://rp.example/cb", ResponseMode::FormPost, &fields), "https://rp.example/cb");
        assert_eq!(location("https://rp.example/cb", ResponseMode::Query, &[]), "https://rp.example/cb");
    }

    /// AZ-11, CWE-113.
    #[test]
    fn a_line_break_does_not_split_the_header() {
        let split = location("https://rp.example/cb", ResponseMode::Query, &[("state", "a\r\nSet-Cookie: x=1")]);
        assert_eq!(split, "https://rp.example/cb?state=a%0D%0ASet-Cookie%3A%20x%3D1");
    }

    proptest! {
        /// AZ-10: `state` decodes to the very bytes that were sent, and nothing of it is syntax.
        #[test]
        fn fields_decode_to_what_was_sent(state in any::<String>(), in_query in any::<bool>()) {
            let mode = if in_query { ResponseMode::Query } else { ResponseMode::Fragment };
            let uri = location("https://rp.example/cb", mode, &[("iss", "https://op.example"), ("state", &state)]);
            prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
            let parsed = url::Url::parse(&uri).unwrap();
            let part = if in_query { parsed.query() } else { parsed.fragment() }.unwrap();
            let fields: Vec<_> = form_urlencoded::parse(part.as_bytes()).into_owned().collect();
            let sent = [("iss", "https://op.example"), ("state", &state)];
            prop_assert_eq!(fields, sent.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }
}
