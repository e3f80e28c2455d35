//! Who does what a request asks for: the server in the hands of whoever sent it, so that what it changes is recorded as
//! theirs (security-cases.md AD-13).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::App;
use crate::config::Host;
use crate::http::admin_access::Caller;
use crate::http::client_address::ClientAddress;
use crate::http::middleware::RequestId;

/// What every handler takes that changes something; `State` is for those that only read, and for the login protocol.
pub struct Admin(pub App);

impl FromRequestParts<App> for Admin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let request = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
        let by_socket = matches!(app.config.serve.admin.host, Host::Socket(_));
        Ok(Self(app.by(name(parts, by_socket), request)))
    }
}

const SOCKET: &str = "admin:socket";

/// The token's name; where none are listed, the address, or that somebody came through the unix socket.
/// Who may write to the socket is the administrator, whatever addresses they pass on.
fn name(parts: &Parts, by_socket: bool) -> String {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return caller.as_str().to_owned();
    }
    match parts.extensions.get::<ClientAddress>() {
        Some(ClientAddress(address)) if !by_socket => format!("admin:{address}"),
        _ => SOCKET.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::Request;

    use super::*;

    /// A token's name has no colon, so that nobody's is taken for another's.
    #[test]
    fn whoever_calls_has_one_name() {
        let of = |address: Option<&str>, by_socket| {
            let mut parts = Request::new(()).into_parts().0;
            if let Some(address) = address {
                parts.extensions.insert(ClientAddress(address.parse::<IpAddr>().unwrap()));
            }
            name(&parts, by_socket)
        };
        assert_eq!(of(Some("192.0.2.1"), false), "admin:192.0.2.1");
        assert_eq!(of(Some("2001:db8::1"), false), "admin:2001:db8::1");
        assert_eq!([of(Some("192.0.2.1"), true), of(None, true)], ["admin:socket", "admin:socket"]);
    }
}
