//! What a schema says about ownership: which maps and lists are owned as a whole, and by what the items of the others
//! are told apart.

use super::element::Element;
use serde_json::Value;
use std::borrow::Cow;

/// A place in a schema; only the schema that gave it out knows what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub u64);

/// What a scalar has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Any number.
    Number,
    /// A string.
    String,
    /// A boolean.
    Bool,
    /// Any of these.
    Any,
}

/// How the items of a list are owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// All together.
    Atomic,
    /// Each scalar by its value.
    Set,
    /// Each object by its key fields.
    Map,
}

/// A list.
#[derive(Clone, Copy, Debug)]
pub struct List<'s> {
    /// How its items are owned.
    pub relation: Relation,
    /// What its items are.
    pub items: Type<'s>,
    place: Place,
}

/// A map or a structure.
#[derive(Clone, Copy, Debug)]
pub struct Map<'s> {
    /// Whether it is owned as a whole.
    pub atomic: bool,
    /// What entries are that are no declared fields; `None` where there are none.
    pub others: Option<Type<'s>>,
    place: Place,
    schema: &'s dyn Schema,
}

/// What a place of a schema allows; several at once where the schema leaves it open.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Scalars.
    pub scalar: Option<Scalar>,
    /// A list: the relation of its items and what they are.
    pub list: Option<(Relation, Place)>,
    /// A map: whether it is atomic, and what entries are that are no declared fields.
    pub map: Option<(bool, Option<Place>)>,
}

/// Anything, maps owned by entry and lists as a whole: what a schema says nothing about.
pub const DEDUCED: Place = Place(u64::MAX);

/// Anything, owned as a whole.
pub const UNTYPED: Place = Place(u64::MAX - 1);

/// A schema, as far as ownership goes. [`DEDUCED`] and [`UNTYPED`] are not asked for.
pub trait Schema: Send + Sync {
    /// What a place allows.
    fn shape(&self, place: Place) -> Shape;

    /// What the declared field of a map is.
    fn field(&self, map: Place, name: &str) -> Option<Place>;

    /// The name of the key field at `index` of a list, in the schema's order.
    fn key(&self, list: Place, index: usize) -> Option<&str>;

    /// The default of a declared field.
    fn default(&self, map: Place, name: &str) -> Option<&Value>;
}

/// What a value is, by a schema.
#[derive(Clone, Copy)]
pub struct Type<'s> {
    schema: &'s dyn Schema,
    place: Place,
}

impl std::fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Type").field(&self.place).finish()
    }
}

impl std::fmt::Debug for dyn Schema + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema")
    }
}

/// The kinds of JSON values that ownership tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Scalar,
    List,
    Map,
}

impl Kind {
    pub(super) const fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Map,
            _ => Self::Scalar,
        }
    }
}

/// A type narrowed to the kind of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Narrow<'s> {
    Scalar(Scalar),
    List(List<'s>),
    Map(Map<'s>),
    /// The schema allows nothing here.
    Nothing,
}

impl<'s> Type<'s> {
    /// A place of a schema.
    pub const fn new(schema: &'s dyn Schema, place: Place) -> Self {
        Self { schema, place }
    }

    fn shape(self) -> Shape {
        let open = |atomic: bool, others: Place| Shape {
            scalar: Some(Scalar::Any),
            list: Some((Relation::Atomic, UNTYPED)),
            map: Some((atomic, Some(others))),
        };
        match self.place {
            DEDUCED => open(false, DEDUCED),
            UNTYPED => open(true, UNTYPED),
            place => self.schema.shape(place),
        }
    }

    /// The type for a value of that kind; where the schema does not allow it, what it allows instead.
    pub(super) fn narrow(self, kind: Kind) -> Narrow<'s> {
        let shape = self.shape();
        let at = |place| Type { schema: self.schema, place };
        let scalar = shape.scalar.map(Narrow::Scalar);
        let list =
            shape.list.map(|(relation, items)| Narrow::List(List { relation, items: at(items), place: self.place }));
        let map = shape.map.map(|(atomic, others)| {
            Narrow::Map(Map { atomic, others: others.map(at), place: self.place, schema: self.schema })
        });
        let wanted = match kind {
            Kind::Scalar => scalar,
            Kind::List => list,
            Kind::Map => map,
            Kind::Null => None,
        };
        wanted.or(map).or(scalar).or(list).unwrap_or(Narrow::Nothing)
    }

    /// Whether the type is open and says nothing of its own about maps.
    pub(super) fn is_deduced(self) -> bool {
        self.place == DEDUCED
    }
}

impl<'s> Map<'s> {
    /// What the entry of that name is, and whether it is a declared field.
    pub(super) fn entry(&self, name: &str) -> Option<(Type<'s>, bool)> {
        let declared = match self.place {
            DEDUCED | UNTYPED => None,
            place => self.schema.field(place, name),
        };
        match declared {
            Some(place) => Some((Type { schema: self.schema, place }, true)),
            None => self.others.map(|others| (others, false)),
        }
    }

    /// Whether it declares no fields that could be told apart from entries of any name.
    pub(super) fn is_deduced(&self) -> bool {
        matches!(self.place, DEDUCED | UNTYPED)
    }
}

impl<'s> List<'s> {
    /// What tells an item apart from the others.
    ///
    /// # Errors
    /// Why nothing does.
    pub(super) fn element<'v>(&self, item: &'v Value) -> Result<Element<'v>, String>
    where
        's: 'v,
    {
        match self.relation {
            Relation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Relation::Set => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(Element::Value(Cow::Borrowed(scalar))),
            },
            Relation::Map => self.keyed(item),
        }
    }

    fn keyed<'v>(&self, item: &'v Value) -> Result<Element<'v>, String>
    where
        's: 'v,
    {
        let fields = match item {
            Value::Object(fields) => fields,
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let schema: &'s dyn Schema = self.items.schema;
        let names = || (0..).map_while(|index| schema.key(self.place, index));
        let mut key = Vec::with_capacity(1);
        for name in names() {
            let default = || match self.items.place {
                DEDUCED | UNTYPED => None,
                place => schema.default(place, name),
            };
            if let Some(value) = fields.get(name).or_else(default) {
                key.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            }
        }
        if key.is_empty() {
            let names: Vec<String> = names().map(crate::text::quote).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
                 values for any key fields)",
                names.join(" ")
            ));
        }
        key.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Element::Key(key))
    }
}
