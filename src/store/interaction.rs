//! Interactions: how the login and the consent of a flow were decided. There is a row only once a person has decided.

use serde::{Deserialize, Serialize};

use super::Store;
use super::db::{Json, Result, row, sql};
use crate::clock::Timestamp;
use crate::id::{GrantId, SessionId};
use crate::oauth::scope::Scope;

row! {
    /// What was decided of a flow so far.
    #[derive(Clone, Debug)]
    pub struct Interaction {
        pub flow_id: GrantId,
        pub login: Json<Decision<LoginDecision>>,
        pub consent: Option<Json<Decision<ConsentDecision>>>,
    }
}

/// Accepted with what follows from it, or rejected with the error that the client is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision<T> {
    Accepted(T),
    Rejected { error: String, description: String },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoginDecision {
    pub session: SessionId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsentDecision {
    pub scope: Scope,
    pub audience: Vec<String>,
    /// Names of claims that were granted by themselves.
    #[serde(default)]
    pub claims: Vec<String>,
}

impl Store {
    /// Records how the login was decided. The first decision stands: `false` says that there was one.
    pub async fn decide_login(
        &self,
        flow: GrantId,
        login: &Decision<LoginDecision>,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let inserted = sql!(
            self,
            execute,
            "INSERT INTO interactions (flow_id, login, expires_at) VALUES ($1, $2, $3) ON CONFLICT (flow_id) DO NOTHING",
            flow,
            Json(login),
            expires_at,
        )?;
        Ok(inserted == 1)
    }

    /// Records how the consent was decided. `login` is what a flow without a login page (the session was there) is
    /// recorded with. The first decision stands.
    pub async fn decide_consent(
        &self,
        flow: GrantId,
        login: &Decision<LoginDecision>,
        consent: &Decision<ConsentDecision>,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let decided = sql!(
            self,
            execute,
            "INSERT INTO interactions (flow_id, login, consent, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (flow_id) DO UPDATE SET consent = excluded.consent WHERE interactions.consent IS NULL",
            flow,
            Json(login),
            Json(consent),
            expires_at,
        )?;
        Ok(decided == 1)
    }

    pub async fn interaction(&self, flow: GrantId) -> Result<Option<Interaction>> {
        sql!(self, fetch_optional, "SELECT flow_id, login, consent FROM interactions WHERE flow_id = $1", flow)
    }
}
