//! The paths of a group's version and what can be done at each, independent of the document they are written into.

use crate::discovery::groups::{Group, Version, subresources};
use crate::openapi::parameters::{self, PRETTY, Parameter};
use crate::registry::{Origin, Served, Subresource};
use kcp_schema::openapi::definition_name;
use serde_json::{Map, Value};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// What an operation takes as its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// An object of this definition.
    Object(String),
    /// Options of a deletion, which may be left out.
    DeleteOptions,
    /// A patch.
    Patch,
}

/// Group, version and kind that an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// One method of a path.
#[derive(Clone, Debug)]
pub struct Operation {
    /// HTTP method, lower-cased.
    pub method: &'static str,
    /// `x-kubernetes-action`; empty for documents of discovery.
    pub action: &'static str,
    /// What it does.
    pub description: String,
    /// `operationId`.
    pub id: String,
    /// Parameters of the query.
    pub query: &'static [&'static Parameter],
    /// Body.
    pub takes: Takes,
    /// Definition of the answer.
    pub gives: String,
    /// What it is about.
    pub kind: Option<Kind>,
}

impl Operation {
    /// Codes of answers that are not errors.
    pub fn codes(&self) -> &'static [(&'static str, &'static str)] {
        match self.method {
            "post" => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
            "put" | "patch" => &[("200", "OK"), ("201", "Created")],
            "delete" if self.action == "delete" => &[("200", "OK"), ("202", "Accepted")],
            _ => &[("200", "OK")],
        }
    }

    /// Whether the answer may be a stream.
    pub fn streams(&self) -> bool {
        matches!(self.action, "list" | "watch" | "watchlist")
    }
}

/// A path.
#[derive(Clone, Debug)]
pub struct Item {
    /// The path, with `{namespace}` and `{name}`.
    pub path: String,
    /// What can be done.
    pub operations: Vec<Operation>,
    /// Kind of the object that `{name}` names.
    pub named: Option<String>,
    /// Tag of the operations.
    pub tag: String,
    /// What bodies and answers are written in.
    pub forms: Forms,
}

/// What bodies and answers are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// JSON alone.
    Json,
    /// JSON and YAML: custom resources without types of their own.
    Text,
    /// JSON, YAML and protobuf.
    Typed,
}

/// How one kind of document writes what stands at a path.
pub struct Dialect {
    /// An operation.
    pub operation: fn(&Item, &Operation) -> Value,
    /// A parameter of the path: its name and what it is.
    pub in_path: fn(&str, &str) -> Value,
    /// A parameter of the query.
    pub in_query: fn(&Parameter) -> Value,
}

impl Item {
    /// The path's entry in a document.
    pub fn write(&self, dialect: &Dialect) -> Value {
        let operations =
            self.operations.iter().map(|operation| (operation.method.to_owned(), (dialect.operation)(self, operation)));
        let mut path: Map<String, Value> = operations.collect();
        let mut parameters = Vec::new();
        if let Some(kind) = &self.named {
            parameters.push((dialect.in_path)("name", &format!("name of the {kind}")));
        }
        if self.path.contains("{namespace}") {
            parameters.push((dialect.in_path)("namespace", "the namespace that the object is in"));
        }
        if self.operations.iter().any(|operation| operation.kind.is_some()) {
            parameters.push((dialect.in_query)(&PRETTY));
            path.insert("parameters".into(), parameters.into());
        }
        path.into()
    }
}

/// `/api` or `/apis`.
pub fn root(core: bool) -> Item {
    let (path, tag, id, gives) = if core {
        ("/api/", "core", "getCoreAPIVersions", "APIVersions")
    } else {
        ("/apis/", "apis", "getAPIVersions", "APIGroupList")
    };
    document(path.into(), tag.into(), id.into(), "get available API versions", format!("{META}.{gives}"))
}

/// `/apis/GROUP`.
pub fn group(group: &Group<'_>) -> Item {
    let (path, id) = (format!("/apis/{}/", group.name), format!("get{}APIGroup", camel(group.name)));
    document(path, lower(&camel(group.name)), id, "get information of a group", format!("{META}.APIGroup"))
}

/// `/version`.
pub fn version_info() -> Item {
    let gives = "io.k8s.apimachinery.pkg.version.Info".into();
    let id = "getCodeVersion".into();
    let item = document("/version/".into(), "version".into(), id, "get the version of this server", gives);
    Item { forms: Forms::Json, ..item }
}

fn document(path: String, tag: String, id: String, description: &str, gives: String) -> Item {
    let operation = Operation {
        method: "get",
        action: "",
        description: description.into(),
        id,
        query: &[],
        takes: Takes::Nothing,
        gives,
        kind: None,
    };
    Item { path, operations: vec![operation], named: None, tag, forms: Forms::Typed }
}

