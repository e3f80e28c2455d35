//! Clients' logos, from this server.

use crate::support::{Server, Site};
use serde_json::json;

/// RU-04's NUL, in a path: no failure of the database, and nothing in the log for a stranger to fill it with.
#[tokio::test]
async fn what_no_client_can_be_called_has_no_logo() {
    let server = Server::start().await;
    for id in ["%00", "web%00", "%C3%A4", "nobody", "web", &"x".repeat(300)] {
        server.get(&format!("/ui/logo/{id}")).await.assert_error(404, "not_found");
    }
}

/// However many pages show it, the client's host is asked once.
#[tokio::test]
async fn a_logo_that_can_not_be_had_is_not_asked_for_again_at_once() {
    let server = Server::with(|config| config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let site = Site::start().await;
    server.client("shown", json!({ "logo_uri": site.url("/logo.png") })).await;
    for _ in 0..20 {
        let letter = server.get("/ui/logo/shown").await;
        assert_eq!((letter.status, letter.header("content-type")), (200, Some("image/svg+xml")));
    }
    assert_eq!(site.visits(), 1);
}
