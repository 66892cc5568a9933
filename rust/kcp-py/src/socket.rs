//! The listening socket of a server, from the moment it is bound to its drain, and the runtime it is served on.

use kcp_listener::{Handler, Limits, Listener, Settings, Tls};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

/// IP and port.
pub type Address = (String, u16);

pub enum Socket {
    None,
    /// Bound; clients wait in the backlog.
    Bound(TcpListener, Tls),
    Listening(Listener),
}

impl Socket {
    /// Takes an address.
    pub fn bind(host: &str, port: u16, certificate: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> PyResult<Self> {
        let tls = Tls::new(certificate, key, client_ca).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let ip = host.parse().map_err(|_| PyValueError::new_err(format!("{host:?} is no IP address")))?;
        let socket = kcp_listener::bind(SocketAddr::new(ip, port)).map_err(|error| match error.raw_os_error() {
            Some(number) => PyOSError::new_err((number, error.to_string())),
            None => error.into(),
        })?;
        Ok(Self::Bound(socket, tls))
    }

    /// The address and the descriptor of a socket that is bound.
    pub fn bound(&self) -> PyResult<(Option<Address>, Option<i32>)> {
        let Self::Bound(socket, _) = self else { return Ok((None, None)) };
        let address = socket.local_addr()?;
        Ok((Some((address.ip().to_string(), address.port())), Some(socket.as_raw_fd())))
    }

    /// Begins to serve connections, where it is bound.
    pub fn listen<H: Handler>(&mut self, runtime: &Runtime, handler: &Arc<H>) -> PyResult<()> {
        *self = match std::mem::replace(self, Self::None) {
            Self::Bound(socket, tls) => {
                // Many clients are many files. Where the limit cannot be raised, the one in force holds.
                let _ = kcp_listener::os::raise_open_files();
                let settings = Settings { socket, tls, limits: Limits::default() };
                let _context = runtime.enter();
                Self::Listening(Listener::open(settings, Arc::clone(handler))?)
            }
            other => other,
        };
        Ok(())
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        if let Self::Listening(listener) = self { listener.connections() } else { 0 }
    }

    /// Stops accepting and waits for requests, at most so long; tells how many connections were cut.
    pub fn drain(self, runtime: &Handle, limit: Duration) -> usize {
        match self {
            Self::Listening(listener) => runtime.block_on(listener.drain(limit)).cut,
            Self::None | Self::Bound(..) => 0,
        }
    }
}

/// A runtime with so many threads; 0 chooses by the number of cores.
pub fn runtime(workers: usize) -> PyResult<Runtime> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    // Two at least: one has no slack for long work. More than four gained nothing where it was measured.
    let workers = if workers == 0 { cores.clamp(2, 4) } else { workers };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(workers).thread_name("kcp-core").enable_all().build()?)
}

/// A time that Python gives in seconds.
pub fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
}
