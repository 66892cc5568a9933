//! What logical clusters are born with, derived when it is asked for.
//!
//! Per cluster the engine stores one short row: the revision of the first born object, the row's key, the template's
//! address and the slots. A derived object shows through wherever nothing is stored at its key; a stored marker (a
//! tombstone) hides it. In memory there are the templates only, a handful per server.

use super::cache::{Fresh, Weight};
use super::record::{put_birth, take_birth};
use crate::codec::{Reader, put_bytes, put_u64};
use crate::{Birth, Item, Key, KeyRange, Revision, Template, TemplateId};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// The births read last, by cluster: one request for a cluster asks for its birth again and again.
pub(crate) type BirthCache = Fresh<Arc<str>, Arc<Born>>;

impl Weight<Arc<str>> for Arc<Born> {
    fn weight(&self, cluster: &Arc<str>) -> usize {
        320 + cluster.len() + self.row.as_bytes().len() + self.birth.slots.iter().map(|slot| slot.len()).sum::<usize>()
    }
}

/// All templates of a store.
#[derive(Debug, Default)]
pub(crate) struct Templates(RwLock<HashMap<TemplateId, Arc<Template>>>);

impl Templates {
    /// Remembers a template.
    pub(crate) fn learn(&self, template: &Arc<Template>) {
        if !self.0.read().contains_key(&template.id()) {
            self.0.write().insert(template.id(), template.clone());
        }
    }

    pub(crate) fn get(&self, id: TemplateId) -> Option<Arc<Template>> {
        self.0.read().get(&id).cloned()
    }

    /// Whether any template puts an object at this key of its cluster.
    pub(crate) fn may_bear(&self, key: &Key) -> bool {
        let place = (key.resource(), key.namespace(), key.name());
        self.0
            .read()
            .values()
            .flat_map(|template| template.objects())
            .any(|object| (object.resource.as_str(), object.namespace.as_str(), object.name.as_str()) == place)
    }

    /// Whether any template has an object of this resource.
    pub(crate) fn may_bear_resource(&self, resource: &str) -> bool {
        self.0.read().values().flat_map(|template| template.objects()).any(|object| object.resource == resource)
    }
}

/// A cluster's stored birth.
#[derive(Clone, Debug)]
pub(crate) struct Born {
    /// Revision of the first born object.
    pub first: u64,
    /// The row whose creation it was.
    pub row: Key,
    pub birth: Birth,
}

impl Born {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_u64(&mut out, self.first);
        put_bytes(&mut out, self.row.as_bytes());
        put_birth(&mut out, &self.birth);
        if let Some(parent) = &self.birth.parent {
            put_bytes(&mut out, parent.as_bytes());
        }
        out
    }

    pub(crate) fn decode(raw: &[u8], templates: &Templates) -> Option<Self> {
        let mut input = Reader::new(Bytes::copy_from_slice(raw));
        let first = input.u64()?;
        let row = Key::decode(input.bytes()?)?;
        let mut birth = take_birth(&mut input, templates)?;
        if !input.is_empty() {
            birth.parent = Some(input.text()?.into());
        }
        Some(Self { first, row, birth })
    }

    /// The born object at `key`, unless something stored stands before it.
    pub(crate) fn item(&self, key: &Key) -> Option<Item> {
        self.position(key).map(|index| self.nth(key.clone(), index))
    }

    /// Whether an object is born at `key`.
    pub(crate) fn bears(&self, key: &Key) -> bool {
        self.position(key).is_some()
    }

    fn position(&self, key: &Key) -> Option<usize> {
        let place = (key.resource(), key.namespace(), key.name());
        let mut objects = self.birth.template.objects().iter();
        objects.position(|object| (object.resource.as_str(), object.namespace.as_str(), object.name.as_str()) == place)
    }

    /// The born objects in `range` after the encoded key `after`, in key order.
    pub(crate) fn items(&self, range: &KeyRange, after: Option<&[u8]>) -> Vec<Item> {
        let mut items: Vec<Item> = (0..self.birth.len())
            .map(|index| (self.birth.key(self.row.cluster(), index), index))
            .filter(|(key, _)| range.contains(key) && after.is_none_or(|after| key.as_bytes() > after))
            .map(|(key, index)| self.nth(key, index))
            .collect();
        items.sort_by(|a, b| a.key.cmp(&b.key));
        items
    }

    /// All keys of the birth.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        (0..self.birth.len()).map(|index| self.birth.key(self.row.cluster(), index))
    }

    fn nth(&self, key: Key, index: usize) -> Item {
        Item { key, revision: Revision::new(self.first + index as u64), value: self.birth.value(index) }
    }
}
