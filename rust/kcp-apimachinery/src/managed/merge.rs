//! An applied document merged into an object, and parts of an object removed.

use super::element::Element;
use super::schema::{Kind, List, Map, Narrow, Relation, Type};
use super::set::FieldSet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Merges `config` into `object`: nothing goes, values of `config` count, items of lists that both have keep the order
/// of `config` and the others their places among them.
pub fn merge(object: &mut Value, config: &Value, of: Type<'_>) {
    let kind = match (Kind::of(config), Kind::of(object)) {
        (Kind::Null, kind) => kind,
        (kind, _) => kind,
    };
    match of.narrow(kind) {
        Narrow::Map(map) if !map.atomic => match (&mut *object, config) {
            (Value::Object(fields), Value::Null) if !fields.is_empty() => {}
            (Value::Object(fields), Value::Object(config)) if !fields.is_empty() || !config.is_empty() => {
                for (name, value) in config {
                    match (fields.get_mut(name), map.entry(name)) {
                        (Some(field), Some((of, _))) => merge(field, value, of),
                        _ => {
                            fields.insert(name.clone(), value.clone());
                        }
                    }
                }
            }
            _ => *object = config.clone(),
        },
        Narrow::List(list) if list.relation != Relation::Atomic => match (&mut *object, config) {
            (Value::Array(items), Value::Null) if !items.is_empty() => {}
            (Value::Array(items), Value::Array(config)) if !items.is_empty() && !config.is_empty() => {
                *items = merge_items(std::mem::take(items), config, &list);
            }
            (Value::Array(items), Value::Array(config)) if !items.is_empty() && config.is_empty() => {}
            _ => *object = config.clone(),
        },
        _ => *object = config.clone(),
    }
}

