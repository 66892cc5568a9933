//! `SubjectAccessReview`, its local and its own form: whether somebody may do something.

use super::{Question, strings};
use crate::authz::{Attributes, MASTERS};
use crate::exchange::{Exchange, UserInfo};
use crate::request_info;
use crate::server::ApiServer;
use http::HeaderName;
use kcp_apimachinery::field::{BadValue, Error, ErrorList, Path};
use kcp_apimachinery::gvk::GroupKind;
use kcp_apimachinery::selector::{field, label};
use kcp_apimachinery::status::Status;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const GROUP: &str = "authorization.k8s.io";
/// With this header set to `true` a SubjectAccessReview asks about rules alone.
const DEEP: HeaderName = HeaderName::from_static("x-kcp-internal-deep-subjectaccessreview");
/// With this parameter a SubjectAccessReview says what each guard said.
const EXPLAIN: &str = "explain";
/// What names of annotations begin with that say so.
const DOMAIN: &str = "sar.auth.kcp.io";

pub(super) async fn answer(
    server: &ApiServer,
    exchange: &Exchange,
    question: Question,
    mut review: Value,
) -> Result<Value, Status> {
    if question == Question::LocalAccess {
        place(&mut review, &exchange.info.namespace)?;
    }
    let errors = validate(&review, question);
    if !errors.is_empty() {
        // Kubernetes leaves the kind out here.
        return Err(Status::invalid(&GroupKind::new(GROUP, ""), "", &errors));
    }
    let spec = &review["spec"];
    let user = if question == Question::SelfAccess { Arc::clone(&exchange.user) } else { Arc::new(subject(spec)) };
    let deep = question == Question::Access && is_deep(exchange);
    let explained = question == Question::Access && request_info::truthy(exchange.query(), EXPLAIN);
    let mut annotations = Map::new();
    let cluster = exchange.cluster_name();
    let (allowed, reason) = if explained {
        may_explain(server, exchange).await?;
        let explanation = server.authorization.explain(cluster, &user, &attributes(spec), deep).await?;
        for said in &explanation.steps {
            annotations.insert(format!("{DOMAIN}/{}-decision", said.step), said.decision.into());
            annotations.insert(format!("{DOMAIN}/{}-reason", said.step), said.reason.as_str().into());
        }
        (explanation.decision.allowed, explanation.summary())
    } else {
        let decision = if deep {
            server.authorization.allowed(cluster, &user, &attributes(spec)).await?
        } else {
            server.authorization.permits(cluster, &user, &attributes(spec)).await?
        };
        (decision.allowed, decision.reason.to_string())
    };
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    let ignored = ignored_selectors(&spec["resourceAttributes"]);
    if !ignored.is_empty() {
        status["evaluationError"] = ignored.join("; ").into();
    }
    review["status"] = status;
    if explained {
        review["metadata"]["annotations"] = annotations.into();
    }
    Ok(review)
}

/// Whether it does not matter if the subject may be in the logical cluster: for the server's own kind to ask.
fn is_deep(exchange: &Exchange) -> bool {
    exchange.user.is_in(MASTERS) && exchange.headers().get(DEEP).is_some_and(|value| value == "true")
}

/// Explanations name bindings and roles: they are for those who may read them.
async fn may_explain(server: &ApiServer, exchange: &Exchange) -> Result<(), Status> {
    let read = Attributes {
        verb: "list",
        group: "rbac.authorization.k8s.io",
        resource: "clusterrolebindings",
        is_resource: true,
        ..Attributes::default()
    };
    let decision = server.authorization.permits(exchange.cluster_name(), &exchange.user, &read).await?;
    if decision.allowed { Ok(()) } else { Err(read.forbidden(&exchange.user, "explanations name bindings")) }
}

/// Fills the namespace of the path in.
fn place(review: &mut Value, namespace: &str) -> Result<(), Status> {
    let given = &mut review["metadata"]["namespace"];
    if given.as_str().unwrap_or_default().is_empty() {
        *given = namespace.into();
    } else if *given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

fn subject(spec: &Value) -> UserInfo {
    let field = |name: &str| spec[name].as_str().unwrap_or_default().to_owned();
    let extra = spec["extra"].as_object().into_iter().flatten();
    UserInfo {
        name: field("user"),
        uid: field("uid"),
        groups: strings(&spec["groups"]),
        extra: extra.map(|(key, values)| (key.clone(), strings(values))).collect(),
    }
}

fn attributes(spec: &Value) -> Attributes<'_> {
    let resource = &spec["resourceAttributes"];
    if resource.is_object() {
        let field = |name: &str| resource[name].as_str().unwrap_or_default();
        return Attributes {
            verb: field("verb"),
            group: field("group"),
            resource: field("resource"),
            subresource: field("subresource"),
            namespace: field("namespace"),
            name: field("name"),
            path: "",
            is_resource: true,
        };
    }
    let path = &spec["nonResourceAttributes"];
    Attributes::path(path["verb"].as_str().unwrap_or_default(), path["path"].as_str().unwrap_or_default())
}

