//! `serve.*`: where the two ports listen, their TLS, who may call across origins.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::{cookies, number, pem_file, pem_text};
use crate::config::admin_token::{AdminToken, GivenToken};
use crate::config::raw;
use crate::config::setting::{Check, Setting};
use crate::config::socket::{GivenHost, Host, Mode, SocketFile, id_of};
use crate::config::value::AdminAuth;
use crate::config::{Cors, Listener, Pem, Serve, Tls};
use crate::secret::Secret;

pub fn build(raw: &raw::Serve, issuer: &Url, check: &mut Check) -> Serve {
    let admin_open = check.read(&raw.admin.auth) == Some(AdminAuth::None);
    let admin_tokens = admin_tokens(&raw.admin.tokens, check);
    let both = admin_open && raw.admin.tokens.is_set();
    check.rule(!both, &raw.admin.auth, "is none beside serve.admin.tokens", "remove one of the two");
    let public = public(raw, check);
    let admin = admin(raw, admin_open, check);
    apart(raw, &public, &admin, check);
    Serve { public, admin, admin_open, admin_tokens, cookies: cookies::build(&raw.cookies, issuer, check) }
}

fn apart(raw: &raw::Serve, public: &Listener, admin: &Listener, check: &mut Check) {
    const FIX: &str = "give each its own";
    match (&public.host, &admin.host) {
        (Host::Ip(_), Host::Ip(_)) => {
            let apart = public.port != admin.port || public.port == 0;
            // The problem belongs to whichever of the two was set.
            let at = if raw.admin.port.is_set() { &raw.admin.port } else { &raw.public.port };
            check.rule(apart, at, "must differ: the public and the admin port are the same", FIX);
        }
        (Host::Socket(public), Host::Socket(admin)) => {
            let what = "must differ: the public and the admin port have the same socket";
            check.rule(public.path != admin.path, &raw.admin.host, what, FIX);
        }
        _ => {}
    }
}

fn public(raw: &raw::Serve, check: &mut Check) -> Listener {
    let own = &raw.public;
    let socket = &own.socket;
    let host = host(&own.host, (&socket.owner, &socket.group, &socket.mode), check);
    let (tls, allow_termination_from) = tls(&own.tls, &raw.tls, check);
    Listener {
        host: if check.dev && !own.host.is_set() { Host::Ip(Ipv4Addr::LOCALHOST.into()) } else { host },
        port: check.read(&own.port),
        tls,
        allow_termination_from,
        cors: cors(&own.cors, check),
        request_log_disable_for_health: check.read(&own.request_log.disable_for_health),
    }
}

fn admin(raw: &raw::Serve, open: bool, check: &mut Check) -> Listener {
    let own = &raw.admin;
    let socket = &own.socket;
    let host = host(&own.host, (&socket.owner, &socket.group, &socket.mode), check);
    let guarded = own.tokens.is_set();
    let what = "must be a loopback address: whoever reaches the admin API is the administrator";
    let fix = "use 127.0.0.1 or unix:/path, or list who may call in serve.admin.tokens (`hydrant admin-token create` makes one), \
               or set serve.admin.auth to none if something else guards the port";
    check.rule(open || guarded || host.is_local(), &own.host, what, fix);
    let (tls, allow_termination_from) = tls(&own.tls, &raw.tls, check);
    let in_clear = guarded && !host.is_local() && tls.is_none() && allow_termination_from.is_empty();
    let words = "without serve.admin.tls or a proxy that ends TLS, admin tokens cross the network in the clear";
    check.warn(in_clear, &own.host, words);
    Listener {
        host,
        port: check.read(&own.port),
        tls,
        allow_termination_from,
        cors: cors(&own.cors, check),
        request_log_disable_for_health: check.read(&own.request_log.disable_for_health),
    }
}