/// A version of a group as paths and identifiers name it.
struct Names {
    root: String,
    name: String,
    tag: String,
}

fn names(group: &str, version: &str) -> Names {
    let prefix = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    Names {
        root: format!("{prefix}/{version}"),
        name: format!("{}{}", camel(group), capital(version)),
        tag: format!("{}_{version}", lower(&camel(group))),
    }
}

/// The paths of a version that are not those of custom resources.
pub fn built_in(group: &Group<'_>, version: &Version<'_>) -> Vec<Item> {
    let Names { root, name, tag } = names(group.name, version.name);
    let mut items = Vec::new();
    let mut served = version.resources.iter().filter(|served| !served.is_custom()).peekable();
    if served.peek().is_some() {
        items.push(document(
            format!("{root}/"),
            tag,
            format!("get{name}APIResources"),
            "get available resources",
            format!("{META}.APIResourceList"),
        ));
    }
    items.extend(served.flat_map(|served| of_resource(served)));
    items
}

/// The paths of one resource.
pub fn of_resource(served: &Served) -> Vec<Item> {
    let Names { root, name, tag } = names(&served.group, &served.version);
    let mut items = Vec::new();
    Resource { served, root: &root, name: &name, tag: &tag }.items(&mut items);
    items
}

/// The definition of a resource's objects.
pub fn definition(served: &Served) -> String {
    match &served.origin {
        Origin::BuiltIn { definition } => definition.clone(),
        Origin::Custom { .. } => definition_name(&served.group, &served.version, &served.kind),
    }
}

/// The definition of a resource's lists.
pub fn list_definition(served: &Served) -> String {
    match &served.origin {
        Origin::BuiltIn { definition } => format!("{definition}List"),
        Origin::Custom { .. } => definition_name(&served.group, &served.version, &served.list_kind),
    }
}

/// The definition of what a subresource reads and writes.
fn sub_definition(served: &Served, sub: &Subresource) -> String {
    match (sub.group.strip_suffix(".k8s.io").unwrap_or(&sub.group), sub.version.as_str()) {
        (_, "") => definition(served),
        (group, version) => format!("io.k8s.api.{group}.{version}.{}", sub.kind),
    }
}

/// A resource as its paths are written.
struct Resource<'a> {
    served: &'a Served,
    root: &'a str,
    name: &'a str,
    tag: &'a str,
}

