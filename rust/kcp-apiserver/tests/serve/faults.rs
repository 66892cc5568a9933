//! A store that fails or is in the way.

use crate::harness::{Harness, MAPS, config_map};
use crate::watches::Lines;
use kcp_apiserver::clock::SystemClock;
use kcp_apiserver::tenancy::{INITIALIZER_LABEL, PHASE_LABEL, row};
use kcp_apiserver::{clusters, codec};
use kcp_storage::memory::Memory;
use kcp_storage::{
    At, Backend, Batch, BoxFuture, Change, CommitError, Committed, Counts, Embedded, Error, Event, Expect, IndexEntry,
    Item, Key, KeyRange, ListQuery, Observer, Op, Options, Page, Revision, Value as Stored, Watch, WatchQuery,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A store in memory with faults that a test switches on.
#[derive(Default)]
struct Faulty {
    inner: Memory,
    /// Pages of states that are past cannot be read.
    loses_pages: AtomicBool,
    /// So many keys that are still to come are found taken.
    collisions: AtomicUsize,
    /// How often a key was found taken so.
    collided: AtomicUsize,
    /// Pages of states that are past are no longer known.
    forgets_pages: AtomicBool,
    /// The most config maps that one page held.
    longest_page: AtomicUsize,
    /// Nothing can be written or read by key.
    stands_still: AtomicBool,
    /// How many objects and index entries were read.
    read: AtomicUsize,
}

impl Faulty {
    /// A server over a new store.
    fn serve(cluster: &str) -> (Harness, Arc<Self>) {
        let store = Arc::new(Self::default());
        let backend = Arc::clone(&store) as Arc<dyn Backend>;
        (Harness::over(cluster, backend, Arc::new(SystemClock)), store)
    }

    /// Whether the batch's first key is found taken.
    fn collides(&self, batch: &Batch) -> bool {
        let creates = batch.ops.first().is_some_and(|op| {
            matches!(op.change, Change::Put(_)) && op.expect == Expect::Absent && op.key.resource() == "configmaps"
        });
        let left = |left: usize| left.checked_sub(1);
        let collides = creates && self.collisions.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        self.collided.fetch_add(usize::from(collides), Ordering::SeqCst);
        collides
    }
}

impl Backend for Faulty {
    fn head(&self) -> Revision {
        self.inner.head()
    }

    fn compacted(&self) -> Revision {
        self.inner.compacted()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Item>, Error>> {
        if self.stands_still.load(Ordering::SeqCst) && key.resource() == "configmaps" {
            return Box::pin(async { Err(Error::Unavailable("the disk is gone".into())) });
        }
        self.read.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key)
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Page, Error>> {
        if query.at != At::Latest && self.loses_pages.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Error::Unavailable("the disk is gone".into())) });
        }
        if query.at != At::Latest && self.forgets_pages.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Error::Compacted { requested: Revision::ZERO, oldest: self.inner.head() }) });
        }
        Box::pin(async {
            let page = self.inner.list(query).await?;
            let maps = page.items.iter().filter(|item| item.key.resource() == "configmaps").count();
            self.longest_page.fetch_max(maps, Ordering::SeqCst);
            self.read.fetch_add(page.items.len(), Ordering::SeqCst);
            Ok(page)
        })
    }

    fn count(&self, query: ListQuery) -> BoxFuture<'_, Result<usize, Error>> {
        self.inner.count(query)
    }

    fn counts<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Counts, Error>> {
        self.inner.counts(cluster)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, CommitError>> {
        if self.stands_still.load(Ordering::SeqCst) {
            return Box::pin(async { Err(CommitError::Unavailable("the disk is full".into())) });
        }
        if self.collides(&batch) {
            return Box::pin(async { Err(CommitError::Conflict { index: 0, current: None }) });
        }
        self.inner.commit(batch)
    }

    fn watch(&self, query: WatchQuery) -> Result<Watch, Error> {
        self.inner.watch(query)
    }

    fn changes<'a>(
        &'a self,
        range: &'a KeyRange,
        since: Revision,
        upto: Revision,
    ) -> BoxFuture<'a, Result<Vec<Arc<Event>>, Error>> {
        self.inner.changes(range, since, upto)
    }

    fn index<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a IndexEntry>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IndexEntry>, Error>> {
        Box::pin(async move {
            let found = self.inner.index(prefix, after, limit).await?;
            self.read.fetch_add(found.len(), Ordering::SeqCst);
            Ok(found)
        })
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.inner.observe(observer);
    }

    fn end_watches(&self) {
        self.inner.end_watches();
    }

    fn end_watches_of(&self, cluster: &str, except: &str) {
        self.inner.end_watches_of(cluster, except);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

/// The event is about a failure inside, and the last of its stream.
async fn assert_ends_with_an_internal_error(mut lines: Lines) {
    let event = lines.next().await.expect("an event");
    assert_eq!(event["type"], "ERROR", "{event}");
    let status = &event["object"];
    assert_eq!((&status["kind"], &status["apiVersion"]), (&json!("Status"), &json!("v1")));
    assert_eq!((&status["code"], &status["reason"]), (&json!(500), &json!("InternalError")));
    assert!(status["message"].as_str().unwrap_or_default().starts_with("Internal error occurred: "), "{status}");
    assert_eq!(lines.next().await, None, "the stream ends");
}

/// kube-api 3.5.15: a store that fails after the answer has begun ends the stream with a 500 as its last event.
#[tokio::test]
async fn a_watch_whose_state_cannot_be_read_to_its_end_says_so() {
    let (admin, store) = Faulty::serve("lost-pages");
    for number in 0..300 {
        admin.post(MAPS, &config_map(&format!("m{number:03}"), json!({}))).await;
    }
    store.loses_pages.store(true, Ordering::SeqCst);
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&labelSelector=!absent")).await;
    // The first page, which was read before the answer began.
    for _ in 0..250 {
        assert_eq!(lines.next().await.expect("an event")["type"], "ADDED");
    }
    assert_ends_with_an_internal_error(lines).await;
    store.loses_pages.store(false, Ordering::SeqCst);
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Dm299")).await;
    assert_eq!(lines.next().await.expect("an event")["type"], "ADDED");
}

/// kube-api 3.5.15: the same where history was on a disk that lost it; what is newer is watched as before.
#[tokio::test]
async fn a_watch_whose_history_is_lost_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options { ring_events: 1, ring_bytes: 1, ..Options::default() };
    let store: Arc<dyn Backend> = Arc::new(Embedded::open(directory.path(), options).expect("opens"));
    let admin = Harness::over("lost-log", Arc::clone(&store), Arc::new(SystemClock));
    let revision = |answer: &Value| answer["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let first = revision(&admin.post(MAPS, &config_map("m000", json!({}))).await.body);
    for number in 1..50 {
        admin.post(MAPS, &config_map(&format!("m{number:03}"), json!({}))).await;
    }
    let head = revision(&admin.get(MAPS).await.body);
    let mut removed = 0;
    let mut directories = vec![directory.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "log") {
                std::fs::remove_file(path).expect("removed");
                removed += 1;
            }
        }
    }
    assert!(removed > 0, "there is a log");
    let lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion={first}")).await;
    assert_ends_with_an_internal_error(lines).await;
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion={head}")).await;
    admin.post(MAPS, &config_map("late", json!({}))).await;
    assert_eq!(lines.next().await.expect("an event")["object"]["metadata"]["name"], "late");
    store.close().await;
}

