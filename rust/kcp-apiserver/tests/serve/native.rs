//! Native kinds: definitions of well-known kinds, as their clients know them.

use crate::harness::{Answer, DEFINITIONS, Harness};
use http_body_util::BodyExt;
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A definition that `hack/pull-native-kinds` wrote, in YAML.
fn pulled(name: &str) -> Vec<u8> {
    let path = format!("{}/../../python/kcp/config/contrib/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("a pulled definition")
}

/// A server whose cluster has pulled definitions.
async fn natives() -> Harness {
    let harness = Harness::new("root");
    for name in ["deployments.apps", "services.core", "pods.core"] {
        let answer = harness.send("POST", DEFINITIONS, "application/yaml", pulled(name)).await;
        assert_eq!(answer.code, 201, "{}", answer.text);
    }
    harness
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "creationTimestamp": null},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "strategy": {},
            "template": {"metadata": {"labels": {"app": "web"}, "creationTimestamp": null},
                "spec": {"containers": [
                    {"name": "a", "image": "a:1", "ports": [{"containerPort": 80}], "resources": {}},
                    {"name": "b", "image": "b:1"}]}}},
        "status": {}})
}

async fn table(harness: &Harness, path: &str) -> Answer {
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let response = harness.open_with("GET", path, &[("accept", accept)], Vec::new().into()).await;
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Answer { code, body, text: String::from_utf8_lossy(&bytes).into_owned() }
}

