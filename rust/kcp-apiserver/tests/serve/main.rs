//! Requests through the whole chain over the in-memory engine, without sockets.

mod aggregation;
mod definitions;
mod expiry;
mod faults;
mod garbage;
mod harness;
mod lists;
mod native;
mod objects;
mod protobuf;
mod quota;
mod selectable;
mod tenancy;
mod versions;
mod watches;
