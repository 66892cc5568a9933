//! Roles and bindings: their rules, and that nobody hands on what he does not hold.

use super::base::{self, Base, text};
use super::turns::Turns;
use super::{Admission, Departure, Part, Strategy, aggregation, cells};
use crate::authz::derived::RoleRef;
use crate::authz::entries::subject_terms;
use crate::authz::rule::{Rule, describe_compact, quoted_list, uncovered};
use crate::authz::{Attributes, MASTERS};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use bytes::Bytes;
use kcp_apimachinery::field::{BadValue, Error, ErrorList, Path};
use kcp_apimachinery::gvk::GroupResource;
use kcp_apimachinery::selector::label::{Selector, validate_label_selector};
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{meta, names, text as go};
use kcp_storage::{BoxFuture, Key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const GROUP: &str = "rbac.authorization.k8s.io";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
}

impl Kind {
    const fn is_binding(self) -> bool {
        matches!(self, Self::RoleBinding | Self::ClusterRoleBinding)
    }

    const fn is_namespaced(self) -> bool {
        matches!(self, Self::Role | Self::RoleBinding)
    }

    const fn resource(self) -> &'static str {
        match self {
            Self::Role => "roles",
            Self::ClusterRole => "clusterroles",
            Self::RoleBinding => "rolebindings",
            Self::ClusterRoleBinding => "clusterrolebindings",
        }
    }
}

/// The strategy of roles and bindings.
struct Rbac {
    base: Base,
    kind: Kind,
    /// Whose turn it is to say what the aggregating roles of a cluster are made of.
    turns: Turns,
}

/// The strategy of the kind whose declaration gives this name; `None` for other names.
pub fn strategy(name: &str, definition: &str) -> Option<Arc<dyn Strategy>> {
    let kinds = [Kind::Role, Kind::ClusterRole, Kind::RoleBinding, Kind::ClusterRoleBinding];
    let kind = kinds.into_iter().find(|kind| kind.resource() == name)?;
    Some(Arc::new(Rbac { base: Base::new(definition), kind, turns: Turns::default() }))
}

impl Rbac {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = base::errors(object);
        // Rules that Kubernetes generates from its types are reported after those it writes by hand.
        let mut generated = Vec::new();
        if self.kind.is_binding() {
            role_ref(object, self.kind, &mut errors, &mut generated);
            let path = Path::root("subjects");
            for (index, value) in list(object, "subjects").iter().enumerate() {
                subject(value, self.kind, &path.index(index), &mut errors, &mut generated);
            }
        } else {
            let path = Path::root("rules");
            for (index, value) in list(object, "rules").iter().enumerate() {
                rule(value, self.kind, &path.index(index), &mut errors, &mut generated);
            }
            if self.kind == Kind::ClusterRole {
                aggregation_rule(object, &mut errors);
            }
        }
        generated.into_iter().for_each(|error| errors.push(error));
        errors
    }

    fn named(&self) -> GroupResource {
        GroupResource::new(GROUP, self.kind.resource())
    }

    async fn check(
        &self,
        server: &ApiServer,
        exchange: &Exchange,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let user = &exchange.user;
        if user.is_in(MASTERS) {
            return Ok(());
        }
        let mut new = new.clone();
        self.default(&mut new);
        let new = &new;
        // What is changed only so that the object can go away hands nothing on.
        if old.is_some_and(|old| only_owners_changed(new, old)) {
            return Ok(());
        }
        let authorization = &server.authorization;
        let (cluster, namespace) = (exchange.cluster_name(), exchange.info.namespace.as_str());
        if self.kind.is_binding() {
            let role = RoleRef::deserialize(&new["roleRef"]).unwrap_or_default();
            let resource = if role.kind == "Role" { "roles" } else { "clusterroles" };
            let bind = Attributes { verb: "bind", resource, name: &role.name, namespace, ..on_rbac() };
            if authorization.allowed(cluster, user, &bind).await?.allowed {
                return Ok(());
            }
            match role.kind.as_str() {
                "ClusterRole" => {}
                "Role" if namespace.is_empty() => return Err(Status::bad_request("Namespace parameter required.")),
                "Role" => {}
                other => {
                    let message = format!("unsupported role reference kind: {}", go::quote(other));
                    return Err(Status::generic(500, message));
                }
            }
            if role.name.is_empty() {
                return Err(Status::bad_request("Name parameter required."));
            }
            let Ok(rules) = authorization.role_rules(cluster, &role, namespace).await? else {
                // Kubernetes names the binding's resource here.
                return Err(Status::not_found(&self.named(), &role.name));
            };
            return self.confirm(server, exchange, new, &rules).await;
        }
        let escalate = Attributes {
            verb: "escalate",
            resource: self.kind.resource(),
            name: &exchange.info.name,
            namespace,
            ..on_rbac()
        };
        if authorization.allowed(cluster, user, &escalate).await?.allowed {
            return Ok(());
        }
        let rules = Vec::<Rule>::deserialize(&new["rules"]).unwrap_or_default();
        self.confirm(server, exchange, new, &rules).await?;
        if aggregates(new) || old.is_some_and(aggregates) {
            let all = || vec!["*".to_owned()];
            let everything = [
                Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
                Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
            ];
            if self.confirm(server, exchange, new, &everything).await.is_err() {
                let message = "must have cluster-admin privileges to use the aggregationRule";
                return Err(Status::forbidden(&self.named(), text(new, &["metadata", "name"]), message));
            }
        }
        Ok(())
    }

    /// Refuses rules that the caller does not hold.
    async fn confirm(
        &self,
        server: &ApiServer,
        exchange: &Exchange,
        new: &Value,
        rules: &[Rule],
    ) -> Result<(), Status> {
        let user = &exchange.user;
        let namespace = &exchange.info.namespace;
        let held = server.authorization.rules_for(exchange.cluster_name(), user, namespace).await?;
        let missing = uncovered(&held.iter().collect::<Vec<_>>(), rules);
        if missing.is_empty() {
            return Ok(());
        }
        let mut message = format!(
            "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            go::quote(&user.name),
            quoted_list(&user.groups),
            describe_compact(&missing).join("\n")
        );
        if let Some(error) = held.error {
            message.push_str(&format!("; resolution errors: [{error}]"));
        }
        Err(Status::forbidden(&self.named(), text(new, &["metadata", "name"]), message))
    }
}

