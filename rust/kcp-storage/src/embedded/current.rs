//! Current values, the index and the clusters' births, in the LSM engine.
//!
//! ```text
//! objects  key                        → flag u8 (0 live, 1 hides a born object), revision u64, terms, data
//! index    escaped term, 0 0, key     → nothing
//! meta     "a"                        → revision the other rows are at
//!          "b" cluster 0              → a cluster's birth
//!          "c" cluster 0              → a cluster's counts, where its birth does not explain them
//!          "n"                        → the resources that the totals leave out
//!          "t" template id            → the template
//! ```
//! A group of commits is one engine batch with its revision, so a snapshot is exactly a revision's state. The engine's
//! own journal is not synced: what it loses in a crash is replayed from the event log.

use super::births::{BirthCache, Born, Templates};
use super::error::OpenError;
use super::overlay::overlay;
use super::record::{put_value, take_value};
use super::tallies;
use crate::check::Step;
use crate::codec::{Reader, put_u64};
use crate::counts::{Ledger, Tally};
use crate::{Change, EventKind, IndexEntry, Item, Key, KeyRange, Op, Revision, Scope, Template, Value};
use bytes::Bytes;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

const LIVE: u8 = 0;
const HIDDEN: u8 = 1;
const APPLIED: &[u8] = b"a";
/// Longest key or index term; the engine's own limit is 64 KiB for a whole row key.
pub(crate) const MAX_KEY: usize = 16 << 10;

/// Memory the engine may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineMemory {
    pub block_cache: u64,
    pub memtable: u64,
    pub births: u64,
}

/// The engine.
pub(crate) struct Current {
    pub(super) db: Database,
    pub(super) objects: Keyspace,
    index: Keyspace,
    pub(super) meta: Keyspace,
    pub(super) templates: Arc<Templates>,
    births: BirthCache,
    /// Resources that totals leave out.
    pub(super) uncounted: Arc<[String]>,
}

/// The state right after a revision.
pub(crate) struct View {
    pub revision: u64,
    pub(super) snapshot: Snapshot,
}

/// How much of the items a walk needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// All of them.
    Values,
    /// Their keys; the values are left empty.
    Keys,
}

/// What the engine has at a key.
#[derive(Clone, Debug)]
enum Stored {
    Live(Item),
    /// A born object was deleted here.
    Hidden,
}

/// What an engine call answers, or one line.
pub(crate) type EngineResult<T> = Result<T, String>;

/// A failed engine call, as one line.
pub(super) fn engine(error: fjall::Error) -> String {
    let text: String = error.to_string().chars().take(200).collect();
    text.replace('\n', " ")
}

impl Current {
    pub(crate) fn open(
        path: &Path,
        memory: EngineMemory,
        templates: Arc<Templates>,
        uncounted: Arc<[String]>,
    ) -> Result<Self, OpenError> {
        let failed = |error: fjall::Error| match error {
            fjall::Error::Io(source) => OpenError::io("open", path)(source),
            other => OpenError::corrupt(path, engine(other)),
        };
        let db = Database::builder(path)
            .cache_size(memory.block_cache)
            .manual_journal_persist(true)
            .journal_compression(CompressionType::None)
            .max_journaling_size(64 << 20)
            .worker_threads(2)
            .open()
            .map_err(failed)?;
        let options = |memtable: u64| {
            KeyspaceCreateOptions::default()
                .manual_journal_persist(true)
                .data_block_size_policy(BlockSizePolicy::all(4 << 10))
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
                .max_memtable_size(memtable)
        };
        let open = |name: &str, memtable: u64| db.keyspace(name, || options(memtable)).map_err(failed);
        let objects = open("objects", memory.memtable)?;
        let index = open("index", memory.memtable / 4)?;
        let meta = open("meta", memory.memtable / 4)?;
        let births = BirthCache::new(memory.births, 400);
        let current = Self { objects, index, meta, templates, births, uncounted, db };
        for guard in current.meta.prefix("t") {
            let value = guard.value().map_err(failed)?;
            let template = Template::decode(Bytes::copy_from_slice(&value))
                .ok_or_else(|| OpenError::corrupt(path, "a birth template does not decode"))?;
            current.templates.learn(&Arc::new(template));
        }
        Ok(current)
    }

