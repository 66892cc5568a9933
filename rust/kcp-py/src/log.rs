//! Log lines of the data path on stderr, as text or as JSON.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// Sends the core's log lines to stderr. A process has one log: a second call is refused.
///
/// `verbosity` is that of `-v`: 0 tells what an operator has to know, 2 what happens, 4 and more how it happens.
#[pyfunction]
pub fn log_to_stderr(format: &str, verbosity: u8) -> PyResult<()> {
    let level = match verbosity {
        0 | 1 => LevelFilter::WARN,
        2 | 3 => LevelFilter::INFO,
        4..=7 => LevelFilter::DEBUG,
        8.. => LevelFilter::TRACE,
    };
    let lines = fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    let set = match format {
        "text" => lines.with_ansi(false).try_init(),
        "json" => lines.json().flatten_event(true).try_init(),
        other => return Err(PyValueError::new_err(format!("{other:?} is no log format (text, json)"))),
    };
    set.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
