//! Events as Python sees them: small frozen classes, made when the queue is drained.

use crate::join::{Answer, Event, Request as Bridged};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// A request for the application.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Request {
    id: u64,
    method: String,
    path: String,
    query: String,
    http_version: String,
    headers: Headers,
    cluster: String,
    user: String,
    uid: String,
    groups: Vec<String>,
    extra: Vec<(String, Vec<String>)>,
    client: Option<(String, u16)>,
    body: Option<Py<PyBytes>>,
}

/// A body that was read empty has more, or has ended.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Readable {
    id: u64,
}

/// A body that was full takes more.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Writable {
    id: u64,
}

/// The client of a bridged request has gone.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Gone {
    id: u64,
}

/// A call was answered.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Answered {
    id: u64,
    status: u16,
    headers: Headers,
    body: Option<Py<PyBytes>>,
}

/// The keys that were asked for.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Keys {
    id: u64,
    keys: Vec<(String, String, String, String)>,
    error: Option<String>,
}

/// A write waits for a decision.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Hook {
    id: u64,
    name: String,
    question: Py<PyBytes>,
}

/// A kind of unfinished work has new keys.
#[pyclass(frozen, get_all, module = "kcp._core")]
pub struct Work {
    kind: String,
}

impl Answered {
    pub fn new(py: Python<'_>, id: u64, answer: Answer) -> Self {
        let body = answer.body.map(|body| PyBytes::new(py, &body).unbind());
        Self { id, status: answer.status, headers: answer.headers, body }
    }
}

impl Request {
    fn new(py: Python<'_>, request: Bridged) -> Self {
        Self {
            id: request.id,
            method: request.method,
            path: request.path,
            query: request.query,
            http_version: request.version.to_owned(),
            headers: request.headers,
            cluster: request.cluster,
            user: request.user,
            uid: request.uid,
            groups: request.groups,
            extra: request.extra,
            client: request.client,
            body: request.body.map(|body| PyBytes::new(py, &body).unbind()),
        }
    }
}

/// Turns an event into its Python object.
pub fn to_python(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    Ok(match event {
        Event::Request(request) => Py::new(py, Request::new(py, *request))?.into_any(),
        Event::Readable(id) => Py::new(py, Readable { id })?.into_any(),
        Event::Writable(id) => Py::new(py, Writable { id })?.into_any(),
        Event::Gone(id) => Py::new(py, Gone { id })?.into_any(),
        Event::Answered(id, answer) => Py::new(py, Answered::new(py, id, *answer))?.into_any(),
        Event::Keys(id, found) => {
            let (keys, error) = match found {
                Ok(keys) => (keys, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            let parts = |key: kcp_storage::Key| {
                (key.resource().into(), key.cluster().into(), key.namespace().into(), key.name().into())
            };
            let keys = keys.into_iter().map(parts).collect();
            Py::new(py, Keys { id, keys, error })?.into_any()
        }
        Event::Hook(id, name, question) => {
            let question = PyBytes::new(py, &question).unbind();
            Py::new(py, Hook { id, name: name.to_owned(), question })?.into_any()
        }
        Event::Work(kind) => Py::new(py, Work { kind: kind.to_string() })?.into_any(),
    })
}
