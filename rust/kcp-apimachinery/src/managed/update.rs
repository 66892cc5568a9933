//! Who owns what after a write that is not an apply.

use super::compare::Comparison;
use super::entries::{Entries, Entry, Operation};
use super::merge::reconcile;
use super::schema::Type;
use super::set::FieldSet;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Most entries of writes that an object keeps one by one.
pub const MAX_UPDATERS: usize = 10;

/// The manager that the oldest entries are merged into.
pub const ANCIENT: &str = "ancient-changes";

/// The manager of whatever was there when an object was first applied to.
pub const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes, through which door, and when.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Name of the manager; empty for one that gave none.
    pub manager: &'r str,
    /// Version of the request.
    pub api_version: &'r str,
    /// Subresource that is written through; empty for none.
    pub subresource: &'r str,
    /// RFC 3339 in UTC, to the second; empty for writes that leave no time.
    pub now: &'r str,
}

impl<'r> Request<'r> {
    pub(super) fn time(&self) -> Option<Cow<'r, str>> {
        (!self.now.is_empty()).then_some(Cow::Borrowed(self.now))
    }

    pub(super) fn entry(&self, operation: Operation, fields: FieldSet<'r>) -> Entry<'r> {
        Entry {
            manager: Cow::Borrowed(if self.manager.is_empty() { "unknown" } else { self.manager }),
            operation,
            api_version: Cow::Borrowed(self.api_version),
            subresource: Cow::Borrowed(self.subresource),
            time: None,
            fields,
        }
    }
}

/// The versions that an object can be seen in.
pub trait Versions {
    /// What objects of a version are; `None` for versions that are not served (any more).
    fn typed(&self, api_version: &str) -> Option<Type<'_>>;

    /// An object as a version shows it; `None` when it cannot.
    fn convert(&self, object: &Value, api_version: &str) -> Option<Value>;

    /// Fields that the request cannot change, so that it does not come to own them, by version.
    fn reset(&self, api_version: &str) -> Option<&FieldSet<'static>>;
}

/// Fields that nobody owns.
pub(super) static OWNERLESS: LazyLock<FieldSet<'static>> = LazyLock::new(|| {
    FieldSet::of(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// The entries after a write that turned `old` into `new`, both of the request's version and without entries of their
/// own. What changed belongs to the request's manager alone.
///
/// An object without entries stays without, unless it is `new`ly created.
pub fn update<'a>(
    old: &'a Value,
    new: &'a Value,
    entries: Entries<'a>,
    request: &Request<'a>,
    versions: &'a dyn Versions,
    created: bool,
) -> Entries<'a> {
    if entries.is_empty() && !created {
        return entries;
    }
    let Some(of) = versions.typed(request.api_version) else { return entries };
    let comparison = compare(old, new, of, request, versions);
    let stays = |entry: &Entry<'_>| entry.api_version == request.api_version;
    if comparison.is_same() && entries.0.iter().all(stays) {
        return capped(entries);
    }
    let mut entries = reconciled(entries, versions);
    take_from_others(&mut entries, &comparison, old, new, request, versions);
    let Comparison { modified, added, .. } = comparison;
    let mut own = modified;
    own.unite(added);
    if let Some(reset) = versions.reset(request.api_version) {
        own.subtract_deep(reset);
    }
    own.subtract(&OWNERLESS);
    if !own.is_empty() {
        let mut entry = request.entry(Operation::Update, own);
        entry.time = request.time();
        match entries.0.iter_mut().find(|known| known.identity() == entry.identity()) {
            Some(known) => {
                known.fields.unite(entry.fields);
                known.time = entry.time.or(known.time.take());
            }
            None => entries.0.push(entry),
        }
    }
    capped(entries)
}

pub(super) fn compare<'a>(
    old: &'a Value,
    new: &'a Value,
    of: Type<'a>,
    request: &Request<'_>,
    versions: &dyn Versions,
) -> Comparison<'a> {
    let mut comparison = Comparison::of(old, new, of);
    if let Some(reset) = versions.reset(request.api_version) {
        comparison.exclude(reset);
    }
    comparison
}

/// Drops entries of versions that are not served, and brings the others up to today's schema.
pub(super) fn reconciled<'a>(entries: Entries<'a>, versions: &dyn Versions) -> Entries<'a> {
    let current = entries.0.into_iter().filter_map(|mut entry| {
        let of = versions.typed(&entry.api_version)?;
        entry.fields = reconcile(entry.fields, of);
        Some(entry)
    });
    Entries(current.collect())
}

