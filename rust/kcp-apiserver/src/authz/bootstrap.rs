//! The roles and bindings that every logical cluster has without storing them, and those that `root` begins with.
//!
//! They are declared as data, live once, in the logical cluster [`BASE`] or in [`ROOT`], and are brought up to date when
//! the server starts: what is missing is added, what somebody added stays. An object whose annotation [`AUTOUPDATE`] is not `true`
//! is left alone. Administrators see and change them like other roles, and a change applies everywhere at once.

use super::BASE;
use super::entries::subject_terms;
use super::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLES};
use super::rule::{Rule, uncovered};
use crate::codec::{self, Header};
use crate::managed::{KindSchema, OneVersion};
use crate::strategy::aggregation::{self, Role};
use jiff::Timestamp;
use kcp_apimachinery::Status;
use kcp_apimachinery::managed::{self, Entries, Request};
use kcp_storage::{Backend, Batch, CommitError, Expect, Item, Key, Op, Value as Stored};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The logical cluster that all paths of workspaces begin with.
pub const ROOT: &str = "root";

/// The annotation that keeps an object up to date.
pub const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

const GROUP: &str = "rbac.authorization.k8s.io";
const API_VERSION: &str = "rbac.authorization.k8s.io/v1";
/// The manager of what the server writes itself.
const MANAGER: &str = "kube-apiserver";
const ATTEMPTS: usize = 5;

/// The declared roles and bindings.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    objects: Vec<Declared>,
}

/// Why the bootstrap roles could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] kcp_storage::Error),
    /// The store did not take the changes.
    #[error(transparent)]
    Write(#[from] CommitError),
    /// The logical cluster `root` could not be made.
    #[error("the logical cluster root: {0}")]
    Root(String),
    /// A stored role or binding cannot be decoded.
    #[error("{0}: {1}")]
    Decode(String, String),
}

#[derive(Clone, Debug)]
struct Declared {
    cluster: &'static str,
    storage: &'static str,
    kind: &'static str,
    object: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    cluster_roles: Vec<RoleSpec>,
    cluster_role_bindings: Vec<BindingSpec>,
    roles: Vec<RoleSpec>,
    root: RootDocument,
}

