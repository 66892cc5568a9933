//! Built-in kinds answer as a recorded kube-apiserver did, in process, over the in-memory engine.
//!
//! Authentication and authorization are left out of the chain: what is asked here is what kinds mean.

use http_body_util::{BodyExt, Full};
use kcp_apiserver::chain::{CHAIN, Next, Run};
use kcp_apiserver::clock::SystemClock;
use kcp_apiserver::registry::BuiltIns;
use kcp_apiserver::strategy::Part;
use kcp_apiserver::{ApiServer, Config, Exchange, Peer, respond};
use kcp_storage::memory::Memory;
use kcp_storage::{Batch, Change, CommitError, Expect, Key, Op};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const TABLE: &[u8] = include_bytes!("../../../python/kcp/resources/built_in.json");
const CLUSTER: &str = "root";

fn server() -> Arc<ApiServer> {
    ApiServer::new(Config {
        store: Arc::new(Memory::default()),
        clock: Arc::new(SystemClock),
        built_ins: BuiltIns::parse(TABLE).unwrap(),
        authentication: kcp_apiserver::authn::Authentication::default(),
        bridge: None,
        external_address: "kcp.example:6443".to_owned(),
        root_ca: "-----BEGIN CERTIFICATE-----\nroot\n-----END CERTIFICATE-----\n".to_owned(),
    })
}

struct Answer {
    code: u16,
    body: Value,
    warnings: Vec<String>,
}

async fn ask(server: &ApiServer, method: &str, path: &str, headers: &Map<String, Value>, body: &Value) -> Answer {
    let bytes = match body {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => serde_json::to_vec(other).unwrap(),
    };
    let mut request = http::Request::builder().method(method).uri(format!("/clusters/{CLUSTER}{path}"));
    for (name, value) in headers {
        request = request.header(name, value.as_str().unwrap());
    }
    if !bytes.is_empty() && !headers.contains_key("Content-Type") {
        request = request.header("Content-Type", "application/json");
    }
    let body = Full::new(bytes::Bytes::from(bytes)).map_err(|never| match never {}).boxed();
    let (parts, body) = request.body(body).unwrap().into_parts();
    let mut exchange = Exchange::new(parts, body, Peer::default());
    respond::begin(&mut exchange);
    let mut response = None;
    for step in CHAIN.iter().filter(|step| !step.name.starts_with("auth")) {
        let result = match step.run {
            Run::Now(run) => run(server, &mut exchange),
            Run::Await(run) => run(server, &mut exchange).await,
        };
        match result {
            Ok(Next::Continue) => continue,
            Ok(Next::Answer(answer)) => response = Some(answer),
            Err(status) => response = Some(respond::status(&exchange, &status)),
        }
        break;
    }
    let response = respond::finish(&exchange, response.expect("a step answers"));
    let warnings = response.headers().get_all("warning").iter().map(|w| w.to_str().unwrap().to_owned()).collect();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.map_err(|_| "body").unwrap().to_bytes();
    Answer { code, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), warnings }
}

async fn create(server: &ApiServer, path: &str, body: Value) -> Answer {
    let answer = ask(server, "POST", path, &Map::new(), &body).await;
    assert!(answer.code < 300, "{path}: {}", answer.body);
    answer
}

