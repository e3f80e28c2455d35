//! Users: the people who sign in at the built-in pages.

use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization as _;

use super::Store;
use super::audit::{self, Action};
use super::db::{Error, Json, Result, Tx, row, sql};
use super::session::{self, Ending, SessionKey};
use crate::clock::Timestamp;
use crate::id::{SessionId, Subject};
use crate::oauth::claims;

row! {
    /// A person.
    #[derive(Clone, Debug)]
    pub struct User {
        pub id: Subject,
        pub username: String,
        pub email: Option<String>,
        pub password_hash: Option<String>,
        /// OpenID standard claims and others, without `sub`.
        pub claims: Json<Map<String, Value>>,
        pub disabled: bool,
        /// Sessions and grants of sign-ins before are dead. Only the store sets it.
        pub tokens_valid_from: Timestamp,
        pub created_at: Timestamp,
        pub updated_at: Timestamp,
    }
}

/// One spelling for a name however it is typed: compatibility-composed, lower case, without blanks around it. Lower case
/// once more after composing, because either step can undo the other (Unicode Standard section 5.18).
pub fn canonical(name: &str) -> String {
    let folded: String = name.trim().nfkc().flat_map(char::to_lowercase).collect();
    folded.nfkc().flat_map(char::to_lowercase).collect()
}

impl User {
    /// What is known of the person, under the names of claims.
    pub fn known(self) -> Map<String, Value> {
        claims::known(Some(self.claims.0), Some(&self.username), self.email.as_deref())
    }

    /// As events tell of the person.
    fn told(&self) -> Value {
        let mut told = json!({
            "id": self.id, "username": self.username, "claims": self.claims.0, "disabled": self.disabled,
            "created_at": self.created_at.rfc3339(),
        });
        if let Some(email) = &self.email {
            told["email"] = email.as_str().into();
        }
        told
    }
}

