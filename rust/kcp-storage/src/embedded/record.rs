//! One record of the event log: the changes of one group commit, whole or not at all.
//!
//! `docs/design/storage.md` shows the format byte by byte; [`HEADER`] and the `encode`/`decode` pairs below are it.

use super::births::Templates;
use crate::check::{Step, born_events};
use crate::codec::{Reader, put_bytes, put_u32, put_u64};
use crate::{Birth, Event, EventKind, Key, Revision, Template, TemplateId, Value};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// Bytes before a record's body.
pub(crate) const HEADER: usize = 33;
/// A record's body is never larger than this; a length above it is damage.
pub(crate) const MAX_BODY: usize = 256 << 20;

const RAW: u8 = 0;
const LZ4: u8 = 1;

const ADDED: u8 = 1;
const MODIFIED: u8 = 2;
const DELETED: u8 = 3;
const BORN: u8 = 4;
const TEMPLATE: u8 = 5;
const BORN_BELOW: u8 = 6;

/// What stands before a record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the whole record.
    pub len: u64,
    crc: u32,
    codec: u8,
    /// Revision of the first change.
    pub first: u64,
    /// How many revisions the record's changes take.
    pub count: u32,
    /// Wall clock, milliseconds since 1970.
    pub time: u64,
    raw_len: u32,
}

impl Header {
    /// Reads a header; `None` when it cannot be one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(Bytes::copy_from_slice(bytes.get(..HEADER)?));
        let header = Self {
            len: 8 + u64::from(input.u32()?),
            crc: input.u32()?,
            codec: input.u8()?,
            first: input.u64()?,
            count: input.u32()?,
            time: input.u64()?,
            raw_len: input.u32()?,
        };
        let sane = header.len >= HEADER as u64
            && header.len <= (HEADER + MAX_BODY) as u64
            && header.raw_len as usize <= MAX_BODY
            && header.codec <= LZ4
            && header.count > 0;
        sane.then_some(header)
    }

    /// Whether `record`, all of its bytes, is what was written.
    pub(crate) fn verifies(&self, record: &[u8]) -> bool {
        record.len() as u64 == self.len && checksum(record) == self.crc
    }

    /// Revision of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }
}

fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..])
}

/// Writes a record; `None` when it would be too large to read back. `templates` are those the log has not named before.
pub(crate) fn encode(
    steps: &[Step],
    templates: &[Arc<Template>],
    first: u64,
    count: u32,
    time: u64,
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for template in templates {
        body.push(TEMPLATE);
        put_bytes(&mut body, &template.encoded());
    }
    for step in steps {
        let event = &step.event;
        body.push(match (&step.born, event.kind) {
            (Some((Birth { parent: Some(_), .. }, _)), _) => BORN_BELOW,
            (Some(_), _) => BORN,
            (None, EventKind::Added) => ADDED,
            (None, EventKind::Modified) => MODIFIED,
            (None, EventKind::Deleted) => DELETED,
        });
        put_bytes(&mut body, event.key.as_bytes());
        if event.kind != EventKind::Deleted {
            put_value(&mut body, &event.value);
        }
        if let Some((revision, value)) = &event.previous {
            put_u64(&mut body, revision.get());
            put_value(&mut body, value);
        }
        if let Some((birth, _)) = &step.born {
            put_birth(&mut body, birth);
            if let Some(parent) = &birth.parent {
                put_bytes(&mut body, parent.as_bytes());
            }
        }
    }
    if body.len() > MAX_BODY {
        return None;
    }
    let compressed = lz4_flex::block::compress(&body);
    let (codec, stored) = if compressed.len() < body.len() { (LZ4, &compressed) } else { (RAW, &body) };
    let mut record = Vec::with_capacity(HEADER + stored.len());
    put_u32(&mut record, u32::try_from(HEADER - 8 + stored.len()).unwrap_or(u32::MAX));
    put_u32(&mut record, 0);
    record.push(codec);
    put_u64(&mut record, first);
    put_u32(&mut record, count);
    put_u64(&mut record, time);
    put_u32(&mut record, u32::try_from(body.len()).unwrap_or(u32::MAX));
    record.extend_from_slice(stored);
    let crc = checksum(&record);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    Some(record)
}

