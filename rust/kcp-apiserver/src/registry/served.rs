//! One resource at one version, as verbs, discovery and OpenAPI see it.

use crate::native::Native;
use crate::openapi;
use crate::registry::Identity;
use crate::strategy::Strategy;
use serde::Deserialize;
use std::sync::{Arc, OnceLock};

/// A table column.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A hint such as `name`; may be empty.
    #[serde(default)]
    pub format: String,
    /// What the column shows; empty where `describes` says it.
    #[serde(default)]
    pub description: String,
    /// The field of an OpenAPI definition that the column shows, e.g. `io.k8s.api.core.v1.ConfigMap.data`.
    #[serde(default)]
    pub describes: String,
    /// Above 0: shown with `-o wide` only.
    #[serde(default)]
    pub priority: i32,
}

impl Column {
    /// What the column shows, in its own words or those of the field it shows.
    pub fn description(&self) -> &str {
        let of_field = || {
            let (definition, field) = self.describes.rsplit_once('.')?;
            let text = match openapi::built_in::definition(definition) {
                Some(definition) => definition.get("properties")?.get(field)?.get("description")?.as_str()?,
                None => openapi::built_in::description(&self.describes)?,
            };
            // What may be written does not concern a column.
            Some(text.trim_end_matches(" This field is immutable."))
        };
        if self.description.is_empty() { of_field().unwrap_or_default() } else { &self.description }
    }
}

/// Paths of a scale subresource, each beginning with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Desired replicas, below `.spec`.
    pub spec_replicas: String,
    /// Observed replicas, below `.status`.
    pub status_replicas: String,
    /// Selector, in text form or (of native kinds) as a label selector; may be absent.
    pub selector: Option<String>,
}

/// A subresource as discovery lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `token`, …
    pub name: String,
    /// Group of its kind where that differs from the resource's; empty for the same.
    pub group: String,
    /// Version of its kind where that differs; empty for the same.
    pub version: String,
    /// Its kind.
    pub kind: String,
    /// Verbs.
    pub verbs: Vec<String>,
}

/// Where a resource comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Built in; the OpenAPI definition it is described by.
    BuiltIn {
        /// Name of the definition, e.g. `io.k8s.api.core.v1.ConfigMap`.
        definition: String,
    },
    /// A custom resource, by its definition.
    Custom {
        /// The definition.
        definition: Arc<kcp_schema::crd::Definition>,
        /// Index of the version in the definition.
        version: usize,
    },
}

/// One resource at one version.
#[derive(Clone)]
pub struct Served {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// `group/version`, or the version alone for the core group.
    pub api_version: String,
    /// Plural.
    pub resource: String,
    /// Singular.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Kind of lists.
    pub list_kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
    /// Verbs of the main resource, in the order discovery shows them.
    pub verbs: Vec<String>,
    /// Subresources, sorted by name.
    pub subresources: Vec<Subresource>,
    /// Paths of the scale subresource, where there is one.
    pub scale: Option<Scale>,
    /// First component of storage keys: `plural` or `plural.group`.
    pub storage: String,
    /// `apiVersion` that objects are stored in.
    pub storage_api_version: String,
    /// Table columns.
    pub columns: Vec<Column>,
    /// Text of the warning that every request to a deprecated version gets.
    pub deprecation: Option<String>,
    /// The row of the table of well-known kinds, for a custom resource of one.
    pub native: Option<&'static Native>,
    /// What the kind means.
    pub strategy: Arc<dyn Strategy>,
    /// Where it comes from.
    pub origin: Origin,
    /// Names what a custom resource looks like; [`Identity::NONE`] for built-in ones.
    pub identity: Identity,
    /// Whether the program brings it, so that it is the same in every logical cluster.
    pub system: bool,
    /// Its entry in the aggregated discovery document, once somebody asked for that.
    pub described: OnceLock<Box<str>>,
}

impl Served {
    /// `plural.group`, or `plural` for the core group: how errors name the resource.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) }
    }

    /// Whether the main resource or a subresource has `verb`.
    pub fn allows(&self, subresource: &str, verb: &str) -> bool {
        let verbs = if subresource.is_empty() {
            Some(&self.verbs)
        } else {
            self.subresources.iter().find(|sub| sub.name == subresource).map(|sub| &sub.verbs)
        };
        verbs.is_some_and(|verbs| verbs.iter().any(|known| known == verb))
    }

    /// Whether there is a status subresource.
    pub fn has_status(&self) -> bool {
        self.subresources.iter().any(|sub| sub.name == "status")
    }

    /// Whether a definition says what it is.
    pub fn is_custom(&self) -> bool {
        matches!(self.origin, Origin::Custom { .. })
    }

    /// Whether clients have types for the kind: it is built in, or native. Such kinds are read and written as protobuf
    /// and take strategic merge patches, and items of their lists leave out `kind` and `apiVersion`.
    pub fn is_typed(&self) -> bool {
        !self.is_custom() || self.native.is_some()
    }
}
