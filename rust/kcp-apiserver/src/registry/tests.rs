//! What a view reads and keeps when definitions change.

use super::*;
use crate::codec;
use kcp_storage::{
    Backend, Batch, BoxFuture, CommitError, Committed, Counts, Error, Event, Expect, IndexEntry, Item, Key, KeyRange,
    ListQuery, Memory, Observer, Op, Page, Revision, Watch, WatchQuery,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A store that counts the objects and index entries read from it.
#[derive(Default)]
struct Counting {
    memory: Memory,
    read: AtomicUsize,
    indexed: AtomicUsize,
}

impl Backend for Counting {
    fn head(&self) -> Revision {
        self.memory.head()
    }

    fn compacted(&self) -> Revision {
        self.memory.compacted()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Item>, Error>> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.memory.get(key)
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Page, Error>> {
        Box::pin(async {
            let page = self.memory.list(query).await?;
            self.read.fetch_add(page.items.len(), Ordering::Relaxed);
            Ok(page)
        })
    }

    fn count(&self, query: ListQuery) -> BoxFuture<'_, Result<usize, Error>> {
        self.memory.count(query)
    }

    fn counts<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Counts, Error>> {
        self.memory.counts(cluster)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.memory.commit(batch)
    }

    fn watch(&self, query: WatchQuery) -> Result<Watch, Error> {
        self.memory.watch(query)
    }

    fn changes<'a>(
        &'a self,
        range: &'a KeyRange,
        since: Revision,
        upto: Revision,
    ) -> BoxFuture<'a, Result<Vec<Arc<Event>>, Error>> {
        self.memory.changes(range, since, upto)
    }

    fn index<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a IndexEntry>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IndexEntry>, Error>> {
        Box::pin(async move {
            let found = self.memory.index(prefix, after, limit).await?;
            self.indexed.fetch_add(found.len(), Ordering::Relaxed);
            Ok(found)
        })
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.memory.observe(observer);
    }

    fn end_watches(&self) {
        self.memory.end_watches();
    }

    fn end_watches_of(&self, cluster: &str, except: &str) {
        self.memory.end_watches_of(cluster, except);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.memory.close()
    }
}

impl Counting {
    /// How many objects were read since this was asked last.
    fn read(&self) -> usize {
        self.read.swap(0, Ordering::Relaxed)
    }

    async fn put(&self, cluster: &str, definition: &Value) {
        let name = definition["metadata"]["name"].as_str().unwrap();
        let key = Key::new(DEFINITIONS, cluster, "", name);
        let value = kcp_storage::Value::indexed(codec::encode(definition, 0), vec![definition_term(name)]);
        let op = Op::put(key, Expect::Any, value);
        self.commit(Batch::of(vec![op])).await.unwrap();
    }

    async fn remove(&self, cluster: &str, name: &str) {
        let op = Op::delete(Key::new(DEFINITIONS, cluster, "", name), Expect::Any);
        self.commit(Batch::of(vec![op])).await.unwrap();
    }
}

