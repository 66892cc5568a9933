//! Writes the OpenAPI definitions of the built-in kinds into the build directory: one compact JSON file per
//! definition, and a table that includes them.
//!
//! The schemas and their documentation come from `k8s-openapi`; what it leaves out (list types, merge keys, enums)
//! comes from `src/openapi/extensions.json`. Definitions are kept in their OpenAPI v3 form.

use k8s_openapi::api::{authentication, authorization, autoscaling, coordination, core, events, rbac};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use k8s_openapi::{ListableResource, Resource};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const EXTENSIONS: &str = "src/openapi/extensions.json";
const REFERENCE: &str = "/components/schemas";
const GVK: &str = "x-kubernetes-group-version-kind";

/// Definitions as they are collected, and which group, version and kind each kind's definition has.
struct Collector {
    generator: SchemaGenerator,
    kinds: BTreeMap<String, (&'static str, &'static str, String)>,
    /// Definition of a list → definition of its items.
    lists: BTreeMap<String, String>,
}

impl Collector {
    /// A type that is not a kind of its own, or one of many groups.
    fn part<T: JsonSchema>(&mut self) {
        self.generator.subschema_for::<T>();
    }

    /// A kind.
    fn kind<T: JsonSchema + Resource>(&mut self) {
        self.part::<T>();
        self.kinds.insert(T::schema_name().into_owned(), (T::GROUP, T::VERSION, T::KIND.to_owned()));
    }