/// What `root` begins with besides.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RootDocument {
    cluster_roles: Vec<RoleSpec>,
    cluster_role_bindings: Vec<BindingSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleSpec {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: Map<String, Value>,
    #[serde(default)]
    rules: Vec<Value>,
    /// Labels of the roles whose rules this one has; any of the entries may match.
    #[serde(default)]
    aggregates: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingSpec {
    name: String,
    role: String,
    subjects: Vec<SubjectSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectSpec {
    kind: String,
    name: String,
}

impl Bootstrap {
    /// Reads the declaration.
    ///
    /// # Errors
    /// When it is not the JSON that `python/kcp/resources/bootstrap_rbac.json` shows.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut objects = Vec::new();
        for spec in document.cluster_roles {
            objects.push(role(spec, BASE, CLUSTER_ROLES, "ClusterRole")?);
        }
        for spec in document.roles {
            objects.push(role(spec, BASE, ROLES, "Role")?);
        }
        objects.extend(document.cluster_role_bindings.into_iter().map(|spec| binding(spec, BASE)));
        for spec in document.root.cluster_roles {
            objects.push(role(spec, ROOT, CLUSTER_ROLES, "ClusterRole")?);
        }
        objects.extend(document.root.cluster_role_bindings.into_iter().map(|spec| binding(spec, ROOT)));
        Ok(Self { objects })
    }

    /// Brings the stored roles and bindings of `cluster`, [`BASE`] or [`ROOT`], up to date in one commit; returns how many
    /// objects changed. The logical cluster has to be there.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn ensure(&self, store: &dyn Backend, cluster: &str, now: Timestamp) -> Result<usize, BootstrapError> {
        let mut attempt = 1;
        loop {
            let ops = self.changes(store, cluster, now).await?;
            let count = ops.len();
            if count == 0 {
                return Ok(0);
            }
            match store.commit(Batch::of(ops)).await {
                Ok(_) => return Ok(count),
                // Another server of the same store does the same at the same time.
                Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn changes(&self, store: &dyn Backend, cluster: &str, now: Timestamp) -> Result<Vec<Op>, BootstrapError> {
        let now = kcp_apimachinery::time::format_rfc3339(now.as_second());
        let mut pending = Vec::new();
        for declared in self.objects.iter().filter(|declared| declared.cluster == cluster) {
            pending.extend(declared.pending(store, &now).await?);
        }
        if cluster == BASE {
            aggregate(store, &mut pending, &now).await?;
        }
        Ok(pending.into_iter().map(Pending::op).collect())
    }
}

/// A role or binding that is to be written.
struct Pending {
    key: Key,
    /// What is stored.
    item: Option<Item>,
    /// Without slots and entries of managed fields.
    object: Value,
    entries: Vec<u8>,
}

impl Pending {
    fn op(self) -> Op {
        let (expect, mut terms) = match self.item {
            Some(item) => (Expect::At(item.revision), item.value.terms.to_vec()),
            None => (Expect::Absent, Vec::new()),
        };
        // Subjects are added, never taken away.
        terms.extend(subject_terms(&self.object));
        terms.sort();
        terms.dedup();
        Op::put(self.key, expect, Stored::indexed(codec::encode_lean(&self.object, &self.entries, 0), terms))
    }
}

impl Declared {
    /// What has to be written of it; `None` when it is there.
    async fn pending(&self, store: &dyn Backend, now: &str) -> Result<Option<Pending>, BootstrapError> {
        let meta = &self.object["metadata"];
        let namespace = meta["namespace"].as_str().unwrap_or_default();
        let name = meta["name"].as_str().unwrap_or_default();
        let key = Key::new(self.storage, self.cluster, namespace, name);
        let item = store.get(&key).await?;
        let Some(item) = item else {
            let mut object = self.object.clone();
            object["metadata"]["uid"] = Value::from(uuid::Uuid::new_v4().to_string());
            object["metadata"]["creationTimestamp"] = Value::from(now);
            // What a kind always has, and nobody set.
            let empty = json!({"metadata": {}, "rules": null});
            let entries = self.entries((&empty, None), &object, now);
            return Ok(Some(Pending { key, item: None, object, entries }));
        };
        let header = Header { api_version: API_VERSION, kind: self.kind };
        let decoded = codec::decode_lean(&item, header);
        let mut before = decoded.map_err(|error| BootstrapError::Decode(format!("{key:?}"), error.to_string()))?;
        codec::strip(&mut before);
        let mut object = before.clone();
        if !reconcile(&mut object, &self.object) {
            return Ok(None);
        }
        let entries = self.entries((&before, Some(codec::managed(&item.value))), &object, now);
        Ok(Some(Pending { key, item: Some(item), object, entries }))
    }

    /// The entries of managed fields after the server's write, as JSON text; `entries` are those before it, `None` where
    /// the object is new.
    fn entries(&self, (before, entries): (&Value, Option<&[u8]>), after: &Value, now: &str) -> Vec<u8> {
        let schema = KindSchema::compile(&format!("io.k8s.api.rbac.v1.{}", self.kind));
        let versions = OneVersion { api_version: API_VERSION, of: schema.root() };
        let request = Request { manager: MANAGER, api_version: API_VERSION, subresource: "", now };
        // Entries that cannot be read are begun anew.
        let known = entries.and_then(|entries| Entries::parse(entries).ok()).unwrap_or_default();
        managed::update(before, after, known, &request, &versions, entries.is_none()).to_json()
    }
}

/// Adds what has to be written so that the aggregating roles have the rules of the roles they select.
async fn aggregate(store: &dyn Backend, pending: &mut Vec<Pending>, now: &str) -> Result<(), BootstrapError> {
    let broken = |status: Status| BootstrapError::Decode("cluster roles".into(), status.message.to_string());
    let mut roles = aggregation::load(store, BASE).await.map_err(broken)?;
    for one in pending.iter().filter(|one| one.key.resource() == CLUSTER_ROLES) {
        roles.insert(one.key.name().to_owned(), Role::new(one.object.clone(), None));
    }
    for (name, role) in &roles {
        let Some(outdated) = aggregation::outdated(&roles, name) else { continue };
        let key = Key::new(CLUSTER_ROLES, BASE, "", name);
        let place = pending.iter_mut().find(|one| one.key == key);
        let entries = match (&place, role.item()) {
            (Some(one), _) => outdated.entries(&one.entries, now),
            (None, Some(item)) => outdated.entries(codec::managed(&item.value), now),
            (None, None) => continue,
        };
        let entries = entries.map_err(broken)?;
        match place {
            Some(one) => (one.object, one.entries) = (outdated.object, entries),
            None => pending.push(Pending { key, item: role.item().cloned(), object: outdated.object, entries }),
        }
    }
    Ok(())
}

fn role(spec: RoleSpec, cluster: &'static str, storage: &'static str, kind: &'static str) -> Result<Declared, String> {
    for rule in &spec.rules {
        Rule::deserialize(rule).map_err(|error| format!("role {:?}: {error}", spec.name))?;
    }
    let mut object = base(kind, &spec.name, spec.labels);
    if !spec.namespace.is_empty() {
        object["metadata"]["namespace"] = Value::from(spec.namespace);
    }
    if spec.aggregates.is_empty() {
        object["rules"] = Value::from(spec.rules);
    } else {
        let selectors: Vec<Value> = spec.aggregates.into_iter().map(|labels| json!({"matchLabels": labels})).collect();
        object["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        object["rules"] = Value::Null;
    }
    Ok(Declared { cluster, storage, kind, object })
}

fn binding(spec: BindingSpec, cluster: &'static str) -> Declared {
    let mut object = base("ClusterRoleBinding", &spec.name, Map::new());
    object["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": spec.role});
    let subject = |subject: SubjectSpec| json!({"apiGroup": GROUP, "kind": subject.kind, "name": subject.name});
    object["subjects"] = spec.subjects.into_iter().map(subject).collect();
    Declared { cluster, storage: CLUSTER_ROLE_BINDINGS, kind: "ClusterRoleBinding", object }
}

fn base(kind: &str, name: &str, mut labels: Map<String, Value>) -> Value {
    labels.insert("kubernetes.io/bootstrapping".into(), "rbac-defaults".into());
    json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "annotations": {AUTOUPDATE: "true"}},
    })
}

