//! Workspaces: a create brings the logical cluster into being in the same commit.

use super::{forbidden, is_system};
use crate::authz::{Attributes, MASTERS};
use crate::birth;
use crate::exchange::{Exchange, UserInfo};
use crate::server::ApiServer;
use crate::strategy::rules::{Rules, Write};
use crate::strategy::{Admission, Part};
use crate::tenancy::row::{self, Draft, Row};
use crate::tenancy::types::{Alias, Compiled};
use crate::tenancy::{
    CHOSEN, FINALIZER, GROUP, OWNER, PHASE_LABEL, REQUIRED_GROUPS, SHARD, SHARD_NAME, WORKSPACE_WORK, names,
};
use kcp_apimachinery::{Status, meta, names as dns, time};
use kcp_storage::{BoxFuture, Guard};
use serde_json::{Value, json};
use std::sync::Arc;

/// The rules of Workspaces.
pub struct Workspaces;

const RESOURCE: (&str, &str) = (GROUP, "workspaces");

impl Rules for Workspaces {
    fn name_problems(&self, name: &str) -> Vec<String> {
        dns::is_dns1123_label(name)
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        write: Write<'a>,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(async move {
            match write.old {
                None => create(server, exchange, write.new).await,
                Some(old) => {
                    update(exchange, write.new, old, write.part)?;
                    Ok(Admission::default())
                }
            }
        })
    }

    fn work(&self, object: &Value) -> Vec<&'static str> {
        let waits = meta::deletion_timestamp(object).is_some() && meta::has_finalizer(object, FINALIZER);
        if waits { vec![WORKSPACE_WORK] } else { Vec::new() }
    }
}

async fn create(server: &ApiServer, exchange: &Exchange, new: &mut Value) -> Result<Admission, Status> {
    let user = &*exchange.user;
    let name = meta::name(new).to_owned();
    let refuse = |text: String| forbidden(RESOURCE, &name, text);
    let Some(parent) = Row::read(server, exchange.cluster_name()).await? else {
        // A dry run in a logical cluster that its first write would bring into being.
        return Err(refuse(format!("logical cluster {:?} does not exist yet", exchange.cluster_name())));
    };
    if parent.is_going() {
        return Err(refuse(format!("logical cluster {:?} is being deleted", exchange.cluster_name())));
    }
    check_given(new, &parent, user).map_err(refuse)?;

    let (parent_path, parent_type) = parent.type_of();
    let above = server.types.find(server, &parent, parent_type, parent_path).await?;
    let above = above
        .ok_or_else(|| refuse(format!("workspace type {parent_path}:{parent_type} of the parent cannot be found")))?;
    let wanted = |field: &str| text(&new["spec"]["type"], field);
    let (mut type_name, mut type_path) = (wanted("name"), wanted("path"));
    if type_name.is_empty() {
        let default = above.template.default_child.clone();
        let default = default.ok_or_else(|| {
            refuse("spec.defaultChildWorkspaceType of the parent's type is not set: a type has to be named".to_owned())
        })?;
        (type_name, type_path) = (default.name, default.path);
    }
    let found = server.types.find(server, &parent, &type_name, &type_path).await?;
    let compiled = found.ok_or_else(|| {
        let shown = if type_path.is_empty() { type_name.clone() } else { format!("{type_path}:{type_name}") };
        refuse(format!("workspace type {shown} cannot be found"))
    })?;
    check_use(server, user, &compiled).await?.map_or(Ok(()), |text| Err(refuse(text)))?;
    check_limits(&above.template.aliases, &compiled.template.aliases).map_err(refuse)?;

    let template = &compiled.template;
    let own = template.own();
    new["spec"]["type"] = json!({"name": own.name, "path": own.path});
    for (key, value) in &template.labels {
        if meta::label(new, key).is_none() {
            meta::set_label(new, key, value);
        }
    }
    set_provenance(new, &parent, user);

    // Drawn anew for every attempt: the name of one that failed may be taken.
    let cluster = names::random();
    let path = format!("{}:{name}", parent.path());
    let uid = meta::uid(new).to_owned();
    let groups = meta::annotation(new, REQUIRED_GROUPS).map(str::to_owned);
    let draft = Draft {
        cluster: &cluster,
        path: &path,
        type_of: (&own.path, &own.name),
        owner: Some((parent.key.cluster(), &name, &uid)),
        creator: Some(user),
        required_groups: groups.as_deref(),
        initializers: &template.initializers,
        terminators: &template.terminators,
    };
    settle(server, new, &draft);
    let guards = guards(&parent, &[&compiled, &above]);
    Ok(Admission { guards, also: vec![birth::bear(server, &draft)], ..Admission::default() })
}

