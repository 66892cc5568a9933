//! The table of built-in resources, declared as data by `python/kcp/resources/built_in.json`.

use crate::registry::{Column, Identity, Origin, Served, Subresource, system};
use crate::strategy::{self, configmaps::ConfigMaps};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// One API group of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    /// Group name, empty for the core group.
    pub group: String,
    /// Higher comes first in discovery.
    pub priority: u32,
    /// Versions, preferred first.
    pub versions: Vec<VersionSpec>,
}

/// One version of a group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionSpec {
    /// Version name.
    pub version: String,
    /// Its resources.
    pub resources: Vec<ResourceSpec>,
}

/// One resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceSpec {
    /// Plural.
    pub name: String,
    /// Singular.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs, as discovery shows them.
    pub verbs: Vec<String>,
    /// Short names.
    #[serde(default)]
    pub short_names: Vec<String>,
    /// Categories.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Which strategy of the `strategy` room gives the kind its meaning.
    pub strategy: String,
    /// OpenAPI definition that describes the kind.
    pub definition: String,
    /// Storage name where it is not `name` or `name.group` (events share one storage).
    #[serde(default)]
    pub storage: Option<String>,
    /// `apiVersion` of the stored form where it is not this version.
    #[serde(default)]
    pub storage_api_version: Option<String>,
    /// Table columns.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// Subresources.
    #[serde(default)]
    pub subresources: Vec<SubresourceSpec>,
}

/// A subresource of a built-in resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubresourceSpec {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Group of the kind where it differs.
    #[serde(default)]
    pub group: String,
    /// Version of the kind where it differs.
    #[serde(default)]
    pub version: String,
    /// Verbs.
    pub verbs: Vec<String>,
}

/// The table, compiled.
#[derive(Clone)]
pub struct BuiltIns {
    /// Groups as declared, for discovery.
    pub groups: Vec<GroupSpec>,
    /// Every resource of every version.
    pub served: Vec<Arc<Served>>,
    by_name: HashMap<String, Vec<Arc<Served>>>,
    /// Definitions of further kinds that are served everywhere.
    pub definitions: Vec<Value>,
}

impl BuiltIns {
    /// Compiles the table.
    ///
    /// # Errors
    /// When it is not the JSON of [`GroupSpec`]s, or names a strategy that does not exist.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let groups: Vec<GroupSpec> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut served = Vec::new();
        for group in &groups {
            for version in &group.versions {
                for spec in &version.resources {
                    served.push(Arc::new(compile(&group.group, &version.version, spec)?));
                }
            }
        }
        let mut by_name: HashMap<String, Vec<Arc<Served>>> = HashMap::new();
        for one in &served {
            by_name.entry(one.resource.clone()).or_default().push(Arc::clone(one));
        }
        Ok(Self { groups, served, by_name, definitions: Vec::new() })
    }

    /// Adds kinds that CustomResourceDefinitions describe, as YAML; what they mean beyond that is known by their names.
    ///
    /// # Errors
    /// When one is not a definition that a server would take.
    pub fn with_definitions<'a>(mut self, definitions: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, String> {
        for definition in definitions {
            self.definitions.push(system::read(definition)?);
        }
        Ok(self)
    }

    /// Publishes a certificate authority (PEM) in every namespace.
    ///
    /// # Errors
    /// As [`BuiltIns::parse`].
    pub fn publishing(mut self, root_ca: &str) -> Result<Self, String> {
        for group in &self.groups {
            for version in &group.versions {
                for spec in version.resources.iter().filter(|spec| spec.strategy == "configmaps") {
                    let strategy = Arc::new(ConfigMaps::publishing(&spec.definition, root_ca));
                    let one = Arc::new(Served { strategy, ..compile(&group.group, &version.version, spec)? });
                    let same = |known: &&mut Arc<Served>| known.resource == one.resource && known.group == one.group;
                    let named = self.by_name.get_mut(&spec.name).into_iter().flatten();
                    self.served.iter_mut().chain(named).filter(same).for_each(|known| *known = Arc::clone(&one));
                }
            }
        }
        Ok(self)
    }

    /// One resource at one version.
    pub fn lookup(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Served>> {
        self.by_name.get(resource)?.iter().find(|served| served.version == version && served.group == group)
    }
}

fn compile(group: &str, version: &str, spec: &ResourceSpec) -> Result<Served, String> {
    let api_version = super::api_version(group, version);
    let storage = if group.is_empty() { spec.name.clone() } else { format!("{}.{group}", spec.name) };
    let subresource = |sub: &SubresourceSpec| Subresource {
        name: sub.name.clone(),
        group: sub.group.clone(),
        version: sub.version.clone(),
        kind: sub.kind.clone(),
        verbs: sub.verbs.clone(),
    };
    Ok(Served {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: spec.name.clone(),
        singular: spec.singular.clone(),
        kind: spec.kind.clone(),
        list_kind: format!("{}List", spec.kind),
        namespaced: spec.namespaced,
        short_names: spec.short_names.clone(),
        categories: spec.categories.clone(),
        verbs: spec.verbs.clone(),
        subresources: spec.subresources.iter().map(subresource).collect(),
        scale: None,
        storage: spec.storage.clone().unwrap_or(storage),
        storage_api_version: spec.storage_api_version.clone().unwrap_or_else(|| api_version.clone()),
        api_version,
        columns: spec.columns.clone(),
        deprecation: None,
        native: None,
        strategy: strategy::built_in(&spec.strategy, &spec.definition)?,
        origin: Origin::BuiltIn { definition: spec.definition.clone() },
        identity: Identity::NONE,
        system: true,
        described: OnceLock::new(),
    })
}
