//! Types of expressions, and how they print.

use super::declared::Place;
use std::fmt;
use std::sync::Arc;

/// The type of an expression as the checker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Anything: checked when the expression runs.
    Dyn,
    /// The type of what failed to check; it goes with everything, so that one mistake is told once.
    Error,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// 64 bits with a sign.
    Int,
    /// 64 bits without a sign.
    Uint,
    /// An IEEE 754 double.
    Double,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Duration,
    /// A point in time.
    Timestamp,
    /// A list of one type.
    List(Arc<Type>),
    /// A map of one type of keys to one type of values.
    Map(Arc<(Type, Type)>),
    /// A value that may be absent.
    Optional(Arc<Type>),
    /// An object of a schema: two of them are the same type only if they stand in the same place.
    Object(Arc<Object>),
    /// A type of a library, such as `net.IP`.
    Named(&'static str),
    /// The type of a type.
    Kind(Option<Arc<Type>>),
    /// A type parameter of a declaration.
    Param(char),
    /// A type still to be found out.
    Var(u32),
}

/// A place of a schema with named fields.
#[derive(Clone, Debug)]
pub struct Object {
    /// The path from the root of the rule, which names the type in messages.
    pub name: String,
    pub(crate) place: Place,
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.name == other.name
    }
}

impl Eq for Object {}

impl std::hash::Hash for Object {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Type {
    /// A list of this type.
    pub fn list(self) -> Type {
        Type::List(Arc::new(self))
    }

    /// A map.
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new((key, value)))
    }

    /// This type or nothing.
    pub fn optional(self) -> Type {
        Type::Optional(Arc::new(self))
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Type::Dyn | Type::Error)
    }

    /// Whether `null` counts as a value of it.
    pub(crate) fn is_nullable(&self) -> bool {
        matches!(
            self,
            Type::Null | Type::Optional(_) | Type::Named(_) | Type::Object(_) | Type::Duration | Type::Timestamp
        )
    }

    /// Of a size known beforehand.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
            Type::Optional(inner) => inner.is_scalar(),
            _ => false,
        }
    }

    /// The type without its optional wrapping, and whether there was one.
    pub(crate) fn unwrap_optional(&self) -> (Type, bool) {
        match self {
            Type::Optional(inner) => ((**inner).clone(), true),
            other => (other.clone(), false),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Error => f.write_str("!error!"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("duration"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(pair) => write!(f, "map({}, {})", pair.0, pair.1),
            Type::Optional(inner) => write!(f, "optional_type({inner})"),
            Type::Object(object) => f.write_str(&object.name),
            Type::Named(name) => f.write_str(name),
            Type::Kind(None) => f.write_str("type"),
            Type::Kind(Some(of)) => write!(f, "type({of})"),
            Type::Param(letter) => write!(f, "{letter}"),
            Type::Var(index) => write!(f, "_var{index}"),
        }
    }
}
