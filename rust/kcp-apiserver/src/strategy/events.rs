//! Events: one stored form, `v1`, served by two API groups with different names for the same fields and different rules.

use super::base::{self, Base, text};
use super::{Part, Strategy, cells};
use kcp_apimachinery::field::{BadValue, Error, ErrorList, Path};
use kcp_apimachinery::{meta, names};
use serde_json::{Map, Value, json};

/// Fields by their names in `v1` and in `events.k8s.io/v1`.
const RENAMED: [(&str, &str); 7] = [
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("involvedObject", "regarding"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
];

/// What `v1` prints for fields that are not set, and `events.k8s.io/v1` leaves out.
const EMPTY_IN_CORE: [&str; 2] = ["reportingComponent", "reportingInstance"];

const SHORT: usize = 128;
const NOTE: usize = 1024;

/// Which API an Event is read or written through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `v1`.
    Core,
    /// `events.k8s.io/v1`.
    Events,
}

/// The strategy of Events.
pub struct Events {
    base: Base,
    api: Api,
}

impl Events {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str, api: Api) -> Self {
        Self { base: Base::new(definition), api }
    }

    /// The object in the form of `v1`, in which the rules are written.
    fn core<'a>(&self, object: &'a Value) -> std::borrow::Cow<'a, Value> {
        match self.api {
            Api::Core => std::borrow::Cow::Borrowed(object),
            Api::Events => {
                let mut core = object.clone();
                to_core(&mut core);
                std::borrow::Cow::Owned(core)
            }
        }
    }
}

fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

fn to_core(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    for (core, new) in RENAMED {
        rename(fields, new, core);
    }
    for field in EMPTY_IN_CORE {
        fields.entry(field).or_insert_with(|| "".into());
    }
}

fn from_core(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    for field in EMPTY_IN_CORE {
        if fields.get(field).and_then(Value::as_str) == Some("") {
            fields.remove(field);
        }
    }
    for (core, new) in RENAMED {
        rename(fields, core, new);
    }
}

fn is_set(object: &Value, field: &str) -> bool {
    object.get(field).is_some_and(|value| !value.is_null())
}

/// The rules that both APIs share.
fn validate(event: &Value, api: Api) -> ErrorList {
    // Events of the older API are held to the rules of all metadata, not to those of the core's.
    let mut errors = if api == Api::Events { base::errors(event) } else { ErrorList::default() };
    let namespace = meta::namespace(event);
    let involved = text(event, &["involvedObject", "namespace"]);
    let elsewhere = || {
        let path = Path::root("involvedObject").child("namespace");
        Error::invalid(&path, involved, "does not match event.namespace")
    };
    if is_set(event, "eventTime") {
        if involved.is_empty() && namespace != "default" && namespace != "kube-system" {
            errors.push(elsewhere());
        }
        reported(event, api, &mut errors);
    } else {
        let matches =
            if involved.is_empty() { namespace.is_empty() || namespace == "default" } else { namespace == involved };
        if !matches {
            errors.push(elsewhere());
        }
    }
    for problem in names::is_dns1123_subdomain(namespace) {
        errors.push(Error::invalid(&Path::root("namespace"), namespace, problem));
    }
    errors
}

/// Rules for events that say when they happened, and so who saw them.
fn reported(event: &Value, api: Api, errors: &mut ErrorList) {
    let controller = match api {
        Api::Core => "reportingComponent",
        Api::Events => "reportingController",
    };
    let (path, reporter) = (Path::root(controller), text(event, &["reportingComponent"]));
    if reporter.is_empty() {
        errors.push(Error::required(&path, ""));
    }
    for problem in names::qualified_name(reporter) {
        errors.push(Error::invalid(&path, reporter, problem));
    }
    for field in ["reportingInstance", "action", "reason"] {
        let (path, value) = (Path::root(field), text(event, &[field]));
        if value.is_empty() {
            errors.push(Error::required(&path, ""));
        }
        if value.len() > SHORT {
            errors.push(Error::invalid(&path, "", format!("can have at most {SHORT} characters")));
        }
    }
    if text(event, &["message"]).len() > NOTE {
        errors.push(Error::invalid(&Path::root("message"), "", format!("can have at most {NOTE} characters")));
    }
}

/// What `events.k8s.io/v1` asks of a new event besides.
fn validate_new(event: &Value, errors: &mut ErrorList) {
    series(event, errors);
    if !is_set(event, "eventTime") {
        errors.push(Error::required(&Path::root("eventTime"), ""));
    }
    let kind = text(event, &["type"]);
    if kind != "Normal" && kind != "Warning" {
        errors.push(Error::invalid(&Path::root("type"), "", format!("has invalid value: {kind}")));
    }
    for field in ["firstTimestamp", "lastTimestamp"] {
        if is_set(event, field) {
            errors.push(Error::invalid(&Path::root(field), "", "needs to be unset"));
        }
    }
    if event["count"].as_i64().unwrap_or_default() != 0 {
        errors.push(Error::invalid(&Path::root("count"), "", "needs to be unset"));
    }
    if !text(event, &["source", "component"]).is_empty() || !text(event, &["source", "host"]).is_empty() {
        errors.push(Error::invalid(&Path::root("source"), "", "needs to be unset"));
    }
}

fn series(event: &Value, errors: &mut ErrorList) {
    let Some(series) = event.get("series").filter(|series| !series.is_null()) else { return };
    if series["count"].as_i64().unwrap_or_default() < 2 {
        errors.push(Error::invalid(&Path::root("series.count"), "", "should be at least 2"));
    }
    if !is_set(series, "lastObservedTime") {
        errors.push(Error::required(&Path::root("series.lastObservedTime"), ""));
    }
}

