//! Random roles, bindings and requests: what is derived and cached decides as a reading of the stored objects does.

use super::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
use super::{Attributes, Authorization, BASE};
use crate::codec;
use crate::exchange::UserInfo;
use kcp_storage::{Backend, Batch, Expect, Key, Memory, Op, Value as Stored};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const CLUSTERS: [&str; 3] = [BASE, "one", "two"];
const NAMESPACES: [&str; 2] = ["n", "m"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const LABEL: &str = "into-c";

type World = BTreeMap<Key, Value>;

/// One change of a role or binding; no object: it is deleted.
#[derive(Clone, Debug)]
struct Write {
    key: Key,
    object: Option<Value>,
}

fn some_of(values: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(values, least..=values.len())
}

fn rule() -> impl Strategy<Value = Value> {
    let resource = (
        some_of(&["get", "list", "*"], 0),
        some_of(&["", "x.y", "*"], 0),
        some_of(&["pods", "pods/log", "*/log", "pods/*", "*"], 0),
        some_of(&["p", "q"], 0),
    )
        .prop_map(|(verbs, groups, resources, names)| {
            json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
        });
    let path = (some_of(&["get", "*"], 0), some_of(&["/a", "/a/*", "/b*", "*"], 0))
        .prop_map(|(verbs, urls)| json!({"verbs": verbs, "nonResourceURLs": urls}));
    prop_oneof![4 => resource, 1 => path]
}

fn role(cluster_wide: bool) -> impl Strategy<Value = Value> {
    (proptest::collection::vec(rule(), 0..3), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        move |(rules, labelled, aggregates)| {
            let mut role = json!({"metadata": {}, "rules": rules});
            if labelled {
                role["metadata"]["labels"] = json!({LABEL: "yes"});
            }
            if cluster_wide && aggregates {
                role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {LABEL: "yes"}}]});
            }
            role
        },
    )
}

fn binding(kinds: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let subject = prop_oneof![
        select(vec!["u", "v"]).prop_map(|name| json!({"kind": "User", "name": name})),
        select(vec!["g", "h"]).prop_map(|name| json!({"kind": "Group", "name": name})),
        (select(vec!["", "n"]))
            .prop_map(|namespace| { json!({"kind": "ServiceAccount", "name": "s", "namespace": namespace}) }),
    ];
    (select(kinds), select(&NAMES[..]), proptest::collection::vec(subject, 0..3)).prop_map(
        |(kind, name, subjects)| json!({"metadata": {}, "roleRef": {"kind": kind, "name": name}, "subjects": subjects}),
    )
}

fn write() -> impl Strategy<Value = Write> {
    let object = prop_oneof![
        (select(&NAMESPACES[..]), role(false)).prop_map(|(namespace, object)| (ROLES, namespace, object)),
        role(true).prop_map(|object| (CLUSTER_ROLES, "", object)),
        (select(&NAMESPACES[..]), binding(&["Role", "ClusterRole"])).prop_map(|(namespace, object)| (
            ROLE_BINDINGS,
            namespace,
            object
        )),
        binding(&["ClusterRole"]).prop_map(|object| (CLUSTER_ROLE_BINDINGS, "", object)),
    ];
    (object, select(&CLUSTERS[..]), select(&NAMES[..]), prop::bool::weighted(0.75)).prop_map(
        |((storage, namespace, object), cluster, name, kept)| Write {
            key: Key::new(storage, cluster, namespace, name),
            object: kept.then_some(object),
        },
    )
}

fn user() -> impl Strategy<Value = UserInfo> {
    let name = select(vec!["u", "v", "w", "system:serviceaccount:n:s", "system:serviceaccount:m:s"]);
    (name, subsequence(vec!["g", "h"], 0..=2)).prop_map(|(name, groups)| UserInfo {
        name: name.into(),
        groups: groups.into_iter().map(str::to_owned).collect(),
        ..UserInfo::default()
    })
}

fn attributes() -> impl Strategy<Value = Attributes<'static>> {
    let resource = (
        select(vec!["get", "list", "watch"]),
        select(vec!["", "x.y", "z"]),
        select(vec!["pods", "maps"]),
        select(vec!["", "log", "status"]),
        select(vec!["", "n", "m", "o"]),
        select(vec!["", "p", "r"]),
    )
        .prop_map(|(verb, group, resource, subresource, namespace, name)| Attributes {
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
            path: "",
            is_resource: true,
        });
    let path = (select(vec!["get", "post"]), select(vec!["/a", "/a/b", "/bcd", "/c"]))
        .prop_map(|(verb, path)| Attributes::path(verb, path));
    prop_oneof![4 => resource, 1 => path]
}

/// Reads the stored objects from the beginning, for each question.
struct Model<'a>(&'a World);

