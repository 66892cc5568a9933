//! LogicalClusters: the phases of a logical cluster's life, and what is told to the workspace that owns it.

use super::{forbidden, is_system};
use crate::birth;
use crate::codec;
use crate::exchange::{Exchange, UserInfo};
use crate::server::ApiServer;
use crate::strategy::rules::{Rules, Write};
use crate::strategy::{Admission, Removal};
use crate::tenancy::row::{self, Draft};
use crate::tenancy::{CLUSTER_WORK, CONTENT_FINALIZER, PATH, PHASE_LABEL, ROOT, WORKSPACES};
use crate::verbs::storage_error;
use crate::verbs::write::stored;
use bytes::Bytes;
use kcp_apimachinery::{Status, meta, time};
use kcp_storage::{BoxFuture, Expect, Key, Op};
use serde_json::{Value, json};

/// The rules of LogicalClusters.
pub struct LogicalClusters;

const RESOURCE: (&str, &str) = ("core.kcp.io", "logicalclusters");
const NAME: &str = "cluster";

/// Takes a logical cluster offline.
const INACTIVE: [&str; 2] = ["core.kcp.io/inactive", "internal.kcp.io/inactive"];

/// How annotations begin that only the system changes.
const FIXED: [&str; 6] = [
    "authorization.kcp.io/",
    "core.kcp.io/max-",
    "core.kcp.io/shard",
    "experimental.tenancy.kcp.io/",
    "internal.apis.kcp.io/",
    "internal.tenancy.kcp.io/",
];

impl Rules for LogicalClusters {
    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        write: Write<'a>,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(async move {
            match write.old {
                None => create(server, exchange, write.new),
                Some(old) => {
                    let old = old.clone();
                    update(server, exchange, write, &old).await
                }
            }
        })
    }

    fn check_removal(&self, cluster: &str, caller: &UserInfo, object: &Value) -> Result<(), Status> {
        if cluster == ROOT {
            return Err(forbidden(RESOURCE, NAME, "the logical cluster root cannot be deleted"));
        }
        let allowed = is_system(caller) || object["spec"]["directlyDeletable"] == true;
        if !allowed {
            return Err(forbidden(RESOURCE, NAME, "LogicalCluster cannot be deleted"));
        }
        Ok(())
    }

    fn begin_removal(&self, object: &mut Value) -> Removal {
        let waits = object["status"]["terminators"].as_array().is_some_and(|names| !names.is_empty());
        set_phase(object, if waits { "Terminating" } else { "Deleting" });
        row::label(object);
        Removal::Now
    }

    fn work(&self, object: &Value) -> Vec<&'static str> {
        let waits = meta::deletion_timestamp(object).is_some() && meta::has_finalizer(object, CONTENT_FINALIZER);
        if waits { vec![CLUSTER_WORK] } else { Vec::new() }
    }

    fn terms(&self, object: &Value) -> Vec<Bytes> {
        row::terms(object)
    }
}

/// Only the system makes logical clusters by hand; the first write of an administrator makes one all the same.
fn create(server: &ApiServer, exchange: &Exchange, new: &mut Value) -> Result<Admission, Status> {
    let user = &*exchange.user;
    if !is_system(user) {
        return Err(forbidden(RESOURCE, NAME, "LogicalCluster cannot be created"));
    }
    let cluster = exchange.cluster_name();
    let made = Draft::plain(cluster).object(server, meta::uid(new));
    for (key, value) in meta::annotations(&made).into_iter().flatten() {
        if let (None, Some(value)) = (meta::annotation(new, key), value.as_str()) {
            meta::set_annotation(new, key, value);
        }
    }
    let finalizers: Vec<String> = meta::finalizers(new).map(str::to_owned).collect();
    if !finalizers.iter().any(|name| name == CONTENT_FINALIZER) {
        meta::set_finalizers(new, finalizers.into_iter().chain([CONTENT_FINALIZER.to_owned()]));
    }
    new["status"] = made["status"].clone();
    begin(server, new);
    row::label(new);
    Ok(Admission { birth: Some(birth::of(server, cluster, None)), ..Admission::default() })
}

/// The transition into `Initializing`: who has to do their part is copied to the status.
fn begin(server: &ApiServer, new: &mut Value) {
    for field in ["initializers", "terminators"] {
        let names = new["spec"][field].clone();
        if names.as_array().is_some_and(|names| !names.is_empty()) {
            new["status"][field] = names;
        }
    }
    set_phase(new, "Initializing");
    progress(server, new);
}

