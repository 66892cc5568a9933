//! Each guard, asked through the whole chain: what it refuses nothing else would, so that a chain without it is noticed.

use super::effective::{AUTHENTICATED, ORIGIN, SCOPES, WARRANTS};
use super::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use super::row::{INACTIVE, INACTIVE_BEFORE};
use super::*;
use crate::clusters;
use crate::codec;
use crate::tenancy::REQUIRED_GROUPS;
use kcp_storage::{Batch, Expect, Memory, Op, Value as Stored};
use serde_json::{Value, json};

struct World {
    store: Arc<Memory>,
    authorization: Authorization,
}

impl World {
    /// The bootstrap roles, and one cluster, `one`, with an owner (everything), a member (entry, and looking at pods) and an
    /// alien (looking at pods, but no entry).
    async fn new() -> Self {
        let store = Arc::new(Memory::default());
        let authorization = Authorization::new(&(Arc::clone(&store) as Arc<dyn Backend>));
        let world = Self { store, authorization };
        let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]);
        world.role(BASE, "cluster-admin", all).await;
        world.role(BASE, "enter", json!([{"verbs": ["access"], "nonResourceURLs": ["/"]}])).await;
        world.role(BASE, "look", json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}])).await;
        world.bind(BASE, "admin", "cluster-admin", "Group", ADMIN).await;
        for cluster in ["one", "two"] {
            world.row(cluster, "Ready", json!({})).await;
            world.bind(cluster, "a", "cluster-admin", "User", "owner").await;
            world.bind(cluster, "b", "enter", "User", "member").await;
            world.bind(cluster, "c", "look", "User", "member").await;
            world.bind(cluster, "d", "look", "User", "alien").await;
        }
        world
    }

    async fn put(&self, key: Key, object: &Value) {
        let op = Op::put(key, Expect::Any, Stored::new(codec::encode(object, 0)));
        self.store.commit(Batch::of(vec![op])).await.unwrap();
    }

    async fn row(&self, cluster: &str, phase: &str, annotations: Value) {
        let row = json!({"metadata": {"name": "cluster", "annotations": annotations}, "status": {"phase": phase}});
        self.put(clusters::row(cluster), &row).await;
    }

    async fn role(&self, cluster: &str, name: &str, rules: Value) {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        self.put(Key::new(CLUSTER_ROLES, cluster, "", name), &role).await;
    }

    async fn bind(&self, cluster: &str, name: &str, role: &str, kind: &str, subject: &str) {
        let binding = json!({"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": kind, "name": subject}]});
        self.put(Key::new(CLUSTER_ROLE_BINDINGS, cluster, "", name), &binding).await;
    }

    /// Which guard decides, and how; the reason as a client hears it.
    async fn told(&self, cluster: &str, user: &UserInfo, attributes: &Attributes<'_>) -> (bool, &'static str, String) {
        let Decision { allowed, reason, step } = self.authorization.permits(cluster, user, attributes).await.unwrap();
        let explained = self.authorization.explain(cluster, user, attributes, false).await.unwrap();
        assert_eq!((explained.decision.allowed, explained.decision.step), (allowed, step));
        assert_eq!(explained.steps.last().map(|said| said.step), Some(step));
        (allowed, step, reason.to_string())
    }

    async fn allows(&self, cluster: &str, user: &UserInfo, attributes: &Attributes<'_>) -> bool {
        self.told(cluster, user, attributes).await.0
    }
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    let groups = groups.iter().chain(&[AUTHENTICATED]).map(|group| (*group).to_owned()).collect();
    UserInfo { name: name.into(), groups, ..UserInfo::default() }
}

fn with(mut user: UserInfo, key: &str, values: &[&str]) -> UserInfo {
    user.extra.insert(key.into(), values.iter().map(|value| (*value).to_owned()).collect());
    user
}

const PODS: Attributes<'static> = Attributes {
    verb: "get",
    group: "",
    resource: "pods",
    subresource: "",
    namespace: "",
    name: "",
    path: "",
    is_resource: true,
};

#[tokio::test]
async fn masters_may_do_everything_and_derive_nothing() {
    let world = World::new().await;
    let root = user("root", &[MASTERS]);
    for cluster in ["one", "none", "system:admin", ""] {
        assert_eq!(world.told(cluster, &root, &PODS).await, (true, "00-alwaysallowgroups", String::new()), "{cluster}");
    }
    assert!(world.authorization.states.is_empty());
    // Out of scope they are nobody.
    assert!(!world.allows("one", &with(root, SCOPES, &["cluster:two"]), &PODS).await);
}