/// What the server alone says of a workspace.
fn settle(server: &ApiServer, new: &mut Value, draft: &Draft<'_>) {
    let now = time::format_rfc3339(server.clock.now().as_second());
    new["spec"]["cluster"] = draft.cluster.into();
    new["spec"]["URL"] = format!("https://{}/clusters/{}", server.external_address, draft.path).into();
    meta::set_annotation(new, CHOSEN, draft.cluster);
    meta::set_annotation(new, SHARD_NAME, SHARD);
    meta::set_label(new, PHASE_LABEL, draft.phase());
    let mut finalizers: Vec<String> = meta::finalizers(new).map(str::to_owned).collect();
    if !meta::has_finalizer(new, FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
    meta::set_finalizers(new, finalizers);
    let scheduled = json!({"type": "WorkspaceScheduled", "status": "True", "lastTransitionTime": now});
    let mut status =
        json!({"phase": draft.phase(), "conditions": [row::initialized(draft.initializers, &now), scheduled]});
    for (field, names) in [("initializers", draft.initializers), ("terminators", draft.terminators)] {
        if !names.is_empty() {
            status[field] = json!(names);
        }
    }
    new["status"] = status;
}

/// What somebody may say of a new workspace, and what not.
fn check_given(new: &Value, parent: &Row, user: &UserInfo) -> Result<(), String> {
    if user.is_in(MASTERS) {
        return Ok(());
    }
    // What an attempt that lost a race had set is no client's.
    let ours = meta::annotation(new, CHOSEN).is_some_and(|chosen| chosen == text(&new["spec"], "cluster"));
    for field in ["cluster", "URL"] {
        if !ours && !text(&new["spec"], field).is_empty() {
            return Err(format!("spec.{field} can only be set by system privileged users"));
        }
    }
    if let Some(given) = meta::annotation(new, OWNER)
        && given != owner(user)
    {
        return Err(format!("expected user annotation {OWNER}={}", owner(user)));
    }
    match meta::annotation(new, REQUIRED_GROUPS) {
        Some(given) if Some(given) != parent.required_groups() => {
            Err(format!("expected required groups annotation {REQUIRED_GROUPS} to match parent logical cluster"))
        }
        _ => Ok(()),
    }
}

fn set_provenance(new: &mut Value, parent: &Row, user: &UserInfo) {
    let privileged = user.is_in(MASTERS);
    if !privileged {
        meta::set_annotation(new, OWNER, &owner(user));
    }
    match parent.required_groups() {
        _ if privileged && meta::annotation(new, REQUIRED_GROUPS).is_some() => {}
        Some(groups) => meta::set_annotation(new, REQUIRED_GROUPS, groups),
        None => {
            meta::remove_annotation(new, REQUIRED_GROUPS);
        }
    }
}

fn owner(user: &UserInfo) -> String {
    json!({"username": user.name}).to_string()
}

/// Why a user may not make workspaces of a type; asked in the cluster of every type that it counts as, as if from there.
async fn check_use(server: &ApiServer, user: &UserInfo, compiled: &Compiled) -> Result<Option<String>, Status> {
    for alias in &compiled.template.aliases {
        let wanted = Attributes {
            verb: "use",
            group: GROUP,
            resource: "workspacetypes",
            name: &alias.name,
            is_resource: true,
            ..Attributes::default()
        };
        if !server.authorization.allowed(&alias.cluster, user, &wanted).await?.allowed {
            return Ok(Some(format!(
                "unable to use workspace type {}:{}: missing verb='use' permission on workspacetype",
                alias.path, alias.name
            )));
        }
    }
    Ok(None)
}

/// Whether a workspace of one type may stand beneath one of another.
fn check_limits(above: &[Alias], child: &[Alias]) -> Result<(), String> {
    let shown = |alias: &Alias| format!("{}:{}", alias.path, alias.name);
    for alias in child {
        let Some(limit) = &alias.parents else { continue };
        if limit.none {
            return Err(format!("workspace type {} cannot have any parent", shown(alias)));
        }
        if !limit.allows(above) {
            return Err(format!(
                "workspace type {} only allows {}, and {} is not among them: it cannot be the parent",
                shown(alias),
                list(limit),
                shown(&above[0])
            ));
        }
    }
    for alias in above {
        let Some(limit) = &alias.children else { continue };
        if limit.none {
            return Err(format!("workspace type {} cannot have any child", shown(alias)));
        }
        if !limit.allows(child) {
            return Err(format!(
                "workspace type {} only allows {} as children, and {} is not among them",
                shown(alias),
                list(limit),
                shown(&child[0])
            ));
        }
    }
    Ok(())
}

fn list(limit: &crate::tenancy::types::Limit) -> String {
    let names: Vec<String> = limit.types.iter().map(|one| format!("{}:{}", one.path, one.name)).collect();
    format!("[{}]", names.join(", "))
}

fn guards(parent: &Row, types: &[&Arc<Compiled>]) -> Vec<Guard> {
    let mut guards = vec![parent.guard()];
    for guard in types.iter().flat_map(|compiled| &compiled.guards) {
        if !guards.iter().any(|known| known.key == guard.key) {
            guards.push(guard.clone());
        }
    }
    guards
}

fn update(exchange: &Exchange, new: &mut Value, old: &Value, part: Part) -> Result<(), Status> {
    let name = meta::name(new).to_owned();
    let refuse = |text: String| forbidden(RESOURCE, &name, text);
    if !is_system(&exchange.user) {
        for field in ["cluster", "URL"] {
            if new["spec"].get(field) != old["spec"].get(field) {
                return Err(refuse(format!("spec.{field} can only be changed by system privileged users")));
            }
        }
        for key in [OWNER, REQUIRED_GROUPS, CHOSEN, SHARD_NAME] {
            if meta::annotation(new, key) != meta::annotation(old, key) {
                return Err(refuse(format!("annotation {key} can only be changed by system privileged users")));
            }
        }
        if part == Part::Status && new["status"] != old["status"] {
            return Err(refuse("the status of a workspace is set by the server".to_owned()));
        }
        let kept = meta::has_finalizer(new, FINALIZER) || !meta::has_finalizer(old, FINALIZER);
        if !kept {
            return Err(refuse(format!("finalizer {FINALIZER} is removed by the server when the content is gone")));
        }
    }
    let phase = text(&new["status"], "phase");
    if phase == "Ready" && (text(&new["spec"], "cluster").is_empty() || text(&new["spec"], "URL").is_empty()) {
        return Err(refuse("spec.cluster and spec.URL must be set for workspaces that are ready".to_owned()));
    }
    meta::set_label(new, PHASE_LABEL, &phase);
    Ok(())
}

fn text(object: &Value, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
