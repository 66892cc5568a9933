//! Custom resources: what their definition's schema says, and the rules that hold for all of them.

use crate::codec;
use crate::exchange::{Exchange, UserInfo};
use crate::managed;
use crate::native::{Counts, Native};
use crate::registry::{DEFINITIONS, definition_name};
use crate::server::ApiServer;
use crate::strategy::rules::{Rules, Write};
use crate::strategy::{Admission, Departure, Part, Removal, Strategy};
use bytes::Bytes;
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::managed::{FieldSet, Type};
use kcp_apimachinery::patch::StrategicSchema;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{GroupResource, names};
use kcp_schema::crd::{Definition, Judgement, Version};
use kcp_schema::{Malformed, table};
use kcp_storage::{BoxFuture, Expect, Guard, Key, Value as Stored};
use serde_json::{Map, Value};
use std::sync::Arc;

/// One version of a custom resource.
pub struct Custom {
    definition: Arc<Definition>,
    version: usize,
    fingerprint: u64,
    native: Option<&'static Native>,
    rules: Option<&'static dyn Rules>,
}

impl Custom {
    /// The strategy of the version at `index`, with its row of the table of well-known kinds, if it has one, and with
    /// what the kind means beyond its definition, if the program brings it.
    pub fn new(
        definition: Arc<Definition>,
        index: usize,
        native: Option<&'static Native>,
        rules: Option<&'static dyn Rules>,
    ) -> Self {
        let fingerprint = definition.versions[index].schema.fingerprint();
        Self { definition, version: index, fingerprint, native, rules }
    }

    fn version(&self) -> &Version {
        &self.definition.versions[self.version]
    }

    /// Fills in what every API server with the kind built in does. What the definition does not know stays out.
    fn native_default(&self, object: &mut Value) {
        if let Some(native) = self.native {
            native.default(object);
            self.version().schema.prune_only(object);
        }
    }
}

impl Strategy for Custom {
    fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        if let Some(native) = self.native {
            native.normalize(object);
        }
        let unknown = self.version().schema.decode(object, Malformed::Refuse).map_err(|error| error.to_string())?;
        Ok(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")).collect())
    }

