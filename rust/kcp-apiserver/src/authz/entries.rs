//! Which logical clusters somebody may enter, found by who bindings name and never by looking through all of them.
//!
//! A binding carries an index term for each of its subjects. A logical cluster that somebody created carries one on its
//! row: what a cluster is born with, its creator's binding too, is derived and has no terms of its own.

use super::generations::{CLUSTER_ROLE_BINDINGS, LOGICAL_CLUSTERS};
use super::{ADMIN, Authorization, MASTERS};
use crate::exchange::UserInfo;
use bytes::Bytes;
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, IndexEntry, Key};
use serde_json::Value;
use std::collections::BTreeSet;

/// Longer names have no terms; none can be a user's who shows a credential in a header.
const LONGEST: usize = 4096;
/// Index entries that are read at a time.
const PAGE: usize = 256;
/// What carries terms of those who may enter.
const INDEXED: [&str; 2] = [CLUSTER_ROLE_BINDINGS, LOGICAL_CLUSTERS];
/// What the terms of subjects begin with.
pub const SUBJECT: &str = "subject/";
/// Sorts behind every name of an object.
const END: &str = "\u{10ffff}";

/// The index terms of a binding's subjects; none for what is no binding.
pub fn subject_terms(object: &Value) -> Vec<Bytes> {
    let subjects = object.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let own = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let mut terms: Vec<Bytes> = subjects
        .filter_map(|subject| {
            let field = |name: &str| subject.get(name).and_then(Value::as_str).unwrap_or_default();
            match (field("kind"), field("name")) {
                (_, name) if name.len() > LONGEST => None,
                ("ServiceAccount", name) => {
                    let namespace = if field("namespace").is_empty() { own } else { field("namespace") };
                    Some(term("User", &format!("system:serviceaccount:{namespace}:{name}")))
                }
                (kind @ ("User" | "Group"), name) => Some(term(kind, name)),
                _ => None,
            }
        })
        .collect();
    terms.sort();
    terms.dedup();
    terms
}

fn term(kind: &str, name: &str) -> Bytes {
    Bytes::from(format!("{SUBJECT}{kind}/{name}"))
}

/// The logical clusters that somebody may enter, in the order of their names, some at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Whether every logical cluster is open to him: then none is named.
    pub everywhere: bool,
    /// Their names.
    pub clusters: Vec<String>,
    /// Where the next ones begin; `None` behind the last.
    pub after: Option<String>,
}

/// Logical clusters that an index term of somebody leads to, in the order of their names, each once: whether he may enter
/// is another question.
pub struct Candidates {
    cursors: Vec<Cursor>,
    last: String,
}

/// Where a term's keys of one resource are being read.
struct Cursor {
    term: Bytes,
    resource: &'static str,
    read: std::collections::VecDeque<String>,
    done: bool,
}

impl Authorization {
    /// The logical clusters after `after` that `user` may enter, at most `limit` (at least one).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn entries(&self, user: &UserInfo, after: &str, limit: usize) -> Result<Entries, Status> {
        if user.is_in(MASTERS) || user.is_in(ADMIN) {
            return Ok(Entries { everywhere: true, ..Entries::default() });
        }
        let mut candidates = Candidates::of(user, after);
        let mut entries = Entries::default();
        while let Some(cluster) = candidates.next(&*self.store).await? {
            if self.enters(&cluster, user).await? {
                if entries.clusters.len() == limit.max(1) {
                    entries.after = entries.clusters.last().cloned();
                    return Ok(entries);
                }
                entries.clusters.push(cluster);
            }
        }
        Ok(entries)
    }
}

/// The index terms that lead to the logical clusters somebody may enter.
pub fn terms_of(user: &UserInfo) -> BTreeSet<Bytes> {
    let groups = user.groups.iter().map(|group| term("Group", group));
    groups.chain([term("User", &user.name)]).collect()
}

