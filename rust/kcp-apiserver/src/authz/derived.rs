//! The roles and bindings of one logical cluster, compiled: immutable, made from one revision of the store.

use super::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LOGICAL_CLUSTERS, ROLE_BINDINGS, ROLES};
use super::row::Row;
use super::rule::Rule;
use crate::exchange::UserInfo;
use crate::{clusters, codec};
use kcp_apimachinery::selector::label::Selector;
use kcp_apimachinery::text;
use kcp_storage::{At, Backend, Error, Item, KeyRange, ListQuery, Revision};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// What rules are made of; cluster role bindings come before role bindings.
const RULES: [&str; 4] = [ROLES, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS];

/// Who a binding binds to which role; prints as reasons name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The binding's name.
    pub binding: String,
    /// The binding's namespace; empty for cluster role bindings.
    pub namespace: String,
    /// `Role` or `ClusterRole`.
    pub role_kind: String,
    /// The role's name.
    pub role: String,
    /// The subject that applies, printed.
    pub subject: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = if self.namespace.is_empty() {
            ("ClusterRoleBinding", text::quote(&self.binding))
        } else {
            ("RoleBinding", text::quote(&format!("{}/{}", self.binding, self.namespace)))
        };
        write!(f, "{kind} {name} of {} {} to {}", self.role_kind, text::quote(&self.role), self.subject)
    }
}

