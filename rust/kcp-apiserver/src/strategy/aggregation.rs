//! Cluster roles made of other cluster roles: their rules are kept in the commit that changes what they are made of.
//!
//! A role with an `aggregationRule` has the rules of every role its selectors match, those every logical cluster has
//! among them, in the order of names and each once. So whoever reads a role after a write sees what it grants.
//! The rules are owned as if the controller that fills them in elsewhere had applied them.
//!
//! What access is decided by is derived from the same selectors elsewhere, and holds also where a bootstrap role
//! changed after the roles of other clusters were written.

use super::turns::Turns;
use super::{Admission, Departure};
use crate::authz::BASE;
use crate::authz::generations::CLUSTER_ROLES;
use crate::codec::{self, Header};
use crate::managed::{KindSchema, OneVersion, Over};
use crate::server::ApiServer;
use crate::verbs::storage_error;
use kcp_apimachinery::selector::label::Selector;
use kcp_apimachinery::{Status, meta, time};
use kcp_storage::{At, Backend, Change, Expect, Guard, Item, Key, KeyRange, ListQuery, Op, Value as Stored};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

const HEADER: Header<'static> = Header { api_version: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" };

/// First component of the key whose change says that the aggregating roles of a cluster are other ones. No resource is
/// called like that.
const AGGREGATORS: &str = "clusterroles.rbac.authorization.k8s.io/aggregators";

/// The manager that owns aggregated rules.
const MANAGER: &str = "clusterrole-aggregation-controller";

/// What field management knows of cluster roles.
static SCHEMA: LazyLock<KindSchema> = LazyLock::new(|| KindSchema::compile("io.k8s.api.rbac.v1.ClusterRole"));

/// A cluster role, as it is to be, without entries of managed fields.
pub(crate) struct Role {
    object: Value,
    /// What is stored, where that is not what is being written.
    item: Option<Item>,
    selectors: Vec<Selector>,
}

impl Role {
    /// A role as it is to be; `item` is what is stored, where that is not what is being written.
    pub(crate) fn new(object: Value, item: Option<Item>) -> Self {
        let selectors = object.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
        let selectors = selectors.into_iter().flatten().filter_map(|one| Selector::from_label_selector(one).ok());
        Self { selectors: selectors.collect(), object, item }
    }

    /// What is stored, where that is not what is being written.
    pub(crate) fn item(&self) -> Option<&Item> {
        self.item.as_ref()
    }

    fn aggregates(&self) -> bool {
        !self.selectors.is_empty()
    }

    fn selects(&self, other: &Self) -> bool {
        self.selectors.iter().any(|selector| selector.matches(meta::labels(&other.object)))
    }
}

/// The roles that hold in a cluster, by name.
pub(crate) type Roles = BTreeMap<String, Role>;

/// A role whose rules are no longer those of the roles it selects.
pub(crate) struct Outdated {
    /// The role with the rules it has to have.
    pub(crate) object: Value,
    over: Over,
}

impl Outdated {
    /// What is stored of it, given the entries it has, as JSON text.
    ///
    /// # Errors
    /// When the entries cannot be read.
    pub(crate) fn entries(&self, entries: &[u8], now: &str) -> Result<Vec<u8>, Status> {
        let versions = OneVersion { api_version: HEADER.api_version, of: SCHEMA.root() };
        self.over.entries(&versions, entries, now)
    }
}

/// Puts the rules together that the role of a name has to have; `None` where it has them, and of a role that does not
/// aggregate.
pub(crate) fn outdated(roles: &Roles, name: &str) -> Option<Outdated> {
    let role = roles.get(name).filter(|role| role.aggregates())?;
    let rules = Value::from(rules(roles, name, &mut HashSet::new()));
    if role.object.get("rules").unwrap_or(&Value::Null) == &rules {
        return None;
    }
    let mut config = json!({"apiVersion": HEADER.api_version, "kind": HEADER.kind, "metadata": {"name": name}});
    if !rules.is_null() {
        config["rules"] = rules.clone();
    }
    let mut object = role.object.clone();
    object["rules"] = rules;
    Some(Outdated { object, over: Over { manager: MANAGER, live: role.object.clone(), config } })
}

/// Fills in the rules of a written role that aggregates, and those of every role that aggregates the written one.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn admit(
    server: &ApiServer,
    turns: &Turns,
    cluster: &str,
    new: &mut Value,
    old: Option<&Value>,
) -> Result<Admission, Status> {
    let name = meta::name(new).to_owned();
    let turn = turns.take(cluster).await;
    let rule = |role: &Value| role.get("aggregationRule").filter(|rule| rule.is_object()).cloned();
    // Read before the roles are, so that an aggregating newcomer in between is noticed.
    let (guard, place) = place(server, cluster, rule(new) != old.and_then(rule)).await?;
    let mut roles = load(&*server.store, cluster).await?;
    roles.insert(name.clone(), Role::new(new.clone(), None));
    let over = outdated(&roles, &name).map(|mut outdated| {
        new["rules"] = outdated.object["rules"].take();
        outdated.over
    });
    let (mut guards, mut also) = update(server, &roles, Some(&name))?;
    guards.extend(guard);
    also.extend(place);
    Ok(Admission { guards, also, over, turn: Some(turn), ..Admission::default() })
}

/// Takes the rules of a role that goes from the roles that aggregate it.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn depart(server: &ApiServer, turns: &Turns, key: &Key) -> Result<Departure, Status> {
    let turn = turns.take(key.cluster()).await;
    let (guard, _) = place(server, key.cluster(), false).await?;
    let mut roles = load(&*server.store, key.cluster()).await?;
    roles.remove(key.name());
    let (mut guards, also) = update(server, &roles, None)?;
    guards.extend(guard);
    Ok(Departure { instead: None, guards, also, turn: Some(turn) })
}

