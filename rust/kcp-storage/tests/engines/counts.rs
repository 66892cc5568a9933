//! Counts and limits: what both engines have to do; see `counts.rs` of the crate.

use crate::suite::{Store, cm, create, delete, put, row, template};
use kcp_storage::{Batch, Birth, CommitError, Committed, Expect, Key, Limit, LimitScope, Op, Value};
use std::sync::Arc;

/// What the stores of these tests leave out of totals.
pub const UNCOUNTED: [&str; 2] = ["events", "logicalclusters.core.kcp.io"];

pub fn uncounted() -> Vec<String> {
    UNCOUNTED.map(str::to_owned).to_vec()
}

/// A birth below `parent`.
pub async fn bear_below(store: &Store, cluster: &str, parent: &str) -> Result<Committed, CommitError> {
    store.commit(Batch::of(vec![birth_below(cluster, Some(parent))])).await
}

pub fn birth_below(cluster: &str, parent: Option<&str>) -> Op {
    let birth =
        Birth { template: template(), slots: vec![format!("in {cluster}").into()], parent: parent.map(Arc::from) };
    Op::bear(row(cluster), Value::new(format!("row of {cluster}")), birth)
}

/// A cluster's counts as text: total, below, children, parent, then each resource.
pub async fn counts(store: &Store, cluster: &str) -> String {
    let counts = store.counts(cluster).await.expect("reads");
    assert_eq!(counts.subtree(), counts.total + counts.below);
    let resources: Vec<String> = counts.resources.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    let parent = counts.parent.as_deref().unwrap_or("-");
    format!("{}+{} in {} below {parent} {}", counts.total, counts.below, counts.children, resources.join(" "))
}

pub fn limited(op: Op, cluster: &str, scope: LimitScope, max: u64) -> Batch {
    Batch { limits: vec![Limit { cluster: cluster.to_owned(), scope, max }], ..Batch::of(vec![op]) }
}

fn new(key: &Key) -> Op {
    Op::put(key.clone(), Expect::Absent, Value::new("new"))
}

pub const BORN: &str = "configmaps:1 logicalclusters.core.kcp.io:1 namespaces:1 serviceaccounts:1";

pub async fn counts_follow_every_write_and_what_is_born(store: Store) {
    assert_eq!(counts(&store, "a").await, "0+0 in 0 below - ");
    create(&store, &cm("a", "n", "x"), "1").await;
    put(&store, &cm("a", "n", "x"), Expect::Any, "2").await.expect("updates");
    create(&store, &cm("a", "n", "y"), "1").await;
    create(&store, &Key::new("events", "a", "n", "e"), "1").await;
    assert_eq!(counts(&store, "a").await, "2+0 in 0 below - configmaps:2 events:1");
    delete(&store, &cm("a", "n", "x"), Expect::Any).await.expect("deletes");
    assert_eq!(counts(&store, "a").await, "1+0 in 0 below - configmaps:1 events:1");
    assert!(put(&store, &cm("a", "n", "y"), Expect::Absent, "again").await.is_err());
    let ops = vec![Op::delete(cm("a", "n", "y"), Expect::Any), Op::delete(cm("a", "n", "z"), Expect::Any)];
    assert!(store.commit(Batch::of(ops)).await.is_err(), "half of it cannot be");
    assert_eq!(counts(&store, "a").await, "1+0 in 0 below - configmaps:1 events:1");

    bear_below(&store, "b", "a").await.expect("is born");
    assert_eq!(counts(&store, "b").await, format!("3+0 in 0 below a {BORN}"));
    put(&store, &cm("b", "default", "root-ca"), Expect::Any, "mine").await.expect("copies up");
    assert_eq!(counts(&store, "b").await, format!("3+0 in 0 below a {BORN}"));
    delete(&store, &Key::new("serviceaccounts", "b", "default", "default"), Expect::Any).await.expect("deletes");
    delete(&store, &cm("b", "default", "root-ca"), Expect::Any).await.expect("deletes");
    assert_eq!(counts(&store, "b").await, "1+0 in 0 below a logicalclusters.core.kcp.io:1 namespaces:1");
    assert_eq!(counts(&store, "a").await, "1+1 in 1 below - configmaps:1 events:1");
}