/// `events.k8s.io/v1` lets an update change nothing but the series and the metadata.
fn validate_change(new: &Value, old: &Value, errors: &mut ErrorList) {
    if new.get("series") != old.get("series") {
        series(new, errors);
    }
    const FIXED: [(&str, &str); 13] = [
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingComponent", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ];
    for (field, shown) in FIXED {
        if new.get(field) != old.get(field) {
            let value = new.get(field).cloned().unwrap_or(Value::Null);
            errors.push(Error::invalid(&Path::root(shown), printed(field, value), "field is immutable"));
        }
    }
}

/// A field as Kubernetes prints its own type: references with all their parts, in an order of their own.
fn printed(field: &str, value: Value) -> BadValue {
    let parts: &[&str] = match field {
        "involvedObject" => &["Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath"],
        "related" if value.is_object() => {
            &["Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath"]
        }
        "source" => &["Component", "Host"],
        // What is a text or a number has a value where nothing is set.
        "reason" | "message" | "type" | "action" | "reportingComponent" | "reportingInstance" if value.is_null() => {
            return BadValue::Json("".into());
        }
        "count" if value.is_null() => return BadValue::Json(0.into()),
        _ => return BadValue::Json(value),
    };
    let part = |name: &&str| {
        let key = match *name {
            "UID" => "uid".to_owned(),
            "APIVersion" => "apiVersion".to_owned(),
            other => other[..1].to_ascii_lowercase() + &other[1..],
        };
        format!("\"{name}\":{}", Value::from(text(&value, &[&key])))
    };
    BadValue::Printed(format!("{{{}}}", parts.iter().map(part).collect::<Vec<_>>().join(",")))
}

impl Strategy for Events {
    fn name_problems(&self, name: &str) -> Vec<String> {
        match self.api {
            Api::Core => names::path_segment_name(name),
            Api::Events => names::is_dns1123_subdomain(name),
        }
    }

    fn checks_metadata(&self) -> bool {
        self.api == Api::Events
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        let event = self.core(object);
        let mut errors = validate(&event, self.api);
        if self.api == Api::Events {
            validate_new(&event, &mut errors);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _part: Part) -> ErrorList {
        let event = self.core(new);
        let mut errors = validate(&event, self.api);
        if self.api == Api::Events {
            validate_change(&event, &self.core(old), &mut errors);
        }
        errors
    }

    fn from_stored(&self, object: &mut Value) {
        if self.api == Api::Events {
            from_core(object);
        }
    }

    fn to_stored(&self, object: &mut Value) {
        if self.api == Api::Events {
            to_core(object);
        }
    }

    fn converts(&self) -> bool {
        self.api == Api::Events
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        if !self.selects_by(label) {
            return None;
        }
        // Selected from the stored form or this version's, whichever is at hand.
        let event = self.core(object);
        if label == "source" {
            // An event of the newer form names its reporter instead of a source.
            let component = text(&event, &["source", "component"]);
            let component = if component.is_empty() { text(&event, &["reportingComponent"]) } else { component };
            return Some(component.to_owned());
        }
        let mut path: Vec<&str> = label.split('.').collect();
        if let Some((core, _)) = RENAMED.iter().find(|(_, new)| *new == path[0]) {
            path[0] = core;
        }
        Some(text(&event, &path).to_owned())
    }

    fn has_selectable_fields(&self) -> bool {
        true
    }

    fn selects_by(&self, label: &str) -> bool {
        let (object, own): (&str, &[&str]) = match self.api {
            Api::Core => ("involvedObject", &["reason", "reportingComponent", "source", "type"]),
            Api::Events => ("regarding", &["reason", "reportingController", "type"]),
        };
        const OF_OBJECT: [&str; 7] = ["apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"];
        match label.split_once('.') {
            Some((head, rest)) => head == object && OF_OBJECT.contains(&rest),
            None => own.contains(&label),
        }
    }

    fn expires(&self) -> bool {
        true
    }

    fn is_owner(&self) -> bool {
        false
    }

    fn creates_on_update(&self) -> bool {
        true
    }

    fn updates_unconditionally(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let event = self.core(object);
        let event = event.as_ref();
        let since = |path: &[&str]| cells::since(text(event, path), now);
        let first = since(&[if is_set(event, "firstTimestamp") { "firstTimestamp" } else { "eventTime" }]);
        let mut last = if is_set(event, "lastTimestamp") { since(&["lastTimestamp"]) } else { first.clone() };
        let mut count = event["count"].as_i64().unwrap_or_default();
        if is_set(event, "series") {
            last = since(&["series", "lastObservedTime"]);
            count = event["series"]["count"].as_i64().unwrap_or_default();
        } else if count == 0 {
            count = 1;
        }
        let kind = text(event, &["involvedObject", "kind"]).to_lowercase();
        let name = text(event, &["involvedObject", "name"]);
        let target = if name.is_empty() { kind } else { format!("{kind}/{name}") };
        let either = |old: &[&str], new: &str| {
            let value = text(event, old);
            if value.is_empty() { text(event, &[new]).to_owned() } else { value.to_owned() }
        };
        let component = either(&["source", "component"], "reportingComponent");
        let instance = either(&["source", "host"], "reportingInstance");
        let source = if instance.is_empty() { component } else { format!("{component}, {instance}") };
        vec![
            json!(last),
            text(event, &["type"]).into(),
            text(event, &["reason"]).into(),
            json!(target),
            text(event, &["involvedObject", "fieldPath"]).into(),
            json!(source),
            text(event, &["message"]).trim().into(),
            json!(first),
            json!(count),
            cells::name(event),
        ]
    }
}
