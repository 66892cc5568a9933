//! The storage engine's decision table: `docs/design/storage.md` shows its results.
//!
//! ```text
//! kcp-bench-storage load    SYSTEM DIRECTORY OBJECTS   fills an empty store
//! kcp-bench-storage measure SYSTEM DIRECTORY OBJECTS   opens it in a new process, reads cold, reads hot, writes durably
//! kcp-bench-storage watch   own    DIRECTORY 0         tells 200 watchers while 10,000 others wait
//! kcp-bench-storage births  own    DIRECTORY CLUSTERS  bears so many workspaces below 10,000 parents
//! kcp-bench-storage cold    own    DIRECTORY CLUSTERS  opens that in a new process and reads clusters at random
//! ```
//! SYSTEM is `own` (event log in front of fjall), `fjall` (everything in fjall, synced per batch) or `redb`. Each
//! phase prints lines of `name value`. The same clients, keys and values meet every system; rivals get the group
//! commit in front of them that `own` has inside.

mod births;
mod committer;
mod fanout;
mod fjall_a;
mod own;
mod redb_all;
mod workload;

use kcp_storage::BoxFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workload::{Numbers, cluster_name, key, value};

/// Objects in one logical cluster, hence in one list.
pub const PER_CLUSTER: u64 = 500;
/// Keys are loaded in this stride, so that neighbours do not arrive together.
const STRIDE: u64 = 34_001;
const LOAD_BATCH: u64 = 1_000;
const HOT_GETS: u64 = 200_000;
const COLD_GETS: u64 = 2_000;
const LISTS: u64 = 500;
const CLIENTS: [u64; 3] = [1, 32, 256];
const WRITE_SECONDS: u64 = 5;

/// A store under test.
pub trait System: Send + Sync + 'static {
    /// Stores new objects in one batch; durable at the latest when the store is closed.
    fn load(&self, objects: Vec<(kcp_storage::Key, bytes::Bytes)>) -> BoxFuture<'_, ()>;
    /// Reads an object, replaces or creates it, and returns when that is durable.
    fn write(&self, key: kcp_storage::Key, value: bytes::Bytes) -> BoxFuture<'_, ()>;
    /// Bytes of an object.
    fn get(&self, key: &kcp_storage::Key) -> usize;
    /// Objects of a logical cluster.
    fn list(&self, cluster: &str) -> usize;
    /// Makes everything durable.
    fn close(&self) -> BoxFuture<'_, ()>;
}

