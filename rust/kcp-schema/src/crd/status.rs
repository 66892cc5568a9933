//! The status of a CRD: which names it got, and whether it is served.

use super::{Names, flag, list, text};
use kcp_apimachinery::text::quote;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Keeps a CRD until its instances are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(super) const APPROVAL: &str = "api-approved.kubernetes.io";

/// The name of the version marked as storage version.
pub(super) fn storage_version(crd: &Value) -> Option<&str> {
    list(crd.pointer("/spec/versions")).iter().find(|version| flag(version, "storage")).map(|v| text(v, "name"))
}

/// The status, with every key that is always printed.
pub(super) fn ensure(crd: &mut Value) -> &mut Map<String, Value> {
    if !crd.is_object() {
        *crd = json!({});
    }
    let status = &mut crd["status"];
    if !status.is_object() {
        *status = json!({});
    }
    for (key, empty) in [
        ("conditions", Value::Null),
        ("acceptedNames", json!({"plural": "", "kind": ""})),
        ("storedVersions", Value::Null),
    ] {
        if status.get(key).is_none_or(|value| value.is_null() && !empty.is_null()) {
            status[key] = empty;
        }
    }
    match status {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// Sets aside what a client may not set when it creates a CRD: the status begins empty, with the storage version stored.
pub fn prepare_for_create(crd: &mut Value) {
    if let Some(map) = crd.as_object_mut() {
        map.remove("status");
    }
    ensure(crd);
    store_storage_version(crd);
}

/// Sets aside what a client may not change through the main endpoint: the status stays, and a new storage version joins
/// the stored ones.
pub fn prepare_for_update(crd: &mut Value, old: &Value) {
    if let Some(map) = crd.as_object_mut() {
        match old.get("status") {
            Some(status) => map.insert("status".to_owned(), status.clone()),
            None => map.remove("status"),
        };
    }
    ensure(crd);
    store_storage_version(crd);
}

fn store_storage_version(crd: &mut Value) {
    let Some(storage) = storage_version(crd).map(str::to_owned) else { return };
    let stored = &mut ensure(crd)["storedVersions"];
    let mut versions = stored.as_array().cloned().unwrap_or_default();
    if !versions.iter().any(|version| version.as_str() == Some(&storage)) {
        versions.push(storage.into());
        *stored = versions.into();
    }
}

/// The condition of a type.
pub fn condition<'c>(crd: &'c Value, ty: &str) -> Option<&'c Value> {
    list(crd.pointer("/status/conditions")).iter().find(|condition| text(condition, "type") == ty)
}

/// Whether the condition of a type is true.
pub fn is_condition_true(crd: &Value, ty: &str) -> bool {
    condition(crd, ty).is_some_and(|condition| text(condition, "status") == "True")
}

/// Sets a condition; its transition time moves only with its status.
pub fn set_condition(crd: &mut Value, ty: &str, status: &str, reason: &str, message: &str, now: &str) {
    let conditions = &mut ensure(crd)["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return };
    let fresh = json!({
        "type": ty, "status": status, "lastTransitionTime": now, "reason": reason, "message": message,
    });
    match conditions.iter_mut().find(|condition| text(condition, "type") == ty) {
        None => conditions.push(fresh),
        Some(found) => {
            let same = text(found, "status") == status && !text(found, "lastTransitionTime").is_empty();
            let since = if same { found["lastTransitionTime"].clone() } else { now.into() };
            *found = fresh;
            found["lastTransitionTime"] = since;
        }
    }
}

/// The names a CRD asks for, as strings: plural, singular, short names; kind and list kind.
pub fn names_of(crd: &Value) -> (Vec<&str>, [&str; 2]) {
    let names = crd.pointer("/spec/names").unwrap_or(&Value::Null);
    let mut resources = vec![text(names, "plural"), text(names, "singular")];
    resources.extend(list(names.get("shortNames")).iter().filter_map(Value::as_str));
    (resources, [text(names, "kind"), text(names, "listKind")])
}

/// Names taken by the other CRDs of a group.
#[derive(Debug, Default)]
pub struct Taken<'o> {
    resources: HashSet<&'o str>,
    kinds: HashSet<&'o str>,
}

impl<'o> Taken<'o> {
    /// Adds the names that one of them was given.
    pub fn add(&mut self, accepted: &'o Names) {
        self.resources.extend([&*accepted.plural, &*accepted.singular]);
        self.resources.extend(accepted.short_names.iter().map(|name| &**name));
        self.kinds.extend([&*accepted.kind, &*accepted.list_kind]);
    }
}

