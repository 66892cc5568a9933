//! A listener without a store: every request goes to the application.
//!
//! It knows client certificates and nothing else of who calls: a bearer token is left to the application, which asks the
//! server behind about it.

use crate::bridge::{Application, ApplicationBridge};
use crate::door::Door;
use crate::join::Join;
use crate::socket::{Socket, runtime, seconds};
use kcp_apiserver::authn::{self, Authentication};
use kcp_apiserver::clock::{Clock, SystemClock};
use kcp_apiserver::mounts::Bridge;
use kcp_apiserver::{Exchange, Peer, RequestBody, Response, respond};
use kcp_listener::Handler;
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long threads that are still at work get when the runtime ends.
const RUNTIME_END: Duration = Duration::from_secs(2);

/// What the listener hands requests to.
struct Gate {
    authentication: Authentication,
    bridge: ApplicationBridge,
}

impl Handler for Gate {
    async fn handle(self: Arc<Self>, request: http::Request<RequestBody>, peer: Peer) -> Response {
        let (parts, body) = request.into_parts();
        let mut exchange = Exchange::new(parts, body, peer);
        respond::begin(&mut exchange);
        let known = authn::identify_connection(&self.authentication, SystemClock.now(), &mut exchange);
        let response = match known {
            Ok(user) => {
                exchange.user = user.unwrap_or_default();
                self.bridge.call(&mut exchange).await
            }
            Err(status) => respond::status(&exchange, &status),
        };
        respond::finish(&exchange, response)
    }

    /// Watches are the application's, which ends them.
    fn drain(&self) {}
}

struct Running {
    runtime: Runtime,
    socket: Socket,
}

/// See `_core.pyi`.
#[pyclass(frozen, extends = Door, module = "kcp._core")]
pub struct Front {
    application: Arc<Application>,
    gate: Arc<Gate>,
    running: Mutex<Option<Running>>,
}

#[pymethods]
impl Front {
    #[new]
    #[pyo3(signature = (*, listen, certificate, key, client_ca, workers))]
    fn new(
        listen: (String, u16),
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
        workers: usize,
    ) -> PyResult<PyClassInitializer<Self>> {
        let socket = Socket::bind(&listen.0, listen.1, certificate, key, client_ca)?;
        let (address, _) = socket.bound()?;
        let join = Join::new()?;
        let application = Application::new(Arc::clone(&join));
        let bridge = ApplicationBridge(Arc::clone(&application));
        let front = Self {
            application: Arc::clone(&application),
            gate: Arc::new(Gate { authentication: Authentication::default(), bridge }),
            running: Mutex::new(Some(Running { runtime: runtime(workers)?, socket })),
        };
        Ok(PyClassInitializer::from(Door { join, application, address }).add_subclass(front))
    }

    fn listen(&self) -> PyResult<()> {
        let mut running = self.running.lock();
        let running = running.as_mut().ok_or_else(|| PyRuntimeError::new_err("the server is closed"))?;
        running.socket.listen(&running.runtime, &self.gate)
    }

    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = PyDict::new(py);
        numbers.set_item("requests_bridged", self.application.in_flight())?;
        let running = self.running.lock();
        numbers.set_item("connections", running.as_ref().map_or(0, |running| running.socket.connections()))?;
        Ok(numbers)
    }

    fn drain(&self, py: Python<'_>, seconds: f64) -> PyResult<usize> {
        let limit = self::seconds(seconds)?;
        let (handle, socket) = {
            let mut running = self.running.lock();
            let Some(running) = running.as_mut() else { return Ok(0) };
            (running.runtime.handle().clone(), std::mem::replace(&mut running.socket, Socket::None))
        };
        Ok(py.detach(|| socket.drain(&handle, limit)))
    }

    fn close(&self, py: Python<'_>) {
        let Some(running) = self.running.lock().take() else { return };
        py.detach(|| {
            self.application.close();
            drop(running.socket);
            running.runtime.shutdown_timeout(RUNTIME_END);
        });
    }
}