fn open(system: &str, directory: &Path, loading: bool) -> Arc<dyn System> {
    match system {
        "own" => Arc::new(own::Own::open(directory, loading)),
        "fjall" => Arc::new(fjall_a::open(directory)),
        "redb" => Arc::new(redb_all::open(directory)),
        other => panic!("unknown system {other}"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [phase, system, directory, objects] = arguments.as_slice() else {
        panic!("usage: kcp-bench-storage load|measure|watch|births|cold own|fjall|redb DIRECTORY OBJECTS");
    };
    let objects: u64 = objects.parse().expect("OBJECTS is a number");
    let directory = Path::new(directory);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runs");
    match phase.as_str() {
        "load" => runtime.block_on(load(system, directory, objects)),
        "watch" => runtime.block_on(fanout::run(directory)),
        "births" => runtime.block_on(births::run(directory, objects)),
        "cold" => runtime.block_on(births::read(directory, objects)),
        "measure" => runtime.block_on(measure(system, directory, objects)),
        other => panic!("unknown phase {other}"),
    }
}

async fn load(system: &str, directory: &Path, objects: u64) {
    let store = open(system, directory, true);
    let meter = Meter::start();
    let mut numbers = Numbers::new(1);
    for batch in 0..objects.div_ceil(LOAD_BATCH) {
        let range = batch * LOAD_BATCH..((batch + 1) * LOAD_BATCH).min(objects);
        let batch = range.map(|at| (key(at * STRIDE % objects), value(&mut numbers))).collect();
        store.load(batch).await;
    }
    store.close().await;
    meter.rate("object loaded", objects.max(1));
    report("load RSS MB (anonymous)", workload::anonymous_rss_mb());
    drop(store);
    report("disk MB", workload::disk_mb(directory));
}

async fn measure(system: &str, directory: &Path, objects: u64) {
    workload::drop_page_cache(directory);
    let begun = Instant::now();
    let store = open(system, directory, false);
    report("open cold s", begun.elapsed().as_secs_f64());
    report("  open cold: CPU s", workload::cpu_seconds());
    let mut numbers = Numbers::new(2);
    let meter = Meter::start();
    for _ in 0..COLD_GETS {
        assert!(store.get(&key(numbers.below(objects))) > 0);
    }
    meter.rate("get cold", COLD_GETS);
    let meter = Meter::start();
    for _ in 0..LISTS / 10 {
        assert_eq!(store.list(&cluster_name(numbers.below(objects / PER_CLUSTER))), 500);
    }
    meter.rate("list of 500 cold", LISTS / 10);
    // Warm the page cache, then measure what random reads over everything cost.
    for _ in 0..HOT_GETS {
        store.get(&key(numbers.below(objects)));
    }
    let meter = Meter::start();
    for _ in 0..HOT_GETS {
        assert!(store.get(&key(numbers.below(objects))) > 0);
    }
    meter.rate("get, random", HOT_GETS);
    let meter = Meter::start();
    for _ in 0..HOT_GETS {
        assert!(store.get(&key(numbers.below(5_000.min(objects)))) > 0);
    }
    meter.rate("get of 5,000 hot objects", HOT_GETS);
    let meter = Meter::start();
    for _ in 0..LISTS {
        assert_eq!(store.list(&cluster_name(numbers.below(objects / PER_CLUSTER))), 500);
    }
    meter.rate("list of 500, random", LISTS);
    let meter = Meter::start();
    for _ in 0..LISTS * 10 {
        assert_eq!(store.list(&cluster_name(numbers.below(10.min(objects / PER_CLUSTER)))), 500);
    }
    meter.rate("list of 500 of 10 hot clusters", LISTS * 10);
    report("RSS MB after reads (anonymous)", workload::anonymous_rss_mb());
    for clients in CLIENTS {
        write(&store, objects, clients).await;
    }
    report("RSS MB after writes (anonymous)", workload::anonymous_rss_mb());
    store.close().await;
    drop(store);
    let begun = Instant::now();
    let store = open(system, directory, false);
    report("open warm s", begun.elapsed().as_secs_f64());
    store.close().await;
}

/// Half updates of random keys, half creates, by `clients` at once for [`WRITE_SECONDS`].
async fn write(store: &Arc<dyn System>, objects: u64, clients: u64) {
    let meter = Meter::start();
    let until = meter.begun + Duration::from_secs(WRITE_SECONDS);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut numbers = Numbers::new(100 + client);
                let mut latencies = Vec::new();
                while Instant::now() < until {
                    let number = numbers.below(objects);
                    let created = objects * 1_000 + numbers.below(1 << 40);
                    let key = key(if latencies.len() % 2 == 0 { number } else { created });
                    let value = value(&mut numbers);
                    let sent = Instant::now();
                    store.write(key, value).await;
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a client does not panic"));
    }
    meter.rate(&format!("durable write, {clients} clients"), latencies.len() as u64);
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    report(&format!("  p50 ms, {clients} clients"), at(0.5));
    report(&format!("  p99 ms, {clients} clients"), at(0.99));
    report(&format!("  max ms, {clients} clients"), at(1.0));
}

/// Wall clock and processor time of a phase.
struct Meter {
    begun: Instant,
    cpu: f64,
}

impl Meter {
    fn start() -> Self {
        Self { begun: Instant::now(), cpu: workload::cpu_seconds() }
    }

    /// Reports operations per second, and what one costs the processor; the latter hardly depends on who else is
    /// using the machine.
    fn rate(&self, what: &str, count: u64) {
        report(&format!("{what}/s"), count as f64 / self.begun.elapsed().as_secs_f64());
        report(&format!("  {what}: CPU µs"), (workload::cpu_seconds() - self.cpu) * 1e6 / count as f64);
    }
}

fn report(what: &str, number: f64) {
    if number >= 100.0 { println!("{what:45} {number:.0}") } else { println!("{what:45} {number:.3}") }
}
