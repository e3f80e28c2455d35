//! What introspection tells of a token: RFC 7662 section 2.2, with Hydra's `token_use` and `ext`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Timestamp;
use crate::oauth::Result;
use crate::oauth::scope::Scope;
use crate::token::{self, Active};

/// The answer. Of a token that is not alive it says that alone: why is nobody's business (RFC 7662 section 2.2).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "introspectedOAuth2Token")]
pub struct Introspected {
    pub active: bool,
    #[serde(flatten)]
    pub details: Option<Details>,
}

/// What is known of a token that is alive.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Details {
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schemars(with = "String")]
    pub scope: Scope,
    pub client_id: String,
    pub sub: String,
    /// Seconds since 1970.
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Always a list: SDKs refuse a string or a null.
    pub aud: Vec<String>,
    pub iss: String,
    /// Of a refresh token there is no type: it opens nothing at a resource server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    pub token_use: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<Map<String, Value>>,
}

impl Introspected {
    pub const INACTIVE: Self = Self { active: false, details: None };

    /// The person is called what the client of the token calls them (OpenID Connect Core section 8), and by nothing else
    /// that a pairwise client could compare with another's.
    pub async fn of(app: &App, active: &Active) -> Result<Self> {
        let (subject, is_pairwise) = match active {
            // RFC 9068 section 2.2: without a person the subject is the client.
            Active::Client { client, subject: None, .. } => (client.to_string(), false),
            // As the assertion called them.
            Active::Client { subject: Some(subject), .. } => (subject.to_string(), false),
            Active::Access { grant, .. } | Active::Refresh { grant, .. } => {
                let Some(client) = app.store.client(&grant.client_id).await? else { return Ok(Self::INACTIVE) };
                let subject = app.subject_of(&client, &grant.subject, grant.seen_as.as_ref())?;
                (subject.to_string(), subject != grant.subject)
            }
        };
        let mut details = Details::of(active, subject, &app.config.urls.issuer);
        if is_pairwise {
            details.username = None;
        }
        Ok(Self { active: true, details: Some(details) })
    }

    /// The same for a client that asks: the name that a person signs in with is one of the claims of `profile`.
    pub async fn for_client(app: &App, active: &Active) -> Result<Self> {
        let mut introspected = Self::of(app, active).await?;
        if let Some(details) = introspected.details.as_mut().filter(|details| !details.scope.contains("profile")) {
            details.username = None;
        }
        Ok(introspected)
    }

    /// Looks a token up. With `scope`, a token that lacks any of it counts as inactive, as in Hydra. A failure of the
    /// store is an error (503), never "inactive".
    pub async fn look_up(app: &App, text: &str, scope: Option<&str>) -> Result<Self> {
        let wanted = Scope::parse(scope.unwrap_or_default())?;
        let Some(active) = token::any(app, text).await? else { return Ok(Self::INACTIVE) };
        Ok(Some(Self::of(app, &active).await?).filter(|answer| answer.has(&wanted)).unwrap_or(Self::INACTIVE))
    }

    fn has(&self, wanted: &Scope) -> bool {
        self.details.as_ref().is_some_and(|details| wanted.is_subset_of(&details.scope))
    }
}

