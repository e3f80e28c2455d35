//! The URIs of client metadata that are no redirect URIs (RFC 7591 section 2, OpenID Connect logout specifications).

use std::collections::HashSet;
use std::slice;

use url::{Origin, Url};

use super::validate::{MAX_ENTRIES, MAX_URI_BYTES, refused};
use super::{ClientMetadata, Rules};
use crate::oauth::{Result, redirect_uri, subject};

impl ClientMetadata {
    pub(super) fn check_web_uris(&self, rules: &Rules) -> Result<()> {
        let pages = [
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
        ];
        for (field, uri) in pages.into_iter().filter(|(_, uri)| !uri.is_empty()) {
            let url = plain_url(uri).ok_or_else(|| refused(format!("Field {field} must be a valid URI.")))?;
            if !matches!(url.scheme(), "https" | "http") {
                return Err(refused(format!("Client must use https:// or http:// as HTTP scheme for field {field}.")));
            }
        }
        // OpenID Connect Back-Channel Logout section 2.2, Front-Channel Logout section 2
        let logout = [
            ("backchannel_logout_uri", &self.backchannel_logout_uri),
            ("frontchannel_logout_uri", &self.frontchannel_logout_uri),
        ];
        for (field, uri) in logout.into_iter().filter(|(_, uri)| !uri.is_empty()) {
            let url = plain_url(uri).ok_or_else(|| refused(format!("Field {field} must be a valid URI.")))?;
            if !is_for_logout(&url, rules.dev) {
                return Err(refused(format!("Field {field} must use https:// and have no fragment.")));
            }
        }
        // They are added for the client, which would have them twice (Front-Channel Logout section 2).
        let has_ours = |url: Url| url.query_pairs().any(|(name, _)| matches!(&*name, "iss" | "sid"));
        if plain_url(&self.frontchannel_logout_uri).is_some_and(has_ours) {
            return Err(refused("Field frontchannel_logout_uri must have neither iss nor sid in its query."));
        }
        // RFC 7591 section 2; OpenID Connect Dynamic Client Registration section 2; Core section 4
        let fetched = [
            ("jwks_uri", slice::from_ref(&self.jwks_uri)),
            ("sector_identifier_uri", slice::from_ref(&self.sector_identifier_uri)),
            ("initiate_login_uri", slice::from_ref(&self.initiate_login_uri)),
            ("request_uris", &self.request_uris),
        ];
        for (field, uris) in fetched {
            if uris.len() > MAX_ENTRIES {
                return Err(refused(format!("Field {field} must hold at most 50 URIs.")));
            }
            for uri in uris.iter().filter(|uri| !uri.is_empty()) {
                let url = plain_url(uri).ok_or_else(|| refused(format!("Field {field} must be a valid URI.")))?;
                let is_safe = url.scheme() == "https" || rules.dev && url.scheme() == "http";
                // The fragment of a request URI is the hash of what is there (OpenID Connect Core section 6.2).
                if !is_safe || (url.fragment().is_some() && field != "request_uris") {
                    return Err(refused(format!("Field {field} must use https:// and have no fragment.")));
                }
            }
        }
        if !self.request_uris.is_empty() && !rules.request_by_reference {
            return Err(refused("Field request_uris is not supported by server."));
        }
        self.check_sector(rules)?;
        if self.allowed_cors_origins.len() > MAX_ENTRIES
            || !self.allowed_cors_origins.iter().all(|origin| is_origin(origin))
        {
            return Err(refused(
                "Field allowed_cors_origins must hold at most 50 origins as browsers send them, without wildcards.",
            ));
        }
        Ok(())
    }

    /// The page of the client that a browser loads when a session has ended, if it could be registered today as well.
    pub fn frontchannel_logout_page(&self, dev: bool) -> Option<&str> {
        let uri = self.frontchannel_logout_uri.as_str();
        plain_url(uri).filter(|url| is_for_logout(url, dev)).map(|_| uri)
    }

    /// Whether that page is where the client's answers go (OpenID Connect Front-Channel Logout section 2).
    pub fn has_its_own_frontchannel_page(&self) -> bool {
        let page = &self.frontchannel_logout_uri;
        page.is_empty() || self.redirect_uris.iter().any(|own| same_place(own, page))
    }

    /// OpenID Connect Core section 8.1: who has one host has one sector; who has several says which.
    fn check_sector(&self, rules: &Rules) -> Result<()> {
        if self.subject_type != "pairwise" || !self.sector_identifier_uri.is_empty() {
            return Ok(());
        }
        let hosts: HashSet<_> = self.redirect_uris.iter().map(|uri| subject::host(uri)).collect();
        // Whose http a request for a host reaches nobody can tell, and everybody is the host of a loopback address.
        let proven = rules.dev || self.redirect_uris.iter().all(|uri| redirect_uri::may_be_silent(uri));
        if hosts.len() > 1 || hosts.contains(&None) || !proven {
            return Err(refused(
                "Field sector_identifier_uri must be set where pairwise redirect_uris have not one https host alone.",
            ));
        }
        Ok(())
    }

    pub(super) fn check_post_logout_redirect_uris(&self, rules: &Rules) -> Result<()> {
        if self.post_logout_redirect_uris.len() > MAX_ENTRIES {
            return Err(refused("Field post_logout_redirect_uris must hold at most 50 URIs."));
        }
        for uri in &self.post_logout_redirect_uris {
            if redirect_uri::fault(uri, self.is_native(), rules.http()).is_some() {
                return Err(refused("Field post_logout_redirect_uris must hold URIs that could be redirect URIs."));
            }
            if !self.redirect_uris.iter().any(|own| same_place(own, uri)) {
                return Err(refused(
                    "A member of post_logout_redirect_uris must match the domain, port, scheme of at least one of the \
                     registered redirect URIs but did not.",
                ));
            }
        }
        Ok(())
    }
}

