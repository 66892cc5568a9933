//! Services.

use super::{list, or_none, text};
use crate::strategy::cells as common;
use serde_json::Value;
use std::collections::BTreeSet;

/// Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector.
pub fn cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let cluster_ip = list(object, "/spec/clusterIPs").first().and_then(Value::as_str).unwrap_or("<none>");
    let ports: Vec<String> = list(object, "/spec/ports").iter().map(port).collect();
    let selector = object.pointer("/spec/selector").and_then(Value::as_object);
    let selector: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    vec![
        common::name(object),
        text(object, "/spec/type").into(),
        cluster_ip.into(),
        external(object).into(),
        or_none(&ports.join(",")).into(),
        common::age(object, now),
        or_none(&selector.join(",")).into(),
    ]
}

fn port(port: &Value) -> String {
    let number = |field: &str| port[field].as_i64().unwrap_or_default();
    let protocol = port["protocol"].as_str().unwrap_or_default();
    match number("nodePort") {
        node @ 1.. => format!("{}:{node}/{protocol}", number("port")),
        _ => format!("{}/{protocol}", number("port")),
    }
}

/// Where the service is reached from outside.
fn external(object: &Value) -> String {
    let given = list(object, "/spec/externalIPs").iter().filter_map(Value::as_str);
    match text(object, "/spec/type") {
        "ClusterIP" | "NodePort" => or_none(&given.collect::<Vec<_>>().join(",")).to_owned(),
        "LoadBalancer" => {
            let address = |ingress: &'static str| move |entry: &'_ Value| entry[ingress].as_str().map(str::to_owned);
            let balanced: BTreeSet<String> = list(object, "/status/loadBalancer/ingress")
                .iter()
                .filter_map(|entry| address("ip")(entry).or_else(|| address("hostname")(entry)))
                .filter(|address| !address.is_empty())
                .collect();
            let all: Vec<String> = balanced.into_iter().chain(given.map(str::to_owned)).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(spec: Value, status: Value) -> Vec<Value> {
        let object = json!({"metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec,
            "status": status});
        cells(&object, "2026-01-01T00:10:00Z".parse().unwrap())
    }

    /// kube-api 2.A
    #[test]
    fn a_row_tells_where_the_service_is_reached() {
        let ports = json!([{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP", "nodePort": 30443}]);
        let spec =
            json!({"type": "NodePort", "clusterIPs": ["10.0.0.1"], "ports": ports, "selector": {"b": "2", "a": "1"}});
        let wanted = json!(["s", "NodePort", "10.0.0.1", "<none>", "80/TCP,443:30443/TCP", "10m", "a=1,b=2"]);
        assert_eq!(json!(row(spec, json!({}))), wanted);
        let wanted = json!(["s", "ClusterIP", "<none>", "1.2.3.4", "<none>", "10m", "<none>"]);
        assert_eq!(json!(row(json!({"type": "ClusterIP", "externalIPs": ["1.2.3.4"]}), json!({}))), wanted);
    }

    #[test]
    fn load_balancers_and_names_are_external() {
        let ingress = json!({"loadBalancer": {"ingress": [{"hostname": "z.example"}, {"ip": "1.1.1.1"}]}});
        let spec = json!({"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]});
        assert_eq!(row(spec, ingress)[3], "1.1.1.1,z.example,9.9.9.9");
        assert_eq!(row(json!({"type": "LoadBalancer"}), json!({}))[3], "<pending>");
        assert_eq!(row(json!({"type": "ExternalName", "externalName": "a.example"}), json!({}))[3], "a.example");
        assert_eq!(row(json!({}), json!({}))[3], "<unknown>");
    }
}
