//! Fields of custom resources that can be selected by (kube-api 5.4.3, 5.9).

use crate::harness::{DEFINITIONS, Harness, cowboys};
use crate::watches::Lines;
use serde_json::{Value, json};

const COWBOYS: &str = "/apis/example.com/v1/namespaces/default/cowboys";

fn properties() -> Value {
    json!({"colour": {"type": "string", "default": "red"}, "size": {"type": "integer"}, "armed": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}}, "inner": {"type": "object", "properties": {
            "name": {"type": "string"}}}})
}

fn definition(paths: &[&str]) -> Value {
    let mut definition = cowboys("v1", properties());
    let fields: Vec<Value> = paths.iter().map(|path| json!({"jsonPath": path})).collect();
    definition["spec"]["versions"][0]["selectableFields"] = fields.into();
    definition
}

fn cowboy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": name}, "spec": spec})
}

async fn defined(cluster: &str) -> Harness {
    let admin = Harness::new(cluster);
    let definition = definition(&[".spec.colour", ".spec.size", ".spec.armed"]);
    assert_eq!(admin.post(DEFINITIONS, &definition).await.code, 201);
    for (name, spec) in
        [("a", json!({"colour": "blue", "size": 3, "armed": true})), ("b", json!({"colour": "blue"})), ("c", json!({}))]
    {
        assert_eq!(admin.post(COWBOYS, &cowboy(name, spec)).await.code, 201);
    }
    admin
}

