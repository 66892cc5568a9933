//! Objects that exist because their logical cluster does.
//!
//! A birth template is pure data, stored once by content. The change that creates a logical cluster's row
//! ([`crate::Change::Bear`]) names it and fills its slots; from then on the template's objects stand in that cluster
//! like any others. They take the revisions directly before the row's own, in the template's order, and appear to
//! watchers as ADDED. An engine may derive them when they are asked for instead of writing them: the first write
//! copies one up, a delete leaves a marker, and no reader can tell.

use crate::codec::{Reader, put_bytes, put_u32};
use crate::{Key, Value};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A template's address: the first 16 bytes of the SHA-256 of its encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId([u8; 16]);

impl TemplateId {
    /// The raw digest.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Wraps a stored digest.
    pub const fn from_bytes(raw: [u8; 16]) -> Self {
        Self(raw)
    }
}

impl fmt::Debug for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A part of a template object's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that every cluster shares.
    Text(Bytes),
    /// The birth's slot of this number.
    Slot(u32),
}

/// One object of a template. Born objects carry no index terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateObject {
    /// The resource, as in [`Key::resource`].
    pub resource: String,
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The payload, in order.
    pub pieces: Vec<Piece>,
}

/// What a logical cluster is born with, in the order of the objects' revisions.
#[derive(PartialEq, Eq)]
pub struct Template {
    id: TemplateId,
    objects: Vec<TemplateObject>,
    encoded: Bytes,
}

impl Template {
    /// Builds a template; names of objects must be free of zero bytes and differ from each other.
    pub fn new(objects: Vec<TemplateObject>) -> Self {
        let mut encoded = Vec::new();
        put_u32(&mut encoded, u32::try_from(objects.len()).unwrap_or(u32::MAX));
        for object in &objects {
            for text in [&object.resource, &object.namespace, &object.name] {
                put_bytes(&mut encoded, text.as_bytes());
            }
            put_u32(&mut encoded, u32::try_from(object.pieces.len()).unwrap_or(u32::MAX));
            for piece in &object.pieces {
                match piece {
                    Piece::Text(text) => {
                        encoded.push(0);
                        put_bytes(&mut encoded, text);
                    }
                    Piece::Slot(slot) => {
                        encoded.push(1);
                        put_u32(&mut encoded, *slot);
                    }
                }
            }
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, &encoded);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_ref()[..16]);
        Self { id: TemplateId(id), objects, encoded: encoded.into() }
    }

    /// Reads a template back from [`Template::encoded`].
    pub fn decode(encoded: Bytes) -> Option<Self> {
        let mut input = Reader::new(encoded.clone());
        let count = input.u32()?;
        let mut objects = Vec::new();
        for _ in 0..count {
            let (resource, namespace, name) = (input.text()?, input.text()?, input.text()?);
            let mut pieces = Vec::new();
            for _ in 0..input.u32()? {
                pieces.push(match input.u8()? {
                    0 => Piece::Text(input.bytes()?),
                    1 => Piece::Slot(input.u32()?),
                    _ => return None,
                });
            }
            objects.push(TemplateObject { resource, namespace, name, pieces });
        }
        input.is_empty().then(|| Self::new(objects))
    }

    /// The template's address.
    pub const fn id(&self) -> TemplateId {
        self.id
    }

    /// The encoding the address is made from.
    pub fn encoded(&self) -> Bytes {
        self.encoded.clone()
    }

    /// The objects, in the order of their revisions.
    pub fn objects(&self) -> &[TemplateObject] {
        &self.objects
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?}, {} objects)", self.id, self.objects.len())
    }
}

/// A logical cluster's use of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// What is born.
    pub template: Arc<Template>,
    /// What fills the template's slots, by number: times, uids. A missing slot is empty.
    pub slots: Vec<Bytes>,
    /// The logical cluster that the new one stands directly below; see [`crate::counts`].
    pub parent: Option<Arc<str>>,
}

impl Birth {
    /// Where object `index` stands in `cluster`.
    pub fn key(&self, cluster: &str, index: usize) -> Key {
        let object = &self.template.objects[index];
        Key::new(&object.resource, cluster, &object.namespace, &object.name)
    }

    /// What object `index` says.
    pub fn value(&self, index: usize) -> Value {
        let mut data = Vec::new();
        for piece in &self.template.objects[index].pieces {
            match piece {
                Piece::Text(text) => data.extend_from_slice(text),
                Piece::Slot(slot) => data.extend_from_slice(self.slots.get(*slot as usize).map_or(&[], |slot| slot)),
            }
        }
        Value::new(data)
    }

    /// How many objects are born.
    pub fn len(&self) -> usize {
        self.template.objects.len()
    }

    /// Whether nothing is born.
    pub fn is_empty(&self) -> bool {
        self.template.objects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_reads_back_and_fills_its_slots() {
        let template = Template::new(vec![TemplateObject {
            resource: "configmaps".into(),
            namespace: "default".into(),
            name: "kube-root-ca.crt".into(),
            pieces: vec![Piece::Text("{\"uid\":\"".into()), Piece::Slot(0), Piece::Text("\"}".into())],
        }]);
        let again = Template::decode(template.encoded()).expect("decodes");
        assert_eq!((again.id(), again.objects()), (template.id(), template.objects()));
        let birth = Birth { template: Arc::new(template), slots: vec!["42".into()], parent: None };
        assert_eq!(birth.value(0).data, "{\"uid\":\"42\"}");
        assert_eq!(birth.key("c", 0), Key::new("configmaps", "c", "default", "kube-root-ca.crt"));
        assert_eq!(Template::decode(Bytes::from_static(b"\x01\0\0\0\x09")), None);
    }
}
