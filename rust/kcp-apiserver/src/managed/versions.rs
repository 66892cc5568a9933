//! An object in all versions that its resource is served in.

use crate::registry::{ClusterView, Served};
use crate::strategy::Part;
use kcp_apimachinery::managed::{FieldSet, Replicas, Type, Versions};
use serde_json::Value;
use std::sync::Arc;

/// The versions of the resource that a request is aimed at.
pub struct ServedVersions<'a> {
    view: &'a ClusterView,
    served: &'a Arc<Served>,
    part: Part,
}

impl<'a> ServedVersions<'a> {
    /// As a logical cluster serves them, for a request that may touch `part`.
    pub const fn new(view: &'a ClusterView, served: &'a Arc<Served>, part: Part) -> Self {
        Self { view, served, part }
    }

    fn at(&self, api_version: &str) -> Option<&Arc<Served>> {
        if api_version == self.served.api_version {
            return Some(self.served);
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        // Events have versions in two groups, which know nothing of each other's fields.
        if group != self.served.group {
            return None;
        }
        let found = self.view.lookup(group, version, &self.served.resource)?;
        (found.storage == self.served.storage).then_some(found)
    }
}

impl ServedVersions<'_> {
    /// Where objects of a version keep what their scale shows.
    pub fn replicas(&self, api_version: &str) -> Replicas<'_> {
        match self.at(api_version).map(|served| &served.scale) {
            Some(Some(scale)) => Replicas::At(&scale.spec_replicas),
            Some(None) => Replicas::Nowhere,
            None => Replicas::Unserved,
        }
    }
}

impl Versions for ServedVersions<'_> {
    fn typed(&self, api_version: &str) -> Option<Type<'_>> {
        self.at(api_version)?.strategy.ownership()
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        let mut object = object.clone();
        let from = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if from == api_version {
            return Some(object);
        }
        let (from, to) = (self.at(from)?, self.at(api_version)?);
        if from.strategy.converts() {
            from.strategy.to_stored(&mut object);
        }
        object["apiVersion"] = Value::from(api_version);
        if to.strategy.converts() {
            to.strategy.from_stored(&mut object);
        }
        Some(object)
    }

    fn reset(&self, api_version: &str) -> Option<&FieldSet<'static>> {
        // Through the main endpoint the other versions' status is compared, through `/status` it is not.
        if self.part == Part::Main && api_version != self.served.api_version {
            return None;
        }
        self.at(api_version)?.strategy.reset(self.part)
    }
}

/// The one version of a kind that is only passed through: a scale, a request for a token.
pub struct OneVersion<'a> {
    /// Its name.
    pub api_version: &'a str,
    /// Objects of it.
    pub of: Type<'a>,
}

impl Versions for OneVersion<'_> {
    fn typed(&self, api_version: &str) -> Option<Type<'_>> {
        (api_version == self.api_version).then_some(self.of)
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        (api_version == self.api_version).then(|| object.clone())
    }

    fn reset(&self, _api_version: &str) -> Option<&FieldSet<'static>> {
        None
    }
}
