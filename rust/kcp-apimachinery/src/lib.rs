//! The values every other room speaks in: statuses, group-version-kinds, metadata, names, selectors and patches.
//!
//! Nothing here does I/O or looks at a clock. Objects are [`serde_json::Value`] with sorted maps; messages are worded as
//! Kubernetes words them, because clients and people compare them.

pub mod field;
pub mod gvk;
pub mod json;
pub mod managed;
pub mod meta;
pub mod names;
pub mod patch;
pub mod selector;
pub mod status;
pub mod strict;
mod strict_syntax;
pub mod text;
pub mod time;
pub mod version;
pub mod walk;

pub use gvk::{GroupKind, GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
pub use names::LogicalClusterName;
pub use status::{Reason, Status};
