//! The state that a watch begins with, read page by page as the client takes it.
//!
//! Hundreds of watches of one large collection begin at once after a restart: each holds a page, never the collection.

use kcp_storage::{At, Backend, BoxFuture, Error, Item, KeyRange, ListQuery, Page, Revision};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Items read at a time.
const PAGE: usize = 250;

/// The rest of a state that was begun to be read.
pub struct Initial {
    store: Arc<dyn Backend>,
    range: KeyRange,
    revision: Revision,
    items: VecDeque<Item>,
    /// The next page, while it is being read.
    reading: Option<BoxFuture<'static, Result<Page, Error>>>,
}

impl Initial {
    /// Begins to read the newest state of a range.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(store: &Arc<dyn Backend>, range: KeyRange) -> Result<Self, Error> {
        let query = ListQuery { range: range.clone(), at: At::Latest, after: None, limit: Some(PAGE) };
        let page = store.list(query).await?;
        let mut initial =
            Self { store: Arc::clone(store), range, revision: page.revision, items: VecDeque::new(), reading: None };
        initial.take(page);
        Ok(initial)
    }

    /// Some items that were read already, as of a revision or newer.
    pub fn of(store: &Arc<dyn Backend>, range: KeyRange, revision: Revision, items: Vec<Item>) -> Self {
        Self { store: Arc::clone(store), range, revision, items: items.into(), reading: None }
    }

    /// The state that is read; what happened after it is the watch's to deliver.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The next item in key order; `None` after the last.
    ///
    /// # Errors
    /// The store's: a reader who takes longer than history reaches back gets [`Error::Compacted`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Item>, Error>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Ok(Some(item)));
            }
            let Some(reading) = &mut self.reading else { return Poll::Ready(Ok(None)) };
            let page = std::task::ready!(reading.as_mut().poll(cx));
            self.reading = None;
            self.take(page?);
        }
    }

    fn take(&mut self, page: Page) {
        if let (true, Some(last)) = (page.more, page.items.last()) {
            let query = ListQuery {
                range: self.range.clone(),
                at: At::Exact(self.revision),
                after: Some(last.key.to_bytes()),
                limit: Some(PAGE),
            };
            let store = Arc::clone(&self.store);
            // Reads nothing before it is polled, which is when this page has been taken.
            self.reading = Some(Box::pin(async move { store.list(query).await }));
        }
        self.items = page.items.into();
    }
}
