//! Scope and audience: what is asked for, and whether the client may have it (RFC 6749 section 3.3, Hydra's rules).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::ScopeStrategy;
use crate::oauth::{ErrorCode, Result};
use crate::secret::sha256;

/// In bytes. With [`MAX_VALUES`] it bounds every comparison of two scopes.
const MAX_BYTES: usize = 4096;
const MAX_VALUES: usize = 100;

/// A list of scope values without duplicates, in the order in which they were given. One string, as it travels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(String);

impl Scope {
    /// The grammar of RFC 6749 section 3.3, but several spaces are read as one, as Hydra does. Everything else outside
    /// the grammar or the limits is `invalid_scope`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(ErrorCode::InvalidScope.because("The scope is longer than 4096 bytes."));
        }
        let words = || text.split(' ').filter(|word| !word.is_empty());
        if words().nth(MAX_VALUES).is_some() {
            return Err(ErrorCode::InvalidScope.because("The scope has more than 100 values."));
        }
        if !words().all(is_scope_token) {
            return Err(ErrorCode::InvalidScope.because("The scope holds characters that no scope value may have."));
        }
        Ok(words().collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|word| !word.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, value: &str) -> bool {
        self.iter().any(|own| own == value)
    }

    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|value| other.contains(value))
    }

    /// Whether a refresh token is asked for: `offline_access` (OpenID Connect Core section 11) or Hydra's `offline`.
    pub fn wants_refresh(&self) -> bool {
        self.contains("offline_access") || self.contains("offline")
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|value| other.contains(value)).collect()
    }

    #[must_use]
    pub fn without(&self, values: &[&str]) -> Self {
        self.iter().filter(|value| !values.contains(value)).collect()
    }
}

