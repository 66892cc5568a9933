//! The engine of this repository.

use crate::System;
use bytes::Bytes;
use kcp_storage::{At, Backend, Batch, BoxFuture, Embedded, Expect, Key, KeyRange, ListQuery, Op, Options, Value};
use std::path::Path;
use std::task::{Context, Poll, Waker};

pub struct Own(Embedded);

impl Own {
    pub fn open(directory: &Path, loading: bool) -> Self {
        let options = Options { no_fsync: loading, block_cache_bytes: 128 << 20, ..Options::default() };
        Self(Embedded::open(directory, options).expect("opens"))
    }
}

impl System for Own {
    fn load(&self, objects: Vec<(Key, Bytes)>) -> BoxFuture<'_, ()> {
        let ops = objects.into_iter().map(|(key, value)| Op::put(key, Expect::Any, Value::new(value))).collect();
        Box::pin(async {
            self.0.commit(Batch::of(ops)).await.expect("commits");
        })
    }

    fn write(&self, key: Key, value: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let found = self.0.get(&key).await.expect("reads");
            let expect = found.map_or(Expect::Absent, |item| Expect::At(item.revision));
            let batch = Batch::of(vec![Op::put(key, expect, Value::new(value))]);
            // Two clients may pick one key; the loser's round trip counts as well.
            let _ = self.0.commit(batch).await;
        })
    }

    fn get(&self, key: &Key) -> usize {
        now(self.0.get(key)).expect("reads").map_or(0, |item| item.value.data.len())
    }

    fn list(&self, cluster: &str) -> usize {
        let range = KeyRange::cluster("configmaps", cluster);
        let query = ListQuery { range, at: At::Latest, after: None, limit: Some(500) };
        now(self.0.list(query)).expect("reads").items.len()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}

/// Reads of this engine never wait.
fn now<T>(mut future: BoxFuture<'_, T>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a read waited"),
    }
}
