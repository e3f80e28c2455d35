//! How sessions begin, and go on when their person signs in again.

use super::{Place, Session, SessionKey};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::Store;
use crate::store::db::{Json, Result, Tx, sql};
use crate::store::decision::{Decision, How, LoginDecision, NewLogin};
use crate::store::interaction::{self, Decided};
use crate::store::user::User;

/// What has come of a sign-in by password.
#[derive(Clone, Debug)]
pub enum Entered {
    /// The person is signed in.
    In(Box<Session>),
    /// Not any more: they have another password by now, or are disabled or deleted.
    Changed,
    /// The flow's login was decided before.
    Handled,
}

/// Begins the session of a person whom another app has recognised, who needs no account here. One that has an account
/// must not have been disabled or cut off since: such a session would be dead at once (`Store::session`).
pub(in crate::store) async fn begin_elsewhere(
    tx: &mut Tx,
    id: SessionId,
    new: &NewLogin,
    place: &Place,
    now: Timestamp,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at,
                identity_provider_session_id, user_agent, address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
        id,
        &new.subject,
        new.authenticated_at,
        new.acr.as_deref(),
        Json(&new.amr),
        new.remembered,
        now,
        new.expires_at,
        new.identity_provider_session_id.as_deref(),
        place.user_agent.as_deref(),
        place.address.as_deref(),
    )?;
    Ok(())
}

impl Store {
    /// Signs a person in as they were when their password was looked at: not where they have been given another, disabled
    /// or deleted since, which takes longer to find out than to do. The row is held meanwhile, so that whoever does it at
    /// this moment finds the session.
    ///
    /// Where `present` opens a session of theirs, that one goes on under its id, because clients know it by that; else
    /// `session` begins. The flow's login is decided in the same transaction: a flow that is decided twice leaves no
    /// second session behind, and no cookie dead.
    pub async fn sign_in(
        &self,
        session: &Session,
        user: &User,
        present: Option<SessionKey>,
        flow: Option<Decided<'_>>,
    ) -> Result<Entered> {
        if let Some(present) = present {
            let renewed = Session { id: present.id, ..session.clone() };
            if let Some(entered) = self.enter(&renewed, user, Some(present), flow).await? {
                return Ok(entered);
            }
        }
        // One that begins is never the one that is missing.
        Ok(self.enter(session, user, None, flow).await?.unwrap_or(Entered::Changed))
    }

    /// `None`: the session that was to go on is not there any more, or not theirs.
    async fn enter(
        &self,
        session: &Session,
        user: &User,
        present: Option<SessionKey>,
        flow: Option<Decided<'_>>,
    ) -> Result<Option<Entered>> {
        let mut tx = self.begin().await?;
        if let Some(flow) = flow {
            let login = LoginDecision { session: session.id, how: How::Here, context: None, forced: None };
            if !interaction::decide_login(&mut tx, flow, &Decision::Accepted(login)).await? {
                return Ok(Some(Entered::Handled));
            }
        }
        let unchanged = sql!(
            &mut tx,
            execute,
            "UPDATE users SET tokens_valid_from = tokens_valid_from
              WHERE id = $1 AND tokens_valid_from = $2 AND disabled = FALSE",
            &user.id,
            user.tokens_valid_from,
        )?;
        if unchanged == 0 {
            return Ok(Some(Entered::Changed));
        }
        let session = match present {
            Some(key) => go_on(&mut tx, session, key, user).await?,
            None => {
                begin(&mut tx, session).await?;
                Some(session.clone())
            }
        };
        let Some(session) = session else { return Ok(None) };
        tx.commit().await?;
        Ok(Some(Entered::In(Box::new(session))))
    }
}

async fn begin(tx: &mut Tx, session: &Session) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at, user_agent,
                address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        session.id,
        &session.subject,
        session.authenticated_at,
        session.acr.as_deref(),
        &session.amr,
        session.remembered,
        session.created_at,
        session.expires_at,
        session.user_agent.as_deref(),
        session.address.as_deref(),
    )?;
    Ok(())
}

/// The same session after another sign-in. The moment of that is another one in any case, whatever the clock says: the
/// cookie before it is dead. The session never ends earlier for it.
async fn go_on(tx: &mut Tx, renewed: &Session, key: SessionKey, user: &User) -> Result<Option<Session>> {
    sql!(
        tx,
        fetch_optional,
        "UPDATE sessions
            SET authenticated_at = CASE WHEN authenticated_at >= CAST($4 AS BIGINT) THEN authenticated_at + 1
                                        ELSE CAST($4 AS BIGINT) END,
                acr = $5, amr = $6, remembered = $7,
                expires_at = CASE WHEN expires_at > CAST($8 AS BIGINT) THEN expires_at ELSE CAST($8 AS BIGINT) END,
                user_agent = COALESCE($9, user_agent), address = COALESCE($10, address), used_at = $11
          WHERE id = $1 AND subject = $2 AND authenticated_at = $3 AND authenticated_at >= $12 AND expires_at > $11
         RETURNING *",
        key.id,
        &user.id,
        key.authenticated_at,
        renewed.authenticated_at,
        renewed.acr.as_deref(),
        &renewed.amr,
        renewed.remembered,
        renewed.expires_at,
        renewed.user_agent.as_deref(),
        renewed.address.as_deref(),
        renewed.created_at,
        user.tokens_valid_from,
    )
}