/// A duplicate counts once. What is no scope-token is left out: no request could ask for it.
impl<S: AsRef<str>> FromIterator<S> for Scope {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> Self {
        values.into_iter().fold(Self::default(), |mut scope, value| {
            let value = value.as_ref();
            if is_scope_token(value) && !scope.contains(value) {
                if !scope.is_empty() {
                    scope.0.push(' ');
                }
                scope.0.push_str(value);
            }
            scope
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
fn is_scope_token(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Whether every requested value is one that the client is registered for, by `strategies.scope`.
pub fn allowed(strategy: ScopeStrategy, registered: &Scope, requested: &Scope) -> bool {
    match strategy {
        ScopeStrategy::Exact => requested.is_subset_of(registered),
        ScopeStrategy::Wildcard => {
            requested.iter().all(|value| registered.iter().any(|pattern| covers(pattern, value)))
        }
        ScopeStrategy::Hierarchic => {
            requested.iter().all(|value| registered.iter().any(|own| is_at_or_below(own, value)))
        }
    }
}

/// Tells one registered scope, and the way to read it, from another.
pub fn digest(strategy: ScopeStrategy, registered: &Scope) -> u64 {
    let digest = sha256(format!("{strategy:?} {registered}").as_bytes());
    u64::from_le_bytes(std::array::from_fn(|at| digest[at]))
}

/// Segments are parted by dots. `*` stands for one segment, as the last one for all that follow; no segment that it
/// stands for may be empty. A requested `*` is a plain word: only a registered `*` covers it.
fn covers(pattern: &str, value: &str) -> bool {
    let mut patterns = pattern.split('.').peekable();
    let mut segments = value.split('.');
    while let Some(expected) = patterns.next() {
        let Some(segment) = segments.next() else { return false };
        match expected {
            "*" if segment.is_empty() => return false,
            "*" if patterns.peek().is_none() => return segments.all(|rest| !rest.is_empty()),
            "*" => {}
            literal if literal == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// `photos` covers itself and what continues it at a dot.
fn is_at_or_below(own: &str, value: &str) -> bool {
    value.strip_prefix(own).is_some_and(|rest| rest.is_empty() || (rest.len() > 1 && rest.starts_with('.')))
}

/// Whether each requested audience is registered or lies under a registered one: the same scheme and host, and a path
/// that continues the registered one at a slash, as in Hydra. Compared as written, without a URL parser, so that no
/// two readers differ; one with dot segments, a query or a fragment must be registered letter for letter.
pub fn audience_allowed(registered: &[String], requested: &[impl AsRef<str>]) -> bool {
    requested
        .iter()
        .map(AsRef::as_ref)
        .all(|wanted| registered.iter().any(|own| own == wanted || lies_under(own, wanted)))
}

fn lies_under(registered: &str, wanted: &str) -> bool {
    let is_plain = |uri: &str| uri.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\'));
    if !is_plain(registered) || !is_plain(wanted) {
        return false;
    }
    let (Some((scheme, host, base)), Some((wanted_scheme, wanted_host, path))) = (parts(registered), parts(wanted))
    else {
        return false;
    };
    let is_below =
        path.strip_prefix(base.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    scheme == wanted_scheme && host == wanted_host && is_below && !path.split('/').any(is_dot_segment)
}

/// A dot may be written as `%2e`.
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Scheme, authority and path of `scheme://authority/path`.
fn parts(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!authority.is_empty()).then_some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn a_scope_is_ordered_and_without_duplicates() {
        let given = scope("openid  offline openid profile ");
        assert_eq!(given.to_string(), "openid offline profile");
        assert_eq!(given.iter().count(), 3);
        assert!(scope("").is_empty() && scope("  ").is_empty());
        assert_eq!(serde_json::to_string(&given).unwrap(), r#""openid offline profile""#);
        assert_eq!(serde_json::from_str::<Scope>(r#""openid offline profile""#).unwrap(), given);
        assert!(serde_json::from_str::<Scope>(r#""a\tb""#).is_err());
    }

    /// AZ-16, RFC 6749 section 3.3.
    #[test]
    fn what_is_outside_the_grammar_is_refused() {
        for text in ["openid\"\\", "openid\tx", "öpenid", "a\u{0}", "a\nb", "\\", "\"", "a\u{7f}"] {
            assert_eq!(Scope::parse(text).unwrap_err().code, ErrorCode::InvalidScope, "{text:?}");
        }
        assert_eq!(scope("!#[]~:/?=&*").as_str(), "!#[]~:/?=&*");
    }

    /// TC-28: a cap in bytes and one in values, both before anything is compared.
    #[test]
    fn long_scopes_are_refused_before_they_are_read() {
        let words = |count: usize| (0..count).map(|at| format!("s{at}")).collect::<Vec<_>>().join(" ");
        assert_eq!(scope(&words(100)).iter().count(), 100);
        assert_eq!(Scope::parse(&words(101)).unwrap_err().code, ErrorCode::InvalidScope);
        assert_eq!(Scope::parse(&"a ".repeat(101)).unwrap_err().code, ErrorCode::InvalidScope);
        assert_eq!(scope(&"a".repeat(4096)).as_str().len(), 4096);
        assert_eq!(Scope::parse(&"a".repeat(4097)).unwrap_err().code, ErrorCode::InvalidScope);
        assert_eq!(Scope::parse(&words(100_000)).unwrap_err().code, ErrorCode::InvalidScope);
    }

    #[test]
    fn scopes_are_compared_as_sets() {
        let all = scope("openid offline profile");
        assert!(scope("profile openid").is_subset_of(&all) && Scope::default().is_subset_of(&all));
        assert!(!scope("profile email").is_subset_of(&all));
        assert_eq!(all.intersection(&scope("email profile openid")).as_str(), "openid profile");
        assert_eq!(all.without(&["openid", "email"]).as_str(), "offline profile");
        assert!(all.contains("offline") && !all.contains("offlin") && !all.contains("openid offline"));
        assert!(all.wants_refresh() && scope("offline_access").wants_refresh() && !scope("openid").wants_refresh());
    }

    /// AZ-17, and Hydra's exact strategy.
    #[test]
    fn exact_values() {
        let exact = |registered, requested| allowed(ScopeStrategy::Exact, &scope(registered), &scope(requested));
        assert!(exact("openid photos.read", "photos.read openid"));
        assert!(exact("", "") && exact("openid", ""));
        assert!(!exact("openid", "openid admin") && !exact("", "openid") && !exact("photos.*", "photos.read"));
    }

    /// Hydra's wildcard strategy, hydra.md section 6.3.
    #[test]
    fn wildcard_values() {
        let wild = |registered, requested| allowed(ScopeStrategy::Wildcard, &scope(registered), &scope(requested));
        for (registered, requested) in [
            ("openid", "openid"),
            ("foo.*", "foo.bar"),
            ("foo.*", "foo.bar.baz"),
            ("foo.*", "foo.*"),
            ("*", "anything"),
            ("*", "any.thing"),
            ("foo.*.baz", "foo.bar.baz"),
            ("a foo.*", "foo.x a"),
        ] {
            assert!(wild(registered, requested), "{registered} covers {requested}");
        }
        for (registered, requested) in [
            ("foo.*", "foo"),
            ("foo.*", "foo."),
            ("foo.*", "foo..bar"),
            ("foo.*", "fooo.bar"),
            ("foo", "foo.bar"),
            ("foo.bar", "foo"),
            ("foo.bar", "foo.*"),
            ("fo*", "foo"),
            ("foo.*.baz", "foo.bar.qux"),
            ("foo.*.baz", "foo..baz"),
            ("foo.*.baz", "foo.bar.baz.more"),
            ("foo.*", "foo.bar other"),
            ("", "openid"),
        ] {
            assert!(!wild(registered, requested), "{registered} does not cover {requested}");
        }
    }

    /// AZ-29, hydra.md section 6.3.
    #[test]
    fn audiences_lie_under_registered_ones() {
        let allowed = |registered: &str, requested: &str| audience_allowed(&[registered.to_owned()], &[requested]);
        for (registered, requested) in [
            ("https://api.example", "https://api.example"),
            ("https://api.example", "https://api.example/"),
            ("https://api.example/", "https://api.example/v1"),
            ("https://api.example/v1", "https://api.example/v1/"),
            ("https://api.example/v1/", "https://api.example/v1"),
            ("https://api.example/v1", "https://api.example/v1/photos"),
            ("photos", "photos"),
            ("https://api.example/?tenant=1", "https://api.example/?tenant=1"),
        ] {
            assert!(allowed(registered, requested), "{registered} allows {requested}");
        }
        for (registered, requested) in [
            ("https://api.example/v1", "https://api.example/v10"),
            ("https://api.example/v1", "https://api.example/"),
            ("https://api.example", "http://api.example"),
            ("https://api.example", "https://api.example.evil"),
            ("https://api.example", "https://api.example:8443"),
            ("https://api.example/v1", "https://api.example/v1/../admin"),
            ("https://api.example/v1", "https://api.example/v1/%2E%2e/admin"),
            ("https://api.example/v1", "https://api.example/v1/x?y"),
            ("https://api.example/v1", "https://api.example/v1/#f"),
            ("https://api.example/v1", "relative"),
            ("photos", "photos/raw"),
        ] {
            assert!(!allowed(registered, requested), "{registered} does not allow {requested}");
        }
        assert!(audience_allowed(&[], &[] as &[&str]) && !audience_allowed(&[], &["a"]));
        assert!(!audience_allowed(&["a".to_owned()], &["a", "b"]));
    }

    proptest! {
        #[test]
        fn what_is_parsed_reads_back_as_itself(text in "[ -~]{0,60}") {
            if let Ok(given) = Scope::parse(&text) {
                prop_assert_eq!(Scope::parse(given.as_str()).unwrap(), given);
            }
        }

        #[test]
        fn nothing_wider_than_the_pattern_is_covered(pattern in "[ab*.]{1,8}", value in "[ab.]{1,8}") {
            let fits = |(own, other): (&str, &str)| own == other || own == "*" && !other.is_empty();
            let regular = pattern.split('.').zip(value.split('.')).all(fits);
            if covers(&pattern, &value) {
                prop_assert!(regular && value.split('.').count() >= pattern.split('.').count());
            }
        }
    }
}
