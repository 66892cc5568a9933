//! The operations.

use crate::Settings;
use crate::client::Connection;
use crate::report::{Report, Tally};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Barrier;

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Bytes of data in each object, so that the whole is about 0.8 kB as JSON.
const PAYLOAD: usize = 400;

fn object(namespace: &str, name: &str, mark: u64) -> Bytes {
    let filler = "abcdefghij".repeat(PAYLOAD / 10);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "bench", "tier": "load"}},
        "data": {"payload": filler, "mark": mark.to_string()}});
    Bytes::from(object.to_string())
}

/// Lists have a namespace of their own, so that they list just their own objects.
fn namespace(settings: &Settings) -> String {
    if settings.mode == "list" { format!("{}-list", settings.namespace) } else { settings.namespace.clone() }
}

fn collection(settings: &Settings) -> String {
    format!("/api/v1/namespaces/{}/configmaps", namespace(settings))
}

/// Where a whole object is applied.
fn applied(object: &str) -> String {
    format!("{object}?fieldManager=bench&force=true")
}

async fn prepare(settings: &Settings, connection: &mut Connection) -> Result<(), String> {
    let needed = match settings.mode.as_str() {
        "get" => 1,
        "update" | "patch" | "apply" => settings.concurrency,
        "list" => settings.objects,
        _ => 0,
    };
    for index in 0..needed {
        let name = format!("{}-{index}", settings.mode);
        let body = object(&namespace(settings), &name, 0);
        let (status, _) = if settings.mode == "apply" {
            // Applied from the beginning, so that what is applied later is its own.
            connection.call("PATCH", &applied(&format!("{}/{name}", collection(settings))), APPLY, body).await?
        } else {
            connection.call("POST", &collection(settings), JSON, body).await?
        };
        if !matches!(status, 200 | 201 | 409) {
            return Err(format!("preparing {name} answered {status}"));
        }
    }
    Ok(())
}

/// Every worker sends its next request when the last was answered.
pub async fn closed_loop(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    prepare(settings, &mut connections[0].clone()).await?;
    let measuring = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for index in 0..settings.concurrency {
        let connection = connections[index % connections.len()].clone();
        let (settings, measuring, done) = (Arc::clone(settings), Arc::clone(&measuring), Arc::clone(&done));
        workers.push(tokio::spawn(async move { worker(&settings, connection, index, &measuring, &done).await }));
    }
    tokio::time::sleep(settings.warm_up).await;
    measuring.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    tokio::time::sleep(settings.measured).await;
    measuring.store(false, Ordering::Relaxed);
    let elapsed = begin.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut tallies = Vec::new();
    for worker in workers {
        tallies.push(worker.await.map_err(|error| error.to_string())?);
    }
    Ok(Report::of(&settings.mode, elapsed, tallies))
}

async fn worker(
    settings: &Settings,
    mut connection: Connection,
    index: usize,
    measuring: &AtomicBool,
    done: &AtomicBool,
) -> Tally {
    let collection = collection(settings);
    let process = std::process::id();
    let mut tally = Tally::default();
    let mut count = 0_u64;
    while !done.load(Ordering::Relaxed) {
        count += 1;
        let name = format!("{}-{index}", settings.mode);
        let one = format!("{collection}/{name}");
        let begin = Instant::now();
        let (result, expected) = match settings.mode.as_str() {
            "get" => (connection.call("GET", &format!("{collection}/get-0"), JSON, Bytes::new()).await, 200),
            "list" => (connection.call("GET", &format!("{collection}?limit=500"), JSON, Bytes::new()).await, 200),
            "update" => (connection.call("PUT", &one, JSON, object(&settings.namespace, &name, count)).await, 200),
            "patch" => {
                let patch = Bytes::from(format!("{{\"data\":{{\"mark\":\"{count}\"}}}}"));
                (connection.call("PATCH", &one, MERGE, patch).await, 200)
            }
            "apply" => {
                let body = object(&settings.namespace, &name, count);
                (connection.call("PATCH", &applied(&one), APPLY, body).await, 200)
            }
            _ => {
                let name = format!("c-{process}-{index}-{count}");
                let body = object(&settings.namespace, &name, count);
                (connection.call("POST", &collection, JSON, body).await, 201)
            }
        };
        let took = begin.elapsed();
        if !measuring.load(Ordering::Relaxed) {
            continue;
        }
        match result {
            Ok((status, size)) if status == expected => {
                tally.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                tally.bytes += size as u64;
            }
            Ok((status, _)) => tally.fail(format!("answered {status}")),
            Err(error) => {
                tally.fail(error);
                break;
            }
        }
    }
    tally
}

