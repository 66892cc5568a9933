//! Which objects a list, watch or deletecollection means: by label or by field.

pub mod field;
pub mod label;
