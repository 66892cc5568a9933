//! Query parameters of the verbs, as the OpenAPI documents describe them.

/// A query parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// `string`, `integer` or `boolean`.
    pub kind: &'static str,
    /// What it does.
    pub description: &'static str,
}

const fn parameter(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind, description }
}

/// Indented output.
pub const PRETTY: Parameter = parameter(
    "pretty",
    "string",
    "If 'true', JSON is indented. Defaults to 'false' unless the user agent is a browser or a command-line HTTP client.",
);

const DRY_RUN: Parameter = parameter(
    "dryRun",
    "string",
    "'All' runs every stage of the request but stores nothing. Any other value is an error.",
);
const FIELD_MANAGER: Parameter = parameter(
    "fieldManager",
    "string",
    "Who makes the change, for managedFields: at most 128 printable characters. Required for apply patches.",
);
const FIELD_VALIDATION: Parameter = parameter(
    "fieldValidation",
    "string",
    "What happens to unknown and duplicate fields: 'Ignore' drops them, 'Warn' (the default) drops them and answers \
     with a warning for each, 'Strict' refuses the request.",
);
const FORCE: Parameter = parameter(
    "force",
    "boolean",
    "Apply patches only: take over fields that other managers own instead of answering with a conflict.",
);
const GRACE_PERIOD: Parameter = parameter(
    "gracePeriodSeconds",
    "integer",
    "Seconds before the object is deleted; 0 deletes immediately. Without it the kind's default counts.",
);
const ORPHAN_DEPENDENTS: Parameter = parameter(
    "orphanDependents",
    "boolean",
    "Deprecated in favour of propagationPolicy: whether dependent objects stay behind without their owner.",
);
const PROPAGATION_POLICY: Parameter = parameter(
    "propagationPolicy",
    "string",
    "What happens to dependent objects: 'Orphan' keeps them, 'Background' deletes them afterwards, 'Foreground' \
     deletes them first.",
);
const BOOKMARKS: Parameter = parameter(
    "allowWatchBookmarks",
    "boolean",
    "Watches only: also send BOOKMARK events, which carry nothing but a resourceVersion to resume from.",
);
const CONTINUE: Parameter = parameter(
    "continue",
    "string",
    "Goes on with a list where the answer that carried this token ended. All other parameters have to stay the same; \
     a token that is too old is answered with 410.",
);
const FIELD_SELECTOR: Parameter =
    parameter("fieldSelector", "string", "Restricts the objects by their fields. Defaults to everything.");
const LABEL_SELECTOR: Parameter =
    parameter("labelSelector", "string", "Restricts the objects by their labels. Defaults to everything.");
const LIMIT: Parameter = parameter(
    "limit",
    "integer",
    "The most objects that one answer to a list holds. Where there are more, the answer carries a token for \
     'continue', and all answers together show one moment.",
);
const RESOURCE_VERSION: Parameter = parameter(
    "resourceVersion",
    "string",
    "Which state is read: none is the newest, '0' any, anything else depends on resourceVersionMatch. A watch starts \
     after it.",
);
const RESOURCE_VERSION_MATCH: Parameter =
    parameter("resourceVersionMatch", "string", "How resourceVersion applies to a list: 'Exact' or 'NotOlderThan'.");
const INITIAL_EVENTS: Parameter = parameter(
    "sendInitialEvents",
    "boolean",
    "Watches only: begin with an ADDED event for each object there is, then a bookmark annotated \
     k8s.io/initial-events-end. Needs resourceVersionMatch=NotOlderThan.",
);
const TIMEOUT: Parameter =
    parameter("timeoutSeconds", "integer", "Ends the list or the watch after this many seconds.");
const WATCH: Parameter = parameter(
    "watch",
    "boolean",
    "Answer with a stream of changes instead of a list. Start it at the list's resourceVersion.",
);

/// Parameters of lists and watches.
pub const LIST: &[&Parameter] = &[
    &BOOKMARKS,
    &CONTINUE,
    &FIELD_SELECTOR,
    &LABEL_SELECTOR,
    &LIMIT,
    &RESOURCE_VERSION,
    &RESOURCE_VERSION_MATCH,
    &INITIAL_EVENTS,
    &TIMEOUT,
    &WATCH,
];

/// Parameters of deletions of collections.
pub const DELETE_COLLECTION: &[&Parameter] = &[
    &CONTINUE,
    &DRY_RUN,
    &FIELD_SELECTOR,
    &GRACE_PERIOD,
    &LABEL_SELECTOR,
    &LIMIT,
    &ORPHAN_DEPENDENTS,
    &PROPAGATION_POLICY,
    &RESOURCE_VERSION,
    &RESOURCE_VERSION_MATCH,
    &INITIAL_EVENTS,
    &TIMEOUT,
];

/// Parameters of creations and replacements. Clients look for `fieldValidation` before they leave validation to the
/// server.
pub const WRITE: &[&Parameter] = &[&DRY_RUN, &FIELD_MANAGER, &FIELD_VALIDATION];

/// Parameters of patches.
pub const PATCH: &[&Parameter] = &[&DRY_RUN, &FIELD_MANAGER, &FIELD_VALIDATION, &FORCE];

/// Parameters of deletions.
pub const DELETE: &[&Parameter] = &[&DRY_RUN, &GRACE_PERIOD, &ORPHAN_DEPENDENTS, &PROPAGATION_POLICY];
