//! `oidc.dynamic_client_registration`: what strangers may register.

use std::time::Duration;

use super::{DAY, MINUTE, SECOND, lasts, number, words};
use crate::config::setting::{Check, Setting};
use crate::config::{Registration, raw};

/// RFC 6749 section 4 and RFC 7523 section 2.1, as `grant_types` names them.
const GRANT_TYPES: [&str; 5] = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "implicit",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

pub fn build(raw: &raw::Registration, check: &mut Check) -> Registration {
    let enabled = check.read(&raw.enabled);
    let allowed_grant_types = check.read(&raw.allowed_grant_types);
    let known = allowed_grant_types.iter().all(|grant| GRANT_TYPES.contains(&grant.as_str()));
    check.rule(known, &raw.allowed_grant_types, format!("must hold names from {}", GRANT_TYPES.join(", ")), "");
    let allow_secret_in_query = check.read(&raw.allow_secret_in_query);
    let words_of_query = "has clients write their secrets into URLs, which proxies and servers log";
    check.warn(enabled && allow_secret_in_query, &raw.allow_secret_in_query, words_of_query);
    Registration {
        enabled,
        require_token: check.read(&raw.require_token),
        allowed_scope: words(check, &raw.allowed_scope),
        allowed_grant_types,
        allowed_audience: words(check, &raw.allowed_audience),
        per_address: number(check, &raw.per_address, 1, 1_000_000),
        window: lasts(check, &raw.window, SECOND, DAY),
        max_clients: number(check, &raw.max_clients, 1, 10_000_000),
        unused_for: lifetime(check, &raw.unused_for),
        client_lifetime: lifetime(check, &raw.client_lifetime),
        secret_lifetime: lifetime(check, &raw.secret_lifetime),
        allow_secret_in_query,
        software_statement_issuers: check.read(&raw.software_statement_issuers),
        untrusted_redirects: check.read(&raw.untrusted_redirects),
    }
}

/// A minute at least, or 0 for no end.
fn lifetime(check: &mut Check, setting: &Setting<Duration>) -> Option<Duration> {
    let lifetime = check.read(setting);
    let fits = lifetime.is_zero() || (MINUTE..=3650 * DAY).contains(&lifetime);
    check.rule(fits, setting, "must be 0, or from 1m to 87600h", "");
    (!lifetime.is_zero()).then_some(lifetime)
}