/// kube-api 3.7.5: lists with merge keys merge; other custom resources refuse such patches.
#[tokio::test]
async fn a_deployment_takes_strategic_merge_patches() {
    let harness = natives().await;
    let answer = harness.post(DEPLOYMENTS, &deployment()).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    let patch = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
        "containers": [{"name": "a", "image": "a:2"}]}}}});
    let answer = harness.send("PATCH", &format!("{DEPLOYMENTS}/web"), STRATEGIC, patch.to_string()).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let containers = &answer.body["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["name"], "b");
    assert_eq!(containers[1]["image"], "a:2");
    assert_eq!(containers[1]["ports"], json!([{"containerPort": 80, "protocol": "TCP"}]));
    assert_eq!(answer.body["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_deployment_is_born_with_what_its_clients_read() {
    let harness = natives().await;
    let answer = harness.post(DEPLOYMENTS, &deployment()).await;
    assert_eq!(answer.body["spec"]["replicas"], 1);
    assert_eq!(answer.body["spec"]["strategy"]["type"], "RollingUpdate");
    assert_eq!(answer.body["spec"]["template"]["metadata"], json!({"labels": {"app": "web"}}));
}

/// kube-api 2.A
#[tokio::test]
async fn tables_have_the_columns_of_the_kind() {
    let harness = natives().await;
    harness.post(DEPLOYMENTS, &deployment()).await;
    let answer = table(&harness, DEPLOYMENTS).await;
    let names: Vec<&str> =
        answer.body["columnDefinitions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"]);
    let cells = &answer.body["rows"][0]["cells"];
    assert_eq!(
        (&cells[0], &cells[1], &cells[5], &cells[7]),
        (&json!("web"), &json!("0/1"), &json!("a,b"), &json!("app=web"))
    );
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(harness.post(pods, &pod).await.code, 201);
    let done = json!({"status": {"phase": "Succeeded"}});
    let answer = harness.send("PATCH", &format!("{pods}/p/status"), STRATEGIC, done.to_string()).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let answer = table(&harness, pods).await;
    assert_eq!(answer.body["rows"][0]["conditions"][0]["reason"], "Succeeded");
    assert_eq!(answer.body["rows"][0]["cells"][1], "0/1");
}

#[tokio::test]
async fn scales_have_the_selector_of_the_deployment() {
    let harness = natives().await;
    harness.post(DEPLOYMENTS, &deployment()).await;
    let answer = harness.get(&format!("{DEPLOYMENTS}/web/scale")).await;
    assert_eq!(answer.body["status"]["selector"], "app=web", "{}", answer.text);
    let answer = harness.merge(&format!("{DEPLOYMENTS}/web/scale"), &json!({"spec": {"replicas": 3}})).await;
    assert_eq!(answer.body["spec"]["replicas"], 3);
    assert_eq!(harness.get(&format!("{DEPLOYMENTS}/web")).await.body["spec"]["replicas"], 3);
}

#[tokio::test]
async fn native_kinds_are_of_category_all() {
    let harness = natives().await;
    for (path, name) in [("/apis/apps/v1", "deployments"), ("/api/v1", "pods"), ("/api/v1", "services")] {
        let answer = harness.get(path).await;
        let resources = answer.body["resources"].as_array().unwrap();
        let found = resources.iter().find(|resource| resource["name"] == name).unwrap();
        assert_eq!(found["categories"], json!(["all"]), "{name}");
    }
}

/// kube-api 1.5: what clients compute strategic merge patches from.
#[tokio::test]
async fn open_api_tells_how_lists_merge() {
    let harness = natives().await;
    let answer = harness.get("/openapi/v3/apis/apps/v1").await;
    let schema = &answer.body["components"]["schemas"]["apps.v1.Deployment"];
    let containers =
        schema.pointer("/properties/spec/properties/template/properties/spec/properties/containers").unwrap();
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    let path = &answer.body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    assert!(path["patch"]["requestBody"]["content"].get(STRATEGIC).is_some());
    let answer = harness.get("/openapi/v3/api/v1").await;
    assert!(answer.body["components"]["schemas"].get("core.v1.Pod").is_some());
}

/// kube-api 2.5
#[tokio::test]
async fn a_deployment_is_read_from_protobuf() {
    let harness = natives().await;
    let body = kcp_apiserver::protobuf::encode(&deployment()).unwrap();
    let answer = harness.send("POST", DEPLOYMENTS, "application/vnd.kubernetes.protobuf", body).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    assert_eq!(answer.body["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
}

/// A definition of an older Kubernetes does not get fields it does not know by a default.
#[tokio::test]
async fn no_default_brings_in_what_a_definition_does_not_know() {
    let harness = Harness::new("root");
    let (mut definition, _) = kcp_apiserver::yaml::read(&pulled("pods.core")).expect("a definition");
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields = definition.pointer_mut(spec).and_then(Value::as_object_mut).expect("fields");
    assert!(fields.remove("enableServiceLinks").is_some());
    assert_eq!(harness.post(DEFINITIONS, &definition).await.code, 201);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let answer = harness.post("/api/v1/namespaces/default/pods", &pod).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    assert_eq!(answer.body["spec"]["restartPolicy"], "Always");
    assert!(answer.body["spec"].get("enableServiceLinks").is_none());
}

#[tokio::test]
async fn pods_are_selected_by_their_phase() {
    let harness = natives().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(harness.post(pods, &pod).await.code, 201);
    let names = async |phase: &str| {
        let answer = harness.get(&format!("{pods}?fieldSelector=status.phase%3D{phase}")).await;
        answer.body["items"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((names("Pending").await, names("Running").await), (1, 0));
    let running = json!({"status": {"phase": "Running"}});
    assert_eq!(harness.merge(&format!("{pods}/p/status"), &running).await.code, 200);
    assert_eq!((names("Pending").await, names("Running").await), (0, 1));
}

/// kube-api 1.4.3: documents say which media types operations take and give, protobuf and its streams among them.
#[tokio::test]
async fn media_types_of_operations_are_those_of_a_real_server() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/recorded-openapi.json");
    let real: Value = serde_json::from_slice(&std::fs::read(path).expect("a recording")).expect("JSON");
    let harness = natives().await;
    let ours = harness.get("/openapi/v2").await.body;
    let (mut compared, mut wrong) = (0, Vec::new());
    for (path, operations) in real["media"].as_object().expect("paths") {
        for (method, want) in operations.as_object().expect("methods") {
            let seen = &ours["paths"][path][method];
            let seen = json!({"consumes": seen["consumes"], "produces": seen["produces"]});
            compared += 1;
            if seen != *want {
                wrong.push(format!("{method} {path}\n  want {want}\n  got  {seen}"));
            }
        }
    }
    assert!(compared > 140 && wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    let document = harness.get("/openapi/v3/apis/apps/v1").await.body;
    let list = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["get"];
    let content = list["responses"]["200"]["content"].as_object().expect("media types");
    assert!(content.contains_key("application/vnd.kubernetes.protobuf;stream=watch"));
}

/// A typed client reads and writes the scale of a Deployment in protobuf.
#[tokio::test]
async fn scales_of_deployments_are_read_and_written_in_protobuf() {
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    let harness = natives().await;
    harness.post(DEPLOYMENTS, &deployment()).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let read = async |answer: http::Response<kcp_apiserver::Body>| {
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &PROTOBUF.parse().unwrap()));
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        kcp_apiserver::protobuf::decode(&bytes, ("", "")).expect("a scale")
    };
    let mut scale = read(harness.open_with("GET", &path, &[("accept", PROTOBUF)], Vec::new().into()).await).await;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(1)));
    assert_eq!(scale["status"]["selector"], "app=web");
    scale["spec"]["replicas"] = 4.into();
    let body = kcp_apiserver::protobuf::encode(&scale).unwrap();
    let headers = [("accept", PROTOBUF), ("content-type", PROTOBUF)];
    let scale = read(harness.open_with("PUT", &path, &headers, body.into()).await).await;
    assert_eq!(scale["spec"]["replicas"], 4);
    assert_eq!(harness.get(&format!("{DEPLOYMENTS}/web")).await.body["spec"]["replicas"], 4);
}

/// A default never stands in for what is there and wrong.
#[tokio::test]
async fn a_service_whose_affinity_is_of_a_wrong_type_is_refused() {
    let harness = natives().await;
    let services = "/api/v1/namespaces/default/services";
    let service = |affinity: &str, config: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {
            "ports": [{"port": 80}], "sessionAffinity": affinity, "sessionAffinityConfig": config}})
    };
    for affinity in ["ClientIP", "None"] {
        for config in [json!("x"), json!([1]), json!({"clientIP": "x"}), json!({"clientIP": [1]})] {
            let answer = harness.post(services, &service(affinity, config)).await;
            assert_eq!(answer.code, 422, "{}", answer.text);
        }
    }
    let answer = harness.post(services, &service("ClientIP", json!({"clientIP": {}}))).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    assert_eq!(answer.body["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 10_800);
}
