//! What every request is served with.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Once};
use std::time::Instant;

use tokio::runtime;
use tokio::sync::Mutex;

use crate::attempts::Attempts;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::fetch::Fetch;
use crate::id::{SessionId, Subject};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::oauth::{Error, Result, subject};
use crate::password::{Passwords, VerifiedSecrets};
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::client::Client;
use crate::store::session::Ending;

/// Cheap to clone: every request does, more than once.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Clone)]
pub struct Parts {
    pub config: Arc<Config>,
    pub store: Store,
    pub keys: Keys,
    pub clock: Clock,
    pub fetch: Fetch,
    /// The sixth field: what must be one for the whole process to be a bound at all.
    pub guard: Arc<Guard>,
    /// The seventh: what all of them count together.
    pub metrics: Metrics,
}

/// As many devices of one person may use up their budget of attempts at once.
const KNOWN_DEVICES: u32 = 4;

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What keeps the server from being ready, by the name of the check.
pub type Failed = BTreeMap<&'static str, String>;

/// The last time that this was looked at.
pub struct Look {
    pub began: Instant,
    pub ended: Instant,
    pub failed: Failed,
}

/// The bounds on guessing, on hashing and on probing.
pub struct Guard {
    pub passwords: Passwords,
    pub verified_secrets: VerifiedSecrets,
    pub per_account: Attempts,
    /// All devices where an account has signed in before: each has its budget as well.
    pub known_devices: Attempts,
    pub per_address: Attempts,
    /// Clients that register themselves, by their address.
    pub registrations: Attempts,
    /// The last look at the database for a probe; held while one goes on.
    pub readiness: Mutex<Option<Look>>,
    /// Whether the operator was told that the proxy before a socket names nobody.
    pub told: Arc<Once>,
}

impl App {
    /// `sub` as this client sees it. A pairwise client whose sector or salt is gone is told nothing.
    pub fn subject_for(&self, client: &Client, subject: &Subject) -> Result<Subject> {
        subject::seen_by(client.metadata(), subject, self.config.oidc.pairwise_salt.as_ref()).ok_or_else(no_sector)
    }

    /// The same where the login app may have said what the client knows the person as (`force_subject_identifier`).
    pub fn subject_of(&self, client: &Client, subject: &Subject, seen_as: Option<&Subject>) -> Result<Subject> {
        seen_as.map_or_else(|| self.subject_for(client, subject), |seen_as| Ok(seen_as.clone()))
    }

    /// `sid` as this client sees it.
    pub fn session_for(&self, client: &Client, session: SessionId) -> Result<String> {
        let salt = self.config.oidc.pairwise_salt.as_ref();
        subject::session_seen_by(client.metadata(), session, salt).ok_or_else(no_sector)
    }

    /// The same in the hands of an operator: what is changed by it is recorded as theirs.
    #[must_use]
    pub fn by(&self, name: String, request: Option<String>) -> Self {
        let actor = Actor { name, request, clock: self.clock.clone(), kept: self.config.ttl.admin_event };
        Self(Arc::new(Parts { store: self.store.by(actor), ..Parts::clone(&self.0) }))
    }

    /// How sessions end.
    pub fn ending(&self, now: Timestamp) -> Ending {
        let logout = &self.config.logout;
        Ending { now, revokes: logout.revoke_grants, tells_for: logout.back_channel.retry_for }
    }

    /// Opens the store that the configuration names. Fails only where it names one that can not be.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::open(&config.database).await?;
        Self::with(store, config, clock)
    }

    /// The same for a server: what it does in the background, and each of the threads that answer requests.
    pub async fn open_for_threads(
        config: Config,
        clock: Clock,
        threads: &[runtime::Handle],
    ) -> anyhow::Result<(Self, Vec<Self>)> {
        let (store, stores) = Store::open_for_threads(&config.database, threads).await?;
        let app = Self::with(store, config, clock)?;
        let of_thread = |store| Self(Arc::new(Parts { store, ..Parts::clone(&app.0) }));
        let apps = stores.into_iter().map(of_thread).collect();
        Ok((app, apps))
    }

    fn with(store: Store, config: Config, clock: Clock) -> anyhow::Result<Self> {
        let limits = &config.limits;
        let guard = Guard {
            passwords: Passwords::new(config.accounts.argon2, limits.password_hashes)?,
            verified_secrets: VerifiedSecrets::default(),
            per_account: Attempts::new(limits.login_per_account, limits.login_window),
            known_devices: Attempts::new(limits.login_per_account.saturating_mul(KNOWN_DEVICES), limits.login_window),
            per_address: Attempts::new(limits.login_per_address, limits.login_window),
            registrations: Attempts::new(config.oidc.registration.per_address, config.oidc.registration.window),
            readiness: Mutex::default(),
            told: Arc::new(Once::new()),
        };
        Ok(Self(Arc::new(Parts {
            keys: Keys::new(&config),
            metrics: Metrics::new(clock.now()),
            fetch: Fetch::new(&config.clients)?,
            store,
            clock,
            guard: Arc::new(guard),
            config: Arc::new(config),
        })))
    }
}

fn no_sector() -> Error {
    Error::internal("a pairwise client has no sector, or oidc.subject_identifiers.pairwise no salt")
}