/// Makes what differs from run to run the recorder's placeholders, and leaves out what is kcp's own.
fn normalize(value: &mut Value) {
    const TIMES: [&str; 12] = [
        "creationTimestamp",
        "deletionTimestamp",
        "lastTransitionTime",
        "time",
        "eventTime",
        "firstTimestamp",
        "lastTimestamp",
        "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp",
        "renewTime",
        "acquireTime",
        "lastObservedTime",
    ];
    match value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            if let Some(Value::Object(annotations)) = fields.get_mut("annotations") {
                annotations.remove("kcp.io/cluster");
                if annotations.is_empty() {
                    fields.remove("annotations");
                }
            }
            for (name, value) in fields.iter_mut() {
                match (name.as_str(), &mut *value) {
                    ("uid", Value::String(text)) => *text = "<uid>".to_owned(),
                    ("continue", Value::String(text)) if !text.is_empty() => *text = "<continue>".to_owned(),
                    ("resourceVersion", Value::String(text)) => *text = "<rv>".to_owned(),
                    (name, Value::String(text)) if TIMES.contains(&name) => *text = "<time>".to_owned(),
                    _ => normalize(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        _ => {}
    }
}

/// Writes texts out that the recording shortens to a beginning and a count: `xxx… (1048577 characters)`.
fn expand(value: &mut Value) {
    match value {
        Value::String(text) => {
            let Some((head, count)) = text.strip_suffix(" characters)").and_then(|text| text.split_once("… ("))
            else {
                return;
            };
            let count: usize = count.parse().unwrap();
            *text = head.chars().cycle().take(count).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(expand),
        Value::Object(fields) => fields.values_mut().for_each(expand),
        _ => {}
    }
}

fn recorded(scenario: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/conformance/recorded-http/{scenario}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap();
    let mut recorded: Value = serde_json::from_slice(&text).unwrap();
    expand(&mut recorded);
    recorded["exchanges"].as_array_mut().map(std::mem::take).unwrap()
}

/// Asks what was asked and compares code and body; exchanges named in `skip` are for others to compare.
async fn replay(server: &ApiServer, scenario: &str, wanted: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for exchange in recorded(scenario) {
        let name = exchange["name"].as_str().unwrap().to_owned();
        if !wanted(&name) {
            continue;
        }
        let request = &exchange["request"];
        let headers = request["headers"].as_object().cloned().unwrap_or_default();
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let mut answer = ask(server, method, path, &headers, &request["body"]).await;
        normalize(&mut answer.body);
        let mut want = exchange["body"].clone();
        normalize(&mut want);
        if exchange["status"] != answer.code || want != answer.body {
            wrong.push(format!(
                "{name}: {method} {path}\n  want {} {}\n  got  {} {}",
                exchange["status"], want, answer.code, answer.body
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ in {scenario}:\n{}", wrong.len(), wrong.join("\n"));
}

fn named(kind: &str, name: &str, more: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn event(namespace: &str, name: &str) -> Value {
    named(
        "Event",
        name,
        json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "namespace": namespace},
            "reason": "Tested", "message": "It was tested.", "type": "Normal", "count": 3,
            "source": {"component": "recorder", "host": "here"},
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:05:00Z",
        }),
    )
}

fn new_event(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "namespace": namespace},
        "reason": "Tested", "note": "It was tested.", "type": "Normal", "action": "Testing",
        "reportingController": "example.com/recorder", "reportingInstance": "recorder-1",
    })
}

#[tokio::test]
async fn core_kinds_refuse_what_kubernetes_refuses() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "invalid", json!({}))).await;
    let core = "/api/v1/namespaces/invalid";
    create(&server, &format!("{core}/configmaps"), named("ConfigMap", "stored", json!({"data": {"a": "1"}}))).await;
    create(&server, &format!("{core}/secrets"), named("Secret", "stored", json!({"stringData": {"a": "b"}}))).await;
    let frozen = named("Secret", "frozen", json!({"immutable": true, "stringData": {"a": "b"}}));
    create(&server, &format!("{core}/secrets"), frozen).await;
    create(&server, &format!("{core}/events"), event("invalid", "stored")).await;
    create(&server, "/apis/events.k8s.io/v1/namespaces/invalid/events", new_event("invalid", "new-stored")).await;
    replay(&server, "builtin-invalid-core", |_| true).await;
}

#[tokio::test]
async fn metadata_is_refused_as_kubernetes_refuses_it() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "invalid", json!({}))).await;
    // Two answers repeat a generated name.
    replay(&server, "builtin-invalid-metadata", |name| name != "generate-name").await;
}