/// What follows from who is left.
fn progress(server: &ApiServer, new: &mut Value) {
    let now = time::format_rfc3339(server.clock.now().as_second());
    let left = |field: &str| -> Vec<String> {
        let names = new["status"][field].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (initializers, terminators) = (left("initializers"), left("terminators"));
    let going = meta::deletion_timestamp(new).is_some();
    let inactive = INACTIVE.iter().any(|key| meta::annotation(new, key) == Some("true"));
    let phase = match new["status"]["phase"].as_str().unwrap_or_default() {
        _ if going && !terminators.is_empty() => "Terminating",
        _ if going => "Deleting",
        "Initializing" if initializers.is_empty() => "Ready",
        "Ready" if inactive => "Inactive",
        "Inactive" if !inactive => "Ready",
        other => other,
    }
    .to_owned();
    set_condition(new, row::initialized(&initializers, &now));
    set_phase(new, &phase);
}

async fn update(server: &ApiServer, exchange: &Exchange, write: Write<'_>, old: &Value) -> Result<Admission, Status> {
    let Write { strategy: _, new, .. } = write;
    if !is_system(&exchange.user) {
        check_change(new, old).map_err(|text| forbidden(RESOURCE, NAME, text))?;
    }
    let before = text(&old["status"], "phase");
    if matches!(before.as_str(), "" | "Scheduling") && text(&new["status"], "phase") == "Initializing" {
        begin(server, new);
    }
    progress(server, new);
    row::label(new);
    let also = tell_owner(server, new, old).await?;
    Ok(Admission { also, ..Admission::default() })
}

/// Why somebody inside may not make a change.
fn check_change(new: &Value, old: &Value) -> Result<(), String> {
    for field in ["createdBy", "initializers", "terminators", "owner", "directlyDeletable"] {
        if new["spec"].get(field) != old["spec"].get(field) {
            return Err(format!("spec.{field} is immutable"));
        }
    }
    let (was, is) = (text(&old["status"], "phase"), text(&new["status"], "phase"));
    if rank(&is) < rank(&was) {
        return Err(format!("cannot transition from {was:?} to {is:?}"));
    }
    let names =
        |object: &Value, field: &str| -> Vec<Value> { object["status"][field].as_array().cloned().unwrap_or_default() };
    let going = meta::deletion_timestamp(old).is_some();
    for (field, may_shrink) in [("initializers", was == "Initializing"), ("terminators", going)] {
        let (before, after) = (names(old, field), names(new, field));
        let shrinks = after.iter().all(|name| before.contains(name));
        if before != after && !(may_shrink && shrinks) {
            return Err(format!("status.{field} can only be removed from, and only in the phase that is theirs"));
        }
    }
    for key in INACTIVE {
        if meta::annotation(new, key) != meta::annotation(old, key) && !matches!(was.as_str(), "Ready" | "Inactive") {
            return Err(format!("annotation {key} can only be set when the logical cluster is ready"));
        }
    }
    let keys = |object| meta::annotations(object).into_iter().flatten().map(|(key, _)| key.as_str());
    let differs = |key: &&str| meta::annotation(new, key) != meta::annotation(old, key);
    if let Some(key) = keys(old).chain(keys(new)).filter(|key| is_fixed(key)).find(differs) {
        return Err(format!("annotation {key} can only be changed by system privileged users"));
    }
    if !meta::has_finalizer(new, CONTENT_FINALIZER) && meta::has_finalizer(old, CONTENT_FINALIZER) {
        return Err(format!("finalizer {CONTENT_FINALIZER} is removed by the server when the content is gone"));
    }
    Ok(())
}

/// Whether an annotation says what the server has decided about the logical cluster, or what may be in it.
fn is_fixed(key: &str) -> bool {
    key == PATH || FIXED.iter().any(|prefix| key.starts_with(prefix))
}

fn rank(phase: &str) -> usize {
    ["", "Scheduling", "Initializing", "Ready"].iter().position(|known| *known == phase).unwrap_or_default()
}

/// The Workspace shows what its logical cluster is like, from the same commit on.
async fn tell_owner(server: &ApiServer, new: &Value, old: &Value) -> Result<Vec<Op>, Status> {
    let seen = |object: &Value| {
        ["phase", "initializers", "terminators", "conditions"].map(|field| object["status"][field].clone())
    };
    let owner = &new["spec"]["owner"];
    if seen(new) == seen(old) || text(owner, "resource") != "workspaces" {
        return Ok(Vec::new());
    }
    let key = Key::new(WORKSPACES, &text(owner, "cluster"), "", &text(owner, "name"));
    let served = server.registry.plain().stored_as(WORKSPACES).cloned();
    let found = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
    let (Some(served), Some(item)) = (served, found) else { return Ok(Vec::new()) };
    let mut workspace = codec::decode_lean(&item, served.header()).map_err(Status::internal)?;
    if meta::uid(&workspace) != text(owner, "uid") {
        return Ok(Vec::new());
    }
    codec::strip(&mut workspace);
    for field in ["phase", "initializers", "terminators"] {
        match new["status"].get(field) {
            Some(value) => workspace["status"][field] = value.clone(),
            None => drop(workspace["status"].as_object_mut().map(|status| status.remove(field))),
        }
    }
    for condition in new["status"]["conditions"].as_array().into_iter().flatten() {
        set_condition(&mut workspace, condition.clone());
    }
    let phase = text(&workspace["status"], "phase");
    meta::set_label(&mut workspace, PHASE_LABEL, &phase);
    let value = stored(server, key.cluster(), &*served.strategy, &workspace, codec::managed(&item.value));
    Ok(vec![Op::put(key, Expect::At(item.revision), value)])
}

fn set_phase(object: &mut Value, phase: &str) {
    object["status"]["phase"] = phase.into();
    meta::set_label(object, PHASE_LABEL, phase);
}

/// Puts a condition in the place of the one of its type; its time moves only with its status.
fn set_condition(object: &mut Value, mut condition: Value) {
    let conditions = &mut object["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    match list.iter_mut().find(|known| known["type"] == condition["type"]) {
        Some(known) => {
            if known["status"] == condition["status"] {
                condition["lastTransitionTime"] = known["lastTransitionTime"].clone();
            }
            *known = condition;
        }
        None => list.push(condition),
    }
}

fn text(object: &Value, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