impl Strategy for Rbac {
    fn default(&self, object: &mut Value) {
        if !self.kind.is_binding() {
            return;
        }
        if let Some(role) = object.get_mut("roleRef").filter(|role| role.is_object())
            && text(role, &["apiGroup"]).is_empty()
        {
            role["apiGroup"] = GROUP.into();
        }
        for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            if matches!(text(subject, &["kind"]), "User" | "Group") && text(subject, &["apiGroup"]).is_empty() {
                subject["apiGroup"] = GROUP.into();
            }
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        forget_empty_rules(object);
    }

    fn prepare_update(&self, new: &mut Value, _old: &Value, _part: Part) {
        forget_empty_rules(new);
    }

    fn name_problems(&self, name: &str) -> Vec<String> {
        names::path_segment_name(name)
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        self.validate(object)
    }

    fn validate_update(&self, new: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = self.validate(new);
        let reference = |object: &Value| RoleRef::deserialize(&object["roleRef"]).unwrap_or_default();
        if self.kind.is_binding() && reference(new) != reference(old) {
            let RoleRef { api_group, kind, name } = reference(new);
            let printed = json!({"APIGroup": api_group, "Kind": kind, "Name": name});
            errors.push(Error::invalid(&Path::root("roleRef"), BadValue::Json(printed), "field is immutable"));
        }
        errors
    }

    fn permit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a Value,
        old: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<(), Status>> {
        Box::pin(self.check(server, exchange, new, old))
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a mut Value,
        old: Option<&'a Value>,
        _part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(async move {
            if self.kind != Kind::ClusterRole {
                return Ok(Admission::default());
            }
            aggregation::admit(server, &self.turns, exchange.cluster_name(), new, old).await
        })
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(async move {
            if self.kind != Kind::ClusterRole {
                return Ok(Departure::default());
            }
            aggregation::depart(server, &self.turns, key).await
        })
    }

    fn terms(&self, object: &Value) -> Vec<Bytes> {
        subject_terms(object)
    }

    fn creates_on_update(&self) -> bool {
        true
    }

    fn updates_unconditionally(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        if !self.kind.is_binding() {
            return vec![cells::name(object), cells::created(object)];
        }
        let role = format!("{}/{}", text(object, &["roleRef", "kind"]), text(object, &["roleRef", "name"]));
        let of = |kind: &str| {
            let subjects = list(object, "subjects").iter().filter(|subject| text(subject, &["kind"]) == kind);
            let printed = subjects.map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", text(subject, &["namespace"]), text(subject, &["name"])),
                _ => text(subject, &["name"]).to_owned(),
            });
            Value::from(printed.collect::<Vec<_>>().join(", "))
        };
        let (users, groups, accounts) = (of("User"), of("Group"), of("ServiceAccount"));
        vec![cells::name(object), role.into(), cells::age(object, now), users, groups, accounts]
    }
}