/// Comparisons of the same two objects in other versions than the request's.
pub(super) struct InVersions {
    /// Version, old and new object.
    pairs: Vec<(String, Value, Value)>,
}

impl InVersions {
    pub(super) fn new(
        entries: &Entries<'_>,
        old: &Value,
        new: &Value,
        request: &Request<'_>,
        versions: &dyn Versions,
    ) -> Self {
        let mut pairs: Vec<(String, Value, Value)> = Vec::new();
        for entry in &entries.0 {
            let version = &*entry.api_version;
            if version == request.api_version || pairs.iter().any(|(known, ..)| known == version) {
                continue;
            }
            if let (Some(old), Some(new)) = (versions.convert(old, version), versions.convert(new, version)) {
                pairs.push((version.to_owned(), old, new));
            }
        }
        Self { pairs }
    }

    pub(super) fn compare<'v>(&'v self, versions: &'v dyn Versions) -> HashMap<&'v str, Comparison<'v>> {
        let compared = self.pairs.iter().filter_map(|(version, old, new)| {
            let mut comparison = Comparison::of(old, new, versions.typed(version)?);
            if let Some(reset) = versions.reset(version) {
                comparison.exclude(reset);
            }
            Some((&**version, comparison))
        });
        compared.collect()
    }
}

fn take_from_others(
    entries: &mut Entries<'_>,
    comparison: &Comparison<'_>,
    old: &Value,
    new: &Value,
    request: &Request<'_>,
    versions: &dyn Versions,
) {
    let other_versions = InVersions::new(entries, old, new, request, versions);
    let compared = other_versions.compare(versions);
    entries.0.retain_mut(|entry| {
        let at = |version: &str| if version == request.api_version { Some(comparison) } else { compared.get(version) };
        let Some(comparison) = at(&entry.api_version) else { return false };
        take(entry, comparison);
        !entry.fields.is_empty()
    });
}

/// Takes from an entry what changed.
pub(super) fn take(entry: &mut Entry<'_>, comparison: &Comparison<'_>) {
    for set in [&comparison.modified, &comparison.added, &comparison.removed] {
        entry.fields.subtract(set);
    }
}

/// Merges the oldest writers into one for each version, until there are no more than [`MAX_UPDATERS`].
fn capped(mut entries: Entries<'_>) -> Entries<'_> {
    let mut oldest: Vec<usize> =
        (0..entries.0.len()).filter(|index| entries.0[*index].operation == Operation::Update).collect();
    let mut count = oldest.len();
    if count <= MAX_UPDATERS {
        return entries;
    }
    oldest.sort_by_cached_key(|index| {
        let entry = &entries.0[*index];
        (entry.time.as_deref().unwrap_or("1970-01-01T00:00:00Z").to_owned(), entry.identifier())
    });
    // By version: the entry that others are merged into, and what is merged.
    let mut buckets: HashMap<String, (usize, Vec<FieldSet<'_>>)> = HashMap::new();
    for index in oldest {
        if count <= MAX_UPDATERS {
            break;
        }
        let version = entries.0[index].api_version.to_string();
        let Some((bucket, merged)) = buckets.get_mut(&version) else {
            buckets.insert(version, (index, Vec::new()));
            continue;
        };
        merged.push(std::mem::take(&mut entries.0[index].fields));
        let time = entries.0[index].time.take();
        entries.0[*bucket].time = time;
        count -= 1;
    }
    for (version, (bucket, mut merged)) in buckets {
        if merged.is_empty() {
            continue;
        }
        let entry = &mut entries.0[bucket];
        merged.push(std::mem::take(&mut entry.fields));
        entry.fields = FieldSet::union_of(merged);
        entry.manager = Cow::Borrowed(ANCIENT);
        entry.subresource = Cow::Borrowed("");
        // A bucket of before that is younger than what was merged now joins it.
        let same = |(index, other): (usize, &Entry<'_>)| {
            let known = other.manager == ANCIENT && other.subresource.is_empty() && other.api_version == version;
            (known && index != bucket && other.operation == Operation::Update).then_some(index)
        };
        if let Some(other) = entries.0.iter().enumerate().find_map(same) {
            let (fields, time) = (std::mem::take(&mut entries.0[other].fields), entries.0[other].time.take());
            entries.0[bucket].fields.unite(fields);
            entries.0[bucket].time = time;
        }
    }
    entries.0.retain(|entry| !entry.fields.is_empty());
    entries
}
