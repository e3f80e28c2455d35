//! A transaction on either database, and whose doing it is.

use std::sync::Arc;

use sqlx::{Postgres, Sqlite, Transaction};

use super::{Place, Result};
use crate::store::audit::Acting;

/// A transaction. Dropping it rolls back.
pub struct Tx {
    begun: Begun,
    acting: Option<Arc<Acting>>,
}

pub(super) enum Begun {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Tx {
    pub(super) fn new(begun: Begun) -> Self {
        Self { begun, acting: None }
    }

    pub(in crate::store) fn by(self, acting: Option<Arc<Acting>>) -> Self {
        Self { acting, ..self }
    }

    /// The operator whose doing it is; `None`: the protocol's own.
    pub(in crate::store) fn acting(&self) -> Option<Arc<Acting>> {
        self.acting.clone()
    }

    pub async fn commit(self) -> Result<()> {
        match self.begun {
            Begun::Postgres(tx) => tx.commit().await?,
            Begun::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// The transaction's own connection, whatever the statement does.
    #[expect(clippy::unused_async, reason = "the sql! macro asks a pool and a transaction with the same words")]
    pub async fn place(&mut self, _writes: bool) -> Result<Place<'_>> {
        Ok(match &mut self.begun {
            Begun::Postgres(tx) => Place::PostgresTx(tx),
            Begun::Sqlite(tx) => Place::SqliteTx(tx),
        })
    }
}