impl Model<'_> {
    fn allows(&self, cluster: &str, user: &UserInfo, attributes: &Attributes<'_>) -> bool {
        self.0.iter().any(|(key, object)| {
            let is_binding = matches!(key.resource(), ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS);
            let applies = is_binding
                && (key.cluster() == cluster || key.cluster() == BASE)
                && (key.namespace().is_empty() || key.namespace() == attributes.namespace)
                && items(&object["subjects"]).any(|subject| is_subject(subject, user, key.namespace()));
            applies && self.rules(key, &object["roleRef"]).iter().any(|rule| allows(rule, attributes))
        })
    }

    fn rules(&self, binding: &Key, role: &Value) -> Vec<Value> {
        let name = role["name"].as_str().unwrap();
        if role["kind"] == "Role" {
            let find = |cluster| self.0.get(&Key::new(ROLES, cluster, binding.namespace(), name));
            let role = find(binding.cluster()).or_else(|| find(BASE));
            return role.into_iter().flat_map(|role| items(&role["rules"])).cloned().collect();
        }
        self.cluster_role(binding.cluster(), name, &mut BTreeSet::new())
    }

    fn cluster_role(&self, cluster: &str, name: &str, seen: &mut BTreeSet<String>) -> Vec<Value> {
        let find = |name: &str| {
            let at = |cluster| self.0.get(&Key::new(CLUSTER_ROLES, cluster, "", name));
            at(cluster).or_else(|| at(BASE))
        };
        let Some(role) = find(name) else { return Vec::new() };
        if !role["aggregationRule"].is_object() {
            return items(&role["rules"]).cloned().collect();
        }
        if !seen.insert(name.to_owned()) {
            return Vec::new();
        }
        let labelled = NAMES.iter().filter(|other| {
            **other != name && find(other).is_some_and(|role| role["metadata"]["labels"][LABEL] == "yes")
        });
        labelled.flat_map(|other| self.cluster_role(cluster, other, seen)).collect()
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn has(list: &Value, wanted: &str) -> bool {
    items(list).any(|entry| entry == wanted)
}

fn is_subject(subject: &Value, user: &UserInfo, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap();
    match subject["kind"].as_str().unwrap() {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        _ => {
            let own = subject["namespace"].as_str().unwrap();
            let namespace = if own.is_empty() { namespace } else { own };
            !namespace.is_empty() && user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
    }
}

fn allows(rule: &Value, attributes: &Attributes<'_>) -> bool {
    let star = |list: &Value, wanted: &str| has(list, "*") || has(list, wanted);
    if !star(&rule["verbs"], attributes.verb) {
        return false;
    }
    if !attributes.is_resource {
        return items(&rule["nonResourceURLs"]).map(|url| url.as_str().unwrap()).any(|url| {
            match url.strip_suffix('*') {
                Some(prefix) => attributes.path.starts_with(prefix),
                None => attributes.path == url,
            }
        });
    }
    let full = match attributes.subresource {
        "" => attributes.resource.to_owned(),
        sub => format!("{}/{sub}", attributes.resource),
    };
    let any = format!("*/{}", attributes.subresource);
    star(&rule["apiGroups"], attributes.group)
        && (star(&rule["resources"], &full) || !attributes.subresource.is_empty() && has(&rule["resources"], &any))
        && (items(&rule["resourceNames"]).next().is_none() || has(&rule["resourceNames"], attributes.name))
}

async fn apply(store: &Memory, world: &mut World, mut write: Write) {
    if let Some(object) = &mut write.object {
        object["metadata"]["name"] = write.key.name().into();
    }
    let op = match &write.object {
        Some(object) => Op::put(write.key.clone(), Expect::Any, Stored::new(codec::encode(object, 0))),
        None if world.contains_key(&write.key) => Op::delete(write.key.clone(), Expect::Any),
        None => return,
    };
    store.commit(Batch::of(vec![op])).await.unwrap();
    match write.object {
        Some(object) => world.insert(write.key, object),
        None => world.remove(&write.key),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn decisions_follow_from_what_is_stored(
        writes in proptest::collection::vec(write(), 1..40),
        questions in proptest::collection::vec((select(&CLUSTERS[..]), user(), attributes()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Arc::new(Memory::default());
            let authorization = Authorization::new(&(Arc::clone(&store) as Arc<dyn Backend>));
            let mut world = World::new();
            for write in writes {
                apply(&store, &mut world, write).await;
                for (cluster, user, attributes) in &questions {
                    let decision = authorization.allowed(cluster, user, attributes).await.unwrap();
                    let expected = Model(&world).allows(cluster, user, attributes);
                    prop_assert_eq!(decision.allowed, expected, "{} {:?} {:?}", cluster, user, attributes);
                }
            }
            Ok(())
        })?;
    }
}
