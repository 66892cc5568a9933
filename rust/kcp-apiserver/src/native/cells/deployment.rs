//! Deployments.

use super::{joined, list, number};
use crate::strategy::cells as common;
use kcp_apimachinery::selector::label::Selector;
use serde_json::Value;

/// Name, Ready, Up-to-date, Available, Age, Containers, Images, Selector.
pub fn cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let containers = list(object, "/spec/template/spec/containers");
    let selector = match object.pointer("/spec/selector") {
        None | Some(Value::Null) => String::new(),
        Some(selector) => Selector::from_label_selector(selector)
            .map_or_else(|_| "<invalid>".to_owned(), |selector| selector.to_string()),
    };
    vec![
        common::name(object),
        format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas")).into(),
        number(object, "/status/updatedReplicas").into(),
        number(object, "/status/availableReplicas").into(),
        common::age(object, now),
        joined(containers, "name").into(),
        joined(containers, "image").into(),
        selector.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// kube-api 2.A
    #[test]
    fn a_row_tells_replicas_containers_and_selector() {
        let object = json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"},
                    "matchExpressions": [{"key": "c", "operator": "In", "values": ["y", "x"]}]},
                "template": {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:2"}]}}},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}});
        let cells = cells(&object, "2026-01-01T00:01:35Z".parse().unwrap());
        assert_eq!(json!(cells), json!(["web", "2/3", 3, 1, "95s", "a,b", "i:1,i:2", "a=1,b=2,c in (x,y)"]));
    }
}
