//! Options of writes, lists and deletes, from the query or a `DeleteOptions` body.

use crate::request_info::{truthy, value, values};
use crate::verbs::input::go_type;
use kcp_apimachinery::GroupKind;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::meta;
use kcp_apimachinery::status::Status;
use serde_json::{Map, Value};

/// How unknown and duplicate fields of a body are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped without a word.
    Ignore,
    /// Dropped with a warning each.
    Warn,
    /// Refused.
    Strict,
}

/// Options of a create, update or patch.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Do everything but store.
    pub dry_run: bool,
    /// What happens to unknown fields.
    pub field_validation: FieldValidation,
    /// Who makes the change; empty when the request does not say.
    pub manager: String,
    /// Applies: take over what others own.
    pub force: bool,
}

/// What kind of write options are for, beyond its verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Patch,
    Apply,
}

impl WriteOptions {
    /// Reads the options of `verb` (`Create`, `Update`) from a query.
    pub fn parse(query: &str, verb: &str) -> Result<Self, Status> {
        Self::read(query, verb, Kind::Write)
    }

    /// Reads the options of a patch, or of an apply.
    pub fn parse_patch(query: &str, applies: bool) -> Result<Self, Status> {
        Self::read(query, "Patch", if applies { Kind::Apply } else { Kind::Patch })
    }

    fn read(query: &str, verb: &str, kind: Kind) -> Result<Self, Status> {
        let mut errors = ErrorList::default();
        let dry_run = dry_run(&values(query, "dryRun").collect::<Vec<_>>(), &mut errors);
        let manager = value(query, "fieldManager").unwrap_or_default();
        let force = value(query, "force");
        match kind {
            Kind::Apply if manager.is_empty() => {
                errors.push(Error::required(&Path::root("fieldManager"), "is required for apply patch"));
            }
            Kind::Patch if force.is_some() => {
                let text = "may not be specified for non-apply patch";
                errors.push(Error::forbidden(&Path::root("force"), text));
            }
            _ => {}
        }
        errors.extend(meta::validate_field_manager(&manager, &Path::root("fieldManager")));
        let mode = value(query, "fieldValidation").unwrap_or_default();
        let field_validation = match mode.as_str() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                errors.push(Error::not_supported(&Path::root("fieldValidation"), other, &supported));
                FieldValidation::Warn
            }
        };
        refuse(&format!("{verb}Options"), errors)?;
        Ok(Self { dry_run, field_validation, manager, force: force.is_some() && truthy(query, "force") })
    }
}

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They go after their owner.
    Background,
    /// They go before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// The option that lets go of what cannot be read.
pub const UNSAFE: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";

/// Options of a delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Do everything but store.
    pub dry_run: bool,
    /// The uid the object must have.
    pub uid: Option<String>,
    /// The resourceVersion it must have.
    pub resource_version: Option<String>,
    /// What becomes of its dependents; `None`: the kind's default.
    pub propagation: Option<Propagation>,
    /// Whether 202 tells that the object is still there: `orphanDependents=false` was asked for.
    pub accepts_later: bool,
    /// Whether only what cannot be read is to go.
    pub only_unreadable: bool,
    /// Whether the object goes as one of a collection.
    pub of_collection: bool,
}

impl DeleteOptions {
    /// Reads the options from a body, or from the query where there is none.
    pub fn parse(query: &str, body: Option<&Value>) -> Result<Self, Status> {
        let mut errors = ErrorList::default();
        let only_unreadable = match body {
            Some(body) => body.get(UNSAFE) == Some(&Value::Bool(true)),
            None => truthy(query, UNSAFE),
        };
        let mut options = Self { only_unreadable, ..Self::default() };
        let (dry, policy, orphan) = match body {
            Some(body) => {
                // `null` says nothing, and still stands before the query.
                let body = if body.is_null() { &Value::Object(Map::new()) } else { body };
                check_header(body)?;
                check_types(body)?;
                let text = |value: &Value| value.as_str().map(str::to_owned);
                if let Some(preconditions) = body.get("preconditions") {
                    options.uid = preconditions.get("uid").and_then(text);
                    options.resource_version = preconditions.get("resourceVersion").and_then(text);
                }
                let dry = body.get("dryRun").and_then(Value::as_array).cloned().unwrap_or_default();
                (
                    dry.iter().filter_map(text).collect::<Vec<_>>(),
                    body.get("propagationPolicy").and_then(text),
                    body.get("orphanDependents").and_then(Value::as_bool),
                )
            }
            None if value(query, "gracePeriodSeconds").is_some_and(|text| text.parse::<i64>().is_err()) => {
                return Err(not_a_number(&value(query, "gracePeriodSeconds").unwrap_or_default()));
            }
            None => (
                values(query, "dryRun").collect(),
                value(query, "propagationPolicy"),
                value(query, "orphanDependents").map(|_| truthy(query, "orphanDependents")),
            ),
        };
        options.dry_run = dry_run(&dry, &mut errors);
        if policy.is_some() && orphan.is_some() {
            let text = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(Error::invalid(&Path::root("propagationPolicy"), policy.as_deref().unwrap_or_default(), text));
        }
        options.accepts_later = orphan == Some(false);
        options.propagation = match policy.as_deref() {
            None => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(Error::not_supported(&Path::root("propagationPolicy"), other, &supported));
                None
            }
        };
        refuse("DeleteOptions", errors)?;
        Ok(options)
    }
}