#[tokio::test]
async fn leases_refuse_what_kubernetes_refuses() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "invalid", json!({}))).await;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "stored"},
        "spec": {"leaseTransitions": 3}});
    create(&server, "/apis/coordination.k8s.io/v1/namespaces/invalid/leases", lease).await;
    // The recording hides the time that one of the answers repeats.
    replay(&server, "builtin-invalid-rbac", |name| name.starts_with("lease") && name != "lease-time-seconds").await;
}

#[tokio::test]
async fn objects_are_stored_and_read_as_kubernetes_does() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "stored", json!({}))).await;
    let of_others = ["page-two", "pretty"];
    replay(&server, "stored-objects", |name| !name.contains("role") && !of_others.contains(&name)).await;
}

#[tokio::test]
async fn a_cluster_is_born_with_its_default_namespace() {
    let server = server();
    let path = "/api/v1/namespaces/default/configmaps";
    create(&server, path, named("ConfigMap", "first", json!({"data": {"a": "1"}}))).await;
    let get = async |path: &str| ask(&server, "GET", path, &Map::new(), &Value::Null).await;
    let namespace = get("/api/v1/namespaces/default").await;
    assert_eq!(namespace.body["status"]["phase"], "Active");
    assert_eq!(namespace.body["metadata"]["labels"]["kubernetes.io/metadata.name"], "default");
    let account = get("/api/v1/namespaces/default/serviceaccounts/default").await;
    assert_eq!(account.code, 200, "{}", account.body);
    let authority = get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").await;
    assert_eq!(authority.body["data"]["ca.crt"], json!(server.root_ca));
    assert_eq!(account.body["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_ne!(account.body["metadata"]["uid"], authority.body["metadata"]["uid"]);
}

#[tokio::test]
async fn a_namespace_has_its_account_and_authority_at_once_and_others_are_kept_out_when_it_goes() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "n", json!({}))).await;
    let none = Map::new();
    for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
        let answer = ask(&server, "GET", &format!("/api/v1/namespaces/n/{path}"), &none, &Value::Null).await;
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
    }
    let missing =
        ask(&server, "POST", "/api/v1/namespaces/none/configmaps", &none, &named("ConfigMap", "x", json!({}))).await;
    assert_eq!((missing.code, missing.body["message"].as_str()), (404, Some("namespaces \"none\" not found")));
    let gone = ask(&server, "DELETE", "/api/v1/namespaces/n", &none, &Value::Null).await;
    assert_eq!((gone.code, &gone.body["status"]["phase"]), (200, &json!("Terminating")), "{}", gone.body);
    let late =
        ask(&server, "POST", "/api/v1/namespaces/n/configmaps", &none, &named("ConfigMap", "x", json!({}))).await;
    assert_eq!(late.code, 403);
    assert_eq!(
        late.body["message"],
        "configmaps \"x\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    assert_eq!(late.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let finalized = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}, "spec": {}});
    let answer = ask(&server, "PUT", "/api/v1/namespaces/n/finalize", &none, &finalized).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(ask(&server, "GET", "/api/v1/namespaces/n", &none, &Value::Null).await.code, 404);
    for name in ["default", "kube-system", "kube-public"] {
        let kept = ask(&server, "DELETE", &format!("/api/v1/namespaces/{name}"), &none, &Value::Null).await;
        let want = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!((kept.code, kept.body["message"].as_str()), (403, Some(want.as_str())));
    }
}