fn admin_tokens(setting: &Setting<Vec<GivenToken>>, check: &mut Check) -> Vec<AdminToken> {
    const MAKE_ONE: &str = "`hydrant admin-token create` makes a token and prints its lines";
    let given = check.read(setting);
    check.rule(!setting.is_set() || !given.is_empty(), setting, "lists nobody", MAKE_ONE);
    let mut tokens: Vec<AdminToken> = Vec::with_capacity(given.len());
    for (index, given) in given.into_iter().enumerate() {
        let item = format!("item {}", index + 1);
        let named = AdminToken::is_name(&given.name);
        let what = format!("{item}: name must be 1 to 64 letters, digits and any of . _ - @");
        check.rule(named, setting, what, "the name is for the log: call it after its owner");
        let hash = AdminToken::hash_of_text(&given.hash);
        let what = format!("{item}: hash must be sha256: and the SHA-256 of a token, in hex or base64url");
        check.rule(hash.is_some(), setting, what, MAKE_ONE);
        let Some(hash) = hash else { continue };
        let other = tokens.iter().all(|before| before.name != given.name && before.hash != hash);
        check.rule(other, setting, format!("{item}: has the name or the hash of another item"), "remove one of them");
        tokens.push(AdminToken { name: given.name, hash, access: given.access });
    }
    tokens
}

type Owner = Setting<Option<String>>;

fn host(setting: &Setting<GivenHost>, socket: (&Owner, &Owner, &Setting<Mode>), check: &mut Check) -> Host {
    let (owner, group, mode) = socket;
    let ids = (account(owner, "user", "/etc/passwd", check), account(group, "group", "/etc/group", check));
    let Mode(bits) = check.read(mode);
    match check.read(setting) {
        GivenHost::Socket(path) => Host::Socket(SocketFile { path, owner: ids.0, group: ids.1, mode: bits }),
        GivenHost::Ip(address) => {
            let words = "has no effect: the port does not listen on a unix socket";
            check.warn(owner.is_set(), owner, words);
            check.warn(group.is_set(), group, words);
            check.warn(mode.is_set(), mode, words);
            Host::Ip(address)
        }
    }
}

fn account(setting: &Owner, kind: &str, database: &str, check: &mut Check) -> Option<u32> {
    // Hydra's files have it empty where nobody is meant.
    let name = check.read(setting).filter(|name| !name.is_empty())?;
    let id = id_of(&name, database);
    let what = format!("is no {kind} of this machine ({database} does not have it)");
    check.rule(id.is_some(), setting, what, "use its number");
    id
}

/// A listener's TLS, each key from its own section or else from `serve.tls`, and its proxies.
fn tls(own: &raw::Tls, shared: &raw::Tls, check: &mut Check) -> (Option<Tls>, Vec<ipnet::IpNet>) {
    let own_enabled = check.read(&own.enabled);
    let enabled = own_enabled.or(check.read(&shared.enabled)).unwrap_or(false);
    let proxies = check.read(&own.allow_termination_from).or(check.read(&shared.allow_termination_from));
    let cert = pem(&own.cert, &shared.cert, "CERTIFICATE", enabled, check);
    let key = pem(&own.key, &shared.key, "PRIVATE KEY", enabled, check);
    let at = if own_enabled.is_some() { &own.enabled } else { &shared.enabled };
    if enabled {
        check.rule(cert.is_some(), at, "needs a certificate", "set tls.cert.path or tls.cert.base64 beside it");
        check.rule(key.is_some(), at, "needs the certificate's key", "set tls.key.path or tls.key.base64 beside it");
    } else {
        let unused = own_enabled.is_none() && (cert.is_some() || key.is_some());
        let words = "is not true, so the certificate and key beside it are not used";
        check.warn(unused, if cert_is_own(own) { &own.enabled } else { &shared.enabled }, words);
    }
    let tls = cert.zip(key).filter(|_| enabled).map(|(cert, key)| Tls { cert, key });
    (tls, proxies.unwrap_or_default())
}

fn cert_is_own(tls: &raw::Tls) -> bool {
    [&tls.cert, &tls.key].iter().any(|pem| pem.path.is_set() || pem.base64.is_set())
}

