//! What watchers are told, and what it costs those who are not concerned.

use super::*;
use crate::authz::entries::subject_terms;
use crate::authz::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use crate::authz::{Authorization, BASE};
use crate::tenancy::PATH;
use crate::tenancy::row::terms;
use crate::{clusters, codec};
use kcp_storage::{Backend, Batch, Event, EventKind, Expect, Key, Memory, Op, Revision, Value as Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;

/// Workspaces as they are known by the logical cluster they stand for.
type Seen = BTreeMap<String, u64>;

struct World {
    memory: Arc<Memory>,
    store: Arc<dyn Backend>,
    authorization: Arc<Authorization>,
    bells: Arc<Bells>,
}

impl World {
    async fn new() -> Self {
        let memory = Arc::new(Memory::default());
        let store = Arc::clone(&memory) as Arc<dyn Backend>;
        let authorization = Arc::new(Authorization::new(&store));
        let bells = Bells::new(&store);
        let world = Self { memory, store, authorization, bells };
        let enter = json!({"metadata": {"name": "x"}, "rules": [{"verbs": ["access"], "nonResourceURLs": ["/"]}]});
        world.put(Key::new(CLUSTER_ROLES, BASE, "", "enter"), &enter).await;
        world
    }

    async fn put(&self, key: Key, object: &Value) {
        let own = if key.resource() == clusters::ROWS { terms(object) } else { subject_terms(object) };
        let stored = Stored::indexed(codec::encode(object, 0), own);
        self.memory.commit(Batch::of(vec![Op::put(key, Expect::Any, stored)])).await.unwrap();
    }

    async fn delete(&self, key: Key) {
        let _ = self.memory.commit(Batch::of(vec![Op::delete(key, Expect::Any)])).await;
    }

    /// A Workspace in `root`, and the row of what it stands for.
    async fn make(&self, cluster: &str, creator: &str, path: &str) {
        self.workspace(cluster, "universal").await;
        self.row(cluster, creator, path, "Ready").await;
    }

    async fn workspace(&self, cluster: &str, kind: &str) {
        let object = json!({"metadata": {"name": cluster}, "spec": {"cluster": cluster, "type": {"name": kind}}});
        self.put(Key::new(WORKSPACES, "root", "", cluster), &object).await;
    }

    async fn row(&self, cluster: &str, creator: &str, path: &str, phase: &str) {
        let owner = json!({"resource": "workspaces", "cluster": "root", "name": cluster});
        let row = json!({"metadata": {"name": "cluster", "annotations": {PATH: path}},
            "spec": {"owner": owner, "createdBy": {"username": creator}}, "status": {"phase": phase}});
        self.put(clusters::row(cluster), &row).await;
    }

    async fn bind(&self, cluster: &str, name: &str, role: &str, kind: &str, subject: &str) {
        let binding = json!({"metadata": {"name": "x"}, "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": kind, "name": subject}]});
        self.put(Key::new(CLUSTER_ROLE_BINDINGS, cluster, "", name), &binding).await;
    }

    async fn unbind(&self, cluster: &str, name: &str) {
        self.delete(Key::new(CLUSTER_ROLE_BINDINGS, cluster, "", name)).await;
    }

    fn follow(&self, viewer: Viewer, since: Option<u64>) -> Following {
        let since = since.map(Revision::new);
        Following::begin(&self.store, &self.authorization, &self.bells, viewer, since).unwrap()
    }

    fn head(&self) -> u64 {
        self.store.head().get()
    }
}

fn viewer(name: &str, groups: &[&str], scope: Scope) -> Viewer {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Viewer { user: UserInfo { name: name.into(), groups, ..UserInfo::default() }, scope }
}

fn ann() -> Viewer {
    viewer("ann", &["team"], Scope::All)
}

