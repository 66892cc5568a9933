//! Owners and dependents: what the garbage collector has to look at, decided in the commit that makes it so.
//!
//! A stored object carries the index term `owner/CLUSTER/UID` for each of its owners. From that follows by rule, here:
//!
//! - An object that goes while the index has its uid leaves a *record* of the uid, in the same commit. An object that
//!   nothing depends on goes only if that still holds when it is committed ([`Change::DeleteUnindexed`]).
//! - A reference to an owner is committed only while the owner stands there ([`Expect::Containing`]); a reference to an
//!   owner that does not, or that waits for its dependents, leaves a record as well.
//! - An object that is marked for deletion and held by one of the two finalizers of garbage collection is work itself.
//!
//! So whatever comes first of an owner's end and a dependent's beginning, and whenever the process dies, there is a
//! record of it. What becomes of the dependents is judged by the controller, who removes the record when it is done.

use crate::codec;
use crate::registry::ClusterView;
use crate::server::ApiServer;
use crate::strategy::{Departure, Strategy, WORK_TERM};
use crate::verbs::storage_error;
use bytes::Bytes;
use kcp_apimachinery::{Status, meta};
use kcp_storage::{Change, Expect, Guard, Key, Op, Value as Stored};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use tokio::sync::OwnedMutexGuard;

/// Unfinished work of a record: dependents of an owner that may be gone.
pub const ABSENT_OWNER_WORK: &str = "absent-owner";

/// Unfinished work of an object that goes only after its dependents, or after they were let go.
pub const HELD_OWNER_WORK: &str = "held-owner";

/// First component of the keys of records. No resource is called like that.
pub const RECORDS: &str = "garbage/owners";

/// What a record says of an owner that was deleted.
pub const GONE: &[u8] = b"gone";

/// What a record says of an owner that was named and was not found.
pub const NAMED: &[u8] = b"named";

/// Finalizer of an owner that goes after its dependents.
pub const FOREGROUND: &str = "foregroundDeletion";

/// Finalizer of an owner whose dependents are to stay.
pub const ORPHAN: &str = "orphan";

/// Storage name of events, which are neither owners nor dependents: they go by time.
const EVENTS: &str = "events";

/// Annotation of a token secret: the account's name.
pub const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

/// Annotation of a token secret: the account's uid.
pub const SERVICE_ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// The type of a token secret.
pub const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";

/// A reference to an owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerRef<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Name.
    pub name: &'a str,
    /// The uid, which says which of all objects of that name is meant.
    pub uid: &'a str,
    /// Whether the reference follows from something else than `ownerReferences`.
    pub implied: bool,
}

/// The owners of an object. The account of a token secret owns it without being named in `ownerReferences`.
pub fn owners(object: &Value) -> Vec<OwnerRef<'_>> {
    let mut owners: Vec<OwnerRef<'_>> = Vec::new();
    for reference in meta::owner_references(object) {
        let field = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default();
        let group = field("apiVersion").split_once('/').map_or("", |(group, _)| group);
        owners.push(OwnerRef { group, kind: field("kind"), name: field("name"), uid: field("uid"), implied: false });
    }
    let annotation = |name: &str| meta::annotation(object, name).filter(|text| !text.is_empty());
    if object.get("type").and_then(Value::as_str) == Some(SERVICE_ACCOUNT_TOKEN)
        && let (Some(name), Some(uid)) = (annotation(SERVICE_ACCOUNT_NAME), annotation(SERVICE_ACCOUNT_UID))
    {
        owners.push(OwnerRef { group: "", kind: "ServiceAccount", name, uid, implied: true });
    }
    owners
}

/// The index term of an owner's dependents.
pub fn owner_term(cluster: &str, uid: &str) -> Bytes {
    Bytes::from(format!("owner/{cluster}/{}", indexable(uid)))
}

/// The key of an owner's record.
pub fn record_key(cluster: &str, uid: &str) -> Key {
    Key::new(RECORDS, cluster, "", &indexable(uid))
}

