//! Objects that go by themselves: events, a fixed time after they were last written.
//!
//! Each carries the index term `expires/` and the second in which its time is over, in sixteen hexadecimal digits, so
//! that the index holds them in the order in which they go. Nothing is scanned and nothing is kept in memory: a
//! [sweep](Expiry::sweep) reads the index from where the last one stopped and deletes, in batches, as a client would.

use crate::server::ApiServer;
use bytes::Bytes;
use jiff::Timestamp;
use kcp_storage::{Batch, CommitError, Error, Expect, IndexEntry, Key, Op, Value as Stored};
use std::sync::Arc;
use std::time::Duration;

/// How long events are kept unless somebody says otherwise.
pub const DEFAULT_EVENT_TTL: Duration = Duration::from_secs(60 * 60);

const PREFIX: &[u8] = b"expires/";

/// Deletes in one commit.
const BATCH: usize = 500;

/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The index term of an object written `now`.
pub fn term(now: Timestamp, ttl: Duration) -> Bytes {
    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    term_at(now.as_second().saturating_add(seconds))
}

/// Whether two stored values are found by the same terms, their time aside: a write that changes nothing does not
/// prolong an object's life.
pub fn same_terms(a: &Stored, b: &Stored) -> bool {
    let lasting = |value: &Stored| -> Vec<Bytes> {
        value.terms.iter().filter(|term| !term.starts_with(PREFIX)).cloned().collect()
    };
    a.terms == b.terms || lasting(a) == lasting(b)
}

fn term_at(second: i64) -> Bytes {
    Bytes::from(format!("expires/{:016x}", second.max(0)))
}

fn second_of(term: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(term.strip_prefix(PREFIX)?).ok()?;
    i64::from_str_radix(digits, 16).ok()
}

/// Where the sweeps of one server are.
#[derive(Debug, Default)]
pub struct Expiry {
    /// Everything that expired before this second is gone. Where much was deleted, an engine is slow to find that there
    /// is nothing left, so a sweep begins here.
    swept: i64,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Objects deleted.
    pub deleted: usize,
    /// When the next object's time is over, in seconds since 1970; `None`: there is none.
    pub next: Option<i64>,
}

impl Expiry {
    /// Deletes what has expired.
    ///
    /// # Errors
    /// When the store cannot be read or written; what is left is deleted by the next sweep.
    pub async fn sweep(&mut self, server: &ApiServer) -> Result<Swept, CommitError> {
        let now = server.clock.now().as_second();
        if now < self.swept {
            // The clock was set back: what is written now may expire before what was swept.
            self.swept = 0;
        }
        let mut deleted = 0;
        loop {
            // No key sorts before the empty one.
            let after = IndexEntry { term: term_at(self.swept), key: Key::new("", "", "", "") };
            let found = server.store.index(PREFIX, Some(&after), BATCH).await.map_err(unreadable)?;
            let next = found.iter().filter_map(|entry| second_of(&entry.term)).find(|second| *second > now);
            let due: Vec<&IndexEntry> =
                found.iter().filter(|entry| second_of(&entry.term).is_some_and(|second| second <= now)).collect();
            let Some(last) = due.last().and_then(|entry| second_of(&entry.term)) else {
                self.swept = self.swept.max(now);
                return Ok(Swept { deleted, next });
            };
            let mut ops = Vec::with_capacity(due.len());
            for entry in due {
                let item = server.store.get(&entry.key).await.map_err(unreadable)?;
                // It may have been written again, and so live on, or have gone.
                if let Some(item) = item.filter(|item| item.value.terms.contains(&entry.term)) {
                    ops.push(Op::delete(entry.key.clone(), Expect::At(item.revision)));
                }
            }
            if ops.is_empty() {
                // The index was read before what it named changed; it is read again.
                continue;
            }
            let count = ops.len();
            match server.store.commit(Batch::of(ops)).await {
                Ok(_) => {
                    deleted += count;
                    // Others may expire in the same second.
                    self.swept = last;
                }
                Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Sweeps whenever something has expired, for ever. Sleeps while there is nothing: what is written meanwhile lives for
/// a whole time to live.
pub async fn run(server: Arc<ApiServer>) {
    let mut expiry = Expiry::default();
    loop {
        let wait = match expiry.sweep(&server).await {
            Ok(Swept { next: Some(next), .. }) => {
                let seconds = next.saturating_sub(server.clock.now().as_second());
                Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(server.event_ttl)
            }
            Ok(Swept { next: None, .. }) => server.event_ttl,
            Err(error) => {
                tracing::warn!(%error, "expired events could not be deleted");
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(wait.max(Duration::from_secs(1))).await;
    }
}

fn unreadable(error: Error) -> CommitError {
    CommitError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_sort_by_time() {
        let at = |second| term(Timestamp::from_second(second).unwrap(), Duration::from_secs(60));
        let mut terms = [at(1_800_000_000), at(0), at(4_000_000_000), at(255)];
        terms.sort();
        let seconds: Vec<i64> = terms.iter().filter_map(|term| second_of(term)).collect();
        assert_eq!(seconds, [60, 315, 1_800_000_060, 4_000_000_060]);
    }
}
