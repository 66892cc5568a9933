//! What a kind means beyond its bytes: typed decoding, defaults, rules, side effects. One file per kind.
//!
//! Verbs are the same for every resource and live in `verbs/`; whatever differs between kinds is a [`Strategy`].

pub(crate) mod aggregation;
pub(crate) mod base;
pub(crate) mod cells;
pub mod configmaps;
pub mod custom;
pub mod definitions;
mod events;
mod leases;
mod merge;
pub mod namespaces;
mod rbac;
pub mod rules;
mod secrets;
mod serviceaccounts;
mod tenancy;
mod turns;

use crate::codec;
use crate::exchange::{Exchange, UserInfo};
use crate::managed::Over;
use crate::server::ApiServer;
use crate::typed::Failure;
use bytes::Bytes;
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::managed::{FieldSet, Type};
use kcp_apimachinery::patch::StrategicSchema;
use kcp_apimachinery::status::Status;
use kcp_schema::crd::Judgement;
use kcp_storage::{Birth, BoxFuture, Guard, Key, Op, Value as Stored};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// Which part of an object a write may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The main endpoint: everything but `status` where there is a status subresource.
    Main,
    /// `/status`: nothing but `status`.
    Status,
    /// `/finalize` of namespaces: nothing but `spec.finalizers`.
    Finalize,
}

/// What admission adds to the commit that carries the write.
#[derive(Debug, Default)]
pub struct Admission {
    /// Keys that have to be as they were read.
    pub guards: Vec<Guard>,
    /// Changes that happen together with the write, after it.
    pub also: Vec<Op>,
    /// What admission changed of the object itself in a controller's name.
    pub over: Option<Over>,
    /// Keeps others of this process from deciding about the same until the write is committed or given up.
    pub turn: Option<OwnedMutexGuard<()>>,
    /// What the new object, which is a logical cluster's row, brings into being.
    pub birth: Option<Birth>,
}

/// What the commit that removes an object does besides.
#[derive(Debug, Default)]
pub struct Departure {
    /// What takes the object's place at once, where there always has to be one.
    pub instead: Option<Stored>,
    /// Keys that have to be as they were read.
    pub guards: Vec<Guard>,
    /// Changes that happen together with the removal, after it.
    pub also: Vec<Op>,
    /// Keeps others of this process from deciding about the same until the removal is committed or given up.
    pub turn: Option<OwnedMutexGuard<()>>,
}

/// What index terms of unfinished work begin with.
pub const WORK_TERM: &str = "work/";

/// What happens to an object that a client deletes, apart from finalizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It goes as soon as `metadata.finalizers` is empty.
    Now,
    /// It stays, marked for deletion, until something else lets it go (namespaces: `spec.finalizers`).
    Held,
}

