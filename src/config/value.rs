//! How each type of setting is written: the text of the file or the environment in, the value or what is wrong out.
//!
//! The words are ours and never repeat what was written: it may be a secret.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::{
    AccessTokenStrategy, ApiKeyPlace, LogFormat, ResponseType, SameSite, ScopeClaim, ScopeStrategy, TrustedIssuer,
    TrustedKeys, UntrustedRedirects, duration,
};
use crate::secret::Secret;

/// What was given for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Given {
    Text(String),
    List(Vec<Given>),
    /// Keys where a value belongs, or a value that is made of several.
    Section(Vec<(String, Given)>),
}

impl Given {
    /// A schema's `default`.
    pub fn from_default(default: &serde_json::Value) -> Self {
        match default {
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::from_default).collect()),
            serde_json::Value::Object(members) => {
                Self::Section(members.iter().map(|(name, value)| (name.clone(), Self::from_default(value))).collect())
            }
            other => Self::Text(other.to_string()),
        }
    }

    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::List(_) => Err("must be one value, not a list".into()),
            Self::Section(_) => Err("must be a value, not a section".into()),
        }
    }
}

/// A type that a setting can have.
pub trait Value: Sized {
    /// Its part of the JSON Schema.
    fn schema() -> serde_json::Value;
    /// `Err` continues the sentence "`key` …".
    fn parse(given: &Given) -> Result<Self, String>;
    /// What it is when nobody set it and there is no default.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    fn schema() -> serde_json::Value {
        T::schema()
    }
    fn parse(given: &Given) -> Result<Self, String> {
        T::parse(given).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Value> Value for Vec<T> {
    fn schema() -> serde_json::Value {
        json!({ "type": "array", "items": T::schema() })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        let Given::List(items) = given else { return Err("must be a list".into()) };
        let item = |(index, item)| T::parse(item).map_err(|what| format!("item {}: {what}", index + 1));
        items.iter().enumerate().map(item).collect()
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl Value for bool {
    fn schema() -> serde_json::Value {
        json!({ "type": "boolean" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        given.text()?.parse().map_err(|_| "must be true or false".into())
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => { $(
        impl Value for $type {
            fn schema() -> serde_json::Value {
                json!({ "type": "integer", "minimum": 0 })
            }
            fn parse(given: &Given) -> Result<Self, String> {
                given.text()?.parse().map_err(|_| format!("must be a whole number from 0 to {}", Self::MAX))
            }
        }
    )* };
}
whole_numbers!(u16, u32, usize);

impl Value for String {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        given.text().map(str::to_owned)
    }
}

impl Value for Secret {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        given.text().map(Self::new)
    }
}

impl Value for PathBuf {
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "minLength": 1 })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        match given.text()? {
            "" => Err("must be a path".into()),
            text => Ok(text.into()),
        }
    }
}

const DURATION: &str = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
const NOT_A_DURATION: &str = "must be a duration such as 90s, 10m or 1h30m (units: ns us ms s m h)";

impl Value for Duration {
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": DURATION })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        duration::parse(given.text()?).ok_or_else(|| NOT_A_DURATION.into())
    }
}

/// A duration, or Hydra's `-1` for no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(pub Option<Duration>);

impl Value for Lifetime {
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [Duration::schema(), { "enum": [-1, "-1"] }] })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        match given.text()? {
            "-1" => Ok(Self(None)),
            _ => Duration::parse(given)
                .map(|duration| Self(Some(duration)))
                .map_err(|what| format!("{what}, or -1 for no end")),
        }
    }
}

impl Value for IpNet {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        let text = given.text()?;
        let network = text.parse::<Self>().or_else(|_| text.parse::<IpAddr>().map(Self::from));
        network.map_err(|_| "must be a network such as 10.0.0.0/8 or fd00::/8".into())
    }
}

impl Value for Url {
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "format": "uri" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        let wrong = || "must be a complete http or https URL".to_owned();
        let text = given.text()?;
        let url = Self::parse(text).map_err(|_| wrong())?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host() && text.trim() == text;
        if web { Ok(url) } else { Err(wrong()) }
    }
}

