//! CustomResourceDefinitions: names and `Established` are decided in the commit that writes them.

use super::base::{self, Base, text};
use super::merge;
use super::{Admission, Departure, Part, Removal, Strategy, cells};
use crate::codec::{self, Header};
use crate::exchange::Exchange;
use crate::managed;
use crate::registry::Served;
use crate::server::ApiServer;
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::managed::FieldSet;
use kcp_apimachinery::patch::StrategicSchema;
use kcp_apimachinery::text::quote;
use kcp_apimachinery::{Status, meta, time};
use kcp_schema::crd;
use kcp_storage::{At, BoxFuture, Change, Expect, Guard, Item, Key, KeyRange, ListQuery, Op, Value as Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Storage name of definitions.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Unfinished work of a definition that is being deleted: its instances have to go, then its finalizer.
pub const DELETION_WORK: &str = "crd-deletion";

const HEADER: Header<'static> = Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/// The strategy of CustomResourceDefinitions; what the kind looks like is known where schemas are.
pub(super) struct Definitions {
    base: Base,
    strategic: StrategicSchema,
}

impl Definitions {
    pub(super) fn new(definition: &str) -> Self {
        Self { base: Base::new(definition), strategic: merge::schema("CustomResourceDefinition") }
    }
}

/// First component of the keys whose change says that a group of a cluster got one more definition. No resource is
/// called like that.
const NEWCOMERS: &str = "customresourcedefinitions.apiextensions.k8s.io/newcomers";

/// The change that lets one of two definitions come first where both are new in one group: what is not there yet
/// cannot be guarded.
async fn queue(server: &ApiServer, cluster: &str, group: &str) -> Result<Op, Status> {
    let key = Key::new(NEWCOMERS, cluster, "", group);
    let found = server.store.get(&key).await.map_err(|error| Status::service_unavailable(error.to_string()))?;
    let expect = found.map_or(Expect::Absent, |item| Expect::At(item.revision));
    Ok(Op { key, expect, change: Change::Put(Stored::default()) })
}

/// A stored definition.
struct Neighbour {
    item: Item,
    object: Value,
}

/// The other definitions of the cluster in the group of the definition `name`: those whose names could clash with its.
async fn neighbours(server: &ApiServer, cluster: &str, name: &str) -> Result<Vec<Neighbour>, Status> {
    let query = ListQuery { range: KeyRange::cluster(DEFINITIONS, cluster), at: At::Latest, after: None, limit: None };
    let page = server.store.list(query).await.map_err(|error| Status::service_unavailable(error.to_string()))?;
    // A definition is called `<plural>.<group>`: those of other groups need not be read.
    let group = |name: &str| name.split_once('.').map(|(_, group)| group.to_owned());
    let own = group(name);
    let others = page.items.into_iter().filter(|item| item.key.name() != name && group(item.key.name()) == own);
    others
        .map(|item| {
            let mut object = codec::decode(&item, HEADER).map_err(Status::internal)?;
            codec::strip(&mut object);
            Ok(Neighbour { item, object })
        })
        .collect()
}

/// Decides again about definitions that wait for a name which may be free now. Those that stay as they are become
/// guards, the others changes.
fn decide_again(mut all: Vec<Neighbour>, fixed: &[Value], now: &str) -> (Vec<Guard>, Vec<Op>) {
    let (mut guards, mut ops) = (Vec::new(), Vec::new());
    for index in 0..all.len() {
        let mut object = all[index].object.clone();
        if !crd::is_condition_true(&object, "NamesAccepted") {
            crd::decide_status(&mut object, all.iter().map(|other| &other.object).chain(fixed), now);
        }
        let Neighbour { item, object: before } = &mut all[index];
        let (key, expect) = (item.key.clone(), Expect::At(item.revision));
        if object == *before {
            guards.push(Guard { key, expect });
        } else {
            let terms = item.value.terms.to_vec();
            let value = Stored::indexed(codec::encode(&object, 0), terms);
            ops.push(Op { key, expect, change: Change::Put(value) });
            *before = object;
        }
    }
    (guards, ops)
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

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        old.map_or_else(|| crd::warnings(object), |old| crd::update_warnings(object, old))
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a mut Value,
        old: Option<&'a Value>,
        _part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(async move {
            let (cluster, name) = (exchange.cluster_name(), meta::name(new).to_owned());
            // Read before the others are, so that a newcomer in between is noticed.
            let place = match old {
                None => Some(queue(server, cluster, text(new, &["spec", "group"])).await?),
                Some(_) => None,
            };
            let all = neighbours(server, cluster, &name).await?;
            let mut fixed = built_in_names(&server.registry.plain().built_ins().served, text(new, &["spec", "group"]));
            let now = time::format_rfc3339(server.clock.now().as_second());
            crd::decide_status(new, all.iter().map(|other| &other.object).chain(&fixed), &now);
            fixed.push(new.clone());
            let (guards, mut also) = decide_again(all, &fixed, &now);
            also.extend(place);
            Ok(Admission { guards, also })
        })
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(async move {
            let all = neighbours(server, key.cluster(), key.name()).await?;
            let group = key.name().split_once('.').map_or("", |(_, group)| group);
            // Definitions of the core group are called `<plural>.core`.
            let fixed =
                built_in_names(&server.registry.plain().built_ins().served, if group == "core" { "" } else { group });
            let now = time::format_rfc3339(server.clock.now().as_second());
            let (guards, also) = decide_again(all, &fixed, &now);
            Ok(Departure { instead: None, guards, also })
        })
    }

    fn is_owner(&self) -> bool {
        // Kubernetes marks definitions without looking at the policy.
        false
    }

    fn begin_removal(&self, object: &mut Value) -> Removal {
        // Kubernetes marks definitions in a way of their own: no grace period, no new generation.
        meta::remove(object, "deletionGracePeriodSeconds");
        meta::set_generation(object, meta::generation(object) - 1);
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

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn reset(&self, part: Part) -> Option<&'static FieldSet<'static>> {
        Some(if part == Part::Status { &managed::SPEC } else { &managed::STATUS })
    }

    fn empty(&self) -> Value {
        json!({
            "metadata": {},
            "spec": {"group": "", "names": {"kind": "", "plural": ""}, "scope": "", "versions": null},
            "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": null},
        })
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
