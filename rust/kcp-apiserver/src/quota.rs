//! How many objects a logical cluster may hold.

use crate::clusters::ROWS;
use crate::garbage::RECORDS;

/// What totals leave out: what comes and goes by itself, the clusters' own rows, and records that are no objects.
pub const UNCOUNTED: [&str; 4] = ["events", ROWS, RECORDS, "birthtemplates.tenancy.kcp.io"];

/// [`UNCOUNTED`] as a store is opened with it.
pub fn uncounted() -> Vec<String> {
    UNCOUNTED.map(str::to_owned).to_vec()
}