/// Reads a verified record's changes back, in revision order; `None` when its body is not one this version wrote.
pub(crate) fn decode(header: &Header, record: &[u8], templates: &Templates) -> Option<Vec<Step>> {
    let stored = record.get(HEADER..)?;
    let body = match header.codec {
        RAW => Bytes::copy_from_slice(stored),
        _ => Bytes::from(lz4_flex::block::decompress(stored, header.raw_len as usize).ok()?),
    };
    let mut input = Reader::new(body);
    let mut revision = header.first;
    let mut steps = Vec::new();
    while !input.is_empty() {
        let tag = input.u8()?;
        if tag == TEMPLATE {
            templates.learn(&Arc::new(Template::decode(owned(&mut input)?)?));
            continue;
        }
        let key = Key::decode(owned(&mut input)?)?;
        let value = if tag == DELETED { None } else { Some(take_value(&mut input)?) };
        let previous = match tag {
            MODIFIED | DELETED => Some((Revision::new(input.u64()?), take_value(&mut input)?)),
            _ => None,
        };
        let kind = match tag {
            ADDED | BORN | BORN_BELOW => EventKind::Added,
            MODIFIED => EventKind::Modified,
            DELETED => EventKind::Deleted,
            _ => return None,
        };
        let born = if matches!(tag, BORN | BORN_BELOW) {
            let mut birth = take_birth(&mut input, templates)?;
            if tag == BORN_BELOW {
                birth.parent = Some(input.text()?.into());
            }
            let events = born_events(&birth, key.cluster(), revision);
            revision += events.len() as u64;
            Some((birth, events))
        } else {
            None
        };
        let value = value.or_else(|| previous.as_ref().map(|(_, value)| value.clone()))?;
        let event = Event { revision: Revision::new(revision), kind, key, value, previous, encoded: OnceLock::new() };
        revision += 1;
        steps.push(Step { event: Arc::new(event), born });
    }
    (revision == header.last() + 1).then_some(steps)
}

/// Appends terms, then data.
pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    put_u32(out, u32::try_from(value.terms.len()).unwrap_or(u32::MAX));
    for term in value.terms.iter() {
        put_bytes(out, term);
    }
    put_bytes(out, &value.data);
}

/// Reads what [`put_value`] wrote into buffers of its own, so that one value does not keep a whole record in memory.
pub(crate) fn take_value(input: &mut Reader) -> Option<Value> {
    let count = input.u32()?;
    let mut terms = Vec::new();
    for _ in 0..count {
        terms.push(owned(input)?);
    }
    Some(Value { data: owned(input)?, terms: terms.into() })
}

/// Appends the template's address and the slots.
pub(crate) fn put_birth(out: &mut Vec<u8>, birth: &Birth) {
    out.extend_from_slice(birth.template.id().as_bytes());
    put_u32(out, u32::try_from(birth.slots.len()).unwrap_or(u32::MAX));
    for slot in &birth.slots {
        put_bytes(out, slot);
    }
}

/// Reads what [`put_birth`] wrote; `None` also for a template nobody named before.
pub(crate) fn take_birth(input: &mut Reader, templates: &Templates) -> Option<Birth> {
    let mut id = [0; 16];
    for byte in &mut id {
        *byte = input.u8()?;
    }
    let template = templates.get(TemplateId::from_bytes(id))?;
    let count = input.u32()?;
    let mut slots = Vec::new();
    for _ in 0..count {
        slots.push(owned(input)?);
    }
    Some(Birth { template, slots, parent: None })
}

fn owned(input: &mut Reader) -> Option<Bytes> {
    input.bytes().map(|bytes| Bytes::copy_from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(revision: u64, kind: EventKind, previous: Option<(u64, &str)>) -> Step {
        let previous = previous.map(|(at, text)| (Revision::new(at), Value::new(text.to_owned())));
        let value = match (&previous, kind) {
            (Some((_, value)), EventKind::Deleted) => value.clone(),
            _ => Value::indexed("new", vec!["term".into()]),
        };
        let key = Key::new("configmaps", "a", "n", "x");
        let event = Event { revision: Revision::new(revision), kind, key, value, previous, encoded: OnceLock::new() };
        Step { event: Arc::new(event), born: None }
    }

    #[test]
    fn a_record_reads_back_and_every_damaged_byte_is_noticed() {
        let steps = [
            step(7, EventKind::Added, None),
            step(8, EventKind::Modified, Some((7, "old"))),
            step(9, EventKind::Deleted, Some((8, "last"))),
        ];
        let record = encode(&steps, &[], 7, 3, 42).expect("is small");
        let header = Header::parse(&record).expect("is a header");
        assert_eq!((header.len, header.first, header.last(), header.time), (record.len() as u64, 7, 9, 42));
        assert!(header.verifies(&record));
        let again = decode(&header, &record, &Templates::default()).expect("decodes");
        for (step, again) in steps.iter().zip(&again) {
            let (step, again) = (&step.event, &again.event);
            assert_eq!((step.revision, step.kind, &step.key), (again.revision, again.kind, &again.key));
            assert_eq!((&step.value, &step.previous), (&again.value, &again.previous));
        }
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 0x40;
            assert!(!Header::parse(&damaged).is_some_and(|header| header.verifies(&damaged)), "byte {at}");
        }
    }
}