/// http is for laptops: what passes in the clear on the way to a client is anybody's.
fn is_for_logout(url: &Url, dev: bool) -> bool {
    (url.scheme() == "https" || dev && url.scheme() == "http") && url.fragment().is_none()
}

/// An absolute URI with a host and nothing that two readers could read differently.
fn plain_url(uri: &str) -> Option<Url> {
    let url = Url::parse(uri).ok().filter(|_| uri.len() <= MAX_URI_BYTES && redirect_uri::has_uri_characters(uri))?;
    let is_plain = uri.contains("://") && url.has_host() && url.username().is_empty() && url.password().is_none();
    is_plain.then_some(url)
}

/// Whether a browser could send it in `Origin` (RFC 6454 section 6.1): never with a wildcard, path or user information.
fn is_origin(text: &str) -> bool {
    !text.contains('*')
        && plain_url(text)
            .is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == text)
}

/// Same scheme, host and port. An address of an app (a private-use scheme) has no port to compare.
fn same_place(left: &str, right: &str) -> bool {
    let (Ok(left), Ok(right)) = (Url::parse(left), Url::parse(right)) else { return false };
    match (left.origin(), right.origin()) {
        (Origin::Opaque(_), Origin::Opaque(_)) => {
            left.scheme() == right.scheme() && left.host_str() == right.host_str()
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::validate::tests::fault;
    use super::*;

    #[test]
    fn uris_of_pages_are_http_or_https() {
        for field in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
            for uri in [
                "nonsense",
                "https:",
                "https:///",
                "https:app.example",
                "//app.example",
                "https://u:p@app.example",
                "https://app.example/\u{0}",
                "https://app.example/ x",
                "https://app.example/\"><script>",
            ] {
                assert_eq!(fault(&json!({ field: uri })).1, format!("Field {field} must be a valid URI."), "{uri}");
            }
            for uri in ["ftp://app.example/", "com.example.app://x/y"] {
                assert!(
                    fault(&json!({ field: uri })).1.contains("must use https:// or http:// as HTTP scheme"),
                    "{uri}"
                );
            }
            assert_eq!(fault(&json!({ field: "javascript:alert(1)" })).0, "invalid_client_metadata");
        }
    }

    #[test]
    fn what_is_called_is_https() {
        for field in [
            "backchannel_logout_uri",
            "frontchannel_logout_uri",
            "initiate_login_uri",
            "jwks_uri",
            "sector_identifier_uri",
        ] {
            for uri in ["http://app.example/l", "https://app.example/l#f", "https://u@app.example/", "app.example/l"] {
                assert!(fault(&json!({ field: uri })).1.contains(field), "{uri}");
            }
            let client: ClientMetadata = serde_json::from_value(json!({ field: "http://localhost:5555/l" })).unwrap();
            client.validate(&Rules::new(true, &[crate::config::ResponseType::Code])).unwrap();
        }
    }

    /// Front-Channel Logout section 2: both are added when the page is called.
    #[test]
    fn a_page_for_logout_has_no_parameters_of_ours() {
        for query in ["iss=https://op.example", "a=b&sid=1", "sid", "%73id=x", "a=b&is%73"] {
            let (error, description) =
                fault(&json!({ "frontchannel_logout_uri": format!("https://app.example/l?{query}") }));
            assert_eq!(error, "invalid_client_metadata");
            assert!(description.contains("neither iss nor sid"), "{query}: {description}");
        }
        for uri in ["https://app.example/l?a=b", "https://app.example/iss?siding=1&Sid=sid#"] {
            let fields = json!({ "frontchannel_logout_uri": uri.trim_end_matches('#') });
            let client: ClientMetadata = serde_json::from_value(fields).unwrap();
            client.validate(&Rules::new(true, &[crate::config::ResponseType::Code])).unwrap();
        }
    }

    /// DR-28.
    #[test]
    fn cors_origins_are_origins() {
        for origin in [
            "*",
            "null",
            "",
            "https://*.x",
            "https://app.example/path",
            "https://app.example//",
            "https://u@app.example",
            "https://app.example?x",
            "https://app.example#x",
            "http://",
            "ftp://app.example",
            "app.example",
            "https://APP.example",
        ] {
            assert!(fault(&json!({"allowed_cors_origins": [origin]})).1.contains("allowed_cors_origins"), "{origin}");
        }
    }

    /// hydra.md section 1.12.
    #[test]
    fn post_logout_redirect_uris_go_where_a_redirect_uri_goes() {
        for uri in [
            "https://evil.example/",
            "https://app.example:8443/out",
            "http://app.example/out",
            "com.example.other:/out",
            "https://app.example.evil/",
        ] {
            let client = json!({"redirect_uris": ["https://app.example/cb", "com.example.app:/cb"],
                "post_logout_redirect_uris": [uri]});
            assert_eq!(fault(&client).0, "invalid_client_metadata", "{uri}");
        }
        let other = json!({"redirect_uris": ["https://app.example/cb"],
            "post_logout_redirect_uris": ["https://evil.example/"]});
        assert!(
            fault(&other)
                .1
                .contains("must match the domain, port, scheme of at least one of the registered redirect URIs")
        );
        assert_eq!(fault(&json!({"post_logout_redirect_uris": ["https://app.example/"]})).0, "invalid_client_metadata");
    }
}
