//! patch: JSON patch, merge patch and, for kinds that have merge keys, strategic merge patch.

use crate::chain::StepResult;
use crate::exchange::Exchange;
use crate::negotiate;
use crate::server::ApiServer;
use crate::verbs::options::{FieldValidation, WriteOptions};
use crate::verbs::target::Target;
use crate::verbs::update::{self, part};
use crate::verbs::write::{ATTEMPTS, Lost};
use crate::verbs::{create, get, input, output};
use http::StatusCode;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::patch;
use kcp_apimachinery::status::Status;
use serde_json::Value;

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A patch as it came.
pub enum Patch {
    /// RFC 6902.
    Json(Vec<u8>),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own.
    Strategic(Value),
}

impl Patch {
    /// Reads a patch of the request's media type.
    ///
    /// # Errors
    /// 415 for types the resource does not take, 400 for bodies that are no patch.
    pub async fn read(exchange: &mut Exchange, target: &Target) -> Result<Self, Status> {
        let media = input::media_type(exchange);
        let strategic = target.served.strategy.strategic().is_some();
        let known = matches!(media.as_str(), JSON_PATCH | MERGE_PATCH) || (media == STRATEGIC && strategic);
        if !known {
            let mut types = vec![JSON_PATCH, MERGE_PATCH];
            if strategic {
                types.push(STRATEGIC);
            }
            return Err(Status::unsupported_media_type(&types));
        }
        let body = input::read(exchange).await?;
        if media == JSON_PATCH {
            return Ok(Self::Json(body.to_vec()));
        }
        let patch = input::decode_json(&body)?.object;
        if !patch.is_object() {
            return Err(Status::bad_request(format!(
                "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                input::go_type(&patch)
            )));
        }
        Ok(if media == MERGE_PATCH { Self::Merge(patch) } else { Self::Strategic(patch) })
    }

    /// The patched document.
    pub fn apply(&self, document: &Value, target: &Target) -> Result<Value, Status> {
        match self {
            Self::Json(operations) => patch::json(document, operations),
            Self::Merge(merge) => {
                let mut document = document.clone();
                patch::merge(&mut document, merge);
                Ok(document)
            }
            Self::Strategic(merge) => match target.served.strategy.strategic() {
                Some(schema) => patch::strategic(document, merge, schema),
                None => Err(Status::unsupported_media_type(&[JSON_PATCH, MERGE_PATCH])),
            },
        }
    }

    /// The patch as text, for messages.
    fn text(&self) -> String {
        match self {
            Self::Json(operations) => String::from_utf8_lossy(operations).into_owned(),
            Self::Merge(merge) | Self::Strategic(merge) => merge.to_string(),
        }
    }

    /// Whether the patch itself names a resourceVersion: then a lost race is a conflict at once.
    fn is_conditional(&self) -> bool {
        let given = |patch: &Value| patch["metadata"]["resourceVersion"].as_str().is_some_and(|text| !text.is_empty());
        match self {
            Self::Json(_) => false,
            Self::Merge(patch) | Self::Strategic(patch) => given(patch),
        }
    }
}

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let user_agent = create::user_agent(exchange);
    let options = WriteOptions::parse(exchange.query(), "Patch", &user_agent)?;
    if crate::request_info::truthy(exchange.query(), "force") {
        let mut errors = ErrorList::default();
        errors.push(Error::forbidden(&Path::root("force"), "may not be specified for non-apply patch"));
        let kind = kcp_apimachinery::GroupKind::new("meta.k8s.io", "PatchOptions");
        return Err(Status::invalid(&kind, "", &errors));
    }
    let part = part(exchange)?;
    let patch = Patch::read(exchange, target).await?;
    let served = &target.served;
    for attempt in 0..ATTEMPTS {
        let item = get::read(server, target).await?;
        let old = output::object(served, &item)?;
        let mut new = patch.apply(&old, target)?;
        input::check_header(&mut new, served, patch.text().as_bytes())?;
        let complaints = served.strategy.decode(&mut new).map_err(|error| undecodable(target, &patch, &error))?;
        let complaints = match &patch {
            Patch::Json(_) => complaints.into_iter().map(|text| format!("json patch {text}")).collect(),
            _ => complaints,
        };
        if attempt == 0 {
            settle(exchange, target, options.field_validation, complaints)?;
        }
        if new["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty) {
            new["metadata"]["resourceVersion"] = Value::String(item.revision.to_string());
        }
        update::named(&mut new, target)?;
        update::check_preconditions(target, &new, &old, &item)?;
        match update::apply(server, exchange, target, &item, &old, new, part, options.dry_run).await {
            Ok(written) => return create::respond(server, exchange, &negotiated, target, written, StatusCode::OK),
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) if patch.is_conditional() => break,
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

fn settle(
    exchange: &mut Exchange,
    target: &Target,
    validation: FieldValidation,
    complaints: Vec<String>,
) -> Result<(), Status> {
    if validation == FieldValidation::Strict && !complaints.is_empty() {
        let text = format!("strict decoding error: {}", complaints.join(", "));
        let mut errors = ErrorList::default();
        errors.push(Error::invalid(&Path::root("patch"), "", text.as_str()));
        return Err(Status::bad_request(text));
    }
    input::settle(exchange, &target.served, validation, complaints)
}

fn undecodable(target: &Target, patch: &Patch, error: &str) -> Status {
    let mut errors = ErrorList::default();
    errors.push(Error::invalid(&Path::root("patch"), patch.text().as_str(), error));
    Status::invalid(&target.kind(), &target.name, &errors)
}
