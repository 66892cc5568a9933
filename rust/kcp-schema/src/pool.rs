//! Equal schemas compiled once.

use crate::structural::{Structural, digest};
use kcp_apimachinery::field::ErrorList;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Compiled schemas in use, by content. Dropping the last user of a schema frees it.
#[derive(Debug, Default)]
pub struct Pool {
    schemas: Mutex<HashMap<[u8; 32], Weak<Structural>>>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Pool {
        Pool::default()
    }

    /// The compiled form of `schema`, shared with everyone who uses an equal one.
    pub fn compile(&self, schema: &Value) -> Result<Arc<Structural>, ErrorList> {
        let key = digest(schema);
        if let Some(found) = self.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(found);
        }
        // Compiled outside the lock: two callers may both do it, and the first to come back wins.
        let compiled = Arc::new(Structural::compile(schema)?);
        let mut schemas = self.lock();
        if let Some(found) = schemas.get(&key).and_then(Weak::upgrade) {
            return Ok(found);
        }
        if schemas.len() == schemas.capacity() {
            schemas.retain(|_, schema| schema.strong_count() > 0);
        }
        schemas.insert(key, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    /// How many different schemas are in use.
    pub fn len(&self) -> usize {
        self.lock().values().filter(|schema| schema.strong_count() > 0).count()
    }

    /// Whether no schema is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The map is whole after any panic: entries are inserted last.
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Weak<Structural>>> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner)
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