#[tokio::test]
async fn what_every_namespace_has_comes_back_when_it_is_deleted() {
    let server = server();
    let core = "/api/v1/namespaces/default";
    create(&server, &format!("{core}/configmaps"), named("ConfigMap", "first", json!({}))).await;
    let none = Map::new();
    for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
        let path = format!("{core}/{path}");
        let before = ask(&server, "GET", &path, &none, &Value::Null).await;
        let deleted = ask(&server, "DELETE", &path, &none, &Value::Null).await;
        assert_eq!((deleted.code, &deleted.body["status"]), (200, &json!("Success")), "{}", deleted.body);
        let after = ask(&server, "GET", &path, &none, &Value::Null).await;
        assert_eq!(after.code, 200, "{path}");
        assert_ne!(after.body["metadata"]["uid"], before.body["metadata"]["uid"]);
        assert_ne!(after.body["metadata"]["resourceVersion"], before.body["metadata"]["resourceVersion"]);
        assert_eq!(after.body["data"], before.body["data"]);
    }
    let path = format!("{core}/configmaps/kube-root-ca.crt");
    let merge = Map::from_iter([("Content-Type".to_owned(), json!("application/merge-patch+json"))]);
    let changed = ask(&server, "PATCH", &path, &merge, &json!({"data": {"ca.crt": "mine"}})).await;
    assert_eq!((changed.code, &changed.body["data"]["ca.crt"]), (200, &json!(server.root_ca)));
    let account = format!("{core}/serviceaccounts/other");
    create(&server, &format!("{core}/serviceaccounts"), named("ServiceAccount", "other", json!({}))).await;
    assert_eq!(ask(&server, "DELETE", &account, &none, &Value::Null).await.code, 200);
    assert_eq!(ask(&server, "GET", &account, &none, &Value::Null).await.code, 404);
}

