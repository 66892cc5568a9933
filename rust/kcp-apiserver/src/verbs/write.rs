//! What creates, updates and patches share: system fields, rules, the no-op check and the commit.

use crate::codec;
use crate::exchange::Exchange;
use crate::expiry;
use crate::garbage::{self, Leaving};
use crate::managed::{self, Author, Over, ServedVersions};
use crate::server::ApiServer;
use crate::strategy::{Part, Strategy, WORK_TERM};
use crate::verbs::target::Target;
use crate::verbs::{commit_error, output};
use bytes::Bytes;
use kcp_apimachinery::field::{ErrorList, Path};
use kcp_apimachinery::managed::same_but_times;
use kcp_apimachinery::meta;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{strict, time};
use kcp_storage::{Batch, Change, CommitError, Expect, Item, Op, Value as Stored};
use serde_json::Value;

/// How often a write that carries no resourceVersion is tried again after it lost a race.
pub const ATTEMPTS: usize = 5;

/// What became of a write.
pub enum Written {
    /// It is stored.
    Stored(Item),
    /// The object was the same already; nothing happened.
    Unchanged(Item),
    /// A dry run: what would have been stored.
    Dry(Value),
    /// The write let go of the last thing that held a deleted object; this was its last state.
    Removed(Value),
}

/// Why an attempt did not commit.
pub enum Lost {
    /// Something changed in between: another attempt may succeed.
    Race,
    /// It will not.
    Refused(Status),
}

impl From<Status> for Lost {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// Refuses an object that could not be read back: defaults can nest one deeper than its body was.
///
/// # Errors
/// 400 when it is nested deeper than [`strict::MAX_DEPTH`].
pub fn check_depth(object: &Value) -> Result<(), Status> {
    if strict::is_shallow(object) {
        return Ok(());
    }
    Err(Status::bad_request(format!("the object is nested deeper than {} levels", strict::MAX_DEPTH)))
}

/// The stored form of an object of `cluster` whose slots were stripped, and of its entries of managed fields.
pub fn stored(server: &ApiServer, cluster: &str, strategy: &dyn Strategy, object: &Value, entries: &[u8]) -> Stored {
    let mut terms: Vec<Bytes> =
        strategy.work(object).into_iter().map(|work| Bytes::from(format!("{WORK_TERM}{work}"))).collect();
    terms.extend(strategy.terms(object));
    if strategy.expires() {
        terms.push(expiry::term(server.clock.now(), server.event_ttl));
    } else {
        terms.extend(garbage::terms(cluster, object));
    }
    terms.sort();
    terms.dedup();
    let data = strategy.encode(object, entries);
    if terms.is_empty() { Stored::new(data) } else { Stored::indexed(data, terms) }
}

/// Where the entries of managed fields come from.
pub enum Owners<'a> {
    /// What changed becomes the author's.
    Author(&'a Author),
    /// An apply decided it, and has filled in defaults where it changed something: the entries as JSON text.
    Applied(Vec<u8>),
}

/// A change of a stored object, as a client wants it.
pub struct Replacement<'a> {
    /// What stands there.
    pub item: &'a Item,
    /// The same as a value, without its entries of managed fields.
    pub old: Value,
    /// What is to stand there: decoded, and held against the URL and against what stands there.
    pub new: Value,
    /// Which part of the object the request may touch.
    pub part: Part,
    /// Do everything but store.
    pub dry_run: bool,
    /// Who owns what afterwards.
    pub owners: Owners<'a>,
}