/// What a list or watch asks for besides its selectors.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// The `resourceVersion` parameter; empty when absent.
    pub resource_version: String,
    /// The `resourceVersionMatch` parameter; empty when absent.
    pub version_match: String,
    /// Page size; 0 when absent.
    pub limit: usize,
    /// Continue token; empty when absent.
    pub continue_token: String,
    /// Seconds a watch is kept open; `None`: the server's choice.
    pub timeout_seconds: Option<u64>,
    /// Whether bookmarks are wanted.
    pub bookmarks: bool,
    /// Whether a watch begins with the current objects and an end mark.
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads and checks the options.
    pub fn parse(query: &str, watching: bool) -> Result<Self, Status> {
        let number = |name: &str| -> Result<u64, Status> {
            let text = value(query, name).filter(|text| !text.is_empty()).unwrap_or_else(|| "0".to_owned());
            // What is below zero asks for nothing.
            text.parse::<i64>().map(|number| u64::try_from(number).unwrap_or_default()).map_err(|_| not_a_number(&text))
        };
        let options = Self {
            resource_version: value(query, "resourceVersion").unwrap_or_default(),
            version_match: value(query, "resourceVersionMatch").unwrap_or_default(),
            limit: usize::try_from(number("limit")?).unwrap_or(usize::MAX),
            continue_token: value(query, "continue").unwrap_or_default(),
            timeout_seconds: Some(number("timeoutSeconds")?).filter(|seconds| *seconds > 0),
            bookmarks: truthy(query, "allowWatchBookmarks"),
            send_initial_events: value(query, "sendInitialEvents").map(|_| truthy(query, "sendInitialEvents")),
        };
        refuse("ListOptions", if watching { options.check_watch() } else { options.check_list() })?;
        Ok(options)
    }

    /// The `resourceVersion` as a number; `None` when absent.
    pub fn revision(&self) -> Result<Option<u64>, Status> {
        parse_revision(&self.resource_version)
    }

    /// The same for a list, which refuses what is no number in its own words.
    pub fn list_revision(&self) -> Result<Option<u64>, Status> {
        self.revision().map_err(|status| Status::bad_request(format!("invalid resource version: {}", status.message)))
    }

    fn check_list(&self) -> ErrorList {
        let mut errors = ErrorList::default();
        let path = Path::root("resourceVersionMatch");
        if !self.version_match.is_empty() {
            if self.resource_version.is_empty() {
                let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                errors.push(Error::forbidden(&path, text));
            }
            if !self.continue_token.is_empty() {
                errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
            }
            match self.version_match.as_str() {
                "Exact" if self.resource_version == "0" => {
                    let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                    errors.push(Error::forbidden(&path, text));
                }
                "Exact" | "NotOlderThan" => {}
                other => errors.push(Error::not_supported(&path, other, &["Exact", "NotOlderThan", ""])),
            }
        }
        if self.send_initial_events.is_some() {
            let text = "sendInitialEvents is forbidden for list";
            errors.push(Error::forbidden(&Path::root("sendInitialEvents"), text));
        }
        errors
    }

    fn check_watch(&self) -> ErrorList {
        let mut errors = ErrorList::default();
        let path = Path::root("resourceVersionMatch");
        if self.send_initial_events.is_some() {
            if self.version_match != "NotOlderThan" {
                let text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                errors.push(Error::forbidden(&path, text));
            }
            if !matches!(self.version_match.as_str(), "" | "NotOlderThan") {
                errors.push(Error::not_supported(&path, self.version_match.as_str(), &["NotOlderThan"]));
            }
        } else if !self.version_match.is_empty() {
            let text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(Error::forbidden(&path, text));
        }
        // A watch of the newest state sends initial events, and so counts as if it had said so.
        let newest = self.send_initial_events.is_none() && matches!(self.resource_version.as_str(), "" | "0");
        if !self.continue_token.is_empty() && newest && self.version_match.is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        errors
    }
}