#[tokio::test]
async fn required_groups_are_asked_of_everybody_but_those_who_look_after_clusters() {
    let world = World::new().await;
    world.row("one", "Ready", json!({REQUIRED_GROUPS: "red,blue;green"})).await;
    let cases = [
        (user("owner", &[]), false),
        (user("owner", &["red"]), false),
        (user("owner", &["red", "blue"]), true),
        (user("owner", &["green"]), true),
        (user("stranger", &["green"]), false),
        (user("admin", &[ADMIN]), true),
    ];
    for (user, expected) in cases {
        assert_eq!(world.allows("one", &user, &PODS).await, expected, "{:?}", user.groups);
    }
    let (allowed, step, reason) = world.told("one", &user("owner", &[]), &PODS).await;
    assert_eq!((allowed, step, reason.as_str()), (false, "01-requiredgroups", DENIED));
    // Service accounts are not asked, and no cluster but the one.
    world.bind("one", "e", "cluster-admin", "User", "system:serviceaccount:ns:a").await;
    let account = with(user("system:serviceaccount:ns:a", &[]), ORIGIN, &["one"]);
    assert!(world.allows("one", &account, &PODS).await);
    assert!(world.allows("two", &user("owner", &[]), &PODS).await);
    // In force at once, also when it is taken back.
    world.row("one", "Ready", json!({})).await;
    assert!(world.allows("one", &user("owner", &[]), &PODS).await);
}

#[tokio::test]
async fn nobody_does_anything_where_he_may_not_enter() {
    let world = World::new().await;
    let told = |who: &'static str, cluster: &'static str| {
        let world = &world;
        async move { world.told(cluster, &user(who, &[]), &PODS).await }
    };
    assert!(told("member", "one").await.0);
    assert_eq!(told("alien", "one").await, (false, "02-content", DENIED.into()));
    assert_eq!(told("owner", "none").await, (false, "02-content", DENIED.into()));
    assert_eq!(told("owner", "system:admin").await, (false, "02-content", DENIED.into()));
    let admin = user("admin", &[ADMIN]);
    assert!(world.allows("none", &admin, &PODS).await);
    assert!(!world.allows("system:admin", &admin, &PODS).await);
    // A deep check does not ask.
    let alien = user("alien", &[]);
    assert!(world.authorization.allowed("one", &alien, &PODS).await.unwrap().allowed);
    assert!(!world.authorization.enters("one", &alien).await.unwrap());
    assert!(world.authorization.enters("one", &user("member", &[])).await.unwrap());
}

#[tokio::test]
async fn phases_close_a_cluster_and_open_it_to_those_at_work() {
    let world = World::new().await;
    let worker = user("worker", &["system:kcp:initializer:root:org:type"]);
    let cases = [
        ("", false, false),
        ("Scheduling", false, false),
        ("Unavailable", false, false),
        ("Nonsense", false, false),
        ("Initializing", true, true),
        ("Ready", true, false),
        ("Inactive", true, false),
        ("Terminating", true, true),
        ("Deleting", true, true),
    ];
    for (phase, owner, at_work) in cases {
        world.row("one", phase, json!({})).await;
        assert_eq!(world.allows("one", &user("owner", &[]), &PODS).await, owner, "{phase}");
        assert_eq!(world.allows("one", &user("admin", &[ADMIN]), &PODS).await, owner, "{phase}");
        assert_eq!(world.allows("one", &worker, &PODS).await, at_work, "{phase}");
        assert!(!world.allows("two", &worker, &PODS).await);
    }
}

#[tokio::test]
async fn service_accounts_enter_their_own_cluster_and_no_other() {
    let world = World::new().await;
    let name = "system:serviceaccount:ns:a";
    for cluster in ["one", "two"] {
        world.bind(cluster, "e", "look", "User", name).await;
    }
    let account = with(user(name, &[]), ORIGIN, &["one"]);
    assert!(world.allows("one", &account, &PODS).await);
    assert!(!world.allows("two", &account, &PODS).await);
    // By the name that says where it comes from it can be let into others.
    world.bind("two", "f", "enter", "User", "system:kcp:serviceaccount:one:ns:a").await;
    assert!(!world.allows("two", &account, &PODS).await);
    world.bind("two", "g", "look", "User", "system:kcp:serviceaccount:one:ns:a").await;
    assert!(world.allows("two", &account, &PODS).await);
}

