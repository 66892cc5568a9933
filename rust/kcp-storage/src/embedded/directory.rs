//! The store's directory: one process at a time, one format version.
//!
//! ```text
//! LOCK      locked while open, holds the pid
//! FORMAT    "kcp-store 2"
//! log/      the event log, one file per segment
//! current/  the engine with current values
//! ```

use super::disk::sync_directory;
use super::error::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

const FORMAT: &str = "kcp-store 2\n";
/// Formats that are brought up to [`FORMAT`]: nothing in them has to be rewritten, and what they lack (counts) is made
/// when the engine is opened.
const OLDER: [&str; 1] = ["kcp-store 1\n"];

/// A locked store directory; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(OpenError::io("create", path))?;
        let file = path.join("FORMAT");
        let current = is_current(path, &file)?;
        let directory = Self { path: path.to_owned(), _lock: lock(path)? };
        if !current {
            write_format(path, &file).map_err(OpenError::io("write", &file))?;
        }
        let log = directory.log();
        std::fs::create_dir_all(&log).map_err(OpenError::io("create", &log))?;
        sync_directory(path).map_err(OpenError::io("sync", path))?;
        Ok(directory)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.path.join("current")
    }
}

/// Whether the directory is a store of this version, not one of an older version or yet to become one. Only reads.
fn is_current(directory: &Path, file: &Path) -> Result<bool, OpenError> {
    let refuse = |reason: String| Err(OpenError::Format { directory: directory.to_owned(), reason });
    match std::fs::read(file) {
        Ok(found) if found == FORMAT.as_bytes() => Ok(true),
        Ok(found) if OLDER.iter().any(|older| found == older.as_bytes()) => Ok(false),
        Ok(found) => {
            let found: String = String::from_utf8_lossy(&found).trim_end().chars().take(40).collect();
            refuse(format!("FORMAT says {found:?}, expected {:?}", FORMAT.trim_end()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if directory.join("log").exists() || directory.join("current").exists() {
                return refuse("it holds data but no FORMAT file".into());
            }
            Ok(false)
        }
        Err(error) => Err(OpenError::io("read", file)(error)),
    }
}

/// Written elsewhere and renamed, so that a crash leaves none or a whole one.
fn write_format(directory: &Path, file: &Path) -> std::io::Result<()> {
    let draft = directory.join("FORMAT.new");
    let mut out = File::create(&draft)?;
    out.write_all(FORMAT.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&draft, file)
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("LOCK");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The owner may be between locking and writing its pid; the refusal stands either way.
            let _ = file.read_to_string(&mut pid);
            let pid = if pid.trim().is_empty() { "unknown".into() } else { pid.trim().to_owned() };
            return Err(OpenError::InUse { directory: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(OpenError::io("lock", &path)(error)),
    }
    let mut write = || -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write().map_err(OpenError::io("write", &path))?;
    Ok(file)
}
