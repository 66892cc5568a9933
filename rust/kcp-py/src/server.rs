//! A server as Python holds it: store, API server, listener and runtime, and the queue that joins them to one loop.

use crate::StoreError;
use crate::bridge::{Application, ApplicationBridge};
use crate::calls::{Call, Calls, whole};
use crate::door::{Door, piece};
use crate::events::Answered;
use crate::hooks::Questions;
use crate::join::{Answer, Event, Join};
use crate::socket::{Socket, runtime, seconds};
use crate::work::WorkWatch;
use bytes::Bytes;
use kcp_apiserver::authn::{self, Authentication, StaticToken};
use kcp_apiserver::authz::bootstrap::Bootstrap;
use kcp_apiserver::clock::SystemClock;
use kcp_apiserver::control;
use kcp_apiserver::expiry;
use kcp_apiserver::hooks::Hooks;
use kcp_apiserver::mounts::Bridge;
use kcp_apiserver::quota;
use kcp_apiserver::registry::BuiltIns;
use kcp_apiserver::{ApiServer, Config, UserInfo};
use kcp_storage::{Backend, Embedded, Key, Memory, Observer, Options};
use parking_lot::Mutex;
use pyo3::exceptions::{PyBrokenPipeError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long threads that are still at work get when the runtime ends.
const RUNTIME_END: Duration = Duration::from_secs(2);

/// A name, a uid, groups, and extra attributes.
type User = (String, String, Vec<String>, Vec<(String, Vec<String>)>);

/// What is there until `close`.
struct Running {
    runtime: Runtime,
    api: Arc<ApiServer>,
    socket: Socket,
}

/// See `_core.pyi`.
#[pyclass(frozen, extends = Door, module = "kcp._core")]
pub struct Server {
    join: Arc<Join>,
    application: Arc<Application>,
    calls: Arc<Calls>,
    work: Arc<WorkWatch>,
    questions: Arc<Questions>,
    descriptor: Option<i32>,
    running: Mutex<Option<Running>>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (
        *, resources, definitions, bootstrap_roles, clusters, store, fsync, listen, certificate, key, client_ca, external_host,
        virtual_workspace_url, root_ca, service_account_key, tokens, token_file, event_ttl, total_object_limit, bridge, workers
    ))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python, where it is called
    fn new(
        py: Python<'_>,
        resources: &[u8],
        definitions: Vec<Vec<u8>>,
        bootstrap_roles: &[u8],
        clusters: Vec<String>,
        store: Option<String>,
        fsync: bool,
        listen: Option<(String, u16)>,
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
        external_host: Option<String>,
        virtual_workspace_url: String,
        root_ca: &str,
        service_account_key: Option<String>,
        tokens: Vec<(String, User)>,
        token_file: Option<&str>,
        event_ttl: f64,
        total_object_limit: u64,
        bridge: bool,
        workers: usize,
    ) -> PyResult<PyClassInitializer<Self>> {
        let built_ins = BuiltIns::parse(resources)
            .and_then(|built_ins| built_ins.with_definitions(definitions.iter().map(Vec::as_slice)))
            .map_err(PyValueError::new_err)?;
        let bootstrap = Bootstrap::parse(bootstrap_roles).map_err(PyValueError::new_err)?;
        let event_ttl = seconds(event_ttl)?;
        let socket = match &listen {
            Some((host, port)) => Socket::bind(host, *port, certificate, key, client_ca)?,
            None => Socket::None,
        };
        let (address, descriptor) = socket.bound()?;
        let runtime = runtime(workers)?;
        let backend = py.detach(|| open_store(store.as_deref(), fsync)).map_err(StoreError::new_err)?;
        let join = Join::new()?;
        let application = Application::new(Arc::clone(&join));
        let work = WorkWatch::new(Arc::clone(&join));
        let questions = Questions::new(Arc::clone(&join));
        backend.observe(Arc::clone(&work) as Arc<dyn Observer>);
        let host = external_host.or_else(|| address.as_ref().map(|(host, _)| host.clone())).unwrap_or_default();
        let api = ApiServer::new(Config {
            store: backend,
            clock: Arc::new(SystemClock),
            built_ins,
            authentication: authentication(tokens, token_file, service_account_key)?,
            bridge: bridge.then(|| Arc::new(ApplicationBridge(Arc::clone(&application))) as Arc<dyn Bridge>),
            hooks: Some(Arc::clone(&questions) as Arc<dyn Hooks>),
            external_address: host_port(&host, address.as_ref().map_or(0, |(_, port)| *port)),
            virtual_workspace_url,
            root_ca: root_ca.to_owned(),
            event_ttl,
            total_object_limit,
        })
        .map_err(PyValueError::new_err)?;
        py.detach(|| runtime.block_on(prepare(&api, &bootstrap, &clusters))).map_err(StoreError::new_err)?;
        runtime.spawn(expiry::run(Arc::clone(&api)));
        let server = Self {
            calls: Calls::new(Arc::clone(&join)),
            join: Arc::clone(&join),
            application: Arc::clone(&application),
            work,
            questions,
            descriptor,
            running: Mutex::new(Some(Running { runtime, api, socket })),
        };
        Ok(PyClassInitializer::from(Door { join, application, address }).add_subclass(server))
    }

    #[getter]
    fn listening_descriptor(&self) -> Option<i32> {
        // After a drain the number may be another file's. Asked in a forked child, where a lock can be held for ever.
        let running = self.running.try_lock()?;
        let open = running.as_ref().is_some_and(|running| !matches!(running.socket, Socket::None));
        self.descriptor.filter(|_| open)
    }

    fn listen(&self) -> PyResult<()> {
        let mut running = self.running.lock();
        let running = running.as_mut().ok_or_else(closed)?;
        running.socket.listen(&running.runtime, &running.api)
    }

    // In-process calls.

    #[pyo3(signature = (method, target, headers, body, user))]
    fn call(
        &self,
        method: String,
        target: String,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        body: &[u8],
        user: Option<User>,
    ) -> PyResult<u64> {
        let (request, peer) = call(method, target, headers, body, user)?;
        let running = self.running.lock();
        let running = running.as_ref().ok_or_else(closed)?;
        Ok(self.calls.begin(running.runtime.handle(), Arc::clone(&running.api), request, peer))
    }

    #[pyo3(signature = (method, target, headers, body, user))]
    fn call_blocking(
        &self,
        py: Python<'_>,
        method: String,
        target: String,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        body: &[u8],
        user: Option<User>,
    ) -> PyResult<Answered> {
        let (request, peer) = call(method, target, headers, body, user)?;
        let (handle, api) = {
            let running = self.running.lock();
            let running = running.as_ref().ok_or_else(closed)?;
            (running.runtime.handle().clone(), Arc::clone(&running.api))
        };
        let answer = py.detach(|| handle.block_on(whole(api, request, peer)));
        Ok(Answered::new(py, 0, answer.map_err(PyBrokenPipeError::new_err)?))
    }

    fn read_answer<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        piece(py, self.calls.read(id))
    }

    fn forget_call(&self, id: u64) {
        self.calls.forget(id);
    }

    // Decisions.

    fn answer_hook(&self, id: u64, status: u16, body: &[u8]) -> bool {
        self.questions.answer(id, status, Bytes::copy_from_slice(body))
    }

    // Unfinished work.

    fn want_work(&self, kind: &str) {
        self.work.want(kind);
    }

    #[pyo3(signature = (kind, limit, after=None))]
    fn take_work(&self, kind: String, limit: usize, after: Option<(String, String, String, String)>) -> PyResult<u64> {
        let running = self.running.lock();
        let running = running.as_ref().ok_or_else(closed)?;
        if after.is_none() {
            // A walk through the pages begins: keys that come from now on are told, wherever they sort.
            self.work.looking(&kind);
        }
        let after = after.map(|(resource, cluster, namespace, name)| Key::new(&resource, &cluster, &namespace, &name));
        let id = self.join.next_id();
        let (join, api) = (Arc::clone(&self.join), Arc::clone(&running.api));
        running.runtime.spawn(async move {
            let keys = control::work(&api, &kind, after, limit).await;
            join.push(Event::Keys(id, keys.map_err(|status| status.message.to_string())));
        });
        Ok(id)
    }

    fn ask(&self, question: Vec<u8>) -> PyResult<u64> {
        let running = self.running.lock();
        let running = running.as_ref().ok_or_else(closed)?;
        let id = self.join.next_id();
        let (join, api) = (Arc::clone(&self.join), Arc::clone(&running.api));
        running.runtime.spawn(async move {
            let (status, body) = match control::ask(&api, &question).await {
                Ok(answer) => (200, answer.to_string()),
                Err(status) => (status.code, status.to_value().to_string()),
            };
            join.push(Event::Answered(id, Box::new(Answer { status, headers: Vec::new(), body: Some(body.into()) })));
        });
        Ok(id)
    }

    // The end.

    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = PyDict::new(py);
        numbers.set_item("events_waiting", self.join.waiting())?;
        numbers.set_item("requests_bridged", self.application.in_flight())?;
        numbers.set_item("calls", self.calls.in_flight())?;
        let running = self.running.lock();
        numbers.set_item("connections", running.as_ref().map_or(0, |running| running.socket.connections()))?;
        Ok(numbers)
    }

    fn drain(&self, py: Python<'_>, seconds: f64) -> PyResult<usize> {
        let limit = self::seconds(seconds)?;
        let (handle, socket, store) = {
            let mut running = self.running.lock();
            let Some(running) = running.as_mut() else { return Ok(0) };
            let socket = std::mem::replace(&mut running.socket, Socket::None);
            running.api.health.begin_shutdown();
            (running.runtime.handle().clone(), socket, Arc::clone(&running.api.store))
        };
        Ok(py.detach(|| {
            store.end_watches();
            socket.drain(&handle, limit)
        }))
    }

    fn close(&self, py: Python<'_>) {
        let Some(running) = self.running.lock().take() else { return };
        py.detach(|| {
            self.application.close();
            self.questions.close();
            running.runtime.block_on(running.api.store.close());
            drop(running.socket);
            drop(running.api);
            running.runtime.shutdown_timeout(RUNTIME_END);
        });
    }

    fn forget_after_fork(&self) {
        // The child has none of the runtime's threads: joining them would wait for ever. The parent may have held
        // the lock at the fork; then the server is unreachable and is forgotten as it is.
        if let Some(mut running) = self.running.try_lock() {
            std::mem::forget(running.take());
        }
    }
}

