//! Revisions, multi-version reads, watches and secondary indexes behind one narrow trait.
//!
//! A store maps typed [`Key`]s to opaque [`Value`]s. Every change has a [`Revision`] of its own, strictly rising
//! within a store. What belongs here: ordering, durability, history, fan-out. What stays out: JSON, Kubernetes
//! kinds, HTTP. Two engines stand behind [`Backend`]: `memory`, which reads as the specification, and
//! `embedded`, which keeps its data on disk.

pub mod backend;
pub mod born;
mod check;
mod codec;
pub mod counts;
pub mod embedded;
pub mod error;
pub mod event;
pub mod hub;
pub mod key;
pub mod memory;
mod off_worker;
pub mod revision;
pub mod value;
pub mod watch;

pub use backend::{
    At, Backend, Batch, BoxFuture, Change, Committed, Expect, Guard, IndexEntry, Item, ListQuery, Observer, Op, Page,
    WatchQuery,
};
pub use born::{Birth, Piece, Template, TemplateId, TemplateObject};
pub use counts::{Counts, Limit, LimitScope};
pub use embedded::{Embedded, OpenError, Options, Retention};
pub use error::{CommitError, Error, WatchError};
pub use event::{Event, EventKind};
pub use hub::{Hub, HubStatistics};
pub use key::{Key, KeyRange, Scope};
pub use memory::Memory;
pub use off_worker::off_worker;
pub use revision::Revision;
pub use value::Value;
pub use watch::Watch;