    /// A view of everything applied so far.
    pub(crate) fn view(&self) -> EngineResult<View> {
        let snapshot = self.db.snapshot();
        let applied = snapshot.get(&self.meta, APPLIED).map_err(engine)?;
        let revision = applied.and_then(|raw| raw.as_ref().try_into().map(u64::from_le_bytes).ok()).unwrap_or(0);
        Ok(View { revision, snapshot })
    }

    /// Makes everything applied so far durable in the engine itself.
    pub(crate) fn persist(&self) -> EngineResult<()> {
        self.db.persist(PersistMode::SyncAll).map_err(engine)
    }

    /// Whether the engine can hold the change.
    pub(crate) fn fits(op: &Op) -> bool {
        let terms: &[Bytes] = match &op.change {
            Change::Put(value) | Change::Bear(value, _) => &value.terms,
            Change::Delete | Change::DeleteUnindexed(_) => &[],
        };
        let parent = match &op.change {
            Change::Bear(_, birth) => birth.parent.as_ref().map_or(0, |parent| parent.len()),
            _ => 0,
        };
        op.key.as_bytes().len().max(parent) <= MAX_KEY && terms.iter().all(|term| term.len() <= MAX_KEY)
    }

    /// What stands at `key`, born objects included.
    pub(crate) fn get(&self, view: &View, key: &Key) -> EngineResult<Option<Item>> {
        if key.as_bytes().len() > MAX_KEY {
            return Ok(None);
        }
        match self.stored(view, key)? {
            Some(Stored::Live(item)) => Ok(Some(item)),
            Some(Stored::Hidden) => Ok(None),
            None if self.templates.may_bear(key) => {
                Ok(self.birth(view, key.cluster())?.and_then(|born| born.item(key)))
            }
            None => Ok(None),
        }
    }

