//! CustomResourceDefinitions: names and `Established` are decided in the commit that writes them.

use super::base::{self, text};
use super::merge;
use super::{Admission, Part, Removal, Strategy, cells};
use crate::codec::{self, Header};
use crate::exchange::Exchange;
use crate::registry::Served;
use crate::server::ApiServer;
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::patch::StrategicSchema;
use kcp_apimachinery::text::quote;
use kcp_apimachinery::{Status, meta, time};
use kcp_schema::crd;
use kcp_storage::{At, BoxFuture, Expect, Guard, KeyRange, ListQuery};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Storage name of definitions.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Unfinished work of a definition that is being deleted: its instances have to go, then its finalizer.
pub const DELETION_WORK: &str = "crd-deletion";

const HEADER: Header<'static> = Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/// The strategy of CustomResourceDefinitions.
pub struct Definitions {
    strategic: StrategicSchema,
}

impl Definitions {
    /// The strategy; what the kind looks like is known where schemas are.
    pub fn new() -> Self {
        Self { strategic: merge::schema("CustomResourceDefinition") }
    }
}

/// The other definitions of the cluster whose names could clash with those of the definition `name` in `group`, each
/// with the guard that it stays as it was read.
async fn others(
    server: &ApiServer,
    cluster: &str,
    group: &str,
    name: &str,
) -> Result<(Vec<Value>, Vec<Guard>), Status> {
    let query = ListQuery { range: KeyRange::cluster(DEFINITIONS, cluster), at: At::Latest, after: None, limit: None };
    let page = server.store.list(query).await.map_err(|error| Status::service_unavailable(error.to_string()))?;
    let (mut found, mut guards) = (Vec::new(), Vec::new());
    for item in &page.items {
        // A definition is called `<plural>.<group>`: the others need not be read.
        let in_group =
            item.key.name().split_once('.').is_some_and(|(_, of)| of == group || group.is_empty() && of == "core");
        if in_group && item.key.name() != name {
            found.push(codec::decode(item, HEADER).map_err(Status::internal)?);
            guards.push(Guard { key: item.key.clone(), expect: Expect::At(item.revision) });
        }
    }
    Ok((found, guards))
}

/// The names that the built-in kinds of a group have taken, in the form of definitions.
fn built_in_names(served: &[Arc<Served>], group: &str) -> Vec<Value> {
    let mut by_name: BTreeMap<&str, &Served> = BTreeMap::new();
    for served in served.iter().filter(|served| served.group == group) {
        by_name.insert(&served.resource, served);
    }
    let taken = |served: &&Served| {
        json!({
            "metadata": {"name": ""},
            "spec": {"group": group},
            "status": {"acceptedNames": {
                "plural": served.resource,
                "singular": served.singular,
                "shortNames": served.short_names,
                "kind": served.kind,
                "listKind": served.list_kind,
            }},
        })
    };
    by_name.values().map(taken).collect()
}

impl Strategy for Definitions {
    fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        let unknown = crd::decode(object)?;
        Ok(unknown.iter().map(|path| format!("unknown field {}", quote(path))).collect())
    }

    fn default(&self, object: &mut Value) {
        crd::default(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        crd::prepare_for_create(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, part: Part) {
        match part {
            Part::Main | Part::Finalize => {
                crd::prepare_for_update(new, old);
                if new.get("spec") != old.get("spec") {
                    meta::set_generation(new, meta::generation(old) + 1);
                }
            }
            Part::Status => base::keep(new, old, "spec"),
        }
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        crd::validate_create(object)
    }

    fn validate_update(&self, new: &Value, old: &Value, part: Part) -> ErrorList {
        match part {
            Part::Main | Part::Finalize => crd::validate_update(new, old),
            Part::Status => crd::validate_status_update(new, old),
        }
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        crd::warnings(object)
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a mut Value,
        _old: Option<&'a Value>,
        _part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(async move {
            let group = text(new, &["spec", "group"]).to_owned();
            let cluster = exchange.cluster_name();
            let (mut rivals, guards) = others(server, cluster, &group, meta::name(new)).await?;
            let view = server.registry.view(cluster).await?;
            rivals.extend(built_in_names(&view.built_ins().served, &group));
            let now = time::format_rfc3339(server.clock.now().as_second());
            crd::decide_status(new, rivals.iter(), &now);
            Ok(Admission { guards, also: Vec::new() })
        })
    }

    fn begin_removal(&self, object: &mut Value) -> Removal {
        meta::remove(object, "deletionGracePeriodSeconds");
        let now = meta::deletion_timestamp(object).unwrap_or_default().to_owned();
        if !meta::has_finalizer(object, crd::CLEANUP_FINALIZER) {
            let mut finalizers: Vec<String> = meta::finalizers(object).map(str::to_owned).collect();
            finalizers.push(crd::CLEANUP_FINALIZER.to_owned());
            meta::set_finalizers(object, finalizers);
        }
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        crd::set_condition(object, "Terminating", "True", "InstanceDeletionPending", message, &now);
        Removal::Now
    }

    fn work(&self, object: &Value) -> Vec<&'static str> {
        let waits = meta::deletion_timestamp(object).is_some() && meta::has_finalizer(object, crd::CLEANUP_FINALIZER);
        if waits { vec![DELETION_WORK] } else { Vec::new() }
    }

    fn counts_generation(&self) -> bool {
        true
    }

    fn strategic(&self) -> Option<&StrategicSchema> {
        Some(&self.strategic)
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut versions: Vec<String> = list(&spec["versions"])
            .iter()
            .filter(|version| base::flag(version, "served"))
            .map(|version| {
                let mark = if base::flag(version, "storage") { "(storage)" } else { "" };
                format!("{}{mark}", text(version, &["name"]))
            })
            .collect();
        versions.sort();
        let short_names = list(&spec["names"]["shortNames"]);
        let short_names: Vec<&str> = short_names.iter().filter_map(Value::as_str).collect();
        vec![
            cells::name(object),
            text(spec, &["scope"]).into(),
            versions.join(",").into(),
            cells::created(object),
            text(spec, &["group"]).into(),
            text(spec, &["names", "kind"]).into(),
            short_names.join(",").into(),
            crd::is_condition_true(object, "Established").into(),
        ]
    }
}
