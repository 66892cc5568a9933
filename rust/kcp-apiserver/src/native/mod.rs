//! Well-known kinds: what a definition of such a kind gets that its schema cannot say. One table, by group, version and
//! kind.
//!
//! A custom resource that is in the table takes strategic merge patches and protobuf, prints the columns its own
//! clients know, belongs to category `all`, and its objects have the form, the defaults and the first status that an API
//! server with the kind built in gives them. What an object may hold stays the business of its definition.

mod cells;
mod defaults;
mod form;
pub mod merge;
mod pod;
mod service;

use crate::registry::Column;
use kcp_apimachinery::patch::StrategicSchema;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// A row of the table.
pub struct Native {
    /// API group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// Name of its OpenAPI definition and protobuf message.
    pub definition: &'static str,
    /// Where its label selector is, for the scale subresource.
    pub selector: Option<&'static str>,
    /// An object of which nothing is set, as Go's encoder prints it: what a new one is compared with to find its owners.
    pub empty: fn() -> Value,
    /// The status that an object is created with.
    pub status: fn(&Value) -> Value,
    /// What the server says in an object's specification, new or changed from an older one.
    pub prepare: fn(&mut Value, Option<&Value>),
    /// What makes a new generation.
    pub counts: Counts,
    /// Whether an update of an object that is not there creates it.
    pub creates_on_update: bool,
    /// Fields besides name and namespace that lists can be narrowed by.
    pub fields: &'static [&'static str],
    /// Cells of a table row, in the order of the columns.
    pub cells: fn(&Value, jiff::Timestamp) -> Vec<Value>,
    /// Conditions of a table row.
    pub conditions: fn(&Value) -> Option<Value>,
    columns: &'static [ColumnSpec],
    merge: OnceLock<StrategicSchema>,
}

/// What makes a new generation of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Nothing: generations are not counted.
    Nothing,
    /// A change of the specification.
    Spec,
    /// A change of the specification or of an annotation.
    SpecAndAnnotations,
}

/// A column: heading, description (or the field that has it), whether only wide tables show it.
struct ColumnSpec {
    name: &'static str,
    description: &'static str,
    describes: &'static str,
    priority: i32,
}

const fn said(name: &'static str, description: &'static str, priority: i32) -> ColumnSpec {
    ColumnSpec { name, description, describes: "", priority }
}

const fn field(name: &'static str, describes: &'static str, priority: i32) -> ColumnSpec {
    ColumnSpec { name, description: "", describes, priority }
}

const NAME: ColumnSpec = field("Name", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta.name", 0);
const AGE: ColumnSpec = field("Age", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta.creationTimestamp", 0);

static TABLE: [Native; 3] = [
    Native {
        group: "apps",
        version: "v1",
        kind: "Deployment",
        resource: "deployments",
        definition: "io.k8s.api.apps.v1.Deployment",
        selector: Some(".spec.selector"),
        empty: || {
            let template = json!({"metadata": {}, "spec": {"containers": null}});
            json!({"spec": {"selector": null, "strategy": {}, "template": template}, "status": {}})
        },
        status: |_| json!({}),
        prepare: |_, _| {},
        counts: Counts::SpecAndAnnotations,
        creates_on_update: false,
        fields: &[],
        cells: cells::deployment::cells,
        conditions: |_| None,
        columns: &[
            NAME,
            said("Ready", "Number of the pod with ready state", 0),
            field("Up-to-date", "io.k8s.api.apps.v1.DeploymentStatus.updatedReplicas", 0),
            field("Available", "io.k8s.api.apps.v1.DeploymentStatus.availableReplicas", 0),
            AGE,
            said("Containers", "Names of each container in the template.", 1),
            said("Images", "Images referenced by each container in the template.", 1),
            field("Selector", "io.k8s.api.apps.v1.DeploymentSpec.selector", 1),
        ],
        merge: OnceLock::new(),
    },
    Native {
        group: "",
        version: "v1",
        kind: "Service",
        resource: "services",
        definition: "io.k8s.api.core.v1.Service",
        selector: None,
        empty: || json!({"spec": {}, "status": {"loadBalancer": {}}}),
        status: |_| json!({"loadBalancer": {}}),
        prepare: service::prepare,
        counts: Counts::Nothing,
        creates_on_update: true,
        fields: &["spec.clusterIP", "spec.type"],
        cells: cells::service::cells,
        conditions: |_| None,
        columns: &[
            NAME,
            field("Type", "io.k8s.api.core.v1.ServiceSpec.type", 0),
            field("Cluster-IP", "io.k8s.api.core.v1.ServiceSpec.clusterIP", 0),
            field("External-IP", "io.k8s.api.core.v1.ServiceSpec.externalIPs", 0),
            field("Port(s)", "io.k8s.api.core.v1.ServiceSpec.ports", 0),
            AGE,
            field("Selector", "io.k8s.api.core.v1.ServiceSpec.selector", 1),
        ],
        merge: OnceLock::new(),
    },
    Native {
        group: "",
        version: "v1",
        kind: "Pod",
        resource: "pods",
        definition: "io.k8s.api.core.v1.Pod",
        selector: None,
        empty: || json!({"spec": {"containers": null}, "status": {}}),
        status: pod::status,
        prepare: |_, _| {},
        counts: Counts::Spec,
        creates_on_update: false,
        fields: &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
        ],
        cells: cells::pod::cells,
        conditions: cells::pod::conditions,
        columns: &[
            NAME,
            said("Ready", "The aggregate readiness state of this pod for accepting traffic.", 0),
            said("Status", "The aggregate status of the containers in this pod.", 0),
            said(
                "Restarts",
                "The number of times the containers in this pod have been restarted and when the last container in \
                 this pod has restarted.",
                0,
            ),
            AGE,
            field("IP", "io.k8s.api.core.v1.PodStatus.podIP", 1),
            field("Node", "io.k8s.api.core.v1.PodSpec.nodeName", 1),
            field("Nominated Node", "io.k8s.api.core.v1.PodStatus.nominatedNodeName", 1),
            field("Readiness Gates", "io.k8s.api.core.v1.PodSpec.readinessGates", 1),
        ],
        merge: OnceLock::new(),
    },
];

impl Native {
    /// The row of a kind, under the plural that its clients know.
    pub fn find(group: &str, version: &str, kind: &str, resource: &str) -> Option<&'static Self> {
        TABLE
            .iter()
            .find(|row| row.group == group && row.version == version && row.kind == kind && row.resource == resource)
    }

    /// Brings an object into the form that typed clients give it.
    pub fn normalize(&self, object: &mut Value) {
        form::normalize(object, self.definition);
    }

    /// Fills in defaults.
    pub fn default(&self, object: &mut Value) {
        defaults::fill(object, self.definition);
    }

    /// The text of a field that lists can be narrowed by; `None` for others.
    pub fn field(&self, object: &Value, label: &str) -> Option<String> {
        let known = self.fields.iter().find(|field| **field == label)?;
        let value = known.split('.').try_fold(object, |value, field| value.get(field));
        Some(match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None if *known == "spec.hostNetwork" => "false".to_owned(),
            None => String::new(),
        })
    }

    /// Merge keys of strategic merge patches.
    pub fn strategic(&self) -> &StrategicSchema {
        self.merge.get_or_init(|| merge::schema(self.definition))
    }

    /// The columns of its tables.
    pub fn columns(&self) -> Vec<Column> {
        let columns = self.columns.iter().enumerate();
        let column = |(index, spec): (usize, &ColumnSpec)| Column {
            name: spec.name.into(),
            kind: "string".into(),
            format: if index == 0 { "name".into() } else { String::new() },
            description: spec.description.into(),
            describes: spec.describes.into(),
            priority: spec.priority,
        };
        columns.map(column).collect()
    }
}

