//! What exists because something else does: the objects a logical cluster is born with, and those of every namespace.
//!
//! Both are the same few objects. A cluster's are a birth template, pure data that the store keeps once and derives for
//! each cluster; a later namespace's are written in the commit that creates it.

use crate::clusters;
use crate::codec;
use crate::exchange::UserInfo;
use crate::server::ApiServer;
use crate::strategy::Departure;
use crate::strategy::namespaces::{NAME_LABEL, NAMESPACES, is_terminating};
use crate::tenancy::row::{self, Draft};
use bytes::Bytes;
use kcp_apimachinery::{Status, time};
use kcp_storage::{Birth, Change, Error, Expect, Guard, Key, Op, Piece, Template, TemplateObject, Value as Stored};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// The namespace every logical cluster has from birth.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The service account every namespace has.
pub const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// The config map every namespace has: which authority signed the server's certificate.
pub const ROOT_CA: &str = "kube-root-ca.crt";

/// The binding that makes a cluster's creator its administrator.
pub const ADMINISTRATOR: &str = "workspace-admin";

/// Stands for the creator's name in a blueprint.
const CREATOR: &str = "\u{3}";
const SERVICE_ACCOUNTS: &str = "serviceaccounts";
const CONFIG_MAPS: &str = "configmaps";

/// The birth templates of a server, made when the first cluster of their kind is born.
#[derive(Default)]
pub struct Templates {
    ordinary: OnceLock<Arc<Template>>,
    owned: OnceLock<Arc<Template>>,
    bare: OnceLock<Arc<Template>>,
}

