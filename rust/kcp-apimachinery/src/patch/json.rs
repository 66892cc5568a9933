//! RFC 6902 operations, with Kubernetes' limits and its leniencies: `replace` sets a field that is missing, `copy` takes a
//! missing field for `null`, `test` finds `null` where nothing is, and negative indexes count from the end of a list.

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
    operations: Vec<Operation>,
    warnings: Vec<String>,
}

/// How refusals call a patch and its parts.
struct Words {
    prefix: &'static str,
    list: &'static str,
    item: &'static str,
}

const STRICT: Words =
    Words { prefix: "error decoding patch: ", list: "[]handlers.jsonPatchOp", item: "handlers.jsonPatchOp" };
const IGNORING: Words = Words { prefix: "", list: "jsonpatch.Patch", item: "jsonpatch.Operation" };

impl JsonPatch {
    /// Reads a patch.
    ///
    /// # Errors
    /// 400 when the bytes are no JSON list of objects, 413 when there are more than [`MAX_OPERATIONS`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        Self::parse_as(bytes, &STRICT)
    }

    /// Reads a patch for a request that asks for no validation of fields: only the words of refusals differ.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_ignoring(bytes: &[u8]) -> Result<Self, Status> {
        Self::parse_as(bytes, &IGNORING)
    }

    fn parse_as(bytes: &[u8], words: &Words) -> Result<Self, Status> {
        let bad = |what: &str, into: &str| {
            let prefix = words.prefix;
            Status::bad_request(format!("{prefix}json: cannot unmarshal {what} into Go value of type {into}"))
        };
        let decoded = super::decode(bytes)?;
        let list = match decoded.value {
            Value::Array(list) => list,
            Value::Null => Vec::new(),
            other => return Err(bad(json_type(&other), words.list)),
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
            let item = if item.is_null() { Value::Object(Map::new()) } else { item };
            let Value::Object(fields) = item else {
                return Err(bad(json_type(&item), words.item));
            };
            for unknown in fields.keys().filter(|k| !matches!(k.as_str(), "op" | "path" | "from" | "value")) {
                let path = text::quote(&format!("[{i}].{unknown}"));
                warnings.push(format!("json patch unknown field {path}"));
            }
            operations.push(Operation::new(fields));
        }
        Ok(Self { operations, warnings })
    }

    /// Applies all operations, in order.
    ///
    /// # Errors
    /// 422 when an operation cannot be applied, a test fails, `copy` adds more than [`MAX_COPIED_BYTES`], or the result
    /// is nested too deep. `document` holds the result of the operations before it then.
    pub fn apply(&self, document: &mut Value) -> Result<(), Status> {
        // Which operation failed and why Kubernetes does not tell either.
        self.run(document).ok_or_else(Status::unprocessable)
    }

    fn run(&self, document: &mut Value) -> Option<()> {
        let mut depth = strict::depth_within(document, MAX_ESTIMATED_DEPTH)?;
        let mut copied = 0;
        for Operation { kind, path, from, value } in &self.operations {
            // The depth of what is put at `path`.
            let added = match kind {
                Kind::Add => {
                    let added = strict::depth_within(value, MAX_ESTIMATED_DEPTH)?;
                    add(document, path, value.clone())?;
                    added
                }
                Kind::Replace => {
                    let added = strict::depth_within(value, MAX_ESTIMATED_DEPTH)?;
                    replace(document, path, value)?;
                    added
                }
                Kind::Copy => {
                    let (parent, key) = parent(document, from)?;
                    let source = get(parent, &key)?.unwrap_or(&Value::Null);
                    copied += encoded_len(source);
                    if copied > MAX_COPIED_BYTES {
                        return None;
                    }
                    let added = strict::depth_within(source, MAX_ESTIMATED_DEPTH)?;
                    let copy = source.clone();
                    add(document, path, copy)?;
                    added
                }
                Kind::Move => {
                    let moved = remove(document, from)?;
                    add(document, path, moved)?;
                    // It reaches no deeper than the document did, measured from where it was taken.
                    depth.saturating_sub(steps(from))
                }
                Kind::Remove => {
                    remove(document, path)?;
                    continue;
                }
                Kind::Test => {
                    test(document, path, value)?;
                    continue;
                }
                Kind::Unknown => return None,
            };
            depth = depth.max(steps(path) + added);
            if depth > MAX_ESTIMATED_DEPTH {
                return None;
            }
        }
        (depth <= strict::MAX_DEPTH || strict::is_shallow(document)).then_some(())
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
        self.operations.iter().any(|Operation { path, .. }| {
            path == pointer || path.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// Whether what stands at a pointer, above it or below it matters to the patch.
    pub fn concerns(&self, pointer: &str) -> bool {
        let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let concerns = |path: &str| {
            // What stands before the first slash is ignored when the patch is applied, too.
            let path = path.find('/').map_or("", |start| &path[start..]);
            below(path, pointer) || below(pointer, path)
        };
        self.operations.iter().any(|operation| {
            let moves = matches!(operation.kind, Kind::Move | Kind::Copy);
            concerns(&operation.path) || moves && concerns(&operation.from)
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
    /// Cannot be applied to anything: the patch is read, and fails when it comes to this operation.
    Unknown,
}

#[derive(Clone, Debug)]
struct Operation {
    kind: Kind,
    path: String,
    from: String,
    value: Value,
}

impl Operation {
    fn new(mut fields: Map<String, Value>) -> Self {
        let mut take = |name| fields.remove(name).unwrap_or_default();
        // A field of the wrong type is as good as none: a pointer to nowhere, an unknown kind.
        let text = |value| if let Value::String(text) = value { text } else { String::new() };
        let kind = match text(take("op")).as_str() {
            "add" => Kind::Add,
            "remove" => Kind::Remove,
            "replace" => Kind::Replace,
            "move" => Kind::Move,
            "copy" => Kind::Copy,
            "test" => Kind::Test,
            _ => Kind::Unknown,
        };
        Self { kind, path: text(take("path")), from: text(take("from")), value: take("value") }
    }
}

/// How many steps a pointer takes from the root.
fn steps(pointer: &str) -> usize {
    pointer.matches('/').count()
}

fn unescape(step: &str) -> String {
    // In this order `~01` becomes `~1`.
    step.replace("~1", "/").replace("~0", "~")
}

/// The object or list that holds what the pointer points to, and the last step to it. `None` when there is no such
/// object or list, and for the pointer to the whole document.
fn parent<'a>(document: &'a mut Value, pointer: &str) -> Option<(&'a mut Value, String)> {
    // What stands before the first slash Kubernetes ignores.
    let (_, path) = pointer.split_once('/')?;
    let mut steps = path.split('/');
    let last = unescape(steps.next_back()?);
    let mut place = document;
    for step in steps {
        let step = unescape(step);
        place = match place {
            Value::Object(map) => map.get_mut(&step)?,
            Value::Array(list) => {
                let at = index(&step, list.len())?;
                list.get_mut(at)?
            }
            _ => return None,
        };
    }
    (place.is_object() || place.is_array()).then_some((place, last))
}

/// The place that `step` means in a list of `len` places; the last place counts as -1.
fn index(step: &str, len: usize) -> Option<usize> {
    let at: i64 = step.parse().ok()?;
    let at = if at < 0 { at.checked_add(i64::try_from(len).ok()?)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// What stands at `step`: `Some(None)` for a field that an object lacks, `None` for a place that a list lacks.
fn get<'a>(parent: &'a Value, step: &str) -> Option<Option<&'a Value>> {
    match parent {
        Value::Object(map) => Some(map.get(step)),
        Value::Array(list) => list.get(index(step, list.len())?).map(Some),
        _ => None,
    }
}

fn add(document: &mut Value, pointer: &str, value: Value) -> Option<()> {
    let (parent, step) = parent(document, pointer)?;
    match parent {
        Value::Object(map) => {
            map.insert(step, value);
        }
        Value::Array(list) if step == "-" => list.push(value),
        // One more place than there are: behind the last.
        Value::Array(list) => list.insert(index(&step, list.len() + 1)?, value),
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, step) = parent(document, pointer)?;
    match parent {
        Value::Object(map) => map.remove(&step),
        Value::Array(list) => Some(list.remove(index(&step, list.len())?)),
        _ => None,
    }
}

fn replace(document: &mut Value, pointer: &str, value: &Value) -> Option<()> {
    if pointer.is_empty() {
        *document = (value.is_object() || value.is_array()).then(|| value.clone())?;
        return Some(());
    }
    let (parent, step) = parent(document, pointer)?;
    match parent {
        Value::Object(map) => {
            map.insert(step, value.clone());
        }
        Value::Array(list) => {
            let at = index(&step, list.len())?;
            *list.get_mut(at)? = value.clone();
        }
        _ => return None,
    }
    Some(())
}

fn test(document: &mut Value, pointer: &str, value: &Value) -> Option<()> {
    if pointer.is_empty() {
        return (document == value).then_some(());
    }
    let (parent, step) = parent(document, pointer)?;
    (get(parent, &step)?.unwrap_or(&Value::Null) == value).then_some(())
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
            (
                "replace nothing",
                json!([{"op": "replace", "path": "/x", "value": 1}]),
                Ok(json!({"a": {"b": [1, 2]}, "c~/d": 0, "x": 1})),
            ),
            ("last of a list", json!([{"op": "remove", "path": "/a/b/-1"}]), Ok(json!({"a": {"b": [1]}, "c~/d": 0}))),
            ("copy nothing", json!([{"op": "copy", "from": "/x", "path": "/a"}]), Ok(json!({"a": null, "c~/d": 0}))),
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
        let status = JsonPatch::parse_ignoring(b"{}").expect_err("no list");
        assert_eq!(status.message, "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
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
