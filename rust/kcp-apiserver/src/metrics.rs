//! `/metrics`: requests counted and timed, watches, the process, in Prometheus' text form.
//!
//! No label names a logical cluster, and none takes a value that a client made up: what is not served counts without a
//! resource, and custom resources share one series beyond a bound.

use crate::exchange::{Exchange, RequestInfo};
use crate::paths;
use crate::registry::Registry;
use crate::respond;
use crate::server::ApiServer;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Series beyond this are counted together.
const MAX_SERIES: usize = 1_024;

/// Upper bounds of the duration's buckets, microseconds, and as the text form writes them in seconds.
const BUCKETS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

/// Requests of one verb on one resource.
struct Series {
    labels: String,
    timed: bool,
    /// Count per bucket, not cumulative; the last is above all bounds.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
    codes: RwLock<Vec<(u16, AtomicU64)>>,
}

impl Series {
    fn new(verb: &str, info: &RequestInfo, scope: &str) -> Self {
        let RequestInfo { group, version, resource, subresource, .. } = info;
        let labels = format!(
            "group=\"{group}\",resource=\"{resource}\",scope=\"{scope}\",subresource=\"{subresource}\",verb=\"{verb}\",\
             version=\"{version}\""
        );
        Self {
            labels,
            timed: verb != "WATCH",
            buckets: [const { AtomicU64::new(0) }; BUCKETS.len() + 1],
            microseconds: AtomicU64::new(0),
            codes: RwLock::default(),
        }
    }

    fn count(&self, code: u16, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(bound, _)| *bound < microseconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        if let Some((_, count)) = self.codes.read().iter().find(|(known, _)| *known == code) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut codes = self.codes.write();
        match codes.iter().find(|(known, _)| *known == code) {
            Some((_, count)) => drop(count.fetch_add(1, Ordering::Relaxed)),
            None => codes.push((code, AtomicU64::new(1))),
        }
    }
}

/// What is counted.
pub struct Metrics {
    started: Instant,
    hasher: RandomState,
    series: RwLock<HashMap<u64, Arc<Series>>>,
    watches: Arc<AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { started: Instant::now(), hasher: RandomState::new(), series: RwLock::default(), watches: Arc::default() }
    }
}

/// A watch that is open; counted until dropped.
pub struct OpenWatch(Arc<AtomicI64>);

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a watch as open.
    pub fn open_watch(&self) -> OpenWatch {
        self.watches.fetch_add(1, Ordering::Relaxed);
        OpenWatch(Arc::clone(&self.watches))
    }

    /// Counts a request that is answered with `code`.
    pub fn count(&self, registry: &Registry, exchange: &Exchange, code: StatusCode, took: Duration) {
        let info = &exchange.info;
        let verb = verb(exchange);
        let scope = scope(info);
        let key = self.key(verb, info, scope);
        if let Some(series) = self.series.read().get(&key) {
            series.count(code.as_u16(), took);
            return;
        }
        self.find(registry, info, verb, scope, code).count(code.as_u16(), took);
    }

    fn key(&self, verb: &str, info: &RequestInfo, scope: &str) -> u64 {
        self.hasher.hash_one((verb, &info.group, &info.version, &info.resource, &info.subresource, scope))
    }

    /// The series of a request that has none yet.
    fn find(&self, registry: &Registry, info: &RequestInfo, verb: &str, scope: &str, code: StatusCode) -> Arc<Series> {
        let served = registry.plain().lookup(&info.group, &info.version, &info.resource);
        let is_known = match served {
            Some(served) => {
                info.subresource.is_empty() || served.subresources.iter().any(|sub| sub.name == info.subresource)
            }
            // A custom resource shows by an answer that is no refusal.
            None => code.as_u16() < 400,
        };
        let unknown = RequestInfo::default();
        let beyond = RequestInfo { resource: "other".into(), ..RequestInfo::default() };
        let mut series = self.series.write();
        let (labels, scope) = match info.is_resource {
            true if !is_known => (&unknown, ""),
            true if served.is_none() && series.len() >= MAX_SERIES => (&beyond, ""),
            _ => (info, scope),
        };
        let key = self.key(verb, labels, scope);
        Arc::clone(series.entry(key).or_insert_with(|| Arc::new(Series::new(verb, labels, scope))))
    }

    fn write(&self, out: &mut String) {
        let mut all: Vec<Arc<Series>> = self.series.read().values().map(Arc::clone).collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        head(out, "apiserver_request_total", "counter", "Requests by verb, resource and code of the answer.");
        for series in &all {
            for (code, count) in series.codes.read().iter() {
                line(out, "apiserver_request_total", &format!("code=\"{code}\",{}", series.labels), count);
            }
        }
        let name = "apiserver_request_duration_seconds";
        head(out, name, "histogram", "Time until a request was answered, watches aside, in seconds.");
        for series in all.iter().filter(|series| series.timed) {
            let labels = &series.labels;
            let mut total = 0;
            let bounds = BUCKETS.iter().map(|(_, text)| *text).chain(["+Inf"]);
            for (bound, count) in bounds.zip(&series.buckets) {
                total += count.load(Ordering::Relaxed);
                push(out, format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {total}\n"));
            }
            let sum = Duration::from_micros(series.microseconds.load(Ordering::Relaxed)).as_secs_f64();
            push(out, format_args!("{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {total}\n"));
        }
        let name = "apiserver_longrunning_requests";
        head(out, name, "gauge", "Watches that are open.");
        push(out, format_args!("{name}{{verb=\"WATCH\"}} {}\n", self.watches.load(Ordering::Relaxed)));
        let name = "kcp_uptime_seconds";
        head(out, name, "gauge", "Time since the server was made, in seconds.");
        push(out, format_args!("{name} {}\n", self.started.elapsed().as_secs_f64()));
    }
}

