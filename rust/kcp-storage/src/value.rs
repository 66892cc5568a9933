//! What the store keeps under a key.

use bytes::Bytes;
use std::sync::Arc;

/// An opaque payload with the index terms it is to be found by.
///
/// Equality is by content. Cloning shares the buffers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Value {
    /// The payload; the store never looks inside.
    pub data: Bytes,
    /// Secondary index terms, e.g. an owner's uid or a kind of unfinished work; empty for most objects.
    pub terms: Arc<[Bytes]>,
}

impl Value {
    /// A value without index terms.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), terms: Arc::default() }
    }

    /// A value that is found under `terms`.
    pub fn indexed(data: impl Into<Bytes>, terms: Vec<Bytes>) -> Self {
        Self { data: data.into(), terms: terms.into() }
    }
}
