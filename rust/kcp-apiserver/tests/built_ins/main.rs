//! Built-in kinds answer as a recorded kube-apiserver did, in process, over the in-memory engine.
//!
//! Authentication and authorization are left out of the chain: what is asked here is what kinds mean.

mod apply;
mod definitions;
mod harness;
mod namespaces;
mod objects;
mod recorded;
