//! The store: the only SQL. A file a noun, each with its rows and every statement on them.
//!
//! One text of SQL serves PostgreSQL and SQLite (`db.rs`); the few hot statements that are shared by concurrent
//! requests (`batch.rs`) are written once for each.

pub mod audit;
mod batch;
pub mod client;
pub mod consent;
pub mod db;
pub mod decision;
mod events;
pub mod grant;
pub mod interaction;
pub mod key;
pub mod logout_token;
pub mod migration;
pub mod registration_token;
pub mod replay;
pub mod revoked_token;
pub mod session;
pub mod sweep;
mod threads;
pub mod trusted_issuer;
pub mod user;

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::config;
use crate::id::EventIds;
use db::Db;
pub use db::{Error, Result, Tx};

/// Everything that is kept. Cheap to clone; made inside a tokio runtime, because it works in the background.
#[derive(Clone)]
pub struct Store(Arc<Inner>, Option<Arc<audit::Acting>>);

/// The connections of some threads, and the lanes that lead to them.
struct Inner {
    db: Db,
    lanes: grant::Lanes,
    shared: Arc<Shared>,
}

/// What a process has one of.
struct Shared {
    clients: client::Memory,
    keys_changed: Notify,
    logout_tokens_due: Notify,
    event_ids: Arc<EventIds>,
    unredeemed: sweep::Unredeemed,
    /// All connections there are.
    all: Mutex<Vec<Db>>,
}

impl Deref for Inner {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Store {
    /// Opens the database that `dsn` names. PostgreSQL is not asked for anything yet: it may come up after us.
    pub async fn open(database: &config::Database) -> Result<Self> {
        let db = Db::open(database).await?;
        let shared = Shared {
            clients: client::Memory::default(),
            keys_changed: Notify::new(),
            logout_tokens_due: Notify::new(),
            event_ids: Arc::default(),
            unredeemed: sweep::Unredeemed::default(),
            all: Mutex::new(vec![db.clone()]),
        };
        let store = Self(Arc::new(Inner { lanes: grant::Lanes::start(&db), db, shared: Arc::new(shared) }), None);
        events::listen(&store);
        Ok(store)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        let _: i64 = db::sql!(self, scalar, "SELECT CAST(1 AS BIGINT)")?;
        Ok(())
    }

    /// Whether the database lets us in, and if not, why.
    pub async fn reach(&self) -> Result<()> {
        self.0.db.reach().await
    }

    /// Waits until some replica has changed the keys.
    pub async fn keys_changed(&self) {
        self.0.keys_changed.notified().await;
    }

    /// Connections that are open, and of those the idle ones.
    pub fn connections(&self) -> (u32, u32) {
        self.all().iter().map(Db::connections).fold((0, 0), |(open, idle), one| (open + one.0, idle + one.1))
    }

    pub fn max_connections(&self) -> u32 {
        self.all().iter().map(Db::max_connections).sum()
    }

    fn all(&self) -> Vec<Db> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Statements that the database failed in this process so far.
    pub fn failures() -> u64 {
        db::failures()
    }

    /// Whether an operator has this store in hand: then what it writes is recorded beside it, in a transaction.
    fn records(&self) -> bool {
        self.1.is_some()
    }

    /// Begins a transaction, of whoever has this store in hand.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.0.db.begin().await?.by(self.1.clone()))
    }

    pub async fn close(&self) {
        for db in self.all() {
            db.close().await;
        }
    }
}
