//! The ownership of metadata, which custom resources do not declare themselves.

use super::schema::{Place, Relation, Scalar, Shape};
use serde_json::Value;
use std::sync::LazyLock;

/// Metadata of an object.
pub const OBJECT_META: Place = Place(BASE);

/// Places of this table begin here; the schemas it is part of keep theirs below.
pub const BASE: u64 = 1 << 62;

const STRING: Place = Place(BASE + 1);
const NUMBER: Place = Place(BASE + 2);
const BOOL: Place = Place(BASE + 3);
const TIME: Place = Place(BASE + 4);
const STRINGS: Place = Place(BASE + 5);
const FINALIZERS: Place = Place(BASE + 6);
const OWNERS: Place = Place(BASE + 7);
const OWNER: Place = Place(BASE + 8);
const ENTRIES: Place = Place(BASE + 9);
const ENTRY: Place = Place(BASE + 10);
const FIELDS: Place = Place(BASE + 11);

/// A string.
pub const TEXT: Place = STRING;

/// Whether a place is one of this table's.
pub const fn has(place: Place) -> bool {
    place.0 >= BASE && place.0 <= FIELDS.0
}

/// What a place allows; see [`super::Schema::shape`].
pub const fn shape(place: Place) -> Shape {
    const NOTHING: Shape = Shape { scalar: None, list: None, map: None };
    const fn scalar(scalar: Scalar) -> Shape {
        Shape { scalar: Some(scalar), ..NOTHING }
    }
    const fn map(atomic: bool, others: Option<Place>) -> Shape {
        Shape { map: Some((atomic, others)), ..NOTHING }
    }
    const fn list(relation: Relation, items: Place) -> Shape {
        Shape { list: Some((relation, items)), ..NOTHING }
    }
    match place {
        STRING => scalar(Scalar::String),
        NUMBER => scalar(Scalar::Number),
        BOOL => scalar(Scalar::Bool),
        TIME => scalar(Scalar::Any),
        STRINGS => map(false, Some(STRING)),
        FINALIZERS => list(Relation::Set, STRING),
        OWNERS => list(Relation::Map, OWNER),
        OWNER => map(true, None),
        ENTRIES => list(Relation::Atomic, ENTRY),
        FIELDS => map(false, Some(super::schema::DEDUCED)),
        _ => map(false, None),
    }
}

/// What a field of metadata is; see [`super::Schema::field`].
pub fn field(map: Place, name: &str) -> Option<Place> {
    Some(match (map, name) {
        (OBJECT_META, "annotations" | "labels") => STRINGS,
        (OBJECT_META, "creationTimestamp" | "deletionTimestamp") | (ENTRY, "time") => TIME,
        (OBJECT_META, "deletionGracePeriodSeconds" | "generation") => NUMBER,
        (OBJECT_META, "finalizers") => FINALIZERS,
        (OBJECT_META, "managedFields") => ENTRIES,
        (OBJECT_META, "ownerReferences") => OWNERS,
        (OBJECT_META, "generateName" | "name" | "namespace" | "resourceVersion" | "selfLink" | "uid")
        | (OWNER, "apiVersion" | "kind" | "name" | "uid")
        | (ENTRY, "apiVersion" | "fieldsType" | "manager" | "operation" | "subresource") => STRING,
        (OWNER, "blockOwnerDeletion" | "controller") => BOOL,
        (ENTRY, "fieldsV1") => FIELDS,
        _ => return None,
    })
}

/// The key fields of a list; see [`super::Schema::key`].
pub fn key(list: Place, index: usize) -> Option<&'static str> {
    (list == OWNERS && index == 0).then_some("uid")
}

/// The value of a field that is not given; see [`super::Schema::default`].
pub fn default(map: Place, name: &str) -> Option<&'static Value> {
    static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::String(String::new()));
    (map == OWNER && matches!(name, "apiVersion" | "kind" | "name" | "uid")).then(|| &*EMPTY)
}
