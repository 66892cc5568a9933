//! Workspaces by the thousand: made, entered at random and listed, each by the owner it belongs to.
//!
//! Owner `n` sends the token `TOKEN-n`. Workspace `i` belongs to owner `i % owners` and stands in parent `i % parents`.

use crate::Settings;
use crate::client::Connection;
use crate::report::{Report, Tally};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const JSON: &str = "application/json";
const WORKSPACES: &str = "apis/tenancy.kcp.io/v1alpha1/workspaces";

#[derive(Deserialize)]
struct Made {
    spec: Spec,
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    cluster: String,
}

#[derive(Deserialize)]
struct Status {
    phase: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Head {
    metadata: PageMeta,
}

#[derive(Deserialize)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    next: String,
}

/// Names of logical clusters, one on each line of a file.
fn names(file: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let names: Vec<String> = text.lines().map(str::to_owned).collect();
    if names.is_empty() { Err(format!("{file} names no logical cluster")) } else { Ok(names) }
}

fn owner(settings: &Settings, index: usize) -> String {
    format!("{}-{}", settings.token, index % settings.owners.max(1))
}

/// Makes `--count` workspaces in the logical clusters of `--parents` (`root` without it), and writes the names of their
/// logical clusters to `--names`. Only an answer that says `Ready` counts.
pub async fn make(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    let parents = if settings.parents.is_empty() { vec!["root".to_owned()] } else { names(&settings.parents)? };
    let parents = Arc::new(parents);
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut workers = Vec::new();
    for index in 0..settings.concurrency {
        let mut connection = connections[index % connections.len()].clone();
        let (settings, parents, next) = (Arc::clone(settings), Arc::clone(&parents), Arc::clone(&next));
        workers.push(tokio::spawn(async move {
            let (mut tally, mut made) = (Tally::default(), Vec::new());
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= settings.count {
                    return (tally, made);
                }
                match make_one(&settings, &mut connection, &parents, index, &mut tally).await {
                    Ok(cluster) => made.push((index, cluster)),
                    Err(error) => tally.fail(error),
                }
            }
        }));
    }
    let (mut tallies, mut all) = (Vec::new(), Vec::new());
    for worker in workers {
        let (tally, made) = worker.await.map_err(|error| error.to_string())?;
        tallies.push(tally);
        all.extend(made);
    }
    let elapsed = begin.elapsed();
    all.sort_unstable();
    let lines: String = all.into_iter().map(|(_, cluster)| cluster + "\n").collect();
    std::fs::write(&settings.names, lines).map_err(|error| format!("--names: {error}"))?;
    Ok(Report::of("workspaces", elapsed, tallies))
}

