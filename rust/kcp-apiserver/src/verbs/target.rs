//! What a resource request is aimed at: the resource as its logical cluster serves it, and the key.

use crate::codec::Header;
use crate::exchange::{Cluster, Exchange};
use crate::registry::{ClusterView, Served};
use crate::server::ApiServer;
use http::Method;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{GroupKind, GroupResource};
use kcp_storage::{Item, Key, KeyRange};
use std::sync::Arc;

/// A resource request's aim.
pub struct Target {
    /// What the logical cluster serves.
    pub view: Arc<ClusterView>,
    /// The resource at the requested version.
    pub served: Arc<Served>,
    /// The logical cluster; empty for the wildcard.
    pub cluster: String,
    /// The namespace; empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// The object's name; empty for collections.
    pub name: String,
}

/// Why there is no target.
pub enum Miss {
    /// Nothing is served at this path.
    NoRoute,
    /// Something is, but not like this.
    Refused(Status),
}

impl From<Status> for Miss {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl Target {
    /// Finds what the request is aimed at.
    pub async fn find(server: &ApiServer, exchange: &Exchange) -> Result<Self, Miss> {
        let info = &exchange.info;
        let view = match &exchange.cluster {
            Cluster::Wildcard => server.registry.wildcard(&info.group, &info.version, &info.resource).await?,
            _ => server.registry.view(exchange.cluster_name()).await?,
        };
        let Some(served) = view.lookup(&info.group, &info.version, &info.resource).cloned() else {
            return Err(Miss::NoRoute);
        };
        let in_namespace = !info.namespace.is_empty() && info.resource != "namespaces";
        let namespaces_of_one = info.resource == "namespaces" && !info.namespace.is_empty() && !info.names_object;
        if namespaces_of_one || (in_namespace && !served.namespaced) {
            return Err(Miss::NoRoute);
        }
        if !info.subresource.is_empty() && !served.subresources.iter().any(|sub| sub.name == info.subresource) {
            let resource = GroupResource::new(&served.group, &served.resource);
            let by_name = || Status::not_found(&resource, &info.name);
            let status = if served.is_custom() { by_name() } else { Status::not_found_route() };
            return Err(Miss::Refused(status));
        }
        let whole = info.subresource.is_empty() && !info.names_object;
        if whole && matches!(info.verb, "update" | "patch") && served.is_custom() && served.namespaced == in_namespace {
            return Err(Miss::Refused(Status::bad_request("name must be provided")));
        }
        if (exchange.parts.method == Method::HEAD && !served.is_custom())
            || (whole && matches!(info.verb, "update" | "patch"))
        {
            return Err(Miss::Refused(Status::method_not_allowed()));
        }
        let collection_verb = matches!(info.verb, "list" | "watch");
        if served.namespaced && !in_namespace && (info.names_object || !collection_verb) {
            if info.names_object || served.is_custom() {
                return Err(Miss::NoRoute);
            }
            return Err(Miss::Refused(Status::method_not_allowed()));
        }
        if !allows(&served, &info.subresource, info.verb) || (info.verb == "create" && misplaced_create(exchange)) {
            return Err(Miss::Refused(Status::method_not_allowed()));
        }
        let namespace = if served.namespaced { info.namespace.clone() } else { String::new() };
        let name = if info.names_object { info.name.clone() } else { String::new() };
        Ok(Self { view, served, cluster: exchange.cluster_name().to_owned(), namespace, name })
    }

    /// The key of an object of this resource in the target's namespace.
    pub fn key(&self, name: &str) -> Key {
        Key::new(&self.served.storage, &self.cluster, &self.namespace, name)
    }

    /// The keys of the target's collection.
    pub fn range(&self) -> KeyRange {
        if self.cluster.is_empty() {
            KeyRange::resource(&self.served.storage)
        } else if self.namespace.is_empty() {
            KeyRange::cluster(&self.served.storage, &self.cluster)
        } else {
            KeyRange::namespace(&self.served.storage, &self.cluster, &self.namespace)
        }
    }

    /// The resource as the item's own cluster serves it; for wildcard requests that may differ from item to item, and
    /// items of clusters that do not serve it are left out.
    pub fn served_for(&self, item: &Item) -> Option<Arc<Served>> {
        if self.cluster.is_empty() && !self.served.system {
            return self.view.in_cluster(item.key.cluster());
        }
        Some(Arc::clone(&self.served))
    }

    /// How errors name the resource.
    pub fn resource(&self) -> GroupResource {
        GroupResource::new(&self.served.group, &self.served.resource)
    }

    /// How errors name the kind: by the group it is stored in.
    pub fn kind(&self) -> GroupKind {
        let group = self.served.storage_api_version.rsplit_once('/').map_or("", |(group, _)| group);
        GroupKind::new(group, &self.served.kind)
    }
}

/// Whether a verb is served. Discovery leaves verbs out while a definition is being deleted, but its objects could not
/// be let go without them.
fn allows(served: &Served, subresource: &str, verb: &str) -> bool {
    let always = served.is_custom() && subresource.is_empty() && matches!(verb, "create" | "patch" | "update");
    always || served.allows(subresource, verb)
}

/// POST goes to collections, and to subresources that are created (`token`).
fn misplaced_create(exchange: &Exchange) -> bool {
    exchange.info.names_object && exchange.info.subresource.is_empty()
}

impl Served {
    /// The type header of this version.
    pub fn header(&self) -> Header<'_> {
        Header { api_version: &self.api_version, kind: &self.kind }
    }
}
