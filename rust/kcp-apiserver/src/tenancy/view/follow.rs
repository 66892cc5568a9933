//! One watcher: what he was told, and what follows from what was touched since.
//!
//! Told is what he knows of each logical cluster that an index term of his leads to. A touch has it looked at again; the
//! difference is an event. Touches up to the revision that a look was made at say nothing new.

use super::Viewer;
use super::bells::{self, Bell, Bells, EVERYWHERE, TOLD, Touch};
use super::find::Finder;
use crate::authz::entries::{Candidates, is_candidate, terms_of};
use crate::authz::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LOGICAL_CLUSTERS};
use crate::authz::{Authorization, BASE};
use crate::verbs::storage_error;
use kcp_apimachinery::status::Status;
use kcp_storage::{
    At, Backend, BoxFuture, Error, Event, EventKind, Item, Key, KeyRange, ListQuery, Revision, Watch, WatchError,
    WatchQuery,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// Logical clusters looked at in one go at the start.
const PAGE: usize = 100;
/// Changes that are told again, each as of its time, which takes reads of past states. Who missed more begins anew.
const REPLAYED: usize = 200;

/// Why there are no more events.
#[derive(Debug)]
pub enum Ended {
    /// The client asks again, from where it is.
    Over,
    /// The client is told why.
    Failed(Status),
}

/// The changes of the Workspaces that somebody may enter.
pub struct Following {
    state: State,
    /// The rules of all logical clusters. What they let somebody enter is not found by terms, so their change ends the
    /// watch; a shutdown does too.
    rules: [Watch; 2],
    begins: bool,
    /// Everything up to here was handed out.
    told: Revision,
}

type Step = (Box<Core>, Result<Vec<Arc<Event>>, Status>);

enum State {
    Idle(Box<Core>),
    /// Looking at what was touched, all of which happened up to the revision.
    Busy(BoxFuture<'static, Step>, Revision),
    Over,
}

struct Core {
    finder: Finder,
    bell: Bell,
    stage: Stage,
    known: HashMap<String, Known>,
}

enum Stage {
    /// Tells what there is, logical cluster by logical cluster.
    State(Box<Source>),
    /// Tells what happened after a revision.
    Past(Revision),
    /// Tells what happens.
    Live,
}

/// Where the logical clusters are found that a watch begins with.
enum Source {
    /// By the viewer's index terms.
    Terms(Candidates),
    /// All rows behind a key: he may enter everywhere.
    Rows(Option<bytes::Bytes>),
}

/// What the viewer knows of a logical cluster.
#[derive(Clone)]
struct Known {
    told: Told,
    /// What was touched up to here is told.
    as_of: Revision,
}

#[derive(Clone)]
enum Told {
    /// What was so at the revision it is known as of.
    AsItWas,
    Nothing,
    Workspace(Key, Revision),
}

impl From<Option<&Item>> for Told {
    fn from(item: Option<&Item>) -> Self {
        item.map_or(Self::Nothing, |item| Self::Workspace(item.key.clone(), item.revision))
    }
}

impl Following {
    /// Begins with what there is (`since` is `None`), or with what happened after a revision.
    ///
    /// # Errors
    /// When the store cannot be watched.
    pub fn begin(
        store: &Arc<dyn Backend>,
        authorization: &Arc<Authorization>,
        bells: &Arc<Bells>,
        viewer: Viewer,
        since: Option<Revision>,
    ) -> Result<Self, Error> {
        let mut bell = bells.hang();
        let everywhere = viewer.enters_everywhere();
        if everywhere {
            bell.file(EVERYWHERE);
        } else {
            terms_of(&viewer.user).iter().for_each(|term| bell.file(term));
        }
        // Behind the bells: what happens later rings.
        let head = store.head();
        let rules = |resource| {
            let since = since.map_or(head, |since| since.min(head));
            store.watch(WatchQuery { range: KeyRange::cluster(resource, BASE), since, buffer: 1 })
        };
        let rules = [rules(CLUSTER_ROLES)?, rules(CLUSTER_ROLE_BINDINGS)?];
        let stage = match since {
            Some(since) => Stage::Past(since),
            None if everywhere => Stage::State(Box::new(Source::Rows(None))),
            None => Stage::State(Box::new(Source::Terms(Candidates::of(&viewer.user, "")))),
        };
        let finder = Finder { store: Arc::clone(store), authorization: Arc::clone(authorization), viewer };
        let core = Core { finder, bell, stage, known: HashMap::new() };
        Ok(Self { state: State::Idle(Box::new(core)), rules, begins: since.is_none(), told: since.unwrap_or(head) })
    }

    /// Whether the state that the watch begins with is not told yet.
    pub fn begins(&self) -> bool {
        self.begins
    }

    /// Everything up to here was handed out.
    pub fn progress(&mut self) -> Revision {
        if let State::Idle(core) = &self.state
            && matches!(core.stage, Stage::Live)
            && let Some(seen) = core.bell.idle_since()
        {
            self.told = self.told.max(seen);
        }
        self.told
    }

    /// Ready when nothing that was found holds any more, or at a shutdown.
    fn look_at_rules(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut changes = Vec::new();
        for watch in &mut self.rules {
            match watch.poll_next(cx, &mut changes) {
                Poll::Pending => {}
                Poll::Ready(Err(WatchError::Closed)) => return Poll::Ready(Ended::Over),
                Poll::Ready(Err(WatchError::Unavailable(reason))) => {
                    return Poll::Ready(Ended::Failed(Status::internal(reason)));
                }
                Poll::Ready(Ok(()) | Err(WatchError::Slow | WatchError::Compacted { .. })) => {
                    let text = "the rules of all logical clusters have changed: list again".to_owned();
                    return Poll::Ready(Ended::Failed(Status::expired(text)));
                }
            }
        }
        Poll::Pending
    }

    /// Appends what is ready to `out`: nothing only where the state that the watch begins with is told.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, out: &mut Vec<Arc<Event>>) -> Poll<Result<(), Ended>> {
        if let Poll::Ready(ended) = self.look_at_rules(cx) {
            self.state = State::Over;
            return Poll::Ready(Err(ended));
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Poll::Ready(Err(Ended::Over)),
                State::Idle(core) if matches!(core.stage, Stage::Live) => {
                    if std::mem::take(&mut self.begins) {
                        self.state = State::Idle(core);
                        return Poll::Ready(Ok(()));
                    }
                    let Poll::Ready((touched, seen)) = core.bell.poll(cx) else {
                        self.state = State::Idle(core);
                        return Poll::Pending;
                    };
                    State::Busy(Box::pin(core.turn(touched)), seen)
                }
                State::Idle(core) => State::Busy(Box::pin(core.start()), self.told),
                State::Busy(mut step, seen) => {
                    let Poll::Ready((core, result)) = step.as_mut().poll(cx) else {
                        self.state = State::Busy(step, seen);
                        return Poll::Pending;
                    };
                    let events = result.map_err(Ended::Failed)?;
                    let quiet = events.is_empty();
                    let live = matches!(core.stage, Stage::Live);
                    self.told = self.told.max(seen);
                    out.extend(events);
                    self.state = State::Idle(core);
                    if !quiet {
                        return Poll::Ready(Ok(()));
                    }
                    if !live {
                        // A page without anything to tell: others have the thread first.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    continue;
                }
            };
        }
    }
}

impl Core {
    /// One step of telling what there is or was.
    async fn start(mut self: Box<Self>) -> Step {
        let result = match std::mem::replace(&mut self.stage, Stage::Live) {
            Stage::State(source) => self.page(source).await,
            Stage::Past(since) => self.replay(since).await,
            Stage::Live => Ok(Vec::new()),
        };
        (self, result)
    }

    async fn page(&mut self, mut source: Box<Source>) -> Result<Vec<Arc<Event>>, Status> {
        let mut events = Vec::new();
        let clusters = self.next_clusters(&mut source).await?;
        let more = !clusters.is_empty();
        for cluster in clusters {
            self.file(&cluster);
            let as_of = self.finder.store.head();
            let found = self.finder.find(&cluster, At::Latest).await?;
            self.know(&cluster, found.as_ref(), as_of);
            events.extend(change(None, found, as_of));
        }
        if more {
            self.stage = Stage::State(source);
        }
        Ok(events)
    }

    async fn next_clusters(&self, source: &mut Source) -> Result<Vec<String>, Status> {
        let mut clusters = Vec::new();
        let store = &*self.finder.store;
        match source {
            Source::Terms(candidates) => {
                while clusters.len() < PAGE
                    && let Some(cluster) = candidates.next(store).await?
                {
                    clusters.push(cluster);
                }
            }
            Source::Rows(after) => {
                let range = KeyRange::resource(LOGICAL_CLUSTERS);
                let query = ListQuery { range, at: At::Latest, after: after.take(), limit: Some(PAGE) };
                let page = store.list(query).await.map_err(|error| storage_error(&error))?;
                *after = page.items.last().map(|item| item.key.to_bytes());
                clusters.extend(page.items.iter().map(|item| item.key.cluster().to_owned()));
            }
        }
        Ok(clusters)
    }

    /// Tells each change after a revision, as of its own time.
    async fn replay(&mut self, since: Revision) -> Result<Vec<Arc<Event>>, Status> {
        let mut candidates = Candidates::of(&self.finder.viewer.user, "");
        let everywhere = self.finder.viewer.enters_everywhere();
        while !everywhere && let Some(cluster) = candidates.next(&*self.finder.store).await? {
            self.file(&cluster);
            self.known.insert(cluster, Known { told: Told::AsItWas, as_of: since });
        }
        // Behind the bells: what happens later rings.
        let head = self.finder.store.head();
        let changes = self.past(since, head).await?;
        let mut states: HashMap<String, Option<Item>> = HashMap::new();
        let mut events = Vec::new();
        for (revision, cluster) in changes {
            let before = match states.remove(&cluster) {
                Some(before) => before,
                None => self.finder.find(&cluster, At::Exact(since)).await?,
            };
            let now = self.finder.find(&cluster, At::Exact(revision)).await?;
            tokio::task::yield_now().await;
            events.extend(change(before, now.clone(), revision));
            states.insert(cluster, now);
        }
        for known in self.known.values_mut() {
            known.as_of = known.as_of.max(head);
        }
        for (cluster, now) in states {
            if everywhere || self.known.contains_key(&cluster) {
                self.know(&cluster, now.as_ref(), head);
            }
        }
        Ok(events)
    }

    /// The changes that may concern the viewer, in their order.
    async fn past(&self, since: Revision, upto: Revision) -> Result<Vec<(Revision, String)>, Status> {
        let store = &*self.finder.store;
        let terms = terms_of(&self.finder.viewer.user);
        let everywhere = self.finder.viewer.enters_everywhere();
        // Where a term once led and leads no more.
        let mut left = HashSet::new();
        let mut found = Vec::new();
        for resource in TOLD {
            let range = KeyRange::resource(resource);
            for event in store.changes(&range, since, upto).await.map_err(|error| storage_error(&error))? {
                let Some(cluster) = bells::cluster_of(&event.key, event.revision, &event.value) else { continue };
                if bells::subjects(&event).any(|term| terms.contains(term)) {
                    left.insert(cluster.clone());
                }
                found.push((event.revision, cluster));
            }
        }
        found.retain(|(_, cluster)| everywhere || self.known.contains_key(cluster) || left.contains(cluster));
        if found.len() > REPLAYED {
            return Err(Status::expired(format!("too old resource version: {since} ({upto})")));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Looks at what was touched.
    async fn turn(mut self: Box<Self>, touched: Vec<(String, Touch)>) -> Step {
        let result = self.look(touched).await;
        (self, result)
    }

    async fn look(&mut self, mut touched: Vec<(String, Touch)>) -> Result<Vec<Arc<Event>>, Status> {
        touched.sort_unstable_by_key(|(_, touch)| touch.first);
        let (mut gone, mut there) = (Vec::new(), Vec::new());
        for (cluster, touch) in touched {
            let known = self.known.get(&cluster).cloned();
            if known.as_ref().is_some_and(|known| touch.last <= known.as_of) {
                continue;
            }
            // Up to here the viewer knows how it was.
            let before = Revision::new(touch.first.get().saturating_sub(1));
            let before = known.as_ref().map_or(before, |known| known.as_of.max(before));
            let told = self.told(&cluster, known, before).await?;
            self.file(&cluster);
            let as_of = self.finder.store.head();
            let found = self.finder.find(&cluster, At::Latest).await?;
            self.know(&cluster, found.as_ref(), as_of);
            if found.is_none() {
                self.forget(&cluster).await?;
            }
            let event = change(told, found, touch.last);
            let list = if event.as_ref().is_some_and(|event| event.kind == EventKind::Deleted) {
                &mut gone
            } else {
                &mut there
            };
            list.extend(event);
        }
        // A name that was given up and taken again is gone before it is there.
        gone.extend(there);
        Ok(gone)
    }

    /// What the viewer was told of a logical cluster that nothing touched up to a revision.
    async fn told(&self, cluster: &str, known: Option<Known>, before: Revision) -> Result<Option<Item>, Status> {
        match known.map(|known| known.told) {
            // Nothing led there, unless everything does.
            None if !self.finder.viewer.enters_everywhere() => Ok(None),
            Some(Told::Nothing) => Ok(None),
            None | Some(Told::AsItWas) => self.finder.find(cluster, At::Exact(before)).await,
            Some(Told::Workspace(key, revision)) => {
                let at = At::Exact(revision.max(before));
                let found = self.finder.read(&key, at).await?;
                Ok(found)
            }
        }
    }

    fn file(&mut self, cluster: &str) {
        if !self.finder.viewer.enters_everywhere() {
            self.bell.file(cluster.as_bytes());
        }
    }

    fn know(&mut self, cluster: &str, found: Option<&Item>, as_of: Revision) {
        self.known.insert(cluster.to_owned(), Known { told: found.into(), as_of });
    }

    /// Lets go of a logical cluster that no term leads to any more.
    async fn forget(&mut self, cluster: &str) -> Result<(), Status> {
        if self.finder.viewer.enters_everywhere() {
            self.known.remove(cluster);
            return Ok(());
        }
        // A term that comes later rings by itself, and one that came before is found.
        self.bell.unfile(cluster.as_bytes());
        if is_candidate(&*self.finder.store, &self.finder.viewer.user, cluster).await? {
            self.bell.file(cluster.as_bytes());
        } else {
            self.known.remove(cluster);
        }
        Ok(())
    }
}

/// The event that tells a difference; `None` where there is none.
fn change(before: Option<Item>, now: Option<Item>, revision: Revision) -> Option<Arc<Event>> {
    let (kind, item, previous) = match (before, now) {
        (None, None) => return None,
        (Some(before), Some(now)) if before.revision == now.revision => return None,
        (None, Some(now)) => (EventKind::Added, now, None),
        (Some(before), Some(now)) => (EventKind::Modified, now, Some((before.revision, before.value))),
        // As it was last, at the revision of what took it away.
        (Some(before), None) => {
            let previous = Some((before.revision, before.value.clone()));
            (EventKind::Deleted, Item { revision, ..before }, previous)
        }
    };
    let Item { key, revision, value } = item;
    Some(Arc::new(Event { revision, kind, key, value, previous, encoded: OnceLock::new() }))
}