pub async fn a_subtree_counts_all_below_and_lasts_as_long_as_it_holds_an_object(store: Store) {
    bear_below(&store, "root", "above").await.expect("is born");
    bear_below(&store, "org", "root").await.expect("is born");
    bear_below(&store, "team", "org").await.expect("is born");
    bear_below(&store, "other", "root").await.expect("is born");
    create(&store, &cm("team", "n", "x"), "1").await;
    assert_eq!(counts(&store, "root").await, format!("3+10 in 2 below above {BORN}"));
    assert_eq!(counts(&store, "org").await, format!("3+4 in 1 below root {BORN}"));
    assert_eq!(counts(&store, "above").await, "0+13 in 1 below - ");
    let empty = |cluster: &'static str| {
        [row(cluster), Key::new("namespaces", cluster, "", "default"), cm(cluster, "default", "root-ca")]
            .into_iter()
            .chain([Key::new("serviceaccounts", cluster, "default", "default")])
            .map(|key| Op::delete(key, Expect::Any))
            .collect::<Vec<_>>()
    };
    // The row first, in a commit of its own: a cluster has its place until its last object has gone.
    let mut org = empty("org");
    store.commit(Batch::of(vec![org.remove(0)])).await.expect("deletes");
    assert_eq!(counts(&store, "org").await, "3+4 in 1 below root configmaps:1 namespaces:1 serviceaccounts:1");
    store.commit(Batch::of(org)).await.expect("deletes");
    assert_eq!(counts(&store, "org").await, "0+4 in 1 below root ");
    assert_eq!(counts(&store, "root").await, format!("3+7 in 2 below above {BORN}"));
    let mut team = empty("team");
    team.push(Op::delete(cm("team", "n", "x"), Expect::Any));
    store.commit(Batch::of(team)).await.expect("deletes");
    for gone in ["team", "org"] {
        assert_eq!(counts(&store, gone).await, "0+0 in 0 below - ");
    }
    assert_eq!(counts(&store, "root").await, format!("3+3 in 1 below above {BORN}"));
    // Born again, elsewhere.
    bear_below(&store, "org", "other").await.expect("is born");
    assert_eq!(counts(&store, "root").await, format!("3+6 in 1 below above {BORN}"));
    assert_eq!(counts(&store, "org").await, format!("3+0 in 0 below other {BORN}"));
    for cluster in ["org", "other", "root"] {
        store.commit(Batch::of(empty(cluster))).await.expect("deletes");
    }
    assert_eq!(counts(&store, "above").await, "0+0 in 0 below - ");
}

pub async fn a_cluster_born_again_elsewhere_takes_what_is_below_it_along(store: Store) {
    for (cluster, parent) in [("a", "root"), ("b", "a"), ("c", "b")] {
        bear_below(&store, cluster, parent).await.expect("is born");
    }
    create(&store, &cm("b", "n", "stays"), "1").await;
    let gone = [row("b"), Key::new("namespaces", "b", "", "default"), cm("b", "default", "root-ca")]
        .into_iter()
        .chain([Key::new("serviceaccounts", "b", "default", "default")]);
    store.commit(Batch::of(gone.map(|key| Op::delete(key, Expect::Any)).collect())).await.expect("deletes");
    assert_eq!(counts(&store, "a").await, format!("3+4 in 1 below root {BORN}"));
    let refused = bear_below(&store, "b", "c").await;
    assert!(matches!(&refused, Err(CommitError::Unavailable(text)) if text.contains("below itself")), "{refused:?}");
    let refused = bear_below(&store, "d", "d").await;
    assert!(matches!(&refused, Err(CommitError::Unavailable(text)) if text.contains("below itself")), "{refused:?}");
    bear_below(&store, "b", "x").await.expect("is born");
    assert_eq!(counts(&store, "a").await, format!("3+0 in 0 below root {BORN}"));
    assert_eq!(counts(&store, "root").await, "0+3 in 1 below - ");
    assert_eq!(counts(&store, "x").await, "0+7 in 1 below - ");
    assert_eq!(counts(&store, "b").await, format!("4+3 in 1 below x {}", BORN.replace("configmaps:1", "configmaps:2")));
}