/// One object, with what differs from one birth to the next.
struct Blueprint {
    resource: &'static str,
    namespace: String,
    name: String,
    object: Value,
    /// Who owns which of its fields: the manager that writes such objects elsewhere, and the fields.
    owned: Option<(&'static str, Value)>,
}

/// The changes that bring a logical cluster into being that nobody owns: its row, and with it what it is born with.
pub fn ops(server: &ApiServer, cluster: &str) -> Vec<Op> {
    vec![bear(server, &Draft::plain(cluster))]
}

/// The change that brings a logical cluster into being.
pub fn bear(server: &ApiServer, draft: &Draft<'_>) -> Op {
    let object = draft.object(server, &uid());
    let row = Stored::indexed(codec::encode(&object, 0), row::terms(&object));
    let parent = draft.owner.map(|(cluster, ..)| cluster.into());
    let birth = Birth { parent, ..of(server, draft.cluster, draft.creator) };
    Op::bear(clusters::row(draft.cluster), row, birth)
}

/// What a logical cluster is born with; its creator becomes the administrator.
pub fn of(server: &ApiServer, cluster: &str, creator: Option<&UserInfo>) -> Birth {
    let templates = &server.templates;
    let template = match creator {
        _ if is_bare(cluster) => templates.bare.get_or_init(|| compile(Vec::new())),
        Some(_) => templates.owned.get_or_init(|| compile(owned(server))),
        None => templates.ordinary.get_or_init(|| compile(ordinary(server))),
    };
    let template = Arc::clone(template);
    let mut slots = vec![Bytes::from(now(server))];
    slots.extend(template.objects().iter().map(|_| Bytes::from(uid())));
    // As it stands between the quotes of a JSON string.
    let quoted = creator.map(|user| Value::from(user.name.as_str()).to_string());
    slots.extend(quoted.map(|text| Bytes::from(text[1..text.len() - 1].to_owned())));
    Birth { template, slots, parent: None }
}

/// Whether a namespace that is not there yet comes with the first write into its cluster.
///
/// # Errors
/// When the store cannot be read.
pub async fn will_bear_namespace(server: &ApiServer, cluster: &str, namespace: &str) -> Result<bool, Status> {
    if namespace != DEFAULT_NAMESPACE || is_bare(cluster) {
        return Ok(false);
    }
    let found = server.store.get(&clusters::row(cluster)).await.map_err(|error| unreadable(&error))?;
    Ok(found.is_none())
}

/// The changes that go along with a new namespace.
pub fn namespace_content(server: &ApiServer, cluster: &str, namespace: &str) -> Vec<Op> {
    let now = now(server);
    content(server, namespace).into_iter().map(|blueprint| written(cluster, blueprint, &now)).collect()
}

/// What the commit that removes the object at `key` does besides: the objects that every namespace has are replaced by
/// new ones at once, unless the namespace is going itself.
///
/// # Errors
/// When the store cannot be read.
pub async fn departure(server: &ApiServer, key: &Key) -> Result<Departure, Status> {
    let mut departure = Departure::default();
    let mut blueprints = content(server, key.namespace()).into_iter();
    let Some(blueprint) = blueprints.find(|b| b.resource == key.resource() && b.name == key.name()) else {
        return Ok(departure);
    };
    let namespace = Key::new(NAMESPACES, key.cluster(), "", key.namespace());
    let found = server.store.get(&namespace).await.map_err(|error| unreadable(&error))?;
    if let Some(item) = found.filter(|item| !is_terminating(item)) {
        departure.instead = Some(stored(&finished(&blueprint, &uid(), &now(server))));
        departure.guards.push(Guard { key: namespace, expect: Expect::At(item.revision) });
    }
    Ok(departure)
}

/// What the root CA config map says of an authority (PEM), whatever somebody writes into it.
pub fn root_ca_data(pem: &str) -> Value {
    json!({"ca.crt": pem})
}

/// Clusters of the system hold what is put there and nothing else.
fn is_bare(cluster: &str) -> bool {
    cluster.starts_with("system:")
}

/// What an ordinary cluster is born with.
fn ordinary(server: &ApiServer) -> Vec<Blueprint> {
    let namespace = Blueprint {
        resource: NAMESPACES,
        namespace: String::new(),
        name: DEFAULT_NAMESPACE.to_owned(),
        object: json!({
            "metadata": {"labels": {NAME_LABEL: DEFAULT_NAMESPACE}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }),
        owned: Some((
            "kube-apiserver",
            json!({"f:metadata": {"f:labels": {".": {}, (format!("f:{NAME_LABEL}")): {}}}}),
        )),
    };
    std::iter::once(namespace).chain(content(server, DEFAULT_NAMESPACE)).collect()
}

/// What a cluster is born with that somebody created: the ordinary content, and its creator's rights.
fn owned(server: &ApiServer) -> Vec<Blueprint> {
    let administrator = Blueprint {
        resource: "clusterrolebindings.rbac.authorization.k8s.io",
        namespace: String::new(),
        name: ADMINISTRATOR.to_owned(),
        object: json!({
            "metadata": {},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": CREATOR}],
        }),
        owned: None,
    };
    ordinary(server).into_iter().chain([administrator]).collect()
}

/// Makes a template of blueprints: slot 0 is the time of birth, slot n the uid of the nth object, and the last one the
/// creator's name.
fn compile(blueprints: Vec<Blueprint>) -> Arc<Template> {
    let last = u32::try_from(blueprints.len()).unwrap_or(u32::MAX) + 1;
    let numbered = blueprints.into_iter().zip(1..);
    Arc::new(Template::new(numbered.map(|(blueprint, slot)| template(blueprint, slot, last)).collect()))
}

/// What every namespace holds.
fn content(server: &ApiServer, namespace: &str) -> [Blueprint; 2] {
    let description = "The certificate authority of this server, for use by workloads that talk to it.";
    [
        Blueprint {
            resource: SERVICE_ACCOUNTS,
            namespace: namespace.to_owned(),
            name: DEFAULT_SERVICE_ACCOUNT.to_owned(),
            object: json!({"metadata": {}}),
            owned: None,
        },
        Blueprint {
            resource: CONFIG_MAPS,
            namespace: namespace.to_owned(),
            name: ROOT_CA.to_owned(),
            object: json!({
                "metadata": {"annotations": {"kubernetes.io/description": description}},
                "data": root_ca_data(&server.root_ca),
            }),
            owned: Some((
                "kube-controller-manager",
                json!({
                    "f:data": {".": {}, "f:ca.crt": {}},
                    "f:metadata": {"f:annotations": {".": {}, "f:kubernetes.io/description": {}}},
                }),
            )),
        },
    ]
}

/// The object of a blueprint with its system fields.
fn finished(blueprint: &Blueprint, uid: &str, now: &str) -> Value {
    let mut object = blueprint.object.clone();
    let meta = &mut object["metadata"];
    meta["name"] = blueprint.name.as_str().into();
    if !blueprint.namespace.is_empty() {
        meta["namespace"] = blueprint.namespace.as_str().into();
    }
    meta["uid"] = uid.into();
    meta["creationTimestamp"] = now.into();
    if let Some((manager, fields)) = &blueprint.owned {
        meta["managedFields"] = json!([{
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "time": now,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }]);
    }
    object
}

fn written(cluster: &str, blueprint: Blueprint, now: &str) -> Op {
    let object = finished(&blueprint, &uid(), now);
    let key = Key::new(blueprint.resource, cluster, &blueprint.namespace, &blueprint.name);
    Op { key, expect: Expect::Any, change: Change::Put(stored(&object)) }
}

/// A template object whose time is slot 0, whose uid is slot `uid_slot` and whose creator is slot `creator_slot`.
fn template(blueprint: Blueprint, uid_slot: u32, creator_slot: u32) -> TemplateObject {
    // Control characters are escaped in JSON, so these marks stand nowhere else in what the object encodes to.
    // The time's is as long as a time: it may stand where the encoding counts bytes.
    const TIME: &str = "\u{1}yyyy-mm-ddThh:";
    const UID: &str = "\u{2}";
    let encoded = codec::encode(&finished(&blueprint, UID, TIME), 0);
    let marks = [(&br"\u0001yyyy-mm-ddThh:"[..], 0), (&br"\u0002"[..], uid_slot), (&br"\u0003"[..], creator_slot)];
    let mut pieces = Vec::new();
    let mut rest = encoded.as_slice();
    loop {
        let next = marks.iter().filter_map(|(mark, slot)| Some((find(rest, mark)?, mark.len(), *slot))).min();
        let Some((at, length, slot)) = next else { break };
        pieces.push(Piece::Text(Bytes::copy_from_slice(&rest[..at])));
        pieces.push(Piece::Slot(slot));
        rest = &rest[at + length..];
    }
    pieces.push(Piece::Text(Bytes::copy_from_slice(rest)));
    TemplateObject {
        resource: blueprint.resource.to_owned(),
        namespace: blueprint.namespace,
        name: blueprint.name,
        pieces,
    }
}

/// Where a part of a text begins.
pub fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn stored(object: &Value) -> Stored {
    Stored::new(codec::encode(object, 0))
}

fn now(server: &ApiServer) -> String {
    time::format_rfc3339(server.clock.now().as_second())
}

fn uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn unreadable(error: &Error) -> Status {
    Status::service_unavailable(error.to_string())
}