    /// The items in `range` after the encoded key `after`, in key order.
    pub(crate) fn items<'a>(
        &'a self,
        view: &'a View,
        range: &'a KeyRange,
        after: Option<&'a [u8]>,
        load: Load,
    ) -> impl Iterator<Item = EngineResult<Item>> + 'a {
        let start = match after {
            Some(after) if after >= range.start.as_ref() => Bound::Excluded(after),
            _ => Bound::Included(range.start.as_ref()),
        };
        let rows = view.snapshot.range::<&[u8], _>(&self.objects, (start, Bound::Excluded(range.end.as_ref())));
        let stored = rows.map(move |row| {
            let (key, value) = row.into_inner().map_err(engine)?;
            let key = Key::decode(Bytes::copy_from_slice(&key)).ok_or("a stored key does not decode")?;
            if load == Load::Keys && is_live(&value) {
                let item = Item { key: key.clone(), revision: Revision::ZERO, value: Value::default() };
                return Ok((key, Some(item)));
            }
            Ok(match decode_stored(&key, &value)? {
                Stored::Live(item) => (key, Some(item)),
                Stored::Hidden => (key, None),
            })
        });
        overlay(self.born_items(view, range, after), stored)
    }

    fn born_items<'a>(
        &'a self,
        view: &'a View,
        range: &'a KeyRange,
        after: Option<&'a [u8]>,
    ) -> Box<dyn Iterator<Item = EngineResult<Item>> + 'a> {
        let mut parts = range.start.split(|byte| *byte == 0).map(|part| std::str::from_utf8(part).unwrap_or_default());
        if !parts.next().is_some_and(|resource| self.templates.may_bear_resource(resource)) {
            return Box::new(std::iter::empty());
        }
        if !matches!(range.scope(), Scope::Resource(_)) {
            let born = self.birth(view, parts.next().unwrap_or_default());
            return match born {
                Ok(born) => Box::new(born.into_iter().flat_map(move |born| born.items(range, after)).map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
        }
        // Births sort as their clusters do in keys, so a list goes through both side by side.
        let mut start = b"b".to_vec();
        if let Some(after) = after {
            let cluster = after.split(|byte| *byte == 0).nth(1).unwrap_or_default();
            start.extend_from_slice(cluster);
        }
        let rows = view.snapshot.range::<&[u8], _>(&self.meta, start.as_slice()..b"c".as_slice());
        Box::new(rows.flat_map(move |row| -> Box<dyn Iterator<Item = EngineResult<Item>>> {
            let born = row.value().map_err(engine).and_then(|raw| self.decode_birth(&raw));
            match born {
                Ok(born) => Box::new(born.items(range, after).into_iter().map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        }))
    }

    /// Keys by index term; see [`crate::Backend::index`].
    pub(crate) fn find(
        &self,
        view: &View,
        prefix: &[u8],
        after: Option<&IndexEntry>,
        limit: usize,
    ) -> EngineResult<Vec<IndexEntry>> {
        let mut low = Vec::new();
        escape(&mut low, prefix);
        let prefix = low.clone();
        let mut start = Bound::Included(low.as_slice());
        let position = after.map(|after| index_key(&after.term, &after.key));
        if let Some(position) = &position
            && *position >= low
        {
            start = Bound::Excluded(position.as_slice());
        }
        // Without an end the engine would walk over everything deleted behind the prefix, looking for what is next.
        let end = successor(&prefix);
        if position.as_ref().zip(end.as_ref()).is_some_and(|(position, end)| position >= end) {
            return Ok(Vec::new());
        }
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = Vec::new();
        for row in view.snapshot.range::<&[u8], _>(&self.index, (start, end)) {
            if entries.len() == limit {
                break;
            }
            let key = row.key().map_err(engine)?;
            entries.push(decode_index_key(&key).ok_or("an index entry does not decode")?);
        }
        Ok(entries)
    }

    /// Applies the changes of a group, which end at `revision`, and the counts they lead to, as one engine batch. The
    /// counts as they are stored then.
    pub(crate) fn apply(
        &self,
        view: &View,
        steps: &[Step],
        ledger: Ledger,
        revision: u64,
    ) -> EngineResult<Vec<(Arc<str>, Tally)>> {
        let mut rows =
            Rows { current: self, view, objects: HashMap::new(), index: BTreeMap::new(), births: HashMap::new() };
        let births = steps.iter().filter_map(|step| step.born.as_ref());
        let mut templates: Vec<_> = births.map(|(birth, _)| birth.template.clone()).collect();
        templates.sort_by_key(|template| template.id());
        templates.dedup_by_key(|template| template.id());
        // First: the rows below ask what any template may put where.
        for template in &templates {
            self.templates.learn(template);
        }
        for step in steps {
            if let Some((birth, events)) = &step.born {
                let first = step.event.revision.get() - events.len() as u64;
                rows.bear(Born { first, row: step.event.key.clone(), birth: birth.clone() })?;
            }
            rows.change(step)?;
        }
        let mut batch = self.db.batch();
        for (key, stored) in rows.objects {
            match stored {
                Some(stored) => batch.insert(&self.objects, key.as_bytes(), encode_stored(&stored)),
                None => batch.remove(&self.objects, key.as_bytes()),
            }
        }
        for (key, present) in rows.index {
            if present {
                batch.insert(&self.index, key, b"".as_slice());
            } else {
                batch.remove(&self.index, key);
            }
        }
        let mut tallies = Vec::new();
        for (cluster, mut tally) in ledger.into_changed() {
            let born = rows.births.get(cluster.as_ref()).and_then(Option::as_deref);
            let needed = !tally.counts.is_empty() && born.is_none_or(|born| self.explained(born) != tally.counts);
            if needed {
                batch.insert(&self.meta, tallies::row_key(&cluster), tallies::encode(&tally.counts));
            } else if tally.stored {
                batch.remove(&self.meta, tallies::row_key(&cluster));
            }
            tally.stored = needed;
            tallies.push((cluster, tally));
        }
        let mut births = Vec::new();
        for (cluster, born) in rows.births {
            match born {
                Some(born) => batch.insert(&self.meta, birth_key(&cluster), born.encode()),
                None => batch.remove(&self.meta, birth_key(&cluster)),
            }
            births.push(cluster);
        }
        for template in templates {
            let key = [b"t".as_slice(), template.id().as_bytes()].concat();
            batch.insert(&self.meta, key, template.encoded().to_vec());
        }
        batch.insert(&self.meta, APPLIED, revision.to_le_bytes().as_slice());
        batch.commit().map_err(engine)?;
        // After the engine has them, before a reader sees them.
        for cluster in births {
            self.births.change(&Arc::from(cluster), None, revision);
        }
        Ok(tallies)
    }

    fn stored(&self, view: &View, key: &Key) -> EngineResult<Option<Stored>> {
        let raw = view.snapshot.get(&self.objects, key.as_bytes()).map_err(engine)?;
        raw.map(|raw| decode_stored(key, &raw)).transpose()
    }

    pub(super) fn birth(&self, view: &View, cluster: &str) -> EngineResult<Option<Arc<Born>>> {
        if let Some(born) = self.births.get(cluster, view.revision) {
            return Ok(Some(born));
        }
        let raw = view.snapshot.get(&self.meta, birth_key(cluster)).map_err(engine)?;
        let Some(raw) = raw else { return Ok(None) };
        let born = Arc::new(self.decode_birth(&raw)?);
        self.births.offer(cluster.into(), born.clone(), view.revision);
        Ok(Some(born))
    }

    /// The `count` objects of a cluster's resource, where they are just those it was born with: a look at each of their
    /// keys is cheaper than a walk through the range.
    pub(crate) fn untouched(&self, view: &View, range: &KeyRange, count: u64) -> EngineResult<Option<Vec<Item>>> {
        let (Scope::Cluster(resource, cluster) | Scope::Namespace(resource, cluster, _)) = range.scope() else {
            return Ok(None);
        };
        if !self.templates.may_bear_resource(resource) {
            return Ok(None);
        }
        let Some(born) = self.birth(view, cluster)? else { return Ok(None) };
        let keys: Vec<Key> = born.keys().filter(|key| key.resource() == resource).collect();
        if keys.len() as u64 != count {
            return Ok(None);
        }
        for key in &keys {
            if view.snapshot.get(&self.objects, key.as_bytes()).map_err(engine)?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(born.items(range, None)))
    }

    pub(super) fn decode_birth(&self, raw: &[u8]) -> EngineResult<Born> {
        Born::decode(raw, &self.templates).ok_or_else(|| "a birth does not decode".into())
    }
}

/// The rows a group will write; each key once, as the engine gives all rows of a batch one sequence number.
struct Rows<'a> {
    current: &'a Current,
    view: &'a View,
    objects: HashMap<Key, Option<Stored>>,
    index: BTreeMap<Vec<u8>, bool>,
    births: HashMap<String, Option<Arc<Born>>>,
}

impl Rows<'_> {
    fn change(&mut self, step: &Step) -> EngineResult<()> {
        let event = &step.event;
        let (new, old): (&[Bytes], &[Bytes]) = match (event.kind, &event.previous) {
            (EventKind::Deleted, _) => (&[], &event.value.terms),
            (_, Some((_, previous))) => (&event.value.terms, &previous.terms),
            (_, None) => (&event.value.terms, &[]),
        };
        for term in old {
            self.index.insert(index_key(term, &event.key), false);
        }
        for term in new {
            self.index.insert(index_key(term, &event.key), true);
        }
        if event.kind != EventKind::Deleted {
            let item = Item { key: event.key.clone(), revision: event.revision, value: event.value.clone() };
            self.objects.insert(event.key.clone(), Some(Stored::Live(item)));
            return Ok(());
        }
        let covered = self.current.templates.may_bear(&event.key)
            && self.birth(event.key.cluster())?.is_some_and(|born| born.bears(&event.key));
        self.objects.insert(event.key.clone(), covered.then_some(Stored::Hidden));
        self.retire(&event.key, covered)
    }

    /// A birth goes, whichever is deleted last: its row, or what is left to be seen of what was born.
    fn retire(&mut self, deleted: &Key, covered: bool) -> EngineResult<()> {
        if !covered && !deleted.namespace().is_empty() {
            return Ok(());
        }
        let Some(born) = self.birth(deleted.cluster())? else { return Ok(()) };
        if !covered && born.row != *deleted || self.stored(&born.row)?.is_some() {
            return Ok(());
        }
        let keys: Vec<Key> = born.keys().collect();
        for key in &keys {
            if self.stored(key)?.is_none() {
                return Ok(());
            }
        }
        self.births.insert(deleted.cluster().to_owned(), None);
        self.unhide(&keys)
    }

    /// All keys of the birth are free. What an older birth of the cluster left is written out, then forgotten.
    fn bear(&mut self, born: Born) -> EngineResult<()> {
        let cluster = born.row.cluster().to_owned();
        if let Some(older) = self.birth(&cluster)? {
            let keys: Vec<Key> = older.keys().collect();
            for key in &keys {
                if self.stored(key)?.is_none() {
                    self.objects.insert(key.clone(), older.item(key).map(Stored::Live));
                }
            }
            self.unhide(&keys)?;
        }
        let keys: Vec<Key> = born.keys().collect();
        self.unhide(&keys)?;
        self.births.insert(cluster, Some(Arc::new(born)));
        Ok(())
    }

    fn unhide(&mut self, keys: &[Key]) -> EngineResult<()> {
        for key in keys {
            if matches!(self.stored(key)?, Some(Stored::Hidden)) {
                self.objects.insert(key.clone(), None);
            }
        }
        Ok(())
    }

    fn stored(&self, key: &Key) -> EngineResult<Option<Stored>> {
        match self.objects.get(key) {
            Some(stored) => Ok(stored.clone()),
            None => self.current.stored(self.view, key),
        }
    }

    fn birth(&self, cluster: &str) -> EngineResult<Option<Arc<Born>>> {
        match self.births.get(cluster) {
            Some(born) => Ok(born.clone()),
            None => self.current.birth(self.view, cluster),
        }
    }
}

