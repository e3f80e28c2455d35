//! What replicas tell each other: that a client or the keys have changed, or that clients are to be told of a logout.
//!
//! On PostgreSQL by NOTIFY in the changing transaction, on SQLite (one machine, but the command line may be another
//! process) by `PRAGMA data_version`, which moves when another connection has written.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;

use super::db::{Connection, Db, Result, Tx};
use super::{Inner, Store};
use crate::id::ClientId;

const CHANNEL: &str = "hydrant";

/// Tells every replica, once `tx` has committed, to forget what it remembers of this client.
pub async fn client_changed(tx: &mut Tx, id: &ClientId) -> Result<()> {
    notify(tx, &format!("client {id}")).await
}

/// Tells every replica, once `tx` has committed, to read the keys anew.
pub async fn keys_changed(tx: &mut Tx) -> Result<()> {
    notify(tx, "keys").await
}

/// Tells every replica, once `tx` has committed, that a logout token is due.
pub async fn logout_tokens_due(tx: &mut Tx) -> Result<()> {
    notify(tx, "logout").await
}

async fn notify(tx: &mut Tx, message: &str) -> Result<()> {
    if let Connection::Postgres(connection) = tx.place(true).await?.connection() {
        sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message).execute(connection).await?;
    }
    Ok(())
}

/// Listens for as long as the store is used.
pub fn listen(store: &Store) {
    let inner = Arc::downgrade(&store.0);
    match &store.0.db {
        Db::Postgres(pool) => {
            let pool = pool.clone();
            tokio::spawn(forget_now_and_then(inner.clone()));
            tokio::spawn(async move {
                while let Some(alive) = inner.upgrade() {
                    drop(alive);
                    if let Err(error) = listen_postgres(&inner, &pool).await {
                        tracing::debug!(%error, "not listening for changes; clients are read from the database");
                    }
                    if let Some(inner) = inner.upgrade() {
                        inner.clients.set_listening(false);
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
        }
        Db::Sqlite { .. } => {
            store.0.clients.set_listening(true);
            tokio::spawn(watch_sqlite(inner));
        }
    }
}

async fn listen_postgres(inner: &Weak<Inner>, pool: &sqlx::PgPool) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    if let Some(inner) = inner.upgrade() {
        inner.clients.set_listening(true);
        inner.keys_changed.notify_one();
    }
    loop {
        // `None` says that the connection was lost: what was told meanwhile was missed.
        let Some(told) = listener.try_recv().await? else { return Ok(()) };
        let Some(inner) = inner.upgrade() else { return Ok(()) };
        match told.payload().split_once(' ') {
            Some(("client", id)) => inner.clients.forget(&ClientId::new(id)),
            None if told.payload() == "logout" => inner.logout_tokens_due.notify_one(),
            _ => inner.keys_changed.notify_one(),
        }
    }
}

/// A connection can be dead without anybody being told: what is remembered is never older than this.
async fn forget_now_and_then(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.clients.forget_all();
        inner.keys_changed.notify_one();
    }
}

async fn watch_sqlite(inner: Weak<Inner>) {
    let mut seen = None;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(inner) = inner.upgrade() else { return };
        let version = sqlite_version(&inner.db).await.ok();
        if version != seen {
            inner.clients.forget_all();
            inner.keys_changed.notify_one();
            inner.logout_tokens_due.notify_one();
            seen = version;
        }
    }
}

/// Asked of the writer's one connection, so that our own writes do not count and another process's do.
async fn sqlite_version(db: &Db) -> Result<i64> {
    let mut place = db.place(true).await?;
    match place.connection() {
        Connection::Sqlite(connection) => Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await?),
        Connection::Postgres(_) => Ok(0),
    }
}