/// What is told of everything that happened, and why it ended if it did.
async fn ready(world: &World, following: &mut Following) -> (Vec<Arc<Event>>, Option<Ended>) {
    let (mut events, head) = (Vec::new(), world.store.head());
    loop {
        let polled = std::future::poll_fn(|cx| match following.poll_next(cx, &mut events) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if !following.begins() && following.progress() >= head => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match polled.await {
            Some(Ok(())) => {}
            Some(Err(ended)) => return (events, Some(ended)),
            None => return (events, None),
        }
    }
}

async fn told(world: &World, following: &mut Following) -> Vec<String> {
    let (events, ended) = ready(world, following).await;
    assert!(ended.is_none(), "{ended:?}");
    events.iter().map(|event| format!("{:?} {}", event.kind, event.key.name())).collect()
}

/// Applies events as a client does.
fn apply(seen: &mut Seen, events: &[Arc<Event>]) {
    for event in events {
        match event.kind {
            EventKind::Deleted => seen.remove(event.key.name()),
            _ => seen.insert(event.key.name().to_owned(), event.revision.get()),
        };
    }
}

#[tokio::test]
async fn gains_changes_and_losses_are_told() {
    let world = World::new().await;
    for cluster in ["a", "b", "c"] {
        world.make(cluster, "bob", "root:x").await;
    }
    world.bind("b", "entry", "enter", "User", "ann").await;
    let mut following = world.follow(ann(), None);
    assert!(following.begins());
    assert_eq!(told(&world, &mut following).await, ["Added b"]);
    assert!(!following.begins());
    // A binding for a group, a role, a phase: whatever lets in or out.
    world.bind("a", "entry", "enter", "Group", "team").await;
    assert_eq!(told(&world, &mut following).await, ["Added a"]);
    world.bind("c", "entry", "own", "Group", "team").await;
    assert_eq!(told(&world, &mut following).await, [""; 0]);
    let rules = |verb: &str| json!({"metadata": {"name": "x"}, "rules": [{"verbs": [verb], "nonResourceURLs": ["/"]}]});
    let own = Key::new(CLUSTER_ROLES, "c", "", "own");
    world.put(own.clone(), &rules("access")).await;
    assert_eq!(told(&world, &mut following).await, ["Added c"]);
    world.workspace("c", "team").await;
    assert_eq!(told(&world, &mut following).await, ["Modified c"]);
    world.row("c", "bob", "root:x", "Scheduling").await;
    assert_eq!(told(&world, &mut following).await, ["Deleted c"]);
    world.row("c", "bob", "root:x", "Ready").await;
    assert_eq!(told(&world, &mut following).await, ["Added c"]);
    world.put(own, &rules("look")).await;
    let lost = world.head();
    let (events, _) = ready(&world, &mut following).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind, events[0].revision.get()), (EventKind::Deleted, lost));
    assert!(events[0].previous.is_some(), "selectors need to know what was seen");
    // Another binding makes up for one that goes.
    world.bind("b", "second", "enter", "Group", "team").await;
    world.unbind("b", "entry").await;
    assert_eq!(told(&world, &mut following).await, [""; 0]);
    world.unbind("b", "second").await;
    world.delete(Key::new(WORKSPACES, "root", "", "a")).await;
    world.delete(clusters::row("a")).await;
    assert_eq!(told(&world, &mut following).await, ["Deleted b", "Deleted a"]);
    assert_eq!(following.progress().get(), world.head());
    // Somebody's own.
    world.make("d", "ann", "root:x").await;
    assert_eq!(told(&world, &mut following).await, [""; 0], "created, and no binding");
    world.bind("d", "workspace-admin", "enter", "User", "ann").await;
    assert_eq!(told(&world, &mut following).await, ["Added d"]);
    // Rules of all logical clusters let in where no term leads: the client asks again.
    world.bind(BASE, "all", "enter", "Group", "others").await;
    let (_, ended) = ready(&world, &mut following).await;
    assert!(matches!(ended, Some(Ended::Failed(status)) if status.code == 410));
}

#[tokio::test]
async fn scopes_narrow_what_is_followed() {
    let world = World::new().await;
    world.workspace("org", "organization").await;
    world.workspace("lone", "universal").await;
    let mut personal = world.follow(viewer("ann", &[], Scope::Personal), None);
    let mut beneath = world.follow(viewer("ann", &["team"], Scope::Organization), None);
    let mut admin = world.follow(viewer("root", &[MASTERS], Scope::Organization), None);
    for following in [&mut personal, &mut beneath, &mut admin] {
        assert_eq!(told(&world, following).await, [""; 0]);
    }
    for (cluster, creator, path) in
        [("a", "ann", "root:org:a"), ("b", "bob", "root:org:b"), ("c", "ann", "root:lone:c")]
    {
        world.make(cluster, creator, path).await;
        world.bind(cluster, "entry", "enter", "User", "ann").await;
    }
    assert_eq!(told(&world, &mut personal).await, ["Added a", "Added c"]);
    assert_eq!(told(&world, &mut beneath).await, ["Added a", "Added b"]);
    assert_eq!(told(&world, &mut admin).await, ["Added a", "Added b"]);
    // An administrator holds no binding that could go; the Workspace can.
    world.unbind("b", "entry").await;
    assert_eq!(told(&world, &mut beneath).await, ["Deleted b"]);
    assert_eq!(told(&world, &mut admin).await, [""; 0]);
    let since = world.head();
    world.workspace("a", "team").await;
    world.delete(Key::new(WORKSPACES, "root", "", "b")).await;
    world.delete(clusters::row("b")).await;
    assert_eq!(told(&world, &mut admin).await, ["Deleted b", "Modified a"]);
    let mut again = world.follow(viewer("root", &[MASTERS], Scope::Organization), Some(since));
    assert_eq!(told(&world, &mut again).await, ["Modified a", "Deleted b"]);
}