/// Decides which names a CRD gets and whether it is served, in the step that creates or changes it: with no conflict it is
/// established at once. `others` may hold any CRDs of the cluster, itself included; only those of its group count.
pub fn decide_status<'o>(crd: &mut Value, others: impl Iterator<Item = &'o Value>, now: &str) {
    let group = crd.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut taken = Taken::default();
    for other in others {
        let other_group = other.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default();
        let name = other.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if other_group != group || name == own {
            continue;
        }
        let Some(names) = other.pointer("/status/acceptedNames") else { continue };
        taken.resources.extend([text(names, "plural"), text(names, "singular")]);
        taken.resources.extend(list(names.get("shortNames")).iter().filter_map(Value::as_str));
        taken.kinds.extend([text(names, "kind"), text(names, "listKind")]);
    }
    decide_among(crd, &taken, now);
}

/// As [`decide_status`], where the names that the others have are at hand.
pub fn decide_among(crd: &mut Value, taken: &Taken<'_>, now: &str) {
    ensure(crd);
    let group = crd.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default().to_owned();
    let conflict = accept_names(crd, taken);
    match conflict {
        None => {
            set_condition(crd, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
            if !is_condition_true(crd, "Established") {
                let message = "the initial names have been accepted";
                set_condition(crd, "Established", "True", "InitialNamesAccepted", message, now);
            }
        }
        Some((reason, message)) => {
            set_condition(crd, "NamesAccepted", "False", reason, &message, now);
            if condition(crd, "Established").is_none() {
                let message = "not all names are accepted";
                set_condition(crd, "Established", "False", "NotAccepted", message, now);
            }
        }
    }
    decide_approval(crd, &group, now);
}

/// Moves what is free from the wanted to the accepted names. Several conflicts: the last one is reported.
fn accept_names(crd: &mut Value, taken: &Taken<'_>) -> Option<(&'static str, String)> {
    let wanted = crd.pointer("/spec/names").cloned().unwrap_or(Value::Null);
    let before = crd["status"]["acceptedNames"].clone();
    let mut accepted = before.clone();
    let mut conflict = None;
    let mut single = |accepted: &mut Value, key: &str, used: &HashSet<&str>, reason: &'static str| {
        let name = text(&wanted, key);
        if name != text(&before, key) && used.contains(name) {
            conflict = Some((reason, format!("{} is already in use", quote(name))));
        } else {
            accepted[key] = name.into();
        }
    };
    single(&mut accepted, "plural", &taken.resources, "PluralConflict");
    single(&mut accepted, "singular", &taken.resources, "SingularConflict");

    let ours: HashSet<&str> = list(before.get("shortNames")).iter().filter_map(Value::as_str).collect();
    let mut in_use: Vec<String> = Vec::new();
    for name in list(wanted.get("shortNames")).iter().filter_map(Value::as_str) {
        let message = format!("{} is already in use", quote(name));
        if !ours.contains(name) && taken.resources.contains(name) && !in_use.contains(&message) {
            in_use.push(message);
        }
    }
    let short_conflict = match in_use.len() {
        0 => {
            copy_or_remove(&mut accepted, &wanted, "shortNames");
            None
        }
        1 => in_use.pop(),
        _ => Some(format!("[{}]", in_use.join(", "))),
    };

    let mut kinds = None;
    let mut single_kind = |accepted: &mut Value, key: &str, reason: &'static str| {
        let name = text(&wanted, key);
        if name != text(&before, key) && taken.kinds.contains(name) {
            kinds = Some((reason, format!("{} is already in use", quote(name))));
        } else {
            accepted[key] = name.into();
        }
    };
    single_kind(&mut accepted, "kind", "KindConflict");
    single_kind(&mut accepted, "listKind", "ListKindConflict");
    copy_or_remove(&mut accepted, &wanted, "categories");
    crd["status"]["acceptedNames"] = accepted;
    kinds.or_else(|| short_conflict.map(|message| ("ShortNamesConflict", message))).or(conflict)
}

fn copy_or_remove(accepted: &mut Value, wanted: &Value, key: &str) {
    match wanted.get(key) {
        Some(value) if !list(Some(value)).is_empty() => accepted[key] = value.clone(),
        _ => {
            if let Some(map) = accepted.as_object_mut() {
                map.remove(key);
            }
        }
    }
}

/// What the approval annotation of a protected group says.
pub(super) enum Approval {
    Missing(String),
    Invalid(String),
    Bypassed(String),
    Approved(String),
}

/// Whether CRDs of a group need an approval annotation.
pub(super) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group.strip_suffix(domain).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.')))
}

