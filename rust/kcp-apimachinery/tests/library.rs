//! Our answers beside those of the libraries that a Kubernetes API server is built from.
//!
//! `tests/data/library.jsonl` holds one case a line with its answer; `hack/record-library` computes the answers anew.

use kcp_apimachinery::patch::{self, StrategicSchema};
use kcp_apimachinery::selector::{field, label};
use kcp_apimachinery::{json, names, strict, text, time};
use serde_json::{Value, json};

/// The part of a pod's merge rules that the cases use.
fn pod() -> StrategicSchema {
    let none = StrategicSchema::new;
    let container = none().merge_by_key("env", "name", none()).merge_by_key("ports", "containerPort", none());
    let spec = none().merge_by_key("containers", "name", container).merge_by_key("volumes", "name", none());
    StrategicSchema::object().below("spec", spec)
}

/// Our answer; an error without words where the server hides the library's words from its clients.
fn ours(case: &Value) -> Result<Value, Option<String>> {
    let sent = case["text"].as_str().unwrap_or_default();
    let patch = case["patch"].to_string();
    let mut document = case["document"].clone();
    match case["op"].as_str().unwrap_or_default() {
        "strategic" => match patch::strategic(&mut document, patch.as_bytes(), &pod()) {
            Ok(_) => Ok(document),
            Err(status) => Err(Some(status.message)),
        },
        "json" => patch::json(&mut document, patch.as_bytes()).map(|_| document).map_err(|_| None),
        "merge" => patch::merge(&mut document, patch.as_bytes()).map(|_| document).map_err(|_| None),
        "label" => label::Selector::parse(sent).map(|s| json!(s.to_string())).map_err(Some),
        "field" => field::Selector::parse(sent).map(|s| json!(s.to_string())).map_err(Some),
        "decode" => strict::decode_strict(sent.as_bytes()).map(|d| json!([d.value, d.duplicates])).map_err(Some),
        "quote" => Ok(json!([text::quote(sent), text::json(&json!(sent))])),
        "number" => {
            let number = case["number"].as_f64().unwrap_or_default();
            Ok(json!([text::float(number), text::json(&json!(number))]))
        }
        "names" => {
            let checks = [
                names::is_dns1123_subdomain,
                names::is_dns1123_label,
                names::is_dns1035_label,
                names::config_map_key,
                names::qualified_name,
                names::label_value,
                names::path_segment_name,
            ];
            // Go prints an empty list of complaints as null.
            let none = |complaints: Vec<String>| if complaints.is_empty() { Value::Null } else { json!(complaints) };
            Ok(checks.iter().map(|check| none(check(sent))).collect())
        }
        "time" => time::normalize(sent).map(Value::from).map_err(Some),
        other => panic!("unknown op {other}"),
    }
}

/// The same value with numbers as they are written down.
fn normal(value: &Value) -> Value {
    strict::decode(&json::to_vec(value)).expect("recorded answers are JSON")
}

#[test]
fn values_behave_as_in_kubernetes_libraries() {
    let cases = include_str!("data/library.jsonl");
    let mut count = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).expect(line);
        let answer = ours(&case);
        match (case["error"].as_str(), answer) {
            (None, Ok(answer)) => assert_eq!(normal(&answer), normal(&case["ok"]), "{line}"),
            (Some(_), Err(None)) => {}
            (Some(error), Err(Some(ours))) => assert_eq!(ours, error, "{line}"),
            (_, answer) => panic!("{line}: {answer:?}"),
        }
        count += 1;
    }
    assert!(count > 300, "only {count} cases");
}
