//! Rows that count a logical cluster's objects.
//!
//! A cluster that holds just what it was born with has no row: its birth says it all. Any other row says everything
//! again, so that one read answers.

use super::births::Born;
use super::cache::{Fresh, Weight};
use super::current::{Current, EngineResult, MAX_KEY, View, engine};
use crate::codec::{Reader, put_bytes, put_u32, put_u64};
use crate::counts::{Counts, Source, Tally};
use crate::{EventKind, Key};
use bytes::Bytes;
use fjall::Readable;
use std::sync::Arc;

/// The newest counts, by cluster: a busy cluster, and every one above it, costs no look-up per write.
pub(crate) type TallyCache = Fresh<Arc<str>, Arc<Tally>>;

impl Weight<Arc<str>> for Arc<Tally> {
    fn weight(&self, cluster: &Arc<str>) -> usize {
        200 + cluster.len() + self.counts.resources.iter().map(|(name, _)| 40 + name.len()).sum::<usize>()
    }
}

/// Where the counts of a cluster stand.
pub(crate) fn row_key(cluster: &str) -> Vec<u8> {
    [b"c", cluster.as_bytes(), b"\0"].concat()
}

/// A row's cluster and counts.
pub(crate) fn row<'a>(key: &'a [u8], value: &[u8]) -> EngineResult<(&'a str, Counts)> {
    let cluster = key.get(1..key.len().saturating_sub(1)).and_then(|name| std::str::from_utf8(name).ok());
    cluster.zip(decode(value)).ok_or_else(|| "a cluster's counts do not decode".into())
}

pub(crate) fn encode(counts: &Counts) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, counts.parent.as_deref().unwrap_or_default().as_bytes());
    for number in [counts.total, counts.below, counts.children] {
        put_u64(&mut out, number);
    }
    put_u32(&mut out, u32::try_from(counts.resources.len()).unwrap_or(u32::MAX));
    for (resource, count) in &counts.resources {
        put_bytes(&mut out, resource.as_bytes());
        put_u64(&mut out, *count);
    }
    out
}

fn decode(raw: &[u8]) -> Option<Counts> {
    let mut input = Reader::new(Bytes::copy_from_slice(raw));
    let parent = input.text()?;
    let mut counts = Counts { parent: (!parent.is_empty()).then(|| parent.into()), ..Counts::default() };
    counts.total = input.u64()?;
    counts.below = input.u64()?;
    counts.children = input.u64()?;
    for _ in 0..input.u32()? {
        counts.resources.push((input.text()?.into(), input.u64()?));
    }
    input.is_empty().then_some(counts)
}

impl Current {
    /// The counts of a cluster.
    pub(crate) fn tally(&self, view: &View, cluster: &str) -> EngineResult<Tally> {
        if cluster.len() > MAX_KEY {
            return Ok(Tally::default());
        }
        if let Some(counts) = self.counts_row(view, cluster)? {
            return Ok(Tally { counts, stored: true });
        }
        let born = self.birth(view, cluster)?;
        let counts = born.map(|born| self.explained(&born)).unwrap_or_default();
        Ok(Tally { counts, stored: false })
    }

    pub(super) fn counts_row(&self, view: &View, cluster: &str) -> EngineResult<Option<Counts>> {
        let raw = view.snapshot.get(&self.meta, row_key(cluster)).map_err(engine)?;
        raw.map(|raw| decode(&raw).ok_or_else(|| format!("the counts of {cluster:?} do not decode"))).transpose()
    }

    /// The counts of a cluster that holds what it was born with.
    pub(crate) fn explained(&self, born: &Born) -> Counts {
        let mut counts = Counts { parent: born.birth.parent.clone(), ..Counts::default() };
        for key in born.keys().chain([born.row.clone()]) {
            counts.add(key.resource(), EventKind::Added);
            counts.total += u64::from(self.is_counted(&key));
        }
        counts
    }

    /// Whether a cluster's birth explains the object at `key`: its row, or one it was born with.
    pub(super) fn is_explained(&self, view: &View, key: &Key) -> EngineResult<bool> {
        if !key.namespace().is_empty() && !self.templates.may_bear(key) {
            return Ok(false);
        }
        Ok(self.birth(view, key.cluster())?.is_some_and(|born| born.row == *key || born.bears(key)))
    }

    /// Whether totals have objects of the key's resource in them.
    pub(crate) fn is_counted(&self, key: &Key) -> bool {
        !self.uncounted.iter().any(|name| name == key.resource())
    }
}

/// The counts of one state.
pub(crate) struct TalliesOf<'a> {
    pub current: &'a Current,
    pub view: &'a View,
}

impl Source for TalliesOf<'_> {
    fn tally(&self, cluster: &str) -> Result<Arc<Tally>, String> {
        self.current.tally(self.view, cluster).map(Arc::new)
    }
}
