//! CustomResourceDefinitions: names and `Established` are decided in the commit that writes them.

use super::base::{self, Base, text};
use super::merge;
use super::turns::Turns;
use super::{Admission, Departure, Part, Removal, Strategy, cells};
use crate::codec::{self, Header};
use crate::exchange::Exchange;
use crate::managed;
use crate::registry::{ClusterView, CustomGroup, Member, Served, definition_term, group_of};
use crate::server::ApiServer;
use crate::verbs::storage_error;
use bytes::Bytes;
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::managed::FieldSet;
use kcp_apimachinery::patch::StrategicSchema;
use kcp_apimachinery::text::quote;
use kcp_apimachinery::{GroupResource, Status, meta, time};
use kcp_schema::crd::{self, Names};
use kcp_storage::{At, BoxFuture, Change, Expect, Guard, Key, KeyRange, ListQuery, Op, Value as Stored};
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
    /// Whose turn it is to take names, by hash of cluster and group: who waits here does not lose a race at the commit.
    turns: Turns,
}

impl Definitions {
    pub(super) fn new(definition: &str) -> Self {
        Self {
            base: Base::new(definition),
            strategic: merge::schema("CustomResourceDefinition"),
            turns: Turns::default(),
        }
    }
}

/// First component of the keys that change with the names taken in a group of a cluster. No resource is called like that.
const NAMES: &str = "customresourcedefinitions.apiextensions.k8s.io/newcomers";

/// The definitions of a group as they stood at one moment, and the change that fails when that moment is over.
struct Neighbours {
    group: Option<Arc<CustomGroup>>,
    turn: Op,
}

impl Neighbours {
    /// Whoever changes which names a group has taken changes its key as well, so that of two who do so at once one comes
    /// first. What is derived from the definitions is at least as new as the key.
    async fn read(server: &ApiServer, cluster: &str, group: &str) -> Result<Self, Status> {
        let key = Key::new(NAMES, cluster, "", group);
        let found = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
        let revision = found.map(|item| item.revision);
        if let Some(revision) = revision {
            // The key can be read a moment before the registry is told of the change that went with it.
            let told = server.newest.clone().wait_for(|newest| *newest >= revision).await.is_ok();
            if !told {
                return Err(Status::service_unavailable("the store stopped"));
            }
        }
        let view = server.registry.view(cluster).await?;
        let expect = revision.map_or(Expect::Absent, Expect::At);
        let turn = Op { key, expect, change: Change::Put(Stored::default()) };
        Ok(Self { group: view.group(group).cloned(), turn })
    }

    /// The definitions besides the one of a name.
    fn others(&self, name: &str) -> impl Iterator<Item = &Arc<Member>> {
        let members = self.group.iter().flat_map(|group| group.members());
        members.filter(move |member| *member.name != *name)
    }

    /// Decides again about the other definitions that wait for a name, now that those of `name` are the `given` ones.
    async fn decide_again(
        &self,
        server: &ApiServer,
        key: &Key,
        fixed: &[Names],
        given: Option<&Names>,
        now: &str,
    ) -> Result<(Vec<Guard>, Vec<Op>), Status> {
        let (mut guards, mut ops) = (Vec::new(), Vec::new());
        let mut decided: BTreeMap<&str, Names> = BTreeMap::new();
        for waiting in self.others(key.name()).filter(|member| !member.settled) {
            let at = Key::new(DEFINITIONS, key.cluster(), "", &waiting.name);
            let Some(item) = server.store.get(&at).await.map_err(|error| storage_error(&error))? else { continue };
            let mut object = codec::decode(&item, HEADER).map_err(Status::internal)?;
            codec::strip(&mut object);
            let before = object.clone();
            let mut taken = crd::Taken::default();
            fixed.iter().chain(given).for_each(|names| taken.add(names));
            for other in self.others(key.name()).filter(|other| other.name != waiting.name) {
                taken.add(decided.get(&*other.name).unwrap_or(&other.accepted));
            }
            crd::decide_among(&mut object, &taken, now);
            decided.insert(&waiting.name, Names::parse(&object["status"]["acceptedNames"]));
            let expect = Expect::At(item.revision);
            if object == before {
                guards.push(Guard { key: at, expect });
            } else {
                let value = Stored::indexed(codec::encode(&object, 0), item.value.terms.to_vec());
                ops.push(Op { key: at, expect, change: Change::Put(value) });
            }
        }
        Ok((guards, ops))
    }
}

