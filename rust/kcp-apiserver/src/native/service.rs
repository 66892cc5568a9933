//! Addresses of Services: nobody allocates any, but those that are there stay and agree.

use serde_json::{Map, Value, json};

/// Brings the address and the list of addresses of a Service together, and keeps what `old` has of both where the new
/// one says nothing of them.
pub fn addresses(new: &mut Value, old: Option<&Value>) {
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

fn has_address(kind: &Value) -> bool {
    matches!(kind.as_str(), Some("ClusterIP" | "NodePort" | "LoadBalancer"))
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
}
