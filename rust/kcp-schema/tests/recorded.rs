//! Our answers beside those recorded from a real API server (`tests/conformance/recorded-http/`).

use kcp_apimachinery::field::{ErrorList, Path};
use kcp_apimachinery::{meta, names};
use kcp_schema::{DecodeError, Malformed, Pool, crd};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// Recorded cases that kcp answers otherwise on purpose, or that another crate answers.
const ELSEWHERE: &[&str] = &[
    // The group without a name is allowed in kcp.
    "group-missing",
];

fn recorded(name: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/conformance/recorded-http/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let Value::Array(exchanges) = serde_json::from_str::<Value>(&text).unwrap()["exchanges"].take() else {
        panic!("{path} holds no exchanges")
    };
    exchanges
}

/// What an answer says, as comparable lines.
fn wanted(exchange: &Value) -> BTreeSet<String> {
    wanted_in_order(exchange).into_iter().collect()
}

fn wanted_in_order(exchange: &Value) -> Vec<String> {
    let body = &exchange["body"];
    match exchange["status"].as_u64() {
        Some(422) => body["details"]["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                let text = |key: &str| cause[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}: {}", text("reason"), text("field"), text("message"))
            })
            .collect(),
        Some(400) => {
            let message = body["message"].as_str().unwrap_or_default();
            let what = message.split_once("cannot be handled as a ").map_or(message, |(_, rest)| rest);
            vec![what.split_once(": ").map_or(what, |(_, what)| what).to_owned()]
        }
        _ => Vec::new(),
    }
}

fn lines(errors: &ErrorList) -> BTreeSet<String> {
    lines_in_order(errors).into_iter().collect()
}

fn lines_in_order(errors: &ErrorList) -> Vec<String> {
    errors.iter().map(|error| format!("{} {}: {}", error.ty.reason(), error.field, error.body())).collect()
}

fn warnings(exchange: &Value) -> BTreeSet<String> {
    let header = &exchange["headers"]["Warning"];
    let all =
        header.as_array().cloned().unwrap_or_else(|| header.as_str().map(|one| vec![json!(one)]).unwrap_or_default());
    all.iter()
        .filter_map(Value::as_str)
        .filter_map(|warning| warning.strip_prefix("299 - \"")?.strip_suffix('"'))
        .map(|warning| warning.replace("\\\"", "\""))
        .collect()
}

struct Report(Vec<String>);

impl Report {
    fn compare(&mut self, name: &str, what: &str, ours: &BTreeSet<String>, theirs: &BTreeSet<String>) {
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
        for line in only(theirs, ours) {
            self.0.push(format!("{name}: {what} missing: {line}"));
        }
        for line in only(ours, theirs) {
            self.0.push(format!("{name}: {what} ours:    {line}"));
        }
    }

    /// Of the errors that both report, the order.
    fn compare_order(&mut self, name: &str, ours: &[String], theirs: &[String]) {
        let common = |of: &[String], with: &[String]| -> Vec<String> {
            of.iter().filter(|line| with.contains(line)).cloned().collect()
        };
        if common(ours, theirs) != common(theirs, ours) {
            self.0.push(format!("{name}: in another order: {ours:#?}, theirs {theirs:#?}"));
        }
    }

    fn done(self) {
        assert!(self.0.is_empty(), "\n{}\n", self.0.join("\n"));
    }
}

