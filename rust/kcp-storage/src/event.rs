//! One change, shared by everyone who watches it.

use crate::{Key, Revision, Value};
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// What a change did to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The key came into being.
    Added,
    /// The key's value was replaced.
    Modified,
    /// The key went away.
    Deleted,
}

/// One change of one key.
#[derive(Debug)]
pub struct Event {
    /// The change's own revision.
    pub revision: Revision,
    /// What happened.
    pub kind: EventKind,
    /// The key changed.
    pub key: Key,
    /// The new value; for [`EventKind::Deleted`] the last one.
    pub value: Value,
    /// The value replaced or deleted and the revision it stood at; `None` for [`EventKind::Added`].
    pub previous: Option<(Revision, Value)>,
    /// Encodings made by the first reader that needed them, shared by all others.
    pub encoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}