/// Watchers of one collection that a few writers keep changing; counts delivered events (lines). They start from the
/// present revision, so that what is counted are changes and not the state they found. A watch that the server ends
/// counts as an error.
pub async fn watch(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    let delivered = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicU64::new(0));
    let since = connections[0].clone().revision(&collection(settings)).await?;
    let ready = Arc::new(Barrier::new(settings.watchers + 1));
    let mut watchers = Vec::new();
    for index in 0..settings.watchers {
        let mut connection = connections[index % connections.len()].clone();
        let (delivered, ended, ready) = (Arc::clone(&delivered), Arc::clone(&ended), Arc::clone(&ready));
        let path = format!("{}?watch=true&resourceVersion={since}", collection(settings));
        watchers.push(tokio::spawn(async move {
            let answer = connection.send("GET", &path, JSON, Bytes::new()).await;
            ready.wait().await;
            let Ok(answer) = answer else {
                ended.fetch_add(1, Ordering::Relaxed);
                return;
            };
            let mut body = answer.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Some(data) = frame.data_ref() {
                    let lines = data.iter().filter(|byte| **byte == b'\n').count();
                    delivered.fetch_add(lines as u64, Ordering::Relaxed);
                }
            }
            ended.fetch_add(1, Ordering::Relaxed);
        }));
    }
    ready.wait().await;
    let writers = Settings { mode: "update".into(), ..(**settings).clone() };
    let writing = tokio::spawn({
        let connections = connections.to_vec();
        async move { closed_loop(&Arc::new(writers), &connections).await }
    });
    tokio::time::sleep(settings.warm_up + Duration::from_millis(100)).await;
    let (before, begin) = (delivered.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(settings.measured.mul_f64(0.9)).await;
    let (after, elapsed) = (delivered.load(Ordering::Relaxed), begin.elapsed());
    let mut writes = writing.await.map_err(|error| error.to_string())??;
    let ended = ended.load(Ordering::Relaxed);
    if ended > 0 {
        writes.errors += ended;
        writes.first_error.get_or_insert_with(|| format!("{ended} watches were ended by the server"));
    }
    for watcher in watchers {
        watcher.abort();
    }
    let operations = after - before;
    Ok(Report {
        mode: "watch".into(),
        operations,
        seconds: elapsed.as_secs_f64(),
        rate: operations as f64 / elapsed.as_secs_f64(),
        bytes_per_operation: 0.0,
        ..writes
    })
}

/// Watches that nothing happens to: opens all of them, says so in a line, and holds them until its standard input ends.
pub async fn idle(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    let since = connections[0].clone().revision(&collection(settings)).await?;
    let path = format!("{}?watch=true&allowWatchBookmarks=true&resourceVersion={since}", collection(settings));
    let begin = Instant::now();
    let mut open = Vec::with_capacity(settings.watchers);
    for index in 0..settings.watchers {
        let mut connection = connections[index % connections.len()].clone();
        let answer = connection.send("GET", &path, JSON, Bytes::new()).await?;
        if answer.status() != 200 {
            return Err(format!("watch {index} answered {}", answer.status()));
        }
        open.push(answer);
    }
    println!("open");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let tally = Tally { latencies: vec![0; open.len()], ..Tally::default() };
    Ok(Report::of("idle", begin.elapsed(), vec![tally]))
}