/// Runs one attempt of an update: carries over, defaults, checks and commits.
pub async fn replace(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    replacement: Replacement<'_>,
) -> Result<Written, Lost> {
    let Replacement { item: old, old: mut old_object, mut new, part, dry_run, owners } = replacement;
    let served = &target.served;
    let strategy = served.strategy.as_ref();
    let given = managed::take(&mut new);
    carry_over(&mut new, &old_object);
    exchange.warnings.extend(meta::dedup_owner_references(&mut new));
    if let Owners::Author(_) = owners {
        strategy.default(&mut new);
    }
    codec::strip(&mut old_object);
    codec::strip(&mut new);
    let old_object = &old_object;
    let live = codec::managed(&old.value);
    let mut entries = match owners {
        Owners::Author(author) => managed::updated(target, author, part, (old_object, live), (&new, given.as_ref())),
        Owners::Applied(entries) => entries,
    };
    strategy.prepare_update(&mut new, old_object, part);
    // Whether the change names the stored revision was decided before; here it does, for the rules and for a dry run.
    meta::set_resource_version(&mut new, &old.revision.to_string());
    let metadata = || {
        let mut errors = meta::validate_object_meta_update(&new, old_object, &Path::root("metadata"));
        if given.is_some() {
            errors.extend(managed::problems(&entries));
        }
        errors
    };
    let judged = strategy.judge_update(&new, old_object, part);
    let errors = all_errors(strategy, metadata, judged.errors);
    exchange.warnings.extend(judged.warnings);
    if !errors.is_empty() {
        return Err(Status::invalid(&target.kind(), old.key.name(), &errors).into());
    }
    let admission = strategy.admit(server, exchange, &mut new, Some(old_object), part).await?;
    if let Some(over) = &admission.over {
        entries = written_over(server, target, over, &entries)?;
    }
    check_depth(&new)?;
    exchange.warnings.extend(strategy.warnings(&new, Some(old_object)));
    if dry_run {
        // What a dry run answers keeps the revision of what stands there.
        as_stored(strategy, &mut new);
        restore_cluster(&mut new, target);
        managed::put(&mut new, &entries);
        return Ok(Written::Dry(new));
    }
    codec::strip(&mut new);
    let mut value = stored(server, &target.cluster, strategy, &new, &entries);
    let mut same = codec::same_but_managed(&value.data, &old.value.data) && expiry::same_terms(&value, &old.value);
    if same && entries != live {
        // Where nothing else changed, a new time alone is no change.
        same = same_but_times(&entries, live);
        if same {
            entries = live.to_vec();
            value = stored(server, &target.cluster, strategy, &new, &entries);
        }
    }
    let released = is_released(strategy, &new);
    if same && !released && admission.also.is_empty() {
        return Ok(Written::Unchanged(old.clone()));
    }
    // What the change would have brought along goes with the object.
    let Leaving { change, guards, also, turn: _turn } = if released {
        // Who goes may have to wait for a turn, and must not have one.
        drop(admission);
        garbage::leave(server, strategy, &old.key, meta::uid(old_object)).await?
    } else {
        let references = garbage::references(server, &target.view, &target.cluster, &new, Some(old_object)).await?;
        let (mut guards, mut also) = (admission.guards, admission.also);
        let turn = admission.turn;
        guards.extend(references.guards);
        also.extend(references.records);
        Leaving { change: Change::Put(value.clone()), guards, also, turn }
    };
    let mut ops = vec![Op { key: old.key.clone(), expect: Expect::At(old.revision), change }];
    ops.extend(also);
    match server.store.commit(Batch { ops, guards, ..Batch::default() }).await {
        Ok(committed) => {
            if released {
                // The last state was never stored: its revision is that of what stood there.
                let last = Item { key: old.key.clone(), revision: old.revision, value };
                return Ok(Written::Removed(output::object(served, &last)?));
            }
            Ok(Written::Stored(Item { key: old.key.clone(), revision: committed.first, value }))
        }
        Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => Err(Lost::Race),
        Err(error) => Err(commit_error(error).into()),
    }
}

/// The entries of an object that admission wrote over in a controller's name.
///
/// # Errors
/// As [`Over::entries`].
pub fn written_over(server: &ApiServer, target: &Target, over: &Over, entries: &[u8]) -> Result<Vec<u8>, Status> {
    let versions = ServedVersions::new(&target.view, &target.served, Part::Main);
    over.entries(&versions, entries, &time::format_rfc3339(server.clock.now().as_second()))
}

/// What a write is refused for: the metadata's errors and the kind's, in the order Kubernetes reports them.
pub fn all_errors(strategy: &dyn Strategy, metadata: impl FnOnce() -> ErrorList, own: ErrorList) -> ErrorList {
    if !strategy.checks_metadata() && !own.is_empty() {
        return own;
    }
    let mut errors = metadata();
    errors.extend(own);
    errors
}

/// Makes of an object what storing and reading it would make of it.
pub fn as_stored(strategy: &dyn Strategy, object: &mut Value) {
    if strategy.converts() {
        strategy.to_stored(object);
        strategy.from_stored(object);
    }
    let stored = Stored::new(strategy.encode(object, b""));
    if codec::fingerprint(&stored) != strategy.fingerprint() {
        strategy.read(object, &stored);
    }
}

/// Puts the cluster annotation back on an object that is answered without having been stored.
pub fn restore_cluster(object: &mut Value, target: &Target) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = meta.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
        annotations[codec::CLUSTER_ANNOTATION] = Value::String(target.cluster.clone());
    }
}

/// Whether an object that is marked for deletion has nothing left that holds it.
pub fn is_released(strategy: &dyn Strategy, object: &Value) -> bool {
    let meta = &object["metadata"];
    let finalizers = meta["finalizers"].as_array().map_or(0, Vec::len);
    meta["deletionTimestamp"].is_string() && finalizers == 0 && !strategy.is_held(object)
}

/// Copies onto a client's object what only the server sets and what an update never changes.
fn carry_over(new: &mut Value, old: &Value) {
    let old_meta = &old["metadata"];
    let Some(meta) = new.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    // A uid that is given has been held against the live one, or will be refused as a change of it.
    if let (true, Some(uid)) = (meta.get("uid").is_none_or(|uid| uid == ""), old_meta.get("uid")) {
        meta.insert("uid".to_owned(), uid.clone());
    }
    for field in ["creationTimestamp", "generation"] {
        match old_meta.get(field) {
            Some(value) => meta.insert(field.to_owned(), value.clone()),
            None => meta.remove(field),
        };
    }
    // A mark for deletion stays; that an update sets one is refused as a change of what never changes.
    if let Some(time) = old_meta.get("deletionTimestamp") {
        meta.insert("deletionTimestamp".to_owned(), time.clone());
    }
    if let Some(grace) = old_meta.get("deletionGracePeriodSeconds") {
        meta.entry("deletionGracePeriodSeconds").or_insert_with(|| grace.clone());
    }
    meta.remove("selfLink");
}
