//! Documents compared with those of a real kube-apiserver.

use super::groups::groups;
use super::{aggregated, legacy};
use crate::registry::{BuiltIns, ClusterView, Registry};
use kcp_storage::Memory;
use serde_json::Value;
use std::sync::Arc;

fn recorded(file: &str, name: &str) -> Value {
    let path = format!("{}/../../tests/conformance/recorded-http/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let exchanges = all["exchanges"].as_array().unwrap();
    exchanges.iter().find(|exchange| exchange["name"] == name).unwrap()["body"].clone()
}

async fn view() -> Arc<ClusterView> {
    let table = include_bytes!("../../../../python/kcp/resources/built_in.json");
    let registry = Registry::new(BuiltIns::parse(table).unwrap(), Arc::new(Memory::default())).unwrap();
    registry.view("").await.unwrap()
}

#[tokio::test]
async fn plain_documents_equal_those_of_a_real_server() {
    let view = view().await;
    let all = groups(&view);
    let same = |ours: Value, name: &str| {
        let mut real = recorded("discovery-legacy", name);
        if name == "resources-apiextensions.k8s.io/v1" {
            // A real server stores definitions as v1beta1, this one as v1.
            real["resources"][0]["storageVersionHash"] = "M5uH+AlWATY=".into();
        }
        assert_eq!(
            serde_json::to_string_pretty(&ours).unwrap(),
            serde_json::to_string_pretty(&real).unwrap(),
            "{name}"
        );
    };
    same(legacy::api_versions(all.first(), "<address>"), "api");
    same(legacy::group_list(all.iter()), "apis");
    for group in &all {
        let version = &group.versions[0];
        if group.name.is_empty() {
            same(legacy::resource_list(group, version), "api-v1");
        } else {
            same(legacy::group(group), &format!("group-{}", group.name));
            same(legacy::resource_list(group, version), &format!("resources-{}/v1", group.name));
        }
    }
}

#[tokio::test]
async fn aggregated_documents_equal_those_of_a_real_server() {
    let view = view().await;
    let all = groups(&view);
    for (name, core) in [("api", true), ("apis", false)] {
        let ours = aggregated::document(all.iter().filter(|group| group.name.is_empty() == core));
        let ours: Value = serde_json::from_slice(&ours).unwrap();
        let real = recorded("discovery-aggregated", name);
        assert_eq!(
            serde_json::to_string_pretty(&ours).unwrap(),
            serde_json::to_string_pretty(&real).unwrap(),
            "{name}"
        );
    }
}
