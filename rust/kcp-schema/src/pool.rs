//! Equal things kept once: compiled schemas, and whatever else is named by the digest of its content.

use crate::structural::{Structural, digest};
use kcp_apimachinery::field::ErrorList;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Things in use, by the digest of their content. Dropping the last user of one frees it.
pub struct Interned<T>(Mutex<HashMap<[u8; 32], Weak<T>>>);

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Interned<T> {
    /// What has the digest `key`, made if nobody uses it yet. Two callers may both make it; the first to come back wins.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get_or_make<E>(&self, key: [u8; 32], make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(found) = self.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(found);
        }
        // Outside the lock: others need not wait for it.
        let made = Arc::new(make()?);
        let mut all = self.lock();
        if let Some(found) = all.get(&key).and_then(Weak::upgrade) {
            return Ok(found);
        }
        if all.len() == all.capacity() {
            all.retain(|_, one| one.strong_count() > 0);
        }
        all.insert(key, Arc::downgrade(&made));
        Ok(made)
    }

    /// How many different ones are in use.
    pub fn len(&self) -> usize {
        self.lock().values().filter(|one| one.strong_count() > 0).count()
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The map is whole after any panic: entries are inserted last.
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Interned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interned({})", self.len())
    }
}

/// Compiled schemas in use.
#[derive(Debug, Default)]
pub struct Pool(Interned<Structural>);

impl Pool {
    /// An empty pool.
    pub fn new() -> Pool {
        Pool::default()
    }

    /// The compiled form of `schema`, shared with everyone who uses an equal one.
    pub fn compile(&self, schema: &Value) -> Result<Arc<Structural>, ErrorList> {
        self.0.get_or_make(digest(schema), || Structural::compile(schema))
    }

    /// How many different schemas are in use.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no schema is in use.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_schemas_are_one_and_are_freed_with_their_last_user() {
        let pool = Pool::new();
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let one = pool.compile(&schema).unwrap();
        let two = pool.compile(&schema.clone()).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(pool.len(), 1);
        drop((one, two));
        assert!(pool.is_empty());
    }
}
