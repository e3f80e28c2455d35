//! A store in parts, one for each thread that answers requests: its connections are driven where they are waited for.
//!
//! What is written is an exception: of some threads, one has the lanes for all, so that more go along in a statement and share
//! its commit. That is worth more than the way from one thread to the other.

use std::sync::{Arc, PoisonError};

use tokio::runtime;

use super::db::{Db, Error, Result};
use super::{Inner, Store, grant};
use crate::config;

/// Threads that write in the same lanes. A lane is two connections at work at most: many threads would wait for them.
const WRITE_TOGETHER: usize = 4;

impl Store {
    /// Opens the database for what a server does in the background, and for each of so many threads. They are one store:
    /// what is remembered and told is remembered and told to all.
    pub async fn open_for_threads(
        database: &config::Database,
        threads: &[runtime::Handle],
    ) -> Result<(Self, Vec<Self>)> {
        let split = match database.dsn.expose().starts_with("postgres") {
            true => Split::of(database.max_connections, threads.len()),
            // SQLite has one writer for all.
            false => Split { background: database.max_connections, each: Vec::new() },
        };
        let with = |max_connections| config::Database { max_connections, ..database.clone() };
        let store = Self::open(&with(split.background)).await?;
        let mut parts: Vec<Self> = Vec::new();
        for (nth, (thread, connections)) in threads.iter().zip(split.each).enumerate() {
            let writer = parts.get(nth - nth % WRITE_TOGETHER).cloned();
            let part = thread.spawn(store.clone().part(with(connections), writer)).await;
            parts.push(part.map_err(|error| Error::from(sqlx::Error::Io(error.into())))??);
        }
        let of_thread = |nth: usize| if parts.is_empty() { store.clone() } else { parts[nth % parts.len()].clone() };
        let stores = (0..threads.len()).map(of_thread).collect();
        Ok((store, stores))
    }

    /// `writer`: whose lanes it writes in; none: its own.
    async fn part(self, database: config::Database, writer: Option<Self>) -> Result<Self> {
        let db = Db::open(&database).await?;
        let lanes = match writer {
            Some(writer) => writer.0.lanes.beside(&db),
            None => grant::Lanes::start(&db),
        };
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner).push(db.clone());
        Ok(Self(Arc::new(Inner { lanes, db, shared: Arc::clone(&self.0.shared) }), None))
    }
}

/// How `database.max_connections` is shared out.
#[derive(Debug, PartialEq, Eq)]
struct Split {
    /// One of them listens.
    background: u32,
    /// For each part; where there are fewer parts than threads, threads share them. Without any, all share the first.
    each: Vec<u32>,
}

impl Split {
    const BACKGROUND: u32 = 3;
    /// Fewer are no part: two slow statements must not stop a thread.
    const LEAST: u32 = 3;

    fn of(connections: u32, threads: usize) -> Self {
        let left = connections.saturating_sub(Self::BACKGROUND);
        let parts = (left / Self::LEAST).min(u32::try_from(threads).unwrap_or(u32::MAX));
        let each: Vec<u32> = (0..parts).map(|nth| left / parts + u32::from(nth < left % parts)).collect();
        Self { background: if each.is_empty() { connections } else { Self::BACKGROUND }, each }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out_and_never_more_than_there_may_be() {
        let split = |connections, threads| {
            let Split { background, each } = Split::of(connections, threads);
            (background, each)
        };
        assert_eq!(split(10, 2), (3, vec![4, 3]));
        assert_eq!(split(12, 8), (3, vec![3, 3, 3]));
        assert_eq!(split(12, 2), (3, vec![5, 4]));
        assert_eq!(split(8, 2), (3, vec![5]));
        assert_eq!(split(5, 2), (5, vec![]));
        for (connections, threads) in [(2, 1), (2, 64), (8, 2), (100, 16), (1000, 64)] {
            let (background, each) = split(connections, threads);
            assert!(background + each.iter().sum::<u32>() == connections && each.len() <= threads);
        }
    }
}
