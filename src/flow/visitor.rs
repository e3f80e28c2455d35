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
    account: Attempt,
    known_devices: Option<Attempt>,
    address: Attempt,
}

impl Visitor {
    /// Counts against the address, before anything is looked up.
    pub(super) async fn attempt(&self, app: &App) -> Result<Attempt, SignInFailure> {
        app.guard.per_address.begin(household(self.address)).await.map_err(SignInFailure::TooMany)
    }

    /// Counts against the account too: the person's id, or the name that nobody has.
    pub(super) async fn guess(
        &self,
        app: &App,
        by_address: Attempt,
        account: String,
        user: Option<&Subject>,
    ) -> Result<Guess, SignInFailure> {
        // A device where the account has signed in before has a budget of its own: strangers can not lock its owner out.
        // It is called by the cookie that knows the account, and by no other name: of those anybody has as many as they like.
        let known = self.browser.as_ref().filter(|browser| user.is_some_and(|user| browser.knows(user)));
        let Some(browser) = known else {
            let account = app.guard.per_account.begin(account).await.map_err(SignInFailure::TooMany)?;
            return Ok(Guess { account, known_devices: None, address: by_address });
        };
        // The device first: what it is refused takes nothing from the others.
        let device = app.guard.per_account.begin((&account, browser.id)).await.map_err(SignInFailure::TooMany)?;
        let all = app.guard.known_devices.begin(account).await.map_err(SignInFailure::TooMany)?;
        Ok(Guess { account: device, known_devices: Some(all), address: by_address })
    }
}

impl Guess {
    /// Nobody has looked whether it is right, and who made it has learned nothing: to come back is no second guess.
    pub fn was_not_judged(self) {
        self.was_right();
    }

    pub fn was_right(self) {
        self.account.succeeded();
        if let Some(known_devices) = self.known_devices {
            known_devices.succeeded();
        }
        self.address.succeeded();
    }
}