/// Answers `GET /metrics`.
pub fn serve(server: &ApiServer, _exchange: &Exchange, _parts: &[String]) -> paths::Answer {
    let mut out = String::with_capacity(16 * 1024);
    server.metrics.write(&mut out);
    let revisions = [
        ("kcp_storage_revision", "The newest revision that reads see.", server.store.head()),
        ("kcp_storage_compacted_revision", "The oldest revision that can still be read.", server.store.compacted()),
    ];
    for (name, help, revision) in revisions {
        head(&mut out, name, "gauge", help);
        push(&mut out, format_args!("{name} {revision}\n"));
    }
    head(&mut out, "kubernetes_build_info", "gauge", "Which version this is.");
    let version = crate::version::git_version();
    push(&mut out, format_args!("kubernetes_build_info{{git_version=\"{version}\"}} 1\n"));
    process(&mut out);
    let mut response = respond::full(StatusCode::OK, TEXT, out);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(TEXT));
    Ok(response)
}

/// What the operating system knows about the process; nothing where it does not tell.
fn process(out: &mut String) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    if let Some(kilobytes) = resident {
        let name = "process_resident_memory_bytes";
        head(out, name, "gauge", "Memory of the process that is in RAM, in bytes.");
        push(out, format_args!("{name} {}\n", kilobytes * 1024));
    }
    // The name of the process, which may hold spaces, ends with the last parenthesis.
    let stat = read("stat");
    let times: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    if let [user, system] = times.as_slice() {
        let name = "process_cpu_seconds_total";
        head(out, name, "counter", "Processor time that the process took, in seconds.");
        // Linux counts in hundredths whatever the machine.
        push(out, format_args!("{name} {}\n", (user + system) as f64 / 100.0));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        let name = "process_open_fds";
        head(out, name, "gauge", "Open files and sockets.");
        push(out, format_args!("{name} {}\n", files.count()));
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    push(out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(out: &mut String, name: &str, labels: &str, value: &AtomicU64) {
    push(out, format_args!("{name}{{{labels}}} {}\n", value.load(Ordering::Relaxed)));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Strings grow as needed.
    let _ = out.write_fmt(text);
}

/// The verb as upstream counts it.
fn verb(exchange: &Exchange) -> &'static str {
    match exchange.info.verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => {
            let apply = exchange
                .headers()
                .get(CONTENT_TYPE)
                .is_some_and(|value| value.as_bytes().starts_with(b"application/apply-patch"));
            if apply { "APPLY" } else { "PATCH" }
        }
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "head" => "HEAD",
        "options" => "OPTIONS",
        _ => "other",
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    match info {
        RequestInfo { is_resource: false, .. } => "",
        RequestInfo { names_object: true, .. } => "resource",
        RequestInfo { namespace, .. } if !namespace.is_empty() => "namespace",
        _ => "cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Peer;
    use crate::registry::BuiltIns;
    use crate::{RequestBody, request_info};
    use http_body_util::{BodyExt, Empty};
    use kcp_storage::Memory;

    fn registry() -> Registry {
        let table = include_bytes!("../../../python/kcp/resources/built_in.json");
        Registry::new(BuiltIns::parse(table).unwrap(), Arc::new(Memory::default())).unwrap()
    }

    fn exchange(path: &str) -> Exchange {
        let (parts, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        let mut exchange =
            Exchange::new(parts, RequestBody::new(Empty::new().map_err(|never| match never {})), Peer::default());
        exchange.info = request_info::info(&http::Method::GET, path, "").unwrap();
        exchange
    }

    #[test]
    fn requests_are_counted_by_resource_and_code() {
        let (metrics, registry) = (Metrics::default(), registry());
        let took = Duration::from_micros(700);
        for code in [200, 200, 404] {
            let code = StatusCode::from_u16(code).unwrap();
            metrics.count(&registry, &exchange("/api/v1/namespaces/a/configmaps/x"), code, took);
        }
        let watch = metrics.open_watch();
        let mut out = String::new();
        metrics.write(&mut out);
        let labels =
            "group=\"\",resource=\"configmaps\",scope=\"resource\",subresource=\"\",verb=\"GET\",version=\"v1\"";
        for wanted in [
            format!("apiserver_request_total{{code=\"200\",{labels}}} 2\n"),
            format!("apiserver_request_total{{code=\"404\",{labels}}} 1\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.0005\"}} 0\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.001\"}} 3\n"),
            format!("apiserver_request_duration_seconds_count{{{labels}}} 3\n"),
            "apiserver_longrunning_requests{verb=\"WATCH\"} 1\n".to_owned(),
        ] {
            assert!(out.contains(&wanted), "{wanted}{out}");
        }
        drop(watch);
        assert_eq!(metrics.watches.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn clients_cannot_make_up_labels() {
        let (metrics, registry) = (Metrics::default(), registry());
        let took = Duration::from_micros(1);
        for index in 0..2_000 {
            for path in [format!("/apis/g{index}.x/v1/things"), format!("/api/v1/namespaces/a/configmaps/x/sub{index}")]
            {
                metrics.count(&registry, &exchange(&path), StatusCode::NOT_FOUND, took);
            }
            metrics.count(&registry, &exchange(&format!("/apis/a/v1/r{index}")), StatusCode::OK, took);
        }
        assert!(metrics.series.read().len() <= MAX_SERIES + 8);
        let mut out = String::new();
        metrics.write(&mut out);
        assert!(!out.contains("things") && !out.contains("sub1") && out.contains("resource=\"other\""));
    }
}
