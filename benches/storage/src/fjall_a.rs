//! Everything in fjall: `cur[key] = revision, value` · `hist[key, revision] = value it replaced` ·
//! `rev[revision] = previous revision, key`; trimmed to a window of [`WINDOW`] revisions; one `SyncData` per group.

use crate::System;
use crate::committer::{Committer, Objects};
use bytes::Bytes;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use kcp_storage::{BoxFuture, Key, KeyRange};
use std::path::Path;

/// Revisions kept.
pub const WINDOW: u64 = 100_000;

#[derive(Clone)]
struct Tables {
    db: Database,
    cur: Keyspace,
    hist: Keyspace,
    rev: Keyspace,
}

pub struct FjallA {
    tables: Tables,
    committer: Committer,
}

pub fn open(directory: &Path) -> FjallA {
    let db = Database::builder(directory).cache_size(128 << 20).worker_threads(2).open().expect("opens");
    let keyspace = |name: &str, memtable: u64| {
        let options = KeyspaceCreateOptions::default()
            .data_block_size_policy(BlockSizePolicy::all(16 << 10))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
            .max_memtable_size(memtable);
        db.keyspace(name, || options).expect("opens")
    };
    let (cur, hist, rev) = (keyspace("cur", 32 << 20), keyspace("hist", 32 << 20), keyspace("rev", 16 << 20));
    let tables = Tables { db, cur, hist, rev };
    let newest = tables.rev.last_key_value().map(|row| row.key().expect("reads"));
    let mut head = newest.map_or(0, |key| u64::from_be_bytes(key.as_ref().try_into().expect("a revision")));
    let writer = tables.clone();
    let committer = Committer::start(move |objects| head = writer.commit(objects, head, true));
    FjallA { tables, committer }
}

impl Tables {
    fn commit(&self, objects: Objects, mut head: u64, sync: bool) -> u64 {
        let mut batch = self.db.batch().durability(sync.then_some(PersistMode::SyncData));
        for (key, value) in objects {
            head += 1;
            let mut previous = 0;
            if let Some(old) = self.cur.get(key.as_bytes()).expect("reads") {
                previous = u64::from_be_bytes(old[..8].try_into().expect("a revision"));
                batch.insert(&self.hist, history_key(key.as_bytes(), head), old);
            }
            batch.insert(&self.cur, key.as_bytes(), [&head.to_be_bytes(), value.as_ref()].concat());
            batch.insert(&self.rev, head.to_be_bytes(), [&previous.to_be_bytes(), key.as_bytes()].concat());
            if head > WINDOW {
                self.trim(&mut batch, head - WINDOW);
            }
        }
        batch.commit().expect("commits");
        head
    }

    fn trim(&self, batch: &mut fjall::OwnedWriteBatch, revision: u64) {
        if let Some(row) = self.rev.get(revision.to_be_bytes()).expect("reads") {
            batch.remove(&self.rev, revision.to_be_bytes());
            if row[..8] != [0; 8] {
                batch.remove(&self.hist, history_key(&row[8..], revision));
            }
        }
    }
}

fn history_key(key: &[u8], revision: u64) -> Vec<u8> {
    [key, &revision.to_be_bytes()].concat()
}

impl System for FjallA {
    fn load(&self, objects: Objects) -> BoxFuture<'_, ()> {
        // As the others: synced when it is closed.
        let mut batch = self.tables.db.batch();
        let newest = self.tables.rev.last_key_value().map(|row| row.key().expect("reads"));
        let mut head = newest.map_or(0, |key| u64::from_be_bytes(key.as_ref().try_into().expect("a revision")));
        for (key, value) in objects {
            head += 1;
            batch.insert(&self.tables.cur, key.as_bytes(), [&head.to_be_bytes(), value.as_ref()].concat());
            batch.insert(&self.tables.rev, head.to_be_bytes(), [&[0; 8], key.as_bytes()].concat());
            if head > WINDOW {
                self.tables.trim(&mut batch, head - WINDOW);
            }
        }
        batch.commit().expect("commits");
        Box::pin(std::future::ready(()))
    }

    fn write(&self, key: Key, value: Bytes) -> BoxFuture<'_, ()> {
        self.get(&key);
        Box::pin(self.committer.write(vec![(key, value)]))
    }

    fn get(&self, key: &Key) -> usize {
        self.tables.cur.get(key.as_bytes()).expect("reads").map_or(0, |value| value[8..].to_vec().len())
    }

    fn list(&self, cluster: &str) -> usize {
        let range = KeyRange::cluster("configmaps", cluster);
        let rows = self.tables.cur.range(range.start.as_ref()..range.end.as_ref());
        let items: Vec<(Vec<u8>, Vec<u8>)> = rows
            .take(500)
            .map(|row| row.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).expect("reads"))
            .collect();
        items.len()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.tables.db.persist(PersistMode::SyncAll).expect("syncs");
        Box::pin(std::future::ready(()))
    }
}
