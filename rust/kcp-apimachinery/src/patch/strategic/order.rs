//! In which order the items of a merged list stand.

use std::collections::HashMap;

use serde_json::Value;

use super::failure::{Failure, GO_MAP};
use super::{DIRECTIVE, SET_ORDER};
use crate::text;

/// The items of the patch's list have to come in the order they have in the order list, and all occur there.
pub(super) fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Failure> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let deletes = |item: &Value| key.is_some() && item.get(DIRECTIVE).is_some_and(|d| d == "delete");
    let mut items = patch.iter().filter(|item| !deletes(item)).peekable();
    let mut places = order.iter();
    while let Some(item) = items.peek() {
        let Some(place) = places.as_slice().first() else {
            let (patch, order) = (text::go_list(patch), text::go_list(order));
            return Err(Failure::Other(format!(
                "The order in patch list:\n{patch}\n doesn't match {SET_ORDER} list:\n{order}\n"
            )));
        };
        if item.get(DIRECTIVE).is_some() {
            items.next();
            continue;
        }
        if identity(item, key)? == identity(place, key)? {
            items.next();
        }
        places.next();
    }
    Ok(())
}

/// What makes an item itself: the value of the merge key, or the whole item where there is none.
pub(super) fn identity<'a>(item: &'a Value, key: Option<&str>) -> Result<&'a Value, Failure> {
    let Some(key) = key else { return Ok(item) };
    let Value::Object(map) = item else { return Err(Failure::wrong_type(GO_MAP, item)) };
    map.get(key).ok_or_else(|| Failure::NoMergeKey(map.clone(), key.to_owned()))
}

/// Puts the items of a merged list in order: those of the patch as `patch_order` has them, the others as they stood in
/// the object, `server_order`, and each of the others before the first of the patch's items that stood after it there.
pub(super) fn in_order(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let patch_places = Places::of(patch_order, key)?;
    let server_places = Places::of(server_order, key)?;
    let mut patch = Vec::new();
    let mut server = Vec::new();
    for item in merged {
        let name = Places::name(identity(&item, key)?);
        let at_server = server_places.get(&name);
        match patch_places.get(&name) {
            Some(place) => patch.push((place, at_server, item)),
            None => server.push((at_server, item)),
        }
    }
    patch.sort_by_key(|(place, ..)| *place);
    server.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));

    let mut ordered = Vec::with_capacity(patch.len() + server.len());
    let mut server = server.into_iter().peekable();
    for (_, place, item) in patch {
        while let (Some((Some(other), _)), Some(place)) = (server.peek(), place)
            && *other < place
        {
            ordered.extend(server.next().map(|(_, item)| item));
        }
        ordered.push(item);
    }
    ordered.extend(server.map(|(_, item)| item));
    Ok(ordered)
}

/// Where each item stands in a list; the first place counts.
struct Places(HashMap<String, usize>);

impl Places {
    fn of(list: &[Value], key: Option<&str>) -> Result<Self, Failure> {
        let mut places = HashMap::with_capacity(list.len());
        for (i, item) in list.iter().enumerate() {
            places.entry(Self::name(identity(item, key)?)).or_insert(i);
        }
        Ok(Self(places))
    }

    /// Equal for equal values only: their JSON.
    fn name(value: &Value) -> String {
        value.to_string()
    }

    fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}
