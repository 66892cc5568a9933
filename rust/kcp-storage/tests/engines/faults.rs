//! A failing disk: nothing acknowledged is lost, nothing refused is seen, and the store goes on when the disk does.

use crate::suite::{Store, cm, get, idle, put, take, watch};
use kcp_storage::embedded::{Disk, FileSystem, LogFile};
use kcp_storage::{CommitError, Embedded, Expect, KeyRange, Options, Retention};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails every operation from number `from` on, `count` of them; a failing append writes half of its bytes.
struct Faulty {
    done: Arc<AtomicI64>,
    from: i64,
    count: i64,
}

impl Faulty {
    fn check(&self) -> io::Result<()> {
        let at = self.done.fetch_add(1, Ordering::SeqCst);
        let fails = (self.from..self.from.saturating_add(self.count)).contains(&at);
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn wrap(&self, inner: Box<dyn LogFile>) -> Box<dyn LogFile> {
        Box::new(FaultyFile { inner, faults: Self { done: self.done.clone(), ..*self } })
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = FileSystem.create(path)?;
        // It may exist although creating it failed.
        self.check()?;
        Ok(self.wrap(file))
    }

    fn reopen(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.check()?;
        Ok(self.wrap(FileSystem.reopen(path)?))
    }
}

struct FaultyFile {
    inner: Box<dyn LogFile>,
    faults: Faulty,
}

impl LogFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.faults.check() {
            self.inner.append(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.check()?;
        self.inner.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.faults.check()?;
        self.inner.truncate(len)
    }
}

fn options(from: i64, count: i64) -> Options {
    let disk = Arc::new(Faulty { done: Arc::default(), from, count });
    Options { disk, retention: Retention { segment_bytes: 300, ..Retention::default() }, ..Options::default() }
}

#[tokio::test]
async fn a_fault_at_any_operation_costs_the_commits_it_hits_and_nothing_else() {
    for (from, count) in (0..24).flat_map(|from| [(from, 1), (from, 2), (from, 5)]) {
        let directory = tempfile::tempdir().expect("a directory");
        let store: Store = Arc::new(Embedded::open(directory.path(), options(from, count)).expect("opens"));
        let mut watch = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
        let mut kept: Option<(u64, String)> = None;
        let mut failed = 0;
        for number in 0..16 {
            let value = format!("{number} {}", "x".repeat(20));
            match put(&store, &cm("a", "n", "x"), Expect::Any, &value).await {
                Ok(done) => {
                    assert_eq!(done.last.get(), kept.map_or(1, |(revision, _)| revision + 1));
                    kept = Some((done.last.get(), value));
                    assert_eq!(take(&mut watch, 1).await[0].revision, done.last);
                }
                Err(CommitError::Unavailable(reason)) => {
                    assert!(reason.starts_with("the event log: "), "{reason}");
                    failed += 1;
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(get(&store, &cm("a", "n", "x")).await, kept, "fault {from}+{count}, write {number}");
            assert!(idle(&mut watch));
        }
        assert!(failed <= count, "fault {from}+{count} failed {failed} commits");
        assert!(kept.as_ref().is_some_and(|(_, value)| value.starts_with("15 ")), "the disk works again");
        drop(store);
        let store: Store = Arc::new(Embedded::open(directory.path(), Options::default()).expect("opens again"));
        assert_eq!(get(&store, &cm("a", "n", "x")).await, kept);
    }
}

#[tokio::test]
async fn a_disk_that_stays_broken_refuses_every_write_and_serves_every_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let store: Store = Arc::new(Embedded::open(directory.path(), options(6, i64::MAX)).expect("opens"));
    let mut kept = None;
    for number in 0..8 {
        let result = put(&store, &cm("a", "n", "x"), Expect::Any, &number.to_string()).await;
        if let Ok(done) = result {
            kept = Some((done.last.get(), number.to_string()));
        }
        assert_eq!(get(&store, &cm("a", "n", "x")).await, kept);
    }
    let (revision, _) = kept.clone().expect("the first writes succeed");
    assert!(revision < 8);
    drop(store);
    // What was never acknowledged may have reached the disk; what was is there.
    let store: Store = Arc::new(Embedded::open(directory.path(), Options::default()).expect("opens again"));
    let (found, _) = get(&store, &cm("a", "n", "x")).await.expect("is there");
    assert!((revision..=revision + 1).contains(&found), "{found}");
}