#[tokio::test]
async fn warrants_and_scopes_count_where_rules_are_looked_at() {
    let world = World::new().await;
    let warrant = json!({"user": "owner"}).to_string();
    let carrier = with(user("nobody", &[]), WARRANTS, &[&warrant]);
    assert!(world.allows("one", &carrier, &PODS).await);
    assert!(!world.allows("one", &user("nobody", &[]), &PODS).await);
    let scoped = with(user("owner", &[]), SCOPES, &["cluster:two"]);
    assert!(world.allows("two", &scoped, &PODS).await);
    assert!(!world.allows("one", &scoped, &PODS).await);
    world.bind("one", "f", "cluster-admin", "Group", "system:cluster:two").await;
    assert!(world.allows("one", &scoped, &PODS).await);
    // Whoever is let in as somebody else does not bring the group of administrators along.
    let masters = json!({"user": "x", "groups": [MASTERS]}).to_string();
    assert!(!world.allows("one", &with(user("nobody", &[]), WARRANTS, &[&masters]), &PODS).await);
}

#[tokio::test]
async fn an_inactive_cluster_answers_nobody_and_says_so_to_those_who_may_enter() {
    let world = World::new().await;
    for key in [INACTIVE, INACTIVE_BEFORE] {
        world.row("one", "Ready", json!({key: "true"})).await;
        for (who, groups) in [("owner", &[][..]), ("root", &[MASTERS][..]), ("admin", &[ADMIN][..])] {
            let who = user(who, groups);
            let (allowed, _, reason) = world.told("one", &who, &PODS).await;
            assert_eq!((allowed, reason.as_str()), (false, OFFLINE));
            assert!(world.authorization.enters("one", &who).await.unwrap());
            let openapi = Attributes::path("get", "/openapi/v3");
            let row = Attributes { group: "core.kcp.io", resource: "logicalclusters", ..PODS };
            assert!(world.allows("one", &who, &openapi).await);
            assert!(world.allows("one", &who, &row).await);
        }
        assert_eq!(world.told("one", &user("alien", &[]), &PODS).await, (false, "02-content", DENIED.into()));
        assert!(world.allows("two", &user("owner", &[]), &PODS).await);
    }
    world.row("one", "Ready", json!({INACTIVE: "false"})).await;
    assert!(world.allows("one", &user("owner", &[]), &PODS).await);
}

#[tokio::test]
async fn what_the_server_says_of_bindings_nobody_else_says() {
    let world = World::new().await;
    let owner = user("owner", &[]);
    for resource in ["apibindings", "apiexports"] {
        let main = Attributes { group: "apis.kcp.io", resource, ..PODS };
        for verb in ["get", "update", "patch"] {
            let status = Attributes { verb, subresource: "status", ..main };
            assert_eq!(world.told("one", &owner, &status).await, (false, "03-systemcrd", DENIED.into()));
            assert!(world.allows("one", &owner, &Attributes { verb, ..main }).await);
            assert!(world.allows("one", &owner, &Attributes { group: "else", ..status }).await);
        }
    }
}

#[tokio::test]
async fn rules_have_the_last_word() {
    let world = World::new().await;
    let member = user("member", &[]);
    let write = Attributes { verb: "create", ..PODS };
    assert_eq!(world.told("one", &member, &write).await, (false, "05-rbac", String::new()));
    let (allowed, step, reason) = world.told("one", &member, &PODS).await;
    assert_eq!((allowed, step), (true, "05-rbac"));
    assert!(reason.contains(r#"ClusterRoleBinding "c" of ClusterRole "look" to User "member""#), "{reason}");
    // Written out here, so that a guard that is missing or out of its place is noticed, also one that passes all on.
    let keys = [
        "00-alwaysallowgroups",
        "01-requiredgroups",
        "02-content",
        "02-inactive",
        "03-systemcrd",
        "04-maxpermissionpolicy",
        "05-rbac",
    ];
    let explained = world.authorization.explain("one", &member, &PODS, false).await.unwrap();
    assert_eq!(explained.steps.iter().map(|said| said.step).collect::<Vec<_>>(), keys);
    let entry = explained.steps.iter().find(|said| said.step == "02-content").unwrap();
    assert!(entry.reason.contains(r#"ClusterRoleBinding "b""#), "{}", entry.reason);
}