/// What is said of selectors that could not be read and so were left out of account.
fn ignored_selectors(resource: &Value) -> Vec<String> {
    let (fields, labels) = (&resource["fieldSelector"], &resource["labelSelector"]);
    let raw = |selector: &Value| selector["rawSelector"].as_str().unwrap_or_default().to_owned();
    let read = [
        ("fieldSelector", fields, field::Selector::parse(&raw(fields)).is_ok(), reads_field as fn(&Value) -> bool),
        ("labelSelector", labels, label::Selector::parse(&raw(labels)).is_ok(), reads_label),
    ];
    let mut said = Vec::new();
    for (name, selector, raw_reads, reads) in read {
        let requirements = selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
        let good = requirements.iter().filter(|requirement| reads(requirement)).count();
        if raw_reads && good == requirements.len() {
            continue;
        }
        let how = if good > 0 { "partially ignored" } else { "ignored" };
        said.push(format!("spec.resourceAttributes.{name} {how} due to parse error"));
    }
    said
}

fn reads_label(requirement: &Value) -> bool {
    let key = requirement["key"].as_str().unwrap_or_default();
    let values = strings(&requirement["values"]).join(",");
    let text = match requirement["operator"].as_str().unwrap_or_default() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.to_owned(),
        "DoesNotExist" => format!("!{key}"),
        _ => return false,
    };
    label::Selector::parse(&text).is_ok()
}

/// Fields are compared with one value and nothing else.
fn reads_field(requirement: &Value) -> bool {
    matches!(requirement["operator"].as_str(), Some("In" | "NotIn")) && strings(&requirement["values"]).len() == 1
}

fn validate(review: &Value, question: Question) -> ErrorList {
    let mut errors = ErrorList::default();
    let spec = &review["spec"];
    let path = Path::root("spec");
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == other.is_object() {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(Error::invalid(&path, printed(other), detail));
    }
    let is_named = |field: &str| spec[field].as_str().is_some_and(|text| !text.is_empty());
    if question != Question::SelfAccess && !is_named("user") && strings(&spec["groups"]).is_empty() {
        errors.push(Error::invalid(&path.child("user"), "", "at least one of user or group must be specified"));
    }
    let resource_path = Path::root("spec.resourceAttributes");
    for field in ["fieldSelector", "labelSelector"] {
        let of_labels = field == "labelSelector";
        validate_selector(&resource[field], of_labels, &resource_path.child(field), &mut errors);
    }
    validate_metadata(&review["metadata"], question, &mut errors);
    if question == Question::LocalAccess {
        let namespace = resource["namespace"].as_str().unwrap_or_default();
        if resource.is_object() && review["metadata"]["namespace"] != namespace {
            let path = Path::root("spec.resourceAttributes.namespace");
            errors.push(Error::invalid(&path, namespace, "must match metadata.namespace"));
        }
        if other.is_object() {
            let path = Path::root("spec.nonResourceAttributes");
            errors.push(Error::invalid(&path, printed(other), "disallowed on this kind of request"));
        }
    }
    errors
}

/// Path attributes as Kubernetes prints its own type.
fn printed(attributes: &Value) -> BadValue {
    if !attributes.is_object() {
        return BadValue::Json(Value::Null);
    }
    let field = |name: &str| attributes[name].as_str().unwrap_or_default();
    BadValue::Json(json!({"Path": field("path"), "Verb": field("verb")}))
}

fn validate_metadata(metadata: &Value, question: Question, errors: &mut ErrorList) {
    let local = question == Question::LocalAccess;
    let allowed = |field: &str| field == "managedFields" || local && field == "namespace";
    let is_set = |value: &Value| !value.is_null() && *value != json!("") && *value != json!({}) && *value != json!([]);
    let fields = metadata.as_object().into_iter().flatten();
    if fields.into_iter().any(|(field, value)| !allowed(field) && is_set(value)) {
        let detail = if local { "must be empty except for namespace" } else { "must be empty" };
        errors.push(Error::invalid(&Path::root("metadata"), metadata.clone(), detail));
    }
}

fn validate_selector(selector: &Value, of_labels: bool, path: &Path, errors: &mut ErrorList) {
    if !selector.is_object() {
        return;
    }
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    let requirements = selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !raw.is_empty() && !requirements.is_empty() {
        let detail = "may not specified at the same time as requirements";
        errors.push(Error::invalid(&path.child("rawSelector"), raw, detail));
    }
    if raw.is_empty() && requirements.is_empty() {
        let detail = format!("when {path} is specified, requirements or rawSelector is required");
        errors.push(Error::required(&path.child("requirements"), detail));
    }
    for (index, requirement) in requirements.iter().enumerate() {
        let path = path.child("requirements").index(index);
        // Operators of newer clients widen what is asked, so they are let through.
        if of_labels {
            errors.extend(label::validate_requirement(requirement, true, &path));
            continue;
        }
        let field = |name: &str| requirement[name].as_str().unwrap_or_default();
        let values = requirement["values"].as_array().map_or(0, Vec::len);
        if field("key").is_empty() {
            errors.push(Error::required(&path.child("key"), "must be specified"));
        }
        match field("operator") {
            "In" | "NotIn" if values == 0 => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(Error::required(&path.child("values"), detail));
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(Error::forbidden(&path.child("values"), detail));
            }
            _ => {}
        }
    }
}
