//! How events are written: plain lines that all watchers of a version share, rows of tables, metadata alone.

use crate::clock::Clock;
use crate::negotiate::{Media, Shape};
use crate::protobuf;
use crate::registry::{ClusterView, Identity, Registry, Served};
use crate::verbs::output::{self, IncludeObject};
use crate::verbs::select::Selection;
use bytes::Bytes;
use kcp_apimachinery::status::Status;
use kcp_storage::{Event, EventKind, Item, Revision};
use serde_json::{Value, json};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The annotation of the bookmark that ends the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// How events are written for one watcher.
pub(super) struct Render {
    pub served: Arc<Served>,
    pub registry: Arc<Registry>,
    /// For custom resources of all logical clusters: how each serves them.
    pub elsewhere: Option<Box<Elsewhere>>,
    pub shape: Shape,
    pub media: Media,
    pub include: IncludeObject,
    pub clock: Arc<dyn Clock>,
    pub columns_sent: bool,
}

/// How the logical clusters serve a custom resource.
pub(super) struct Elsewhere {
    /// As it was when the watch began…
    pub view: Arc<ClusterView>,
    /// …and as it was learned since, with the change of definitions after which that holds.
    pub learned: HashMap<String, (u64, Option<Arc<Served>>)>,
}

/// An event in the plain form of one version, shared by its watchers: in JSON and in protobuf, as soon as somebody wants
/// that.
struct Encoded {
    api_version: String,
    /// Of the definition it was written by.
    identity: Identity,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Encoded {
    fn slot(&self, media: Media) -> &OnceLock<Bytes> {
        if media == Media::Protobuf { &self.protobuf } else { &self.json }
    }
}

impl Render {
    /// Whether what is known of how a cluster serves the resource is from before its definitions changed. Watches of one
    /// cluster are told; those of all of them look.
    pub(super) fn is_outdated(&self, cluster: &str) -> bool {
        let Some(elsewhere) = &self.elsewhere else { return false };
        let as_of = elsewhere.learned.get(cluster).map_or_else(|| elsewhere.view.as_of(), |(as_of, _)| *as_of);
        self.registry.changed(cluster) > as_of
    }

    /// Learns how a cluster serves the resource after a change of definitions.
    pub(super) fn learn(&mut self, cluster: &str, as_of: u64, served: Option<Arc<Served>>) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.learned.insert(cluster.to_owned(), (as_of, served));
        }
    }

    /// The resource as the object's own cluster serves it; `None`: it does not.
    fn served_for(&self, cluster: &str) -> Option<Arc<Served>> {
        match &self.elsewhere {
            None => Some(Arc::clone(&self.served)),
            Some(elsewhere) => match elsewhere.learned.get(cluster) {
                Some((_, served)) => served.clone(),
                None => elsewhere.view.in_cluster(cluster),
            },
        }
    }

    /// An object of the state the watch begins with; `None` when it is not selected.
    pub(super) fn initial(&mut self, item: &Item, selection: Option<&Selection>) -> Result<Option<Bytes>, Status> {
        if let Some(selection) = selection {
            let Some(served) = self.served_for(item.key.cluster()) else { return Ok(None) };
            if !selection.matches(&served, item)? {
                return Ok(None);
            }
        }
        self.line("ADDED", item)
    }

    fn line(&mut self, kind: &str, item: &Item) -> Result<Option<Bytes>, Status> {
        let Some(served) = self.served_for(item.key.cluster()) else { return Ok(None) };
        if self.shape == Shape::Plain {
            return plain(self.media, kind, &served, item).map(Some);
        }
        let object = output::object(&served, item)?;
        self.shaped(kind, &served, object).map(Some)
    }

    fn shaped(&mut self, kind: &str, served: &Served, object: Value) -> Result<Bytes, Status> {
        let object = match self.shape {
            Shape::Plain | Shape::AggregatedDiscovery => object,
            Shape::PartialObject(version) | Shape::PartialList(version) => output::partial(&object, version),
            Shape::Table(version) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let columns = (!self.columns_sent).then_some(served.columns.as_slice());
                let bare = kind == "BOOKMARK" && self.include == IncludeObject::None;
                let include = if bare { IncludeObject::Metadata } else { self.include };
                let row = output::row(served, object, include, version, self.clock.now());
                let table = output::table(version, columns, vec![row], metadata);
                self.columns_sent = true;
                table
            }
        };
        written(self.media, kind, &object)
    }

    pub(super) fn event(&mut self, event: &Arc<Event>, selection: Option<&Selection>) -> Result<Option<Bytes>, Status> {
        let now = Item { key: event.key.clone(), revision: event.revision, value: event.value.clone() };
        let Some(selection) = selection else {
            let kind = name(event.kind);
            if self.shape != Shape::Plain {
                return self.line(kind, &now);
            }
            let Some(served) = self.served_for(event.key.cluster()) else { return Ok(None) };
            return shared(event, self.media, kind, &served, &now).map(Some);
        };
        let before = event.previous.as_ref().map(|(revision, value)| Item {
            key: event.key.clone(),
            revision: *revision,
            value: value.clone(),
        });
        let Some(served) = self.served_for(event.key.cluster()) else { return Ok(None) };
        let matched = match &before {
            Some(before) => selection.matches(&served, before)?,
            None => false,
        };
        let matches = event.kind != EventKind::Deleted && selection.matches(&served, &now)?;
        match (matched, matches) {
            (false, false) => Ok(None),
            (false, true) => self.line("ADDED", &now),
            (true, true) => self.line("MODIFIED", &now),
            (true, false) => {
                // The state that was last selected, at the revision of the change that took it away.
                let value = before.map_or_else(|| now.value.clone(), |before| before.value);
                self.line("DELETED", &Item { value, ..now })
            }
        }
    }

    pub(super) fn bookmark(&mut self, revision: Revision, end_mark: bool) -> Result<Bytes, Status> {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if end_mark {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let served = Arc::clone(&self.served);
        let object = json!({"kind": served.kind, "apiVersion": served.api_version, "metadata": metadata});
        self.shaped("BOOKMARK", &served, object)
    }
}

fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Added => "ADDED",
        EventKind::Modified => "MODIFIED",
        EventKind::Deleted => "DELETED",
    }
}

/// An event that nothing was filtered from: encoded by its first watcher, shared by the others.
fn shared(event: &Arc<Event>, media: Media, kind: &str, served: &Served, item: &Item) -> Result<Bytes, Status> {
    let make = || -> Arc<dyn Any + Send + Sync> {
        Arc::new(Encoded {
            api_version: served.api_version.clone(),
            identity: served.identity,
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
        })
    };
    let Some(encoded) = event.encoded.get_or_init(make).downcast_ref::<Encoded>() else {
        return plain(media, kind, served, item);
    };
    if encoded.api_version != served.api_version || encoded.identity != served.identity {
        return plain(media, kind, served, item);
    }
    let slot = encoded.slot(media);
    if let Some(bytes) = slot.get() {
        return Ok(bytes.clone());
    }
    let bytes = plain(media, kind, served, item)?;
    // Another watcher may have been first; both encodings are the same.
    let _ = slot.set(bytes.clone());
    Ok(bytes)
}

fn plain(media: Media, kind: &str, served: &Served, item: &Item) -> Result<Bytes, Status> {
    if media == Media::Protobuf {
        return written(media, kind, &output::object(served, item)?);
    }
    let mut out = Vec::with_capacity(item.value.data.len() + 256);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    output::append(&mut out, served, item, true)?;
    out.extend_from_slice(b"}\n");
    Ok(out.into())
}

/// An event of an object that is at hand as a value.
fn written(media: Media, kind: &str, object: &Value) -> Result<Bytes, Status> {
    match media {
        Media::Protobuf => protobuf::frame(kind, object).map(Bytes::from).map_err(Status::internal),
        Media::Json | Media::Yaml => Ok(line(kind, object)),
    }
}

/// A status as an event. Every status has all forms.
pub(super) fn error(media: Media, status: &Status) -> Bytes {
    let status = status.to_value();
    written(media, "ERROR", &status).unwrap_or_else(|_| line("ERROR", &status))
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut out = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    kcp_apimachinery::json::write(&mut out, object);
    out.extend_from_slice(b"}\n");
    out.into()
}
