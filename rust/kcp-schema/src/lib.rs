//! Structural schemas: what custom resources may look like, and the definitions that say so.
//!
//! Pure: values in, values and errors out; no I/O, no clock, no globals beyond compiled constants. A CRD is checked by
//! [`crd`], read into a [`crd::Definition`], and its schemas, compiled into [`Structural`], then prune, default and
//! validate every request. Nothing here panics or recurses without bound, whatever the input.

pub mod cel;
pub mod crd;
mod defaults;
mod fault;
mod formats;
pub mod jsonpath;
mod lists;
mod numbers;
pub mod object_meta;
pub mod openapi;
mod ownership;
mod path;
mod pattern;
mod pool;
#[cfg(test)]
mod properties;
mod props;
mod prune;
pub mod quantity;
mod ratchet;
mod shape;
mod structural;
pub mod table;
mod validate;

pub use object_meta::{DecodeError, Malformed};
pub use pool::{Interned, Pool};
pub use props::{MAX_DEPTH, MAX_NODES};
pub use structural::{Structural, digest};