async fn make_one(
    settings: &Settings,
    connection: &mut Connection,
    parents: &[String],
    index: usize,
    tally: &mut Tally,
) -> Result<String, String> {
    let name = format!("{}-{}", settings.prefix, index / parents.len());
    let body = json!({"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}});
    let path = format!("/clusters/{}/{WORKSPACES}", parents[index % parents.len()]);
    connection.set_token(&owner(settings, index));
    let begin = Instant::now();
    let (status, answer) = connection.fetch("POST", &path, JSON, Bytes::from(body.to_string())).await?;
    if status != 201 {
        return Err(format!("POST {path} answered {status}: {}", String::from_utf8_lossy(&answer)));
    }
    let made: Made = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    if made.status.phase != "Ready" {
        return Err(format!("{name} was born {}", made.status.phase));
    }
    tally.latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
    tally.bytes += answer.len() as u64;
    Ok(made.spec.cluster)
}

/// Gets `--path` in a random one of the first `--hot` logical clusters of `--names` (all of them without it), as its owner.
pub async fn visit(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    let mut names = names(&settings.names)?;
    if settings.hot > 0 {
        names.truncate(settings.hot);
    }
    let names = Arc::new(names);
    let (measuring, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut workers = Vec::new();
    for index in 0..settings.concurrency {
        let mut connection = connections[index % connections.len()].clone();
        let (settings, names) = (Arc::clone(settings), Arc::clone(&names));
        let (measuring, done) = (Arc::clone(&measuring), Arc::clone(&done));
        workers.push(tokio::spawn(async move {
            let mut random = Random::new(index as u64);
            let mut tally = Tally::default();
            while !done.load(Ordering::Relaxed) {
                let chosen = random.below(names.len());
                connection.set_token(&owner(&settings, chosen));
                let path = format!("/clusters/{}{}", names[chosen], settings.path);
                let begin = Instant::now();
                let result = connection.call("GET", &path, JSON, Bytes::new()).await;
                let took = begin.elapsed();
                match result {
                    _ if !measuring.load(Ordering::Relaxed) => {}
                    Ok((200, size)) => {
                        tally.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                        tally.bytes += size as u64;
                    }
                    Ok((status, _)) => tally.fail(format!("GET {path} answered {status}")),
                    Err(error) => {
                        tally.fail(error);
                        break;
                    }
                }
            }
            tally
        }));
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
    Ok(Report::of("visit", elapsed, tallies))
}

/// Walks `--path` page by page, `--objects` on each, to its end; the operations are the objects it held. The next page is
/// asked for as soon as a page's head is known, and the page is decoded meanwhile.
pub async fn walk(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    let mut connection = connections[0].clone();
    let (begin, mut objects, mut bytes) = (Instant::now(), 0_usize, 0_usize);
    let mut tally = Tally::default();
    let mut next = String::new();
    let mut decoding: Option<tokio::task::JoinHandle<Result<usize, String>>> = None;
    loop {
        let path = format!("{}?limit={}&continue={next}", settings.path, settings.objects);
        let begin = Instant::now();
        let (status, body) = connection.fetch("GET", &path, JSON, Bytes::new()).await?;
        if status != 200 {
            return Err(format!("GET {path} answered {status}: {}", String::from_utf8_lossy(&body)));
        }
        tally.latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
        bytes += body.len();
        next = head(&body)?.metadata.next;
        if let Some(earlier) = decoding.take() {
            objects += earlier.await.map_err(|error| error.to_string())??;
        }
        decoding = Some(tokio::task::spawn_blocking(move || {
            let page: Page = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            Ok(page.items.len())
        }));
        if next.is_empty() {
            break;
        }
    }
    if let Some(last) = decoding {
        objects += last.await.map_err(|error| error.to_string())??;
    }
    let elapsed = begin.elapsed();
    let report = Report::of("walk", elapsed, vec![tally]);
    Ok(Report {
        operations: objects as u64,
        rate: objects as f64 / elapsed.as_secs_f64(),
        bytes_per_operation: bytes as f64 / objects.max(1) as f64,
        ..report
    })
}

/// What a list says before its items.
fn head(body: &[u8]) -> Result<Head, String> {
    const ITEMS: &[u8] = b",\"items\":";
    let end = body.windows(ITEMS.len()).position(|window| window == ITEMS).ok_or("a list without items")?;
    let text = [&body[..end], b"}"].concat();
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

/// Creates the objects of `--bodies` (a JSON array) at `--path` in each of the first `--count` logical clusters of
/// `--names`, as its owner. In each body `@` stands for the number of the logical cluster.
pub async fn fill(settings: &Arc<Settings>, connections: &[Connection]) -> Result<Report, String> {
    let names = Arc::new(names(&settings.names)?);
    let text = std::fs::read_to_string(&settings.bodies).map_err(|error| format!("--bodies: {error}"))?;
    let bodies: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|error| format!("--bodies: {error}"))?;
    let bodies: Arc<Vec<String>> = Arc::new(bodies.iter().map(serde_json::Value::to_string).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let count = settings.count.min(names.len()) * bodies.len();
    let begin = Instant::now();
    let mut workers = Vec::new();
    for index in 0..settings.concurrency {
        let mut connection = connections[index % connections.len()].clone();
        let (settings, names) = (Arc::clone(settings), Arc::clone(&names));
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        workers.push(tokio::spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return tally;
                }
                let (index, body) = (number / bodies.len(), &bodies[number % bodies.len()]);
                connection.set_token(&owner(&settings, index));
                let path = format!("/clusters/{}{}", names[index], settings.path);
                let body = Bytes::from(body.replace('@', &index.to_string()));
                let begin = Instant::now();
                match connection.fetch("POST", &path, JSON, body).await {
                    Ok((201, _)) => {
                        tally.latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
                    }
                    Ok((status, answer)) => {
                        tally.fail(format!("POST {path} answered {status}: {}", String::from_utf8_lossy(&answer)));
                    }
                    Err(error) => tally.fail(error),
                }
            }
        }));
    }
    let mut tallies = Vec::new();
    for worker in workers {
        tallies.push(worker.await.map_err(|error| error.to_string())?);
    }
    Ok(Report::of("fill", begin.elapsed(), tallies))
}

/// Numbers that look drawn at random and are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap_or_default() % limit
    }
}
