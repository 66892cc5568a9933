//! What the Go types of the built-in kinds are, where their OpenAPI definitions do not say.

/// Fields that are pointers: an empty value in them is a value, not an absence.
const POINTERS: &[(&str, &[&str])] = &[
    ("ConfigMap", &["immutable"]),
    ("CustomResourceDefinitionVersion", &["deprecationWarning"]),
    ("CustomResourceSubresourceScale", &["labelSelectorPath"]),
    (
        "JSONSchemaProps",
        &[
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minItems",
            "minLength",
            "minProperties",
            "minimum",
            "multipleOf",
            "x-kubernetes-list-type",
            "x-kubernetes-map-type",
            "x-kubernetes-preserve-unknown-fields",
        ],
    ),
    ("LeaseSpec", &["holderIdentity", "leaseDurationSeconds", "leaseTransitions", "preferredHolder", "strategy"]),
    ("ObjectMeta", &["deletionGracePeriodSeconds"]),
    ("OwnerReference", &["blockOwnerDeletion", "controller"]),
    ("Secret", &["immutable"]),
    ("ServiceAccount", &["automountServiceAccountToken"]),
    ("ServiceReference", &["path", "port"]),
    ("TokenRequestSpec", &["expirationSeconds"]),
    ("ValidationRule", &["optionalOldSelf", "reason"]),
    ("WebhookClientConfig", &["url"]),
];

/// Fields that are structures held by value although they are optional: Go's encoder always prints them, a time that
/// is not set as `null`. The definition's required fields come on top of these.
const ALWAYS: &[(&str, &[&str])] = &[
    ("CustomResourceDefinitionCondition", &["lastTransitionTime"]),
    ("Lease", &["spec"]),
    ("Namespace", &["spec", "status"]),
    ("NamespaceCondition", &["lastTransitionTime"]),
    ("Role", &["rules"]),
    ("ClusterRole", &["rules"]),
];

/// The same for types whose names occur in two groups.
const ALWAYS_BY_DEFINITION: &[(&str, &[&str])] = &[
    (
        "io.k8s.api.core.v1.Event",
        &[
            "eventTime",
            "firstTimestamp",
            "involvedObject",
            "lastTimestamp",
            "reportingComponent",
            "reportingInstance",
            "source",
        ],
    ),
    ("io.k8s.api.core.v1.EventSeries", &["lastObservedTime"]),
    (
        "io.k8s.api.events.v1.Event",
        &["deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedSource", "eventTime", "regarding"],
    ),
];

/// Named types; a list's name is its items'.
const NAMED: &[(&str, &str, &str)] = &[
    ("CustomResourceConversion", "strategy", "v1.ConversionStrategyType"),
    ("CustomResourceDefinitionCondition", "status", "v1.ConditionStatus"),
    ("CustomResourceDefinitionCondition", "type", "v1.CustomResourceDefinitionConditionType"),
    ("CustomResourceDefinitionSpec", "scope", "v1.ResourceScope"),
    ("LeaseSpec", "strategy", "v1.CoordinatedLeaseStrategy"),
    ("ManagedFieldsEntry", "operation", "v1.ManagedFieldsOperationType"),
    ("NamespaceCondition", "status", "v1.ConditionStatus"),
    ("NamespaceCondition", "type", "v1.NamespaceConditionType"),
    ("NamespaceSpec", "finalizers", "v1.FinalizerName"),
    ("NamespaceStatus", "phase", "v1.NamespacePhase"),
    ("ObjectMeta", "uid", "types.UID"),
    ("ObjectReference", "uid", "types.UID"),
    ("OwnerReference", "uid", "types.UID"),
    ("Secret", "type", "v1.SecretType"),
];

/// Whether an empty value of the field is kept.
pub fn is_pointer(structure: &str, field: &str) -> bool {
    POINTERS.iter().any(|(name, fields)| *name == structure && fields.contains(&field))
}

/// Optional fields that are always printed.
pub fn always(definition: &str, structure: &str) -> impl Iterator<Item = &'static str> {
    let by_name = ALWAYS.iter().filter(move |(name, _)| *name == structure);
    let by_definition = ALWAYS_BY_DEFINITION.iter().filter(move |(name, _)| *name == definition);
    by_name.chain(by_definition).flat_map(|(_, fields)| fields.iter().copied())
}

/// The name of the field's type, where it has one of its own.
pub fn named(structure: &str, field: &str) -> Option<&'static str> {
    NAMED.iter().find(|(name, of, _)| *name == structure && *of == field).map(|(_, _, go)| *go)
}