#[test]
fn crds_are_refused_in_the_words_of_the_api_server() {
    let mut report = Report(Vec::new());
    for exchange in recorded("definition-invalid") {
        let name = exchange["name"].as_str().unwrap();
        let posted = exchange["request"]["method"] == "POST" && exchange["request"]["body"].is_object();
        if !posted || ELSEWHERE.contains(&name) {
            continue;
        }
        let mut object = exchange["request"]["body"].clone();
        let strict = exchange["request"]["path"].as_str().unwrap().contains("fieldValidation=Strict");
        let (ours, warned) = match crd::decode(&mut object) {
            Err(error) => (BTreeSet::from([error]), BTreeSet::new()),
            Ok(unknown) if strict && !unknown.is_empty() => {
                let all: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
                (BTreeSet::from([format!("strict decoding error: {}", all.join(", "))]), BTreeSet::new())
            }
            Ok(unknown) => {
                crd::default(&mut object);
                crd::prepare_for_create(&mut object);
                let metadata =
                    meta::validate_object_meta(&object, false, names::subdomain_name, &Path::root("metadata"));
                let mut ours = lines(&metadata);
                let in_order = lines_in_order(&crd::validate_create(&object));
                report.compare_order(name, &in_order, &wanted_in_order(&exchange));
                ours.extend(in_order);
                let mut warned: BTreeSet<String> = crd::warnings(&object).into_iter().collect();
                warned.extend(unknown.iter().map(|path| format!("unknown field \"{path}\"")));
                (ours, warned)
            }
        };
        let theirs = wanted(&exchange);
        report.compare(name, "error", &ours, &theirs);
        if theirs.is_empty() && ours.is_empty() {
            report.compare(name, "warning", &warned, &warnings(&exchange));
        }
    }
    report.done();
}

#[test]
fn custom_resources_are_refused_in_the_words_of_the_api_server() {
    let mut definition: Value = serde_json::from_str(include_str!("data/probe-crd.json")).unwrap();
    crd::decode(&mut definition).unwrap();
    crd::default(&mut definition);
    crd::prepare_for_create(&mut definition);
    assert_eq!(crd::validate_create(&definition), ErrorList::default());
    crd::decide_status(&mut definition, [].into_iter(), "2026-01-01T00:00:00Z");
    let definition = crd::Definition::parse(&definition, &Pool::new()).unwrap();
    let version = definition.served_version("v1").unwrap();
    let mut report = Report(Vec::new());
    let mut compared = 0;
    for exchange in recorded("instance-invalid") {
        let name = exchange["name"].as_str().unwrap();
        let path = exchange["request"]["path"].as_str().unwrap();
        let status = exchange["status"].as_u64().unwrap();
        if exchange["request"]["method"] != "POST" || !exchange["request"]["body"].is_object() {
            continue;
        }
        if name.starts_with("duplicate") || !path.contains("/probes") {
            continue;
        }
        let mut object = exchange["request"]["body"].clone();
        compared += 1;
        let ours = match version.schema.decode(&mut object, Malformed::Refuse) {
            Err(DecodeError::Malformed(error)) => BTreeSet::from([error]),
            Err(DecodeError::Field(error)) => BTreeSet::from([error.to_string()]),
            Ok(unknown) => {
                let unknown: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
                if path.contains("fieldValidation=Strict") && !unknown.is_empty() {
                    BTreeSet::from([format!("strict decoding error: {}", unknown.join(", "))])
                } else {
                    let mut warned: BTreeSet<String> = unknown.into_iter().collect();
                    warned.extend(meta::custom_resource_finalizer_warnings(&object, None));
                    if status == 201 {
                        report.compare(name, "warning", &warned, &warnings(&exchange));
                    }
                    let metadata =
                        meta::validate_object_meta(&object, true, names::subdomain_name, &Path::root("metadata"));
                    let mut ours = lines(&metadata);
                    // The namespace comes from the URL.
                    ours.retain(|line| !line.contains(" metadata.namespace"));
                    // The server walks the properties of an object in an order of its mood.
                    if name != "several" {
                        report.compare_order(
                            name,
                            &lines_in_order(&version.validate(&object, None).errors),
                            &wanted_in_order(&exchange),
                        );
                    }
                    ours.extend(lines(&version.validate(&object, None).errors));
                    ours
                }
            }
        };
        report.compare(name, "error", &ours, &wanted(&exchange));
    }
    assert!(compared > 80, "only {compared} cases were compared");
    report.done();
}

/// A line as recordings keep it.
fn without_times(line: &str) -> String {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    time.replace_all(line, "<time>").into_owned()
}

