//! Lists of origins: exact ones, `*`, and wildcards for one label (`https://*.example.com`).

/// Longer than any origin: a scheme, a name of 253 characters, a port.
const MAX_ORIGIN: usize = 280;

/// Origins compare as browsers write them: letter for letter. `null`, which any sandboxed page can be, is never in a list.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    any: bool,
    listed: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(String),
    /// `https://*.example.com`: one label stands for the star.
    OneLabel {
        before: String,
        after: String,
    },
    /// `https://*`: every host of a scheme.
    Scheme(String),
}

impl Origins {
    /// The operator's list: `*` in it is every origin. An empty one is nobody, unlike Hydra's.
    pub fn new(list: &[String]) -> Self {
        let listed: Vec<_> = list.iter().filter_map(|entry| Pattern::parse(entry)).collect();
        Self { any: list.iter().any(|entry| entry == "*"), listed }
    }

    /// A client's list: nothing unless it is there, and never every origin.
    pub fn of_client(list: &[String]) -> Self {
        let listed = list
            .iter()
            .filter_map(|entry| Pattern::parse(entry))
            .filter(|pattern| !matches!(pattern, Pattern::Scheme(_)));
        Self { any: false, listed: listed.collect() }
    }

    pub fn none() -> Self {
        Self::default()
    }

    pub fn contains(&self, origin: &str) -> bool {
        is_well_formed(origin) && (self.any || self.lists(origin))
    }

    /// Whether an entry says so, other than `*`.
    pub(super) fn lists(&self, origin: &str) -> bool {
        is_well_formed(origin) && self.listed.iter().any(|pattern| pattern.matches(origin))
    }
}

impl Pattern {
    /// `None` for `*` and for a star that is not a whole label: `https://*foo.com` would let `https://evilfoo.com` in.
    fn parse(entry: &str) -> Option<Self> {
        let Some((before, after)) = entry.split_once('*') else { return Some(Self::Exact(entry.to_owned())) };
        let starts_label = before.ends_with("://") || before.ends_with('.');
        if !starts_label || after.contains('*') {
            return None;
        }
        if after.is_empty() {
            return before.ends_with("://").then(|| Self::Scheme(before.to_owned()));
        }
        after.starts_with('.').then(|| Self::OneLabel { before: before.to_owned(), after: after.to_owned() })
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(listed) => listed == origin,
            Self::Scheme(scheme) => origin.starts_with(scheme.as_str()),
            Self::OneLabel { before, after } => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|label| {
                    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                }),
        }
    }
}

/// RFC 6454 section 6.2: a scheme, `://`, a host and perhaps a port; nothing after it, and not `null`.
pub(super) fn is_well_formed(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    origin.len() <= MAX_ORIGIN
        && !scheme.is_empty()
        && scheme.bytes().all(|byte| lower(byte) || b"+-.".contains(&byte))
        && !authority.is_empty()
        && authority.bytes().all(|byte| lower(byte) || b"-._:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        Origins::new(&list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_star_is_one_whole_label() {
        let list = origins(&["https://*.example.com", "https://*foo.com", "http://a.*.test:8080"]);
        for origin in ["https://app.example.com", "https://a-1.example.com", "http://a.b.test:8080"] {
            assert!(list.contains(origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://a.b.example.com",
            "http://app.example.com",
            "https://app.example.com.evil.example",
            "https://evil.example:x.example.com",
            "https://barfoo.com",
            "https://app.example.com:8443",
        ] {
            assert!(!list.contains(origin), "{origin}");
        }
    }

    #[test]
    fn nothing_lets_null_in() {
        for list in [origins(&[]), origins(&["*"]), origins(&["null"]), origins(&["https://*"])] {
            assert!(!list.contains("null"));
            assert!(!list.contains(""));
            assert!(!list.contains(&format!("https://{}.example", "a".repeat(10_240))));
        }
        assert!(origins(&["*"]).contains("https://anyone.example"));
        assert!(!origins(&["*"]).lists("https://anyone.example"));
        assert!(origins(&["https://*"]).contains("https://any.one.example:8443"));
        assert!(!origins(&["https://*"]).contains("http://any.one.example"));
    }

    #[test]
    fn an_empty_list_is_nobody() {
        assert!(!origins(&[]).contains("https://anyone.example"));
    }

    #[test]
    fn a_client_can_not_register_everybody() {
        let list = |entry: &str| Origins::of_client(&[entry.to_owned()]);
        assert!(list("https://rp.example").contains("https://rp.example"));
        assert!(!list("*").contains("https://rp.example"));
        assert!(!list("https://*").contains("https://rp.example"));
        assert!(!Origins::of_client(&[]).contains("https://rp.example"));
    }
}
