//! A server in process, what is asked of it, and the recorded answers it is held to.

use http_body_util::{BodyExt, Full};
use kcp_apiserver::chain::{CHAIN, Next, Run};
use kcp_apiserver::clock::SystemClock;
use kcp_apiserver::registry::BuiltIns;
use kcp_apiserver::{ApiServer, Config, Exchange, Peer, UserInfo, respond};
use kcp_storage::memory::Memory;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const TABLE: &[u8] = include_bytes!("../../../../python/kcp/resources/built_in.json");
/// The logical cluster everything happens in.
pub const CLUSTER: &str = "root";

/// A server over the in-memory engine.
pub fn server() -> Arc<ApiServer> {
    ApiServer::new(Config {
        store: Arc::new(Memory::default()),
        clock: Arc::new(SystemClock),
        built_ins: BuiltIns::parse(TABLE).unwrap(),
        authentication: kcp_apiserver::authn::Authentication::default(),
        bridge: None,
        hooks: None,
        external_address: "kcp.example:6443".to_owned(),
        virtual_workspace_url: String::new(),
        root_ca: "-----BEGIN CERTIFICATE-----\nroot\n-----END CERTIFICATE-----\n".to_owned(),
        event_ttl: kcp_apiserver::expiry::DEFAULT_EVENT_TTL,
        total_object_limit: 0,
    })
    .unwrap()
}

/// What was answered.
pub struct Answer {
    pub code: u16,
    pub body: Value,
    pub warnings: Vec<String>,
}

/// Sends one request into the cluster, past authentication and authorization.
pub async fn ask(server: &ApiServer, method: &str, path: &str, headers: &Map<String, Value>, body: &Value) -> Answer {
    let bytes = match body {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => serde_json::to_vec(other).unwrap(),
    };
    let mut request = http::Request::builder().method(method).uri(format!("/clusters/{CLUSTER}{path}"));
    if !headers.contains_key("User-Agent") {
        request = request.header("User-Agent", "recorder/1.0");
    }
    for (name, value) in headers {
        request = request.header(name, value.as_str().unwrap());
    }
    if !bytes.is_empty() && !headers.contains_key("Content-Type") {
        request = request.header("Content-Type", "application/json");
    }
    let body = Full::new(bytes::Bytes::from(bytes)).map_err(|never| match never {}).boxed();
    let (parts, body) = request.body(body).unwrap().into_parts();
    let mut exchange = Exchange::new(parts, body, Peer::default());
    exchange.user = Arc::new(UserInfo { groups: vec!["system:masters".to_owned()], ..UserInfo::default() });
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

/// Creates an object; the answer has to be good.
pub async fn create(server: &ApiServer, path: &str, body: Value) -> Answer {
    let answer = ask(server, "POST", path, &Map::new(), &body).await;
    assert!(answer.code < 300, "{path}: {}", answer.body);
    answer
}

/// Makes what differs from run to run the recorder's placeholders, and leaves out what is kcp's own.
pub fn normalize(value: &mut Value) {
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
            // A real server walks Go maps: causes come in any order.
            if let Some(Value::Array(causes)) = fields.get_mut("causes") {
                causes.sort_by_key(Value::to_string);
            }
            // Entries are ordered by their second: which of two is first is chance.
            if let Some(Value::Array(entries)) = fields.get_mut("managedFields") {
                entries.sort_by_key(|entry| {
                    format!("{} {} {}", entry["manager"], entry["subresource"], entry["operation"])
                });
            }
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

/// The exchanges of a recorded scenario.
pub fn recorded(scenario: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/conformance/recorded-http/{scenario}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap();
    let mut recorded: Value = serde_json::from_slice(&text).unwrap();
    expand(&mut recorded);
    recorded["exchanges"].as_array_mut().map(std::mem::take).unwrap()
}

/// Asks what was asked and compares code and body; exchanges named in `skip` are for others to compare.
pub async fn replay(server: &ApiServer, scenario: &str, wanted: impl Fn(&str) -> bool) {
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

/// An object of a `v1` kind.
pub fn named(kind: &str, name: &str, more: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

/// An event of `v1`.
pub fn event(namespace: &str, name: &str) -> Value {
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

/// An event of `events.k8s.io/v1`.
pub fn new_event(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "namespace": namespace},
        "reason": "Tested", "note": "It was tested.", "type": "Normal", "action": "Testing",
        "reportingController": "example.com/recorder", "reportingInstance": "recorder-1",
    })
}