fn open_store(store: Option<&str>, fsync: bool) -> Result<Arc<dyn Backend>, String> {
    Ok(match store {
        None => Arc::new(Memory::with_uncounted(quota::uncounted())),
        Some(directory) => {
            let options = Options { no_fsync: !fsync, uncounted: quota::uncounted(), ..Options::default() };
            Arc::new(Embedded::open(Path::new(directory), options).map_err(|error| error.to_string())?)
        }
    })
}

/// What has to be there before the first request.
async fn prepare(api: &ApiServer, bootstrap: &Bootstrap, clusters: &[String]) -> Result<(), String> {
    api.prepare(bootstrap).await.map_err(|error| error.to_string())?;
    for cluster in clusters {
        api.clusters.ensure(api, cluster).await.map_err(|status| status.message.to_string())?;
    }
    Ok(())
}

fn authentication(
    tokens: Vec<(String, User)>,
    token_file: Option<&str>,
    service_account_key: Option<String>,
) -> PyResult<Authentication> {
    // The file's tokens first: of two users with one token the later wins, and that has to be ours.
    let mut known = match token_file {
        Some(text) => authn::parse_token_file(text).map_err(|error| PyValueError::new_err(error.to_string()))?,
        None => Vec::new(),
    };
    known.extend(
        tokens.into_iter().map(|(token, user)| StaticToken { hash: authn::hash_token(&token), user: user_info(user) }),
    );
    let settings =
        authn::Settings { tokens: known, signing_key: service_account_key, anonymous: true, ..Default::default() };
    Authentication::new(settings).map_err(|error| PyValueError::new_err(format!("the service account key: {error}")))
}

fn user_info((name, uid, groups, extra): User) -> UserInfo {
    UserInfo { name, uid, groups, extra: extra.into_iter().collect() }
}

fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn call(
    method: String,
    target: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: &[u8],
    user: Option<User>,
) -> PyResult<(http::Request<kcp_apiserver::RequestBody>, kcp_apiserver::Peer)> {
    let user = user.map(user_info);
    let call = Call { method, target, headers, body: Bytes::copy_from_slice(body), user };
    call.into_request().map_err(PyValueError::new_err)
}

fn closed() -> PyErr {
    PyRuntimeError::new_err("the server is closed")
}
