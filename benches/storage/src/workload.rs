//! Keys, values and the machine's own numbers.

use crate::PER_CLUSTER;
use bytes::Bytes;
use kcp_storage::Key;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A small generator with a fixed seed: every system meets the same numbers.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

pub fn cluster_name(number: u64) -> String {
    // Scattered as real cluster names are, which are hashes.
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

pub fn key(number: u64) -> Key {
    let cluster = cluster_name(number / PER_CLUSTER);
    Key::new(
        "configmaps",
        &cluster,
        "default",
        &format!("application-config-{:012}", number % PER_CLUSTER + number / PER_CLUSTER * PER_CLUSTER),
    )
}

/// 1,000 bytes of JSON, about half of them random.
pub fn value(numbers: &mut Numbers) -> Bytes {
    let mut text = String::with_capacity(1_000);
    text.push_str(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"application-config","namespace":"default","#,
    );
    text.push_str(r#""uid":"0c5f9c0e-8b9d-4d53-9b9e-3f8f5f6d7a11","creationTimestamp":"2026-11-23T12:00:00Z","#);
    text.push_str(r#""labels":{"app.kubernetes.io/name":"application","app.kubernetes.io/part-of":"platform"},"#);
    text.push_str(r#""annotations":{"description":"settings of the application, read at start"}},"data":{"token":""#);
    while text.len() < 950 {
        text.push_str(&format!("{:016x}", numbers.next()));
    }
    text.push_str(r#"","#);
    while text.len() < 996 {
        text.push(' ');
    }
    text.push_str(r#""":0"#);
    Bytes::from(text)
}

/// Anonymous memory of this process; mapped files do not count.
pub fn anonymous_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap_or("0 0");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}

/// Processor time this process has used, all threads, in seconds.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted after the command's closing parenthesis; in ticks of 10 ms.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn files(directory: &Path, visit: &mut dyn FnMut(&Path, u64)) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => files(&entry.path(), visit),
            Ok(metadata) => visit(&entry.path(), metadata.blocks() * 512),
            Err(_) => {}
        }
    }
}

pub fn disk_mb(directory: &Path) -> f64 {
    let mut bytes = 0;
    files(directory, &mut |_, allocated| bytes += allocated);
    bytes as f64 / 1e6
}

/// Drops the files of `directory` from the page cache, without touching anybody else's.
pub fn drop_page_cache(directory: &Path) {
    files(directory, &mut |path, _| {
        let input = format!("if={}", path.display());
        let _ = std::process::Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status();
    });
}
