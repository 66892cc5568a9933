//! Answers as a real kube-apiserver gave them.

use crate::harness::{Harness, RBAC};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

const ESCALATION: &str = include_str!("../../../../tests/conformance/recorded-http/escalation.json");
const IDENTITY: &str = include_str!("../../../../tests/conformance/recorded-http/refused-identity.json");
const REFUSED: &str = include_str!("../../../../tests/conformance/recorded-http/builtin-invalid-rbac.json");
const REVIEWS: &str = include_str!("../../../../tests/conformance/recorded-http/reviews.json");

const V1: &str = "rbac.authorization.k8s.io/v1";

/// Replays a recording in the logical cluster `recorded` and compares every answer.
async fn replay(harness: &Harness, recording: &str, skip: &[&str]) {
    let recording: Value = serde_json::from_str(recording).expect("a recording");
    admit_all(harness, &recording).await;
    let mut answers: HashMap<String, Value> = HashMap::new();
    let mut faults = Vec::new();
    for exchange in recording["exchanges"].as_array().expect("exchanges") {
        let name = exchange["name"].as_str().expect("a name");
        let request = &exchange["request"];
        let mut headers = HashMap::new();
        let user = request["user"].as_str().unwrap_or_default();
        if !matches!(user, "anonymous" | "nobody") {
            headers.insert("authorization".to_owned(), format!("Bearer {user}"));
        }
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            headers.insert(name.to_lowercase(), value.as_str().expect("text").to_owned());
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = format!("/clusters/recorded{}", request["path"].as_str().expect("a path"));
        let body = fill(&request["body"], &answers);
        let mut answer = harness.send(request["method"].as_str().expect("a method"), &path, &headers, &body).await;
        forget_entry(&mut answer.body);
        let expected = &exchange["body"];
        if !skip.contains(&name)
            && (u64::from(answer.code) != exchange["status"].as_u64().expect("a status")
                || !agrees(&answer.body, expected))
        {
            faults.push(format!("{name}: {}\n   got {}\n  want {expected}", answer.code, answer.body));
        }
        answers.insert(name.to_owned(), answer.body);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A real server has no rule about who may be in a logical cluster: here everybody may.
async fn admit_all(harness: &Harness, recording: &Value) {
    for group in ["system:authenticated", "system:unauthenticated"] {
        harness.admit("recorded", json!({"kind": "Group", "name": group})).await;
    }
    // Reviews ask about users in no group.
    let exchanges = recording["exchanges"].as_array().expect("exchanges");
    let asked = exchanges.iter().filter_map(|exchange| exchange["request"]["body"]["spec"]["user"].as_str());
    for user in asked.filter(|user| !user.is_empty()).collect::<HashSet<_>>() {
        harness.admit("recorded", json!({"kind": "User", "name": user})).await;
    }
}

/// Takes the rule that lets everybody in out of a rules review.
fn forget_entry(answer: &mut Value) {
    if let Some(rules) = answer.pointer_mut("/status/nonResourceRules").and_then(Value::as_array_mut) {
        rules.retain(|rule| rule["verbs"] != json!(["access"]));
    }
}

/// Puts parts of earlier answers where `{{exchange:path}}` asks for them.
fn fill(value: &Value, answers: &HashMap<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let Some(inner) = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")) else {
                return value.clone();
            };
            let (name, path) = inner.split_once(':').expect("a reference");
            path.split('.').fold(answers[name].clone(), |value, field| value[field].clone())
        }
        Value::Array(items) => items.iter().map(|item| fill(item, answers)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, item)| (key.clone(), fill(item, answers))).collect(),
        other => other.clone(),
    }
}

/// Whether an answer has everything the recorded one has. Placeholders stand for any text; who manages which field and
/// the order of rules do not matter here.
fn agrees(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (_, Value::String(text)) if text.contains('<') && text.ends_with('>') => {
            let prefix = &text[..text.find('<').unwrap_or_default()];
            actual.as_str().is_some_and(|actual| actual.starts_with(prefix))
        }
        (Value::Object(actual), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| key == "managedFields" || agrees(actual.get(key).unwrap_or(&Value::Null), value)),
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && expected.iter().all(|value| actual.iter().any(|candidate| agrees(candidate, value)))
        }
        _ => actual == expected,
    }
}

async fn namespace(harness: &Harness, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    harness.post("admin", "/clusters/recorded/api/v1/namespaces", namespace).await.expect(201);
}

async fn create(harness: &Harness, path: &str, object: Value) {
    harness.post("admin", &format!("/clusters/recorded{path}"), object).await.expect(201);
}

#[tokio::test]
async fn nobody_hands_on_what_he_does_not_hold() {
    let harness = Harness::new().await;
    namespace(&harness, "escalation").await;
    let rules = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
            "verbs": ["get", "list", "create", "update", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]);
    let role = json!({"apiVersion": V1, "kind": "ClusterRole", "metadata": {"name": "keeper"}, "rules": rules});
    create(&harness, &format!("{RBAC}/clusterroles"), role).await;
    harness.bind("recorded", "keeper", json!({"kind": "User", "name": "alice"})).await;
    replay(&harness, ESCALATION, &[]).await;
}

#[tokio::test]
async fn refusals_read_as_those_of_a_real_server() {
    let harness = Harness::new().await;
    namespace(&harness, "refused-identity").await;
    // A user without rights in a logical cluster that exists.
    // Its own metrics are no logical cluster's here: 501.
    replay(&harness, IDENTITY, &["nonresource"]).await;
}

#[tokio::test]
async fn roles_and_bindings_are_refused_as_by_a_real_server() {
    let harness = Harness::new().await;
    namespace(&harness, "invalid").await;
    let subjects = json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"}]);
    let reference = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "reader"});
    let binding = json!({"apiVersion": V1, "kind": "RoleBinding", "metadata": {"name": "stored"},
        "roleRef": reference("Role"), "subjects": subjects});
    create(&harness, &format!("{RBAC}/namespaces/invalid/rolebindings"), binding).await;
    let binding = json!({"apiVersion": V1, "kind": "ClusterRoleBinding", "metadata": {"name": "invalid-stored"},
        "roleRef": reference("ClusterRole"), "subjects": subjects});
    create(&harness, &format!("{RBAC}/clusterrolebindings"), binding).await;
    let mut recording: Value = serde_json::from_str(REFUSED).expect("a recording");
    let exchanges = recording["exchanges"].as_array_mut().expect("exchanges");
    exchanges.retain(|exchange| exchange["request"]["path"].as_str().is_some_and(|path| path.starts_with(RBAC)));
    replay(&harness, &recording.to_string(), &[]).await;
}

#[tokio::test]
async fn reviews_answer_as_those_of_a_real_server() {
    let harness = Harness::new().await;
    namespace(&harness, "reviews").await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    create(&harness, "/api/v1/namespaces/reviews/serviceaccounts", account).await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}});
    create(&harness, "/api/v1/namespaces/reviews/secrets", secret).await;
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]);
    let role = json!({"apiVersion": V1, "kind": "Role", "metadata": {"name": "reader"}, "rules": rules});
    create(&harness, &format!("{RBAC}/namespaces/reviews/roles"), role).await;
    let binding = json!({"apiVersion": V1, "kind": "RoleBinding", "metadata": {"name": "readers"},
        "roleRef": {"kind": "Role", "name": "reader"}, "subjects": [{"kind": "User", "name": "alice"}]});
    create(&harness, &format!("{RBAC}/namespaces/reviews/rolebindings"), binding).await;
    replay(&harness, REVIEWS, &[]).await;
}