fn definition(plural: &str, group: &str, field: &str) -> Value {
    let names = json!({"plural": plural, "singular": plural, "kind": plural, "listKind": format!("{plural}List")});
    let schema = json!({"type": "object", "properties": {(field): {"type": "string", "description": plural}}});
    json!({
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "conversion": {"strategy": "None"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
        "status": {"acceptedNames": names, "storedVersions": ["v1"], "conditions": [
            {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]},
    })
}

fn registry() -> (Arc<Counting>, Registry) {
    let table = include_bytes!("../../../../python/kcp/resources/built_in.json");
    let store = Arc::new(Counting::default());
    let registry = Registry::new(BuiltIns::parse(table).unwrap(), Arc::clone(&store) as Arc<dyn Backend>).unwrap();
    (store, registry)
}

async fn many(store: &Counting, cluster: &str, groups: usize, each: usize) {
    for group in 0..groups {
        for index in 0..each {
            store.put(cluster, &definition(&format!("r{index}"), &format!("g{group}.example.com"), "f")).await;
        }
    }
}

#[tokio::test]
async fn one_changed_definition_is_the_only_one_read_and_the_only_group_made_anew() {
    let (store, registry) = registry();
    many(&store, "a", 40, 25).await;
    let before = registry.view("a").await.unwrap();
    assert_eq!((store.read(), before.groups().count()), (1_000, 40));
    assert_eq!(registry.view("a").await.unwrap().identity(), before.identity());
    assert_eq!(store.read(), 0);
    store.put("a", &definition("fresh", "g7.example.com", "f")).await;
    let after = registry.view("a").await.unwrap();
    assert_eq!(store.read(), 1);
    assert!(after.lookup("g7.example.com", "v1", "fresh").is_some());
    assert!(before.lookup("g7.example.com", "v1", "fresh").is_none());
    let kept = before.groups().filter(|group| after.group(&group.name).is_some_and(|new| Arc::ptr_eq(group, new)));
    assert_eq!(kept.count(), 39);
    let (old, new) = (before.group("g7.example.com").unwrap(), after.group("g7.example.com").unwrap());
    let kept = new.members().filter(|new| old.members().any(|old| Arc::ptr_eq(old, new)));
    assert_eq!((kept.count(), new.members().count()), (25, 26));
    assert_ne!(before.identity(), after.identity());
    // As it was, is what it was.
    store.remove("a", "fresh.g7.example.com").await;
    let back = registry.view("a").await.unwrap();
    assert_eq!((store.read(), back.identity()), (1, before.identity()));
    assert!(Arc::ptr_eq(back.group("g7.example.com").unwrap(), old));
}

#[tokio::test]
async fn equal_definitions_of_many_clusters_are_compiled_once() {
    let (store, registry) = registry();
    let mut views = Vec::new();
    for cluster in 0..50 {
        let cluster = format!("c{cluster}");
        many(&store, &cluster, 2, 5).await;
        views.push(registry.view(&cluster).await.unwrap());
    }
    assert_eq!(registry.compiled(), 10);
    let groups: Vec<_> = views.iter().map(|view| view.group("g0.example.com").unwrap()).collect();
    assert!(groups.iter().all(|group| Arc::ptr_eq(group, groups[0])));
    store.put("c3", &definition("r1", "g0.example.com", "other")).await;
    let changed = registry.view("c3").await.unwrap();
    assert_eq!(registry.compiled(), 11);
    assert_ne!(changed.identity(), views[0].identity());
}

#[tokio::test]
async fn a_view_that_is_far_behind_is_read_as_a_whole() {
    let (store, registry) = registry();
    many(&store, "a", 1, 3).await;
    assert_eq!(registry.view("a").await.unwrap().groups().count(), 1);
    store.read();
    for round in 0..9_000 {
        store.put("b", &definition("r", "example.com", if round % 2 == 0 { "x" } else { "y" })).await;
    }
    // Changes of others are not its own.
    assert!(registry.view("a").await.unwrap().lookup("g0.example.com", "v1", "r2").is_some());
    assert_eq!(store.read(), 0);
    store.remove("a", "r2.g0.example.com").await;
    let view = registry.view("a").await.unwrap();
    assert!(view.lookup("g0.example.com", "v1", "r2").is_none() && view.lookup("g0.example.com", "v1", "r1").is_some());
    assert_eq!(store.read(), 2);
}

#[tokio::test]
async fn a_group_whose_last_definition_goes_is_gone() {
    let (store, registry) = registry();
    store.put("a", &definition("r", "example.com", "f")).await;
    assert_eq!(registry.view("a").await.unwrap().groups().count(), 1);
    store.remove("a", "r.example.com").await;
    let view = registry.view("a").await.unwrap();
    assert_eq!((view.groups().count(), view.identity()), (0, Identity::NONE));
}

#[tokio::test]
async fn a_built_in_resource_cannot_be_shadowed() {
    let (store, registry) = registry();
    let mut shadow = definition("configmaps", "core", "f");
    shadow["spec"]["group"] = "".into();
    store.put("a", &shadow).await;
    let view = registry.view("a").await.unwrap();
    assert!(!view.lookup("", "v1", "configmaps").unwrap().is_custom());
}

#[tokio::test]
async fn a_wildcard_request_touches_the_clusters_that_serve_the_resource_and_no_others() {
    let (store, registry) = registry();
    // Names that begin alike, and a group that ends alike, are others.
    for cluster in 0..300 {
        let cluster = format!("c{cluster}");
        for (plural, group) in [("r", "example.com.org"), ("rr", "example.com"), ("r", "g.example.com")] {
            store.put(&cluster, &definition(plural, group, "f")).await;
        }
    }
    for cluster in ["c7", "c8", "c299"] {
        store.put(cluster, &definition("r", "example.com", cluster)).await;
    }
    let touched = || (store.read(), store.indexed.swap(0, Ordering::Relaxed));
    touched();
    let view = registry.wildcard("example.com", "v1", "r").await.unwrap();
    assert_eq!(touched(), (3, 3));
    assert!(view.lookup("example.com", "v1", "r").is_some() && view.lookup("example.com", "v1", "rr").is_none());
    assert!(view.in_cluster("c7").is_some() && view.in_cluster("c9").is_none());
    // Again: nothing; after changes elsewhere: nothing; after one more: that one.
    store.put("c1", &definition("other", "example.com", "f")).await;
    registry.wildcard("example.com", "v1", "r").await.unwrap();
    assert_eq!(touched(), (0, 0));
    store.put("c1", &definition("r", "example.com", "f")).await;
    store.remove("c7", "r.example.com").await;
    let view = registry.wildcard("example.com", "v1", "r").await.unwrap();
    assert_eq!(touched(), (2, 0));
    assert!(view.in_cluster("c7").is_none() && view.in_cluster("c1").is_some() && view.in_cluster("c8").is_some());
    assert!(registry.wildcard("example.com", "v2", "r").await.unwrap().lookup("example.com", "v2", "r").is_none());
    // How one cluster serves it, which a wildcard watch asks when something changed there.
    let like = Arc::clone(view.lookup("example.com", "v1", "r").unwrap());
    touched();
    assert!(registry.custom("c299", &like).await.unwrap().is_some());
    assert!(registry.custom("c300", &like).await.unwrap().is_none());
    assert_eq!(touched(), (2, 0));
}

#[tokio::test]
async fn a_wildcard_view_that_is_far_behind_is_found_by_the_index_again() {
    let (store, registry) = registry();
    store.put("a", &definition("r", "example.com", "f")).await;
    registry.wildcard("example.com", "v1", "r").await.unwrap();
    store.put("b", &definition("r", "example.com", "f")).await;
    store.remove("a", "r.example.com").await;
    for round in 0..9_000 {
        store.put("c", &definition("s", "example.com", if round % 2 == 0 { "x" } else { "y" })).await;
    }
    store.read();
    let view = registry.wildcard("example.com", "v1", "r").await.unwrap();
    assert!(view.in_cluster("a").is_none() && view.in_cluster("b").is_some());
    assert_eq!(store.read(), 1);
}
