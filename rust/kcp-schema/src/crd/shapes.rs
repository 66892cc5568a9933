//! The fields of a CustomResourceDefinition, as data for typed decoding.

use crate::object_meta::OBJECT_META;
use crate::shape::Print::{Always, IfGiven, UnlessEmpty};
use crate::shape::Shape::{
    Any, Bool, BoolOr, Bytes, Float, Int32, Int64, List, ListOr, Map, Struct as Of, Text, TextsOr, Time,
};
use crate::shape::{Field, Struct};

const TEXTS: crate::shape::Shape = List(&Text, "[]string");

pub(super) static CRD: Struct = Struct {
    name: "CustomResourceDefinition",
    full: "v1.CustomResourceDefinition",
    fields: &[
        Field::new("apiVersion", Text, UnlessEmpty),
        Field::new("kind", Text, UnlessEmpty),
        Field::new("metadata", Of(&OBJECT_META), IfGiven),
        Field::new("spec", Of(&SPEC), Always),
        Field::new("status", Of(&STATUS), Always),
    ],
};

static SPEC: Struct = Struct {
    name: "CustomResourceDefinitionSpec",
    full: "v1.CustomResourceDefinitionSpec",
    fields: &[
        Field::new("group", Text, Always),
        Field::new("names", Of(&NAMES), Always),
        Field::new("scope", Text, Always),
        Field::new("versions", List(&Of(&VERSION), "[]v1.CustomResourceDefinitionVersion"), Always),
        Field::new("conversion", Of(&CONVERSION), IfGiven),
        Field::new("preserveUnknownFields", Bool, UnlessEmpty),
    ],
};

static NAMES: Struct = Struct {
    name: "CustomResourceDefinitionNames",
    full: "v1.CustomResourceDefinitionNames",
    fields: &[
        Field::new("plural", Text, Always),
        Field::new("singular", Text, UnlessEmpty),
        Field::new("shortNames", TEXTS, UnlessEmpty),
        Field::new("kind", Text, Always),
        Field::new("listKind", Text, UnlessEmpty),
        Field::new("categories", TEXTS, UnlessEmpty),
    ],
};

static VERSION: Struct = Struct {
    name: "CustomResourceDefinitionVersion",
    full: "v1.CustomResourceDefinitionVersion",
    fields: &[
        Field::new("name", Text, Always),
        Field::new("served", Bool, Always),
        Field::new("storage", Bool, Always),
        Field::new("deprecated", Bool, UnlessEmpty),
        Field::new("deprecationWarning", Text, IfGiven),
        Field::new("schema", Of(&VALIDATION), IfGiven),
        Field::new("subresources", Of(&SUBRESOURCES), IfGiven),
        Field::new("additionalPrinterColumns", List(&Of(&COLUMN), "[]v1.CustomResourceColumnDefinition"), UnlessEmpty),
        Field::new("selectableFields", List(&Of(&SELECTABLE_FIELD), "[]v1.SelectableField"), UnlessEmpty),
    ],
};

static VALIDATION: Struct = Struct {
    name: "CustomResourceValidation",
    full: "v1.CustomResourceValidation",
    fields: &[Field::new("openAPIV3Schema", Of(&SCHEMA), IfGiven)],
};

static SUBRESOURCES: Struct = Struct {
    name: "CustomResourceSubresources",
    full: "v1.CustomResourceSubresources",
    fields: &[Field::new("status", Of(&SUBRESOURCE_STATUS), IfGiven), Field::new("scale", Of(&SCALE), IfGiven)],
};

static SUBRESOURCE_STATUS: Struct =
    Struct { name: "CustomResourceSubresourceStatus", full: "v1.CustomResourceSubresourceStatus", fields: &[] };

static SCALE: Struct = Struct {
    name: "CustomResourceSubresourceScale",
    full: "v1.CustomResourceSubresourceScale",
    fields: &[
        Field::new("specReplicasPath", Text, Always),
        Field::new("statusReplicasPath", Text, Always),
        Field::new("labelSelectorPath", Text, IfGiven),
    ],
};

static COLUMN: Struct = Struct {
    name: "CustomResourceColumnDefinition",
    full: "v1.CustomResourceColumnDefinition",
    fields: &[
        Field::new("name", Text, Always),
        Field::new("type", Text, Always),
        Field::new("format", Text, UnlessEmpty),
        Field::new("description", Text, UnlessEmpty),
        Field::new("priority", Int32, UnlessEmpty),
        Field::new("jsonPath", Text, Always),
    ],
};

static SELECTABLE_FIELD: Struct =
    Struct { name: "SelectableField", full: "v1.SelectableField", fields: &[Field::new("jsonPath", Text, Always)] };

static CONVERSION: Struct = Struct {
    name: "CustomResourceConversion",
    full: "v1.CustomResourceConversion",
    fields: &[Field::new("strategy", Text, Always), Field::new("webhook", Of(&WEBHOOK), IfGiven)],
};

static WEBHOOK: Struct = Struct {
    name: "WebhookConversion",
    full: "v1.WebhookConversion",
    fields: &[
        Field::new("clientConfig", Of(&CLIENT_CONFIG), IfGiven),
        Field::new("conversionReviewVersions", TEXTS, Always),
    ],
};

static CLIENT_CONFIG: Struct = Struct {
    name: "WebhookClientConfig",
    full: "v1.WebhookClientConfig",
    fields: &[
        Field::new("url", Text, IfGiven),
        Field::new("service", Of(&SERVICE), IfGiven),
        Field::new("caBundle", Bytes, UnlessEmpty),
    ],
};

