//! How an object is kept: JSON bytes with slots for what is not stored.
//!
//! The stored payload is `format (1) · schema fingerprint (8, LE) · length of A (4, LE) · length of M (4, LE) · length of
//! V (1) · V · A · B`, where V is the version that a custom resource is stored at (empty for others), A is what stands
//! between the braces of `metadata.annotations` (empty for none) and B is the rest of the object from the next field of
//! `metadata` on. Encoding an object for a reader is two copies around the slots:
//!
//! ```text
//! {"kind":K,"apiVersion":V,"metadata":{"resourceVersion":"R","annotations":{"kcp.io/cluster":"C"[,A]},B
//! ```
//!
//! What a client sends back in those slots is stripped by [`strip`] before anything is compared or stored. B begins with
//! `"managedFields":M,` when the object has entries: writes that are about something else read the object without them
//! ([`decode_lean`]) and the entries as text ([`managed`]).

use kcp_apimachinery::{json, strict};
use kcp_storage::{Item, Revision, Value as Stored};
use serde_json::{Map, Value};
use std::io::Write;

/// The annotation that names the logical cluster of an object on read.
pub const CLUSTER_ANNOTATION: &str = "kcp.io/cluster";

const FORMAT: u8 = 3;
/// Bytes before V.
const PREFIX: usize = 18;
const MANAGED: &[u8] = b"\"managedFields\":";

/// The type header of an object: `apiVersion` and `kind`.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// `group/version`, or the version alone for the core group.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
}

