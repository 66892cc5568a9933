//! Decisions that need judgement: asked of whoever embeds the server, in the middle of a write, and rare.
//!
//! A hook answers from what it reads. It makes no write that waits for another hook, and what it read is held against the
//! store again when the write that asked is committed.

use kcp_apimachinery::Status;
use kcp_storage::BoxFuture;
use serde_json::Value;

/// Who decides.
pub trait Hooks: Send + Sync + 'static {
    /// Asks the hook `name`. Dropping the future gives the question up.
    ///
    /// # Errors
    /// What the hook refuses with; 429 when too many questions wait, 504 when the answer takes too long, 500 when the hook
    /// fails, 503 when nobody is there to decide.
    fn ask<'a>(&'a self, name: &'static str, question: Value) -> BoxFuture<'a, Result<Value, Status>>;
}

/// Nobody decides: every write that has to ask is refused.
pub struct Nobody;

impl Hooks for Nobody {
    fn ask<'a>(&'a self, name: &'static str, _: Value) -> BoxFuture<'a, Result<Value, Status>> {
        let text = format!("nobody is there to decide about {name}");
        Box::pin(std::future::ready(Err(Status::service_unavailable(text))))
    }
}
