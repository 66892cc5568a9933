//! Custom resources as they are served: one entry for each served version of a definition.

use crate::native::Native;
use crate::registry::{Column, Identity, Origin, Scale, Served, Subresource};
use crate::strategy::custom::Custom;
use crate::strategy::rules::Rules;
use kcp_schema::crd::{Definition, Version};
use kcp_schema::jsonpath::JsonPath;
use std::sync::{Arc, OnceLock};

const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const VERBS_WHILE_TERMINATING: [&str; 5] = ["delete", "deletecollection", "get", "list", "watch"];

/// Every served version of a definition, whose identity is that of the definition and the version's name.
pub fn served(definition: &Arc<Definition>, identity: Identity) -> Vec<Arc<Served>> {
    served_with(definition, identity, None)
}

/// The same for a kind that means more than its definition says.
pub fn served_with(
    definition: &Arc<Definition>,
    identity: Identity,
    rules: Option<&'static dyn Rules>,
) -> Vec<Arc<Served>> {
    let versions = definition.versions.iter().enumerate().filter(|(_, version)| version.served);
    versions
        .map(|(index, version)| {
            Arc::new(Served { identity: identity.of_version(&version.name), ..one(definition, index, version, rules) })
        })
        .collect()
}

/// The storage version, served or not, for who has to reach objects that nobody else can; `None` without one.
pub fn stored(definition: &Arc<Definition>) -> Option<Served> {
    let storage = definition.storage_version()?;
    let index = definition.versions.iter().position(|version| version.name == storage.name)?;
    Some(one(definition, index, storage, None))
}

fn one(definition: &Arc<Definition>, index: usize, version: &Version, rules: Option<&'static dyn Rules>) -> Served {
    let group = definition.group.to_string();
    let names = &definition.names;
    let native = Native::find(&group, &version.name, &names.kind, &names.plural);
    let list_kind = format!("{}List", names.kind);
    let native = native.filter(|_| definition.namespaced && *names.list_kind == *list_kind);
    let mut categories: Vec<String> = names.categories.iter().map(|text| text.to_string()).collect();
    if native.is_some() && !categories.iter().any(|category| category == "all") {
        categories.push("all".into());
    }
    let verbs: &[&str] = if definition.terminating { &VERBS_WHILE_TERMINATING } else { &VERBS };
    let mut subresources = Vec::new();
    let subresource = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        verbs: ["get", "patch", "update"].map(str::to_owned).to_vec(),
    };
    if version.scale.is_some() {
        subresources.push(subresource("scale", "autoscaling", "v1", "Scale"));
    }
    if version.status {
        subresources.push(subresource("status", "", "", &names.kind));
    }
    let storage = definition.storage_version().map_or_else(|| version.name.clone(), |version| version.name.clone());
    Served {
        version: version.name.to_string(),
        api_version: api_version(&group, &version.name),
        resource: names.plural.to_string(),
        singular: names.singular.to_string(),
        kind: names.kind.to_string(),
        list_kind: names.list_kind.to_string(),
        namespaced: definition.namespaced,
        short_names: names.short_names.iter().map(|text| text.to_string()).collect(),
        categories,
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        subresources,
        scale: version.scale.as_ref().map(|scale| Scale {
            spec_replicas: dotted(&scale.spec_replicas),
            status_replicas: dotted(&scale.status_replicas),
            selector: match &scale.label_selector {
                Some(path) => Some(dotted(path)),
                None => native.and_then(|native| native.selector).map(str::to_owned),
            },
        }),
        storage: if group.is_empty() { names.plural.to_string() } else { format!("{}.{group}", names.plural) },
        storage_api_version: api_version(&group, &storage),
        columns: native.map_or_else(|| columns(version), Native::columns),
        deprecation: version.deprecation_warning.as_ref().map(ToString::to_string),
        strategy: Arc::new(Custom::new(Arc::clone(definition), index, native, rules)),
        native,
        origin: Origin::Custom { definition: Arc::clone(definition), version: index },
        identity: Identity::NONE,
        system: rules.is_some(),
        described: OnceLock::new(),
        group,
    }
}

/// `group/version`, or the version alone for the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn dotted(path: &JsonPath) -> String {
    path.fields().unwrap_or_default().iter().map(|field| format!(".{field}")).collect()
}

fn columns(version: &Version) -> Vec<Column> {
    let name = Column {
        name: "Name".into(),
        kind: "string".into(),
        format: "name".into(),
        describes: "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta.name".into(),
        ..Column::default()
    };
    let declared = version.columns.iter().map(|column| Column {
        name: column.name.to_string(),
        kind: column.kind.to_string(),
        format: column.format.to_string(),
        description: column.description.to_string(),
        describes: String::new(),
        priority: column.priority,
    });
    std::iter::once(name).chain(declared).collect()
}