/// kube-api 3.2.2: a generated name that is taken is generated again, eight times in all.
#[tokio::test]
async fn generated_names_are_tried_eight_times() {
    let (admin, store) = Faulty::serve("collisions");
    admin.post(MAPS, &config_map("first", json!({}))).await;
    let generated = json!({"metadata": {"generateName": "made-"}});

    store.collisions.store(7, Ordering::SeqCst);
    let answer = admin.post(MAPS, &generated).await;
    assert_eq!((answer.code, store.collided.swap(0, Ordering::SeqCst)), (201, 7), "{}", answer.text);

    store.collisions.store(usize::MAX, Ordering::SeqCst);
    let answer = admin.post(MAPS, &generated).await;
    assert_eq!((answer.code, store.collided.swap(0, Ordering::SeqCst)), (409, 8), "{}", answer.text);
    let details = &answer.body["details"];
    let name = details["name"].as_str().unwrap_or_default();
    assert!(name.starts_with("made-") && name.len() == 10, "{details}");
    assert_eq!((&details["kind"], &details["retryAfterSeconds"]), (&json!("configmaps"), &json!(1)));
    assert_eq!(
        answer.body["message"],
        format!(
            "configmaps \"{name}\" already exists, the server was not able to generate a unique name for the object"
        )
    );

    // A name that was given is tried once.
    let answer = admin.post(MAPS, &config_map("given", json!({}))).await;
    assert_eq!((answer.code, store.collided.load(Ordering::SeqCst)), (409, 1), "{}", answer.text);
    assert_eq!(answer.body["message"], "configmaps \"given\" already exists");
}

