//! Server-side apply: a manager's wishes merged into an object.

use super::collect::{field_set, validate};
use super::compare::Comparison;
use super::conflict::{Conflict, Conflicts};
use super::entries::{Entries, Entry, Operation};
use super::merge::{merge, remove, with_named_fields};
use super::schema::Type;
use super::set::FieldSet;
use super::update::{BEFORE_FIRST_APPLY, InVersions, OWNERLESS, Request, Versions, compare, reconciled, take, update};
use super::value;
use crate::meta;
use crate::status::Status;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where clients that apply on their own keep what they applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager whose applies take over from client-side apply.
const KUBECTL: &str = "kubectl";

/// What an apply is about.
#[derive(Clone, Copy)]
pub struct Apply<'a> {
    /// The object as it stands, of the request's version and without entries; for one that is to be created, the empty
    /// object of its kind.
    pub live: &'a Value,
    /// An empty object of the kind.
    pub empty: &'a Value,
    /// What is applied.
    pub config: &'a Value,
    /// Take over what others own.
    pub force: bool,
}

/// Why an apply was refused.
#[derive(Debug)]
pub enum Refusal {
    /// The document is not what the schema allows; the text says where.
    Invalid(String),
    /// Others own fields that it would change.
    Conflict(Box<Status>),
    /// It was made for a version that is not served.
    Version,
}

/// What an apply comes to: the merged object, not yet defaulted, and the JSON text of its entries.
#[derive(Debug)]
pub struct Applied {
    /// The object without entries.
    pub object: Value,
    /// The entries.
    pub entries: Vec<u8>,
}

/// Applies a document.
///
/// # Errors
/// See [`Refusal`]. Nothing is applied then.
pub fn apply(
    wanted: Apply<'_>,
    entries: Entries<'_>,
    request: &Request<'_>,
    versions: &dyn Versions,
) -> Result<Applied, Refusal> {
    let of = versions.typed(request.api_version).ok_or(Refusal::Version)?;
    validate(wanted.config, of).map_err(Refusal::Invalid)?;
    let entries = if entries.is_empty() {
        let before = Request { manager: BEFORE_FIRST_APPLY, ..*request };
        update(wanted.empty, wanted.live, entries, &before, versions, true)
    } else {
        entries
    };
    let mut entries = reconciled(entries, versions);
    let mut applied = field_set(wanted.config, of);
    if let Some(reset) = versions.reset(request.api_version) {
        applied.subtract_deep(reset);
    }
    let mut own = request.entry(Operation::Apply, applied);
    let place = entries.0.iter().position(|entry| entry.identity() == own.identity());
    let last = place.map(|index| entries.0.swap_remove(index));
    let mut object = wanted.live.clone();
    merge(&mut object, wanted.config, of);
    if let Some(last) = &last {
        object = prune(object, last, &own, &entries, versions);
    }
    let same = value::equal(&object, wanted.live);
    let comparison = compare(wanted.live, &object, of, request, versions);
    settle(&wanted, &mut entries, &comparison, &object, request, versions, of)?;
    own.time = last.and_then(|last| last.time);
    own.fields.subtract(&OWNERLESS);
    if !same {
        own.time = request.time().or(own.time.take());
    }
    if !own.fields.is_empty() {
        entries.0.push(own);
    }
    let entries = entries.to_json();
    if request.manager == KUBECTL {
        keep_last_applied(&mut object, wanted.config);
    }
    Ok(Applied { object, entries })
}

/// Takes from the other managers what changed, or refuses to.
fn settle(
    wanted: &Apply<'_>,
    entries: &mut Entries<'_>,
    comparison: &Comparison<'_>,
    object: &Value,
    request: &Request<'_>,
    versions: &dyn Versions,
    of: Type<'_>,
) -> Result<(), Refusal> {
    let other_versions = InVersions::new(entries, wanted.live, object, request, versions);
    let compared = other_versions.compare(versions);
    let at = |version: &str| if version == request.api_version { Some(comparison) } else { compared.get(version) };
    if !wanted.force {
        let mut conflicts = Vec::new();
        for entry in &entries.0 {
            let Some(comparison) = at(&entry.api_version) else { continue };
            let mut fields = entry.fields.intersection(&comparison.modified);
            fields.unite(entry.fields.intersection(&comparison.added));
            if !fields.is_empty() {
                conflicts.push(Conflict { manager: Entry { fields: FieldSet::new(), ..entry.clone() }, fields });
            }
        }
        let mut conflicts = Conflicts::new(conflicts);
        if !conflicts.is_empty() && request.manager == KUBECTL {
            let last_applied = last_applied(wanted.live, request);
            if let Some(allowed) = last_applied.as_ref().and_then(|last| unchanged_since(last, wanted.live, of)) {
                conflicts.waive(&allowed);
            }
        }
        if !conflicts.is_empty() {
            return Err(Refusal::Conflict(Box::new(conflicts.status())));
        }
    }
    entries.0.retain_mut(|entry| {
        let Some(comparison) = at(&entry.api_version) else { return false };
        take(entry, comparison);
        !entry.fields.is_empty()
    });
    Ok(())
}

