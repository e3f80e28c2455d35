//! `serve.cookies.*`, RFC 6265.

use url::{Host, Url};

use crate::config::raw;
use crate::config::setting::Check;
use crate::config::{Cookies, SameSite};

pub fn build(raw: &raw::Cookies, issuer: &Url, check: &mut Check) -> Cookies {
    let mut same_site = check.read(&raw.same_site_mode);
    if same_site == SameSite::None && issuer.scheme() == "http" {
        // A browser drops `SameSite=None` without `Secure`, and nobody could sign in.
        check.warn(true, &raw.same_site_mode, "None needs https; Lax is used");
        same_site = SameSite::Lax;
    }
    let session_name = check.read(&raw.names.session);
    let token = !session_name.is_empty()
        && session_name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    let what = "must be the name of a cookie: letters, digits, - and _ (RFC 6265 section 4.1.1)";
    check.rule(token, &raw.names.session, what, "");
    let lower = session_name.to_lowercase();
    let bare = !lower.starts_with("__host-") && !lower.starts_with("__secure-");
    let what = "must not begin with __Host- or __Secure-, which https adds by itself";
    check.rule(bare, &raw.names.session, what, "leave the prefix out");
    let domain = check.read(&raw.domain);
    if let Some(domain) = &domain {
        let host = matches!(Host::parse(domain), Ok(Host::Domain(name)) if name == *domain) && !domain.starts_with('.');
        let what = "must be a bare domain in lower case such as example.com";
        check.rule(host, &raw.domain, what, "leave out scheme, port, path and leading dot");
        let own = issuer.domain().is_some_and(|own| {
            own == domain || own.strip_suffix(domain.as_str()).is_some_and(|sub| sub.ends_with('.'))
        });
        let what = "must be the host of urls.self.issuer or a domain above it: browsers drop other cookies";
        check.rule(own || !host, &raw.domain, what, "leave it out to bind cookies to the host");
    }
    Cookies { same_site, domain, session_name }
}