impl Details {
    fn of(active: &Active, sub: String, issuer: &str) -> Self {
        let (scope, issued_at, expires_at) = match active {
            Active::Access { scope, issued_at, expires_at, .. }
            | Active::Client { scope, issued_at, expires_at, .. } => (scope, *issued_at, *expires_at),
            Active::Refresh { grant, expires_at } => (&grant.scope, grant.created_at, *expires_at),
        };
        let (grant, ext) = match active {
            Active::Access { grant, .. } | Active::Refresh { grant, .. } => {
                (Some(grant), grant.claims.as_ref().map(|claims| &claims.0.access_token))
            }
            Active::Client { ext, .. } => (None, ext.as_ref()),
        };
        let is_refresh = matches!(active, Active::Refresh { .. });
        let issued_at = Timestamp::seconds(issued_at);
        Self {
            scope: scope.clone(),
            client_id: active.client().to_string(),
            sub,
            exp: expires_at.seconds(),
            iat: issued_at,
            nbf: issued_at,
            username: grant.and_then(|grant| grant.username.clone()),
            aud: active.audience().to_vec(),
            iss: issuer.to_owned(),
            token_type: (!is_refresh).then_some("Bearer"),
            token_use: if is_refresh { "refresh_token" } else { "access_token" },
            ext: ext.filter(|ext| !ext.is_empty()).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{ClientId, GrantId, SessionId, Subject};
    use crate::oauth::session_claims::SessionClaims;
    use crate::store::db::Json;
    use crate::store::grant::LiveGrant;

    const AT: Timestamp = Timestamp::from_seconds(1_753_358_400);
    const END: Timestamp = Timestamp::from_seconds(1_753_362_000);

    fn grant(claims: Option<SessionClaims>) -> LiveGrant {
        LiveGrant {
            id: GrantId::new(AT),
            client_id: ClientId::new("web"),
            subject: Subject::new("alice"),
            seen_as: None,
            session_id: SessionId::new(AT),
            scope: Scope::parse("openid offline").unwrap(),
            audience: Json(Vec::new()),
            claims: claims.map(Json),
            claims_requested: None,
            refresh_generation: 1,
            refresh_expires_at: Some(END),
            created_at: AT,
            ends_at: END,
            username: None,
            email: None,
            user_claims: None,
        }
    }

    fn json_of(active: &Active, subject: &str) -> Value {
        let details = Some(Details::of(active, subject.to_owned(), "https://op.example"));
        serde_json::to_value(Introspected { active: true, details }).unwrap()
    }

    /// hydra.md appendix A6.
    #[test]
    fn an_access_token_of_a_grant() {
        let ext = json!({"tenant": "x"}).as_object().unwrap().clone();
        let grant = grant(Some(SessionClaims { access_token: ext, ..SessionClaims::default() }));
        let (scope, audience) = (grant.scope.clone(), Vec::new());
        let active = Active::Access { scope, audience, grant, issued_at: AT, expires_at: END };
        assert_eq!(
            json_of(&active, "alice"),
            json!({
                "active": true, "scope": "openid offline", "client_id": "web", "sub": "alice", "exp": 1_753_362_000,
                "iat": 1_753_358_400, "nbf": 1_753_358_400, "aud": [], "iss": "https://op.example",
                "token_type": "Bearer", "token_use": "access_token", "ext": {"tenant": "x"},
            })
        );
    }

    #[test]
    fn a_refresh_token_has_a_use_and_no_type() {
        let mut grant = grant(Some(SessionClaims::default()));
        grant.username = Some("Alice".to_owned());
        let told = json_of(&Active::Refresh { grant, expires_at: END }, "alice");
        assert_eq!((&told["token_use"], &told["username"]), (&json!("refresh_token"), &json!("Alice")));
        assert!(told.get("token_type").is_none() && told.get("ext").is_none(), "{told}");
    }

    #[test]
    fn a_client_by_itself_has_an_audience() {
        let active = Active::Client {
            client: ClientId::new("robot"),
            subject: None,
            scope: Scope::default(),
            audience: vec!["https://api.example".to_owned()],
            issued_at: AT,
            expires_at: END,
            ext: None,
        };
        let told = json_of(&active, "robot");
        assert_eq!((&told["sub"], &told["client_id"]), (&json!("robot"), &json!("robot")));
        assert_eq!(told["aud"], json!(["https://api.example"]));
        assert!(told.get("scope").is_none() && told.get("username").is_none(), "{told}");
    }

    #[test]
    fn of_a_dead_token_only_that_is_told() {
        assert_eq!(serde_json::to_string(&Introspected::INACTIVE).unwrap(), r#"{"active":false}"#);
    }
}
