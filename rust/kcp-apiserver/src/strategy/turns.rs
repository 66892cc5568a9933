//! Whose turn it is: writes that decide about the same things one after the other do not lose races at the commit.
//!
//! What is right is held by the guards of each commit; turns only keep the writes of one process from making each other
//! try again, which with many of them would end in conflicts.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Things share turns when there are more of them.
const TURNS: usize = 256;

/// Turns of any number of things.
pub(super) struct Turns {
    turns: Box<[Arc<Mutex<()>>]>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { turns: (0..TURNS).map(|_| Arc::default()).collect(), hasher: RandomState::new() }
    }
}

impl Turns {
    /// Waits for the turn to decide about `thing`, which lasts until what is returned is dropped. Who has a turn must
    /// not wait for another one.
    pub(super) async fn take(&self, thing: impl Hash) -> OwnedMutexGuard<()> {
        let place = self.hasher.hash_one(thing) % TURNS as u64;
        Arc::clone(&self.turns[usize::try_from(place).unwrap_or(0)]).lock_owned().await
    }
}