/// Adds to a stored object what its declaration has and it has not; whether anything was added.
fn reconcile(stored: &mut Value, declared: &Value) -> bool {
    if stored["metadata"]["annotations"][AUTOUPDATE] != "true" {
        return false;
    }
    let before = stored.clone();
    if let Some(labels) = declared["metadata"]["labels"].as_object() {
        for (key, value) in labels {
            stored["metadata"]["labels"][key] = value.clone();
        }
    }
    if declared["roleRef"].is_object() && stored["roleRef"] != declared["roleRef"] {
        stored["roleRef"] = declared["roleRef"].clone();
    }
    add_missing(stored, declared, "subjects");
    if declared["aggregationRule"].is_object() {
        if stored["aggregationRule"].is_null() {
            stored["aggregationRule"] = json!({"clusterRoleSelectors": []});
        }
        add_missing(&mut stored["aggregationRule"], &declared["aggregationRule"], "clusterRoleSelectors");
    }
    let rules = |value: &Value| Vec::<Rule>::deserialize(&value["rules"]).unwrap_or_default();
    let held = rules(stored);
    let held: Vec<&Rule> = held.iter().collect();
    for (rule, raw) in rules(declared).iter().zip(declared["rules"].as_array().into_iter().flatten()) {
        if !uncovered(&held, [rule]).is_empty() {
            push(stored, "rules", raw.clone());
        }
    }
    *stored != before
}

fn add_missing(stored: &mut Value, declared: &Value, field: &str) {
    for entry in declared[field].as_array().into_iter().flatten() {
        if !stored[field].as_array().is_some_and(|entries| entries.contains(entry)) {
            push(stored, field, entry.clone());
        }
    }
}

