//! How many objects stand in a logical cluster and in the subtree below it, kept with every write.
//!
//! A birth says which cluster the new one stands directly below ([`crate::Birth::parent`]). The edge lasts as long as
//! the cluster, or one below it, holds an object. Totals leave out the resources that the store was opened with as
//! uncounted; the counts by resource have all of them.

use crate::check::Step;
use crate::{Batch, CommitError, EventKind};
use std::collections::HashMap;
use std::sync::Arc;

/// The objects of one logical cluster, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The cluster it stands directly below.
    pub parent: Option<Arc<str>>,
    /// Live objects by resource, as in [`crate::Key::resource`]; sorted, and no resource without an object.
    pub resources: Vec<(Arc<str>, u64)>,
    /// Live objects of the cluster, without those of uncounted resources.
    pub total: u64,
    /// The same for all clusters below it.
    pub below: u64,
    /// Clusters that stand directly below it.
    pub children: u64,
}

impl Counts {
    /// Live objects of a resource.
    pub fn of(&self, resource: &str) -> u64 {
        self.place(resource).map_or(0, |at| self.resources[at].1)
    }

    /// Live objects of the cluster and of all below it, without those of uncounted resources.
    pub const fn subtree(&self) -> u64 {
        self.total + self.below
    }

    fn place(&self, resource: &str) -> Result<usize, usize> {
        self.resources.binary_search_by(|(name, _)| name.as_ref().cmp(resource))
    }

    /// Whether nothing is known of the cluster: it may be forgotten.
    pub(crate) const fn is_empty(&self) -> bool {
        self.parent.is_none() && self.resources.is_empty() && self.below == 0 && self.children == 0
    }

    /// Counts one object more or less.
    pub(crate) fn add(&mut self, resource: &str, kind: EventKind) {
        match (self.place(resource), kind) {
            (Ok(at), EventKind::Added) => self.resources[at].1 += 1,
            (Err(at), EventKind::Added) => self.resources.insert(at, (resource.into(), 1)),
            (Ok(at), EventKind::Deleted) if self.resources[at].1 > 1 => self.resources[at].1 -= 1,
            (Ok(at), EventKind::Deleted) => {
                self.resources.remove(at);
            }
            (Err(_), EventKind::Deleted) | (_, EventKind::Modified) => {}
        }
    }
}

/// Whose objects a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitScope {
    /// The cluster's own.
    Own,
    /// The cluster's and those of all clusters below it.
    Subtree,
}

/// How many objects there may be when a batch is done.
///
/// A batch that leaves no more of them than it found passes whatever the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The logical cluster.
    pub cluster: String,
    /// Which objects are counted; those of uncounted resources never are.
    pub scope: LimitScope,
    /// The most there may be.
    pub max: u64,
}

impl Limit {
    fn of(&self, counts: &Counts) -> u64 {
        match self.scope {
            LimitScope::Own => counts.total,
            LimitScope::Subtree => counts.subtree(),
        }
    }
}

/// Refuses a batch that adds to what is above a limit. `before` and `after` are counts in the order of the limits.
pub(crate) fn check_limits(limits: &[Limit], before: &[u64], after: &[u64]) -> Result<(), CommitError> {
    for (which, ((limit, before), after)) in limits.iter().zip(before).zip(after).enumerate() {
        if after > before && *after > limit.max {
            return Err(CommitError::Limit { which, count: *before, max: limit.max });
        }
    }
    Ok(())
}

/// Counts as an engine has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub counts: Counts,
    /// Whether a row of their own says so.
    pub stored: bool,
}

/// Where a ledger begins.
pub(crate) trait Source {
    /// The counts of a cluster before the ledger's changes.
    fn tally(&self, cluster: &str) -> Result<Arc<Tally>, String>;
}

/// The counts that a group of commits changes, in memory until the group is applied.
#[derive(Debug)]
pub(crate) struct Ledger {
    changed: HashMap<Arc<str>, Tally>,
    /// What the batch being entered changed first: for each cluster what stood in `changed`.
    undo: Vec<(Arc<str>, Option<Tally>)>,
    uncounted: Arc<[String]>,
}

impl Ledger {
    pub(crate) fn new(uncounted: Arc<[String]>) -> Self {
        Self { changed: HashMap::new(), undo: Vec::new(), uncounted }
    }

    /// The clusters whose counts changed.
    pub(crate) fn into_changed(self) -> HashMap<Arc<str>, Tally> {
        self.changed
    }

    /// Enters a batch's changes, or nothing when one of its limits is passed or a cluster is not empty afterwards.
    pub(crate) fn enter(&mut self, source: &dyn Source, batch: &Batch, steps: &[Step]) -> Result<(), CommitError> {
        self.undo.clear();
        let result = self.try_enter(source, batch, steps);
        if result.is_err() {
            for (cluster, earlier) in self.undo.drain(..).rev() {
                match earlier {
                    Some(earlier) => self.changed.insert(cluster, earlier),
                    None => self.changed.remove(&cluster),
                };
            }
        }
        result
    }

    fn try_enter(&mut self, source: &dyn Source, batch: &Batch, steps: &[Step]) -> Result<(), CommitError> {
        let limits = &batch.limits;
        let before = self.counted(source, limits).map_err(CommitError::Unavailable)?;
        for step in steps {
            self.step(source, step).map_err(CommitError::Unavailable)?;
        }
        let after = self.counted(source, limits).map_err(CommitError::Unavailable)?;
        check_limits(limits, &before, &after)?;
        for cluster in &batch.emptied {
            let empty = self.read(source, cluster, |counts| counts.resources.is_empty());
            if !empty.map_err(CommitError::Unavailable)? {
                return Err(CommitError::Occupied { cluster: cluster.clone() });
            }
        }
        Ok(())
    }

