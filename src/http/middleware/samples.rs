//! Configuration for the tests of this layer, with limits short enough to wait for.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::config::{Cors, Host, Limits, Listener, SocketFile, Urls};

pub(in crate::http) fn urls(issuer: &str) -> Urls {
    Urls {
        issuer: issuer.to_owned(),
        issuer_url: Url::parse(issuer).unwrap(),
        public: issuer.trim_end_matches('/').to_owned(),
        login: None,
        registration: None,
        consent: None,
        logout: None,
        post_logout_redirect: None,
        error: None,
    }
}

/// With Hydra's defaults, and so switched off.
pub(in crate::http) fn cors() -> Cors {
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    Cors {
        enabled: false,
        allowed_origins: list(&["*"]),
        allowed_methods: list(&["GET", "POST"]),
        allowed_headers: list(&["Authorization", "Content-Type"]),
        exposed_headers: list(&["Content-Type"]),
        allow_credentials: true,
        max_age: 0,
    }
}

/// On a port that the system picks.
pub(in crate::http) fn listener(host: [u8; 4]) -> Listener {
    Listener {
        host: Host::Ip(IpAddr::from(host)),
        port: 0,
        tls: None,
        allow_termination_from: Vec::new(),
        cors: cors(),
        request_log_disable_for_health: false,
    }
}

/// On a unix socket.
pub(in crate::http) fn socket(path: &Path) -> Listener {
    let file = SocketFile { path: path.to_owned(), owner: None, group: None, mode: 0o600 };
    Listener { host: Host::Socket(file), ..listener([127, 0, 0, 1]) }
}

pub(in crate::http) fn limits() -> Limits {
    Limits {
        login_per_account: 10,
        login_per_address: 10,
        login_window: Duration::from_mins(1),
        threads: 1,
        password_hashes: 2,
        body: 1024,
        header_read_timeout: Duration::from_millis(300),
        request_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(600),
        drain_timeout: Duration::from_secs(2),
        connections: 64,
        max_in_flight: 64,
    }
}
