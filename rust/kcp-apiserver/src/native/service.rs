//! Services: nobody allocates addresses, but those that are there stay and agree; what belongs to a type goes with it.

use serde_json::{Map, Value, json};

/// Brings the address and the list of addresses of a Service together, and keeps what `old` has of both where the new
/// one says nothing of them.
fn addresses(new: &mut Value, old: Option<&Value>) {
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let old = old.map(|old| &old["spec"]);
    if let Some(old) = old.filter(|old| has_address(&old["type"]) && has_address(&spec["type"])) {
        keep(spec, old);
    }
    let address = spec.get("clusterIP").cloned();
    let changed = |field: &str| old.map(|old| &old[field]) != Some(spec.get(field).unwrap_or(&Value::Null));
    match address {
        Some(address) if !spec.contains_key("clusterIPs") => {
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
        Some(address) if old.is_some() && changed("clusterIP") && !changed("clusterIPs") => {
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
        None if old.is_some() && changed("clusterIP") && !changed("clusterIPs") => drop(spec.remove("clusterIPs")),
        _ => {}
    }
}

/// What an update makes of a Service before it is judged: [`addresses`], and [`drop_dependent`] of what changed.
pub fn prepare(new: &mut Value, old: Option<&Value>) {
    addresses(new, old);
    if let Some(old) = old {
        drop_dependent(new, old);
    }
}

/// Drops what belongs to the type that a Service had and has no more, where the change leaves it as it was: what the
/// client changes as well is for validation to refuse.
fn drop_dependent(new: &mut Value, old: &Value) {
    let old = &old["spec"];
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let now = Value::Object(spec.clone());
    let same = |field: &str| now[field] == old[field];
    let lost = |needs: fn(&Value) -> bool| needs(old) && !needs(&now);
    let mut gone = Vec::new();
    if lost(|spec| has_address(&spec["type"])) {
        if same("clusterIPs") {
            gone.extend(["clusterIP", "clusterIPs"]);
        }
        gone.extend(["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|field| same(field)));
    }
    for (field, needs) in [
        ("healthCheckNodePort", has_health_port as fn(&Value) -> bool),
        ("allocateLoadBalancerNodePorts", is_load_balancer),
        ("loadBalancerClass", is_load_balancer),
        ("externalTrafficPolicy", is_reached_from_outside),
    ] {
        if lost(needs) && same(field) {
            gone.push(field);
        }
    }
    for field in gone {
        spec.remove(field);
    }
    if lost(has_node_ports) && node_ports(&now).all(|port| node_ports(old).any(|known| known == port)) {
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
    if !is_load_balancer(&now)
        && let Some(balancer) = new.pointer_mut("/status/loadBalancer")
    {
        *balancer = json!({});
    }
}

fn has_address(kind: &Value) -> bool {
    matches!(kind.as_str(), Some("ClusterIP" | "NodePort" | "LoadBalancer"))
}

fn is_load_balancer(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer"
}

fn has_node_ports(spec: &Value) -> bool {
    spec["type"] == "NodePort" || is_load_balancer(spec) && spec["allocateLoadBalancerNodePorts"] != false
}

fn has_health_port(spec: &Value) -> bool {
    is_load_balancer(spec) && spec["externalTrafficPolicy"] == "Local"
}

fn is_reached_from_outside(spec: &Value) -> bool {
    let addresses = spec["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty());
    spec["type"] == "NodePort" || is_load_balancer(spec) || spec["type"] == "ClusterIP" && addresses
}

fn node_ports(spec: &Value) -> impl Iterator<Item = &Value> {
    let ports = spec["ports"].as_array().into_iter().flatten();
    ports.map(|port| &port["nodePort"]).filter(|port| !port.is_null() && **port != 0)
}

fn keep(spec: &mut Map<String, Value>, old: &Value) {
    for field in ["clusterIP", "clusterIPs"] {
        if let (false, Some(value)) = (spec.contains_key(field), old.get(field)) {
            spec.insert(field.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut new: Value, old: Option<Value>) -> Value {
        let wrap = |spec: Value| json!({"spec": spec});
        let old = old.map(wrap);
        new = wrap(new);
        addresses(&mut new, old.as_ref());
        new["spec"].clone()
    }

    #[test]
    fn the_list_follows_the_address() {
        let none = json!({"type": "ClusterIP"});
        assert_eq!(after(none.clone(), None), none);
        let one = json!({"type": "ClusterIP", "clusterIP": "None"});
        let both = json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]});
        assert_eq!(after(one, None), both);
        assert_eq!(after(none, Some(both.clone())), both);
        let other = json!({"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["None"]});
        assert_eq!(after(other, Some(both.clone()))["clusterIPs"], json!(["10.0.0.1"]));
        let external = json!({"type": "ExternalName", "clusterIPs": ["None"]});
        assert_eq!(after(external, Some(both)), json!({"type": "ExternalName"}));
    }

    /// Each change of a Service: what it was, what is sent, what is kept; by the fields of its spec.
    #[test]
    fn what_belongs_to_a_type_goes_with_it() {
        let balancer = json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "allocateLoadBalancerNodePorts": true,
            "loadBalancerClass": "a.example.com/b", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30_001,
            "selector": {"a": "b"}, "ports": [{"port": 80, "nodePort": 30_000}]});
        let with = |changes: Value| {
            let mut spec = balancer.clone();
            kcp_apimachinery::patch::merge_value(&mut spec, &changes);
            spec
        };
        let change = |new: Value| {
            let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
            let old = json!({"spec": balancer, "status": status});
            let mut new = json!({"spec": new, "status": status});
            prepare(&mut new, Some(&old));
            new
        };
        // Another type keeps what it has a use for.
        let external = change(with(json!({"type": "ExternalName", "externalName": "a.example.com"})));
        assert_eq!(
            external["spec"],
            json!({"type": "ExternalName", "externalName": "a.example.com", "selector": {"a": "b"}, "ports": [{"port": 80}]})
        );
        assert_eq!(external["status"], json!({"loadBalancer": {}}));
        let within = change(with(json!({"type": "ClusterIP"})));
        assert_eq!(
            within["spec"],
            json!({"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "selector": {"a": "b"}, "ports": [{"port": 80}]})
        );
        let ports = change(with(json!({"type": "NodePort"})));
        assert_eq!(
            (&ports["spec"]["ports"][0]["nodePort"], &ports["spec"]["externalTrafficPolicy"]),
            (&json!(30_000), &json!("Local"))
        );
        assert!(ports["spec"].get("healthCheckNodePort").is_none());
        // What is changed too stays, for validation to refuse; so does everything of a type that stays.
        let both = json!({"type": "ClusterIP", "externalTrafficPolicy": "Cluster", "ports": [{"port": 80, "nodePort": 30_002}]});
        let both = change(with(both));
        assert_eq!(
            (&both["spec"]["externalTrafficPolicy"], &both["spec"]["ports"][0]["nodePort"]),
            (&json!("Cluster"), &json!(30_002))
        );
        let same = change(balancer.clone());
        assert_eq!(
            (&same["spec"], &same["status"]["loadBalancer"]["ingress"][0]["ip"]),
            (&balancer, &json!("192.0.2.1"))
        );
        let none = change(with(json!({"allocateLoadBalancerNodePorts": false})));
        assert_eq!(none["spec"]["ports"], json!([{"port": 80}]));
    }
}