    fn counted(&self, source: &dyn Source, limits: &[Limit]) -> Result<Vec<u64>, String> {
        limits.iter().map(|limit| self.read(source, &limit.cluster, |counts| limit.of(counts))).collect()
    }

    /// Enters the changes of one operation, which are all in one cluster.
    pub(crate) fn step(&mut self, source: &dyn Source, step: &Step) -> Result<(), String> {
        let kind = step.event.kind;
        if kind == EventKind::Modified {
            return Ok(());
        }
        let cluster = self.open(source, step.event.key.cluster())?;
        if let Some((birth, _)) = &step.born {
            self.place(source, &cluster, birth.parent.as_deref())?;
        }
        let uncounted = self.uncounted.clone();
        let counts = self.at(&cluster);
        let mut counted = 0;
        for event in step.events() {
            let resource = event.key.resource();
            counts.add(resource, event.kind);
            if !uncounted.iter().any(|name| name == resource) {
                counted += 1;
            }
        }
        counts.total = moved(counts.total, kind, counted);
        let parent = counts.parent.clone();
        self.below(source, parent, kind, counted)?;
        self.forget(source, cluster)
    }

    /// Puts a cluster, and all below it, under another parent.
    fn place(&mut self, source: &dyn Source, cluster: &Arc<str>, parent: Option<&str>) -> Result<(), String> {
        let counts = self.at(cluster);
        if counts.parent.as_deref() == parent {
            return Ok(());
        }
        let (older, subtree) = (counts.parent.take(), counts.subtree());
        if let Some(older) = older {
            let older = self.open(source, &older)?;
            self.at(&older).children -= 1;
            self.below(source, Some(older.clone()), EventKind::Deleted, subtree)?;
            self.forget(source, older)?;
        }
        let Some(parent) = parent else { return Ok(()) };
        self.check_above(source, cluster, parent)?;
        let parent = self.open(source, parent)?;
        self.at(cluster).parent = Some(parent.clone());
        self.at(&parent).children += 1;
        self.below(source, Some(parent), EventKind::Added, subtree)
    }

    /// A cluster stands below others, never below itself.
    fn check_above(&self, source: &dyn Source, cluster: &str, parent: &str) -> Result<(), String> {
        let mut above: Option<Arc<str>> = Some(parent.into());
        while let Some(next) = above {
            if next.as_ref() == cluster {
                return Err(format!("logical cluster {cluster:?} cannot stand below itself"));
            }
            above = self.read(source, &next, |counts| counts.parent.clone())?;
        }
        Ok(())
    }

    /// Adds to, or takes from, what stands below `next` and all above it.
    fn below(
        &mut self,
        source: &dyn Source,
        mut next: Option<Arc<str>>,
        kind: EventKind,
        by: u64,
    ) -> Result<(), String> {
        while let Some(cluster) = next.filter(|_| by > 0) {
            let cluster = self.open(source, &cluster)?;
            let counts = self.at(&cluster);
            counts.below = moved(counts.below, kind, by);
            next = counts.parent.clone();
        }
        Ok(())
    }

    /// A cluster without objects and without clusters below it has no place any more.
    fn forget(&mut self, source: &dyn Source, mut cluster: Arc<str>) -> Result<(), String> {
        loop {
            let counts = self.at(&cluster);
            if !counts.resources.is_empty() || counts.children > 0 {
                return Ok(());
            }
            let Some(parent) = counts.parent.take() else { return Ok(()) };
            cluster = self.open(source, &parent)?;
            self.at(&cluster).children -= 1;
        }
    }

    /// What the counts of a cluster say so far.
    pub(crate) fn read<T>(
        &self,
        source: &dyn Source,
        cluster: &str,
        what: impl FnOnce(&Counts) -> T,
    ) -> Result<T, String> {
        match self.changed.get(cluster) {
            Some(tally) => Ok(what(&tally.counts)),
            None => source.tally(cluster).map(|tally| what(&tally.counts)),
        }
    }

    /// Makes a cluster's counts ready to be changed by [`Ledger::at`].
    fn open(&mut self, source: &dyn Source, cluster: &str) -> Result<Arc<str>, String> {
        let known = self.changed.get_key_value(cluster).map(|(name, tally)| (name.clone(), tally));
        if let Some((name, tally)) = known {
            if !self.undo.iter().any(|(undo, _)| *undo == name) {
                self.undo.push((name.clone(), Some(tally.clone())));
            }
            return Ok(name);
        }
        let name: Arc<str> = cluster.into();
        let tally = source.tally(cluster)?;
        self.undo.push((name.clone(), None));
        self.changed.insert(name.clone(), Arc::unwrap_or_clone(tally));
        Ok(name)
    }

    fn at(&mut self, cluster: &Arc<str>) -> &mut Counts {
        &mut self.changed.entry(cluster.clone()).or_default().counts
    }
}

/// A count with `by` objects added or deleted.
pub(crate) fn moved(count: u64, kind: EventKind, by: u64) -> u64 {
    match kind {
        EventKind::Added => count + by,
        EventKind::Deleted => count.saturating_sub(by),
        EventKind::Modified => count,
    }
}
