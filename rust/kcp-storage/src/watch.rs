//! Subscriptions and the hub that feeds them.

use crate::{Event, Revision, WatchError};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A reader's end of a subscription. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Watch {
    _private: (),
}

impl Watch {
    /// Appends what is ready to `out`; ready without an event never happens. After an error the watch has ended.
    pub fn poll_next(&mut self, _cx: &mut Context<'_>, _out: &mut Vec<Arc<Event>>) -> Poll<Result<(), WatchError>> {
        Poll::Pending
    }

    /// Every change in the range up to here has been handed out.
    pub fn progress(&self) -> Revision {
        Revision::ZERO
    }
}
