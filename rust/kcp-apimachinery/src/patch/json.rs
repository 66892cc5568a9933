//! RFC 6902 operations, with Kubernetes' limits.

use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
};
use serde_json::{Map, Value};

use super::json_type;
use crate::status::Status;
use crate::{strict, text};

/// Most operations one patch may have.
pub const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that all `copy` operations of one patch may add.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// While operations move values around, the depth is only estimated from above; an estimate beyond this ends the patch.
/// Far above what any real patch reaches, and far below what a thread's stack bears.
const MAX_ESTIMATED_DEPTH: usize = 1000;

/// A parsed JSON patch.
#[derive(Clone, Debug)]
pub struct JsonPatch {
    /// `None` stands for an operation that cannot be applied to anything, such as one of an unknown kind: the patch is
    /// read, and fails when it comes to this operation.
    operations: Vec<Option<PatchOperation>>,
    warnings: Vec<String>,
}

impl JsonPatch {
    /// Reads a patch.
    ///
    /// # Errors
    /// 400 when the bytes are no JSON list of objects, 413 when there are more than [`MAX_OPERATIONS`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let bad = |e: String| Status::bad_request(format!("error decoding patch: {e}"));
        let decoded = super::decode(bytes)?;
        let list = match decoded.value {
            Value::Array(list) => list,
            Value::Null => Vec::new(),
            other => {
                let what = json_type(&other);
                return Err(bad(format!("json: cannot unmarshal {what} into Go value of type []handlers.jsonPatchOp")));
            }
        };
        if list.len() > MAX_OPERATIONS {
            return Err(Status::request_entity_too_large(format!(
                "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                list.len()
            )));
        }
        let mut warnings: Vec<String> = decoded.duplicates.iter().map(|d| format!("json patch {d}")).collect();
        let mut operations = Vec::with_capacity(list.len());
        for (i, item) in list.into_iter().enumerate() {
            let Value::Object(fields) = item else {
                let what = json_type(&item);
                return Err(bad(format!("json: cannot unmarshal {what} into Go value of type handlers.jsonPatchOp")));
            };
            for unknown in fields.keys().filter(|k| !matches!(k.as_str(), "op" | "path" | "from" | "value")) {
                let path = text::quote(&format!("[{i}].{unknown}"));
                warnings.push(format!("json patch unknown field {path}"));
            }
            operations.push(operation(fields));
        }
        Ok(Self { operations, warnings })
    }

    /// Applies all operations, in order.
    ///
    /// # Errors
    /// 422 when an operation cannot be applied, a test fails, `copy` adds more than [`MAX_COPIED_BYTES`], or the result
    /// is nested too deep. `document` holds the result of the operations before it then.
    pub fn apply(&self, document: &mut Value) -> Result<(), Status> {
        let mut depth = strict::depth_within(document, MAX_ESTIMATED_DEPTH).ok_or_else(Status::unprocessable)?;
        let mut copied = 0;
        for operation in &self.operations {
            let operation = operation.as_ref().ok_or_else(Status::unprocessable)?;
            let added = match operation {
                PatchOperation::Add(op) => strict::depth_within(&op.value, MAX_ESTIMATED_DEPTH),
                PatchOperation::Replace(op) => strict::depth_within(&op.value, MAX_ESTIMATED_DEPTH),
                PatchOperation::Copy(op) => {
                    let source = document.pointer(op.from.as_str()).ok_or_else(Status::unprocessable)?;
                    copied += encoded_len(source);
                    if copied > MAX_COPIED_BYTES {
                        return Err(Status::unprocessable());
                    }
                    strict::depth_within(source, MAX_ESTIMATED_DEPTH)
                }
                // What is moved reaches no deeper than the document did, measured from where it was taken.
                PatchOperation::Move(op) => Some(depth.saturating_sub(op.from.count())),
                PatchOperation::Test(op) if tests_absence(document, op) => continue,
                PatchOperation::Remove(_) | PatchOperation::Test(_) => Some(0),
            };
            let reached = added.map(|added| operation.path().count() + added);
            depth = depth.max(reached.unwrap_or(usize::MAX));
            if depth > MAX_ESTIMATED_DEPTH {
                return Err(Status::unprocessable());
            }
            json_patch::patch_unsafe(document, std::slice::from_ref(operation)).map_err(|_| Status::unprocessable())?;
        }
        if depth > strict::MAX_DEPTH && !strict::is_shallow(document) {
            return Err(Status::unprocessable());
        }
        Ok(())
    }

    /// The texts of strict decoding: unknown and repeated fields of the operations.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The texts of strict decoding, owned.
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// Whether the patch touches a field or something below it, such as `/metadata/resourceVersion`.
    pub fn touches(&self, pointer: &str) -> bool {
        self.operations.iter().flatten().any(|op| {
            let path = op.path().as_str();
            path == pointer || path.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// Testing for `null` holds where there is nothing, as long as the parent is there.
fn tests_absence(document: &Value, op: &TestOperation) -> bool {
    let path = op.path.as_str();
    op.value.is_null()
        && document.pointer(path).is_none()
        && path.rsplit_once('/').is_some_and(|(parent, _)| document.pointer(parent).is_some_and(Value::is_object))
}

fn operation(mut fields: Map<String, Value>) -> Option<PatchOperation> {
    let pointer = |fields: &Map<String, Value>, name: &str| PointerBuf::parse(fields.get(name)?.as_str()?).ok();
    let kind = fields.get("op")?.as_str()?.to_owned();
    let path = pointer(&fields, "path")?;
    // Kubernetes takes a missing value for null.
    let value = fields.remove("value").unwrap_or_default();
    Some(match kind.as_str() {
        "add" => PatchOperation::Add(AddOperation { path, value }),
        "remove" => PatchOperation::Remove(RemoveOperation { path }),
        "replace" => PatchOperation::Replace(ReplaceOperation { path, value }),
        "move" => PatchOperation::Move(MoveOperation { from: pointer(&fields, "from")?, path }),
        "copy" => PatchOperation::Copy(CopyOperation { from: pointer(&fields, "from")?, path }),
        "test" => PatchOperation::Test(TestOperation { path, value }),
        _ => return None,
    })
}

/// The number of bytes of a value's compact JSON, without building it.
fn encoded_len(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn apply(document: &Value, patch: &Value) -> Result<Value, u16> {
        let mut document = document.clone();
        let patch = JsonPatch::parse(patch.to_string().as_bytes()).map_err(|s| s.code)?;
        patch.apply(&mut document).map_err(|s| s.code)?;
        Ok(document)
    }

    #[test]
    fn operations_do_what_the_rfc_says() {
        let document = json!({"a": {"b": [1, 2]}, "c~/d": 0});
        for (name, patch, want) in [
            (
                "add a field",
                json!([{"op": "add", "path": "/x", "value": 1}]),
                Ok(json!({"a": {"b": [1, 2]}, "c~/d": 0, "x": 1})),
            ),
            (
                "insert",
                json!([{"op": "add", "path": "/a/b/1", "value": 9}]),
                Ok(json!({"a": {"b": [1, 9, 2]}, "c~/d": 0})),
            ),
            (
                "append",
                json!([{"op": "add", "path": "/a/b/-", "value": 9}]),
                Ok(json!({"a": {"b": [1, 2, 9]}, "c~/d": 0})),
            ),
            ("remove escaped", json!([{"op": "remove", "path": "/c~0~1d"}]), Ok(json!({"a": {"b": [1, 2]}}))),
            ("replace", json!([{"op": "replace", "path": "/a", "value": {}}]), Ok(json!({"a": {}, "c~/d": 0}))),
            (
                "move",
                json!([{"op": "move", "from": "/a/b", "path": "/b"}]),
                Ok(json!({"a": {}, "b": [1, 2], "c~/d": 0})),
            ),
            (
                "copy",
                json!([{"op": "copy", "from": "/a/b", "path": "/a/c"}]),
                Ok(json!({"a": {"b": [1, 2], "c": [1, 2]}, "c~/d": 0})),
            ),
            ("test", json!([{"op": "test", "path": "/a/b/0", "value": 1}]), Ok(document.clone())),
            ("test for nothing", json!([{"op": "test", "path": "/a/x", "value": null}]), Ok(document.clone())),
            ("failed test", json!([{"op": "test", "path": "/a/b/0", "value": 2}]), Err(422)),
            ("test below nothing", json!([{"op": "test", "path": "/x/y", "value": null}]), Err(422)),
            ("missing parent", json!([{"op": "add", "path": "/x/y", "value": 1}]), Err(422)),
            ("missing field", json!([{"op": "remove", "path": "/x"}]), Err(422)),
            ("replace nothing", json!([{"op": "replace", "path": "/x", "value": 1}]), Err(422)),
            ("index beyond the end", json!([{"op": "add", "path": "/a/b/3", "value": 1}]), Err(422)),
            ("into itself", json!([{"op": "move", "from": "/a", "path": "/a/b/0"}]), Err(422)),
            ("unknown kind", json!([{"op": "frob", "path": "/x"}]), Err(422)),
            ("no pointer", json!([{"op": "add", "path": "x", "value": 1}]), Err(422)),
            ("no list", json!({}), Err(400)),
            ("no object", json!([1]), Err(400)),
            ("nothing", json!([]), Ok(document.clone())),
        ] {
            assert_eq!(apply(&document, &patch), want, "{name}");
        }
    }

    #[test]
    fn limits_are_kubernetes() {
        let many = vec![json!({"op": "test", "path": "", "value": {}}); MAX_OPERATIONS + 1];
        let status = JsonPatch::parse(Value::from(many).to_string().as_bytes()).expect_err("too many");
        assert_eq!(status.code, 413);
        assert_eq!(
            status.message,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
        );
        let document = json!({"a": "x".repeat(1024 * 1024)});
        let copies = |n: usize| Value::from(vec![json!({"op": "copy", "from": "/a", "path": "/b"}); n]);
        assert!(apply(&document, &copies(2)).is_ok());
        assert_eq!(apply(&document, &copies(3)), Err(422));
    }

    #[test]
    fn patches_cannot_nest_without_bound() {
        let wrap = [
            json!({"op": "add", "path": "/x", "value": {}}),
            json!({"op": "move", "from": "/a", "path": "/x/a"}),
            json!({"op": "move", "from": "/x", "path": "/a"}),
        ];
        let times = |n: usize| Value::from(wrap.iter().cycle().take(3 * n).cloned().collect::<Vec<_>>());
        assert!(apply(&json!({"a": {}}), &times(100)).is_ok());
        assert_eq!(apply(&json!({"a": {}}), &times(200)), Err(422));
        assert_eq!(apply(&json!({"a": {}}), &times(3000)), Err(422));
        let copy = vec![json!({"op": "copy", "from": "/a", "path": "/a/b"}); 900];
        assert_eq!(apply(&json!({"a": {}}), &Value::from(copy)), Err(422));
    }

    #[test]
    fn strictness_names_fields_of_operations() {
        let patch = br#"[{"op":"add","path":"/a","value":1,"foo":2,"path":"/b"}]"#;
        let patch = JsonPatch::parse(patch).expect("a patch");
        assert_eq!(
            patch.warnings(),
            [r#"json patch duplicate field "[0].path""#, r#"json patch unknown field "[0].foo""#]
        );
        assert!(patch.touches("/b"));
        assert!(!patch.touches("/a"));
    }

    #[test]
    fn refusals_name_what_was_sent() {
        let status = JsonPatch::parse(b"{}").expect_err("no list");
        let want = "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
        assert_eq!(status.message, want);
    }

    fn pointer() -> impl Strategy<Value = String> {
        prop::collection::vec(prop_oneof!["[a-c]", "[0-2]", Just("-".to_owned())], 0..4)
            .prop_map(|parts| parts.iter().map(|p| format!("/{p}")).collect())
    }

    fn operation() -> impl Strategy<Value = Value> {
        let value = prop_oneof![Just(json!({})), Just(json!([1])), Just(json!({"a": [{"b": 2}]})), Just(Value::Null)];
        ("add|remove|replace|move|copy|test|x", pointer(), pointer(), value)
            .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
    }

    proptest! {
        #[test]
        fn no_patch_panics(operations in prop::collection::vec(operation(), 0..8)) {
            let _ = apply(&json!({"a": {"b": [1, {"c": 2}]}, "c": []}), &Value::from(operations));
        }
    }
}
