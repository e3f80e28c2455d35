//! What the authorization endpoint gives itself: OpenID Connect Core sections 3.2.2.5 and 3.3.2.5, RFC 6749 section 4.2.2.

use std::time::Duration;

use serde_json::Map;

use super::access_token::Of;
use super::{Narrowed, Tools, access_token, access_token_life, id_token};
use crate::app::App;
use crate::clock::Timestamp;
use crate::oauth::Result;
use crate::oauth::client_metadata::GrantType;
use crate::oauth::response_mode::ResponseType;
use crate::store::client::Client;
use crate::store::grant::NewGrant;
use crate::store::user::User;

/// How long what this response type gives at the authorization endpoint can be of use.
pub fn front_channel_life(app: &App, client: &Client, kind: ResponseType) -> Duration {
    if kind.gives_token() { access_token_life(app, client, GrantType::Implicit) } else { Duration::ZERO }
}

/// The parameters of the answer, without `state` and `iss`.
pub async fn authorization_response(
    app: &App,
    client: &Client,
    grant: &NewGrant,
    kind: ResponseType,
    code: Option<String>,
    now: Timestamp,
) -> Result<Vec<(&'static str, String)>> {
    let mut answer = Vec::new();
    answer.extend(code.clone().map(|code| ("code", code)));
    if !kind.is_front() {
        return Ok(answer);
    }
    let requested = grant.claims_requested.as_ref().is_some_and(|requested| !requested.id_token.is_empty());
    let known = match kind.gives_id_token() && (kind == ResponseType::IdToken || requested) {
        true => app.store.user(&grant.subject).await?.map(User::known).unwrap_or_default(),
        false => Map::new(),
    };
    let tools = Tools::with(app, client, kind.gives_id_token(), known, now).await?;
    let grant = grant.as_granted();
    let mut given = None;
    if kind.gives_token() {
        let expires_at = (now + access_token_life(app, client, GrantType::Implicit)).min(grant.ends_at);
        let of = Of { grant: &grant, generation: None, narrowed: Narrowed::default() };
        let access_token = access_token::of_grant(app, client, &tools, &of, now, expires_at)?;
        answer.extend([
            ("access_token", access_token.clone()),
            ("token_type", "bearer".to_owned()),
            ("expires_in", expires_at.since(now).as_secs().to_string()),
        ]);
        // RFC 6749 section 3.3: a scope is not empty.
        answer.extend((!grant.scope.is_empty()).then(|| ("scope", grant.scope.to_string())));
        given = Some(access_token);
    }
    if kind.gives_id_token() {
        let about = id_token::About {
            grant: &grant,
            by: GrantType::Implicit,
            access_token: given.as_deref(),
            code: code.as_deref(),
        };
        answer.push(("id_token", id_token::make(app, client, &tools, &about, now)?));
    }
    Ok(answer)
}