/// Drops the nulls of an object as typed decoding does: a field that is null is a field that is not set.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => without_nulls(fields),
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn without_nulls(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    fields.values_mut().for_each(drop_nulls);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf;
    use std::collections::BTreeSet;

    fn pulled(name: &str) -> Value {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/kcp/config/contrib/");
        crate::yaml::read(&std::fs::read(format!("{root}{name}.yaml")).unwrap()).unwrap().0
    }

    fn schema(row: &Native) -> Value {
        let group = if row.group.is_empty() { "core" } else { row.group };
        let definition = pulled(&format!("{}.{group}", row.resource));
        definition.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().clone()
    }

    #[test]
    fn rows_are_found_by_group_version_kind_and_plural() {
        for row in &TABLE {
            assert!(Native::find(row.group, row.version, row.kind, row.resource).is_some());
            assert!(protobuf::is_known(&crate::registry::api_version(row.group, row.version), row.kind));
        }
        assert!(Native::find("apps", "v1beta1", "Deployment", "deployments").is_none());
        assert!(Native::find("apps", "v1", "Deployment", "rollouts").is_none());
        assert!(Native::find("example.com", "v1", "Deployment", "deployments").is_none());
    }

    #[test]
    fn every_column_is_described() {
        for column in TABLE.iter().flat_map(Native::columns) {
            assert!(!column.description().is_empty(), "{}", column.name);
        }
    }

    #[test]
    fn every_column_has_a_cell() {
        for row in &TABLE {
            let cells = (row.cells)(&json!({"metadata": {"name": "x"}}), jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(cells.len(), row.columns.len(), "{}", row.kind);
            assert_eq!(cells[0], "x");
        }
    }

    /// The messages know every field of what a real server serves, and no other.
    #[test]
    fn messages_have_the_fields_of_the_pulled_definitions() {
        for row in &TABLE {
            compare(row.kind, &schema(row), row.definition);
        }
    }

    fn compare(path: &str, schema: &Value, definition: &str) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let fields = protobuf::fields(definition);
        let typed =
            |name: &&String| !matches!(name.as_str(), "apiVersion" | "kind") || fields.contains_key(name.as_str());
        let wanted: BTreeSet<&str> = properties.keys().filter(typed).map(String::as_str).collect();
        assert_eq!(fields.keys().copied().collect::<BTreeSet<_>>(), wanted, "{path}: {definition}");
        for (name, below) in fields {
            let inner = &properties[name];
            let inner = inner.get("items").or_else(|| inner.get("additionalProperties")).unwrap_or(inner);
            if let (Some(below), false) = (below, name == "metadata") {
                compare(&format!("{path}.{name}"), inner, below);
            }
        }
    }

    #[test]
    fn nulls_are_fields_that_are_not_set() {
        let mut object = json!({"metadata": {"creationTimestamp": null}, "a": [{"b": null, "c": 0}]});
        drop_nulls(&mut object);
        assert_eq!(object, json!({"metadata": {}, "a": [{"c": 0}]}));
    }
}
