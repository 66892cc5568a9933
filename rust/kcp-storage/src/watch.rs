//! A reader's end of a subscription: history first, then live changes, each once and in order.
//!
//! A watch that starts far behind reads history in bounded steps without being filed in the hub, so it cannot overflow
//! a queue while it catches up. Near the head it files itself; the hub's answer says from which revision on live
//! changes come, and the rest up to there is still read from history. Engines make a change readable as history
//! before they publish it, so nothing falls between the two.

use crate::hub::{Hub, Subscription};
use crate::{Error, Event, KeyRange, Revision, WatchError};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A watch this close behind the head files itself in the hub.
const NEAR: u64 = 1_000;

/// Past changes, as an engine keeps them.
pub(crate) trait History: Send + Sync {
    /// The newest change that [`History::read`] finds.
    fn newest(&self) -> Revision;

    /// Appends changes in `range` after `after`, at most up to `upto`, and says how far it got. One call does a
    /// bounded amount of work and gets at least one revision further.
    fn read(
        &self,
        range: &KeyRange,
        after: Revision,
        upto: Revision,
        out: &mut Vec<Arc<Event>>,
    ) -> Result<Revision, WatchError>;
}

/// Past changes of a range, all of them.
pub(crate) async fn changes(
    history: &dyn History,
    range: &KeyRange,
    since: Revision,
    upto: Revision,
) -> Result<Vec<Arc<Event>>, Error> {
    let (mut found, mut at) = (Vec::new(), since);
    while at < upto {
        at = history.read(range, at, upto, &mut found).map_err(|error| match error {
            WatchError::Compacted { requested, oldest } => Error::Compacted { requested, oldest },
            other => Error::Unavailable(other.to_string()),
        })?;
        // A long way back lets others have the thread.
        tokio::task::yield_now().await;
    }
    Ok(found)
}

/// A reader's end of a subscription. Dropping it ends the subscription.
pub struct Watch {
    state: State,
    /// Handed out, or known not to concern the range.
    at: Revision,
}

enum State {
    /// Reads history, not filed in the hub.
    Behind(Box<Behind>),
    /// Filed in the hub; history up to `upto` is still to be read.
    Joining { behind: Box<Behind>, live: Subscription, upto: Revision },
    /// Only live changes.
    Live(Subscription),
    /// Over.
    Ended(WatchError),
}

struct Behind {
    range: KeyRange,
    history: Arc<dyn History>,
    hub: Arc<Hub>,
    buffer: usize,
}

impl Watch {
    pub(crate) fn start(
        range: KeyRange,
        since: Revision,
        buffer: usize,
        hub: &Arc<Hub>,
        history: Arc<dyn History>,
    ) -> Self {
        let behind = Box::new(Behind { range, history, hub: hub.clone(), buffer });
        let mut watch = Self { state: State::Behind(behind), at: since };
        watch.join_if_near();
        watch
    }

    /// Appends what is ready to `out`; ready without an event never happens. After an error the watch has ended.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, out: &mut Vec<Arc<Event>>) -> Poll<Result<(), WatchError>> {
        let before = out.len();
        self.join_if_near();
        let result = match &self.state {
            State::Ended(error) => Err(error.clone()),
            State::Live(live) => match live.poll(cx, self.at, out) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => result,
            },
            State::Behind(behind) if behind.hub.is_closed() => Err(WatchError::Closed),
            State::Behind(behind) => {
                let newest = behind.history.newest();
                behind.history.read(&behind.range, self.at, newest, out).map(|at| self.at = at)
            }
            State::Joining { behind, upto, .. } => {
                behind.history.read(&behind.range, self.at, *upto, out).map(|at| self.at = at)
            }
        };
        if let Err(error) = result {
            self.state = State::Ended(error.clone());
            return Poll::Ready(Err(error));
        }
        if let State::Joining { upto, .. } = &self.state
            && self.at >= *upto
        {
            self.go_live();
        }
        if out.len() > before {
            if let Some(last) = out.last() {
                self.at = self.at.max(last.revision);
            }
            return Poll::Ready(Ok(()));
        }
        // A step of history without a match: let others run, then go on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for the next changes; never answers with none. Cancelling loses nothing.
    ///
    /// # Errors
    /// Why the watch ended; every later call answers the same.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, WatchError> {
        let mut events = Vec::new();
        std::future::poll_fn(|cx| self.poll_next(cx, &mut events)).await?;
        Ok(events)
    }

    /// Every change in the range up to here has been handed out.
    pub fn progress(&self) -> Revision {
        match &self.state {
            State::Live(live) => self.at.max(live.drained()),
            _ => self.at,
        }
    }

    fn join_if_near(&mut self) {
        let State::Behind(behind) = &self.state else {
            return;
        };
        // Clients may name any number as the revision they have seen, the largest one too.
        if behind.history.newest().get() > self.at.get().saturating_add(NEAR) {
            return;
        }
        let (live, upto) = behind.hub.subscribe(&behind.range, behind.buffer);
        let state = std::mem::replace(&mut self.state, State::Ended(WatchError::Closed));
        if let State::Behind(behind) = state {
            self.state = State::Joining { behind, live, upto };
        }
        if self.at >= upto {
            self.go_live();
        }
    }

    /// Frees what only history needed: an idle watch is its slot in the hub and this small struct.
    fn go_live(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Ended(WatchError::Closed));
        if let State::Joining { live, .. } = state {
            self.state = State::Live(live);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Behind(_) => "behind",
            State::Joining { .. } => "joining",
            State::Live(_) => "live",
            State::Ended(_) => "ended",
        };
        write!(f, "Watch({state} at {})", self.at)
    }
}
