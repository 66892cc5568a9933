//! Requests made from within the process: the same chain, no socket; answered through the queue.

use crate::bridge::{ReplyError, header_list, header_map};
use crate::join::{Answer, Event, Inflow, Join, Read};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use kcp_apimachinery::status::Status;
use kcp_apiserver::{ApiServer, Body, Peer, RequestBody, Response, UserInfo};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What is to be asked.
pub struct Call {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Bytes,
    /// Who asks; `None`: whoever the headers' credential proves.
    pub user: Option<UserInfo>,
}

struct Called {
    inflow: Inflow,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The calls under way.
pub struct Calls {
    join: Arc<Join>,
    open: Mutex<HashMap<u64, Arc<Called>>>,
}

impl Call {
    /// As the chain takes it.
    pub fn into_request(self) -> Result<(http::Request<RequestBody>, Peer), String> {
        let body = RequestBody::new(Full::new(self.body).map_err(|never| match never {}));
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(self.target)
            .version(http::Version::HTTP_2)
            .body(body)
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = header_map(self.headers).map_err(|error| match error {
            ReplyError::Invalid(text) => text,
            ReplyError::Gone => String::new(),
        })?;
        Ok((request, Peer { in_process: self.user.map(Arc::new), ..Peer::default() }))
    }
}

impl Calls {
    pub fn new(join: Arc<Join>) -> Arc<Self> {
        Arc::new(Self { join, open: Mutex::default() })
    }

    /// Calls under way, and answers that are being read.
    pub fn in_flight(&self) -> usize {
        self.open.lock().len()
    }

    /// Begins a call; [`Event::Answered`] brings its answer.
    pub fn begin(
        self: &Arc<Self>,
        runtime: &Handle,
        server: Arc<ApiServer>,
        request: http::Request<RequestBody>,
        peer: Peer,
    ) -> u64 {
        let id = self.join.next_id();
        let (inflow, pieces) = Inflow::new();
        let called = Arc::new(Called { inflow, task: Mutex::default() });
        self.open.lock().insert(id, Arc::clone(&called));
        let calls = Arc::clone(self);
        let ours = Arc::clone(&called);
        let task = runtime.spawn(async move {
            // Spawned apart, so that a panic becomes an answer.
            let handled = tokio::spawn(async move { server.handle(request, peer).await });
            let _cancel = CancelOnDrop(handled.abort_handle());
            let response = handled.await.unwrap_or_else(|_| panicked());
            let (parts, body) = response.into_parts();
            let mut answer = Answer { status: parts.status.as_u16(), headers: header_list(&parts.headers), body: None };
            if let Body::Full(bytes) = body {
                answer.body = Some(bytes.unwrap_or_default());
                calls.open.lock().remove(&id);
                calls.join.push(Event::Answered(id, Box::new(answer)));
            } else {
                calls.join.push(Event::Answered(id, Box::new(answer)));
                ours.inflow.pump(body, pieces, &calls.join, id).await;
            }
        });
        *called.task.lock() = Some(task);
        id
    }

    /// Reads on in an answer's body.
    pub fn read(&self, id: u64) -> Read {
        let called = self.open.lock().get(&id).cloned();
        called.map_or(Read::Broken, |called| called.inflow.read())
    }

    /// Ends a call, answered or not: nobody waits for it any more.
    pub fn forget(&self, id: u64) {
        let called = self.open.lock().remove(&id);
        if let Some(task) = called.and_then(|called| called.task.lock().take()) {
            task.abort();
        }
    }
}

/// A whole answer, read to its end.
pub async fn whole(server: Arc<ApiServer>, request: http::Request<RequestBody>, peer: Peer) -> Result<Answer, String> {
    let handled = tokio::spawn(async move { server.handle(request, peer).await });
    let _cancel = CancelOnDrop(handled.abort_handle());
    let (parts, body) = handled.await.unwrap_or_else(|_| panicked()).into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        body.collect().await.map_err(|error| error.to_string())?.to_bytes()
    };
    Ok(Answer { status: parts.status.as_u16(), headers: header_list(&parts.headers), body: Some(body) })
}

struct CancelOnDrop(tokio::task::AbortHandle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panicked() -> Response {
    let status = Status::internal("the request could not be served; the server's log tells why");
    let mut response = Response::new(Body::full(status.to_json()));
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
