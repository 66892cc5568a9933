//! Questions to Python in the middle of a write: the request waits, the loop decides.

use crate::join::{Event, Join};
use bytes::Bytes;
use kcp_apimachinery::status::Status;
use kcp_apiserver::hooks::Hooks;
use kcp_storage::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Questions that wait at a time. They are rare, and each holds a write.
const SEATS: usize = 64;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What a hook answered: an HTTP status, and the decision or a `Status`, as JSON.
type Decision = (u16, Bytes);

/// The questions that wait for Python.
pub struct Questions {
    join: Arc<Join>,
    open: Mutex<HashMap<u64, oneshot::Sender<Decision>>>,
}

impl Questions {
    pub fn new(join: Arc<Join>) -> Arc<Self> {
        Arc::new(Self { join, open: Mutex::default() })
    }

    /// Hands a decision to whoever waits for it; whether anybody did.
    pub fn answer(&self, id: u64, status: u16, body: Bytes) -> bool {
        let waiting = self.open.lock().remove(&id);
        waiting.is_some_and(|waiting| waiting.send((status, body)).is_ok())
    }

    /// Nobody will decide any more.
    pub fn close(&self) {
        self.open.lock().clear();
    }
}

impl Hooks for Questions {
    fn ask<'a>(&'a self, name: &'static str, question: Value) -> BoxFuture<'a, Result<Value, Status>> {
        Box::pin(async move {
            let id = self.join.next_id();
            let (sender, receiver) = oneshot::channel();
            {
                let mut open = self.open.lock();
                if open.len() >= SEATS {
                    return Err(Status::too_many_requests("too many writes wait for a decision", 1));
                }
                open.insert(id, sender);
            }
            let _forget = Forget { questions: self, id };
            self.join.push(Event::Hook(id, name, question.to_string().into()));
            match tokio::time::timeout(LIMIT, receiver).await {
                Ok(Ok((status, body))) => decision(status, &body),
                Ok(Err(_)) => Err(Status::service_unavailable("the server is ending")),
                Err(_) => Err(Status::timeout(format!("the decision about {name} took too long"), 1)),
            }
        })
    }
}

fn decision(status: u16, body: &[u8]) -> Result<Value, Status> {
    if status < 400 {
        return serde_json::from_slice(body).map_err(Status::internal);
    }
    Err(Status::from_json(body).unwrap_or_else(|| Status::internal("the decision failed; the server's log tells why")))
}

/// Gives a question up when its request does.
struct Forget<'a> {
    questions: &'a Questions,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.questions.open.lock().remove(&self.id);
    }
}