/// Kubernetes stores roles as protobuf, where a list without rules is none.
fn forget_empty_rules(object: &mut Value) {
    if let Some(rules) = object.get_mut("rules").filter(|rules| rules.as_array().is_some_and(Vec::is_empty)) {
        *rules = Value::Null;
    }
}

fn on_rbac() -> Attributes<'static> {
    Attributes { group: GROUP, is_resource: true, ..Attributes::default() }
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_empty(object: &Value, field: &str) -> bool {
    list(object, field).is_empty()
}

fn rule(value: &Value, kind: Kind, path: &Path, errors: &mut ErrorList, generated: &mut Vec<Error>) {
    if is_empty(value, "verbs") {
        generated.push(Error::required(&path.child("verbs"), ""));
    }
    if !is_empty(value, "nonResourceURLs") {
        let urls = &value["nonResourceURLs"];
        let path = path.child("nonResourceURLs");
        if kind.is_namespaced() {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            errors.push(Error::invalid(&path, urls.clone(), detail));
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !is_empty(value, field)) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(Error::invalid(&path, urls.clone(), detail));
        }
        return;
    }
    if is_empty(value, "apiGroups") {
        errors.push(Error::required(&path.child("apiGroups"), "resource rules must supply at least one api group"));
    }
    if is_empty(value, "resources") {
        errors.push(Error::required(&path.child("resources"), "resource rules must supply at least one resource"));
    }
}

fn aggregation_rule(object: &Value, errors: &mut ErrorList) {
    let aggregation = &object["aggregationRule"];
    if !aggregation.is_object() {
        return;
    }
    let path = Path::root("aggregationRule").child("clusterRoleSelectors");
    let selectors = list(aggregation, "clusterRoleSelectors");
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(Error::required(&path, detail));
    }
    for (index, selector) in selectors.iter().enumerate() {
        for error in validate_label_selector(selector, &path.index(index)).iter() {
            errors.push(error.clone());
        }
        if Selector::from_label_selector(selector).is_err() {
            errors.push(Error::invalid(&path.index(index), Value::Null, "invalid label selector."));
        }
    }
}

fn role_ref(object: &Value, kind: Kind, errors: &mut ErrorList, generated: &mut Vec<Error>) {
    let path = Path::root("roleRef");
    let field = |name: &str| text(object, &["roleRef", name]);
    if field("apiGroup") != GROUP {
        errors.push(Error::not_supported(&path.child("apiGroup"), field("apiGroup"), &[GROUP]));
    }
    let kinds: &[&str] = if kind.is_namespaced() { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&field("kind")) {
        errors.push(Error::not_supported(&path.child("kind"), field("kind"), kinds));
    }
    if field("name").is_empty() {
        generated.push(Error::required(&path.child("name"), ""));
    } else {
        for problem in names::path_segment_name(field("name")) {
            errors.push(Error::invalid(&path.child("name"), field("name"), problem));
        }
    }
}

fn subject(value: &Value, kind: Kind, path: &Path, errors: &mut ErrorList, generated: &mut Vec<Error>) {
    let field = |name: &str| text(value, &[name]);
    let name = field("name");
    if name.is_empty() {
        generated.push(Error::required(&path.child("name"), ""));
    }
    match field("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                for problem in names::is_dns1123_subdomain(name) {
                    errors.push(Error::invalid(&path.child("name"), name, problem));
                }
            }
            if !field("apiGroup").is_empty() {
                errors.push(Error::not_supported(&path.child("apiGroup"), field("apiGroup"), &[""]));
            }
            if !kind.is_namespaced() && field("namespace").is_empty() {
                errors.push(Error::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if field("apiGroup") != GROUP {
                errors.push(Error::not_supported(&path.child("apiGroup"), field("apiGroup"), &[GROUP]));
            }
        }
        other => {
            errors.push(Error::not_supported(&path.child("kind"), other, &["ServiceAccount", "User", "Group"]));
        }
    }
}

fn aggregates(object: &Value) -> bool {
    !is_empty(&object["aggregationRule"], "clusterRoleSelectors")
}

/// Whether nothing differs but what garbage collection writes. What the server sets counts: who leaves it out sends
/// another object.
fn only_owners_changed(new: &Value, old: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        let revision = meta::resource_version(&object).to_owned();
        crate::codec::strip(&mut object);
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["ownerReferences", "finalizers", "managedFields"] {
                meta.remove(field);
            }
        }
        drop_empty(&mut object);
        (object, revision)
    };
    bare(new) == bare(old)
}

/// Leaves out what says nothing: nulls, empty texts, lists and maps.
fn drop_empty(value: &mut Value) {
    let says = |value: &mut Value| {
        drop_empty(value);
        match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        }
    };
    match value {
        Value::Object(fields) => fields.retain(|_, value| says(value)),
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}