static SERVICE: Struct = Struct {
    name: "ServiceReference",
    full: "v1.ServiceReference",
    fields: &[
        Field::new("namespace", Text, Always),
        Field::new("name", Text, Always),
        Field::new("path", Text, IfGiven),
        Field::new("port", Int32, IfGiven),
    ],
};

static STATUS: Struct = Struct {
    name: "CustomResourceDefinitionStatus",
    full: "v1.CustomResourceDefinitionStatus",
    fields: &[
        Field::new("conditions", List(&Of(&CONDITION), "[]v1.CustomResourceDefinitionCondition"), Always),
        Field::new("acceptedNames", Of(&NAMES), Always),
        Field::new("storedVersions", TEXTS, Always),
        Field::new("observedGeneration", Int64, UnlessEmpty),
    ],
};

static CONDITION: Struct = Struct {
    name: "CustomResourceDefinitionCondition",
    full: "v1.CustomResourceDefinitionCondition",
    fields: &[
        Field::new("type", Text, Always),
        Field::new("status", Text, Always),
        Field::new("lastTransitionTime", Time, Always),
        Field::new("reason", Text, UnlessEmpty),
        Field::new("message", Text, UnlessEmpty),
        Field::new("observedGeneration", Int64, UnlessEmpty),
    ],
};

static ONE_SCHEMA: crate::shape::Shape = Of(&SCHEMA);

static SCHEMA: Struct = Struct {
    name: "JSONSchemaProps",
    full: "v1.JSONSchemaProps",
    fields: &[
        // The frequent ones first: they are looked for in this order.
        Field::new("description", Text, UnlessEmpty),
        Field::new("type", Text, UnlessEmpty),
        Field::new("properties", Map(&ONE_SCHEMA, "map[string]v1.JSONSchemaProps"), UnlessEmpty),
        Field::new("items", ListOr(&SCHEMA), IfGiven),
        Field::new("required", TEXTS, UnlessEmpty),
        Field::new("additionalProperties", BoolOr(&SCHEMA), IfGiven),
        Field::new("format", Text, UnlessEmpty),
        Field::new("x-kubernetes-map-type", Text, IfGiven),
        Field::new("x-kubernetes-list-type", Text, IfGiven),
        Field::new("x-kubernetes-list-map-keys", TEXTS, UnlessEmpty),
        Field::new("x-kubernetes-int-or-string", Bool, UnlessEmpty),
        Field::new("x-kubernetes-preserve-unknown-fields", Bool, IfGiven),
        Field::new("x-kubernetes-embedded-resource", Bool, UnlessEmpty),
        Field::new("x-kubernetes-validations", List(&Of(&RULE), "v1.ValidationRules"), UnlessEmpty),
        Field::new("default", Any, IfGiven),
        Field::new("enum", List(&Any, "[]v1.JSON"), UnlessEmpty),
        Field::new("pattern", Text, UnlessEmpty),
        Field::new("minLength", Int64, IfGiven),
        Field::new("maxLength", Int64, IfGiven),
        Field::new("minimum", Float, IfGiven),
        Field::new("maximum", Float, IfGiven),
        Field::new("exclusiveMinimum", Bool, UnlessEmpty),
        Field::new("exclusiveMaximum", Bool, UnlessEmpty),
        Field::new("minItems", Int64, IfGiven),
        Field::new("maxItems", Int64, IfGiven),
        Field::new("minProperties", Int64, IfGiven),
        Field::new("maxProperties", Int64, IfGiven),
        Field::new("uniqueItems", Bool, UnlessEmpty),
        Field::new("multipleOf", Float, IfGiven),
        Field::new("anyOf", List(&ONE_SCHEMA, "[]v1.JSONSchemaProps"), UnlessEmpty),
        Field::new("oneOf", List(&ONE_SCHEMA, "[]v1.JSONSchemaProps"), UnlessEmpty),
        Field::new("allOf", List(&ONE_SCHEMA, "[]v1.JSONSchemaProps"), UnlessEmpty),
        Field::new("not", Of(&SCHEMA), IfGiven),
        Field::new("nullable", Bool, UnlessEmpty),
        Field::new("title", Text, UnlessEmpty),
        Field::new("example", Any, IfGiven),
        Field::new("externalDocs", Of(&EXTERNAL_DOCUMENTATION), IfGiven),
        Field::new("id", Text, UnlessEmpty),
        Field::new("$schema", Text, UnlessEmpty),
        Field::new("$ref", Text, IfGiven),
        Field::new("patternProperties", Map(&ONE_SCHEMA, "map[string]v1.JSONSchemaProps"), UnlessEmpty),
        Field::new("dependencies", Map(&TextsOr(&SCHEMA), "v1.JSONSchemaDependencies"), UnlessEmpty),
        Field::new("additionalItems", BoolOr(&SCHEMA), IfGiven),
        Field::new("definitions", Map(&ONE_SCHEMA, "v1.JSONSchemaDefinitions"), UnlessEmpty),
    ],
};

static EXTERNAL_DOCUMENTATION: Struct = Struct {
    name: "ExternalDocumentation",
    full: "v1.ExternalDocumentation",
    fields: &[Field::new("description", Text, UnlessEmpty), Field::new("url", Text, UnlessEmpty)],
};

static RULE: Struct = Struct {
    name: "ValidationRule",
    full: "v1.ValidationRule",
    fields: &[
        Field::new("rule", Text, Always),
        Field::new("message", Text, UnlessEmpty),
        Field::new("messageExpression", Text, UnlessEmpty),
        Field::new("reason", Text, IfGiven),
        Field::new("fieldPath", Text, UnlessEmpty),
        Field::new("optionalOldSelf", Bool, IfGiven),
    ],
};