impl Resource<'_> {
    fn items(&self, items: &mut Vec<Item>) {
        let served = self.served;
        let has = |verb: &str| served.allows("", verb);
        let scope = if served.namespaced { "/namespaces/{namespace}" } else { "" };
        let plural = &served.resource;
        if served.namespaced && has("list") {
            let list = self.list(&format!("list{}{}ForAllNamespaces", self.name, served.kind));
            items.push(self.item(format!("{}/{plural}", self.root), false, vec![list]));
        }
        let collection = [
            has("list").then(|| self.list(&self.id("list", "", ""))),
            has("create").then(|| {
                let takes = Takes::Object(definition(served));
                self.operation("post", "post", format!("create a {}", served.kind), "create", parameters::WRITE, takes)
            }),
            has("deletecollection").then(|| Operation {
                id: self.id("delete", "Collection", ""),
                ..self.delete("deletecollection", "delete collection of", parameters::DELETE_COLLECTION)
            }),
        ];
        items.push(self.item(
            format!("{}{scope}/{plural}", self.root),
            false,
            collection.into_iter().flatten().collect(),
        ));
        let object = [
            has("get").then(|| self.on_object("get", "get", "read the specified", "read", &[], Takes::Nothing)),
            has("update").then(|| {
                let takes = Takes::Object(definition(served));
                self.on_object("put", "put", "replace the specified", "replace", parameters::WRITE, takes)
            }),
            has("delete").then(|| self.delete("delete", "delete a", parameters::DELETE)),
            has("patch").then(|| {
                let description = "partially update the specified";
                self.on_object("patch", "patch", description, "patch", parameters::PATCH, Takes::Patch)
            }),
        ];
        let object: Vec<Operation> = object.into_iter().flatten().collect();
        let path = format!("{}{scope}/{plural}/{{name}}", self.root);
        if !object.is_empty() {
            items.push(self.item(path.clone(), true, object));
        }
        for sub in subresources(served) {
            let operations = self.sub_operations(sub);
            items.push(self.item(format!("{path}/{}", sub.name), true, operations));
        }
        if has("watch") && !served.is_custom() {
            self.watches(scope, items);
        }
    }

    /// The paths that watch and nothing else, which only built-in resources have; lists watch as well.
    fn watches(&self, scope: &str, items: &mut Vec<Item>) {
        let (root, plural) = (format!("{}/watch", self.root), &self.served.resource);
        let watch = |action: &'static str, id: String| Operation {
            action,
            description: format!(
                "watch objects of kind {}; lists do so as well, with the parameter 'watch'",
                self.served.kind
            ),
            gives: format!("{META}.WatchEvent"),
            ..self.list(&id)
        };
        if self.served.namespaced {
            let id = format!("watch{}{}ListForAllNamespaces", self.name, self.served.kind);
            items.push(self.item(format!("{root}/{plural}"), false, vec![watch("watchlist", id)]));
        }
        let all = watch("watchlist", self.id("watch", "", "List"));
        items.push(self.item(format!("{root}{scope}/{plural}"), false, vec![all]));
        let one = watch("watch", self.id("watch", "", ""));
        items.push(self.item(format!("{root}{scope}/{plural}/{{name}}"), true, vec![one]));
    }

    fn sub_operations(&self, sub: &Subresource) -> Vec<Operation> {
        let gives = sub_definition(self.served, sub);
        let object = || Takes::Object(gives.clone());
        let kind = if sub.version.is_empty() || self.served.is_custom() {
            self.kind()
        } else {
            Kind { group: sub.group.clone(), version: sub.version.clone(), kind: sub.kind.clone() }
        };
        let operation = |verb: &String| {
            let (method, description, id, query, takes): (_, _, _, &'static [&'static Parameter], _) =
                match verb.as_str() {
                    "get" => ("get", "read", "read", &[], Takes::Nothing),
                    "update" => ("put", "replace", "replace", parameters::WRITE, object()),
                    "patch" => ("patch", "partially update", "patch", parameters::PATCH, Takes::Patch),
                    "create" => ("post", "create", "create", parameters::WRITE, object()),
                    _ => return None,
                };
            Some(Operation {
                method,
                action: method,
                description: format!("{description} {} of the specified {}", sub.name, self.served.kind),
                id: self.id(id, "", &capital(&sub.name)),
                query,
                takes,
                gives: gives.clone(),
                kind: Some(kind.clone()),
            })
        };
        sub.verbs.iter().filter_map(operation).collect()
    }

    fn list(&self, id: &str) -> Operation {
        Operation {
            method: "get",
            action: "list",
            description: format!("list or watch objects of kind {}", self.served.kind),
            id: id.into(),
            query: parameters::LIST,
            takes: Takes::Nothing,
            gives: list_definition(self.served),
            kind: Some(self.kind()),
        }
    }

    fn delete(&self, action: &'static str, description: &str, query: &'static [&'static Parameter]) -> Operation {
        let answers_removed = action == "delete" && self.served.strategy.answers_removed();
        Operation {
            gives: if answers_removed { definition(self.served) } else { format!("{META}.Status") },
            ..self.on_object("delete", action, description, "delete", query, Takes::DeleteOptions)
        }
    }

    fn on_object(
        &self,
        method: &'static str,
        action: &'static str,
        description: &str,
        id: &str,
        query: &'static [&'static Parameter],
        takes: Takes,
    ) -> Operation {
        self.operation(method, action, format!("{description} {}", self.served.kind), id, query, takes)
    }

    fn operation(
        &self,
        method: &'static str,
        action: &'static str,
        description: String,
        id: &str,
        query: &'static [&'static Parameter],
        takes: Takes,
    ) -> Operation {
        let id = self.id(id, "", "");
        Operation {
            method,
            action,
            description,
            id,
            query,
            takes,
            gives: definition(self.served),
            kind: Some(self.kind()),
        }
    }

    fn id(&self, verb: &str, what: &str, suffix: &str) -> String {
        let scope = if self.served.namespaced { "Namespaced" } else { "" };
        format!("{verb}{}{what}{scope}{}{suffix}", self.name, self.served.kind)
    }

    fn kind(&self) -> Kind {
        let Served { group, version, kind, .. } = self.served;
        Kind { group: group.clone(), version: version.clone(), kind: kind.clone() }
    }

    fn item(&self, path: String, named: bool, operations: Vec<Operation>) -> Item {
        let named = named.then(|| self.served.kind.clone());
        let forms = if self.served.is_typed() { Forms::Typed } else { Forms::Text };
        Item { path, operations, named, tag: self.tag.to_owned(), forms }
    }
}

/// A group as part of an identifier: `Core`, `RbacAuthorization`, `StableExampleCom`.
fn camel(group: &str) -> String {
    match group.strip_suffix(".k8s.io").unwrap_or(group) {
        "" => "Core".into(),
        words => words.split(['.', '-']).map(capital).collect(),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn lower(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
