//! Clients' logos, from this server.

use crate::support::Server;

/// RU-04's NUL, in a path: no failure of the database, and nothing in the log for a stranger to fill it with.
#[tokio::test]
async fn what_no_client_can_be_called_has_no_logo() {
    let server = Server::start().await;
    for id in ["%00", "web%00", "%C3%A4", "nobody", "web", &"x".repeat(300)] {
        server.get(&format!("/ui/logo/{id}")).await.assert_error(404, "not_found");
    }
}