/// A closed set of words.
macro_rules! words {
    ($type:ty { $($word:literal => $value:expr),+ $(,)? }) => {
        impl Value for $type {
            fn schema() -> serde_json::Value {
                json!({ "enum": [$($word),+] })
            }
            fn parse(given: &Given) -> Result<Self, String> {
                match given.text()? {
                    $($word => Ok($value),)+
                    _ => Err(format!("must be one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words!(LogFormat {
    "auto" => Self::Auto,
    "text" => Self::Text,
    "json" => Self::Json,
    "json_pretty" => Self::Json,
});

words!(SameSite {
    "Strict" => Self::Strict,
    "Lax" => Self::Lax,
    "None" => Self::None,
});

words!(ScopeStrategy {
    "exact" => Self::Exact,
    "wildcard" => Self::Wildcard,
    "hierarchic" => Self::Hierarchic,
    "DEPRECATED_HIERARCHICAL_SCOPE_STRATEGY" => Self::Hierarchic,
});

words!(ResponseType {
    "code" => Self::Code,
    "id_token" => Self::IdToken,
    "id_token token" => Self::IdTokenToken,
    "token" => Self::Token,
    "code id_token" => Self::CodeIdToken,
    "code token" => Self::CodeToken,
    "code id_token token" => Self::CodeIdTokenToken,
    "none" => Self::None,
});

words!(ScopeClaim {
    "list" => Self::List,
    "string" => Self::String,
    "both" => Self::Both,
});

/// The words of `log.level`; Hydra's `fatal` and `panic` count as error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub &'static str);

words!(LogLevel {
    "trace" => Self("trace"),
    "debug" => Self("debug"),
    "info" => Self("info"),
    "warn" => Self("warn"),
    "warning" => Self("warn"),
    "error" => Self("error"),
    "fatal" => Self("error"),
    "panic" => Self("error"),
});

/// `serve.admin.auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAuth {
    None,
}

/// `oauth2.token_hook.auth.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookAuthKind {
    ApiKey,
}

words!(HookAuthKind { "api_key" => Self::ApiKey });

words!(ApiKeyPlace {
    "header" => Self::Header,
    "cookie" => Self::Cookie,
});

words!(AdminAuth { "none" => Self::None });

words!(AccessTokenStrategy {
    "opaque" => Self::Opaque,
    "jwt" => Self::Jwt,
});

words!(UntrustedRedirects {
    "interstitial" => Self::Interstitial,
    "redirect" => Self::Redirect,
});

impl Value for TrustedIssuer {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        let wrong = || "must be an issuer, a blank, and where its keys are: an https URL, or a JWK set".to_owned();
        let (issuer, keys) = given.text()?.trim().split_once(' ').ok_or_else(wrong)?;
        let keys = match keys.trim() {
            set if set.starts_with('{') => {
                let set: serde_json::Value = serde_json::from_str(set).map_err(|_| wrong())?;
                let is_set = set["keys"].as_array().is_some_and(|keys| !keys.is_empty());
                TrustedKeys::Here(is_set.then_some(set).ok_or_else(wrong)?)
            }
            url => TrustedKeys::At(<Url as Value>::parse(&Given::Text(url.to_owned())).map_err(|_| wrong())?),
        };
        Ok(Self { issuer: issuer.to_owned(), keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(text.into())
    }

    #[test]
    fn each_type_says_what_it_wants() {
        assert_eq!(bool::parse(&text("true")), Ok(true));
        assert_eq!(bool::parse(&text("yes")), Err("must be true or false".into()));
        assert_eq!(u16::parse(&text("4444")), Ok(4444));
        assert_eq!(u16::parse(&text("70000")), Err("must be a whole number from 0 to 65535".into()));
        assert_eq!(u16::parse(&Given::List(vec![])), Err("must be one value, not a list".into()));
        assert_eq!(String::parse(&Given::Section(vec![])), Err("must be a value, not a section".into()));
        assert_eq!(SameSite::parse(&text("lax")), Err("must be one of Strict, Lax, None".into()));
        assert!(PathBuf::parse(&text("")).is_err());
    }

    #[test]
    fn a_list_names_the_item_that_is_wrong() {
        let given = Given::List(vec![text("10.0.0.0/8"), text("10.0.0.0/33")]);
        let what = Vec::<IpNet>::parse(&given).unwrap_err();
        assert_eq!(what, "item 2: must be a network such as 10.0.0.0/8 or fd00::/8");
        assert_eq!(Vec::<String>::parse(&text("a")), Err("must be a list".into()));
    }

    #[test]
    fn a_network_may_be_one_address() {
        assert_eq!(IpNet::parse(&text("192.0.2.1")).map(|net| net.to_string()), Ok("192.0.2.1/32".into()));
    }

    #[test]
    fn a_refresh_token_may_have_no_end() {
        assert_eq!(Lifetime::parse(&text("-1")), Ok(Lifetime(None)));
        assert_eq!(Lifetime::parse(&text("1h")), Ok(Lifetime(Some(Duration::from_hours(1)))));
        assert!(Lifetime::parse(&text("-2")).is_err());
    }

    #[test]
    fn who_is_trusted_has_keys() {
        for good in ["https://d.example https://d.example/jwks", "https://d.example {\"keys\": [{\"kty\": \"RSA\"}]}"] {
            assert_eq!(TrustedIssuer::parse(&text(good)).unwrap().issuer, "https://d.example");
        }
        for wrong in ["https://d.example", "https://d.example jwks", "https://d.example {}", "a {\"keys\": []}", ""] {
            assert!(TrustedIssuer::parse(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn urls_are_complete_and_of_the_web() {
        assert!(Url::parse("https://example.com").is_ok());
        for wrong in
            ["/error", "example.com", "ftp://example.com", "javascript:alert(1)", "https://example.com ", "https://"]
        {
            assert!(<Url as Value>::parse(&text(wrong)).is_err(), "{wrong}");
        }
    }
}
