//! Counting everything, once: a store that kept no counts yet, or whose totals left out other resources.

use super::current::{Current, EngineResult, View, engine, is_live};
use super::tallies;
use crate::counts::{Counts, moved};
use crate::{EventKind, Key};
use bytes::Bytes;
use fjall::Readable;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Says that the counts are complete, and which resources the totals leave out.
const COUNTED: &[u8] = b"n";
/// Rows written at a time.
const TOGETHER: usize = 10_000;

/// Makes the counts of everything in `view` unless they are there. A crash on the way means doing it again.
pub(crate) fn unless_counted(current: &Current, view: &View) -> EngineResult<()> {
    let uncounted = current.uncounted.join("\0");
    let known = view.snapshot.get(&current.meta, COUNTED).map_err(engine)?;
    if known.as_ref().is_some_and(|known| known.as_ref() == uncounted.as_bytes()) {
        return Ok(());
    }
    if view.revision > 0 {
        tracing::info!("the store has no counts of its objects that leave out the same resources: counting all, once");
        let clusters = Recount { current, view, clusters: BTreeMap::new() }.run()?;
        tracing::info!(
            "counted the objects of {clusters} logical clusters that hold more than what they were born with"
        );
    }
    let mut batch = current.db.batch();
    batch.insert(&current.meta, COUNTED, uncounted.as_bytes());
    batch.commit().map_err(engine)
}

struct Recount<'a> {
    current: &'a Current,
    view: &'a View,
    /// The clusters whose births do not say everything.
    clusters: BTreeMap<Arc<str>, Counts>,
}

impl Recount<'_> {
    fn run(mut self) -> EngineResult<usize> {
        self.count_own()?;
        self.count_below()?;
        self.write()?;
        Ok(self.clusters.len())
    }

    /// The objects of clusters that hold other ones than what their births explain.
    fn count_own(&mut self) -> EngineResult<()> {
        let (current, view) = (self.current, self.view);
        for row in view.snapshot.iter(&current.objects) {
            let (key, value) = row.into_inner().map_err(engine)?;
            let key = Key::decode(Bytes::copy_from_slice(&key)).ok_or("a stored key does not decode")?;
            if is_live(&value) != current.is_explained(view, &key)? {
                self.count(&key, if is_live(&value) { EventKind::Added } else { EventKind::Deleted })?;
            }
        }
        // A birth explains its row, too, which may have gone.
        for row in view.snapshot.prefix(&current.meta, "b") {
            let born = current.decode_birth(&row.value().map_err(engine)?)?;
            if !view.snapshot.contains_key(&current.objects, born.row.as_bytes()).map_err(engine)? {
                self.count(&born.row, EventKind::Deleted)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, key: &Key, kind: EventKind) -> EngineResult<()> {
        let counted = u64::from(self.current.is_counted(key));
        let counts = self.open(key.cluster())?;
        counts.add(key.resource(), kind);
        counts.total = moved(counts.total, kind, counted);
        Ok(())
    }

    /// What stands below each cluster that another one stands below.
    fn count_below(&mut self) -> EngineResult<()> {
        let (current, view) = (self.current, self.view);
        for row in view.snapshot.prefix(&current.meta, "b") {
            let born = current.decode_birth(&row.value().map_err(engine)?)?;
            if let Some(parent) = &born.birth.parent {
                let opened = self.clusters.get(born.row.cluster());
                let total = opened.map_or_else(|| current.explained(&born).total, |counts| counts.total);
                self.hang(parent, total)?;
            }
        }
        // A cluster that outlived its birth has its place from its row.
        for row in view.snapshot.prefix(&current.meta, "c") {
            let (key, value) = row.into_inner().map_err(engine)?;
            let (cluster, older) = tallies::row(&key, &value)?;
            if let Some(parent) = &older.parent
                && current.birth(view, cluster)?.is_none()
            {
                let total = self.open(cluster)?.total;
                self.hang(parent, total)?;
            }
        }
        Ok(())
    }

    /// Counts one more cluster directly below `parent`, with `total` objects of its own.
    fn hang(&mut self, parent: &Arc<str>, total: u64) -> EngineResult<()> {
        self.open(parent)?.children += 1;
        let mut next = Some(parent.clone());
        while let Some(cluster) = next {
            let counts = self.open(&cluster)?;
            counts.below += total;
            next = counts.parent.clone();
        }
        Ok(())
    }

    /// The counts of a cluster, to begin with those its birth explains.
    fn open(&mut self, cluster: &str) -> EngineResult<&mut Counts> {
        match self.clusters.entry(cluster.into()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let born = self.current.birth(self.view, cluster)?;
                let counts = match born {
                    Some(born) => self.current.explained(&born),
                    None => {
                        let older = self.current.counts_row(self.view, cluster)?;
                        Counts { parent: older.and_then(|older| older.parent), ..Counts::default() }
                    }
                };
                Ok(entry.insert(counts))
            }
        }
    }

    fn write(&self) -> EngineResult<()> {
        let current = self.current;
        let mut batch = current.db.batch();
        let mut rows = 0;
        for row in self.view.snapshot.prefix(&current.meta, "c") {
            let (key, value) = row.into_inner().map_err(engine)?;
            if !self.clusters.contains_key(tallies::row(&key, &value)?.0) {
                batch.remove(&current.meta, key);
            }
        }
        for (cluster, counts) in self.clusters.iter().filter(|(_, counts)| !counts.is_empty()) {
            batch.insert(&current.meta, tallies::row_key(cluster), tallies::encode(counts));
            rows += 1;
            if rows % TOGETHER == 0 {
                std::mem::replace(&mut batch, current.db.batch()).commit().map_err(engine)?;
            }
        }
        batch.commit().map_err(engine)
    }
}