/// kube-api 4.4.14: a store that cannot serve is a 503 for each verb, and is served from again when it can.
#[tokio::test]
async fn a_store_that_stands_still_is_unavailable() {
    let (admin, store) = Faulty::serve("standing-still");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let one = format!("{MAPS}/one");
    store.stands_still.store(true, Ordering::SeqCst);
    let answers = [
        admin.post(MAPS, &config_map("two", json!({}))).await,
        admin.get(&one).await,
        admin.put(&one, &config_map("one", json!({"a": "b"}))).await,
        admin.merge(&one, &json!({"data": {"a": "b"}})).await,
        admin.delete(&one).await,
    ];
    for answer in answers {
        assert_eq!((answer.code, &answer.body["reason"]), (503, &json!("ServiceUnavailable")), "{}", answer.text);
        assert_eq!((&answer.body["kind"], &answer.body["status"]), (&json!("Status"), &json!("Failure")));
    }
    store.stands_still.store(false, Ordering::SeqCst);
    assert_eq!(admin.put(&one, &config_map("one", json!({"a": "b"}))).await.code, 200);
    assert_eq!(admin.get(&format!("{MAPS}/two")).await.code, 404);
}

/// kube-api 3.9.14: a large collection is deleted page by page, and all of it is told.
#[tokio::test]
async fn a_large_collection_is_deleted_page_by_page() {
    for forgets in [false, true] {
        let (admin, store) = Faulty::serve("large-collection");
        let mut names = vec!["kube-root-ca.crt".to_owned()];
        for index in 0..1_200 {
            names.push(format!("m-{index:04}"));
            let mut map = config_map(&names[index + 1], json!({"i": index.to_string()}));
            map["metadata"]["labels"] = json!({"large": "yes"});
            assert_eq!(admin.post(MAPS, &map).await.code, 201);
        }
        store.longest_page.store(0, Ordering::SeqCst);
        store.forgets_pages.store(forgets, Ordering::SeqCst);
        let listed = |body: &Value| -> Vec<String> {
            let items = body["items"].as_array().cloned().unwrap_or_default();
            items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
        };
        if !forgets {
            let dry = admin.delete(&format!("{MAPS}?labelSelector=large&dryRun=All")).await;
            assert_eq!((dry.code, listed(&dry.body)), (200, names[1..].to_vec()));
        }
        let deleted = admin.delete(MAPS).await;
        assert_eq!((deleted.code, &deleted.body["kind"]), (200, &json!("ConfigMapList")));
        assert_eq!(listed(&deleted.body), names);
        assert!(deleted.body["metadata"].get("continue").is_none());
        assert!(deleted.body["items"][1_100]["data"]["i"].is_string());
        assert!(store.longest_page.load(Ordering::SeqCst) <= 1_000);
        store.forgets_pages.store(false, Ordering::SeqCst);
        assert_eq!(listed(&admin.get(MAPS).await.body), names[..1]);
    }
}