fn birth_key(cluster: &str) -> Vec<u8> {
    [b"b", cluster.as_bytes(), b"\0"].concat()
}

/// Whether an object stands there, rather than a mark that hides one.
pub(super) fn is_live(raw: &[u8]) -> bool {
    raw.first() == Some(&LIVE)
}

fn encode_stored(stored: &Stored) -> Vec<u8> {
    let mut out = Vec::new();
    match stored {
        Stored::Live(item) => {
            out.push(LIVE);
            put_u64(&mut out, item.revision.get());
            put_value(&mut out, &item.value);
        }
        Stored::Hidden => out.push(HIDDEN),
    }
    out
}

fn decode_stored(key: &Key, raw: &[u8]) -> EngineResult<Stored> {
    let decode = || {
        if raw == [HIDDEN] {
            return Some(Stored::Hidden);
        }
        let revision = Revision::new(u64::from_le_bytes(raw.get(1..9)?.try_into().ok()?));
        // The usual value has no terms: one copy of its data.
        let value = match raw.get(9..13)? {
            [0, 0, 0, 0] => Value::new(Bytes::copy_from_slice(raw.get(17..)?)),
            _ => take_value(&mut Reader::new(Bytes::copy_from_slice(raw.get(9..)?)))?,
        };
        Some(Stored::Live(Item { key: key.clone(), revision, value }))
    };
    decode().ok_or_else(|| format!("the value at {key:?} does not decode"))
}

/// Escapes zero bytes, so that terms sort as they are and none is the prefix of another's end.
fn escape(out: &mut Vec<u8>, term: &[u8]) {
    for byte in term {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
}

/// The first key after all that begin with `prefix`; `None` when there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn index_key(term: &[u8], key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    escape(&mut out, term);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(key.as_bytes());
    out
}

fn decode_index_key(raw: &[u8]) -> Option<IndexEntry> {
    let mut term = Vec::new();
    let mut at = 0;
    loop {
        match (raw.get(at)?, raw.get(at + 1)) {
            (0, Some(0)) => break,
            (0, _) => {
                term.push(0);
                at += 2;
            }
            (byte, _) => {
                term.push(*byte);
                at += 1;
            }
        }
    }
    let key = Key::decode(Bytes::copy_from_slice(&raw[at + 2..]))?;
    Some(IndexEntry { term: term.into(), key })
}
