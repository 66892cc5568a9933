//! What one resource brings into a document. Documents are joined from such pieces; where one definition of many has
//! changed, one piece is made anew.

use bytes::Bytes;
use std::collections::BTreeSet;

/// A piece of a document, in the document's own encoding.
#[derive(Debug, Default)]
pub struct Fragment {
    /// Entries of paths.
    pub paths: Vec<(String, Bytes)>,
    /// Schemas by the name that others refer to.
    pub schemas: Vec<(String, Bytes)>,
    /// Names that the piece refers to and may not hold itself.
    pub references: BTreeSet<String>,
}

impl Fragment {
    /// About how many bytes this takes.
    pub fn weight(&self) -> u64 {
        let entries = self.paths.iter().chain(&self.schemas).map(|(name, text)| name.len() + text.len() + 64);
        let references = self.references.iter().map(|name| name.len() + 48);
        (256 + entries.sum::<usize>() + references.sum::<usize>()) as u64
    }
}

/// The paths of some fragments, sorted.
pub fn paths<'f>(fragments: impl IntoIterator<Item = &'f Fragment>) -> Vec<(&'f str, &'f Bytes)> {
    sorted(fragments.into_iter().flat_map(|fragment| &fragment.paths))
}

/// The schemas of some fragments, sorted.
pub fn schemas<'f>(fragments: impl IntoIterator<Item = &'f Fragment>) -> Vec<(&'f str, &'f Bytes)> {
    sorted(fragments.into_iter().flat_map(|fragment| &fragment.schemas))
}

fn sorted<'f>(entries: impl Iterator<Item = &'f (String, Bytes)>) -> Vec<(&'f str, &'f Bytes)> {
    let mut all: Vec<_> = entries.map(|(name, text)| (name.as_str(), text)).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all
}

/// Text that takes no more memory than it is long.
pub fn exact(text: Vec<u8>) -> Bytes {
    text.into_boxed_slice().into()
}

/// Appends entries as the members of a JSON object, without its braces, in pieces that share the entries' text.
pub fn pieces(out: &mut Vec<Bytes>, entries: &[(&str, &Bytes)]) {
    for (index, (name, text)) in entries.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        out.push(exact(format!("{comma}{}:", serde_json::Value::from(*name)).into_bytes()));
        out.push((*text).clone());
    }
}

/// Appends entries as the members of a JSON object, without its braces.
pub fn join(out: &mut Vec<u8>, entries: &[(&str, &Bytes)]) {
    for (index, (name, text)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // A string always serializes into a vector.
        let _ = serde_json::to_writer(&mut *out, name);
        out.push(b':');
        out.extend_from_slice(text);
    }
}
