//! What differs between two states of an object, in terms of ownership.

use super::element::Element;
use super::schema::{Kind, List, Map, Narrow, Relation, Type};
use super::set::{FieldSet, Node};
use super::value;
use serde_json::Value;
use std::collections::BTreeMap;

/// Differences between two states of an object. No path is in more than one of the sets, but for items that occur twice
/// in one state and once in the other.
#[derive(Debug, Default)]
pub struct Comparison<'a> {
    /// Only in the old one.
    pub removed: FieldSet<'a>,
    /// In both, with different values.
    pub modified: FieldSet<'a>,
    /// Only in the new one.
    pub added: FieldSet<'a>,
}

impl<'a> Comparison<'a> {
    /// Compares two states of an object.
    pub fn of(old: &'a Value, new: &'a Value, of: Type<'a>) -> Self {
        let below = compare(Some(old), Some(new), of).below;
        Self { removed: below.removed, modified: below.modified, added: below.added }
    }

    /// Whether there is no difference.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Leaves out these paths and everything below them.
    pub fn exclude(&mut self, ignored: &FieldSet<'_>) {
        for set in [&mut self.removed, &mut self.modified, &mut self.added] {
            set.subtract_deep(ignored);
        }
    }
}

/// Differences at and below one place.
#[derive(Default)]
struct Found<'a> {
    itself: Itself,
    below: Below<'a>,
}

#[derive(Default)]
struct Itself {
    removed: bool,
    modified: bool,
    added: bool,
}

#[derive(Default)]
struct Below<'a> {
    removed: FieldSet<'a>,
    modified: FieldSet<'a>,
    added: FieldSet<'a>,
}

/// Collects what was found at the entries of a map or the items of a list.
#[derive(Default)]
struct Gather<'a> {
    removed: Vec<Node<'a>>,
    modified: Vec<Node<'a>>,
    added: Vec<Node<'a>>,
}

impl<'a> Gather<'a> {
    fn add(&mut self, element: &Element<'a>, found: Found<'a>) {
        let sets = [
            (&mut self.removed, found.itself.removed, found.below.removed),
            (&mut self.modified, found.itself.modified, found.below.modified),
            (&mut self.added, found.itself.added, found.below.added),
        ];
        for (nodes, member, children) in sets {
            if member || !children.is_empty() {
                nodes.push(Node { element: element.clone(), member, children });
            }
        }
    }

    fn finish(self) -> Below<'a> {
        Below {
            removed: FieldSet::from_nodes(self.removed),
            modified: FieldSet::from_nodes(self.modified),
            added: FieldSet::from_nodes(self.added),
        }
    }
}

impl<'a> Below<'a> {
    fn unite(&mut self, other: Self) {
        self.removed.unite(other.removed);
        self.modified.unite(other.modified);
        self.added.unite(other.added);
    }
}

/// Compares what stands at one place; at least one side is there.
fn compare<'a>(old: Option<&'a Value>, new: Option<&'a Value>, of: Type<'a>) -> Found<'a> {
    let (shown, other) = match (old, new) {
        (Some(old), Some(new)) if old == new => return Found::default(),
        (Some(old), Some(new)) => (new, Some(old)),
        (Some(one), None) | (None, Some(one)) => (one, None),
        (None, None) => return Found::default(),
    };
    // Null takes the form of the other side.
    let kind = match (Kind::of(shown), other.map(Kind::of)) {
        (Kind::Null, Some(kind)) => kind,
        (kind, _) => kind,
    };
    let (mut below, mut leaf) = by_kind(old, new, of.narrow(kind));
    let other = other.map(Kind::of).filter(|other| *other != kind && *other != Kind::Null);
    if let Some(other) = other {
        // The value changed its form: it changed as what it was and as what it is.
        let (before, was_leaf) = by_kind(old, new, of.narrow(other));
        below.unite(before);
        leaf = leaf || was_leaf;
    }
    let mut itself = Itself::default();
    match (old, new) {
        (None, _) => itself.added = true,
        (_, None) => itself.removed = true,
        (Some(old), Some(new)) => itself.modified = leaf && !value::equal(old, new),
    }
    Found { itself, below }
}

