//! What a workspace costs the store, and a cold one's first request: births below many parents, then random reads.

use crate::workload::{self, Numbers, cluster_name};
use crate::{Meter, report};
use bytes::Bytes;
use kcp_storage::{
    At, Backend, Batch, Birth, Embedded, Expect, Key, KeyRange, ListQuery, Op, Options, Piece, Template,
    TemplateObject, Value,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const PARENTS: u64 = 10_000;
const CLIENTS: u64 = 256;
/// Reads of a cluster that was not read before.
const COLD: u64 = 20_000;
const ROW: usize = 1_000;
const WORKSPACE: usize = 1_200;
const ROWS: &str = "logicalclusters.core.kcp.io";
const WORKSPACES: &str = "workspaces.tenancy.kcp.io";
/// What authorization, discovery and a list look for in a cluster they have not seen: nothing is there.
const LOOKED_FOR: [&str; 5] = [
    "roles.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "secrets",
];

fn open(directory: &Path) -> Arc<Embedded> {
    let options = Options { uncounted: vec![ROWS.into(), "events".into()], ..Options::default() };
    Arc::new(Embedded::open(directory, options).expect("opens"))
}

/// A namespace, what every namespace has, and a binding for the creator.
fn template() -> Arc<Template> {
    let object = |resource: &str, namespace: &str, name: &str, slot: u32| TemplateObject {
        resource: resource.into(),
        namespace: namespace.into(),
        name: name.into(),
        pieces: vec![Piece::Text("x".repeat(300).into()), Piece::Slot(0), Piece::Slot(slot)],
    };
    Arc::new(Template::new(vec![
        object("namespaces", "", "default", 1),
        object("serviceaccounts", "default", "default", 2),
        object("configmaps", "default", "kube-root-ca.crt", 3),
        object("clusterrolebindings.rbac.authorization.k8s.io", "", "workspace-admin", 4),
    ]))
}

/// JSON such as rows hold: names and times differ, the rest is alike.
fn object(numbers: &mut Numbers, bytes: usize) -> Value {
    let mut text = format!(r#"{{"metadata":{{"uid":"{:016x}{:016x}","#, numbers.next(), numbers.next());
    while text.len() < bytes - 120 {
        text.push_str(r#""annotations":{"internal.tenancy.kcp.io/type":"root:universal","kcp.io/path":"root:org"},"#);
    }
    text.push_str(&format!(r#""creationTimestamp":"2026-11-23T12:00:00Z","cluster":"{:016x}"}}}}"#, numbers.next()));
    Value::new(text)
}

fn birth(number: u64, template: &Arc<Template>, parent: Option<String>, numbers: &mut Numbers) -> Op {
    let uid = |numbers: &mut Numbers| Bytes::from(format!("{:018x}{:018x}", numbers.next(), numbers.next()));
    let slots = std::iter::once(Bytes::from_static(b"2026-11-23T12:00:00Z"));
    let slots = slots.chain((0..4).map(|_| uid(numbers))).collect();
    let birth = Birth { template: template.clone(), slots, parent: parent.map(Arc::from) };
    Op::bear(Key::new(ROWS, &cluster_name(number), "", "cluster"), object(numbers, ROW), birth)
}

/// Bears parents, then `count` workspaces below them, durably, by [`CLIENTS`] at once; closes and opens again.
pub async fn run(directory: &Path, count: u64) {
    let store = open(directory);
    let template = template();
    let next = Arc::new(AtomicU64::new(0));
    let meter = Meter::start();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (store, template, next) = (store.clone(), template.clone(), next.clone());
            tokio::spawn(async move {
                let mut numbers = Numbers::new(7 + client);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= PARENTS + count {
                        return;
                    }
                    let parent = match number {
                        _ if number < PARENTS => "root".to_owned(),
                        _ => cluster_name(numbers.below(PARENTS)),
                    };
                    let workspace = Key::new(WORKSPACES, &parent, "", &format!("workspace-{number}"));
                    let ops = vec![
                        Op::put(workspace, Expect::Absent, object(&mut numbers, WORKSPACE)),
                        birth(number, &template, Some(parent), &mut numbers),
                    ];
                    store.commit(Batch::of(ops)).await.expect("commits");
                    if number.is_multiple_of(100_000) {
                        report(&format!("RSS MB at {number} (anonymous)"), workload::anonymous_rss_mb());
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client does not panic");
    }
    meter.rate("workspace born", PARENTS + count);
    report("RSS MB after births (anonymous)", workload::anonymous_rss_mb());
    let root = store.counts("root").await.expect("reads");
    assert_eq!((root.children, root.subtree()), (PARENTS, PARENTS + (PARENTS + count) * 4 + count));
    store.close().await;
    drop(store);
    report("disk MB", workload::disk_mb(directory));
    report("  of it log MB", workload::disk_mb(&directory.join("log")));
}

/// Opens what [`run`] left in a new process and reads clusters at random.
pub async fn read(directory: &Path, count: u64) {
    workload::drop_page_cache(directory);
    let begun = Instant::now();
    let store = open(directory);
    report("open cold s", begun.elapsed().as_secs_f64());
    report("RSS MB after open (anonymous)", workload::anonymous_rss_mb());
    let mut numbers = Numbers::new(3);
    let mut cluster = || cluster_name(PARENTS + numbers.below(count));
    for warm in [false, true] {
        let what = if warm { "warm" } else { "cold" };
        let meter = Meter::start();
        for _ in 0..COLD {
            let row = Key::new(ROWS, &cluster(), "", "cluster");
            assert!(store.get(&row).await.expect("reads").is_some());
        }
        meter.rate(&format!("row, {what}"), COLD);
        let meter = Meter::start();
        for _ in 0..COLD {
            let cluster = cluster();
            for resource in LOOKED_FOR {
                let range = KeyRange::cluster(resource, &cluster);
                let query = ListQuery { range, at: At::Latest, after: None, limit: None };
                assert!(store.list(query).await.expect("reads").items.is_empty());
            }
        }
        meter.rate(&format!("5 empty lists of a cluster, {what}"), COLD);
        let meter = Meter::start();
        for _ in 0..COLD {
            let key = Key::new("configmaps", &cluster(), "default", "kube-root-ca.crt");
            assert!(store.get(&key).await.expect("reads").is_some());
        }
        meter.rate(&format!("born object, {what}"), COLD);
    }
    report("RSS MB after reads (anonymous)", workload::anonymous_rss_mb());
    store.close().await;
}
