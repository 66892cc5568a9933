//! A watch's body: initial objects, changes as they happen, bookmarks, the end. Polled by the connection; no task of its
//! own.

use super::gzip::Phases;
use super::render::{self, Render};
use super::{BUFFER, too_old};
use crate::authz::offline::Offline;
use crate::body::BodyError;
use crate::metrics::OpenWatch;
use crate::negotiate::{Media, Shape};
use crate::registry::Served;
use crate::tenancy::view::{Ended, Following};
use crate::verbs::initial::Initial;
use crate::verbs::select::Selection;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, BoxFuture, Error, Event, EventKind, KeyRange, Revision, Watch, WatchError, WatchQuery};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How often a watch that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end a watch gets a last bookmark.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Several ready events go out in one frame up to this size, bytes.
const FRAME: usize = 64 * 1024;

pub(super) struct Stream {
    /// Counts the watch for as long as it lives.
    pub _open: OpenWatch,
    /// Whether each frame is one event without a prefix, as WebSocket carries them.
    pub messages: bool,
    pub render: Render,
    pub selection: Option<Box<Selection>>,
    /// What is still to be told of the state the watch begins with.
    pub initial: Option<Box<Initial>>,
    pub end_mark: bool,
    pub since: Revision,
    pub live: Live,
    /// Of custom resources of one cluster: their definition. Its changes are this watch's, and its end is its end.
    pub definition: Option<Box<Watch>>,
    /// The resource is no longer served: the watch ends when all that happened before is out.
    pub gone: bool,
    /// How a cluster serves the resource now, while that is found out.
    pub learning: Option<Box<Learning>>,
    pub failure: Option<Status>,
    pub bookmarks: bool,
    pub ends: Instant,
    pub timer: Option<Pin<Box<Sleep>>>,
    /// Changes that happened and are not written yet.
    pub events: VecDeque<Arc<Event>>,
    pub pending: VecDeque<Bytes>,
    pub done: bool,
}

/// The changes after the state a watch begins with.
pub(super) enum Live {
    /// Not subscribed to yet: while a client takes a large state, nothing queues up behind it.
    Later(Box<Later>),
    Subscribed(Watch),
    /// Of what somebody may enter. It tells the state that it begins with itself.
    Following(Box<Following>),
    Ended,
}

/// A subscription to come.
pub(super) struct Later {
    pub store: Arc<dyn Backend>,
    pub range: KeyRange,
    pub offline: Arc<Offline>,
    /// How often a logical cluster had gone offline when the watch's own was known not to be.
    pub count: u64,
}

/// How a cluster serves the resource after a change of its definitions, while that is found out.
pub(super) struct Learning {
    cluster: String,
    as_of: u64,
    found: BoxFuture<'static, Result<Option<Arc<Served>>, Status>>,
}

/// What a stream that has begun says of a store that cannot go on: the answer's code is gone already, so that nobody
/// will try again for it.
pub(super) fn interrupted(error: &Error) -> Status {
    match error {
        Error::Compacted { requested, oldest } => too_old(*requested, *oldest),
        Error::Future { .. } | Error::Unavailable(_) => Status::internal(error),
    }
}