async fn names(admin: &Harness, selector: &str) -> Vec<String> {
    let list = admin.get(&format!("{COWBOYS}?fieldSelector={selector}")).await;
    assert_eq!(list.code, 200, "{selector}: {}", list.text);
    let items = list.body["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// kube-api 5.9.1: declared paths select in lists, by text, number, truth and absence; others are refused.
#[tokio::test]
async fn lists_select_by_declared_fields() {
    let admin = defined("selecting").await;
    for (selector, want) in [
        ("spec.colour=blue", vec!["a", "b"]),
        // A default counts as if it had been sent.
        ("spec.colour=red", vec!["c"]),
        ("spec.colour!=blue", vec!["c"]),
        ("spec.size=3", vec!["a"]),
        ("spec.size=", vec!["b", "c"]),
        ("spec.armed=true", vec!["a"]),
        ("spec.armed=false", vec![]),
        ("spec.colour=blue,metadata.name=b", vec!["b"]),
        ("metadata.namespace=default,spec.size=3", vec!["a"]),
    ] {
        assert_eq!(names(&admin, selector).await, want, "{selector}");
    }
    let refused = admin.get(&format!("{COWBOYS}?fieldSelector=spec.inner.name=x")).await;
    assert_eq!((refused.code, &refused.body["message"]), (400, &json!("field label not supported: spec.inner.name")));
}

/// kube-api 5.9.1, 3.5.3: a watch sees objects begin and cease to match.
#[tokio::test]
async fn a_watch_by_a_declared_field_sees_objects_come_and_go() {
    let admin = defined("selected-watch").await;
    let head = admin.get(COWBOYS).await.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let path = format!("{COWBOYS}?watch=1&fieldSelector=spec.colour%3Dblue&resourceVersion={head}");
    let mut lines = Lines::open(&admin, &path).await;
    admin.merge(&format!("{COWBOYS}/c"), &json!({"spec": {"colour": "blue"}})).await;
    admin.merge(&format!("{COWBOYS}/c"), &json!({"spec": {"size": 9}})).await;
    let last = admin.merge(&format!("{COWBOYS}/c"), &json!({"spec": {"colour": "green"}})).await;
    admin.merge(&format!("{COWBOYS}/c"), &json!({"spec": {"size": 10}})).await;
    admin.delete(&format!("{COWBOYS}/a")).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let event = lines.next().await.expect("an event");
        let object = &event["object"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        seen.push((text(&event["type"]), text(&object["metadata"]["name"]), text(&object["spec"]["colour"])));
        if event["type"] == "DELETED" && object["metadata"]["name"] == "c" {
            assert_eq!(object["metadata"]["resourceVersion"], last.body["metadata"]["resourceVersion"]);
        }
    }
    let want = [("ADDED", "c", "blue"), ("MODIFIED", "c", "blue"), ("DELETED", "c", "blue"), ("DELETED", "a", "blue")];
    assert_eq!(seen, want.map(|(kind, name, colour)| (kind.to_owned(), name.to_owned(), colour.to_owned())));
}

/// kube-api 5.9.1, 3.4.14: a collection is deleted by a declared field.
#[tokio::test]
async fn a_collection_is_deleted_by_a_declared_field() {
    let admin = defined("selected-delete").await;
    let deleted = admin.delete(&format!("{COWBOYS}?fieldSelector=spec.colour%3Dblue")).await;
    assert_eq!((deleted.code, deleted.body["items"].as_array().map(Vec::len)), (200, Some(2)), "{}", deleted.text);
    assert_eq!(names(&admin, "").await, ["c"]);
}

/// kube-api 5.9.1: what is stored without a field that has a default since is selected by the default.
#[tokio::test]
async fn selection_sees_objects_as_they_are_read_today() {
    let admin = Harness::new("selected-default");
    let mut older = definition(&[".spec.colour"]);
    let spec = |definition: &mut Value, properties: Value| {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] = properties;
    };
    spec(&mut older, json!({"colour": {"type": "string"}}));
    assert_eq!(admin.post(DEFINITIONS, &older).await.code, 201);
    assert_eq!(admin.post(COWBOYS, &cowboy("a", json!({}))).await.code, 201);
    assert_eq!(names(&admin, "spec.colour=red").await, [""; 0]);
    let change = json!({"spec": {"versions": definition(&[".spec.colour"])["spec"]["versions"]}});
    assert_eq!(admin.merge(&format!("{DEFINITIONS}/cowboys.example.com"), &change).await.code, 200);
    assert_eq!(names(&admin, "spec.colour=red").await, ["a"]);
}

/// kube-api 5.9.1: cluster-scoped custom resources have no namespace to select by.
#[tokio::test]
async fn cluster_scoped_resources_have_no_namespace_label() {
    let admin = Harness::new("selected-cluster");
    let mut wide = definition(&[".spec.colour"]);
    wide["spec"]["scope"] = "Cluster".into();
    assert_eq!(admin.post(DEFINITIONS, &wide).await.code, 201);
    let refused = admin.get("/apis/example.com/v1/cowboys?fieldSelector=metadata.namespace%3Dx").await;
    assert_eq!(
        (refused.code, &refused.body["message"]),
        (400, &json!("field label not supported: metadata.namespace"))
    );
}

/// kube-api 5.4.3: what cannot be a selectable field is refused with the definition.
#[tokio::test]
async fn definitions_with_unfit_selectable_fields_are_refused() {
    let admin = Harness::new("selected-refused");
    let message = async |paths: &[&str]| {
        let answer = admin.post(DEFINITIONS, &definition(paths)).await;
        assert_eq!(answer.code, 422, "{paths:?}: {}", answer.text);
        answer.body["message"].as_str().unwrap_or_default().to_owned()
    };
    let at = "spec.selectableFields[0].jsonPath: ";
    for (path, want) in [
        (".spec.tags", "must point to a field of type string, boolean or integer"),
        (".spec.inner", "must point to a field of type string, boolean or integer"),
        (".metadata.name", "is an invalid path: does not refer to a valid field"),
        (".spec.nope", "is an invalid path"),
        ("spec.colour", "is an invalid path"),
        ("", "Required value"),
    ] {
        let message = message(&[path]).await;
        assert!(message.contains(at) && message.contains(want), "{path}: {message}");
    }
    let twice = message(&[".spec.colour", ".spec.colour"]).await;
    assert!(twice.contains("spec.selectableFields[1].jsonPath: Duplicate value: \".spec.colour\""), "{twice}");
    let mut many = cowboys("v1", (0..9).map(|at| (format!("f{at}"), json!({"type": "string"}))).collect());
    let fields: Vec<Value> = (0..9).map(|at| json!({"jsonPath": format!(".spec.f{at}")})).collect();
    many["spec"]["versions"][0]["selectableFields"] = fields.into();
    let answer = admin.post(DEFINITIONS, &many).await;
    assert!(answer.text.contains("Too many: 9: must have at most 8 items"), "{}", answer.text);
}

/// kube-api 5.9.1: both documents publish the fields.
#[tokio::test]
async fn documents_publish_selectable_fields() {
    let admin = defined("selected-published").await;
    let want = json!([{"fieldPath": "spec.colour"}, {"fieldPath": "spec.size"}, {"fieldPath": "spec.armed"}]);
    let v3 = admin.get("/openapi/v3/apis/example.com/v1").await;
    assert_eq!(v3.body["components"]["schemas"]["com.example.v1.Cowboy"]["x-kubernetes-selectable-fields"], want);
    let v2 = admin.get("/openapi/v2").await;
    assert_eq!(v2.body["definitions"]["com.example.v1.Cowboy"]["x-kubernetes-selectable-fields"], want);
}
