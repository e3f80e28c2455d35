//! Front-channel logout: the pages of clients that the browser loads when a session has ended (OpenID Connect Front-Channel
//! Logout 1.0).

use crate::app::App;
use crate::oauth::Result;
use crate::oauth::response_mode::{self, ResponseMode};
use crate::store::client::Client;
use crate::store::session::EndedSession;

/// A page for each client of these sessions that has registered one. `iss` and `sid` are on every one, as with Hydra: who
/// has not asked for them (`frontchannel_logout_session_required`) may ignore them (section 2).
pub(super) async fn pages(app: &App, ended: &[EndedSession]) -> Result<Vec<String>> {
    let mut pages = Vec::new();
    for session in ended {
        for id in &session.clients {
            if let Some(client) = app.store.client(id).await? {
                pages.extend(page(app, &client, session));
            }
        }
    }
    Ok(pages)
}

fn page(app: &App, client: &Client, session: &EndedSession) -> Option<String> {
    let uri = client.metadata().frontchannel_logout_page(app.config.dev)?;
    let sid = app
        .session_for(client, session.id)
        .inspect_err(|error| {
            // What is wrong with one client keeps nobody from signing out.
            tracing::warn!(client = %client.id, ?error, "a client is not told of a logout in the browser");
        })
        .ok()?;
    let fields = [("iss", app.config.urls.issuer.as_str()), ("sid", &sid)];
    Some(response_mode::location(uri, ResponseMode::Query, &fields))
}
