//! The few file operations the log's durability rests on, behind a trait so that tests can make them fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Creates the files the log is written to.
pub trait Disk: Send + Sync {
    /// Creates `path`, which must not exist, and makes its directory entry durable.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Opens `path` to append to it.
    fn reopen(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
}

/// A file that only grows, or is cut back to a length known to be good.
pub trait LogFile: Send {
    /// Writes all of `bytes` at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything appended is on stable storage.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `len` bytes, durably.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        if let Some(directory) = path.parent() {
            sync_directory(directory)?;
        }
        Ok(Box::new(Plain(file)))
    }

    fn reopen(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(Plain(OpenOptions::new().append(true).open(path)?)))
    }
}

struct Plain(File);

impl LogFile for Plain {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)?;
        self.0.sync_all()
    }
}

/// Makes created, renamed and removed entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
