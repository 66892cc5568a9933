//! The roles and bindings that every logical cluster has without storing them.
//!
//! They are declared as data, live once, in the logical cluster [`BASE`], and are brought up to date when the server
//! starts: what is missing is added, what somebody added stays. An object whose annotation [`AUTOUPDATE`] is not `true`
//! is left alone. Administrators see and change them like other roles, and a change applies everywhere at once.

use super::BASE;
use super::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLES};
use super::rule::{Rule, uncovered};
use crate::codec::{self, Header};
use jiff::Timestamp;
use kcp_storage::{Backend, Batch, CommitError, Expect, Key, Op, Value as Stored};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The annotation that keeps an object up to date.
pub const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

const GROUP: &str = "rbac.authorization.k8s.io";
const API_VERSION: &str = "rbac.authorization.k8s.io/v1";
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
    /// A stored role or binding cannot be decoded.
    #[error("{0}: {1}")]
    Decode(String, serde_json::Error),
}

#[derive(Clone, Debug)]
struct Declared {
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
            objects.push(role(spec, CLUSTER_ROLES, "ClusterRole")?);
        }
        for spec in document.roles {
            objects.push(role(spec, ROLES, "Role")?);
        }
        objects.extend(document.cluster_role_bindings.into_iter().map(binding));
        Ok(Self { objects })
    }

    /// Brings the stored roles and bindings up to date in one commit; returns how many objects changed.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn ensure(&self, store: &dyn Backend, now: Timestamp) -> Result<usize, BootstrapError> {
        let mut attempt = 1;
        loop {
            let ops = self.changes(store, now).await?;
            let count = ops.len();
            if count == 0 {
                return Ok(0);
            }
            match store.commit(Batch { ops, guards: Vec::new() }).await {
                Ok(_) => return Ok(count),
                // Another server of the same store does the same at the same time.
                Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn changes(&self, store: &dyn Backend, now: Timestamp) -> Result<Vec<Op>, BootstrapError> {
        let mut ops = Vec::new();
        for declared in &self.objects {
            let meta = &declared.object["metadata"];
            let namespace = meta["namespace"].as_str().unwrap_or_default();
            let name = meta["name"].as_str().unwrap_or_default();
            let key = Key::new(declared.storage, BASE, namespace, name);
            let (expect, mut object) = match store.get(&key).await? {
                None => {
                    let mut object = declared.object.clone();
                    object["metadata"]["uid"] = Value::from(uuid::Uuid::new_v4().to_string());
                    let created = kcp_apimachinery::time::format_rfc3339(now.as_second());
                    object["metadata"]["creationTimestamp"] = Value::from(created);
                    (Expect::Absent, object)
                }
                Some(item) => {
                    let header = Header { api_version: API_VERSION, kind: declared.kind };
                    let mut object = codec::decode(&item, header)
                        .map_err(|error| BootstrapError::Decode(format!("{key:?}"), error))?;
                    if !reconcile(&mut object, &declared.object) {
                        continue;
                    }
                    (Expect::At(item.revision), object)
                }
            };
            codec::strip(&mut object);
            ops.push(Op::put(key, expect, Stored::new(codec::encode(&object, 0))));
        }
        Ok(ops)
    }
}

fn role(spec: RoleSpec, storage: &'static str, kind: &'static str) -> Result<Declared, String> {
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
    Ok(Declared { storage, kind, object })
}

fn binding(spec: BindingSpec) -> Declared {
    let mut object = base("ClusterRoleBinding", &spec.name, Map::new());
    object["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": spec.role});
    let subject = |subject: SubjectSpec| json!({"apiGroup": GROUP, "kind": subject.kind, "name": subject.name});
    object["subjects"] = spec.subjects.into_iter().map(subject).collect();
    Declared { storage: CLUSTER_ROLE_BINDINGS, kind: "ClusterRoleBinding", object }
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

    #[tokio::test]
    async fn a_second_start_changes_nothing() {
        let store = kcp_storage::Memory::default();
        let bootstrap = Bootstrap::parse(SHIPPED).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(bootstrap.ensure(&store, now).await.unwrap(), bootstrap.objects.len());
        assert_eq!(bootstrap.ensure(&store, now).await.unwrap(), 0);
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
