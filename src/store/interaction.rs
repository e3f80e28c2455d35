//! Interactions: how the login and the consent of a flow were decided. There is a row only once somebody has decided.
//!
//! A page of ours decides once. Another app may decide again until the browser has come back with its verifier: the last
//! word is the one that the person has seen.

use super::Store;
use super::consent;
use super::db::{Json, Result, Tx, row, sql};
use super::decision::{ConsentDecision, Decision, How, LoginDecision};
use super::session::{self, Place};
use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, Subject};

row! {
    /// What was decided of a flow so far.
    #[derive(Clone, Debug)]
    pub struct Interaction {
        pub login: Json<Decision<LoginDecision>>,
        pub consent: Option<Json<Decision<ConsentDecision>>>,
        pub login_used_at: Option<Timestamp>,
        pub consent_used_at: Option<Timestamp>,
        pub login_answer: Option<String>,
        pub consent_answer: Option<String>,
    }
}

/// Whose decision it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// A page of ours: the first decision stands.
    Page,
    /// Another app: the last one before the browser comes back, which brings this answer.
    App { answer: &'a str },
}

/// Who decided, and what of the flow that concerns.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    pub flow: GrantId,
    pub client: &'a ClientId,
    /// `None` where nobody was recognised.
    pub subject: Option<&'a Subject>,
    pub by: By<'a>,
    pub now: Timestamp,
    /// When the flow's challenges and verifiers have ended.
    pub expires_at: Timestamp,
}

impl Decided<'_> {
    fn used_at(&self) -> Option<Timestamp> {
        matches!(self.by, By::Page).then_some(self.now)
    }

    const fn answer(&self) -> Option<&str> {
        match self.by {
            By::Page => None,
            By::App { answer } => Some(answer),
        }
    }
}

/// The one statement, for a connection of its own or a transaction's.
macro_rules! decide_login {
    ($on:expr, $decided:ident, $login:ident) => {
        sql!(
            $on,
            execute,
            "INSERT INTO interactions (flow_id, login, expires_at, login_used_at, login_answer, subject, client_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (flow_id) DO UPDATE SET login = excluded.login, login_answer = excluded.login_answer,
                    subject = excluded.subject
              WHERE interactions.login_used_at IS NULL AND excluded.login_used_at IS NULL",
            $decided.flow,
            Json($login),
            $decided.expires_at,
            $decided.used_at(),
            $decided.answer(),
            $decided.subject,
            $decided.client,
        )
    };
}

/// Records how the login was decided, in the transaction of what follows from it.
pub(super) async fn decide_login(tx: &mut Tx, decided: Decided<'_>, login: &Decision<LoginDecision>) -> Result<bool> {
    Ok(decide_login!(tx, decided, login)? == 1)
}

impl Store {
    /// Records how the login was decided. `false`: there is a decision that stands.
    pub async fn decide_login(&self, decided: Decided<'_>, login: &Decision<LoginDecision>) -> Result<bool> {
        Ok(decide_login!(self, decided, login)? == 1)
    }

    /// Records how the consent was decided. `login` is what a flow without a login page (the session was there) is
    /// recorded with. `false`: there is a decision that stands.
    pub async fn decide_consent(
        &self,
        decided: Decided<'_>,
        login: &Decision<LoginDecision>,
        consent: &Decision<ConsentDecision>,
    ) -> Result<bool> {
        let rows = sql!(
            self,
            execute,
            "INSERT INTO interactions (flow_id, login, consent, expires_at, login_used_at, consent_used_at, consent_answer,
                    subject, client_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (flow_id) DO UPDATE SET consent = excluded.consent, consent_used_at = excluded.consent_used_at,
                    consent_answer = excluded.consent_answer, subject = excluded.subject
              WHERE interactions.consent IS NULL
                 OR (interactions.consent_used_at IS NULL AND excluded.consent_used_at IS NULL)",
            decided.flow,
            Json(login),
            Json(consent),
            decided.expires_at,
            decided.now,
            decided.used_at(),
            decided.answer(),
            decided.subject,
            decided.client,
        )?;
        Ok(rows == 1)
    }

    pub async fn interaction(&self, flow: GrantId) -> Result<Option<Interaction>> {
        sql!(
            self,
            fetch_optional,
            "SELECT login, consent, login_used_at, consent_used_at, login_answer, consent_answer
               FROM interactions WHERE flow_id = $1",
            flow,
        )
    }

    /// How the login was decided, now that the browser is back with the verifier of this answer: what another app has
    /// decided stands from here on, and its session begins, once. Who comes again with the same verifier finds the session
    /// as it is by then. And whether this was the first visit.
    pub async fn use_login(
        &self,
        flow: GrantId,
        answer: Option<&str>,
        place: &Place,
        now: Timestamp,
    ) -> Result<Option<(Decision<LoginDecision>, bool)>> {
        let Some(found) = self.interaction(flow).await? else { return Ok(None) };
        if found.login_answer.as_deref() != answer {
            return Ok(None);
        }
        if found.login_used_at.is_some() {
            return Ok(Some((found.login.0, false)));
        }
        let mut tx = self.begin().await?;
        let used: Option<(Json<Decision<LoginDecision>>,)> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE interactions SET login_used_at = $3
              WHERE flow_id = $1 AND login_answer = $2 AND login_used_at IS NULL RETURNING login",
            flow,
            answer,
            now,
        )?;
        let Some((Json(login),)) = used else {
            // Another request of this browser was first, or the app has thought better of it at this moment.
            drop(tx);
            let found = self.interaction(flow).await?.filter(|found| found.login_answer.as_deref() == answer);
            return Ok(found.map(|found| (found.login.0, false)));
        };
        if let Decision::Accepted(accepted) = &login {
            begin_or_keep(&mut tx, accepted, place, now).await?;
        }
        tx.commit().await?;
        Ok(Some((login, true)))
    }

    /// How the consent was decided, now that the browser is back with the verifier of this answer: it stands from here on.
    /// Whether the flow ends in a grant is the grant's statement to decide.
    pub async fn use_consent(
        &self,
        flow: GrantId,
        answer: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Decision<ConsentDecision>>> {
        let Some(found) = self.interaction(flow).await? else { return Ok(None) };
        if found.consent_answer.as_deref() != answer {
            return Ok(None);
        }
        if found.consent_used_at.is_some() {
            return Ok(found.consent.map(|consent| consent.0));
        }
        let used: Option<(Option<Json<Decision<ConsentDecision>>>,)> = sql!(
            self,
            fetch_optional,
            "UPDATE interactions SET consent_used_at = COALESCE(consent_used_at, $3)
              WHERE flow_id = $1 AND consent_answer = $2 RETURNING consent",
            flow,
            answer,
            now,
        )?;
        Ok(used.and_then(|(consent,)| consent).map(|consent| consent.0))
    }
}

async fn begin_or_keep(tx: &mut Tx, login: &LoginDecision, place: &Place, now: Timestamp) -> Result<()> {
    if let Some(forced) = &login.forced {
        consent::force_subject(tx, forced).await?;
    }
    match &login.how {
        How::Here => Ok(()),
        How::Elsewhere(new) => session::begin_elsewhere(tx, login.session, new, place, now).await,
        How::Kept(kept) => session::keep(tx, login.session, kept, now).await,
    }
}