// kube-api 5.7.1, 5.7.2, 5.7.4, 5.7.5, 5.7.8
#[test]
fn validation_rules_are_accepted_and_refused_in_the_words_of_the_api_server() {
    let mut report = Report(Vec::new());
    let (mut accepted, mut refused) = (0, 0);
    for exchange in recorded("validation-rules-definitions") {
        let name = exchange["name"].as_str().unwrap();
        let mut object = exchange["request"]["body"].clone();
        let unknown = crd::decode(&mut object).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        crd::default(&mut object);
        crd::prepare_for_create(&mut object);
        let ours = lines(&crd::validate_create(&object)).iter().map(|line| without_times(line)).collect();
        match exchange["status"].as_u64() {
            Some(201) => accepted += 1,
            _ => refused += 1,
        }
        report.compare(name, "error", &ours, &wanted(&exchange));
    }
    assert!(accepted > 30 && refused > 40, "{accepted} {refused}");
    report.done();
}

// kube-api 5.6.8, 5.7.2, 5.7.3, 5.7.6, 5.7.7, 5.7.8
#[test]
fn validation_rules_judge_objects_as_the_api_server_does() {
    let mut report = Report(Vec::new());
    let mut compared = 0;
    for (scenario, definition) in [
        ("validation-rules", include_str!("data/ruled-crd.json")),
        ("validation-rules-changes", include_str!("data/changed-crd.json")),
    ] {
        let definition = stored(&serde_json::from_str(definition).unwrap());
        assert_eq!(crd::validate_create(&definition), ErrorList::default());
        let definition = crd::Definition::parse(&definition, &Pool::new()).unwrap();
        let version = definition.version("v1").unwrap();
        // What is stored: by name, as it was before the exchange.
        let mut objects = vec![("bad", json!({"spec": {"min": 9, "max": 5, "small": 50}}))];
        for exchange in recorded(scenario) {
            let name = exchange["name"].as_str().unwrap();
            let (path, body) = (exchange["request"]["path"].as_str().unwrap(), &exchange["request"]["body"]);
            let named_good = path.contains("/good") || body["metadata"]["name"] == "good";
            let key = if named_good { "good" } else { "bad" };
            let at = objects.iter().position(|(name, _)| *name == key);
            let new = match exchange["request"]["method"].as_str() {
                Some("POST") => body.clone(),
                Some("PATCH") => {
                    let mut new = objects[at.unwrap()].1.clone();
                    merge(&mut new, body);
                    new
                }
                _ => continue,
            };
            let old = at.filter(|_| exchange["request"]["method"] == "PATCH").map(|at| &objects[at].1);
            let crd::Judgement { errors, warnings: warned } = match old {
                Some(old) if path.ends_with("/status") => version.validate_status(&new, old),
                old => version.validate(&new, old),
            };
            compared += 1;
            let ours: Vec<String> = lines_in_order(&errors).iter().map(|line| without_times(line)).collect();
            report.compare_order(name, &ours, &wanted_in_order(&exchange));
            report.compare(name, "error", &ours.into_iter().collect(), &wanted(&exchange));
            if old.is_some() {
                report.compare(name, "warning", &warned.into_iter().collect(), &warnings(&exchange));
            }
            if exchange["status"].as_u64() < Some(300) && !path.contains("dryRun") {
                objects.retain(|(name, _)| *name != key);
                objects.push((key, new));
            }
        }
    }
    assert!(compared >= 20, "only {compared} cases were compared");
    report.done();
}

/// A CRD as the API server would have stored it.
fn stored(body: &Value) -> Value {
    let mut object = body.clone();
    crd::decode(&mut object).unwrap();
    crd::default(&mut object);
    crd::prepare_for_create(&mut object);
    object
}

fn exchange<'e>(exchanges: &'e [Value], name: &str) -> &'e Value {
    exchanges.iter().find(|exchange| exchange["name"] == name).unwrap_or_else(|| panic!("no exchange {name}"))
}

