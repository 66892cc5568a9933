//! Which definitions changed since what was derived from them: the newest changes by name, older ones only as numbers.

use crate::registry::DEFINITIONS;
use kcp_storage::{Event, Observer};
use parking_lot::RwLock;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Changes remembered by name. Whoever is further behind reads all definitions again.
const REMEMBERED: usize = 8_192;

/// The changes of all definitions of all logical clusters since the start, numbered from 1.
#[derive(Default)]
pub struct Changes(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    newest: u64,
    /// The last change of each logical cluster.
    of_cluster: HashMap<Arc<str>, u64>,
    /// The newest changes; the last of them is `newest`.
    recent: VecDeque<(Arc<str>, Box<str>)>,
}

impl Changes {
    /// The number of the last change in `cluster`; 0 when there was none.
    pub fn of(&self, cluster: &str) -> u64 {
        self.0.read().of_cluster.get(cluster).copied().unwrap_or_default()
    }

    /// The number of the last change of all.
    pub fn newest(&self) -> u64 {
        self.0.read().newest
    }

    /// The definitions of `cluster` that changed after the change `number`; `None` when that is no longer known.
    pub fn since(&self, cluster: &str, number: u64) -> Option<BTreeSet<Box<str>>> {
        let inner = self.0.read();
        Some(inner.newer(number)?.filter(|(of, _)| **of == *cluster).map(|(_, name)| name.clone()).collect())
    }

    /// The logical clusters whose definition `name` changed after the change `number`; `None` when that is no longer
    /// known.
    pub fn of_name_since(&self, name: &str, number: u64) -> Option<BTreeSet<Arc<str>>> {
        let inner = self.0.read();
        Some(inner.newer(number)?.filter(|(_, of)| **of == *name).map(|(cluster, _)| Arc::clone(cluster)).collect())
    }
}

impl Inner {
    /// The changes after `number`, newest first; `None` when some of them are no longer known.
    fn newer(&self, number: u64) -> Option<impl Iterator<Item = &(Arc<str>, Box<str>)>> {
        let behind = usize::try_from(self.newest - number.min(self.newest)).unwrap_or(usize::MAX);
        (behind <= self.recent.len()).then(|| self.recent.iter().rev().take(behind))
    }
}

impl Observer for Changes {
    fn committed(&self, events: &[Arc<Event>]) {
        let mut changed = events.iter().filter(|event| event.key.resource() == DEFINITIONS).peekable();
        if changed.peek().is_none() {
            return;
        }
        let mut inner = self.0.write();
        for event in changed {
            inner.newest += 1;
            let newest = inner.newest;
            let known = inner.of_cluster.get_key_value(event.key.cluster()).map(|(cluster, _)| Arc::clone(cluster));
            let cluster = known.unwrap_or_else(|| event.key.cluster().into());
            inner.of_cluster.insert(Arc::clone(&cluster), newest);
            inner.recent.push_back((cluster, event.key.name().into()));
            if inner.recent.len() > REMEMBERED {
                inner.recent.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kcp_storage::{EventKind, Key, Revision, Value};
    use std::sync::OnceLock;

    fn change(changes: &Changes, resource: &str, cluster: &str, name: &str) {
        let event = Event {
            revision: Revision::new(1),
            kind: EventKind::Added,
            key: Key::new(resource, cluster, "", name),
            value: Value::default(),
            previous: None,
            encoded: OnceLock::new(),
        };
        changes.committed(&[Arc::new(event)]);
    }

    #[test]
    fn changes_are_known_by_name_until_too_many_came_after_them() {
        let changes = Changes::default();
        change(&changes, DEFINITIONS, "a", "x");
        change(&changes, "configmaps", "a", "nothing");
        change(&changes, DEFINITIONS, "b", "y");
        change(&changes, DEFINITIONS, "a", "z");
        assert_eq!((changes.of("a"), changes.of("b"), changes.of("c"), changes.newest()), (3, 2, 0, 3));
        let names = |cluster: &str, number| changes.since(cluster, number).map(|names| names.into_iter().collect());
        let some = |names: &[&str]| Some(names.iter().map(|name| Box::from(*name)).collect::<Vec<Box<str>>>());
        assert_eq!(names("a", 0), some(&["x", "z"]));
        assert_eq!(names("a", 1), some(&["z"]));
        assert_eq!(names("a", 3), some(&[]));
        let clusters = |name: &str, number| {
            changes.of_name_since(name, number).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        change(&changes, DEFINITIONS, "b", "x");
        assert_eq!(clusters("x", 0), Some(vec!["a".into(), "b".into()]));
        assert_eq!((clusters("x", 1), clusters("x", 4)), (Some(vec!["b".into()]), Some(Vec::new())));
        for _ in 0..REMEMBERED {
            change(&changes, DEFINITIONS, "c", "w");
        }
        assert_eq!((names("a", 2), clusters("x", 2)), (None, None));
        assert_eq!(names("a", 4), some(&[]));
        assert_eq!(names("c", 4), some(&["w"]));
    }
}
