//! CEL: the language of validation rules.
//!
//! ```text
//! text → ast (parser of the `cel` crate) → check (types, overloads) → estimate (cost before) → program → eval (cost after)
//! ```
//!
//! What a schema declares to its rules is in [`declared`]; rules themselves and where they run are in [`rules`].

#[cfg(test)]
mod answers;
mod ast;
mod check;
#[cfg(test)]
mod conformance;
mod cost;
mod declarations;
pub(crate) mod declared;
mod depth;
mod error;
mod estimate;
mod eval;
mod functions;
mod literals;
mod macros;
mod program;
pub(crate) mod rules;
mod source;
mod times;
mod types;
mod validate;
mod value;

pub(crate) use functions::quantity::Quantity;
pub use validate::Verdict;
