//! A load generator for Kubernetes API servers on loopback: one operation, closed loop, over HTTP/2 and TLS.
//!
//! `kcp-load MODE --server https://127.0.0.1:6443[/clusters/x] --ca FILE --token TOKEN [--connections 4]
//! [--concurrency 32] [--seconds 5] [--warm-up 1] [--namespace bench] [--objects 500] [--watchers 200]`
//!
//! Modes of workspaces, as many users: `workspaces`, `visit`, `walk`, `fill` (see `workspaces.rs`), with `--count`,
//! `--owners`, `--prefix`, `--parents FILE`, `--names FILE`, `--bodies FILE`, `--hot` and `--path`.
//!
//! Modes: `get`, `create`, `update`, `patch`, `apply`, `list`, `watch`, and `idle`, which opens watches, prints a line and
//! holds them until its standard input ends. Prints one JSON object with rate, latencies and errors.
//! Only loopback addresses are accepted, and every run ends after its seconds.

mod client;
mod report;
mod work;
mod workspaces;

use client::Connection;
use report::Report;
use std::sync::Arc;
use std::time::Duration;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which operation.
    pub mode: String,
    /// Base URL: scheme, loopback host, port and a path that every request begins with.
    pub server: String,
    /// File with the PEM of the server's certificate authority.
    pub ca: String,
    /// Bearer token.
    pub token: String,
    /// TLS connections.
    pub connections: usize,
    /// Requests in flight, over all connections.
    pub concurrency: usize,
    /// How long is measured.
    pub measured: Duration,
    /// How long is warmed up before.
    pub warm_up: Duration,
    /// Namespace that the objects live in; it exists already.
    pub namespace: String,
    /// Objects that are listed, or that updates are spread over.
    pub objects: usize,
    /// Watches of mode `watch`.
    pub watchers: usize,
    /// Workspaces to make, or logical clusters to fill.
    pub count: usize,
    /// Users that take turns; user `n` has the token `TOKEN-n`.
    pub owners: usize,
    /// What names of workspaces begin with.
    pub prefix: String,
    /// File with the logical clusters that workspaces are made in; empty for `root`.
    pub parents: String,
    /// File with names of logical clusters: written by `workspaces`, read by the other modes.
    pub names: String,
    /// File with the objects of mode `fill`, a JSON array.
    pub bodies: String,
    /// How many of the names are visited; 0 for all.
    pub hot: usize,
    /// What is got in each logical cluster, or walked.
    pub path: String,
}

fn settings() -> Result<Settings, String> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().ok_or("usage: kcp-load MODE --server URL --ca FILE --token TOKEN")?;
    let mut settings = Settings {
        mode,
        server: String::new(),
        ca: String::new(),
        token: String::new(),
        connections: 4,
        concurrency: 32,
        measured: Duration::from_secs(5),
        warm_up: Duration::from_secs(1),
        namespace: "bench".into(),
        objects: 500,
        watchers: 200,
        count: 1_000,
        owners: 1,
        prefix: "ws".into(),
        parents: String::new(),
        names: String::new(),
        bodies: String::new(),
        hot: 0,
        path: String::new(),
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{flag} needs a number, not {value:?}"));
        let seconds = || value.parse::<f64>().map_err(|_| format!("{flag} needs seconds, not {value:?}"));
        match flag.as_str() {
            "--server" => settings.server = value,
            "--ca" => settings.ca = value,
            "--token" => settings.token = value,
            "--connections" => settings.connections = number()?,
            "--concurrency" => settings.concurrency = number()?,
            "--seconds" => settings.measured = Duration::from_secs_f64(seconds()?.min(600.0)),
            "--warm-up" => settings.warm_up = Duration::from_secs_f64(seconds()?.min(60.0)),
            "--namespace" => settings.namespace = value,
            "--objects" => settings.objects = number()?,
            "--watchers" => settings.watchers = number()?,
            "--count" => settings.count = number()?,
            "--owners" => settings.owners = number()?,
            "--prefix" => settings.prefix = value,
            "--parents" => settings.parents = value,
            "--names" => settings.names = value,
            "--bodies" => settings.bodies = value,
            "--hot" => settings.hot = number()?,
            "--path" => settings.path = value,
            other => return Err(format!("unknown flag {other}")),
        }
    }
    Ok(settings)
}

async fn run(settings: Settings) -> Result<Report, String> {
    let settings = Arc::new(settings);
    let mut connections = Vec::new();
    for _ in 0..settings.connections.max(1) {
        connections.push(Connection::open(&settings).await?);
    }
    match settings.mode.as_str() {
        "get" | "create" | "update" | "patch" | "apply" | "list" => work::closed_loop(&settings, &connections).await,
        "watch" => work::watch(&settings, &connections).await,
        "idle" => work::idle(&settings, &connections).await,
        "workspaces" => workspaces::make(&settings, &connections).await,
        "visit" => workspaces::visit(&settings, &connections).await,
        "walk" => workspaces::walk(&settings, &connections).await,
        "fill" => workspaces::fill(&settings, &connections).await,
        other => Err(format!("unknown mode {other}: the head of the program's source names them")),
    }
}

fn main() -> std::process::ExitCode {
    let outcome = settings().and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(run(settings))
    });
    match outcome.and_then(|report| report.to_json()) {
        Ok(line) => {
            println!("{line}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