/// Compares two values as one kind. The second part of the answer: whether they are compared as a whole.
fn by_kind<'a>(old: Option<&'a Value>, new: Option<&'a Value>, of: Narrow<'a>) -> (Below<'a>, bool) {
    match of {
        Narrow::Scalar(_) | Narrow::Nothing => (Below::default(), true),
        Narrow::Map(map) => {
            let fields = |value: Option<&'a Value>| value.and_then(Value::as_object).filter(|map| !map.is_empty());
            match (fields(old), fields(new)) {
                (None, None) => (Below::default(), true),
                _ if map.atomic => (Below::default(), true),
                (old, new) => (maps(old, new, &map), false),
            }
        }
        Narrow::List(list) => {
            let items = |value: Option<&'a Value>| value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            match (items(old), items(new)) {
                ([], []) => (Below::default(), true),
                _ if list.relation == Relation::Atomic => (Below::default(), true),
                (old, new) => (lists(old, new, &list), false),
            }
        }
    }
}

type Fields = serde_json::Map<String, Value>;

fn maps<'a>(old: Option<&'a Fields>, new: Option<&'a Fields>, map: &Map<'a>) -> Below<'a> {
    let mut gather = Gather::default();
    let mut old = old.into_iter().flatten().peekable();
    let mut new = new.into_iter().flatten().peekable();
    loop {
        let (before, after) = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some((a, _)), Some((b, _))) if a == b => (old.next(), new.next()),
            (Some((a, _)), Some((b, _))) if a > b => (None, new.next()),
            (Some(_), _) => (old.next(), None),
            (None, Some(_)) => (None, new.next()),
        };
        let Some((name, _)) = before.or(after) else { break };
        let (before, after) = (before.map(|(_, value)| value), after.map(|(_, value)| value));
        if before == after {
            continue;
        }
        // What the schema does not know is nobody's.
        if let Some((of, _)) = map.entry(name) {
            gather.add(&Element::field(name), compare(before, after, of));
        }
    }
    gather.finish()
}

/// The items of a list by what tells them apart, in the list's order; items that nothing tells apart are left out.
pub(super) fn by_element<'a>(items: &'a [Value], list: &List<'a>) -> BTreeMap<Element<'a>, Vec<&'a Value>> {
    let mut all: BTreeMap<Element<'a>, Vec<&'a Value>> = BTreeMap::new();
    for item in items {
        if let Ok(element) = list.element(item) {
            all.entry(element).or_default().push(item);
        }
    }
    all
}

fn lists<'a>(old: &'a [Value], new: &'a [Value], list: &List<'a>) -> Below<'a> {
    let mut gather = Gather::default();
    let old = by_element(old, list);
    let mut new = by_element(new, list);
    for (element, before) in old {
        let after = new.remove(&element).unwrap_or_default();
        item(&mut gather, &element, &before, &after, list.items);
    }
    for (element, after) in new {
        item(&mut gather, &element, &[], &after, list.items);
    }
    gather.finish()
}

/// Compares the items of one element. Several are owned together, as if they were one.
fn item<'a>(gather: &mut Gather<'a>, element: &Element<'a>, old: &[&'a Value], new: &[&'a Value], of: Type<'a>) {
    match (old, new) {
        ([] | [_], [] | [_]) => gather.add(element, compare(old.first().copied(), new.first().copied(), of)),
        ([_, _, ..], [_, _, ..]) => {
            let modified = old.len() != new.len() || !old.iter().zip(new).all(|(a, b)| value::equal(a, b));
            let itself = Itself { modified, ..Itself::default() };
            gather.add(element, Found { itself, below: Below::default() });
        }
        ([_, _, ..], _) => {
            let mut found = new.first().map(|new| compare(None, Some(new), of)).unwrap_or_default();
            found.itself.removed = true;
            gather.add(element, found);
        }
        (_, [_, _, ..]) => {
            let mut found = old.first().map(|old| compare(Some(old), None, of)).unwrap_or_default();
            found.itself.added = true;
            gather.add(element, found);
        }
    }
}
