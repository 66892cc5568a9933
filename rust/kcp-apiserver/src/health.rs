//! `/healthz`, `/livez` and `/readyz`: whether the process lives, and whether it should get requests.

use crate::exchange::{Exchange, Response};
use crate::request_info;
use crate::respond;
use crate::server::ApiServer;
use http::StatusCode;
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use kcp_apimachinery::status::Status;
use kcp_storage::{At, BoxFuture, KeyRange, ListQuery};
use std::sync::atomic::{AtomicBool, Ordering};

const TEXT: &str = "text/plain; charset=utf-8";

/// What the checks look at besides the store.
#[derive(Debug, Default)]
pub struct Health {
    stopping: AtomicBool,
}

impl Health {
    /// From now on the server is not ready: it is about to stop.
    pub fn begin_shutdown(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server is about to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The process answers.
    Ping,
    /// It can log.
    Log,
    /// The store answers a read. Named as upstream names its store, because probes ask for it by that name.
    Storage,
    /// The same, as readiness.
    StorageReadiness,
    /// Caches are as new as the store. Nothing here lags behind it, so this holds once the store answers.
    Caches,
    /// The server is not about to stop.
    Shutdown,
}

const LIVE: &[Check] = &[Check::Ping, Check::Log, Check::Storage];
const READY: &[Check] =
    &[Check::Ping, Check::Log, Check::Storage, Check::StorageReadiness, Check::Caches, Check::Shutdown];

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Log => "log",
            Self::Storage => "etcd",
            Self::StorageReadiness => "etcd-readiness",
            Self::Caches => "informer-sync",
            Self::Shutdown => "shutdown",
        }
    }

    async fn run(self, server: &ApiServer) -> Result<(), String> {
        match self {
            Self::Ping | Self::Log => Ok(()),
            Self::Storage | Self::StorageReadiness | Self::Caches => {
                // Nothing stands under the empty resource: the read costs a seek.
                let query = ListQuery { range: KeyRange::resource(""), at: At::Latest, after: None, limit: Some(1) };
                server.store.list(query).await.map(drop).map_err(|error| error.to_string())
            }
            Self::Shutdown if server.health.is_stopping() => Err("process is shutting down".into()),
            Self::Shutdown => Ok(()),
        }
    }
}

fn checks(endpoint: &str) -> &'static [Check] {
    if endpoint == "readyz" { READY } else { LIVE }
}

/// The paths of all single checks, for the index of paths.
pub fn paths() -> impl Iterator<Item = String> {
    ["healthz", "livez", "readyz"]
        .into_iter()
        .flat_map(|endpoint| checks(endpoint).iter().map(move |check| format!("/{endpoint}/{}", check.name())))
}

/// Answers `/healthz`, `/livez`, `/readyz` and their single checks.
pub fn serve<'a>(
    server: &'a ApiServer,
    exchange: &'a Exchange,
    parts: Vec<String>,
) -> BoxFuture<'a, Result<Response, Status>> {
    Box::pin(async move {
        let (endpoint, rest) = parts.split_first().map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
        if rest.is_empty() {
            Ok(all(server, exchange, endpoint).await)
        } else {
            Ok(one(server, endpoint, &rest.join("/")).await)
        }
    })
}

async fn one(server: &ApiServer, endpoint: &str, name: &str) -> Response {
    let Some(check) = checks(endpoint).iter().find(|check| check.name() == name) else {
        return crate::paths::not_found();
    };
    match check.run(server).await {
        Ok(()) => respond::full(StatusCode::OK, TEXT, "ok"),
        Err(error) => {
            nosniff(respond::full(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("internal server error: {error}\n")))
        }
    }
}

async fn all(server: &ApiServer, exchange: &Exchange, endpoint: &str) -> Response {
    let query = exchange.query();
    let mut excluded: Vec<String> = request_info::values(query, "exclude")
        .flat_map(|value| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut lines = String::new();
    let mut failed = false;
    for check in checks(endpoint) {
        let name = check.name();
        if let Some(index) = excluded.iter().position(|other| other == name) {
            excluded.swap_remove(index);
            lines.push_str(&format!("[+]{name} excluded: ok\n"));
            continue;
        }
        match check.run(server).await {
            Ok(()) => lines.push_str(&format!("[+]{name} ok\n")),
            Err(error) => {
                tracing::warn!(check = name, endpoint, error, "health check failed");
                failed = true;
                lines.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    excluded.retain(|name| !name.is_empty());
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        lines.push_str(&format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(",")));
    }
    let verbose = request_info::values(query, "verbose").next().is_some();
    nosniff(if failed {
        respond::full(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{lines}{endpoint} check failed\n"))
    } else if verbose {
        respond::full(StatusCode::OK, TEXT, format!("{lines}{endpoint} check passed\n"))
    } else {
        respond::full(StatusCode::OK, TEXT, "ok")
    })
}

fn nosniff(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