pub(super) fn approval(crd: &Value) -> Approval {
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let value = crd.pointer("/metadata/annotations").map(|annotations| text(annotations, APPROVAL)).unwrap_or_default();
    let is_url = || {
        value.split_once("://").is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                && !rest.starts_with(['/', '?'])
                && !rest.is_empty()
                && !value.chars().any(|c| c.is_control() || c == ' ')
        })
    };
    if value.is_empty() {
        Approval::Missing(format!("protected groups must have approval annotation {}, {see}", quote(APPROVAL)))
    } else if value.starts_with("unapproved") {
        Approval::Bypassed(format!("not approved: {}", quote(value)))
    } else if is_url() {
        Approval::Approved(format!("approved in {value}"))
    } else {
        Approval::Invalid(format!(
            "protected groups must have approval annotation {} with either a URL or a reason starting with \
             \"unapproved\", {see}",
            quote(APPROVAL)
        ))
    }
}

fn decide_approval(crd: &mut Value, group: &str, now: &str) {
    if !is_protected(group) {
        return;
    }
    let (status, reason, message) = match approval(crd) {
        Approval::Missing(message) => ("False", "MissingAnnotation", message),
        Approval::Invalid(message) => ("False", "InvalidAnnotation", message),
        Approval::Bypassed(message) => ("False", "UnapprovedAnnotation", message),
        Approval::Approved(message) => ("True", "ApprovedAnnotation", message),
    };
    set_condition(crd, "KubernetesAPIApprovalPolicyConformant", status, reason, &message, now);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T03:04:05Z";

    fn crd(name: &str, plural: &str, kind: &str, short: &[&str]) -> Value {
        let mut crd = json!({
            "metadata": {"name": name},
            "spec": {
                "group": "example.com",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind,
                          "listKind": format!("{kind}List"), "shortNames": short},
                "versions": [{"name": "v1", "served": true, "storage": true}],
            },
        });
        prepare_for_create(&mut crd);
        crd
    }

    #[test]
    fn a_crd_without_rivals_is_established_at_once() {
        let mut crd = crd("cowboys.example.com", "cowboys", "Cowboy", &["cb"]);
        decide_status(&mut crd, [].into_iter(), NOW);
        assert!(is_condition_true(&crd, "NamesAccepted"));
        assert!(is_condition_true(&crd, "Established"));
        assert_eq!(crd["status"]["acceptedNames"]["shortNames"], json!(["cb"]));
        assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    }

    #[test]
    fn a_taken_kind_keeps_a_crd_from_being_served_until_it_is_free() {
        let mut first = crd("cowboys.example.com", "cowboys", "Cowboy", &[]);
        decide_status(&mut first, [].into_iter(), NOW);
        let mut second = crd("riders.example.com", "riders", "Cowboy", &[]);
        second["spec"]["names"]["singular"] = "rider".into();
        second["spec"]["names"]["listKind"] = "RiderList".into();
        decide_status(&mut second, [&first].into_iter(), NOW);
        assert!(!is_condition_true(&second, "Established"));
        let names = condition(&second, "NamesAccepted").unwrap();
        assert_eq!(names["reason"], "KindConflict");
        assert_eq!(names["message"], "\"Cowboy\" is already in use");
        assert_eq!(condition(&second, "Established").unwrap()["reason"], "NotAccepted");
        assert_eq!(second["status"]["acceptedNames"]["plural"], "riders");
        decide_status(&mut second, [].into_iter(), NOW);
        assert!(is_condition_true(&second, "Established"));
    }

    #[test]
    fn an_established_crd_stays_established_when_it_asks_for_a_taken_short_name() {
        let mut first = crd("cowboys.example.com", "cowboys", "Cowboy", &["cb"]);
        decide_status(&mut first, [].into_iter(), NOW);
        let mut second = crd("bulls.example.com", "bulls", "Bull", &[]);
        decide_status(&mut second, [&first].into_iter(), NOW);
        second["spec"]["names"]["shortNames"] = json!(["cb"]);
        decide_status(&mut second, [&first].into_iter(), NOW);
        assert!(is_condition_true(&second, "Established"));
        assert_eq!(condition(&second, "NamesAccepted").unwrap()["reason"], "ShortNamesConflict");
        assert!(second["status"]["acceptedNames"].get("shortNames").is_none());
    }

    #[test]
    fn deciding_again_changes_nothing_not_even_a_time() {
        let mut crd = crd("cowboys.example.com", "cowboys", "Cowboy", &["cb"]);
        decide_status(&mut crd, [].into_iter(), NOW);
        let before = crd.clone();
        decide_status(&mut crd, [].into_iter(), "2027-01-01T00:00:00Z");
        assert_eq!(crd, before);
    }

    #[test]
    fn names_of_another_group_never_conflict() {
        let mut first = crd("cowboys.example.com", "cowboys", "Cowboy", &[]);
        decide_status(&mut first, [].into_iter(), NOW);
        let mut second = crd("cowboys.example.org", "cowboys", "Cowboy", &[]);
        second["spec"]["group"] = "example.org".into();
        decide_status(&mut second, [&first].into_iter(), NOW);
        assert!(is_condition_true(&second, "Established"));
    }
}