/// Whether an index term of `user` leads to `cluster`.
///
/// # Errors
/// When the store cannot be read.
pub async fn is_candidate(store: &dyn Backend, user: &UserInfo, cluster: &str) -> Result<bool, Status> {
    for term in terms_of(user) {
        for resource in INDEXED {
            let after = IndexEntry { term: term.clone(), key: Key::new(resource, cluster, "", "") };
            let found = store.index(&term, Some(&after), 1).await;
            let found = found.map_err(|error| crate::verbs::storage_error(&error))?;
            let leads = |entry: &IndexEntry| {
                entry.term == term && entry.key.resource() == resource && entry.key.cluster() == cluster
            };
            if found.first().is_some_and(leads) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl Candidates {
    /// Those of `user` behind `after`, a name or nothing.
    pub fn of(user: &UserInfo, after: &str) -> Self {
        let cursors = terms_of(user).into_iter().flat_map(|term| {
            INDEXED.map(|resource| Cursor { term: term.clone(), resource, read: [].into(), done: false })
        });
        Self { cursors: cursors.collect(), last: after.to_owned() }
    }

    /// The next one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self, store: &dyn Backend) -> Result<Option<String>, Status> {
        // The cursors advance together, so that a cluster that several terms lead to is seen once.
        for cursor in &mut self.cursors {
            cursor.advance(store, &self.last).await?;
        }
        let next = self.cursors.iter().filter_map(|cursor| cursor.read.front()).min().cloned();
        if let Some(cluster) = &next {
            self.last.clone_from(cluster);
        }
        Ok(next)
    }
}

impl Cursor {
    /// Puts the first logical cluster behind `last` in front.
    async fn advance(&mut self, store: &dyn Backend, last: &str) -> Result<(), Status> {
        loop {
            while self.read.front().is_some_and(|cluster| cluster.as_str() <= last) {
                self.read.pop_front();
            }
            if self.done || !self.read.is_empty() {
                return Ok(());
            }
            let after = Key::new(self.resource, last, END, END);
            let after = IndexEntry { term: self.term.clone(), key: after };
            let found = store.index(&self.term, Some(&after), PAGE).await;
            let found = found.map_err(|error| crate::verbs::storage_error(&error))?;
            // A page holds one object per entry: the next page begins behind its last logical cluster.
            self.done = found.len() < PAGE;
            for entry in found {
                if entry.term != self.term || entry.key.resource() != self.resource {
                    self.done = true;
                    break;
                }
                if self.read.back().is_none_or(|cluster| cluster != entry.key.cluster()) {
                    self.read.push_back(entry.key.cluster().to_owned());
                }
            }
            if self.read.is_empty() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BASE;
    use super::super::generations::CLUSTER_ROLES;
    use super::*;
    use crate::clusters;
    use crate::codec;
    use kcp_storage::{Batch, Expect, Memory, Op, Value as Stored};
    use serde_json::json;
    use std::sync::Arc;

    async fn put(store: &Memory, key: Key, object: &Value) {
        let stored = Stored::indexed(codec::encode(object, 0), subject_terms(object));
        let op = Op::put(key, Expect::Any, stored);
        store.commit(Batch::of(vec![op])).await.unwrap();
    }

    async fn bind(store: &Memory, cluster: &str, name: &str, role: &str, subjects: Value) {
        let binding =
            json!({"metadata": {"name": "x"}, "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": subjects});
        put(store, Key::new(CLUSTER_ROLE_BINDINGS, cluster, "", name), &binding).await;
    }

    fn user(name: &str, groups: &[&str]) -> UserInfo {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        UserInfo { name: name.into(), groups, ..UserInfo::default() }
    }

    #[tokio::test]
    async fn clusters_are_found_by_who_bindings_name_and_each_once() {
        let store = Arc::new(Memory::default());
        let authorization = Authorization::new(&(Arc::clone(&store) as Arc<dyn Backend>));
        let enter = json!({"metadata": {"name": "x"}, "rules": [{"verbs": ["access"], "nonResourceURLs": ["/"]}]});
        put(&store, Key::new(CLUSTER_ROLES, BASE, "", "enter"), &enter).await;
        put(&store, Key::new(CLUSTER_ROLES, BASE, "", "look"), &json!({"metadata": {"name": "x"}, "rules": []})).await;
        let (ann, anna, team) = (
            json!({"kind": "User", "name": "ann"}),
            json!({"kind": "User", "name": "anna"}),
            json!({"kind": "Group", "name": "team"}),
        );
        let mut expected = Vec::new();
        for number in 0..700 {
            let cluster = format!("c{number:03}");
            let closed = number % 7 == 3;
            let phase = if closed { "Scheduling" } else { "Ready" };
            put(&store, clusters::row(&cluster), &json!({"metadata": {"name": "x"}, "status": {"phase": phase}})).await;
            match number % 4 {
                0 => bind(&store, &cluster, "a", "enter", json!([ann, team])).await,
                1 => bind(&store, &cluster, "a", "enter", json!([anna])).await,
                2 => bind(&store, &cluster, "a", "look", json!([ann])).await,
                _ => {
                    bind(&store, &cluster, "a", "look", json!([team])).await;
                    bind(&store, &cluster, "b", "enter", json!([team])).await;
                }
            }
            if matches!(number % 4, 0 | 3) && !closed {
                expected.push(cluster);
            }
        }
        // A binding without a row is no logical cluster.
        bind(&store, "gone", "a", "enter", json!([ann])).await;
        let ann = user("ann", &["team"]);
        for limit in [1, 7, 1000] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let page = authorization.entries(&ann, &after, limit).await.unwrap();
                assert!(page.clusters.len() <= limit && !page.everywhere);
                found.extend(page.clusters);
                let Some(next) = page.after else { break };
                after = next;
            }
            assert_eq!(found, expected, "{limit} at a time");
        }
        assert_eq!(authorization.entries(&user("nobody", &[]), "", 10).await.unwrap(), Entries::default());
        assert!(authorization.entries(&user("root", &[MASTERS]), "", 10).await.unwrap().everywhere);
    }

    #[test]
    fn subjects_are_indexed_by_kind_and_name() {
        let binding = json!({"metadata": {"namespace": "ns"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"}, {"kind": "User", "name": "u"},
            {"kind": "ServiceAccount", "name": "a"}, {"kind": "ServiceAccount", "name": "a", "namespace": "other"},
            {"kind": "User", "name": "x".repeat(LONGEST + 1)},
        ]});
        let terms = [
            "subject/Group/g",
            "subject/User/system:serviceaccount:ns:a",
            "subject/User/system:serviceaccount:other:a",
            "subject/User/u",
        ];
        assert_eq!(subject_terms(&binding), terms);
        assert!(subject_terms(&json!({"metadata": {"name": "x"}, "rules": []})).is_empty());
    }
}
