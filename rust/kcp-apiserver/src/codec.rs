//! How an object is kept: JSON bytes with slots for what is not stored.
//!
//! The stored payload is `version (1) · schema fingerprint (8, LE) · length of A (4, LE) · A · B`, where A is what
//! stands between the braces of `metadata.annotations` (empty for none) and B is the rest of the object from the next
//! field of `metadata` on. Encoding an object for a reader is two copies around the slots:
//!
//! ```text
//! {"kind":K,"apiVersion":V,"metadata":{"resourceVersion":"R","annotations":{"kcp.io/cluster":"C"[,A]},B
//! ```
//!
//! What a client sends back in those slots is stripped by [`strip`] before anything is compared or stored.

use kcp_storage::{Item, Revision, Value as Stored};
use serde_json::{Map, Value};
use std::io::Write;

/// The annotation that names the logical cluster of an object on read.
pub const CLUSTER_ANNOTATION: &str = "kcp.io/cluster";

const FORMAT: u8 = 1;
const PREFIX: usize = 13;

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
    let empty = Map::new();
    let meta = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut out = Vec::with_capacity(512);
    out.push(FORMAT);
    out.extend_from_slice(&fingerprint.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    if let Some(Value::Object(annotations)) = meta.get("annotations") {
        fields(&mut out, annotations.iter());
    }
    let length = u32::try_from(out.len() - PREFIX).unwrap_or(u32::MAX);
    out[9..13].copy_from_slice(&length.to_le_bytes());
    fields(&mut out, meta.iter().filter(|(key, _)| *key != "annotations"));
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

/// The fingerprint of the schema a stored object was pruned and defaulted by.
pub fn fingerprint(stored: &Stored) -> u64 {
    stored.data.get(1..9).and_then(|raw| raw.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Whether two payloads hold the same object (the schema they were written under aside).
pub fn same_object(a: &[u8], b: &[u8]) -> bool {
    a.get(9..) == b.get(9..)
}

/// Appends the JSON of a stored object. Without a header `kind` and `apiVersion` are left out, as items of built-in
/// lists do.
pub fn write(out: &mut Vec<u8>, header: Option<Header<'_>>, cluster: &str, revision: Revision, stored: &Stored) {
    let data = stored.data.as_ref();
    let length = data.get(9..13).and_then(|raw| raw.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let annotations = data.get(PREFIX..PREFIX + length).unwrap_or_default();
    let rest = data.get(PREFIX + length..).unwrap_or_default();
    out.reserve(data.len() + cluster.len() + 160);
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

/// A stored object as a value, slots filled in.
///
/// # Errors
/// When the payload is not what [`encode`] writes.
pub fn decode(item: &Item, header: Header<'_>) -> Result<Value, serde_json::Error> {
    let mut json = Vec::new();
    write(&mut json, Some(header), item.key.cluster(), item.revision, &item.value);
    serde_json::from_slice(&json)
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
    // Values and strings always serialize into a vector.
    let _ = serde_json::to_writer(&mut *out, key);
    out.push(b':');
    let _ = serde_json::to_writer(out, value);
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
            let item = item(&object);
            assert_eq!(fingerprint(&item.value), 5);
            let mut back = decode(&item, header).unwrap();
            assert_eq!(back["metadata"]["resourceVersion"], "7");
            assert_eq!(back["metadata"]["annotations"][CLUSTER_ANNOTATION], "root");
            strip(&mut back);
            assert_eq!(back, object);
        }
    }
}