#[tokio::test]
async fn a_change_is_told_to_those_alone_whom_it_concerns() {
    const WATCHERS: usize = 100;
    let world = World::new().await;
    let mut following = Vec::new();
    for number in 0..WATCHERS {
        let (cluster, name) = (format!("c{number}"), format!("user{number}"));
        world.make(&cluster, &name, "root:x").await;
        world.bind(&cluster, "entry", "enter", "User", &name).await;
        let group = format!("group{}", number % 2);
        let mut one = world.follow(viewer(&name, &[&group], Scope::All), None);
        assert_eq!(told(&world, &mut one).await, [format!("Added {cluster}")]);
        following.push(one);
    }
    let before = world.bells.statistics();
    // A user's place, two groups' and a logical cluster's for each.
    assert_eq!(before.places, 2 * WATCHERS + 2);
    let rung = || world.bells.statistics().rung - before.rung;
    world.workspace("c7", "team").await;
    assert_eq!(rung(), 1);
    assert_eq!(told(&world, &mut following[7]).await, ["Modified c7"]);
    world.make("elsewhere", "nobody", "root:x").await;
    world.put(Key::new("configmaps", "c7", "default", "one"), &json!({"metadata": {"name": "one"}})).await;
    world.bind("elsewhere", "entry", "enter", "User", "somebody").await;
    assert_eq!(rung(), 1);
    // An idle watcher has nothing to do and knows how far the store is.
    assert_eq!(following[8].progress().get(), world.head());
    world.bind("elsewhere", "second", "enter", "Group", "group1").await;
    assert_eq!(rung(), 1 + WATCHERS as u64 / 2);
    drop(following);
    assert_eq!(world.bells.statistics().places, 0);
}

/// Small numbers that follow from each other.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

async fn anything(world: &World, dice: &mut Dice) {
    let cluster = ["a", "b", "c", "d"][usize::try_from(dice.roll(4)).unwrap()];
    let name = ["one", "two"][usize::try_from(dice.roll(2)).unwrap()];
    match dice.roll(9) {
        0 => world.bind(cluster, name, "enter", "User", "ann").await,
        1 => world.bind(cluster, name, "own", "Group", "team").await,
        2 => world.bind(cluster, name, "enter", "User", "anna").await,
        3 => world.unbind(cluster, name).await,
        4 => {
            let verb = ["access", "look"][usize::try_from(dice.roll(2)).unwrap()];
            let role = json!({"metadata": {"name": "x"}, "rules": [{"verbs": [verb], "nonResourceURLs": ["/"]}]});
            world.put(Key::new(CLUSTER_ROLES, cluster, "", "own"), &role).await;
        }
        5 => {
            let phase = ["Ready", "Scheduling"][usize::try_from(dice.roll(2)).unwrap()];
            world.row(cluster, "bob", "root:x", phase).await;
        }
        6 => world.delete(Key::new(WORKSPACES, "root", "", cluster)).await,
        7 => world.delete(clusters::row(cluster)).await,
        _ => world.workspace(cluster, ["universal", "team"][usize::try_from(dice.roll(2)).unwrap()]).await,
    }
}

#[tokio::test]
async fn whoever_resumes_ends_where_those_are_who_watched_all_along() {
    for seed in 0..6 {
        let world = World::new().await;
        let mut dice = Dice(seed);
        for cluster in ["a", "b", "c", "d"] {
            world.make(cluster, "bob", "root:x").await;
        }
        let mut always = world.follow(ann(), None);
        let mut seen = Seen::new();
        let mut moments = Vec::new();
        for _ in 0..60 {
            // Some changes are looked at one by one, some together.
            if dice.roll(3) > 0 {
                let (events, ended) = ready(&world, &mut always).await;
                assert!(ended.is_none());
                apply(&mut seen, &events);
                moments.push((world.head(), seen.clone()));
            }
            anything(&world, &mut dice).await;
        }
        let (events, _) = ready(&world, &mut always).await;
        apply(&mut seen, &events);
        let mut fresh = Seen::new();
        apply(&mut fresh, &ready(&world, &mut world.follow(ann(), None)).await.0);
        assert_eq!(seen, fresh, "seed {seed}");
        for (revision, mut known) in moments {
            let mut resumed = world.follow(ann(), Some(revision));
            let (events, ended) = ready(&world, &mut resumed).await;
            assert!(ended.is_none());
            assert!(!resumed.begins());
            apply(&mut known, &events);
            assert_eq!(known, seen, "seed {seed}, from {revision}");
        }
    }
}

#[tokio::test]
async fn who_comes_back_too_late_begins_anew() {
    let world = World::new().await;
    world.make("a", "ann", "root:x").await;
    let since = world.head();
    world.bind("a", "entry", "enter", "User", "ann").await;
    world.memory.compact(world.store.head());
    world.workspace("a", "team").await;
    let refused = Following::begin(&world.store, &world.authorization, &world.bells, ann(), Some(Revision::new(since)));
    assert!(refused.is_err());
    let since = world.head();
    for number in 0..=200 {
        world.workspace("a", ["team", "universal"][number % 2]).await;
    }
    let (_, ended) = ready(&world, &mut world.follow(ann(), Some(since))).await;
    assert!(matches!(&ended, Some(Ended::Failed(status)) if status.code == 410), "{ended:?}");
    let (events, ended) = ready(&world, &mut world.follow(ann(), Some(since + 1))).await;
    assert!(ended.is_none());
    assert_eq!(events.len(), 200);
}
