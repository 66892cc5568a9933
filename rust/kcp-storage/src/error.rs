//! What can go wrong, by operation.

use crate::{Item, Revision};

/// A read that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The revision asked for is no longer kept.
    #[error("revision {requested} is compacted, the oldest kept is {oldest}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision that can be read.
        oldest: Revision,
    },
    /// The revision asked for has not happened yet.
    #[error("revision {requested} is in the future, the newest is {current}")]
    Future {
        /// What was asked for.
        requested: Revision,
        /// The newest revision.
        current: Revision,
    },
    /// The engine could not read.
    #[error("storage: {0}")]
    Unavailable(String),
}

/// A commit that changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// What stands at an operation's key is not what it expected.
    #[error("operation {index} found another revision")]
    Conflict {
        /// Position of the operation in its batch.
        index: usize,
        /// What stands there now.
        current: Option<Item>,
    },
    /// A guarded key changed since it was read.
    #[error("guard {index} found another revision")]
    Guard {
        /// Position of the guard in its batch.
        index: usize,
    },
    /// Something would be left in a logical cluster that the batch has to leave empty.
    #[error("logical cluster {cluster:?} is not empty")]
    Occupied {
        /// The logical cluster.
        cluster: String,
    },
    /// The batch adds to what would then be above one of its limits.
    #[error("limit {which} allows {max} objects and there are {count}")]
    Limit {
        /// Position of the limit in its batch.
        which: usize,
        /// How many objects there are without the batch.
        count: u64,
        /// How many there may be.
        max: u64,
    },
    /// The engine could not make the change durable.
    #[error("storage: {0}")]
    Unavailable(String),
}

/// Why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The reader did not keep up and was closed so that writers need not wait; it may resume from its last revision.
    #[error("the reader was too slow")]
    Slow,
    /// History it still needed was compacted.
    #[error("revision {requested} is compacted, the oldest kept is {oldest}")]
    Compacted {
        /// The revision it would have continued from.
        requested: Revision,
        /// The oldest revision kept.
        oldest: Revision,
    },
    /// The store closed.
    #[error("the store closed")]
    Closed,
    /// The engine could not read history.
    #[error("storage: {0}")]
    Unavailable(String),
}
