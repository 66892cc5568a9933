//! What objects of native kinds are given where they say nothing: what clients read without asking whether it is there.

use serde_json::{Map, Value, json};

/// A Deployment has a number of replicas and a strategy.
pub fn deployment(object: &mut Value) {
    let Some(spec) = section(object) else { return };
    for (field, value) in [("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)] {
        spec.entry(field).or_insert_with(|| value.into());
    }
    let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
    let Some(strategy) = strategy.as_object_mut() else { return };
    let kind = strategy.entry("type").or_insert_with(|| "RollingUpdate".into());
    if kind == "RollingUpdate" {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        if let Some(rolling) = rolling.as_object_mut() {
            rolling.entry("maxUnavailable").or_insert_with(|| "25%".into());
            rolling.entry("maxSurge").or_insert_with(|| "25%".into());
        }
    }
}

/// A Service has a type, and its ports a protocol and a target.
pub fn service(object: &mut Value) {
    let Some(spec) = section(object) else { return };
    spec.entry("type").or_insert_with(|| "ClusterIP".into());
    spec.entry("sessionAffinity").or_insert_with(|| "None".into());
    let Some(Value::Array(ports)) = spec.get_mut("ports") else { return };
    for port in ports.iter_mut().filter_map(Value::as_object_mut) {
        port.entry("protocol").or_insert_with(|| "TCP".into());
        if let Some(number) = port.get("port").cloned() {
            port.entry("targetPort").or_insert(number);
        }
    }
}

fn section(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("spec").and_then(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stays() {
        let mut object = json!({"spec": {"replicas": 0, "strategy": {"type": "Recreate"}}});
        deployment(&mut object);
        assert_eq!(object["spec"]["replicas"], 0);
        assert_eq!(object["spec"]["strategy"], json!({"type": "Recreate"}));
        let mut object =
            json!({"spec": {"ports": [{"port": 80, "targetPort": "web"}, {"port": 53, "protocol": "UDP"}]}});
        service(&mut object);
        let ports = json!([{"port": 80, "targetPort": "web", "protocol": "TCP"},
            {"port": 53, "targetPort": 53, "protocol": "UDP"}]);
        assert_eq!(object["spec"]["ports"], ports);
        assert_eq!(object["spec"]["type"], "ClusterIP");
    }

    #[test]
    fn what_is_not_said_is_as_clients_expect() {
        let mut object = json!({"spec": {}});
        deployment(&mut object);
        assert_eq!(object["spec"]["replicas"], 1);
        assert_eq!(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    }
}
