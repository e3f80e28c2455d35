//! Whoever has sent a form of ours.

use std::net::IpAddr;

use super::Browser;
use super::sign_in::SignInFailure;
use crate::app::App;
use crate::attempts::{Attempt, household};
use crate::id::Subject;
use crate::store::session::{Place, SessionKey};

/// A person at a browser, as far as the request tells.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub browser: Option<Browser>,
    pub session: Option<SessionKey>,
    pub address: IpAddr,
    pub place: Place,
}

/// A password that is about to be looked at. It counts against the account and the address until it was right, at whatever
/// door it is tried.
pub(super) struct Guess {
    by_account: Attempt,
    by_address: Attempt,
}

impl Visitor {
    /// Counts against the address, before anything is looked up.
    pub(super) async fn attempt(&self, app: &App) -> Result<Attempt, SignInFailure> {
        app.guard.per_address.begin(household(self.address)).await.map_err(SignInFailure::TooMany)
    }

    /// Counts against the account too: the person's id, or the name that nobody has. `id` is what the flow knows the
    /// browser as.
    pub(super) async fn guess(
        &self,
        app: &App,
        by_address: Attempt,
        account: String,
        user: Option<&Subject>,
        id: [u8; 16],
    ) -> Result<Guess, SignInFailure> {
        // A device where the account has signed in before has a budget of its own: strangers can not lock its owner out.
        let known = user.is_some_and(|user| self.browser.as_ref().is_some_and(|browser| browser.knows(user)));
        let by_account = match known {
            true => app.guard.per_account.begin((account, id)).await,
            false => app.guard.per_account.begin(account).await,
        };
        Ok(Guess { by_account: by_account.map_err(SignInFailure::TooMany)?, by_address })
    }
}

impl Guess {
    pub fn was_right(self) {
        self.by_account.succeeded();
        self.by_address.succeeded();
    }
}