/// A `resourceVersion` as a number; `None` when it is empty.
///
/// # Errors
/// A 500 without a reason: so do reads of one object and watches answer. Lists have words of their own.
pub fn parse_revision(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Status::generic(500, format!("resourceVersion: {}", not_a_revision(text))))
}

fn not_a_revision(text: &str) -> String {
    format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
}

fn not_a_number(text: &str) -> Status {
    Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
}

/// Checks the `timeout` parameter of a request that is not a watch.
pub fn check_timeout(query: &str) -> Result<(), Status> {
    let Some(text) = value(query, "timeout") else { return Ok(()) };
    duration_problem(&text).map_or(Ok(()), |problem| {
        Err(Status::bad_request(format!("invalid timeout specified in the request URL - time: {problem} {text:?}")))
    })
}

/// What keeps a text from being a duration as Go writes them: `0`, or numbers with units such as `1m30s`.
fn duration_problem(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return None;
    }
    let invalid = || Some("invalid duration".to_owned());
    if rest.is_empty() {
        return invalid();
    }
    while !rest.is_empty() {
        let in_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, tail) = rest.split_at(rest.len() - rest.trim_start_matches(in_number).len());
        if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.matches('.').count() > 1 {
            return invalid();
        }
        let (unit, tail) = tail.split_at(tail.find(in_number).unwrap_or(tail.len()));
        match unit {
            "" => return Some("missing unit in duration".to_owned()),
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" => rest = tail,
            _ => return Some(format!("unknown unit {unit:?} in duration")),
        }
    }
    None
}

fn dry_run(values: &[String], errors: &mut ErrorList) -> bool {
    if values.iter().any(|value| value != "All") {
        errors.push(Error::not_supported(&Path::root("dryRun"), Value::from(values.to_vec()), &["All"]));
    }
    values.iter().any(|value| value == "All")
}

fn refuse(kind: &str, errors: ErrorList) -> Result<(), Status> {
    errors.into_result().map_err(|errors| Status::invalid(&GroupKind::new("meta.k8s.io", kind), "", &errors))
}

fn check_header(body: &Value) -> Result<(), Status> {
    let kind = body.get("kind").and_then(Value::as_str).unwrap_or("DeleteOptions");
    if kind == "DeleteOptions" {
        return Ok(());
    }
    let version = body.get("apiVersion").and_then(Value::as_str).unwrap_or("v1");
    Err(Status::bad_request(format!(
        "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
    )))
}

/// Whether a value has a field's type.
type Fits = fn(&Value) -> bool;

/// The fields of `DeleteOptions`: where, the type that messages name, what fits.
const DELETE_FIELDS: &[(&str, &str, Fits)] = &[
    ("gracePeriodSeconds", "int64", Value::is_i64),
    ("preconditions", "v1.Preconditions", Value::is_object),
    ("preconditions/uid", "types.UID", Value::is_string),
    ("preconditions/resourceVersion", "string", Value::is_string),
    ("orphanDependents", "bool", Value::is_boolean),
    (UNSAFE, "bool", Value::is_boolean),
    ("propagationPolicy", "v1.DeletionPropagation", Value::is_string),
    ("dryRun", "[]string", |value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string))),
];

/// Refuses fields of a wrong type: a mistyped precondition or dry run must not become a plain delete.
fn check_types(body: &Value) -> Result<(), Status> {
    let refuse = |value: &Value, into: String| {
        let given = match value {
            Value::Number(number) if into.ends_with("int64") => format!("number {number}"),
            other => go_type(other).to_owned(),
        };
        Err(Status::bad_request(format!("json: cannot unmarshal {given} into Go {into}")))
    };
    if !body.is_object() {
        let given = go_type(body);
        return Err(Status::bad_request(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {given} into Go value of type struct \
             {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
             \"json:\\\"kind,omitempty\\\"\" }}"
        )));
    }
    for (path, go, fits) in DELETE_FIELDS {
        let value = body.pointer(&format!("/{path}")).filter(|value| !value.is_null());
        if let Some(value) = value.filter(|value| !fits(value)) {
            return refuse(value, format!("struct field DeleteOptions.{} of type {go}", path.replace('/', ".")));
        }
    }
    Ok(())
}
