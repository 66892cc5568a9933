//! States that somebody reads page by page, kept so that the next page comes from the very view of the first.
//!
//! Without a pin a later page is the newest state with everything undone that happened since, which costs more the
//! more is written in between. A pin costs the engine the values overwritten since, so there are few and none gets old;
//! whoever comes later than that is served by undoing.

use super::current::View;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// States kept at the same time.
const PINS: usize = 64;
/// How long a state is kept after its latest page, milliseconds.
const KEPT_MS: u64 = 30_000;

#[derive(Default)]
pub(crate) struct Pins {
    /// By time of use, oldest first.
    views: Mutex<VecDeque<Pin>>,
}

struct Pin {
    used_ms: u64,
    view: Arc<View>,
}

impl Pins {
    /// Keeps a state of which there is more to read.
    pub(crate) fn keep(&self, view: &Arc<View>, now_ms: u64) {
        let mut views = self.views.lock();
        views.retain(|pin| pin.view.revision != view.revision);
        views.push_back(Pin { used_ms: now_ms, view: view.clone() });
        if views.len() > PINS {
            views.pop_front();
        }
    }

    /// The state right after `revision`, if it is kept.
    pub(crate) fn get(&self, revision: u64) -> Option<Arc<View>> {
        let views = self.views.lock();
        views.iter().find(|pin| pin.view.revision == revision).map(|pin| pin.view.clone())
    }

    /// Lets go of what nobody has read from for a while.
    pub(crate) fn expire(&self, now_ms: u64) {
        let mut views = self.views.lock();
        while views.front().is_some_and(|pin| pin.used_ms + KEPT_MS < now_ms) {
            views.pop_front();
        }
    }

    /// States kept now.
    pub(crate) fn len(&self) -> usize {
        self.views.lock().len()
    }
}
