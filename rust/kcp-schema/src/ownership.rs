//! What a structural schema says about the ownership of fields.

use crate::structural::{ATOMIC, Additional, EMBEDDED, Kind, ListType, Node, PRESERVE, Rule, Structural};
use kcp_apimachinery::managed::{DEDUCED, Place, Relation, Scalar, Schema, Shape, Type, UNTYPED, object_meta};
use serde_json::Value;

/// Set in places at and below which unknown fields are kept.
const KEEPS: u64 = 1 << 32;
/// Set in the place of the root, which has the fields of every object.
const ROOT: u64 = 1 << 33;

impl Structural {
    /// Objects of the schema, as field management sees them.
    pub fn ownership(&self) -> Type<'_> {
        Type::new(self, Place(u64::from(self.root_index()) | ROOT))
    }

    fn at(&self, place: Place) -> &Node {
        self.node((place.0 & u64::from(u32::MAX)) as u32)
    }

    fn keeps(&self, place: Place) -> bool {
        place.0 & KEEPS != 0 || self.at(place).has(PRESERVE)
    }

    /// The place of a node below another.
    fn below(&self, place: Place, index: u32) -> Place {
        Place(u64::from(index) | if self.keeps(place) { KEEPS } else { 0 })
    }

    fn is_resource(&self, place: Place) -> bool {
        place.0 & ROOT != 0 || self.at(place).has(EMBEDDED)
    }

    fn map_shape(&self, place: Place) -> (bool, Option<Place>) {
        let node = self.at(place);
        let others = match self.additional(node) {
            Additional::Any => Some(DEDUCED),
            Additional::Forbidden => None,
            Additional::Schema(_) => self.additional_index(node).map(|index| self.below(place, index)),
            Additional::Unsaid => {
                let open = !node.has_fields() && !self.is_resource(place);
                (open || self.keeps(place)).then_some(DEDUCED)
            }
        };
        (node.has(ATOMIC), others)
    }

    fn list_shape(&self, place: Place) -> (Relation, Place) {
        let node = self.at(place);
        let relation = match node.list {
            ListType::Unsaid | ListType::Atomic => Relation::Atomic,
            ListType::Set => Relation::Set,
            ListType::Map => Relation::Map,
        };
        (relation, self.items_index(node).map_or(UNTYPED, |index| self.below(place, index)))
    }
}

impl Schema for Structural {
    fn shape(&self, place: Place) -> Shape {
        if object_meta::has(place) {
            return object_meta::shape(place);
        }
        let scalar = |scalar| Shape { scalar: Some(scalar), list: None, map: None };
        let node = self.at(place);
        match node.kind {
            Kind::Object => Shape { scalar: None, list: None, map: Some(self.map_shape(place)) },
            Kind::Array => Shape { scalar: None, list: Some(self.list_shape(place)), map: None },
            Kind::String if self.rules(node).iter().any(|rule| matches!(rule, Rule::Format(..))) => scalar(Scalar::Any),
            Kind::String => scalar(Scalar::String),
            Kind::Integer | Kind::Number => scalar(Scalar::Number),
            Kind::Boolean => scalar(Scalar::Bool),
            Kind::Untyped | Kind::IntOrString | Kind::Unknown => Shape {
                scalar: Some(Scalar::Any),
                list: Some(self.list_shape(place)),
                map: Some(self.map_shape(place)),
            },
        }
    }

    fn field(&self, map: Place, name: &str) -> Option<Place> {
        if object_meta::has(map) {
            return object_meta::field(map, name);
        }
        if self.is_resource(map) {
            match name {
                "metadata" => return Some(object_meta::OBJECT_META),
                "apiVersion" | "kind" => return Some(object_meta::TEXT),
                _ => {}
            }
        }
        self.property_index(self.at(map), name).map(|index| self.below(map, index))
    }

    fn key(&self, list: Place, index: usize) -> Option<&str> {
        if object_meta::has(list) {
            return object_meta::key(list, index);
        }
        self.map_keys(self.at(list)).get(index).map(|name| self.name(*name))
    }

    fn default(&self, map: Place, name: &str) -> Option<&Value> {
        if object_meta::has(map) {
            return object_meta::default(map, name);
        }
        self.default_of(self.node(self.property_index(self.at(map), name)?))
    }
}