/// Index terms of an object for garbage collection, unfinished work among them.
pub fn terms(cluster: &str, object: &Value) -> Vec<Bytes> {
    let mut terms: Vec<Bytes> = owners(object).iter().map(|owner| owner_term(cluster, owner.uid)).collect();
    let held = |finalizer| meta::has_finalizer(object, finalizer);
    if meta::deletion_timestamp(object).is_some() && (held(FOREGROUND) || held(ORPHAN)) {
        terms.push(Bytes::from(format!("{WORK_TERM}{HELD_OWNER_WORK}")));
    }
    terms
}

/// What happens at the key of an object that goes.
#[derive(Debug)]
pub struct Leaving {
    /// The removal, or what takes the object's place.
    pub change: Change,
    /// Keys that have to be as they were read.
    pub guards: Vec<Guard>,
    /// Changes that happen together with the removal, after it.
    pub also: Vec<Op>,
    /// See [`Departure::turn`].
    pub turn: Option<OwnedMutexGuard<()>>,
}

/// How the object `uid` at `key`, which nothing holds any more, leaves.
///
/// # Errors
/// When the store cannot be read.
pub async fn leave(server: &ApiServer, strategy: &dyn Strategy, key: &Key, uid: &str) -> Result<Leaving, Status> {
    let Departure { instead, guards, mut also, turn } = strategy.depart(server, key).await?;
    if key.resource() == EVENTS {
        return Ok(Leaving { change: instead.map_or(Change::Delete, Change::Put), guards, also, turn });
    }
    let term = owner_term(key.cluster(), uid);
    let found = server.store.index(&term, None, 1).await.map_err(|error| storage_error(&error))?;
    let owns = found.first().is_some_and(|entry| entry.term == term);
    let change = match instead {
        None if !owns => Change::DeleteUnindexed(term),
        instead => {
            // What takes an object's place cannot ask whether the index is empty, so it leaves a record in any case.
            also.push(record(key.cluster(), uid, GONE));
            instead.map_or(Change::Delete, Change::Put)
        }
    };
    Ok(Leaving { change, guards, also, turn })
}

/// What the owner references of an object add to the commit that writes it.
#[derive(Debug, Default)]
pub struct References {
    /// Owners that have to stand there still.
    pub guards: Vec<Guard>,
    /// Records of owners that do not.
    pub records: Vec<Op>,
}

/// Looks at the owners that `new` has and `old` had not.
///
/// # Errors
/// When the store cannot be read.
pub async fn references(
    server: &ApiServer,
    view: &ClusterView,
    cluster: &str,
    new: &Value,
    old: Option<&Value>,
) -> Result<References, Status> {
    let mut references = References::default();
    let owners = owners(new);
    if owners.is_empty() {
        return Ok(references);
    }
    let known = old.map(self::owners).unwrap_or_default();
    let fresh: BTreeSet<OwnerRef<'_>> = owners.into_iter().filter(|owner| !known.contains(owner)).collect();
    let mut recorded = BTreeSet::new();
    for owner in fresh {
        match find(server, view, cluster, meta::namespace(new), &owner).await? {
            Found::Standing { key, object } if !waits_for_dependents(&object) => {
                let uid: Option<[u8; 36]> = owner.uid.as_bytes().try_into().ok();
                references.guards.extend(uid.map(|uid| Guard { key, expect: Expect::Containing(uid) }));
            }
            Found::Standing { .. } | Found::Absent | Found::Unserved | Found::Misplaced => {
                if recorded.insert(indexable(owner.uid).into_owned()) {
                    references.records.push(record(cluster, owner.uid, NAMED));
                }
            }
        }
    }
    Ok(references)
}

/// What a reference leads to.
pub enum Found {
    /// The owner.
    Standing {
        /// Where it stands.
        key: Key,
        /// Its metadata, as an object.
        object: Value,
    },
    /// Nothing, or another object of that name.
    Absent,
    /// No such kind is served, so nothing is known.
    Unserved,
    /// A cluster-scoped object names an owner of a namespaced kind: such a reference says nothing.
    Misplaced,
}