/// A row of a logical cluster that waits for initializers.
async fn row(store: &Faulty, cluster: &str, initializers: &[&str]) {
    let phase = if initializers.is_empty() { "Ready" } else { "Initializing" };
    let mut object = json!({"metadata": {"name": "cluster", "uid": cluster}, "spec": {},
        "status": {"phase": phase, "initializers": initializers}});
    row::label(&mut object);
    let value = Stored::indexed(codec::encode(&object, 0), row::terms(&object));
    let op = Op::put(clusters::row(cluster), Expect::Absent, value);
    store.inner.commit(Batch::of(vec![op])).await.expect("a row");
}

#[tokio::test]
async fn what_waits_is_listed_without_looking_at_what_does_not() {
    const ROWS: &str = "/apis/core.kcp.io/v1alpha1/logicalclusters";
    let store = Arc::new(Faulty::default());
    let admin = Harness::with_rows_over("*", Arc::clone(&store) as Arc<dyn Backend>);
    for number in 0..1_500 {
        let waits: &[&str] = match number % 500 {
            7 => &["root:a", "root:b"],
            8 => &["root:b"],
            _ => &[],
        };
        row(&store, &format!("c{number:04}"), waits).await;
    }
    let (key, digest) = row::waiting_label(INITIALIZER_LABEL, "root:a");
    let query = format!("?labelSelector={key}%3D{digest},{PHASE_LABEL}%3DInitializing");
    let names = |body: &Value| -> Vec<String> {
        let items = body["items"].as_array().expect("items").iter();
        items.map(|item| item["metadata"]["annotations"]["kcp.io/cluster"].to_string()).collect()
    };
    let all = ["\"c0007\"", "\"c0507\"", "\"c1007\""];
    let read = async |path: &str| {
        store.read.store(0, Ordering::SeqCst);
        let answer = admin.get(path).await;
        assert_eq!(answer.code, 200, "{}", answer.text);
        (answer.body, store.read.load(Ordering::SeqCst))
    };
    let (body, cost) = read(&format!("{ROWS}{query}")).await;
    assert_eq!(names(&body), all);
    assert!(cost <= 10, "{cost} objects were read for three");
    assert_eq!(body["metadata"]["resourceVersion"], "1500");
    // Page by page, and a state of its own walks all.
    let (body, cost) = read(&format!("{ROWS}{query}&limit=2")).await;
    assert_eq!(names(&body), all[..2]);
    let token = body["metadata"]["continue"].as_str().expect("more").to_owned();
    let (body, rest) = read(&format!("{ROWS}{query}&limit=2&continue={token}")).await;
    assert_eq!(names(&body), all[2..]);
    assert_eq!(body["metadata"]["continue"], "");
    assert!(cost + rest <= 20, "{cost} and {rest}");
    let (body, cost) = read(&format!("{ROWS}{query}&resourceVersion=750&resourceVersionMatch=Exact")).await;
    assert_eq!(names(&body), all[..2]);
    assert!(cost > 700);
    // Selectors that only look alike find what they select.
    let (body, _) = read(&format!("{ROWS}?labelSelector={key}%3D{}", &digest[..3])).await;
    assert_eq!(names(&body), [""; 0]);
    let (body, _) = read(&format!("{ROWS}?labelSelector={key}%21%3D{digest}&limit=1")).await;
    assert_eq!(names(&body), ["\"c0000\""]);
    // A watch begins with the same.
    store.read.store(0, Ordering::SeqCst);
    let path = format!("{ROWS}{query}&watch=true&timeoutSeconds=1");
    let told = admin.get(&path).await.text;
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(store.read.load(Ordering::SeqCst) <= 20);
}
