//! What a server says of a Pod when it is made: it waits, and how it is served when its node runs short.

use kcp_schema::quantity::Amount;
use serde_json::{Value, json};

/// How much a Pod, a container or one of its resources can count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quality {
    BestEffort,
    Burstable,
    Guaranteed,
}

/// The status a Pod is born with.
pub fn status(pod: &Value) -> Value {
    let class = match quality(&pod["spec"]) {
        Quality::BestEffort => "BestEffort",
        Quality::Burstable => "Burstable",
        Quality::Guaranteed => "Guaranteed",
    };
    json!({"phase": "Pending", "qosClass": class})
}

/// A Pod is of the class that every processor and memory of its containers is of; where they differ it is burstable.
/// What it says of itself as a whole comes before what its containers say.
fn quality(spec: &Value) -> Quality {
    let whole = &spec["resources"];
    let said = ["limits", "requests"].iter().any(|side| whole[side].as_object().is_some_and(|side| !side.is_empty()));
    let parts: Vec<&Value> = if said {
        vec![whole]
    } else {
        let lists = ["initContainers", "containers"].iter().filter_map(|list| spec[list].as_array());
        lists.flatten().map(|container| &container["resources"]).collect()
    };
    let mut all = parts.iter().flat_map(|part| ["cpu", "memory"].map(|name| of_resource(part, name)));
    let first = all.next().unwrap_or(Quality::BestEffort);
    if all.all(|quality| quality == first) { first } else { Quality::Burstable }
}

fn of_resource(resources: &Value, name: &str) -> Quality {
    let amount = |side: &str| {
        let given = resources[side][name].as_str().and_then(Amount::parse);
        given.filter(|amount| amount.is_positive())
    };
    match (amount("requests"), amount("limits")) {
        (None, None) => Quality::BestEffort,
        (Some(request), Some(limit)) if request == limit => Quality::Guaranteed,
        _ => Quality::Burstable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(containers: Value) -> Value {
        status(&json!({"spec": {"containers": containers}}))["qosClass"].clone()
    }

    #[test]
    fn classes_follow_processors_and_memory() {
        let equal = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}});
        assert_eq!(class(json!([{}])), "BestEffort");
        assert_eq!(class(json!([{"resources": {"limits": {"example.com/x": "1"}}}])), "BestEffort");
        assert_eq!(class(json!([{"resources": {"requests": {"cpu": "0"}}}])), "BestEffort");
        assert_eq!(class(json!([{"resources": {"requests": {"cpu": "1"}}}])), "Burstable");
        assert_eq!(class(json!([{"resources": equal}])), "Guaranteed");
        assert_eq!(class(json!([{"resources": equal}, {}])), "Burstable");
        let half = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}});
        assert_eq!(class(json!([{"resources": half}])), "Burstable");
        let whole = json!({"spec": {"resources": equal, "containers": [{}]}});
        assert_eq!(status(&whole)["qosClass"], "Guaranteed");
    }
}