/// Merges two lists whose items can be told apart.
///
/// Items of both stand in the order of `config`. An item that only the object has stays before the next item of both
/// that followed it; the rest goes to the end.
fn merge_items(old: Vec<Value>, config: &[Value], list: &List<'_>) -> Vec<Value> {
    let wanted: Vec<(Element<'_>, &Value)> =
        config.iter().filter_map(|item| Some((list.element(item).ok()?, item))).collect();
    let in_config: BTreeSet<&Element<'_>> = wanted.iter().map(|(element, _)| element).collect();
    let elements: Vec<Option<Element<'_>>> = old.iter().map(|item| list.element(item).ok()).collect();
    let mut counts: BTreeMap<&Element<'_>, usize> = BTreeMap::new();
    for element in elements.iter().flatten() {
        *counts.entry(element).or_default() += 1;
    }
    let mut shared: VecDeque<&Element<'_>> =
        wanted.iter().map(|(element, _)| element).filter(|element| counts.contains_key(element)).collect();
    let mut next_shared = shared.pop_front();
    let mut merged: BTreeSet<&Element<'_>> = BTreeSet::new();
    // Places of the items that merge with one of `config`; of several alike none does.
    let mut single: BTreeMap<&Element<'_>, usize> = BTreeMap::new();
    for (index, element) in elements.iter().enumerate() {
        if let Some(element) = element
            && counts.get(element) == Some(&1)
        {
            single.insert(element, index);
        }
    }
    let mut plan: Vec<(Option<usize>, Option<usize>)> = Vec::with_capacity(old.len() + wanted.len());
    let lefts: Vec<usize> = (0..old.len()).filter(|index| elements[*index].is_some()).collect();
    let (mut l, mut r) = (0, 0);
    while l < lefts.len() || r < wanted.len() {
        let left = lefts.get(l).and_then(|index| Some((*index, elements[*index].as_ref()?)));
        let right = wanted.get(r).map(|(element, _)| element);
        if let (Some((_, left)), Some(right)) = (left, right) {
            if left == right {
                merged.insert(right);
                plan.push((single.get(right).copied(), Some(r)));
                l += 1;
                r += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if in_config.contains(left) && next_shared.is_some_and(|next| next != left) {
                // It comes later, in the order of `config`.
                l += 1;
                continue;
            }
        }
        if let Some((index, left)) = left {
            if !in_config.contains(left) {
                plan.push((Some(index), None));
                l += 1;
                continue;
            }
            if merged.contains(left) {
                l += 1;
            }
        }
        if let Some(right) = right {
            merged.insert(right);
            plan.push((single.get(right).copied(), Some(r)));
            r += 1;
            if next_shared == Some(right) {
                next_shared = shared.pop_front();
            }
        }
    }
    drop((merged, single, counts));
    let wanted: Vec<&Value> = wanted.into_iter().map(|(_, item)| item).collect();
    drop(elements);
    let mut old: Vec<Option<Value>> = old.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(plan.len());
    for (left, right) in plan {
        let item = left.and_then(|index| old.get_mut(index)).and_then(Option::take);
        match (item, right.and_then(|index| wanted.get(index))) {
            (Some(mut item), Some(config)) => {
                merge(&mut item, config, list.items);
                out.push(item);
            }
            (Some(item), None) => out.push(item),
            (None, Some(config)) => out.push((*config).clone()),
            (None, None) => {}
        }
    }
    out
}

/// Removes the paths of a set from a value, with everything below them. A map or list of which nothing is left becomes
/// null.
pub fn remove(value: &mut Value, paths: &FieldSet<'_>, of: Type<'_>) {
    match of.narrow(Kind::of(value)) {
        Narrow::Map(map) => {
            let Value::Object(fields) = value else { return };
            if map.atomic || fields.is_empty() {
                *value = Value::Null;
                return;
            }
            remove_fields(fields, paths, &map);
            if fields.is_empty() {
                *value = Value::Null;
            }
        }
        Narrow::List(list) => {
            let Value::Array(items) = value else { return };
            if list.relation == Relation::Atomic {
                *value = Value::Null;
                return;
            }
            items.retain_mut(|item| {
                let Some((member, below)) = list.element(item).ok().and_then(|element| {
                    let node = paths.get(&element)?;
                    Some((node.member, &node.children))
                }) else {
                    return true;
                };
                if !member && !below.is_empty() {
                    remove(item, below, list.items);
                }
                !member
            });
            if items.is_empty() {
                *value = Value::Null;
            }
        }
        Narrow::Scalar(_) | Narrow::Nothing => {}
    }
}

fn remove_fields(fields: &mut serde_json::Map<String, Value>, paths: &FieldSet<'_>, map: &Map<'_>) {
    for node in paths.nodes() {
        let Some(name) = node.element.name() else { continue };
        if node.member {
            fields.remove(name);
        } else if let (Some(value), Some((of, _))) = (fields.get_mut(name), map.entry(name)) {
            remove(value, &node.children, of);
        }
    }
}

/// Adds to a set the declared fields on the way to its paths.
#[must_use]
pub fn with_named_fields<'a>(set: &FieldSet<'a>, of: Type<'_>) -> FieldSet<'a> {
    let (map, list) = (of.narrow(Kind::Map), of.narrow(Kind::List));
    let nodes = set.nodes().iter().map(|node| {
        let (below, declared) = match (&node.element, &map, &list) {
            (Element::Field(name), Narrow::Map(map), _) => map.entry(name).map_or((None, false), |(t, d)| (Some(t), d)),
            (Element::Key(_), _, Narrow::List(list)) => (Some(list.items), false),
            _ => (None, false),
        };
        let mut node = node.clone();
        node.member |= declared && !node.children.is_empty();
        if let Some(below) = below {
            node.children = with_named_fields(&node.children, below);
        }
        node
    });
    FieldSet::from_nodes(nodes.collect())
}

/// Sets of fields written under an older schema: what became atomic since is owned as a whole.
#[must_use]
pub fn reconcile<'a>(set: FieldSet<'a>, of: Type<'_>) -> FieldSet<'a> {
    if is_current(&set, false, of) {
        return set;
    }
    let nodes = set.nodes().iter().map(|node| {
        let mut node = node.clone();
        reconcile_node(&mut node.member, &mut node.children, &node.element, of);
        node
    });
    FieldSet::from_nodes(nodes.collect())
}

fn child<'s>(element: &Element<'_>, of: Type<'s>) -> Option<Type<'s>> {
    match (element, of.narrow(Kind::Map)) {
        (Element::Field(name), Narrow::Map(map)) => map.entry(name).map(|(of, _)| of),
        (_, Narrow::Map(map)) => map.others,
        (_, Narrow::List(list)) => Some(list.items),
        _ => None,
    }
}

/// Whether what is at and below a place has the form that the schema gives it today.
fn is_current(children: &FieldSet<'_>, itself: bool, of: Type<'_>) -> bool {
    if children.is_empty() && itself {
        return true;
    }
    match of.narrow(Kind::Map) {
        Narrow::Map(map) if map.is_deduced() || of.is_deduced() => true,
        Narrow::Map(map) if map.atomic => children.is_empty(),
        Narrow::List(list) if list.relation == Relation::Atomic => children.is_empty(),
        Narrow::Scalar(_) | Narrow::Nothing => true,
        Narrow::Map(_) | Narrow::List(_) => children
            .nodes()
            .iter()
            .all(|node| child(&node.element, of).is_none_or(|of| is_current(&node.children, node.member, of))),
    }
}

fn reconcile_node<'a>(member: &mut bool, children: &mut FieldSet<'a>, element: &Element<'_>, of: Type<'_>) {
    let Some(of) = child(element, of) else { return };
    if is_current(children, *member, of) {
        return;
    }
    let atomic = match of.narrow(Kind::Map) {
        Narrow::Map(map) => map.atomic,
        Narrow::List(list) => list.relation == Relation::Atomic,
        _ => false,
    };
    if atomic {
        *member = true;
        *children = FieldSet::new();
        return;
    }
    let nodes = children.nodes().iter().map(|node| {
        let mut node = node.clone();
        reconcile_node(&mut node.member, &mut node.children, &node.element, of);
        node
    });
    *children = FieldSet::from_nodes(nodes.collect());
}