fn push(object: &mut Value, field: &str, entry: Value) {
    match &mut object[field] {
        Value::Array(entries) => entries.push(entry),
        other => *other = Value::from(vec![entry]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The declaration that the server ships.
    const SHIPPED: &[u8] = include_bytes!("../../../../python/kcp/resources/bootstrap_rbac.json");

    async fn stored(store: &kcp_storage::Memory, name: &str) -> Value {
        let item = store.get(&Key::new(CLUSTER_ROLES, BASE, "", name)).await.unwrap().unwrap();
        codec::decode(&item, Header { api_version: API_VERSION, kind: "ClusterRole" }).unwrap()
    }

    #[tokio::test]
    async fn aggregating_roles_show_the_rules_of_the_roles_they_select() {
        let store = kcp_storage::Memory::default();
        let bootstrap = Bootstrap::parse(SHIPPED).unwrap();
        bootstrap.ensure(&store, BASE, Timestamp::UNIX_EPOCH).await.unwrap();
        let part = |role: &Value| role["rules"].as_array().unwrap().clone();
        let of_view = part(&stored(&store, "system:aggregate-to-view").await);
        assert!(!of_view.is_empty());
        assert_eq!(part(&stored(&store, "view").await), of_view);
        let admin = part(&stored(&store, "admin").await);
        for selected in ["system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"] {
            assert!(part(&stored(&store, selected).await).iter().all(|rule| admin.contains(rule)), "{selected}");
        }
        let entries = &stored(&store, "admin").await["metadata"]["managedFields"];
        let of = |index: usize| {
            let entry = &entries[index];
            (entry["manager"].as_str(), entry["operation"].as_str(), entry.get("subresource"), &entry["fieldsV1"])
        };
        let aggregated = json!({"f:rules": {}});
        assert_eq!(of(0), (Some("clusterrole-aggregation-controller"), Some("Apply"), None, &aggregated));
        let declared = json!({
            "f:aggregationRule": {".": {}, "f:clusterRoleSelectors": {}},
            "f:metadata": {"f:annotations": {".": {}, "f:rbac.authorization.kubernetes.io/autoupdate": {}},
                "f:labels": {".": {}, "f:kubernetes.io/bootstrapping": {}}},
        });
        assert_eq!(of(1), (Some("kube-apiserver"), Some("Update"), None, &declared));
        assert_eq!(entries.as_array().map(Vec::len), Some(2));
    }

    #[tokio::test]
    async fn rules_taken_from_an_aggregating_role_come_back_at_the_next_start() {
        let store = kcp_storage::Memory::default();
        let bootstrap = Bootstrap::parse(SHIPPED).unwrap();
        bootstrap.ensure(&store, BASE, Timestamp::UNIX_EPOCH).await.unwrap();
        let mut view = stored(&store, "view").await;
        let rules = view["rules"].take();
        codec::strip(&mut view);
        let key = Key::new(CLUSTER_ROLES, BASE, "", "view");
        let op = Op::put(key, Expect::Any, Stored::new(codec::encode(&view, 0)));
        store.commit(Batch::of(vec![op])).await.unwrap();
        assert_eq!(bootstrap.ensure(&store, BASE, Timestamp::UNIX_EPOCH).await.unwrap(), 1);
        assert_eq!(stored(&store, "view").await["rules"], rules);
    }

    #[tokio::test]
    async fn a_second_start_changes_nothing() {
        let store = kcp_storage::Memory::default();
        let bootstrap = Bootstrap::parse(SHIPPED).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let mut count = 0;
        for cluster in [BASE, ROOT] {
            count += bootstrap.ensure(&store, cluster, now).await.unwrap();
            assert_eq!(bootstrap.ensure(&store, cluster, now).await.unwrap(), 0);
        }
        assert_eq!(count, bootstrap.objects.len());
    }

    #[tokio::test]
    async fn what_was_taken_away_comes_back_and_what_was_added_stays() {
        let declared = Bootstrap::parse(SHIPPED).unwrap();
        let role = declared.objects.iter().find(|one| one.object["metadata"]["name"] == "system:basic-user").unwrap();
        let mut stored = role.object.clone();
        let own = json!({"apiGroups": ["x.y"], "resources": ["z"], "verbs": ["get"]});
        stored["rules"] = json!([own]);
        assert!(reconcile(&mut stored, &role.object));
        let rules = stored["rules"].as_array().unwrap();
        assert_eq!(rules[0], own);
        assert_eq!(rules.len(), 1 + role.object["rules"].as_array().unwrap().len());
        assert!(!reconcile(&mut stored, &role.object));
        stored["rules"] = json!([]);
        stored["metadata"]["annotations"][AUTOUPDATE] = json!("false");
        assert!(!reconcile(&mut stored, &role.object));
    }
}
