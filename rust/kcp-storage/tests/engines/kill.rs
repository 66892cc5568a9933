//! kill -9 in the middle of writes: what was acknowledged is there, revisions rise, watches resume.
//!
//! The writing process is this test binary, started again. `KCP_CRASH_ROUNDS` asks for more rounds.

use crate::counts::bear_below;
use crate::suite::{Store, cm, get, list, take, watch};
use kcp_storage::{At, Batch, Embedded, Expect, KeyRange, Op, Options, Retention, Value};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const WRITERS: u64 = 64;
const DIRECTORY: &str = "KCP_CRASH_DIRECTORY";

fn open(directory: &Path) -> Store {
    let retention = Retention { segment_bytes: 200_000, ..Retention::default() };
    Arc::new(Embedded::open(directory, Options { retention, ..Options::default() }).expect("opens"))
}

/// Writes until it is killed; started by the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other half of a_killed_store_has_everything_it_acknowledged"]
async fn write_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = open(Path::new(&directory));
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let key = cm("a", "n", &format!("writer-{writer}"));
            let mut number = get(&store, &key).await.map_or(0, |(_, text)| text.parse::<u64>().expect("a number"));
            loop {
                number += 1;
                let beside = cm("a", "n", &format!("beside-{writer}"));
                let beside = match get(&store, &beside).await {
                    Some(_) => Op::delete(beside, Expect::Any),
                    None => Op::put(beside, Expect::Any, Value::new("comes and goes")),
                };
                let op = Op::put(key.clone(), Expect::Any, Value::new(number.to_string()));
                let done = store.commit(Batch::of(vec![beside, op])).await.expect("commits");
                let line = format!("ack {writer} {number} {} end\n", done.last);
                std::io::stdout().write_all(line.as_bytes()).expect("the parent listens");
            }
        })
    });
    // None of them ends; the others run beside the one waited for.
    if let Some(writer) = writers.collect::<Vec<_>>().pop() {
        let Err(error) = writer.await;
        panic!("{error}");
    }
}

#[tokio::test]
async fn a_killed_store_has_everything_it_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let rounds = std::env::var("KCP_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3_u64);
    let mut acknowledged: HashMap<u64, (u64, u64)> = HashMap::new();
    let store = open(directory.path());
    bear_below(&store, "a", "root").await.expect("is born");
    let mut head = store.head().get();
    drop(store);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().expect("has a path"))
            .args(["kill::write_until_killed", "--exact", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let mut left = 200 + round * 977 % 3_000;
        for line in lines {
            let line = line.expect("reads");
            let words: Vec<&str> = line.split(' ').collect();
            // The killed process may leave half a line.
            if let ["ack", writer, number, revision, "end"] = words[..]
                && let (Ok(writer), Ok(number), Ok(revision)) =
                    (writer.parse(), number.parse(), revision.parse::<u64>())
            {
                assert!(revision > head, "revision {revision} was used before the restart");
                acknowledged.insert(writer, (number, revision));
                left = left.saturating_sub(1);
                if left == 0 {
                    // Acknowledgements that are already in the pipe are still read.
                    let _ = child.kill();
                }
            }
        }
        child.wait().expect("is gone");
        let store = open(directory.path());
        let newest = acknowledged.values().map(|(_, revision)| *revision).max().unwrap_or(0);
        assert!(store.head().get() >= newest);
        for (writer, (number, revision)) in &acknowledged {
            let key = cm("a", "n", &format!("writer-{writer}"));
            let (found, text) = get(&store, &key).await.expect("what was acknowledged is there");
            let text: u64 = text.parse().expect("a number");
            assert!((text, found) == (*number, *revision) || (text > *number && found > *revision), "round {round}");
        }
        // From the last state the parent saw, across the crash, without a gap.
        let mut resumed = watch(&store, KeyRange::cluster("configmaps", "a"), head);
        let count = usize::try_from(store.head().get() - head).expect("fits");
        let revisions: Vec<u64> = take(&mut resumed, count).await.iter().map(|event| event.revision.get()).collect();
        assert!(revisions.iter().copied().eq(head + 1..=store.head().get()));
        head = store.head().get();
        // The counts are of the state that is there, whichever of it the engine or the log had kept.
        let page = list(&store, KeyRange::cluster("configmaps", "a"), At::Latest).await.expect("lists");
        let (own, above) = (store.counts("a").await.expect("reads"), store.counts("root").await.expect("reads"));
        assert_eq!(own.of("configmaps"), page.items.len() as u64, "round {round}");
        assert_eq!((own.total, above.below), (page.items.len() as u64 + 3, page.items.len() as u64 + 3));
    }
}