/// What holds when a definition may go: none of its objects is left, and none comes before it went. A create is committed
/// only while its definition stands, so that one of the two commits is refused whichever comes first.
async fn no_objects(server: &ApiServer, key: &Key, group: &str) -> Result<Option<Guard>, Status> {
    let plural = key.name().split_once('.').map_or(key.name(), |(plural, _)| plural);
    let storage = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    if server.registry.plain().stored_as(&storage).is_some() {
        // Objects of that name are of a built-in kind, which the definition never was.
        return Ok(None);
    }
    let range = KeyRange::cluster(&storage, key.cluster());
    let query = ListQuery { range, at: At::Latest, after: None, limit: Some(1) };
    if server.store.count(query).await.map_err(|error| storage_error(&error))? > 0 {
        let resource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
        return Err(Status::conflict(&resource, key.name(), "there are still objects of the definition"));
    }
    Ok(Some(Guard { key: Key::new(&storage, key.cluster(), "", ""), expect: Expect::Vacant }))
}

/// Whether a change of a definition leaves alone which names it asks for and has.
fn keeps_names(new: &Value, old: &Value) -> bool {
    let part = |object: &Value, path: &str| object.pointer(path).cloned().unwrap_or_default();
    crd::is_condition_true(old, "NamesAccepted")
        && ["/spec/names", "/status/acceptedNames"].iter().all(|path| part(new, path) == part(old, path))
}

/// The names that the built-in kinds of a group have taken.
fn built_in_names(plain: &ClusterView, group: &str) -> Vec<Names> {
    let mut by_name: BTreeMap<&str, &Served> = BTreeMap::new();
    for served in plain.all().filter(|served| served.group == group) {
        by_name.insert(&served.resource, served);
    }
    let taken = |served: &&Served| Names {
        plural: served.resource.as_str().into(),
        singular: served.singular.as_str().into(),
        kind: served.kind.as_str().into(),
        list_kind: served.list_kind.as_str().into(),
        short_names: served.short_names.iter().map(|name| name.as_str().into()).collect(),
        categories: Box::default(),
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
            let now = time::format_rfc3339(server.clock.now().as_second());
            let own = server.registry.plain().group(group_of(meta::name(new)));
            if old.is_none() && own.is_some_and(|group| group.has(meta::name(new))) {
                let resource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
                return Err(Status::forbidden(&resource, meta::name(new), "the server itself defines this resource"));
            }
            if old.is_some_and(|old| keeps_names(new, old)) {
                // Nobody else's names matter then: none is asked for, and none becomes free.
                let mut taken = crd::Taken::default();
                let own = Names::parse(&new["status"]["acceptedNames"]);
                taken.add(&own);
                crd::decide_among(new, &taken, &now);
                return Ok(Admission::default());
            }
            let key = Key::new(DEFINITIONS, exchange.cluster_name(), "", meta::name(new));
            let group = text(new, &["spec", "group"]).to_owned();
            let turn = self.turns.take((key.cluster(), group.as_str())).await;
            let neighbours = Neighbours::read(server, key.cluster(), &group).await?;
            let fixed = built_in_names(server.registry.plain(), &group);
            let mut taken = crd::Taken::default();
            fixed.iter().for_each(|names| taken.add(names));
            neighbours.others(key.name()).for_each(|other| taken.add(&other.accepted));
            crd::decide_among(new, &taken, &now);
            let given = Names::parse(&new["status"]["acceptedNames"]);
            let (guards, mut also) = neighbours.decide_again(server, &key, &fixed, Some(&given), &now).await?;
            also.push(neighbours.turn);
            Ok(Admission { guards, also, turn: Some(turn), ..Admission::default() })
        })
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(async move {
            let group = group_of(key.name());
            let vacant = no_objects(server, key, group).await?;
            let turn = self.turns.take((key.cluster(), group)).await;
            let neighbours = Neighbours::read(server, key.cluster(), group).await?;
            let fixed = built_in_names(server.registry.plain(), group);
            let now = time::format_rfc3339(server.clock.now().as_second());
            let (mut guards, mut also) = neighbours.decide_again(server, key, &fixed, None, &now).await?;
            guards.extend(vacant);
            also.push(neighbours.turn);
            Ok(Departure { instead: None, guards, also, turn: Some(turn) })
        })
    }

    fn is_owner(&self) -> bool {
        // Kubernetes marks definitions without looking at the policy.
        false
    }

    fn precondition_text(&self) -> Option<&'static str> {
        Some("precondition failed")
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

    fn terms(&self, object: &Value) -> Vec<Bytes> {
        vec![definition_term(meta::name(object))]
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
