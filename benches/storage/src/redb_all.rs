//! Everything in redb, in the same three tables as [`crate::fjall_a`].

use crate::System;
use crate::committer::{Committer, Objects};
use crate::fjall_a::WINDOW;
use bytes::Bytes;
use kcp_storage::{BoxFuture, Key, KeyRange};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;
use std::sync::Arc;

const CUR: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("cur");
const HIST: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("hist");
const REV: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rev");

pub struct Redb {
    db: Arc<Database>,
    committer: Committer,
}

pub fn open(directory: &Path) -> Redb {
    std::fs::create_dir_all(directory).expect("creates");
    let mut builder = Database::builder();
    builder.set_cache_size(128 << 20);
    let db = Arc::new(builder.create(directory.join("redb")).expect("opens"));
    let write = db.begin_write().expect("begins");
    write.open_table(CUR).expect("opens");
    write.open_table(HIST).expect("opens");
    write.open_table(REV).expect("opens");
    write.commit().expect("commits");
    let writer = db.clone();
    let committer = Committer::start(move |objects| commit(&writer, objects, true));
    Redb { db, committer }
}

fn commit(db: &Database, objects: Objects, sync: bool) {
    let mut write = db.begin_write().expect("begins");
    write.set_durability(if sync { Durability::Immediate } else { Durability::None }).expect("sets");
    {
        let mut cur = write.open_table(CUR).expect("opens");
        let mut hist = write.open_table(HIST).expect("opens");
        let mut rev = write.open_table(REV).expect("opens");
        let mut head = rev.last().expect("reads").map_or(0, |row| row.0.value());
        for (key, value) in objects {
            head += 1;
            let stored = [&head.to_be_bytes(), value.as_ref()].concat();
            let old = cur.insert(key.as_bytes(), stored.as_slice()).expect("writes").map(|old| old.value().to_vec());
            let mut previous = 0;
            if let Some(old) = old {
                previous = u64::from_be_bytes(old[..8].try_into().expect("a revision"));
                hist.insert(history_key(key.as_bytes(), head).as_slice(), old.as_slice()).expect("writes");
            }
            rev.insert(head, [&previous.to_be_bytes(), key.as_bytes()].concat().as_slice()).expect("writes");
            if head > WINDOW {
                let gone = rev.remove(head - WINDOW).expect("writes").map(|row| row.value().to_vec());
                if let Some(row) = gone.filter(|row| row[..8] != [0; 8]) {
                    hist.remove(history_key(&row[8..], head - WINDOW).as_slice()).expect("writes");
                }
            }
        }
    }
    write.commit().expect("commits");
}

fn history_key(key: &[u8], revision: u64) -> Vec<u8> {
    [key, &revision.to_be_bytes()].concat()
}

impl System for Redb {
    fn load(&self, objects: Objects) -> BoxFuture<'_, ()> {
        commit(&self.db, objects, false);
        Box::pin(std::future::ready(()))
    }

    fn write(&self, key: Key, value: Bytes) -> BoxFuture<'_, ()> {
        self.get(&key);
        Box::pin(self.committer.write(vec![(key, value)]))
    }

    fn get(&self, key: &Key) -> usize {
        let read = self.db.begin_read().expect("begins");
        let cur = read.open_table(CUR).expect("opens");
        cur.get(key.as_bytes()).expect("reads").map_or(0, |value| value.value()[8..].to_vec().len())
    }

    fn list(&self, cluster: &str) -> usize {
        let range = KeyRange::cluster("configmaps", cluster);
        let read = self.db.begin_read().expect("begins");
        let cur = read.open_table(CUR).expect("opens");
        let items: Vec<(Vec<u8>, Vec<u8>)> = cur
            .range(range.start.as_ref()..range.end.as_ref())
            .expect("reads")
            .take(500)
            .map(|row| row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())).expect("reads"))
            .collect();
        items.len()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        commit(&self.db, Vec::new(), true);
        Box::pin(std::future::ready(()))
    }
}
