//! What requests for the application come through, whoever stands behind: the base of `Server` and `Front`.

use crate::bridge::{Application, ReplyError};
use crate::events::to_python;
use crate::join::{Join, Read, WriteError};
use pyo3::exceptions::{PyBrokenPipeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// See `_core.pyi`.
#[pyclass(frozen, subclass, module = "kcp._core")]
pub struct Door {
    pub join: Arc<Join>,
    pub application: Arc<Application>,
    pub address: Option<(String, u16)>,
}

#[pymethods]
impl Door {
    #[getter]
    fn address(&self) -> Option<(String, u16)> {
        self.address.clone()
    }

    fn fileno(&self) -> i32 {
        self.join.descriptor()
    }

    #[pyo3(signature = (limit=256))]
    fn drain_events(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<Py<PyAny>>> {
        self.join.drain(limit).into_iter().map(|event| to_python(py, event)).collect()
    }

    fn read_body<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        piece(py, self.application.read(id))
    }

    fn reply(
        &self,
        id: u64,
        status: u16,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        first: &[u8],
        more: bool,
    ) -> PyResult<bool> {
        match self.application.reply(id, status, headers, first, more) {
            Ok(()) => Ok(true),
            Err(ReplyError::Gone) => Ok(false),
            Err(ReplyError::Invalid(text)) => Err(PyValueError::new_err(text)),
        }
    }

    fn write_body(&self, id: u64, data: &[u8]) -> PyResult<bool> {
        match self.application.write(id, data) {
            Ok(()) => Ok(true),
            Err(WriteError::Full) => Ok(false),
            Err(WriteError::Gone) => Err(PyBrokenPipeError::new_err("the client has gone")),
        }
    }

    #[pyo3(signature = (id, *, broken=false))]
    fn finish(&self, id: u64, broken: bool) {
        self.application.finish(id, broken);
    }
}

/// A piece of a body: empty at its end, `None` when there is none yet.
pub fn piece(py: Python<'_>, read: Read) -> PyResult<Option<Bound<'_, PyBytes>>> {
    match read {
        Read::Data(data) => Ok(Some(PyBytes::new(py, &data))),
        Read::End => Ok(Some(PyBytes::new(py, b""))),
        Read::Wait => Ok(None),
        Read::Broken => Err(PyBrokenPipeError::new_err("the other side broke off")),
    }
}
