//! `metadata.managedFields`: who owns which fields, since when, and by which kind of request.

use super::fields_v1::Text;
use super::set::FieldSet;
use crate::text;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;

/// How a manager came to own its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By applying them.
    Apply,
    /// By writing them in any other way.
    Update,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Name of the manager.
    pub manager: Cow<'a, str>,
    /// Kind of request.
    pub operation: Operation,
    /// Version that the fields are named in.
    pub api_version: Cow<'a, str>,
    /// Subresource through which they were written; empty for none.
    pub subresource: Cow<'a, str>,
    /// RFC 3339 in UTC, to the second; `None` where it was never set.
    pub time: Option<Cow<'a, str>>,
    /// The fields.
    pub fields: FieldSet<'a>,
}

/// What tells entries apart: an applier has one whatever version it applies, an updater one for each version.
pub(super) type Identity<'e> = (Operation, &'e str, &'e str, &'e str);

impl Entry<'_> {
    /// What tells it apart.
    pub(super) fn identity(&self) -> Identity<'_> {
        let version = if self.operation == Operation::Apply { "" } else { &*self.api_version };
        (self.operation, &self.manager, &self.subresource, version)
    }

    /// The text that entries are ordered by where nothing else orders them, and that conflicts are sorted by.
    pub(super) fn identifier(&self) -> String {
        let mut text = String::from("{");
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                if text.len() > 1 {
                    text.push(',');
                }
                text.push('"');
                text.push_str(name);
                text.push_str("\":");
                text::write_json_string(&mut text, value);
            }
        };
        let (operation, manager, subresource, version) = self.identity();
        field("manager", manager);
        field("operation", operation.name());
        field("apiVersion", version);
        field("subresource", subresource);
        text.push('}');
        text
    }

    /// As messages name it: `"kubectl"`, `"other" with subresource "status" using v1`.
    pub(super) fn shown(&self) -> String {
        let mut text = text::quote(&self.manager);
        if !self.subresource.is_empty() {
            text.push_str(" with subresource ");
            text.push_str(&text::quote(&self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(" using ");
            text.push_str(&self.api_version);
        }
        text
    }
}

/// Every entry of an object, each identity once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries<'a>(pub(super) Vec<Entry<'a>>);

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow, default)]
    manager: Option<Text<'a>>,
    #[serde(borrow, default)]
    operation: Option<Text<'a>>,
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    subresource: Option<Text<'a>>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(borrow, default)]
    fields_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    fields_v1: Option<FieldSet<'a>>,
}

impl<'a> Entries<'a> {
    /// Reads the JSON text of a list of entries; no text is no entries.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(json: &'a [u8]) -> Result<Self, String> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        let written: Vec<Written<'a>> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Self::read(written)
    }

    /// Reads decoded entries.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(value: &'a Value) -> Result<Self, String> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let written = Vec::<Written<'a>>::deserialize(value).map_err(|error| error.to_string())?;
        Self::read(written)
    }

    fn read(written: Vec<Written<'a>>) -> Result<Self, String> {
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(written.len() + 1);
        for (index, written) in written.into_iter().enumerate() {
            let text = |field: Option<Text<'a>>| field.map_or(Cow::Borrowed(""), |text| text.0);
            let operation = match text(written.operation).as_ref() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version = text(written.api_version);
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text(written.fields_type).as_ref() {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
                other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
            }
            entries.push(Entry {
                manager: text(written.manager),
                operation,
                api_version,
                subresource: text(written.subresource),
                time: written.time.map(|time| time.0),
                fields: written.fields_v1.unwrap_or_default(),
            });
        }
        Ok(Self(once_each(entries)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.0.iter()
    }

    /// Appends the JSON list of the entries in their order: appliers first, then by age, then by name. Nothing when there
    /// are none.
    pub fn write(mut self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        let age = |entry: &Entry<'_>| entry.time.clone().unwrap_or(Cow::Borrowed("1970-01-01T00:00:00Z")).into_owned();
        if self.0.len() > 1 {
            self.0.sort_by_cached_key(|entry| {
                let texts = [&entry.manager, &entry.api_version, &entry.subresource].map(|text| text.to_string());
                (entry.operation, age(entry), texts)
            });
        }
        for (index, entry) in self.0.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            entry.write(out);
        }
        out.push(b']');
    }

    /// The same as JSON text.
    pub fn to_json(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192 * self.0.len());
        self.write(&mut out);
        out
    }
}

impl Entry<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (name, value) in [
            ("manager", &*self.manager),
            ("operation", self.operation.name()),
            ("apiVersion", &self.api_version),
            ("time", self.time.as_deref().unwrap_or_default()),
            ("subresource", &self.subresource),
        ] {
            if !value.is_empty() {
                out.push(b'"');
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                // Strings always serialize into a vector.
                let _ = serde_json::to_writer(&mut *out, value);
                out.push(b',');
            }
        }
        out.extend_from_slice(b"\"fieldsType\":\"FieldsV1\",\"fieldsV1\":");
        self.fields.write(out);
        out.push(b'}');
    }
}

/// Keeps the last entry of each identity, at the first one's place.
fn once_each(entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    if entries.len() < 2 {
        return entries;
    }
    let mut last: HashMap<Identity<'_>, usize> = HashMap::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        last.insert(entry.identity(), index);
    }
    if last.len() == entries.len() {
        return entries;
    }
    let mut keep: Vec<usize> = last.into_values().collect();
    keep.sort_unstable();
    let mut keep = keep.into_iter().peekable();
    let entries = entries.into_iter().enumerate();
    entries.filter(|(index, _)| keep.next_if_eq(index).is_some()).map(|(_, entry)| entry).collect()
}

/// Whether a client wants the entries to be thrown away: an empty list, or one of a single empty entry.
pub fn is_reset(given: &Value) -> bool {
    match given.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([Value::Object(entry)]) => entry.values().all(|value| value.is_null() || value == ""),
        _ => false,
    }
}

/// Whether two texts of entries say the same but for the times.
pub fn same_but_times(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (Entries::parse(a), Entries::parse(b)) {
        (Ok(a), Ok(b)) => {
            let timeless = |entry: &Entry<'_>| (entry.identifier(), entry.api_version.to_string());
            a.0.len() == b.0.len()
                && a.0.iter().zip(&b.0).all(|(a, b)| timeless(a) == timeless(b) && a.fields == b.fields)
        }
        _ => false,
    }
}