#[tokio::test]
async fn tables_of_built_in_kinds_have_the_cells_of_kubernetes() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "tables", json!({}))).await;
    let stored: Vec<Value> = recorded("stored-objects");
    for exchange in stored.iter().filter(|exchange| exchange["request"]["method"] == "POST") {
        let text = exchange["request"].to_string();
        if text.contains("role") {
            continue;
        }
        let request: Value = serde_json::from_str(&text.replace("stored", "tables")).unwrap();
        create(&server, request["path"].as_str().unwrap(), request["body"].clone()).await;
    }
    let mut wrong = Vec::new();
    for exchange in recorded("tables") {
        let name = exchange["name"].as_str().unwrap();
        let kinds = ["namespace", "configmap", "secret", "serviceaccount", "event", "new-event", "lease"];
        if !kinds.contains(&name) {
            continue;
        }
        let headers = exchange["request"]["headers"].as_object().unwrap();
        let answer = ask(&server, "GET", exchange["request"]["path"].as_str().unwrap(), headers, &Value::Null).await;
        let cells = |body: &Value| -> Vec<Value> {
            let cells = body["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
            // Ages differ from run to run.
            let is_age = |text: &str| text == "<age>" || text.ends_with(['s', 'd']) && text.len() < 6;
            cells.into_iter().map(|c| if c.as_str().is_some_and(is_age) { json!("<age>") } else { c }).collect()
        };
        if answer.body["columnDefinitions"] != exchange["body"]["columnDefinitions"]
            || cells(&answer.body) != cells(&exchange["body"])
        {
            wrong.push(format!("{name}: {} {}", answer.body, exchange["body"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn bodies_are_understood_as_kubernetes_understands_them() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "refused-bodies", json!({}))).await;
    let of_kinds = |name: &str| {
        ["wrong-type", "bad-", "unknown-field", "duplicate-field"].iter().any(|kind| name.starts_with(kind))
    };
    let others = ["bad-yaml", "unknown-field-strict"];
    replay(&server, "refused-bodies", |name| of_kinds(name) && !others.contains(&name)).await;
    // The recording is read into sorted maps, but complaints follow the order of the body.
    let body = json!(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"nope":1,"metada":{}}"#);
    let path = "/api/v1/namespaces/refused-bodies/configmaps?fieldValidation=Strict";
    let answer = ask(&server, "POST", path, &Map::new(), &body).await;
    assert_eq!(
        answer.body["message"],
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"nope\", \
         unknown field \"metada\""
    );
}

#[tokio::test]
async fn unknown_fields_are_warned_about() {
    let server = server();
    let body = named("ConfigMap", "x", json!({"nope": 1, "data": {}}));
    let answer = create(&server, "/api/v1/namespaces/default/configmaps", body).await;
    assert_eq!(answer.warnings, [r#"299 - "unknown field \"nope\"""#]);
    assert_eq!(answer.body.get("data"), None);
}

#[tokio::test]
async fn a_definition_is_established_by_its_create_and_names_collide() {
    let server = server();
    let crd = |plural: &str, group: &str, kind: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]},
        })
    };
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let first = create(&server, path, crd("lamps", "example.com", "Lamp")).await;
    let condition = |body: &Value, ty: &str| {
        let conditions = body["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|c| c["type"] == ty).unwrap_or(Value::Null)
    };
    assert_eq!(condition(&first.body, "Established")["status"], "True");
    assert_eq!(first.body["metadata"]["generation"], 1);
    let second = create(&server, path, crd("lights", "example.com", "Lamp")).await;
    let names = condition(&second.body, "NamesAccepted");
    assert_eq!((&names["status"], &names["reason"]), (&json!("False"), &json!("ListKindConflict")));
    let elsewhere = create(&server, path, crd("lights", "example.org", "Lamp")).await;
    assert_eq!(condition(&elsewhere.body, "Established")["status"], "True");
    let gone = ask(&server, "DELETE", &format!("{path}/lamps.example.com"), &Map::new(), &Value::Null).await;
    assert_eq!(gone.body["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(condition(&gone.body, "Terminating")["reason"], "InstanceDeletionPending");
    assert_eq!(condition(&gone.body, "Terminating")["lastTransitionTime"], gone.body["metadata"]["deletionTimestamp"]);
    assert_eq!(gone.body["metadata"]["generation"], 1);
    assert_eq!(gone.body["metadata"].get("deletionGracePeriodSeconds"), None);
    let merge = Map::from_iter([("Content-Type".to_owned(), json!("application/merge-patch+json"))]);
    let released = json!({"metadata": {"finalizers": null}});
    let gone = ask(&server, "PATCH", &format!("{path}/lamps.example.com"), &merge, &released).await;
    assert_eq!(gone.code, 200, "{}", gone.body);
    let heir = ask(&server, "GET", &format!("{path}/lights.example.com"), &Map::new(), &Value::Null).await;
    assert_eq!(condition(&heir.body, "Established")["status"], "True", "{}", heir.body);
    let mut shadow = crd("configmaps", "core", "Thing");
    shadow["spec"]["group"] = json!("");
    let shadow = create(&server, path, shadow).await;
    assert_eq!(condition(&shadow.body, "NamesAccepted")["message"], "\"configmaps\" is already in use");
}

#[tokio::test]
async fn of_two_new_definitions_that_want_one_name_one_comes_first() {
    let server = server();
    let crd = |plural: &str| {
        json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": plural, "kind": "Lamp",
                "singular": "lamp", "listKind": "LampList"}, "versions": []},
        })
    };
    let path = format!("/clusters/{CLUSTER}/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
    let (parts, ()) = http::Request::builder().method("POST").uri(path).body(()).unwrap().into_parts();
    let body = Full::new(bytes::Bytes::new()).map_err(|never| match never {}).boxed();
    let mut exchange = Exchange::new(parts, body, Peer::default());
    for step in CHAIN.iter().take(2) {
        if let Run::Now(run) = step.run {
            assert!(run(&server, &mut exchange).is_ok());
        }
    }
    let view = server.registry.view(CLUSTER).await.unwrap();
    let served = view.lookup("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
    let (mut first, mut second) = (crd("lamps"), crd("lights"));
    let mut batches = Vec::new();
    for (object, name) in [(&mut first, "lamps"), (&mut second, "lights")] {
        let admission = served.strategy.admit(&server, &exchange, object, None, Part::Main).await.unwrap();
        let key = Key::new(&served.storage, CLUSTER, "", &format!("{name}.example.com"));
        let change = Change::Put(kcp_storage::Value::new(kcp_apiserver::codec::encode(object, 0)));
        let mut ops = vec![Op { key, expect: Expect::Absent, change }];
        ops.extend(admission.also);
        batches.push(Batch { ops, guards: admission.guards });
    }
    let second = batches.pop().unwrap();
    assert!(server.store.commit(batches.pop().unwrap()).await.is_ok());
    assert!(matches!(server.store.commit(second).await, Err(CommitError::Conflict { index: 1, .. })));
}

#[tokio::test]
async fn fields_select_where_kubernetes_lets_them() {
    let server = server();
    let core = "/api/v1/namespaces/default";
    create(&server, &format!("{core}/events"), event("default", "old")).await;
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    create(&server, events, new_event("default", "new")).await;
    create(&server, &format!("{core}/secrets"), named("Secret", "plain", json!({}))).await;
    create(&server, &format!("{core}/secrets"), named("Secret", "own", json!({"type": "example.com/own"}))).await;
    for (path, selector, want) in [
        (format!("{core}/events"), "involvedObject.kind=ConfigMap", vec!["new", "old"]),
        (format!("{core}/events"), "involvedObject.name!=one", vec![]),
        (format!("{core}/events"), "source=recorder", vec!["old"]),
        (format!("{core}/events"), "source=example.com/recorder", vec!["new"]),
        (format!("{core}/events"), "reportingComponent=example.com/recorder,type=Normal", vec!["new"]),
        (events.to_owned(), "regarding.name=one,reason=Tested", vec!["new", "old"]),
        (events.to_owned(), "reportingController=example.com/recorder", vec!["new"]),
        (format!("{core}/secrets"), "type=example.com/own", vec!["own"]),
        ("/api/v1/namespaces".to_owned(), "status.phase=Active", vec!["default"]),
        ("/api/v1/namespaces".to_owned(), "status.phase=Terminating", vec![]),
    ] {
        let query = format!("{path}?fieldSelector={}", selector.replace('=', "%3D"));
        let answer = ask(&server, "GET", &query, &Map::new(), &Value::Null).await;
        let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{selector}: {}", answer.body));
        let names: Vec<&str> = items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, want, "{path} {selector}");
    }
    for (path, label) in [(format!("{core}/configmaps"), "data"), (events.to_owned(), "source")] {
        let query = format!("{path}?fieldSelector={label}%3Dx");
        let answer = ask(&server, "GET", &query, &Map::new(), &Value::Null).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.code == 400 && message.contains(&format!("field label not supported: {label}")), "{message}");
    }
}