pub async fn a_limit_refuses_what_would_pass_it_and_never_a_delete(store: Store) {
    bear_below(&store, "a", "root").await.expect("is born");
    bear_below(&store, "b", "a").await.expect("is born");
    let x = cm("b", "n", "x");
    let refused = store.commit(limited(new(&x), "b", LimitScope::Own, 3)).await;
    assert!(matches!(refused, Err(CommitError::Limit { which: 0, count: 3, max: 3 })), "{refused:?}");
    let refused = store.commit(limited(new(&x), "root", LimitScope::Subtree, 6)).await;
    assert!(matches!(refused, Err(CommitError::Limit { which: 0, count: 6, max: 6 })), "{refused:?}");
    let head = store.head();
    assert_eq!(counts(&store, "b").await, format!("3+0 in 0 below a {BORN}"));
    store.commit(limited(new(&x), "b", LimitScope::Own, 4)).await.expect("is allowed");
    store.commit(limited(new(&cm("b", "n", "y")), "a", LimitScope::Own, 3)).await.expect("is not a's own");
    store.commit(limited(new(&cm("b", "n", "z")), "root", LimitScope::Own, 0)).await.expect("nor root's own");
    let event = Key::new("events", "b", "n", "e");
    store.commit(limited(new(&event), "b", LimitScope::Subtree, 0)).await.expect("events are not counted");
    assert_eq!(store.head().get(), head.get() + 4);
    let update = Op::put(x.clone(), Expect::Any, Value::new("2"));
    store.commit(limited(update, "b", LimitScope::Own, 1)).await.expect("adds nothing");
    store.commit(limited(Op::delete(x.clone(), Expect::Any), "b", LimitScope::Own, 0)).await.expect("takes away");
    let swap = Batch {
        ops: vec![Op::delete(cm("b", "n", "y"), Expect::Any), new(&x)],
        ..limited(new(&x), "a", LimitScope::Subtree, 0)
    };
    store.commit(swap).await.expect("leaves as many as it found");
    let both = Batch {
        limits: [("b", LimitScope::Own, 100), ("a", LimitScope::Subtree, 8)]
            .map(|(cluster, scope, max)| Limit { cluster: cluster.to_owned(), scope, max })
            .to_vec(),
        ..Batch::of(vec![new(&cm("b", "n", "last"))])
    };
    let refused = store.commit(both).await;
    assert!(matches!(refused, Err(CommitError::Limit { which: 1, count: 8, max: 8 })), "{refused:?}");
    let refused = store.commit(limited(birth_below("c", Some("a")), "a", LimitScope::Subtree, 10)).await;
    assert!(matches!(refused, Err(CommitError::Limit { count: 8, max: 10, .. })), "a birth counts: {refused:?}");
    store.commit(limited(birth_below("c", Some("a")), "a", LimitScope::Subtree, 11)).await.expect("fits");
}

pub async fn racing_creates_never_pass_a_limit(store: Store) {
    bear_below(&store, "a", "root").await.expect("is born");
    bear_below(&store, "b", "root").await.expect("is born");
    let creates = (0..60).map(|number| {
        let store = store.clone();
        let cluster = ["a", "b"][number % 2];
        let batch = limited(new(&cm(cluster, "n", &format!("x{number}"))), "root", LimitScope::Subtree, 26);
        tokio::spawn(async move { store.commit(batch).await })
    });
    let mut allowed = 0;
    for create in creates.collect::<Vec<_>>() {
        match create.await.expect("runs") {
            Ok(_) => allowed += 1,
            Err(CommitError::Limit { count, max, .. }) => assert_eq!((count, max), (26, 26)),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(allowed, 20);
    assert_eq!(counts(&store, "root").await, "0+26 in 2 below - ");
}

pub async fn what_has_to_be_left_empty_is(store: Store) {
    bear_below(&store, "a", "root").await.expect("is born");
    create(&store, &cm("a", "n", "late"), "1").await;
    let everything = |keys: &[Key]| Batch {
        ops: keys.iter().map(|key| Op::delete(key.clone(), Expect::Any)).collect(),
        emptied: vec!["a".to_owned()],
        ..Batch::default()
    };
    let born: Vec<Key> = birth_keys("a");
    let refused = store.commit(everything(&born)).await;
    assert!(matches!(&refused, Err(CommitError::Occupied { cluster }) if cluster == "a"), "{refused:?}");
    assert_eq!(
        counts(&store, "a").await,
        format!("4+0 in 0 below root {}", BORN.replace("configmaps:1", "configmaps:2"))
    );
    let all: Vec<Key> = born.into_iter().chain([cm("a", "n", "late")]).collect();
    store.commit(everything(&all)).await.expect("leaves nothing");
    assert_eq!(counts(&store, "a").await, "0+0 in 0 below - ");
    assert_eq!(counts(&store, "root").await, "0+0 in 0 below - ");
    store.commit(Batch { emptied: vec!["never".into()], ..Batch::default() }).await.expect("is empty");
}

/// The keys of what a cluster is born with, and of its row.
fn birth_keys(cluster: &str) -> Vec<Key> {
    let birth = Birth { template: template(), slots: Vec::new(), parent: None };
    (0..birth.len()).map(|index| birth.key(cluster, index)).chain([row(cluster)]).collect()
}