/// Removes from a merged object what the manager applied last time, does not apply any more, and nobody else owns.
fn prune(merged: Value, last: &Entry<'_>, own: &Entry<'_>, others: &Entries<'_>, versions: &dyn Versions) -> Value {
    let version = &*last.api_version;
    let same_version = last.api_version == own.api_version;
    let Some(of) = versions.typed(version) else { return merged };
    // Mostly nothing was dropped, and mostly that is seen without the fields on the way.
    let kept = || with_named_fields(&last.fields, of).is_subset(&with_named_fields(&own.fields, of));
    if same_version && (last.fields.is_subset(&own.fields) || kept()) {
        return merged;
    }
    let Some(pruned) = prune_at(&merged, last, own, others, versions) else { return merged };
    versions.convert(&pruned, &own.api_version).unwrap_or(merged)
}

/// What is left of a merged object, in the version in which the manager applied last.
fn prune_at(
    merged: &Value,
    last: &Entry<'_>,
    own: &Entry<'_>,
    others: &Entries<'_>,
    versions: &dyn Versions,
) -> Option<Value> {
    let version = &*last.api_version;
    let of = versions.typed(version)?;
    let merged = versions.convert(merged, version)?;
    let last = with_named_fields(&last.fields, of);
    let mut pruned = merged.clone();
    remove(&mut pruned, &last, of);
    // What somebody owns comes back, first in this version so that the object can be seen in the others.
    let mut owned: BTreeMap<(bool, &str), Vec<FieldSet<'_>>> = BTreeMap::new();
    for entry in others.0.iter().chain([own]) {
        let at = &*entry.api_version;
        owned.entry((at != version, at)).or_default().push(entry.fields.clone());
    }
    for ((_, at), sets) in owned {
        let Some(of) = versions.typed(at) else { continue };
        let (Some(mut whole), Some(part)) = (versions.convert(&merged, at), versions.convert(&pruned, at)) else {
            continue;
        };
        let owned = with_named_fields(&FieldSet::union_of(sets), of);
        let gone = {
            let before = whole.clone();
            let mut gone = with_named_fields(&field_set(&before, of), of);
            gone.subtract(&with_named_fields(&field_set(&part, of), of));
            gone.subtract(&owned);
            let mut text = Vec::new();
            gone.write(&mut text);
            text
        };
        // The set is read again because it borrows from what is about to change.
        let gone: FieldSet<'_> = serde_json::from_slice(&gone).ok()?;
        remove(&mut whole, &gone, of);
        pruned = whole;
    }
    let part = versions.convert(&pruned, version)?;
    // What goes has to have been the manager's own.
    let mut gone = with_named_fields(&field_set(&merged, of), of);
    gone.subtract(&with_named_fields(&field_set(&part, of), of));
    let gone = gone.intersection(&last);
    let mut left = merged.clone();
    remove(&mut left, &gone, of);
    Some(left)
}

/// The document that a client applied on its own, when it is of the request's version.
fn last_applied(live: &Value, request: &Request<'_>) -> Option<Value> {
    let text = meta::annotation(live, LAST_APPLIED)?;
    let document = crate::strict::decode(text.as_bytes()).ok()?;
    (meta::api_version(&document) == request.api_version).then_some(document)
}

/// The fields of a document that an object still has as they were.
fn unchanged_since<'a>(document: &'a Value, live: &'a Value, of: Type<'a>) -> Option<FieldSet<'a>> {
    validate(document, of).ok()?;
    let mut fields = field_set(document, of);
    let comparison = Comparison::of(document, live, of);
    for set in [&comparison.modified, &comparison.added, &comparison.removed] {
        fields.subtract(set);
    }
    Some(fields)
}

/// Tells clients that apply on their own what was applied here, where they left a note before.
fn keep_last_applied(object: &mut Value, config: &Value) {
    if meta::annotation(object, LAST_APPLIED).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = config.clone();
    if let Some(Value::Object(annotations)) = applied.get_mut("metadata").and_then(|meta| meta.get_mut("annotations")) {
        annotations.remove(LAST_APPLIED);
    }
    meta::set_annotation(object, LAST_APPLIED, &format!("{}\n", crate::text::json(&applied)));
    let size = |map: &Map<String, Value>| -> usize {
        map.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
    };
    if meta::annotations(object).is_some_and(|map| size(map) > meta::ANNOTATIONS_MAX)
        && let Some(Value::Object(map)) = object.get_mut("metadata").and_then(|meta| meta.get_mut("annotations"))
    {
        map.remove(LAST_APPLIED);
    }
}