    /// A kind with lists.
    fn listed<T: JsonSchema + ListableResource>(&mut self) {
        self.kind::<T>();
        let name = format!("{}List", T::schema_name());
        self.lists.insert(name.clone(), T::schema_name().into_owned());
        self.kinds.insert(name, (T::GROUP, T::VERSION, T::LIST_KIND.to_owned()));
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={EXTENSIONS}");
    let settings = SchemaSettings::openapi3().with(|settings| settings.definitions_path = REFERENCE.into());
    let mut all = Collector { generator: settings.into_generator(), kinds: BTreeMap::new(), lists: BTreeMap::new() };
    all.listed::<core::v1::ConfigMap>();
    all.listed::<core::v1::Event>();
    all.listed::<core::v1::Namespace>();
    all.listed::<core::v1::Secret>();
    all.listed::<core::v1::ServiceAccount>();
    all.listed::<apiextensions::v1::CustomResourceDefinition>();
    all.listed::<coordination::v1::Lease>();
    all.listed::<events::v1::Event>();
    all.listed::<rbac::v1::ClusterRole>();
    all.listed::<rbac::v1::ClusterRoleBinding>();
    all.listed::<rbac::v1::Role>();
    all.listed::<rbac::v1::RoleBinding>();
    all.kind::<authentication::v1::SelfSubjectReview>();
    all.kind::<authentication::v1::TokenRequest>();
    all.kind::<authentication::v1::TokenReview>();
    all.kind::<authorization::v1::LocalSubjectAccessReview>();
    all.kind::<authorization::v1::SelfSubjectAccessReview>();
    all.kind::<authorization::v1::SelfSubjectRulesReview>();
    all.kind::<authorization::v1::SubjectAccessReview>();
    all.kind::<autoscaling::v1::Scale>();
    all.kind::<meta::v1::Status>();
    all.part::<meta::v1::APIGroup>();
    all.part::<meta::v1::APIGroupList>();
    all.part::<meta::v1::APIResourceList>();
    all.part::<meta::v1::APIVersions>();
    all.part::<meta::v1::DeleteOptions>();
    all.part::<meta::v1::WatchEvent<k8s_openapi::apimachinery::pkg::runtime::RawExtension>>();
    all.part::<meta::v1::ListMeta>();
    all.part::<k8s_openapi::apimachinery::pkg::version::Info>();
    let described = describe();
    let Collector { mut generator, kinds, lists } = all;
    let mut definitions: BTreeMap<String, Value> = generator.take_definitions(false).into_iter().collect();
    // The one type without a schema: what a patch is depends on its media type.
    let patch = json!({"description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH \
        request body.", "type": "object"});
    definitions.insert("io.k8s.apimachinery.pkg.apis.meta.v1.Patch".into(), patch);
    for (list, item) in lists {
        let schema = list_of(&item, &definitions[&item]);
        definitions.insert(list, schema);
    }
    for definition in definitions.values_mut() {
        loosen(definition);
        wrap_references(definition);
    }
    for (name, (group, version, kind)) in kinds {
        let definition = definitions.get_mut(&name).expect("a kind has a definition");
        definition[GVK] = json!([{"group": group, "kind": kind, "version": version}]);
    }
    extend(&mut definitions);
    write(&definitions, &described, &PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")));
}

/// Fields of well-known kinds that their tables show. The kinds are not built in; only what columns say is kept.
const DESCRIBED: [&str; 12] = [
    "io.k8s.api.apps.v1.DeploymentSpec.selector",
    "io.k8s.api.apps.v1.DeploymentStatus.availableReplicas",
    "io.k8s.api.apps.v1.DeploymentStatus.updatedReplicas",
    "io.k8s.api.core.v1.PodSpec.nodeName",
    "io.k8s.api.core.v1.PodSpec.readinessGates",
    "io.k8s.api.core.v1.PodStatus.nominatedNodeName",
    "io.k8s.api.core.v1.PodStatus.podIP",
    "io.k8s.api.core.v1.ServiceSpec.clusterIP",
    "io.k8s.api.core.v1.ServiceSpec.externalIPs",
    "io.k8s.api.core.v1.ServiceSpec.ports",
    "io.k8s.api.core.v1.ServiceSpec.selector",
    "io.k8s.api.core.v1.ServiceSpec.type",
];

/// The descriptions of [`DESCRIBED`], in its order.
fn describe() -> Vec<String> {
    let mut generator = SchemaSettings::openapi3().with(|s| s.definitions_path = REFERENCE.into()).into_generator();
    generator.subschema_for::<k8s_openapi::api::apps::v1::Deployment>();
    generator.subschema_for::<core::v1::Pod>();
    generator.subschema_for::<core::v1::Service>();
    let definitions = generator.take_definitions(false);
    let text = |field: &&str| {
        let (definition, name) = field.rsplit_once('.').expect("a field has a definition");
        let description = &definitions[definition]["properties"][name]["description"];
        description.as_str().unwrap_or_else(|| panic!("{field} has no description")).to_owned()
    };
    DESCRIBED.iter().map(text).collect()
}

/// The definition of a list, from that of its items.
fn list_of(item: &str, definition: &Value) -> Value {
    let kind = item.rsplit('.').next().unwrap_or(item);
    let properties = &definition["properties"];
    json!({
        "description": format!("{kind}List is a list of {kind} objects."),
        "type": "object",
        "properties": {
            "apiVersion": properties["apiVersion"],
            "items": {
                "description": format!("The {kind} objects."),
                "type": "array",
                "items": {"$ref": format!("#{REFERENCE}/{item}")},
            },
            "kind": properties["kind"],
            "metadata": {
                "$ref": format!("#{REFERENCE}/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"),
                "description": "Standard list metadata.",
            },
        },
        "required": ["items"],
    })
}

/// Metadata is never required of a client, although the Rust types always have it.
fn loosen(definition: &mut Value) {
    let Some(object) = definition.as_object_mut() else { return };
    let typed = object.get("properties").is_some_and(|properties| properties.get("apiVersion").is_some());
    if let Some(Value::Array(required)) = object.get_mut("required") {
        required.retain(|name| !(typed && name == "metadata"));
        if required.is_empty() {
            object.remove("required");
        }
    }
}

/// A reference stands alone, or in `allOf` where something stands beside it: OpenAPI v3 reads nothing beside a
/// reference.
fn wrap_references(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(wrap_references);
            if object.len() > 1
                && let Some(reference @ Value::String(_)) = object.get("$ref").cloned()
            {
                object.remove("$ref");
                object.insert("allOf".into(), json!([{"$ref": reference}]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(wrap_references),
        _ => {}
    }
}

/// Adds what the table of extensions knows. The empty property name is the definition itself; `null` removes.
fn extend(definitions: &mut BTreeMap<String, Value>) {
    let text = fs::read_to_string(EXTENSIONS).expect("the table of extensions is there");
    let table: BTreeMap<String, BTreeMap<String, Map<String, Value>>> =
        serde_json::from_str(&text).expect("the table of extensions is JSON");
    for (name, properties) in table {
        let definition = definitions.get_mut(&name).unwrap_or_else(|| panic!("{EXTENSIONS}: {name} is not defined"));
        for (property, extensions) in properties {
            let schema = if property.is_empty() {
                &mut *definition
            } else {
                definition["properties"]
                    .get_mut(&property)
                    .unwrap_or_else(|| panic!("{EXTENSIONS}: {name} has no property {property}"))
            };
            let schema = schema.as_object_mut().expect("a schema is an object");
            for (key, value) in extensions {
                match value {
                    Value::Null => drop(schema.remove(&key)),
                    value => drop(schema.insert(key, value)),
                }
            }
        }
    }
}

fn write(definitions: &BTreeMap<String, Value>, described: &[String], out: &Path) {
    let directory = out.join("definitions");
    fs::create_dir_all(&directory).expect("the build directory is writable");
    let mut table = format!("pub(super) static TEXTS: [(&str, &str); {}] = [\n", definitions.len());
    for (name, definition) in definitions {
        let file = directory.join(format!("{name}.json"));
        fs::write(&file, definition.to_string()).expect("the build directory is writable");
        let path = file.to_str().expect("the build directory has a UTF-8 name");
        writeln!(table, "    ({name:?}, include_str!({path:?})),").expect("strings grow");
    }
    table.push_str("];\n");
    writeln!(table, "pub(super) static DESCRIBED: [(&str, &str); {}] = [", DESCRIBED.len()).expect("strings grow");
    for (field, text) in DESCRIBED.iter().zip(described) {
        writeln!(table, "    ({field:?}, {text:?}),").expect("strings grow");
    }
    table.push_str("];\n");
    fs::write(out.join("definitions.rs"), table).expect("the build directory is writable");
}
