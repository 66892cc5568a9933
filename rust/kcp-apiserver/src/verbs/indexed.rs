//! Lists of what the index finds: LogicalClusters that wait for an initializer or terminator, among all there are.
//!
//! The index knows the newest state alone. Such a list is as its revision says or newer; a watch from there tells what is
//! newer once more.

use crate::clusters;
use crate::server::ApiServer;
use crate::tenancy::row;
use crate::verbs::list::Found;
use crate::verbs::select::Selection;
use crate::verbs::storage_error;
use crate::verbs::target::Target;
use bytes::Bytes;
use kcp_apimachinery::selector::label::Operator;
use kcp_apimachinery::status::Status;
use kcp_storage::{IndexEntry, Key, Revision};

/// Index entries read at a time.
const CHUNK: usize = 500;

/// A part of a list.
#[derive(Default)]
pub struct Page {
    /// The revision that the list began with; `None` for the first page.
    pub revision: Option<Revision>,
    /// Encoded key to continue after.
    pub after: Option<Bytes>,
    /// At most this many items; 0: all of them.
    pub limit: usize,
}

/// The index term of all objects that a request may select, where there is one.
pub fn term(target: &Target, selection: &Selection) -> Option<Bytes> {
    if target.served.storage != clusters::ROWS || !target.cluster.is_empty() {
        return None;
    }
    selection.labels().iter().find_map(|requirement| match (requirement.operator(), requirement.values()) {
        (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => {
            row::waiting_term(requirement.key(), value)
        }
        _ => None,
    })
}

/// Reads the objects that carry a term, as far as they are selected.
///
/// # Errors
/// When the store cannot be read.
pub async fn read(
    server: &ApiServer,
    target: &Target,
    selection: &Selection,
    term: &Bytes,
    page: Page,
) -> Result<Found, Status> {
    let revision = page.revision.unwrap_or_else(|| server.store.head());
    let mut after = page.after.and_then(Key::decode).map(|key| IndexEntry { term: term.clone(), key });
    let mut found = Found { revision, items: Vec::new(), continue_after: None, remaining: None };
    loop {
        let entries = server.store.index(term, after.as_ref(), CHUNK).await.map_err(|error| storage_error(&error))?;
        let full = entries.len() == CHUNK;
        for entry in entries {
            // Terms that only begin like this one come behind it.
            if entry.term != *term {
                return Ok(found);
            }
            let key = entry.key.clone();
            after = Some(entry);
            let Some(item) = server.store.get(&key).await.map_err(|error| storage_error(&error))? else { continue };
            let Some(served) = target.served_for(&item) else { continue };
            if !selection.matches(&served, &item)? {
                continue;
            }
            if page.limit > 0 && found.items.len() == page.limit {
                found.continue_after = found.items.last().map(|item| item.key.to_bytes());
                return Ok(found);
            }
            found.items.push(item);
        }
        if !full {
            return Ok(found);
        }
        // A long list lets others have the thread.
        tokio::task::yield_now().await;
    }
}
