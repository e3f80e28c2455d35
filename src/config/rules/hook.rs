//! `oauth2.token_hook` and `oauth2.refresh_token_hook`: a URL, a time, and perhaps a secret.

use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::{MINUTE, lasts};
use crate::config::raw;
use crate::config::setting::Check;
use crate::config::{ApiKey, ApiKeyPlace, Hook};

/// Headers that are not the operator's to set: they say where the call goes, how long it is, and what it holds.
const OURS: [&str; 7] =
    ["host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "x-request-id"];

/// `request_timeout` is what the whole token request has.
pub fn build(raw: &raw::Hook, request_timeout: Duration, check: &mut Check) -> Option<Box<Hook>> {
    let url = check.read(&raw.url);
    let timeout = lasts(check, &raw.timeout, Duration::from_millis(50), MINUTE);
    let api_key = api_key(&raw.auth, check);
    let Some(url) = url else {
        check.warn(api_key.is_some(), &raw.auth.config.value, "has no effect without the hook's url");
        return None;
    };
    let fix = "the request would be over before the hook is; lower it, or raise limits.request_timeout";
    check.rule(timeout < request_timeout, &raw.timeout, "must be shorter than limits.request_timeout", fix);
    let words = "what it answers stands in tokens, and travels unencrypted; https is safer off this machine";
    check.warn(!check.dev && url.scheme() == "http" && !is_this_machine(&url), &raw.url, words);
    Some(Box::new(Hook { url, timeout, api_key }))
}

fn api_key(raw: &raw::HookAuth, check: &mut Check) -> Option<ApiKey> {
    check.read(&raw.kind);
    let (place, name, value) =
        (check.read(&raw.config.place), check.read(&raw.config.name), check.read(&raw.config.value));
    let (named, valued) = (name.is_some(), value.is_some());
    check.rule(named || !valued, &raw.config.name, "is required beside a value", "name the header or the cookie");
    check.rule(valued || !named, &raw.config.value, "is required beside a name", "give the secret, or drop the name");
    let (name, value) = (name?, value?);
    let fix = "use letters, digits and dashes (RFC 9110 section 5.6.2)";
    check.rule(is_token(&name), &raw.config.name, "is not the name of a header or cookie", fix);
    let free = place == ApiKeyPlace::Cookie || !OURS.contains(&name.to_ascii_lowercase().as_str());
    check.rule(free, &raw.config.name, "is a header that the server sets itself", "choose another, such as X-Api-Key");
    let fits = match place {
        ApiKeyPlace::Header => is_field_value(value.expose()),
        ApiKeyPlace::Cookie => is_cookie_value(value.expose()),
    };
    check.rule(fits, &raw.config.value, "has characters that do not fit there", "use letters, digits and -._~");
    Some(ApiKey { place, name, value })
}

fn is_this_machine(url: &Url) -> bool {
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(name)) => return name == "localhost",
        None => return false,
    };
    address.is_loopback()
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 9110 section 5.5, without what is obsolete.
fn is_field_value(value: &str) -> bool {
    !value.is_empty() && value.trim() == value && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// RFC 6265 section 4.1.1.
fn is_cookie_value(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~'))
}
