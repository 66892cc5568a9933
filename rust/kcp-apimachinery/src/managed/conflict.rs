//! Fields that an applier wants to change and others own.

use super::element::Element;
use super::entries::Entry;
use super::set::FieldSet;
use crate::status::{Cause, Status};

/// Most conflicts that an answer names one by one, and most bytes of their paths.
const MAX_NAMED: usize = 1000;
const MAX_BYTES: usize = 1 << 20;

/// The fields in conflict with one manager.
#[derive(Debug)]
pub struct Conflict<'a> {
    pub(super) manager: Entry<'a>,
    pub(super) fields: FieldSet<'a>,
}

/// Every conflict of a request, by manager.
#[derive(Debug)]
pub struct Conflicts<'a>(Vec<Conflict<'a>>);

impl<'a> Conflicts<'a> {
    /// Sorts conflicts by who owns the fields.
    pub(super) fn new(mut conflicts: Vec<Conflict<'a>>) -> Self {
        conflicts.sort_by_cached_key(|conflict| conflict.manager.identifier());
        Self(conflicts)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|conflict| conflict.fields.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves out fields that may change hands.
    pub(super) fn waive(&mut self, allowed: &FieldSet<'_>) {
        for conflict in &mut self.0 {
            conflict.fields.subtract(allowed);
        }
        self.0.retain(|conflict| !conflict.fields.is_empty());
    }

    /// The answer: 409 with a cause for each field.
    pub fn status(&self) -> Status {
        let count = self.len();
        let mut causes = Vec::new();
        let mut lines = Vec::new();
        let mut bytes = 0;
        for conflict in &self.0 {
            let manager = conflict.manager.shown();
            let mut head = Some(format!("conflicts with {manager}:"));
            let message = format!("conflict with {manager}");
            conflict.fields.walk(&mut |path: &[&Element<'_>]| {
                let field: String = path.iter().map(ToString::to_string).collect();
                bytes += field.len() + message.len();
                lines.extend(head.take());
                lines.push(format!("- {field}"));
                causes.push(Cause { reason: "FieldManagerConflict".to_owned(), message: message.clone(), field });
                causes.len() < MAX_NAMED && bytes < MAX_BYTES
            });
            if causes.len() >= MAX_NAMED || bytes >= MAX_BYTES {
                break;
            }
        }
        let message = match causes.as_slice() {
            [only] if count == 1 => format!("Apply failed with 1 conflict: {}: {}", only.message, only.field),
            named => {
                if named.len() < count {
                    lines.push(format!("and {} more", count - named.len()));
                }
                format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
            }
        };
        Status::apply_conflict(causes, message)
    }
}
