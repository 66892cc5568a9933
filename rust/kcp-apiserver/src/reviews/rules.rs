//! `SelfSubjectRulesReview`: every rule that applies to the caller in a namespace.

use crate::authz::rule::Rule;
use crate::exchange::Exchange;
use crate::server::ApiServer;
use kcp_apimachinery::status::Status;
use serde_json::{Map, Value, json};

pub(super) async fn answer(server: &ApiServer, exchange: &Exchange, review: Value) -> Result<Value, Status> {
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let held = server.authorization.rules_for(exchange.cluster_name(), &exchange.user, namespace).await?;
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in held.iter() {
        if !rule.resources.is_empty() {
            resources.push(resource_rule(rule));
        }
        if !rule.non_resource_urls.is_empty() {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
        }
    }
    let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    if let Some(error) = held.error {
        status["evaluationError"] = error.into();
    }
    Ok(json!({
        "kind": review["kind"],
        "apiVersion": review["apiVersion"],
        "metadata": {},
        "spec": {},
        "status": status,
    }))
}

fn resource_rule(rule: &Rule) -> Value {
    let lists =
        [("apiGroups", &rule.api_groups), ("resources", &rule.resources), ("resourceNames", &rule.resource_names)];
    let mut shown = Map::new();
    shown.insert("verbs".into(), json!(rule.verbs));
    for (name, values) in lists {
        if !values.is_empty() {
            shown.insert(name.into(), json!(values));
        }
    }
    Value::Object(shown)
}
