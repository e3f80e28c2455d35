//! `urls.*`: the issuer above all, which is in every token and is compared letter for letter.

use url::Url;

use crate::config::Urls;
use crate::config::raw;
use crate::config::setting::{Check, Setting};

pub fn build(raw: &raw::Urls, check: &mut Check) -> Urls {
    let given = check.read(&raw.own.issuer);
    let fix = "set it, or URLS_SELF_ISSUER, to the https URL that clients know the server by";
    check.rule(given.is_some(), &raw.own.issuer, "is required", fix);
    let issuer_url = given.as_deref().and_then(|issuer| base(check, &raw.own.issuer, issuer));
    let public = check.read(&raw.own.public);
    if let Some(public) = &public {
        base(check, &raw.own.public, public);
    }
    let issuer = given.unwrap_or_default();
    let alone = raw.registration.is_set() && !raw.login.is_set();
    check.rule(!alone, &raw.registration, "has no effect without urls.login", "set urls.login to your app's page");
    Urls {
        public: public.as_ref().unwrap_or(&issuer).trim_end_matches('/').to_owned(),
        issuer,
        issuer_url: issuer_url.unwrap_or_else(dev_issuer),
        login: check.read(&raw.login),
        registration: check.read(&raw.registration),
        consent: check.read(&raw.consent),
        logout: check.read(&raw.logout),
        post_logout_redirect: check.read(&raw.post_logout_redirect),
        error: check.read(&raw.error),
    }
}

/// A URL that others are built on: `None`, and the problems noted, where it cannot be.
///
/// OpenID Connect Discovery section 3 and RFC 8414 section 2: https, no query, no fragment. Credentials in it would be
/// published; spaces around it would make every comparison of a client fail.
fn base(check: &mut Check, setting: &Setting<Option<String>>, text: &str) -> Option<Url> {
    let spaced = text.contains(|c: char| c.is_whitespace() || c.is_control());
    check.rule(!spaced, setting, "must have no white space, not at the end either", "remove it");
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let fix = "write it as https://login.example.com";
    check.rule(url.is_some(), setting, "must be a complete URL", fix);
    let url = url?;
    let secure = check.dev || url.scheme() == "https";
    check.rule(
        secure,
        setting,
        "must use https (OpenID Connect Discovery section 3)",
        "use https, or --dev on a laptop",
    );
    check.rule(url.query().is_none(), setting, "must have no query (RFC 8414 section 2)", "remove it, from the ? on");
    check.rule(
        url.fragment().is_none(),
        setting,
        "must have no fragment (RFC 8414 section 2)",
        "remove it, from the # on",
    );
    let anonymous = url.username().is_empty() && url.password().is_none();
    check.rule(
        anonymous,
        setting,
        "must have no user name and password: it is published",
        "remove what is before the @",
    );
    Some(url)
}

/// The issuer of `config/dev.yml`, also what stands in where the configured one is not a URL (and a problem is noted).
fn dev_issuer() -> Url {
    Url::parse("http://127.0.0.1:4444").expect("a literal URL")
}