impl Store {
    /// Adds a person. `Conflict` where the username or the email is another's, or the id a client's.
    pub async fn insert_user(&self, user: &User) -> Result<()> {
        let mut tx = self.begin().await?;
        let inserted = sql!(
            &mut tx,
            execute,
            "INSERT INTO users (id, username, email, password_hash, claims, disabled, tokens_valid_from, created_at,
                    updated_at)
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT),
                    CAST($6 AS BOOLEAN), 0, CAST($7 AS BIGINT), CAST($8 AS BIGINT)
              WHERE NOT EXISTS (SELECT 1 FROM clients WHERE id = $1)",
            &user.id,
            &user.username,
            user.email.as_deref(),
            user.password_hash.as_deref(),
            &user.claims,
            user.disabled,
            user.created_at,
            user.updated_at,
        )?;
        if inserted == 0 {
            return Err(Error::Conflict);
        }
        insert_names(&mut tx, user).await?;
        audit::record(&mut tx, Action::UserCreated, user.id.as_str(), None, Some(user.told())).await?;
        tx.commit().await
    }

    /// The person whom a username or an email names.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        sql!(
            self,
            fetch_optional,
            "SELECT u.* FROM users u JOIN user_names n ON n.user_id = u.id WHERE n.name = $1",
            canonical(name)
        )
    }

    pub async fn user(&self, id: &Subject) -> Result<Option<User>> {
        sql!(self, fetch_optional, "SELECT * FROM users WHERE id = $1", id)
    }

    pub async fn users(&self, after: Option<&str>, limit: i64) -> Result<Vec<User>> {
        sql!(
            self,
            fetch_all,
            "SELECT * FROM users WHERE (CAST($1 AS TEXT) IS NULL OR id > $1) ORDER BY id LIMIT $2",
            after,
            limit,
        )
    }

    /// Replaces what is kept of a person; the password only where there is another one. Who gets another one, or is
    /// disabled, is signed out everywhere in the same transaction.
    pub async fn update_user(&self, user: &User, password_hash: Option<&str>, ending: Ending) -> Result<Option<User>> {
        let mut tx = self.begin().await?;
        // Nobody changes the row from here on.
        let before: Option<User> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE users SET updated_at = updated_at WHERE id = $1 RETURNING *",
            &user.id,
        )?;
        let Some(before) = before else { return Ok(None) };
        let updated: Option<User> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE users SET username = $2, email = $3, claims = $4, disabled = $5, updated_at = $6,
                    password_hash = COALESCE($7, password_hash)
              WHERE id = $1 RETURNING *",
            &user.id,
            &user.username,
            user.email.as_deref(),
            &user.claims,
            user.disabled,
            ending.now,
            password_hash,
        )?;
        if let Some(updated) = &updated {
            sql!(&mut tx, execute, "DELETE FROM user_names WHERE user_id = $1", &user.id)?;
            insert_names(&mut tx, updated).await?;
            if updated.disabled || password_hash.is_some() {
                end_everything(&mut tx, &user.id, ending).await?;
            }
            let mut after = updated.told();
            if password_hash.is_some() {
                after["password_replaced"] = true.into();
            }
            audit::record(&mut tx, Action::UserChanged, user.id.as_str(), Some(before.told()), Some(after)).await?;
            tx.commit().await?;
            self.0.logout_tokens_due.notify_one();
        }
        Ok(updated)
    }

    /// Sets a new password and ends every session and grant that the old one may have opened.
    pub async fn set_password(&self, id: &Subject, hash: &str, ending: Ending) -> Result<bool> {
        let mut tx = self.begin().await?;
        let updated = sql!(
            &mut tx,
            execute,
            "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1",
            id,
            hash,
            ending.now,
        )?;
        if updated == 0 {
            return Ok(false);
        }
        end_everything(&mut tx, id, ending).await?;
        let told = json!({ "password_replaced": true });
        audit::record(&mut tx, Action::UserPasswordSet, id.as_str(), None, Some(told)).await?;
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(true)
    }

    /// Gives a person whose password was looked at another one, and ends every grant and every session but the one in which
    /// they do it, which goes on as if they had signed in again. `None`: the password or the session is another by now. Of
    /// any number at once one does it.
    pub async fn change_password(
        &self,
        user: &User,
        hash: &str,
        kept: SessionKey,
        ending: Ending,
    ) -> Result<Option<SessionKey>> {
        let mut tx = self.begin().await?;
        let valid_from: Option<Timestamp> = sql!(
            &mut tx,
            scalar_optional,
            "UPDATE users SET password_hash = $3, updated_at = $4,
                    tokens_valid_from = CASE WHEN tokens_valid_from >= CAST($4 AS BIGINT) THEN tokens_valid_from + 1
                                             ELSE CAST($4 AS BIGINT) END
              WHERE id = $1 AND tokens_valid_from = $2 AND disabled = FALSE
             RETURNING tokens_valid_from",
            &user.id,
            user.tokens_valid_from,
            hash,
            ending.now,
        )?;
        let Some(valid_from) = valid_from else { return Ok(None) };
        // What was decided for whoever knew the old password ends in nothing. Before the session: whoever ends a flow in a
        // grant holds the two in this order.
        sql!(&mut tx, execute, "DELETE FROM interactions WHERE subject = $1", &user.id)?;
        let authenticated_at: Option<Timestamp> = sql!(
            &mut tx,
            scalar_optional,
            "UPDATE sessions SET authenticated_at = CASE WHEN authenticated_at >= CAST($4 AS BIGINT)
                                                         THEN authenticated_at + 1 ELSE CAST($4 AS BIGINT) END
              WHERE id = $1 AND subject = $2 AND authenticated_at = $3 AND expires_at > $5
             RETURNING authenticated_at",
            kept.id,
            &user.id,
            kept.authenticated_at,
            valid_from,
            ending.now,
        )?;
        let Some(authenticated_at) = authenticated_at else { return Ok(None) };
        end_all(&mut tx, &user.id, Some(kept.id), ending).await?;
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(Some(SessionKey { id: kept.id, authenticated_at }))
    }

    /// Puts a hash with today's parameters in place of `old`; does nothing if the password was changed meanwhile.
    pub async fn rehash_password(&self, id: &Subject, old: &str, new: &str) -> Result<()> {
        sql!(self, execute, "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", id, old, new)?;
        Ok(())
    }

    /// Deletes a person with sessions, consents and names; grants are revoked. The id is never given again.
    pub async fn delete_user(&self, id: &Subject, ending: Ending) -> Result<bool> {
        let mut tx = self.begin().await?;
        // In the order in which consents are revoked, and after whoever ends a flow at this moment.
        sql!(&mut tx, execute, "DELETE FROM interactions WHERE subject = $1", id)?;
        sql!(&mut tx, execute, "DELETE FROM consents WHERE subject = $1", id)?;
        end_everything(&mut tx, id, ending).await?;
        sql!(&mut tx, execute, "DELETE FROM forced_subjects WHERE subject = $1", id)?;
        let deleted: Option<User> = sql!(&mut tx, fetch_optional, "DELETE FROM users WHERE id = $1 RETURNING *", id)?;
        let Some(user) = deleted else { return Ok(false) };
        audit::record(&mut tx, Action::UserDeleted, id.as_str(), Some(user.told()), None).await?;
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(true)
    }
}

async fn insert_names(tx: &mut Tx, user: &User) -> Result<()> {
    let username = canonical(&user.username);
    let email = user.email.as_deref().map(canonical).filter(|email| *email != username);
    for name in [Some(username), email].into_iter().flatten() {
        sql!(&mut *tx, execute, "INSERT INTO user_names (name, user_id) VALUES ($1, $2)", name, &user.id)?;
    }
    Ok(())
}

/// The rows that are there, and by `tokens_valid_from` those that a request under way is about to write: it has another
/// value afterwards, whatever the clock says.
async fn end_everything(tx: &mut Tx, id: &Subject, ending: Ending) -> Result<()> {
    sql!(
        &mut *tx,
        execute,
        "UPDATE users SET tokens_valid_from = CASE WHEN tokens_valid_from >= $2 THEN tokens_valid_from + 1 ELSE $2 END
          WHERE id = $1",
        id,
        ending.now,
    )?;
    end_all(tx, id, None, ending).await
}

/// Sessions but `kept`, and every grant.
async fn end_all(tx: &mut Tx, id: &Subject, kept: Option<SessionId>, ending: Ending) -> Result<()> {
    session::end_all(tx, id, kept, ending).await?;
    let (subject, now) = (id, ending.now);
    sql!(tx, execute, "UPDATE grants SET revoked_at = $2 WHERE subject = $1 AND revoked_at IS NULL", subject, now)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_canonical_spelling() {
        for spelling in ["John", "JOHN", " john ", "ｊｏｈｎ"] {
            assert_eq!(canonical(spelling), "john");
        }
        assert_eq!(canonical("Zoe\u{308}"), canonical("ZO\u{cb}"));
        assert_ne!(canonical("jоhn"), "john", "a Cyrillic o is another letter");
    }
}
