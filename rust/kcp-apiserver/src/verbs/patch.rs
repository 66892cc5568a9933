//! patch: JSON patch, merge patch and, for kinds that have merge keys, strategic merge patch.

use crate::chain::StepResult;
use crate::exchange::Exchange;
use crate::managed::{self, Author};
use crate::negotiate::{self, PatchType};
use crate::server::ApiServer;
use crate::verbs::options::{FieldValidation, WriteOptions};
use crate::verbs::target::Target;
use crate::verbs::update::{self, part};
use crate::verbs::write::{self, ATTEMPTS, Lost, Owners, Replacement};
use crate::verbs::{apply, create, get, header, input, output};
use http::StatusCode;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::patch::{JsonPatch, MergePatch, StrategicPatch};
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{GroupKind, strict, text};
use serde_json::{Map, Value};

/// A patch as it came.
pub enum Patch {
    /// RFC 6902.
    Json(JsonPatch),
    /// RFC 7386.
    Merge(MergePatch),
    /// Kubernetes' own.
    Strategic(StrategicPatch),
}

impl Patch {
    /// The request's kind of patch.
    ///
    /// # Errors
    /// 415 for types the resource does not take.
    pub fn kind(exchange: &Exchange, target: &Target) -> Result<PatchType, Status> {
        let offered: &[PatchType] = match target.served.strategy.strategic() {
            Some(_) => &[PatchType::Json, PatchType::Merge, PatchType::Strategic, PatchType::Apply],
            None => &[PatchType::Json, PatchType::Merge, PatchType::Apply],
        };
        negotiate::patch_type(exchange.headers(), offered)
    }

    /// Decodes a patch of that kind, which is not an apply.
    ///
    /// # Errors
    /// 400 for bodies that are no patch.
    pub fn decode(body: &[u8], kind: PatchType, validation: FieldValidation) -> Result<Self, Status> {
        match kind {
            PatchType::Json if validation == FieldValidation::Ignore => JsonPatch::parse_ignoring(body).map(Self::Json),
            PatchType::Json => JsonPatch::parse(body).map(Self::Json),
            PatchType::Merge => MergePatch::parse(body).map(Self::Merge),
            PatchType::Strategic | PatchType::Apply => StrategicPatch::parse(body).map(Self::Strategic),
        }
    }

    /// The patched document.
    pub fn apply(&self, document: &Value, target: &Target) -> Result<Value, Status> {
        let mut document = document.clone();
        match self {
            Self::Json(patch) => patch.apply(&mut document)?,
            Self::Merge(patch) => patch.apply(&mut document)?,
            Self::Strategic(patch) => match target.served.strategy.strategic() {
                Some(schema) => patch.apply(&mut document, schema)?,
                None => return Err(Status::unsupported_media_type(&[PatchType::Merge.content_type()])),
            },
        }
        Ok(document)
    }

    /// What messages show of it: a strategic patch itself, of others the document it makes.
    pub(super) fn shown(&self, patched: &Value) -> String {
        match self {
            Self::Strategic(patch) => text::go_map(patch.fields()),
            Self::Json(_) | Self::Merge(_) => patched.to_string(),
        }
    }

    /// What strict decoding says of the patch itself.
    pub(super) fn complaints(&self) -> &[String] {
        match self {
            Self::Json(patch) => patch.warnings(),
            Self::Merge(patch) => patch.warnings(),
            Self::Strategic(patch) => patch.warnings(),
        }
    }

    /// Whether it matters to the patch what the document's entries of managed fields are.
    fn concerns_entries(&self) -> bool {
        let given = |patch: &Map<String, Value>| match patch.get("metadata") {
            Some(Value::Object(meta)) => meta.contains_key("managedFields") || meta.contains_key("$patch"),
            Some(_) => true,
            None => patch.contains_key("$patch"),
        };
        match self {
            Self::Json(patch) => patch.concerns("/metadata/managedFields"),
            Self::Merge(patch) => given(patch.fields()),
            Self::Strategic(patch) => given(patch.fields()),
        }
    }

    /// Whether the patch itself names a resourceVersion: then a lost race is a conflict at once.
    fn is_conditional(&self) -> bool {
        let given = |patch: &Map<String, Value>| {
            let version = patch.get("metadata").and_then(|meta| meta.get("resourceVersion"));
            version.and_then(Value::as_str).is_some_and(|text| !text.is_empty())
        };
        match self {
            Self::Json(patch) => patch.touches("/metadata/resourceVersion"),
            Self::Merge(patch) => given(patch.fields()),
            Self::Strategic(patch) => given(patch.fields()),
        }
    }
}

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let kind = Patch::kind(exchange, target)?;
    let options = WriteOptions::parse_patch(exchange.query(), kind == PatchType::Apply)?;
    let part = part(exchange)?;
    if kind == PatchType::Apply {
        return apply::serve(server, exchange, target, &negotiated, &options, part).await;
    }
    let body = input::read(exchange).await?;
    let patch = match Patch::decode(&body, kind, options.field_validation) {
        Ok(patch) => patch,
        Err(status) => {
            // What is JSON, and no patch, is looked at once there is something to patch.
            if strict::is_well_formed(&body) {
                get::read(server, target).await?;
            }
            return Err(status);
        }
    };
    let author = Author::of(server, exchange, &options.manager, part);
    let served = &target.served;
    for attempt in 0..ATTEMPTS {
        let item = get::read(server, target).await?;
        let mut old =
            if patch.concerns_entries() { output::object(served, &item)? } else { output::lean(served, &item)? };
        let mut new = patch.apply(&old, target)?;
        managed::take(&mut old);
        let patched = new.clone();
        if served.is_typed() {
            managed::keep_reset(&mut new);
        }
        if let Some(status) = header::patched_mismatch(&new, served) {
            return Err(status);
        }
        header::check(&mut new, served, b"", FieldValidation::Strict)
            .map_err(|status| undecodable(&patched.to_string(), &plain(&status.message, &patched)))?;
        let shown = || patch.shown(&patched);
        let unknown = served.strategy.decode(&mut new).map_err(|error| undecodable(&shown(), &error))?;
        if attempt == 0 {
            let mut complaints = patch.complaints().to_vec();
            complaints.extend(unknown);
            input::settle(exchange, served, options.field_validation, complaints.clone())
                .map_err(|_| undecodable(&shown(), &strict::strict_error(&complaints)))?;
        }
        // A patch that takes the revision away makes an update without one of it.
        update::named(&mut new, target)?;
        served.strategy.permit(server, exchange, &new, Some(&old)).await?;
        update::check_revision(target, &new, &item)?;
        let replacement =
            Replacement { item: &item, old, new, part, dry_run: options.dry_run, owners: Owners::Author(&author) };
        match write::replace(server, exchange, target, replacement).await {
            Ok(written) => return create::respond(server, exchange, &negotiated, target, written, StatusCode::OK),
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) if patch.is_conditional() => break,
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

/// What is wrong with a patched document's header, without the words that a body of a request gets around it.
fn plain(message: &str, patched: &Value) -> String {
    if message.contains("Object 'Kind' is missing") {
        return format!("Object 'Kind' is missing in '{patched}'");
    }
    message
        .split_once(" cannot be handled as a ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(message, |(_, why)| why)
        .to_owned()
}

/// A patch whose result is not what the endpoint takes.
pub(super) fn undecodable(shown: &str, error: &str) -> Status {
    let errors = ErrorList::from(Error::invalid(&Path::root("patch"), shown, error));
    Status::invalid(&GroupKind::new("", ""), "", &errors)
}
