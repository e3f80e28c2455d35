//! Parameters of requests: `application/x-www-form-urlencoded`, decoded once and strictly (RFC 6749 section 3.1 and
//! appendix B).

use std::fmt;

use crate::oauth::{ErrorCode, Result};

/// More pairs than any request of ours has; a reader of each may then be quadratic.
const MAX_PAIRS: usize = 100;

/// The only parameters that may be given more than once: RFC 8707 section 2, and Hydra's `audience`.
pub const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The name-value pairs of a query or a form body, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Only `&` separates and only `+` and `%xx` are special: `;`, `[]` and `.` are data. Whatever two parsers could
    /// read differently (a lone `%`, broken UTF-8, NUL) is `invalid_request`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut pairs = Vec::new();
        for piece in bytes.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
            if pairs.len() == MAX_PAIRS {
                return Err(ErrorCode::InvalidRequest.because("The request has more than 100 parameters."));
            }
            let (name, value) = match piece.iter().position(|&byte| byte == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (piece, &piece[..0]),
            };
            let pair = decode(name).zip(decode(value)).ok_or_else(|| {
                ErrorCode::InvalidRequest
                    .because("The parameters are not well-formed application/x-www-form-urlencoded.")
            })?;
            pairs.push(pair);
        }
        Ok(Self(pairs))
    }

    /// The value; an empty one counts as absent (RFC 6749 section 3.1). Of a repeated parameter it is the first, so ask
    /// [`Params::repeated`] before.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// The value, or `invalid_request` that names the parameter. The name is one of ours, so that no input is echoed.
    pub fn require(&self, name: &'static str) -> Result<&str> {
        self.get(name)
            .ok_or_else(|| ErrorCode::InvalidRequest.because(format!("The request parameter {name} is missing.")))
    }

    /// Every value that is not empty, for `resource` and `audience`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// Whether the parameter was given at all, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(key, _)| key == name)
    }

    /// The first parameter that was given again, which RFC 6749 section 3.1 forbids even where the values agree or are
    /// empty. The name is input: it is for a decision, never for an answer.
    pub fn repeated(&self) -> Option<&str> {
        self.iter()
            .enumerate()
            .find(|(at, (name, _))| {
                !REPEATABLE.contains(name) && self.0[at + 1..].iter().any(|(later, _)| later == name)
            })
            .map(|(_, (name, _))| name)
    }

    /// Whether this one was given more than once, whichever others were as well.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.iter().filter(|(key, _)| *key == name).nth(1).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The pairs as a query or a form body again.
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.iter()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Names only: the values hold codes, secrets and verifiers.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

fn decode(piece: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Params {
        Params::parse(text.as_bytes()).unwrap()
    }

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).0
    }

    fn pair(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    /// RFC 6749 appendix B.
    #[test]
    fn the_vector_of_rfc_6749() {
        let text = " %&+\u{a3}\u{20ac}";
        let encoded = "+%25%26%2B%C2%A3%E2%82%AC";
        assert_eq!(parse(&format!("v={encoded}")).get("v"), Some(text));
        assert_eq!(Params::from_iter([("v", text)]).encode(), format!("v={encoded}"));
    }

    /// HT-10: decoded exactly once.
    #[test]
    fn decoded_exactly_once() {
        assert_eq!(parse("a=%2566oo").get("a"), Some("%66oo"));
        assert_eq!(pairs("a=%26b%3D1"), pair("a", "&b=1"));
        assert_eq!(parse("a=1+2%202").get("a"), Some("1 2 2"));
        assert_eq!(parse("a=%2B").get("a"), Some("+"));
        assert_eq!(parse("a=%c3%a9é").get("a"), Some("éé"));
    }

    /// HT-10: what two parsers could read differently is refused.
    #[test]
    fn malformed_encoding_is_refused() {
        for text in [
            "a=%",
            "a=%z",
            "a=%zz",
            "a=%u0041",
            "a=%4",
            "a=%+1",
            "%=1",
            "a=%c0%af",
            "a=%ff",
            "a=%00",
            "%00=a",
            "a=b%00c",
            "a=%ed%a0%80",
        ] {
            let error = Params::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{text}");
        }
        assert!(Params::parse(b"a=\xff").is_err());
        assert!(Params::parse(b"a=\0").is_err());
    }

    /// HT-11: no nested decoding, no second separator.
    #[test]
    fn form_syntax_has_no_magic() {
        assert_eq!(pairs("a=1;b=2"), pair("a", "1;b=2"));
        assert_eq!(pairs("a[]=1"), pair("a[]", "1"));
        assert_eq!(pairs("a.b=1"), pair("a.b", "1"));
        assert_eq!(pairs("a=b=c"), pair("a", "b=c"));
        assert_eq!(pairs("a"), pair("a", ""));
        assert_eq!(pairs("&&a=1&"), pair("a", "1"));
        assert_eq!(pairs("=1"), pair("", "1"));
        assert!(pairs("").is_empty());
    }

    /// HT-11: 100 pairs at most, and the rest is not even read.
    #[test]
    fn the_number_of_pairs_is_bounded() {
        assert_eq!(pairs(&"a=1&".repeat(100)).len(), 100);
        assert!(Params::parse("a=1&".repeat(101).as_bytes()).is_err());
        assert!(Params::parse("a&".repeat(100_000).as_bytes()).is_err());
    }

    /// RFC 6749 section 3.1: parameters without a value are as if they were left out.
    #[test]
    fn an_empty_value_is_absent() {
        let params = parse("state=&nonce=n&prompt");
        assert_eq!((params.get("state"), params.get("nonce"), params.get("prompt")), (None, Some("n"), None));
        assert!(params.has("state") && params.has("prompt") && !params.has("scope"));
        assert_eq!(params.require("nonce").unwrap(), "n");
        let error = params.require("state").unwrap_err();
        assert_eq!(error.to_string(), "invalid_request: The request parameter state is missing.");
    }

    /// RFC 6749 section 3.1, AZ-13: a repeated parameter is named, even where one of its values is empty.
    #[test]
    fn repeated_parameters_are_found() {
        assert_eq!(parse("client_id=web&scope=a&client_id=evil").repeated(), Some("client_id"));
        assert_eq!(parse("state=x&state=").repeated(), Some("state"));
        assert_eq!(parse("resource=a&resource=b&audience=a&audience=a").repeated(), None);
        assert_eq!(parse("extra=1&extra=1").repeated(), Some("extra"));
        let params = parse("resource=a&resource=&resource=b");
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn values_do_not_show_in_debug() {
        assert_eq!(format!("{:?}", parse("client_secret=hunter2&code=abc")), r#"["client_secret", "code"]"#);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(pairs in proptest::collection::vec(("[^\0]{0,12}", "[^\0]{0,40}"), 0..20)) {
            let params: Params = pairs.into_iter().collect();
            prop_assert_eq!(Params::parse(params.encode().as_bytes()).unwrap(), params);
        }

        #[test]
        fn what_is_accepted_is_read_as_others_read_it(text in "[a-c%=&+;0-9A-F]{0,40}") {
            if let Ok(params) = Params::parse(text.as_bytes()) {
                let others: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
                prop_assert_eq!(params.0, others);
            }
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Params::parse(&bytes);
        }
    }
}
