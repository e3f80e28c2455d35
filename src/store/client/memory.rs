//! Clients in memory: read at every request, changed rarely.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Client;
use crate::id::ClientId;

/// Beyond this many the memory starts anew: a bound on what it may take, of the order of 10 MB.
const MOST: usize = 10_000;

/// Remembers clients while changes made elsewhere are heard of; while they are not, remembers nothing.
#[derive(Default)]
pub struct Memory {
    clients: RwLock<HashMap<ClientId, Arc<Client>>>,
    /// Counts changes, so that a row read before a change is not kept after it.
    generation: AtomicU64,
    listening: AtomicBool,
}

impl Memory {
    pub fn get(&self, id: &ClientId) -> Option<Arc<Client>> {
        if !self.listening.load(Ordering::Acquire) {
            return None;
        }
        self.clients.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// To be asked before the row is read.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps a row that was read when the memory stood at `as_of`, unless something has changed since.
    pub fn keep(&self, client: &Arc<Client>, as_of: u64) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if !self.listening.load(Ordering::Acquire) || self.generation() != as_of {
            return;
        }
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(client.id.clone(), Arc::clone(client));
    }

    pub fn forget(&self, id: &ClientId) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        clients.remove(id);
    }

    pub fn forget_all(&self) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        clients.clear();
    }

    /// Says whether changes made elsewhere are heard of.
    pub fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Release);
        self.forget_all();
    }
}