#[test]
fn a_crd_is_stored_established_and_refused_changes_as_recorded() {
    let life = recorded("definition-life");
    let (created, established) = (exchange(&life, "created"), exchange(&life, "established"));
    let mut lamp = stored(&created["request"]["body"]);
    assert_eq!(lamp["spec"], created["body"]["spec"]);
    assert_eq!(lamp["status"], created["body"]["status"]);
    crd::decide_status(&mut lamp, [].into_iter(), "<time>");
    assert_eq!(lamp["status"], established["body"]["status"]);

    let rival = exchange(&life, "status-kind-conflict");
    let mut lampen = stored(&rival["request"]["body"]);
    crd::decide_status(&mut lampen, [&lamp].into_iter(), "<time>");
    assert_eq!(lampen["status"], exchange(&life, "status-kind-conflict-read")["body"]["status"]);

    // From here on times are decoded.
    let mut lamp = stored(&created["request"]["body"]);
    crd::decide_status(&mut lamp, [].into_iter(), "2026-01-01T00:00:00Z");
    let mut report = Report(Vec::new());
    for name in ["scope-change", "kind-change", "plural-change", "group-change", "storage-version-dropped"] {
        let change = exchange(&life, name);
        let mut new = lamp.clone();
        merge(&mut new, &change["request"]["body"]);
        crd::decode(&mut new).unwrap();
        crd::default(&mut new);
        crd::prepare_for_update(&mut new, &lamp);
        report.compare(name, "error", &lines(&crd::validate_update(&new, &lamp)), &wanted(change));
    }
    report.done();
}

fn merge(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (Value::Object(map), Value::Object(patch)) => {
            for (key, patch) in patch {
                merge(map.entry(key.clone()).or_insert(Value::Null), patch);
            }
        }
        (value, patch) => *value = patch.clone(),
    }
}

#[test]
fn published_schemas_are_those_of_the_api_server() {
    let schema = json!({
        "type": "object",
        "description": "Gauge measures something.",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "description": "What is wanted.",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "format": "int32", "description": "How big."},
                    "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                    "note": {"type": "string", "nullable": true},
                    "port": {"x-kubernetes-int-or-string": true},
                    "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                },
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        },
    });
    let published = kcp_schema::openapi::publish_v3(&kcp_schema::openapi::Resource {
        group: "stable.example.com",
        version: "v1",
        kind: "Gauge",
        list_kind: "GaugeList",
        plural: "gauges",
        schema: Some(&schema),
        selectable_fields: &[],
    });
    let document = recorded("discovery-custom-resource");
    let schemas = &exchange(&document, "openapi-v3")["body"]["components"]["schemas"];
    assert_eq!(published.schema, schemas[&published.name]);
    assert_eq!(published.list, schemas[&published.list_name]);
}

#[test]
fn tables_of_custom_resources_show_what_the_api_server_shows() {
    /// The column that shows a date.
    const MADE: usize = 4;
    let tables = recorded("tables");
    let table = &exchange(&tables, "crates")["body"];
    let columns: Vec<Value> = table["columnDefinitions"].as_array().unwrap()[1..]
        .iter()
        .map(|column| {
            let description = column["description"].as_str().unwrap();
            let path = description.rsplit_once(": ").map_or(".spec.colour", |(_, path)| path);
            json!({"name": column["name"], "type": column["type"], "jsonPath": path})
        })
        .collect();
    let crate_crd = json!({"spec": {
        "group": "stable.example.com", "scope": "Namespaced",
        "names": {"plural": "crates", "kind": "Crate"},
        "versions": [{"name": "v1", "served": true, "storage": true, "additionalPrinterColumns": columns}],
    }});
    let definition = crd::Definition::parse(&crate_crd, &Pool::new()).unwrap();
    let full = json!({
        "metadata": {"name": "full", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"size": 3, "colour": "red", "heavy": true, "weight": 1.5, "made": "2000-01-01T00:00:00Z",
                 "parts": [{"name": "lid"}, {"name": "box"}]},
    });
    let row = table["rows"].as_array().unwrap().iter().find(|row| row["cells"][0] == "full").unwrap();
    let now = kcp_apimachinery::time::parse("2026-06-01T00:00:00Z").unwrap();
    let mut cells = kcp_schema::table::cells(&definition.versions[0], &full, now);
    let mut theirs = row["cells"].as_array().unwrap()[1..].to_vec();
    // Recordings do not say how old something is.
    assert_eq!(cells.pop().unwrap(), "151d");
    assert_eq!(theirs.pop().unwrap(), "<age>");
    assert_eq!((&cells[MADE], &theirs[MADE]), (&json!("26y"), &json!("<age>")));
    theirs[MADE] = cells[MADE].clone();
    assert_eq!(cells, theirs);
    let empty = kcp_schema::table::cells(&definition.versions[0], &json!({"metadata": {}}), now);
    assert!(empty.iter().all(Value::is_null));
}
