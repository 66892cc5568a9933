//! The boundary to Python, `kcp._core`: bytes, strings and integers go down; small frozen objects come up.
//!
//! The reference page is `python/kcp/_core.pyi`. A method converts, leaves the interpreter, calls and converts back;
//! what deserves a test of its own lives in another crate. Rust keeps no Python object and its threads never run
//! Python: they push events ([`join`]) that one event loop drains.

mod bridge;
mod calls;
mod certificates;
mod door;
mod events;
mod front;
mod hooks;
mod join;
mod log;
mod server;
mod socket;
mod work;

use pyo3::prelude::*;

pyo3::create_exception!(kcp._core, StoreError, pyo3::exceptions::PyException, "The store cannot be opened.");

/// The files that `python/kcp/core/stamp.py` compares with those of the package it is in.
const BOUNDARY: [&[u8]; 3] = [
    include_bytes!("../../../python/kcp/_core.pyi"),
    include_bytes!("../../../python/kcp/controllers/__init__.py"),
    include_bytes!("../../../python/kcp/client/facts.py"),
];

#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;
    use pyo3::types::PyBytes;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("BOUNDARY", PyBytes::new(module.py(), &super::BOUNDARY.concat()))
    }

    #[pymodule_export]
    use super::StoreError;
    #[pymodule_export]
    use super::certificates::{certificate_covers, make_authority, make_key, make_serving_certificate};
    #[pymodule_export]
    use super::door::Door;
    #[pymodule_export]
    use super::events::{Answered, Gone, Hook, Keys, Readable, Request, Work, Writable};
    #[pymodule_export]
    use super::front::Front;
    #[pymodule_export]
    use super::log::log_to_stderr;
    #[pymodule_export]
    use super::server::Server;
}
