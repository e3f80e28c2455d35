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
pub mod trusted_issuer;
pub mod user;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::config;
use crate::id::EventIds;
use db::Db;
pub use db::{Error, Result, Tx};

/// Everything that is kept. Cheap to clone; made inside a tokio runtime, because it works in the background.
#[derive(Clone)]
pub struct Store(Arc<Inner>, Option<Arc<audit::Acting>>);

struct Inner {
    db: Db,
    lanes: grant::Lanes,
    clients: client::Memory,
    keys_changed: Notify,
    logout_tokens_due: Notify,
    event_ids: Arc<EventIds>,
}

impl Store {
    /// Opens the database that `dsn` names. PostgreSQL is not asked for anything yet: it may come up after us.
    pub async fn open(database: &config::Database) -> Result<Self> {
        let db = Db::open(database).await?;
        let inner = Inner {
            lanes: grant::Lanes::start(&db),
            db,
            clients: client::Memory::default(),
            keys_changed: Notify::new(),
            logout_tokens_due: Notify::new(),
            event_ids: Arc::default(),
        };
        let store = Self(Arc::new(inner), None);
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
        self.0.db.connections()
    }

    pub fn max_connections(&self) -> u32 {
        self.0.db.max_connections()
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
        self.0.db.close().await;
    }
}
