//! JSON from the outside: decoding with a bound on depth, errors in Go's words, and fields given twice.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::text;
use crate::walk;

/// Objects and lists may be nested this deep; deeper documents are refused (Go refuses beyond 10,000, with stacks that
/// grow; ours are 2 MiB, and freeing a value recurses too). Everything that walks an object may recurse,
/// because none is deeper than this.
pub const MAX_DEPTH: usize = 127;

/// Kubernetes names at most this many repeated fields.
const MAX_DUPLICATES: usize = 100;

/// A decoded document.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The document; of a field given twice it holds the last value.
    pub value: Value,
    /// One text for each field given twice, in document order: `duplicate field "spec.bar"`.
    pub duplicates: Vec<String>,
}

/// Decodes one JSON document.
///
/// Integers are kept exactly when they fit 64 bits with sign and become floating-point numbers otherwise. A number that
/// is whole but written with a fraction or an exponent stays a floating-point number until it is stored ([`crate::json`]).
///
/// # Errors
/// What is wrong, in Go's words where Go refuses the document too: `invalid character '}' looking for beginning of value`.
pub fn decode(bytes: &[u8]) -> Result<Value, String> {
    parse(bytes).map(|(value, _)| value)
}

/// Decodes one JSON document as [`decode`] does, and names the fields that are given twice.
///
/// # Errors
/// As [`decode`].
pub fn decode_strict(bytes: &[u8]) -> Result<Decoded, String> {
    let (value, repeated) = parse(bytes)?;
    // Only documents with a repeated field, which are rare, are read again to find its path.
    let duplicates = if repeated { duplicates(bytes) } else { Vec::new() };
    Ok(Decoded { value, duplicates })
}

/// The document, and whether it gives a field twice.
fn parse(bytes: &[u8]) -> Result<(Value, bool), String> {
    let notes = Notes::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let result =
        Building { notes: &notes }.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match result {
        // The parser reads `-0`, which is an integer, as it reads `-0.0`.
        Ok(_) if notes.negative_zero.get() && whole_zeros(bytes) != bytes => parse(&whole_zeros(bytes)),
        Ok(value) => Ok((value, notes.repeated.get())),
        Err(error) => Err(complain(bytes, &error)),
    }
}

fn complain(bytes: &[u8], error: &serde_json::Error) -> String {
    if let Some(complaint) = crate::strict_syntax::complaint(bytes) {
        return complaint;
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return format!("invalid UTF-8 at byte {}", error.valid_up_to());
    }
    match huge_number(bytes, error) {
        Some(number) => format!("json: cannot unmarshal number {number} into Go value of type float64"),
        // What Go accepts and we do not: halves of surrogate pairs.
        None => error.to_string(),
    }
}

/// The number at which decoding stopped, when it stopped at one: it is beyond a float's range then.
fn huge_number<'a>(bytes: &'a [u8], error: &serde_json::Error) -> Option<&'a str> {
    let line = bytes.split(|b| *b == b'\n').nth(error.line().checked_sub(1)?)?;
    let inside = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let at = error.column().min(line.len());
    let start = at - line[..at].iter().rev().take_while(|b| inside(b)).count();
    let end = at + line[at..].iter().take_while(|b| inside(b)).count();
    std::str::from_utf8(&line[start..end]).ok().filter(|number| number.contains(|c: char| c.is_ascii_digit()))
}

/// A document whose integers `-0` are `0`.
fn whole_zeros(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut in_text) = (bytes.to_vec(), false);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            b'-' if !in_text && bytes.get(at + 1) == Some(&b'0') => {
                let after_exponent = at > 0 && matches!(bytes[at - 1], b'e' | b'E');
                let goes_on = matches!(bytes.get(at + 2), Some(b'.' | b'e' | b'E' | b'0'..=b'9'));
                if !after_exponent && !goes_on {
                    out[at] = b' ';
                }
            }
            _ => {}
        }
        at += 1;
    }
    out
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A stored document: written by this program, so that nothing is to be complained about.
///
/// # Errors
/// When it is not JSON after all.
pub fn stored(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    Building { notes: &Notes::default() }.deserialize(&mut serde_json::Deserializer::from_slice(bytes))
}

/// What was noticed on the way through a document.
#[derive(Default)]
struct Notes {
    /// A field is given twice.
    repeated: Cell<bool>,
    negative_zero: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Building<'a> {
    notes: &'a Notes,
}

impl<'de> DeserializeSeed<'de> for Building<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Building<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        #[allow(clippy::cast_precision_loss)]
        Ok(i64::try_from(value).map_or_else(|_| float(value as f64), Value::from))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if value == 0.0 && value.is_sign_negative() {
            self.notes.negative_zero.set(true);
        }
        Ok(float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.insert(key, entries.next_value_seed(self)?).is_some() {
                self.notes.repeated.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}

/// The fields that a document gives twice, each once: `duplicate field "spec.bar"`. Stops at the first syntax error.
pub fn duplicates(bytes: &[u8]) -> Vec<String> {
    let (mut duplicates, mut seen) = (Vec::new(), HashSet::new());
    walk::fields(bytes, |path, repeated| {
        if repeated && duplicates.len() < MAX_DUPLICATES && seen.insert(path.to_owned()) {
            duplicates.push(format!("duplicate field {}", text::quote(path)));
        }
    });
    duplicates
}

/// Whether Go's decoder would take the bytes for one JSON document, however deep. Runs in one pass and constant stack.
pub fn is_well_formed(bytes: &[u8]) -> bool {
    crate::strict_syntax::complaint_within(bytes, usize::MAX).is_none()
}

/// Whether a document is nested no deeper than [`MAX_DEPTH`]. It needs at most that much stack.
pub fn is_shallow(value: &Value) -> bool {
    depth_within(value, MAX_DEPTH).is_some()
}

/// How deep objects and lists are nested, if no deeper than `limit`; a scalar has depth 0.
pub(crate) fn depth_within(value: &Value, limit: usize) -> Option<usize> {
    let deepest = |inner: Option<usize>, next: &Value| Some(inner?.max(depth_within(next, limit.checked_sub(1)?)?));
    match value {
        Value::Array(items) => {
            let inner = items.iter().fold(Some(0), deepest)? + 1;
            (inner <= limit).then_some(inner)
        }
        Value::Object(map) => {
            let inner = map.values().fold(Some(0), deepest)? + 1;
            (inner <= limit).then_some(inner)
        }
        _ => Some(0),
    }
}

/// The beginning of a body as error messages show it: text when it looks like JSON, hexadecimal digits otherwise.
pub fn summarize(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let head = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => head.iter().map(|b| format!("{b:02x}")).collect::<String>() + more,
    }
}