/// Follows a reference of an object in `namespace` (empty for a cluster-scoped one) to the newest state.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(
    server: &ApiServer,
    view: &ClusterView,
    cluster: &str,
    namespace: &str,
    owner: &OwnerRef<'_>,
) -> Result<Found, Status> {
    let Some(served) = view.kind(owner.group, owner.kind) else { return Ok(Found::Unserved) };
    if served.namespaced && namespace.is_empty() {
        return Ok(Found::Misplaced);
    }
    if owner.name.contains('\0') {
        return Ok(Found::Absent);
    }
    let namespace = if served.namespaced { namespace } else { "" };
    let key = Key::new(&served.storage, cluster, namespace, owner.name);
    let Some(item) = server.store.get(&key).await.map_err(|error| storage_error(&error))? else {
        return Ok(Found::Absent);
    };
    let object = codec::decode_lean(&item, served.header()).map_err(Status::internal)?;
    Ok(if meta::uid(&object) == owner.uid { Found::Standing { key, object } } else { Found::Absent })
}

/// Whether an owner is going and waits for its dependents to go first.
pub fn waits_for_dependents(owner: &Value) -> bool {
    meta::deletion_timestamp(owner).is_some() && meta::has_finalizer(owner, FOREGROUND)
}

fn record(cluster: &str, uid: &str, why: &'static [u8]) -> Op {
    let terms = vec![Bytes::from(format!("{WORK_TERM}{ABSENT_OWNER_WORK}"))];
    Op::put(record_key(cluster, uid), Expect::Any, Stored::indexed(why, terms))
}

/// A uid as it stands in terms and keys. Those of clients are any text, of any length; ours are kept as they are.
fn indexable(uid: &str) -> Cow<'_, str> {
    let plain = uid.len() <= 64 && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // What is asked with a record's name means the same uid.
    let digested = uid.len() == 33 && uid.starts_with('_') && uid[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
    if (plain && !uid.is_empty()) || digested {
        return Cow::Borrowed(uid);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, uid.as_bytes());
    let hex: String = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    Cow::Owned(format!("_{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_text_can_be_a_uid_and_none_becomes_another_one() {
        let long = "x".repeat(20_000);
        let odd = ["", "a\0b", "a/b", "_", &long, "a b"];
        for uid in odd {
            let term = owner_term("c", uid);
            assert!(term.len() < 60 && term.starts_with(b"owner/c/_"), "{term:?}");
        }
        let all: BTreeSet<Bytes> = odd.iter().map(|uid| owner_term("c", uid)).collect();
        assert_eq!(all.len(), odd.len());
        for uid in odd {
            assert_eq!(owner_term("c", record_key("c", uid).name()), owner_term("c", uid));
        }
        let own = "8f2c1c2e-0000-4000-8000-000000000001";
        assert_eq!(owner_term("c", own), format!("owner/c/{own}"));
    }

    #[test]
    fn an_object_is_work_while_it_waits_for_its_dependents() {
        let work = |object: Value| terms("c", &object).iter().any(|term| term.starts_with(b"work/"));
        for finalizer in [FOREGROUND, ORPHAN] {
            let held = json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b", finalizer]}});
            assert!(work(held));
            assert!(!work(json!({"metadata": {"finalizers": [finalizer]}})));
        }
        assert!(!work(json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}})));
    }

    #[test]
    fn the_account_of_a_token_secret_owns_it() {
        let annotations = json!({SERVICE_ACCOUNT_NAME: "a", SERVICE_ACCOUNT_UID: "u"});
        let mut secret = json!({"type": SERVICE_ACCOUNT_TOKEN, "metadata": {"annotations": annotations}});
        let owner = OwnerRef { group: "", kind: "ServiceAccount", name: "a", uid: "u", implied: true };
        assert_eq!(owners(&secret), [owner]);
        secret["type"] = "Opaque".into();
        assert_eq!(owners(&secret), []);
    }
}