/// What a binding refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// API group.
    pub api_group: String,
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Name.
    pub name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    labels: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StoredRole {
    metadata: Meta,
    rules: Option<Vec<Rule>>,
    aggregation_rule: Option<StoredAggregation>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StoredAggregation {
    cluster_role_selectors: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StoredBinding {
    role_ref: RoleRef,
    subjects: Option<Vec<StoredSubject>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredSubject {
    kind: String,
    name: String,
    namespace: String,
}

/// A subject as it is looked up. Service accounts are users of a fixed name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    Group(String),
}

impl Subject {
    fn is_one_of(&self, users: &[UserInfo]) -> bool {
        users.iter().any(|user| match self {
            Self::User(name) => *name == user.name,
            Self::Group(name) => user.is_in(name),
        })
    }
}

struct Binding {
    namespace: String,
    name: String,
    role: RoleRef,
    subjects: Vec<(Subject, String)>,
}

struct ClusterRole {
    labels: Map<String, Value>,
    rules: Arc<[Rule]>,
    /// Selectors of the roles whose rules this one has; `None` for roles with rules of their own.
    aggregates: Option<Vec<Selector>>,
}

/// One logical cluster's roles and bindings.
#[derive(Default)]
pub struct Derived {
    /// What the logical cluster's row says; `None` where there is no such cluster.
    pub row: Option<Row>,
    /// About how many bytes this takes.
    pub weight: u64,
    roles: HashMap<String, HashMap<String, Arc<[Rule]>>>,
    cluster_roles: BTreeMap<String, ClusterRole>,
    bindings: Vec<Binding>,
    users: HashMap<String, Vec<u32>>,
    groups: HashMap<String, Vec<u32>>,
}

/// A role that a binding grants to somebody.
#[derive(Clone)]
pub struct Grant {
    /// By what.
    pub source: Arc<Source>,
    /// What.
    pub rules: Arc<[Rule]>,
}

/// What applies to one user in one scope.
#[derive(Default)]
pub struct Grants {
    /// Roles granted, in the order in which decisions look at them.
    pub grants: Vec<Grant>,
    /// Roles that bindings name but that do not exist.
    pub missing: Vec<String>,
}

impl Derived {
    /// Reads one logical cluster. Its roles and bindings are of one state: put together from several they would show
    /// grants that never stood side by side. The row grants nothing and may be newer.
    pub async fn load(store: &dyn Backend, cluster: &str) -> Result<Self, Error> {
        let item = store.get(&clusters::row(cluster)).await?;
        let (_, items) = store.contents(cluster, &RULES).await?;
        Ok(Self::of(item.as_ref().map(row), &items))
    }

    /// The same as it was at a revision.
    pub async fn load_at(store: &dyn Backend, cluster: &str, at: Revision) -> Result<Self, Error> {
        let row = all(store, LOGICAL_CLUSTERS, cluster, at).await?.first().map(row);
        let mut items = Vec::new();
        for resource in RULES {
            items.extend(all(store, resource, cluster, at).await?);
        }
        Ok(Self::of(row, &items))
    }

    fn of(row: Option<Row>, rules: &[Item]) -> Self {
        let mut state = Self::of_row(row);
        for item in rules {
            state.weight += weigh(item);
            match item.key.resource() {
                ROLES => state.add_role(item),
                CLUSTER_ROLES => state.add_cluster_role(item),
                _ => state.add(binding(item)),
            }
        }
        state
    }

    fn add_role(&mut self, item: &Item) {
        let role: StoredRole = parse(item);
        let namespace = self.roles.entry(item.key.namespace().to_owned()).or_default();
        namespace.insert(item.key.name().to_owned(), role.rules.unwrap_or_default().into());
    }

    fn add_cluster_role(&mut self, item: &Item) {
        let role: StoredRole = parse(item);
        let selectors = role.aggregation_rule.and_then(|rule| rule.cluster_role_selectors);
        let role = ClusterRole {
            labels: role.metadata.labels.unwrap_or_default(),
            rules: role.rules.unwrap_or_default().into(),
            // A selector that cannot be read selects nothing.
            aggregates: selectors.filter(|selectors| !selectors.is_empty()).map(|selectors| {
                selectors.iter().filter_map(|selector| Selector::from_label_selector(selector).ok()).collect()
            }),
        };
        self.cluster_roles.insert(item.key.name().to_owned(), role);
    }

    /// A logical cluster without roles and bindings.
    pub fn of_row(row: Option<Row>) -> Self {
        Self { weight: 256 + row.as_ref().map_or(0, Row::weight), row, ..Self::default() }
    }

    fn add(&mut self, binding: Binding) {
        // More than four thousand million bindings do not fit into memory.
        let index = u32::try_from(self.bindings.len()).unwrap_or(u32::MAX);
        for (subject, _) in &binding.subjects {
            let entry = match subject {
                Subject::User(name) => self.users.entry(name.clone()),
                Subject::Group(name) => self.groups.entry(name.clone()),
            };
            let indices = entry.or_default();
            if indices.last() != Some(&index) {
                indices.push(index);
            }
        }
        self.bindings.push(binding);
    }

    /// What any of `users` is granted by this cluster's bindings: cluster-wide under the empty name, and by namespace.
    /// Roles are looked up here first, then in `base`.
    pub fn grants(&self, base: Option<&Self>, users: &[UserInfo], into: &mut HashMap<String, Grants>) {
        let by_group = users.iter().flat_map(|user| &user.groups).filter_map(|group| self.groups.get(group)).flatten();
        let by_name = users.iter().filter_map(|user| self.users.get(&user.name)).flatten();
        let mut indices: Vec<u32> = by_name.chain(by_group).copied().collect();
        indices.sort_unstable();
        indices.dedup();
        for index in indices {
            let binding = &self.bindings[index as usize];
            let Some((_, subject)) = binding.subjects.iter().find(|(subject, _)| subject.is_one_of(users)) else {
                continue;
            };
            let scope = into.entry(binding.namespace.clone()).or_default();
            match self.resolve(base, &binding.role, &binding.namespace) {
                Ok(rules) => scope.grants.push(Grant {
                    source: Arc::new(Source {
                        binding: binding.name.clone(),
                        namespace: binding.namespace.clone(),
                        role_kind: binding.role.kind.clone(),
                        role: binding.role.name.clone(),
                        subject: subject.clone(),
                    }),
                    rules,
                }),
                Err(missing) => scope.missing.push(missing),
            }
        }
    }

    /// The rules of a role that a binding in `namespace` refers to.
    ///
    /// # Errors
    /// A message that names the role when there is none.
    pub fn resolve(&self, base: Option<&Self>, role: &RoleRef, namespace: &str) -> Result<Arc<[Rule]>, String> {
        let found = match role.kind.as_str() {
            "Role" => {
                let here = |state: &Self| state.roles.get(namespace)?.get(&role.name).map(Arc::clone);
                here(self).or_else(|| base.and_then(here))
            }
            "ClusterRole" => self.cluster_role(base, &role.name, &mut HashSet::new()),
            kind => return Err(format!("unsupported role reference kind: {}", text::quote(kind))),
        };
        found.ok_or_else(|| {
            let kind = role.kind.to_ascii_lowercase();
            format!("{kind}.rbac.authorization.k8s.io {} not found", text::quote(&role.name))
        })
    }

    /// A cluster role's rules; for one that aggregates those of every role its selectors match, in name order.
    fn cluster_role<'a>(
        &'a self,
        base: Option<&'a Self>,
        name: &str,
        seen: &mut HashSet<&'a str>,
    ) -> Option<Arc<[Rule]>> {
        let (name, role) = self
            .cluster_roles
            .get_key_value(name)
            .or_else(|| base.and_then(|base| base.cluster_roles.get_key_value(name)))?;
        let Some(selectors) = &role.aggregates else { return Some(Arc::clone(&role.rules)) };
        let mut rules: Vec<Rule> = Vec::new();
        if !seen.insert(name) {
            return Some(rules.into());
        }
        let mut all: BTreeMap<&'a str, &'a ClusterRole> = BTreeMap::new();
        for (name, role) in base.into_iter().flat_map(|base| &base.cluster_roles).chain(&self.cluster_roles) {
            all.insert(name, role);
        }
        for (other, candidate) in all {
            if other != name && selectors.iter().any(|selector| selector.matches(Some(&candidate.labels))) {
                for rule in self.cluster_role(base, other, seen).unwrap_or_default().iter() {
                    if !rules.contains(rule) {
                        rules.push(rule.clone());
                    }
                }
            }
        }
        seen.remove(name.as_str());
        Some(rules.into())
    }
}

async fn all(store: &dyn Backend, resource: &str, cluster: &str, at: Revision) -> Result<Vec<Item>, Error> {
    let range = KeyRange::cluster(resource, cluster);
    let query = ListQuery { range, at: At::Exact(at), after: None, limit: None };
    Ok(store.list(query).await?.items)
}

/// A stored row.
pub fn row(item: &Item) -> Row {
    Row::parse(&json(item))
}

fn json(item: &Item) -> Vec<u8> {
    let mut json = Vec::new();
    codec::write(&mut json, None, item.key.cluster(), item.revision, &item.value);
    json
}

/// What cannot be read grants nothing: stored roles and bindings were validated when they were written.
fn parse<T: DeserializeOwned + Default>(item: &Item) -> T {
    serde_json::from_slice(&json(item)).unwrap_or_else(|error| {
        tracing::error!(key = ?item.key, %error, "a stored role or binding cannot be read");
        T::default()
    })
}

fn weigh(item: &Item) -> u64 {
    item.value.data.len() as u64 + 128
}

fn binding(item: &Item) -> Binding {
    let stored: StoredBinding = parse(item);
    let namespace = item.key.namespace();
    let subjects = stored.subjects.unwrap_or_default();
    Binding {
        namespace: namespace.to_owned(),
        name: item.key.name().to_owned(),
        role: stored.role_ref,
        subjects: subjects.into_iter().filter_map(|stored| subject(stored, namespace)).collect(),
    }
}

fn subject(stored: StoredSubject, binding_namespace: &str) -> Option<(Subject, String)> {
    let StoredSubject { kind, name, namespace } = stored;
    match kind.as_str() {
        "User" => Some((Subject::User(name.clone()), format!("User {}", text::quote(&name)))),
        "Group" => Some((Subject::Group(name.clone()), format!("Group {}", text::quote(&name)))),
        "ServiceAccount" => {
            let namespace = if namespace.is_empty() { binding_namespace } else { &namespace };
            if namespace.is_empty() {
                return None;
            }
            let printed = format!("ServiceAccount {}", text::quote(&format!("{name}/{namespace}")));
            Some((Subject::User(format!("system:serviceaccount:{namespace}:{name}")), printed))
        }
        _ => None,
    }
}