#[tokio::test]
async fn strategic_patches_merge_lists_by_their_keys() {
    let server = server();
    let path = "/api/v1/namespaces/default/serviceaccounts";
    let account = named("ServiceAccount", "robot", json!({"secrets": [{"name": "a", "namespace": "dropped"}]}));
    let made = create(&server, path, account).await;
    assert_eq!(made.body["secrets"], json!([{"name": "a"}]));
    let strategic = Map::from_iter([("Content-Type".to_owned(), json!("application/strategic-merge-patch+json"))]);
    let patch = json!({"secrets": [{"name": "b"}], "metadata": {"finalizers": ["example.com/x"]}});
    let patched = ask(&server, "PATCH", &format!("{path}/robot"), &strategic, &patch).await;
    assert_eq!(patched.body["secrets"], json!([{"name": "b"}, {"name": "a"}]), "{}", patched.body);
    let namespace = "/api/v1/namespaces/default/status";
    for ty in ["One", "Two", "One"] {
        let patch = json!({"status": {"conditions": [{"type": ty, "status": "True"}]}});
        let answer = ask(&server, "PATCH", namespace, &strategic, &patch).await;
        assert_eq!(answer.code, 200, "{}", answer.body);
    }
    let answer = ask(&server, "GET", "/api/v1/namespaces/default", &Map::new(), &Value::Null).await;
    assert_eq!(answer.body["status"]["conditions"].as_array().map(Vec::len), Some(2), "{}", answer.body["status"]);
}