/// Removes the slots from an object: `resourceVersion` and the cluster annotation. An empty annotations map goes too.
pub fn strip(object: &mut Value) {
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    meta.remove("resourceVersion");
    meta.remove("selfLink");
    if let Some(Value::Object(annotations)) = meta.get_mut("annotations") {
        annotations.remove(CLUSTER_ANNOTATION);
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
}

/// The payload of an object whose slots were stripped. `fingerprint` names the schema it was pruned and defaulted by.
pub fn encode(object: &Value, fingerprint: u64) -> Vec<u8> {
    let entries = object.get("metadata").and_then(|meta| meta.get("managedFields"));
    let entries = entries.and_then(Value::as_array).filter(|entries| !entries.is_empty());
    let text = entries.map(json::to_vec).unwrap_or_default();
    encode_lean(object, &text, fingerprint)
}

/// The same with entries of managed fields as JSON text, whatever the object has; empty for none.
pub fn encode_lean(object: &Value, managed: &[u8], fingerprint: u64) -> Vec<u8> {
    encode_at(object, managed, fingerprint, "")
}

/// The same of an object that is stored at a version of its kind.
pub fn encode_at(object: &Value, managed: &[u8], fingerprint: u64, version: &str) -> Vec<u8> {
    let empty = Map::new();
    let meta = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut out = Vec::with_capacity(512 + managed.len());
    out.push(FORMAT);
    out.extend_from_slice(&fingerprint.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    // Names of versions are DNS labels, of at most 63 bytes.
    let length = u8::try_from(version.len()).unwrap_or_default();
    out.push(length);
    out.extend_from_slice(&version.as_bytes()[..usize::from(length)]);
    let begin = out.len();
    if let Some(Value::Object(annotations)) = meta.get("annotations") {
        fields(&mut out, annotations.iter());
    }
    let length = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
    out[9..13].copy_from_slice(&length.to_le_bytes());
    if !managed.is_empty() {
        let length = u32::try_from(managed.len()).unwrap_or(u32::MAX);
        out[13..17].copy_from_slice(&length.to_le_bytes());
        out.extend_from_slice(MANAGED);
        out.extend_from_slice(managed);
        out.push(b',');
    }
    fields(&mut out, meta.iter().filter(|(key, _)| !matches!(key.as_str(), "annotations" | "managedFields")));
    out.push(b'}');
    if let Value::Object(all) = object {
        for (key, value) in all {
            if !matches!(key.as_str(), "metadata" | "apiVersion" | "kind") {
                out.push(b',');
                field(&mut out, key, value);
            }
        }
    }
    out.push(b'}');
    out
}

/// The version a payload says it is stored at; empty where it says nothing.
pub fn stored_version(stored: &Stored) -> &str {
    std::str::from_utf8(version(&stored.data)).unwrap_or_default()
}

/// V.
fn version(data: &[u8]) -> &[u8] {
    data.get(PREFIX..begin(data)).unwrap_or_default()
}

/// Where A begins.
fn begin(data: &[u8]) -> usize {
    PREFIX + usize::from(data.get(PREFIX - 1).copied().unwrap_or_default())
}

/// The parts of a payload: A, M, and B without the entries.
fn parts(data: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let length = |at: usize| {
        let raw = data.get(at..at + 4).and_then(|raw| raw.try_into().ok());
        raw.map_or(0, u32::from_le_bytes) as usize
    };
    let (annotations, managed) = (length(9), length(13));
    let rest = begin(data) + annotations;
    let a = data.get(begin(data)..rest).unwrap_or_default();
    if managed == 0 {
        return (a, &[], data.get(rest..).unwrap_or_default());
    }
    let entries = rest + MANAGED.len();
    let end = entries + managed;
    (a, data.get(entries..end).unwrap_or_default(), data.get(end + 1..).unwrap_or_default())
}

/// The entries of managed fields of a stored object, as JSON text; empty for none.
pub fn managed(stored: &Stored) -> &[u8] {
    parts(&stored.data).1
}

/// Whether two payloads hold the same object at the same version, entries of managed fields aside.
pub fn same_but_managed(a: &[u8], b: &[u8]) -> bool {
    if version(a) != version(b) {
        return false;
    }
    let ((a, _, c), (b, _, d)) = (parts(a), parts(b));
    a == b && c == d
}

/// The fingerprint of the schema a stored object was pruned and defaulted by.
pub fn fingerprint(stored: &Stored) -> u64 {
    stored.data.get(1..9).and_then(|raw| raw.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Whether two payloads hold the same object at the same version (the schema they were written under aside).
pub fn same_object(a: &[u8], b: &[u8]) -> bool {
    a.get(9..) == b.get(9..)
}

/// Appends the JSON of a stored object. Without a header `kind` and `apiVersion` are left out, as items of built-in
/// lists do.
pub fn write(out: &mut Vec<u8>, header: Option<Header<'_>>, cluster: &str, revision: Revision, stored: &Stored) {
    let data = stored.data.as_ref();
    let length = data.get(9..13).and_then(|raw| raw.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let begin = begin(data);
    let annotations = data.get(begin..begin + length).unwrap_or_default();
    let rest = data.get(begin + length..).unwrap_or_default();
    splice(out, header, cluster, revision, annotations, rest);
}

fn splice(
    out: &mut Vec<u8>,
    header: Option<Header<'_>>,
    cluster: &str,
    revision: Revision,
    annotations: &[u8],
    rest: &[u8],
) {
    out.reserve(annotations.len() + rest.len() + cluster.len() + 160);
    out.push(b'{');
    if let Some(header) = header {
        out.extend_from_slice(b"\"kind\":\"");
        out.extend_from_slice(header.kind.as_bytes());
        out.extend_from_slice(b"\",\"apiVersion\":\"");
        out.extend_from_slice(header.api_version.as_bytes());
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"metadata\":{\"resourceVersion\":\"");
    // Writing to a vector cannot fail.
    let _ = write!(out, "{revision}");
    out.extend_from_slice(b"\",\"annotations\":{\"");
    out.extend_from_slice(CLUSTER_ANNOTATION.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(cluster.as_bytes());
    out.push(b'"');
    if !annotations.is_empty() {
        out.push(b',');
        out.extend_from_slice(annotations);
    }
    out.extend_from_slice(b"},");
    out.extend_from_slice(rest);
}

/// A stored object as [`decode`] gives it, without its entries of managed fields.
///
/// # Errors
/// When the payload is not what [`encode`] writes.
pub fn decode_lean(item: &Item, header: Header<'_>) -> Result<Value, serde_json::Error> {
    let (annotations, _, rest) = parts(&item.value.data);
    let mut text = Vec::new();
    splice(&mut text, Some(header), item.key.cluster(), item.revision, annotations, rest);
    strict::stored(&text)
}

/// A stored object as a value, slots filled in.
///
/// # Errors
/// When the payload is not what [`encode`] writes.
pub fn decode(item: &Item, header: Header<'_>) -> Result<Value, serde_json::Error> {
    let mut text = Vec::new();
    write(&mut text, Some(header), item.key.cluster(), item.revision, &item.value);
    strict::stored(&text)
}

fn fields<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (index, (key, value)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        field(out, key, value);
    }
}

fn field(out: &mut Vec<u8>, key: &str, value: &Value) {
    json::write(out, &key);
    out.push(b':');
    json::write(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use kcp_storage::Key;
    use serde_json::json;

    fn item(object: &Value) -> Item {
        let key = Key::new("configmaps", "root", "n", "x");
        Item { key, revision: Revision::new(7), value: Stored::new(encode(object, 5)) }
    }

    #[test]
    fn an_object_comes_back_with_its_slots_filled() {
        let header = Header { api_version: "v1", kind: "ConfigMap" };
        for annotations in [json!(null), json!({"a": "b\"c"})] {
            let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
                "metadata": {"name": "x", "namespace": "n", "uid": "u", "resourceVersion": "3"}});
            if !annotations.is_null() {
                object["metadata"]["annotations"] = annotations.clone();
            }
            strip(&mut object);
            let plain = item(&object);
            let versioned = Item { value: Stored::new(encode_at(&object, b"", 5, "v1beta1")), ..plain.clone() };
            for (item, version) in [(plain, ""), (versioned, "v1beta1")] {
                assert_eq!((fingerprint(&item.value), stored_version(&item.value)), (5, version));
                let mut back = decode(&item, header).unwrap();
                assert_eq!(back["metadata"]["resourceVersion"], "7");
                assert_eq!(back["metadata"]["annotations"][CLUSTER_ANNOTATION], "root");
                strip(&mut back);
                assert_eq!(back, object);
            }
        }
    }

    #[test]
    fn the_same_object_at_another_version_is_not_the_same() {
        let object = json!({"metadata": {"name": "x"}});
        let at = |fingerprint, version| encode_at(&object, b"", fingerprint, version);
        for same in [same_object, same_but_managed] {
            assert!(same(&at(1, "v1"), &at(2, "v1")));
            assert!(!same(&at(1, "v1"), &at(1, "v2")));
            assert!(!same(&encode(&object, 1), &at(1, "v1")));
        }
    }

    #[test]
    fn entries_of_managed_fields_are_kept_as_text_of_their_own() {
        let header = Header { api_version: "v1", kind: "ConfigMap" };
        for annotations in [json!({}), json!({"a": "b"})] {
            let with = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
                "metadata": {"name": "x", "annotations": annotations, "managedFields": [{"manager": "m"}]}});
            let mut without = with.clone();
            without["metadata"].as_object_mut().unwrap().remove("managedFields");
            let (with, without) = (item(&with), item(&without));
            assert_eq!(managed(&with.value), br#"[{"manager":"m"}]"#);
            assert_eq!(managed(&without.value), b"");
            assert!(same_but_managed(&with.value.data, &without.value.data));
            assert!(!same_object(&with.value.data, &without.value.data));
            assert_eq!(decode_lean(&with, header).unwrap(), decode(&without, header).unwrap());
            assert_eq!(decode_lean(&without, header).unwrap(), decode(&without, header).unwrap());
            assert_eq!(decode(&with, header).unwrap()["metadata"]["managedFields"], json!([{"manager": "m"}]));
        }
    }
}
