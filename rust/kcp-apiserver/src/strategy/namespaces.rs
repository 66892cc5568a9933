//! Namespaces: the phases of their life, the ones that stay, what each is made with, and who may be created in them.

use super::base::{self, Base, text};
use super::{Admission, Part, Removal, Strategy, WORK_TERM, cells};
use crate::birth;
use crate::exchange::Exchange;
use crate::managed;
use crate::server::ApiServer;
use crate::verbs::Target;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::managed::FieldSet;
use kcp_apimachinery::{GroupResource, Status, meta, names};
use kcp_storage::{BoxFuture, Expect, Guard, Item, Key};
use serde_json::{Value, json};

/// Storage name of namespaces.
pub const NAMESPACES: &str = "namespaces";

/// Unfinished work of a namespace that is being deleted: its content has to go, then its finalizer.
pub const DELETION_WORK: &str = "namespace-deletion";

/// The label that repeats the name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

const FINALIZER: &str = "kubernetes";
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];
const STANDARD_FINALIZERS: [&str; 3] = ["orphan", "foregroundDeletion", FINALIZER];

/// The strategy of Namespaces.
pub struct Namespaces {
    base: Base,
}

impl Namespaces {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        Self { base: Base::new(definition) }
    }
}

/// Allows a create of `name` in `namespace` while the namespace stays as it is: the guard belongs into the create's batch.
///
/// # Errors
/// 404 when there is no such namespace, 403 when it is being deleted.
pub async fn check(server: &ApiServer, target: &Target, namespace: &str, name: &str) -> Result<Guard, Status> {
    let key = Key::new(NAMESPACES, &target.cluster, "", namespace);
    let found = server.store.get(&key).await.map_err(|error| Status::service_unavailable(error.to_string()))?;
    let Some(item) = found else {
        if birth::will_bear_namespace(server, &target.cluster, namespace).await? {
            return Ok(Guard { key, expect: Expect::Absent });
        }
        return Err(Status::not_found(&GroupResource::new("", NAMESPACES), namespace));
    };
    if is_terminating(&item) {
        return Err(terminating(&target.resource(), name, namespace));
    }
    Ok(Guard { key, expect: Expect::At(item.revision) })
}

/// Whether a stored namespace is being deleted: then, and only then, it is unfinished work.
pub fn is_terminating(item: &Item) -> bool {
    let terms = item.value.terms.iter();
    terms.filter_map(|term| term.strip_prefix(WORK_TERM.as_bytes())).any(|work| work == DELETION_WORK.as_bytes())
}

fn terminating(resource: &GroupResource, name: &str, namespace: &str) -> Status {
    let text = format!("unable to create new content in namespace {namespace} because it is being terminated");
    Status::forbidden(resource, name, text).with_cause(
        "NamespaceTerminating",
        format!("namespace {namespace} is being terminated"),
        "metadata.namespace",
    )
}

fn finalizer_problems(finalizer: &str, path: &Path, errors: &mut ErrorList) {
    for problem in names::qualified_name(finalizer) {
        errors.push(Error::invalid(path, finalizer, problem));
    }
    if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(Error::invalid(path, finalizer, detail));
    }
}

fn finalizers(object: &Value) -> &[Value] {
    object.pointer("/spec/finalizers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn label_with_name(object: &mut Value) {
    let name = meta::name(object).to_owned();
    if !name.is_empty() {
        meta::set_label(object, NAME_LABEL, &name);
    }
}

impl Strategy for Namespaces {
    fn default(&self, object: &mut Value) {
        label_with_name(object);
        if text(object, &["status", "phase"]).is_empty()
            && let Some(status) = base::section(object, "status")
        {
            status.insert("phase".to_owned(), "Active".into());
        }
    }

    fn name_problems(&self, name: &str) -> Vec<String> {
        names::is_dns1123_label(name)
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Active"});
        let Some(spec) = base::section(object, "spec") else { return };
        let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(finalizers) = finalizers.as_array_mut()
            && !finalizers.iter().any(|finalizer| finalizer == FINALIZER)
        {
            finalizers.push(FINALIZER.into());
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, part: Part) {
        match part {
            Part::Main => {
                base::keep(new, old, "spec");
                base::keep(new, old, "status");
            }
            Part::Status => base::keep(new, old, "spec"),
            Part::Finalize => base::keep(new, old, "status"),
        }
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        let mut errors = base::errors(object);
        let path = Path::root("spec").child("finalizers");
        for finalizer in finalizers(object) {
            finalizer_problems(finalizer.as_str().unwrap_or_default(), &path, &mut errors);
        }
        errors
    }

    fn validate_update(&self, new: &Value, _old: &Value, part: Part) -> ErrorList {
        let mut errors = base::errors(new);
        match part {
            Part::Main => {}
            Part::Status => {
                let phase = text(new, &["status", "phase"]);
                let (wanted, detail) = if meta::deletion_timestamp(new).is_none() {
                    ("Active", "may only be 'Active' if `deletionTimestamp` is empty")
                } else {
                    ("Terminating", "may only be 'Terminating' if `deletionTimestamp` is not empty")
                };
                if phase != wanted {
                    errors.push(Error::invalid(&Path::root("status").child("Phase"), phase, detail));
                }
            }
            Part::Finalize => {
                let path = Path::root("spec").child("finalizers");
                for (index, finalizer) in finalizers(new).iter().enumerate() {
                    finalizer_problems(finalizer.as_str().unwrap_or_default(), &path.index(index), &mut errors);
                }
            }
        }
        errors
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        new: &'a mut Value,
        old: Option<&'a Value>,
        _part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        // A generated name is known only now.
        label_with_name(new);
        let mut admission = Admission::default();
        if old.is_none() {
            admission.also = birth::namespace_content(server, exchange.cluster_name(), meta::name(new));
        }
        Box::pin(std::future::ready(Ok(admission)))
    }

    fn check_delete(&self, name: &str) -> Result<(), Status> {
        if PROTECTED.contains(&name) {
            let resource = GroupResource::new("", NAMESPACES);
            return Err(Status::forbidden(&resource, name, "this namespace may not be deleted"));
        }
        Ok(())
    }

    fn precondition_text(&self) -> Option<&'static str> {
        Some("Precondition failed")
    }

    fn begin_removal(&self, object: &mut Value) -> Removal {
        meta::remove(object, "deletionGracePeriodSeconds");
        if let Some(status) = base::section(object, "status") {
            status.insert("phase".to_owned(), "Terminating".into());
        }
        Removal::Held
    }

    fn is_held(&self, object: &Value) -> bool {
        !finalizers(object).is_empty()
    }

    fn work(&self, object: &Value) -> Vec<&'static str> {
        if meta::deletion_timestamp(object).is_some() { vec![DELETION_WORK] } else { Vec::new() }
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        (label == "status.phase").then(|| text(object, &["status", "phase"]).to_owned())
    }

    fn has_selectable_fields(&self) -> bool {
        true
    }

    fn selects_by(&self, label: &str) -> bool {
        label == "status.phase"
    }

    fn updates_unconditionally(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn reset(&self, part: Part) -> Option<&'static FieldSet<'static>> {
        Some(if part == Part::Status { &managed::SPEC } else { &managed::STATUS })
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        vec![cells::name(object), text(object, &["status", "phase"]).into(), cells::age(object, now)]
    }
}