/// The message of the 400 for a body of which not even the kind can be read.
pub fn unrecognized(kind: &str, error: &str, body: &[u8]) -> String {
    let summary = summarize(body);
    format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error} \
         ({summary})"
    )
}

/// The message of the 400 for an object that names its kind and still cannot be read as that kind.
pub fn cannot_be_handled(kind: &str, version: &str, error: &str) -> String {
    format!("{kind} in version {} cannot be handled as a {kind}: {error}", text::quote(version))
}

/// The message of a strict decoding that found `errors`; it goes into [`cannot_be_handled`].
pub fn strict_error<S: AsRef<str>>(errors: &[S]) -> String {
    let errors: Vec<&str> = errors.iter().map(AsRef::as_ref).collect();
    format!("strict decoding error: {}", errors.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_kept_as_kubernetes_keeps_them() {
        for (text, want) in [
            ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808.0)),
            ("1.0", json!(1.0)),
            ("-0", json!(0)),
            ("[-0,-0.0,1e-0,\"-0\\\"-0\"]", json!([0, -0.0, 1.0, "-0\"-0"])),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("1e300", json!(1e300)),
        ] {
            assert_eq!(decode(text.as_bytes()), Ok(want), "{text}");
        }
    }

    #[test]
    fn repeated_fields_are_named_and_the_last_one_holds() {
        for (text, want) in [
            (r#"{"a":1}"#, vec![]),
            (r#"{"a":1,"a":2}"#, vec![r#"duplicate field "a""#]),
            (r#"{"spec":{"bar":1,"bar":2,"bar":3}}"#, vec![r#"duplicate field "spec.bar""#]),
            (
                r#"{"a":{"l":[{},{"x":1,"x":2}]},"b":1,"b":{"c":1,"c":2}}"#,
                vec![r#"duplicate field "a.l[1].x""#, r#"duplicate field "b""#, r#"duplicate field "b.c""#],
            ),
            (r#"[{"op":1,"op":2}]"#, vec![r#"duplicate field "[0].op""#]),
            (r#"{"x":[[{"a":1,"a":1}]]}"#, vec![r#"duplicate field "x[0][0].a""#]),
        ] {
            assert_eq!(decode_strict(text.as_bytes()).expect(text).duplicates, want, "{text}");
        }
        assert_eq!(decode(br#"{"a":1,"a":{"b":2}}"#), Ok(json!({"a": {"b": 2}})));
    }

    #[test]
    fn documents_are_refused_in_gos_words() {
        for (text, want) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("{\"a\":1} x", "invalid character 'x' after top-level value"),
            ("{]", "invalid character ']' looking for beginning of object key string"),
            ("tru", "invalid character ' ' in literal true (expecting 'e')"),
            ("1e400", "json: cannot unmarshal number 1e400 into Go value of type float64"),
            ("[1,\n -1e999, 2]", "json: cannot unmarshal number -1e999 into Go value of type float64"),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(want.to_owned()), "{text}");
        }
        assert_eq!(decode(b"{\"a\":\"\xff\"}"), Err("invalid UTF-8 at byte 6".to_owned()));
    }

    #[test]
    fn deep_documents_are_refused_without_overflow() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(decode(nested(MAX_DEPTH).as_bytes()).is_ok_and(|v| is_shallow(&v)));
        let error = Err("invalid character '[' exceeded max depth".to_owned());
        assert_eq!(decode(nested(MAX_DEPTH + 1).as_bytes()), error);
        assert_eq!(decode("[".repeat(3_000_000).as_bytes()), error);
        assert!(decode("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
        assert!(!is_shallow(&json!([decode(nested(MAX_DEPTH).as_bytes()).expect("just shallow enough")])));
    }

    #[test]
    fn bodies_are_summarised_in_messages() {
        assert_eq!(summarize(b""), "<empty>");
        assert_eq!(summarize(b"{\"a\""), "{\"a\"");
        assert_eq!(summarize(b"ab"), "6162");
        assert_eq!(summarize(&[b'{'; 40]), format!("{} ...", "{".repeat(30)));
        assert_eq!(
            cannot_be_handled("ConfigMap", "v1", &strict_error(&[r#"unknown field "x""#, r#"unknown field "y""#])),
            r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "x", unknown field "y""#
        );
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_read_alike(text in "[\\[\\]{}:,\"a1 .e-]{0,20}") {
            let ours = decode(text.as_bytes());
            let serde: Result<Value, _> = serde_json::from_str(&text);
            prop_assert_eq!(ours.is_ok(), serde.is_ok());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode_strict(&bytes);
            let _ = duplicates(&bytes);
            let _ = summarize(&bytes);
        }
    }
}
