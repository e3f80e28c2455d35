//! Who is at the relying party: a visit for each browser, by a random cookie, in memory and not without end.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use super::oidc::{Login, Tokens};
use crate::secret::{Secret, same};

/// Beyond that many browsers the one that came first is forgotten.
const MOST_VISITS: usize = 256;
/// Logins that one browser may have open, in as many tabs.
const MOST_LOGINS: usize = 8;

/// What the relying party knows of a browser.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    logins: VecDeque<Login>,
    pub signed_in: Option<SignedIn>,
    /// The `state` of a sign-out that is on its way.
    pub signing_out: Option<Secret>,
    pub notice: Option<Notice>,
}

/// What a login brought.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub tokens: Tokens,
    pub claims: Map<String, Value>,
    pub userinfo: Map<String, Value>,
}

/// What the last button did: in words, and as the server answered.
#[derive(Clone, Debug)]
pub struct Notice {
    pub words: String,
    pub answer: Option<Value>,
}

impl Visit {
    pub fn began(&mut self, login: Login) {
        if self.logins.len() == MOST_LOGINS {
            self.logins.pop_front();
        }
        self.logins.push_back(login);
    }

    /// The login that this `state` belongs to; each answers once.
    pub fn take_login(&mut self, state: &str) -> Option<Login> {
        let at = self.logins.iter().position(|login| same(login.state.expose().as_bytes(), state.as_bytes()))?;
        self.logins.remove(at)
    }
}

/// Every visit, the latest at the end.
#[derive(Default)]
pub struct Visits(Mutex<VecDeque<(Secret, Visit)>>);

impl Visits {
    /// Begins a visit; what the cookie shall hold.
    pub fn open(&self) -> Secret {
        let id = Secret::random();
        self.keep(id.clone(), Visit::default());
        id
    }

    /// The same visit under a new name, as every login has to get: whoever had put a cookie of his here does not come
    /// along.
    pub fn rename(&self, id: &str) -> Secret {
        let visit = {
            let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            position(&visits, id).and_then(|at| visits.remove(at)).map(|(_, visit)| visit)
        };
        let id = Secret::random();
        self.keep(id.clone(), visit.unwrap_or_default());
        id
    }

    /// Looks at a visit, or changes it. `None` where there is none of that name.
    pub fn with<T>(&self, id: &str, look: impl FnOnce(&mut Visit) -> T) -> Option<T> {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = position(&visits, id)?;
        visits.get_mut(at).map(|(_, visit)| look(visit))
    }

    fn keep(&self, id: Secret, visit: Visit) {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if visits.len() == MOST_VISITS {
            visits.pop_front();
        }
        visits.push_back((id, visit));
    }
}

fn position(visits: &VecDeque<(Secret, Visit)>, id: &str) -> Option<usize> {
    visits.iter().position(|(own, _)| same(own.expose().as_bytes(), id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_answers_once_and_only_to_its_own_state() {
        let mut visit = Visit::default();
        let (first, second) = (Login::new(), Login::new());
        visit.began(first.clone());
        visit.began(second.clone());
        assert!(visit.take_login("").is_none() && visit.take_login(Login::new().state.expose()).is_none());
        for login in [first, second] {
            let found = visit.take_login(login.state.expose()).unwrap();
            assert_eq!(found.nonce, login.nonce);
            assert!(visit.take_login(login.state.expose()).is_none());
        }
    }

    #[test]
    fn open_logins_and_visits_are_bounded() {
        let mut visit = Visit::default();
        let oldest = Login::new();
        visit.began(oldest.clone());
        (0..MOST_LOGINS).for_each(|_| visit.began(Login::new()));
        assert_eq!(visit.logins.len(), MOST_LOGINS);
        assert!(visit.take_login(oldest.state.expose()).is_none());

        let visits = Visits::default();
        let oldest = visits.open();
        (1..MOST_VISITS).for_each(|_| drop(visits.open()));
        assert!(visits.with(oldest.expose(), |_| ()).is_some());
        let latest = visits.open();
        assert!(visits.with(oldest.expose(), |_| ()).is_none() && visits.with(latest.expose(), |_| ()).is_some());
    }

    #[test]
    fn a_renamed_visit_is_not_found_by_its_old_name() {
        let visits = Visits::default();
        let old = visits.open();
        let login = Login::new();
        visits.with(old.expose(), |visit| visit.began(login.clone()));
        let new = visits.rename(old.expose());
        assert!(visits.with(old.expose(), |_| ()).is_none());
        assert!(visits.with(new.expose(), |visit| visit.take_login(login.state.expose())).flatten().is_some());
    }
}