    fn default(&self, object: &mut Value) {
        self.version().schema.default(object);
        self.native_default(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        if let (true, Some(map)) = (self.version().status, object.as_object_mut()) {
            map.remove("status");
            if let Some(native) = self.native {
                set(object, "status", Some((native.status)(object)));
            }
        }
        if let Some(native) = self.native {
            (native.prepare)(object, None);
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, part: Part) {
        match part {
            Part::Status => {
                let status = new.get("status").cloned();
                *new = old.clone();
                set(new, "status", status);
            }
            _ if self.version().status => set(new, "status", old.get("status").cloned()),
            _ => {}
        }
        if let (Some(native), true) = (self.native, part != Part::Status) {
            (native.prepare)(new, Some(old));
        }
        let keeps = |key: &str| key != "metadata" && !(key == "status" && self.version().status);
        let counts = self.native.map_or(Counts::Spec, |native| native.counts);
        let changed = match counts {
            Counts::Nothing => false,
            Counts::Spec => !same_fields(new, old, keeps),
            Counts::SpecAndAnnotations => {
                let annotations = |object: &Value| object["metadata"].get("annotations").cloned();
                !same_fields(new, old, keeps) || annotations(new) != annotations(old)
            }
        };
        if part != Part::Status && changed {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
            new["metadata"]["generation"] = (generation + 1).into();
        }
    }

    fn name_problems(&self, name: &str) -> Vec<String> {
        self.rules.map_or_else(|| names::is_dns1123_subdomain(name), |rules| rules.name_problems(name))
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        self.version().validate(object, None).errors
    }

    fn judge_update(&self, new: &Value, old: &Value, part: Part) -> Judgement {
        match part {
            Part::Status => self.version().validate_status(new, old),
            Part::Main | Part::Finalize => self.version().validate(new, Some(old)),
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        kcp_apimachinery::meta::custom_resource_finalizer_warnings(object, old)
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a mut Value,
        old: Option<&'a Value>,
        part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        if let Some(rules) = self.rules {
            return rules.admit(server, exchange, Write { strategy: self, new, old, part });
        }
        let result = if old.is_some() {
            Ok(Admission::default())
        } else if self.definition.terminating {
            let resource = GroupResource::new(&*self.definition.group, &*self.definition.names.plural);
            let name = new["metadata"]["name"].as_str().unwrap_or_default();
            let text = "create not allowed while custom resource definition is terminating";
            Err(Status::forbidden(&resource, name, text))
        } else {
            // Who comes after the last look for objects comes after the definition as well, or before both.
            let name = definition_name(&self.definition.group, &self.definition.names.plural);
            let key = Key::new(DEFINITIONS, exchange.cluster_name(), "", &name);
            Ok(Admission { guards: vec![Guard { key, expect: Expect::Present }], ..Admission::default() })
        };
        Box::pin(std::future::ready(result))
    }

    fn begin_removal(&self, object: &mut Value) -> Removal {
        self.rules.map_or(Removal::Now, |rules| rules.begin_removal(object))
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        match self.rules {
            Some(rules) => rules.depart(server, key),
            None => Box::pin(std::future::ready(Ok(Departure::default()))),
        }
    }

    fn work(&self, object: &Value) -> Vec<&'static str> {
        self.rules.map(|rules| rules.work(object)).unwrap_or_default()
    }

    fn terms(&self, object: &Value) -> Vec<Bytes> {
        self.rules.map(|rules| rules.terms(object)).unwrap_or_default()
    }

    fn check_removal(&self, cluster: &str, caller: &UserInfo, object: &Value) -> Result<(), Status> {
        self.rules.map_or(Ok(()), |rules| rules.check_removal(cluster, caller, object))
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        if let Some(text) = self.native.and_then(|native| native.field(object, label)) {
            return Some(text);
        }
        let field = self.version().selectable_fields.iter().find(|field| &*field.name == label)?;
        Some(match field.path.first(object) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
    }

    fn selects_by(&self, label: &str) -> bool {
        let known = self.native.is_some_and(|native| native.fields.contains(&label));
        known || self.version().selectable_fields.iter().any(|field| &*field.name == label)
    }

    fn has_selectable_fields(&self) -> bool {
        let native = self.native.is_some_and(|native| !native.fields.is_empty());
        native || !self.version().selectable_fields.is_empty()
    }

    fn creates_on_update(&self) -> bool {
        self.native.is_some_and(|native| native.creates_on_update)
    }

    fn updates_unconditionally(&self) -> bool {
        self.native.is_some()
    }

    fn encode(&self, object: &Value, entries: &[u8]) -> Vec<u8> {
        let Some(storage) = self.definition.storage_version() else {
            return codec::encode_lean(object, entries, self.fingerprint);
        };
        if storage.schema.fingerprint() == self.fingerprint {
            return codec::encode_at(object, entries, self.fingerprint, &storage.name);
        }
        // What the storage version does not know is not kept. Its defaults are for reads to fill in, by the schema that
        // it has then: no fingerprint says that they have been.
        let mut converted = object.clone();
        storage.schema.prune_only(&mut converted);
        codec::encode_at(&converted, entries, 0, &storage.name)
    }

    fn read(&self, object: &mut Value, stored: &Stored) {
        let at = codec::stored_version(stored);
        let source = self.definition.version(at).or_else(|| self.definition.storage_version());
        let source = source.unwrap_or_else(|| self.version());
        let schema = &source.schema;
        if codec::fingerprint(stored) != schema.fingerprint() {
            // What was stored before the schema was as it is now must not keep it from being read.
            if schema.decode(object, Malformed::Drop).is_err() {
                schema.prune_only(object);
                schema.default(object);
            }
            self.native_default(object);
        }
        // Defaults are those of the version the object is stored at; in this one it is only cut to what there is.
        if schema.fingerprint() != self.fingerprint {
            self.version().schema.prune_only(object);
        }
    }

    fn ownership(&self) -> Option<Type<'_>> {
        Some(self.version().schema.ownership())
    }

    fn reset(&self, part: Part) -> Option<&'static FieldSet<'static>> {
        if !self.version().status {
            return None;
        }
        Some(if part == Part::Status { &managed::METADATA_AND_SPEC } else { &managed::STATUS })
    }

    fn empty(&self) -> Value {
        self.native.map_or_else(|| Value::Object(Map::new()), |native| (native.empty)())
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn counts_generation(&self) -> bool {
        self.native.is_none_or(|native| native.counts != Counts::Nothing)
    }

    fn strategic(&self) -> Option<&StrategicSchema> {
        self.native.map(Native::strategic)
    }

    fn row_conditions(&self, object: &Value) -> Option<Value> {
        self.native.and_then(|native| (native.conditions)(object))
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        if let Some(native) = self.native {
            return (native.cells)(object, now);
        }
        let name = object["metadata"]["name"].clone();
        std::iter::once(name).chain(table::cells(self.version(), object, now.as_second())).collect()
    }
}

fn set(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(map) = object.as_object_mut() {
        match value {
            Some(value) => map.insert(key.to_owned(), value),
            None => map.remove(key),
        };
    }
}

fn same_fields(a: &Value, b: &Value, keeps: impl Fn(&str) -> bool) -> bool {
    let empty = Map::new();
    let fields = |value: &'_ Value| -> Vec<(String, Value)> {
        let map = value.as_object().unwrap_or(&empty);
        map.iter().filter(|(key, _)| keeps(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    fields(a) == fields(b)
}