impl Stream {
    /// Moves what is ready into `pending`.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(learning) = &mut self.learning {
            let found = std::task::ready!(learning.found.as_mut().poll(cx));
            if let Some(learning) = self.learning.take() {
                self.learned(&learning, found);
            }
            return Poll::Ready(());
        }
        if let Some(initial) = &mut self.initial {
            match std::task::ready!(initial.poll_next(cx)) {
                Ok(Some(item)) => {
                    let line = self.render.initial(&item, self.selection.as_deref());
                    return self.push(line);
                }
                Ok(None) => self.initial = None,
                Err(error) => return self.fail(&interrupted(&error)),
            }
        }
        if let Live::Following(following) = &mut self.live
            && following.begins()
        {
            return self.follow(cx);
        }
        if std::mem::take(&mut self.end_mark) {
            let mark = self.render.bookmark(self.since, true);
            return self.push(mark.map(Some));
        }
        if let Some(status) = self.failure.take() {
            return self.fail(&status);
        }
        if !self.events.is_empty() {
            while let (Some(event), false) = (self.events.pop_front(), self.done) {
                if self.render.is_outdated(event.key.cluster()) {
                    self.learn(event.key.cluster());
                    self.events.push_front(event);
                    break;
                }
                let line = self.render.event(&event, self.selection.as_deref());
                let _ = self.push(line);
            }
            return Poll::Ready(());
        }
        if let Live::Later(subscription) = &self.live {
            let Later { store, range, offline, count } = subscription.as_ref();
            let query = WatchQuery { range: range.clone(), since: self.since, buffer: BUFFER };
            match store.watch(query) {
                // It may have been this cluster, just before: the client asks again and hears it.
                Ok(_) if offline.count() != *count => self.live = Live::Ended,
                Ok(watch) => self.live = Live::Subscribed(watch),
                Err(error) => return self.fail(&interrupted(&error)),
            }
        }
        if matches!(self.live, Live::Following(_)) {
            return self.follow(cx);
        }
        let Live::Subscribed(watch) = &mut self.live else {
            self.done = true;
            return Poll::Ready(());
        };
        let mut events = Vec::new();
        let polled = watch.poll_next(cx, &mut events);
        self.events.extend(events);
        match polled {
            Poll::Ready(Err(WatchError::Compacted { requested, oldest })) => self.fail(&too_old(requested, oldest)),
            Poll::Ready(Err(WatchError::Unavailable(reason))) => self.fail(&Status::internal(reason)),
            // A reader that was too slow, and everybody at shutdown, resumes from its last event.
            Poll::Ready(Err(WatchError::Slow | WatchError::Closed)) => {
                self.done = true;
                Poll::Ready(())
            }
            // The definition is looked at after its objects: what happened to it before them is seen before they are
            // written.
            Poll::Ready(Ok(())) => {
                self.look_at_definition(cx);
                Poll::Ready(())
            }
            Poll::Pending => {
                // An idle watch holds no room for what it once had to say.
                self.events.shrink_to_fit();
                self.pending.shrink_to_fit();
                self.look_at_definition(cx);
                if self.gone && self.learning.is_none() {
                    self.done = true;
                    return Poll::Ready(());
                }
                if self.learning.is_some() { Poll::Ready(()) } else { self.wait(cx) }
            }
        }
    }

    /// Tells what somebody may enter and what he may not any more.
    fn follow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Live::Following(following) = &mut self.live else { return Poll::Ready(()) };
        let mut events = Vec::new();
        match following.poll_next(cx, &mut events) {
            Poll::Pending => return self.wait(cx),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Ended::Failed(status))) => return self.fail(&status),
            Poll::Ready(Err(Ended::Over)) => self.done = true,
        }
        let (begins, progress) = (following.begins(), following.progress());
        for event in events {
            let line = self.render.event(&event, self.selection.as_deref());
            std::task::ready!(self.push(line));
        }
        // Who gets in sees an object that is older than that: where the stream is, the bookmark tells.
        if self.bookmarks && !begins && !self.end_mark && !self.done {
            let bookmark = self.render.bookmark(progress.max(self.since), false);
            return self.push(bookmark.map(Some));
        }
        Poll::Ready(())
    }

    /// Sees whether the watched resource's definition has changed.
    fn look_at_definition(&mut self, cx: &mut Context<'_>) {
        let Some(definition) = &mut self.definition else { return };
        let mut events = Vec::new();
        loop {
            match definition.poll_next(cx, &mut events) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    // Too many changes to follow, or a shutdown: the client begins anew and sees what there is.
                    self.definition = None;
                    self.gone = true;
                    return;
                }
            }
        }
        let Some(last) = events.last() else { return };
        if last.kind == EventKind::Deleted {
            self.gone = true;
        } else {
            self.learn(last.key.cluster());
        }
    }

    /// Begins to find out how a cluster serves the resource now.
    fn learn(&mut self, cluster: &str) {
        let registry = Arc::clone(&self.render.registry);
        let served = Arc::clone(&self.render.served);
        let (cluster, as_of) = (cluster.to_owned(), registry.changed(cluster));
        let (of, anywhere) = (cluster.clone(), self.render.elsewhere.is_some());
        let found = Box::pin(async move {
            if anywhere {
                // One definition, not all that the cluster holds.
                return registry.custom(&of, &served).await;
            }
            let view = registry.view(&of).await?;
            Ok(view.lookup(&served.group, &served.version, &served.resource).cloned())
        });
        self.learning = Some(Box::new(Learning { cluster, as_of, found }));
    }

    /// Goes on as the cluster serves the resource now.
    fn learned(&mut self, learning: &Learning, found: Result<Option<Arc<Served>>, Status>) {
        let found = match found {
            Ok(found) => found,
            Err(status) => {
                let _ = self.fail(&status);
                return;
            }
        };
        if self.render.elsewhere.is_some() {
            self.render.learn(&learning.cluster, learning.as_of, found);
            return;
        }
        match found {
            Some(served) => {
                // Rows under other headings are another table: the client begins anew.
                self.done |=
                    matches!(self.render.shape, Shape::Table(_)) && served.columns != self.render.served.columns;
                self.render.served = served;
            }
            None => self.gone = true,
        }
    }

    fn push(&mut self, line: Result<Option<Bytes>, Status>) -> Poll<()> {
        match line {
            Ok(line) => self.pending.extend(line),
            Err(status) => return self.fail(&status),
        }
        Poll::Ready(())
    }

    fn fail(&mut self, status: &Status) -> Poll<()> {
        self.pending.push_back(render::error(self.render.media, status));
        self.initial = None;
        self.live = Live::Ended;
        self.done = true;
        Poll::Ready(())
    }

    /// Nothing is ready: waits for the next bookmark or the end.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let timer = match &mut self.timer {
                Some(timer) => timer,
                None => {
                    let now = Instant::now();
                    let mut due = self.ends;
                    if self.bookmarks {
                        let last = self.ends.checked_sub(LAST_BOOKMARK).unwrap_or(self.ends);
                        if last > now {
                            due = last.min(now + BOOKMARK_EVERY);
                        }
                    }
                    self.timer.insert(Box::pin(tokio::time::sleep_until(due)))
                }
            };
            std::task::ready!(timer.as_mut().poll(cx));
            self.timer = None;
            if Instant::now() >= self.ends {
                self.done = true;
                return Poll::Ready(());
            }
            let progress = match &mut self.live {
                Live::Subscribed(watch) => Some(watch.progress()),
                Live::Following(following) => Some(following.progress()),
                Live::Later(_) | Live::Ended => None,
            };
            if let (true, Some(progress)) = (self.bookmarks, progress) {
                let bookmark = self.render.bookmark(progress.max(self.since), false);
                return self.push(bookmark.map(Some));
            }
        }
    }

    /// The next frame out of what is pending: one line as it is, or several together.
    fn frame(&mut self) -> Option<Bytes> {
        let mut first = self.pending.pop_front()?;
        if self.messages {
            // A message knows its length.
            return Some(if self.render.media == Media::Protobuf { first.split_off(4) } else { first });
        }
        let fits = |size: usize, next: Option<&Bytes>| next.is_some_and(|next| size + next.len() <= FRAME);
        if !fits(first.len(), self.pending.front()) {
            return Some(first);
        }
        let mut together = Vec::with_capacity(FRAME.min(first.len() * (self.pending.len() + 1)));
        together.extend_from_slice(&first);
        while fits(together.len(), self.pending.front()) {
            if let Some(next) = self.pending.pop_front() {
                together.extend_from_slice(&next);
            }
        }
        Some(together.into())
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = self.get_mut();
        loop {
            // Initial objects are gathered into full frames; live events go out as soon as they are there.
            while stream.initial.is_some() && stream.pending.len() < 64 {
                if stream.advance(cx).is_pending() {
                    break;
                }
            }
            if let Some(frame) = stream.frame() {
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            if stream.done {
                return Poll::Ready(None);
            }
            std::task::ready!(stream.advance(cx));
        }
    }
}

impl Phases for Stream {
    fn is_live(&self) -> bool {
        let begins = matches!(&self.live, Live::Following(following) if following.begins());
        self.initial.is_none() && !self.end_mark && !begins
    }
}
