//! Field management: who owns which field of an object, and server-side apply, which rests on it.
//!
//! `metadata.managedFields` holds an [`Entry`] for each manager with the [`FieldSet`] it owns. A write that is not an
//! apply gives what it changed to its manager ([`update()`]); an [`apply()`] merges a document into the object, removes
//! what its manager no longer wants, and refuses to change what others own. A [`Schema`] says what is owned as a whole
//! and by what items of lists are told apart. Sets borrow from the objects and texts they are made of; nothing here is
//! more than a logarithm worse than linear in what it is given, and nothing recurses deeper than its input.

mod apply;
mod collect;
mod compare;
mod conflict;
mod element;
mod entries;
mod fields_v1;
mod merge;
pub mod object_meta;
mod scale;
mod schema;
mod set;
mod update;
mod value;

pub use apply::{Applied, Apply, LAST_APPLIED, Refusal, apply};
pub use collect::{field_set, validate};
pub use compare::Comparison;
pub use element::Element;
pub use entries::{Entries, Entry, Operation, is_reset, same_but_times};
pub use merge::{merge, reconcile, remove, with_named_fields};
pub use scale::{Replicas, SCALE_VERSION};
pub use schema::{DEDUCED, Place, Relation, Scalar, Schema, Shape, Type, UNTYPED};
pub use set::{FieldSet, Node};
pub use update::{ANCIENT, BEFORE_FIRST_APPLY, MAX_UPDATERS, Request, Versions, update};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