/// One PEM; `None` where none was given. Its content is looked at only if it will be used.
fn pem(own: &raw::Pem, shared: &raw::Pem, label: &str, used: bool, check: &mut Check) -> Option<Pem> {
    let from = if own.path.is_set() || own.base64.is_set() { own } else { shared };
    let path = check.read(&from.path);
    let base64 = check.read(&from.base64);
    let both = path.is_some() && base64.is_some();
    check.rule(!both, &from.base64, "is set beside path", "keep one of them");
    match (path, base64) {
        (Some(path), _) => {
            if used {
                pem_file(check, &from.path, &path, label);
            }
            Some(Pem::File(path))
        }
        (None, Some(encoded)) => inline(check, &from.base64, &encoded, label),
        (None, None) => None,
    }
}

fn inline(check: &mut Check, setting: &Setting<Option<Secret>>, encoded: &Secret, label: &str) -> Option<Pem> {
    let compact: String = encoded.expose().split_whitespace().collect();
    let decoded = STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    check.rule(decoded.is_some(), setting, "is not base64 of a PEM text", "encode the file with `base64 -w0`");
    let text = decoded?;
    pem_text(check, setting, &text, label);
    Some(Pem::Inline(Secret::new(text)))
}

fn cors(raw: &raw::Cors, check: &mut Check) -> Cors {
    let enabled = check.read(&raw.enabled);
    let allowed_origins = check.read(&raw.allowed_origins);
    let allow_credentials = check.read(&raw.allow_credentials);
    let all_are = allowed_origins.iter().all(|origin| is_origin(origin));
    let what = "must be origins such as https://app.example.com, with at most one * each";
    check.rule(all_are, &raw.allowed_origins, what, "write scheme, host and port, without a path");
    let everybody = allowed_origins.iter().any(|origin| matches!(origin.as_str(), "*" | "http://*" | "https://*"));
    let what = "must not be * with credentials: every page on the web could act as the person who visits it";
    let fix = "list the origins, or set allow_credentials to false";
    check.rule(!(enabled && everybody && allow_credentials), &raw.allowed_origins, what, fix);
    let words = "without allowed_origins only those that a client names itself (allowed_cors_origins) may call";
    check.warn(enabled && allowed_origins.is_empty(), &raw.enabled, words);
    Cors {
        enabled,
        allowed_origins,
        allowed_methods: header_tokens(check, &raw.allowed_methods),
        allowed_headers: header_tokens(check, &raw.allowed_headers),
        exposed_headers: header_tokens(check, &raw.exposed_headers),
        allow_credentials,
        max_age: number(check, &raw.max_age, 0, 86_400),
    }
}

/// `*`, or what a browser sends as `Origin` (RFC 6454 section 6.1), with at most one `*` in it.
fn is_origin(origin: &str) -> bool {
    if origin == "*" {
        return true;
    }
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let sample = host.replacen('*', "x", 1);
    let canonical = Url::parse(&format!("{scheme}://{sample}")).ok();
    matches!(scheme, "http" | "https")
        && !sample.contains('*')
        && canonical.is_some_and(|url| {
            // Longer than the origin means a path, a query, credentials or a default port: no browser sends those.
            url.origin().ascii_serialization() == format!("{scheme}://{sample}")
        })
}

/// Names of methods and headers, RFC 9110 section 5.6.2.
fn header_tokens(check: &mut Check, setting: &Setting<Vec<String>>) -> Vec<String> {
    let names = check.read(setting);
    let token = |name: &String| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    check.rule(names.iter().all(token), setting, "must be names of methods or headers", "write one name an item");
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for origin in [
            "*",
            "https://app.example.com",
            "https://*.example.com",
            "http://localhost:3000",
            "https://*",
            "http://[::1]:8080",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for wrong in [
            "",
            "example.com",
            "https://",
            "https://a.example/",
            "https://a.example/path",
            "https://*.*.example",
            "https://u@a.example",
            "ftp://a.example",
            "https://A.example",
            "null",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