/// What a kind means.
pub trait Strategy: Send + Sync + 'static {
    /// Checks types and drops what the kind does not know. Returns what was dropped, as strict decoding names it
    /// (`unknown field "spec.foo"`), sorted; an error is the decoder's text.
    fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        self.base().map_or_else(|| Err("no definition describes this kind".to_owned()), |base| base.decode(object))
    }

    /// All values of an object that are not what their fields hold, of which [`Strategy::decode`] tells one; empty where
    /// there is no order to tell them in.
    fn failures(&self, object: &mut Value) -> Vec<Failure> {
        self.base().map_or_else(Vec::new, |base| base.failures(object))
    }

    /// Fills in defaults.
    fn default(&self, object: &mut Value) {
        let _ = object;
    }

    /// Why `name` cannot be this kind's name; empty when it can.
    fn name_problems(&self, name: &str) -> Vec<String> {
        kcp_apimachinery::names::is_dns1123_subdomain(name)
    }

    /// Sets what only the server sets on a new object (status, generation, forced labels).
    fn prepare_create(&self, object: &mut Value) {
        let _ = object;
    }

    /// Carries over from `old` what a write to `part` must not change, and counts the generation.
    fn prepare_update(&self, new: &mut Value, old: &Value, part: Part) {
        let _ = (new, old, part);
    }

    /// Whether the kind's own rules include those for metadata, so that both are reported together.
    fn checks_metadata(&self) -> bool {
        true
    }

    /// Whether the caller may hand on what the object grants. Asked of the object as it was sent, before its revision
    /// and its rules are looked at. `old` is what it replaces.
    fn permit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a Value,
        old: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<(), Status>> {
        let _ = (server, exchange, new, old);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether a delete answers with the object it removed, not with a status.
    fn answers_removed(&self) -> bool {
        false
    }

    /// The kind's rules for a new object; metadata is checked elsewhere.
    fn validate_create(&self, object: &Value) -> ErrorList {
        let _ = object;
        ErrorList::default()
    }

    /// The kind's rules for a change.
    fn validate_update(&self, new: &Value, old: &Value, part: Part) -> ErrorList {
        let _ = (new, old, part);
        ErrorList::default()
    }

    /// The kind's rules for a change, and what they forgive.
    fn judge_update(&self, new: &Value, old: &Value, part: Part) -> Judgement {
        Judgement { errors: self.validate_update(new, old, part), warnings: Vec::new() }
    }

    /// Texts of warnings for a written object; `old` is what it replaces.
    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let _ = (object, old);
        Vec::new()
    }

    /// Rules that look at other objects (escalation, names of other definitions), and changes that go along with the
    /// write. May still change `new`. `old` is `None` for a create; not called for deletes.
    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a mut Value,
        old: Option<&'a Value>,
        part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        let _ = (server, exchange, new, old, part);
        Box::pin(std::future::ready(Ok(Admission::default())))
    }

    /// How a precondition that does not hold is told by kinds that look at it themselves, when one object is deleted.
    fn precondition_text(&self) -> Option<&'static str> {
        None
    }

    /// Whether a client may delete an object of that name, be there one or not.
    fn check_delete(&self, name: &str) -> Result<(), Status> {
        let _ = name;
        Ok(())
    }

    /// Whether `caller` may delete an object that stands in a logical cluster. Not asked for what the server deletes.
    fn check_removal(&self, cluster: &str, caller: &UserInfo, object: &Value) -> Result<(), Status> {
        let _ = (cluster, caller, object);
        Ok(())
    }

    /// Called when `object` gets its deletion timestamp; may change it (phase, finalizers).
    fn begin_removal(&self, object: &mut Value) -> Removal {
        let _ = object;
        Removal::Now
    }

    /// Whether an object that is marked for deletion and has no metadata finalizers is still held back.
    fn is_held(&self, object: &Value) -> bool {
        let _ = object;
        false
    }

    /// What goes along with the removal of the object at `key`, which nothing holds any more.
    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        let _ = (server, key);
        Box::pin(std::future::ready(Ok(Departure::default())))
    }

    /// Index terms that others find the object by, besides those of its owners and of unfinished work.
    fn terms(&self, object: &Value) -> Vec<Bytes> {
        let _ = object;
        Vec::new()
    }

    /// Index terms besides the owners' uids: which kinds of unfinished work the object is.
    fn work(&self, object: &Value) -> Vec<&'static str> {
        let _ = object;
        Vec::new()
    }

    /// Whether objects go by themselves, a fixed time after they were last written. Such objects own nothing and are
    /// owned by nothing.
    fn expires(&self) -> bool {
        false
    }

    /// Whether a delete may say what becomes of the object's dependents.
    fn is_owner(&self) -> bool {
        true
    }

    /// The value of a field that can be selected by; `None` when the label is not supported.
    fn field(&self, object: &Value, label: &str) -> Option<String> {
        let _ = (object, label);
        None
    }

    /// Whether fields can be selected by `label` (besides `metadata.name` and `metadata.namespace`).
    fn selects_by(&self, label: &str) -> bool {
        let _ = label;
        false
    }

    /// Whether the kind has fields of its own that can be selected by.
    fn has_selectable_fields(&self) -> bool {
        false
    }

    /// Whether PUT to a missing object creates it.
    fn creates_on_update(&self) -> bool {
        false
    }

    /// Whether an update without a resourceVersion is taken.
    fn updates_unconditionally(&self) -> bool {
        false
    }

    /// Merge keys of strategic merge patches; `None`: such patches are refused with 415.
    fn strategic(&self) -> Option<&StrategicSchema> {
        self.base().map(base::Base::strategic)
    }

    /// The part that follows from the kind's definition, for built-in kinds that are stored.
    fn base(&self) -> Option<&base::Base> {
        None
    }

    /// What field management has to know of the kind; `None` for kinds that are not stored.
    fn ownership(&self) -> Option<Type<'_>> {
        self.base().map(base::Base::ownership)
    }

    /// Fields that a write to `part` cannot change, so that nobody comes to own them by one.
    fn reset(&self, part: Part) -> Option<&'static FieldSet<'static>> {
        let _ = part;
        None
    }

    /// An object of the kind with nothing in it but what is always printed.
    fn empty(&self) -> Value {
        let mut object = Value::Object(serde_json::Map::new());
        // What has no fields has none of a wrong type.
        let _ = self.decode(&mut object);
        object
    }

    /// Turns a stored object into this version's form, where the two differ.
    #[allow(clippy::wrong_self_convention, reason = "the strategy says how; the object is what turns")]
    fn from_stored(&self, object: &mut Value) {
        let _ = object;
    }

    /// Turns an object of this version into the stored form, where the two differ.
    fn to_stored(&self, object: &mut Value) {
        let _ = object;
    }

    /// The payload that stores an object of this version, with its entries of managed fields as JSON text.
    fn encode(&self, object: &Value, entries: &[u8]) -> Vec<u8> {
        if !self.converts() {
            return codec::encode_lean(object, entries, self.fingerprint());
        }
        let mut converted = object.clone();
        self.to_stored(&mut converted);
        codec::encode_lean(&converted, entries, self.fingerprint())
    }

    /// Turns an object as it was decoded from its payload into this version's form: what [`Strategy::converts`],
    /// [`Strategy::overrides`] or another [`Strategy::fingerprint`] call for.
    fn read(&self, object: &mut Value, stored: &Stored) {
        let _ = stored;
        self.from_stored(object);
    }

    /// Whether the stored form differs from this version's in more than `apiVersion`.
    fn converts(&self) -> bool {
        false
    }

    /// Whether what is stored at a key is not what this server says there, so that [`Strategy::read`] has to say it.
    fn overrides(&self, key: &Key, stored: &Stored) -> bool {
        let _ = (key, stored);
        false
    }

    /// Answers a create that stores nothing (reviews); `None` for kinds that are stored.
    fn answer<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        object: Value,
    ) -> Option<BoxFuture<'a, Result<Value, Status>>> {
        let _ = (server, exchange, object);
        None
    }

    /// Names the schema objects are pruned and defaulted by; a stored object with another fingerprint is pruned and
    /// defaulted again when read.
    fn fingerprint(&self) -> u64 {
        0
    }

    /// Whether the generation is counted for this kind.
    fn counts_generation(&self) -> bool {
        false
    }

    /// Conditions of the object's table row, for objects that are through.
    fn row_conditions(&self, object: &Value) -> Option<Value> {
        let _ = object;
        None
    }

    /// Cells of the object's table row, in the order of the resource's columns.
    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value>;
}

/// The strategy of a built-in kind by the name its declaration gives.
///
/// # Errors
/// When no strategy has that name.
pub fn built_in(name: &str, definition: &str) -> Result<Arc<dyn Strategy>, String> {
    Ok(match name {
        "configmaps" => Arc::new(configmaps::ConfigMaps::new(definition)),
        "customresourcedefinitions" => Arc::new(definitions::Definitions::new(definition)),
        "events" => Arc::new(events::Events::new(definition, events::Api::Core)),
        "events.events.k8s.io" => Arc::new(events::Events::new(definition, events::Api::Events)),
        "leases" => Arc::new(leases::Leases::new(definition)),
        "namespaces" => Arc::new(namespaces::Namespaces::new(definition)),
        "secrets" => Arc::new(secrets::Secrets::new(definition)),
        "serviceaccounts" => Arc::new(serviceaccounts::ServiceAccounts::new(definition)),
        _ => {
            let found = rbac::strategy(name, definition).or_else(|| crate::reviews::strategy(name, definition));
            return found.ok_or_else(|| format!("no strategy is called {name:?}"));
        }
    })
}
