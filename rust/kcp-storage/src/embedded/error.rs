//! Why a store could not be opened. Each prints as one line; nothing on disk was changed.

use std::path::{Path, PathBuf};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Someone has it open.
    #[error("{} is in use by another process (pid {pid})", directory.display())]
    InUse {
        /// The store.
        directory: PathBuf,
        /// Who, as the lock file says.
        pid: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Another version wrote it, or it is no store.
    #[error("{} is not a store this version can read: {reason}", directory.display())]
    Format {
        /// The directory.
        directory: PathBuf,
        /// What was found.
        reason: String,
    },
    /// What was once durable is damaged.
    #[error("{} is corrupt: {reason}", path.display())]
    Corrupt {
        /// The damaged file or directory.
        path: PathBuf,
        /// Where and how.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.into() }
    }
}