/// What makes two writes notice each other of which one brings a role and the other one that aggregates it: neither is
/// there for the other to guard.
async fn place(
    server: &ApiServer,
    cluster: &str,
    other_selectors: bool,
) -> Result<(Option<Guard>, Option<Op>), Status> {
    let key = Key::new(AGGREGATORS, cluster, "", "");
    let found = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
    let expect = found.map_or(Expect::Absent, |item| Expect::At(item.revision));
    Ok(if other_selectors {
        (None, Some(Op { key, expect, change: Change::Put(Stored::default()) }))
    } else {
        (Some(Guard { key, expect }), None)
    })
}

/// The roles that hold in a cluster: its own before those that all have.
///
/// # Errors
/// When the store cannot be read, or holds a role that cannot be decoded.
pub(crate) async fn load(store: &dyn Backend, cluster: &str) -> Result<Roles, Status> {
    let mut roles = Roles::new();
    for from in [BASE, cluster] {
        let range = KeyRange::cluster(CLUSTER_ROLES, from);
        let query = ListQuery { range, at: At::Latest, after: None, limit: None };
        for item in store.list(query).await.map_err(|error| storage_error(&error))?.items {
            let mut object = codec::decode_lean(&item, HEADER).map_err(Status::internal)?;
            codec::strip(&mut object);
            roles.insert(item.key.name().to_owned(), Role::new(object, (from == cluster).then_some(item)));
        }
    }
    Ok(roles)
}

/// The changes of the cluster's own aggregating roles but `written`, and guards of what they were computed from.
fn update(server: &ApiServer, roles: &Roles, written: Option<&str>) -> Result<(Vec<Guard>, Vec<Op>), Status> {
    let now = time::format_rfc3339(server.clock.now().as_second());
    let (mut ops, mut changed) = (Vec::new(), HashSet::new());
    for (name, role) in roles {
        let Some(item) = role.item.as_ref().filter(|_| written != Some(name.as_str())) else { continue };
        let Some(outdated) = outdated(roles, name) else { continue };
        let entries = outdated.entries(codec::managed(&item.value), &now)?;
        let data = codec::encode_lean(&outdated.object, &entries, codec::fingerprint(&item.value));
        let value = Stored::indexed(data, item.value.terms.to_vec());
        ops.push(Op::put(item.key.clone(), Expect::At(item.revision), value));
        changed.insert(name.as_str());
    }
    let aggregating: Vec<&Role> = roles.values().filter(|role| role.aggregates()).collect();
    let guards = roles
        .iter()
        .filter(|(name, role)| !changed.contains(name.as_str()) && aggregating.iter().any(|one| one.selects(role)))
        .filter_map(|(_, role)| role.item.as_ref())
        .map(|item| Guard { key: item.key.clone(), expect: Expect::At(item.revision) })
        .collect();
    Ok((guards, ops))
}

/// The rules of a role; `seen` are the roles whose rules are being put together, as roles may aggregate each other.
fn rules<'a>(roles: &'a Roles, name: &'a str, seen: &mut HashSet<&'a str>) -> Option<Vec<Value>> {
    let role = roles.get(name)?;
    if !role.aggregates() {
        return role.object.get("rules").and_then(Value::as_array).cloned();
    }
    if !seen.insert(name) {
        return None;
    }
    let mut all = Vec::new();
    for (other, candidate) in roles {
        if other != name && role.selects(candidate) {
            for rule in rules(roles, other, seen).into_iter().flatten() {
                if !all.contains(&rule) {
                    all.push(rule);
                }
            }
        }
    }
    seen.remove(name);
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(labels: Value, selects: &[Value], rules: Value) -> Role {
        let selectors: Vec<Value> = selects.iter().map(|labels| json!({"matchLabels": labels})).collect();
        let mut object = json!({"metadata": {"labels": labels}, "rules": rules});
        if !selectors.is_empty() {
            object["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        }
        Role::new(object, None)
    }

    #[test]
    fn rules_are_sorted_by_role_and_each_comes_once() {
        let (get, list) = (json!({"verbs": ["get"]}), json!({"verbs": ["list"]}));
        let mut roles = Roles::new();
        roles.insert("all".into(), role(json!({}), &[json!({"to": "all"})], Value::Null));
        roles.insert("b".into(), role(json!({"to": "all"}), &[], json!([get])));
        roles.insert("a".into(), role(json!({"to": "all"}), &[], json!([list, get])));
        roles.insert("c".into(), role(json!({"to": "other"}), &[], json!([{"verbs": ["delete"]}])));
        assert_eq!(rules(&roles, "all", &mut HashSet::new()), Some(vec![list, get]));
    }

    #[test]
    fn roles_that_aggregate_each_other_have_each_others_rules() {
        let (get, list) = (json!({"verbs": ["get"]}), json!({"verbs": ["list"]}));
        let mut roles = Roles::new();
        roles.insert("x".into(), role(json!({"to": "y"}), &[json!({"to": "x"})], Value::Null));
        roles.insert("y".into(), role(json!({"to": "x"}), &[json!({"to": "y"})], Value::Null));
        roles.insert("of-x".into(), role(json!({"to": "x"}), &[], json!([get])));
        roles.insert("of-y".into(), role(json!({"to": "y"}), &[], json!([list])));
        assert_eq!(rules(&roles, "x", &mut HashSet::new()), Some(vec![get.clone(), list.clone()]));
        assert_eq!(rules(&roles, "y", &mut HashSet::new()), Some(vec![list, get]));
        roles.remove("of-x");
        roles.remove("of-y");
        assert_eq!(rules(&roles, "x", &mut HashSet::new()), None);
    }
}
