//! YAML bodies: read into the same values JSON is read into.

mod compose;
mod scalar;

use kcp_apimachinery::status::Status;
use kcp_apimachinery::strict;
use serde_json::Value;

/// How complaints about repeated keys begin; a line each follows.
pub const COMPLAINT: &str = "yaml: unmarshal errors:\n";

/// Decodes the first document of a YAML body. Repeated keys are complained about; the last one counts.
///
/// # Errors
/// 400 for text that is not YAML, or that aliases make larger than anybody writes by hand.
pub fn decode(body: &[u8], kind: &str) -> Result<(Value, Vec<String>), Status> {
    read(body).map_err(|text| {
        let summary = strict::summarize(body);
        Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {text} ({summary})"))
    })
}

/// The same, with what is wrong as a text.
pub fn read(body: &[u8]) -> Result<(Value, Vec<String>), String> {
    let text = std::str::from_utf8(body).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    let document = compose::compose(text)?;
    // The same bound as JSON has, within which everything may recurse.
    if !strict::is_shallow(&document.value) {
        return Err("yaml: exceeded max depth".to_owned());
    }
    let lines = document.repeated;
    let complaints = if lines.is_empty() { Vec::new() } else { vec![format!("{COMPLAINT}{}", lines.join("\n"))] };
    Ok((document.value, complaints))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decode_map(body: &[u8]) -> Result<(Value, Vec<String>), Status> {
        decode(body, "ConfigMap")
    }

    #[test]
    fn yaml_reads_as_json_would() {
        let (value, complaints) = decode_map(b"a: 1\nb: [x, 1.5, true, null]\nc: {d: '2'}\n").unwrap();
        assert_eq!(value, json!({"a": 1, "b": ["x", 1.5, true, null], "c": {"d": "2"}}));
        assert!(complaints.is_empty());
    }

    #[test]
    fn a_repeated_key_is_complained_about_and_the_last_counts() {
        let (value, complaints) = decode_map(b"a: 1\na: 2\n").unwrap();
        assert_eq!(value, json!({"a": 2}));
        assert_eq!(complaints, ["yaml: unmarshal errors:\n  line 2: key \"a\" already set in map"]);

        let (value, complaints) = decode_map(b"y: 1\nyes: 2\n1: a\n0x1: b\n").unwrap();
        assert_eq!(value, json!({"true": 2, "1": "b"}));
        let lines = "  line 2: key true already set in map\n  line 4: key 1 already set in map";
        assert_eq!(complaints, [format!("{COMPLAINT}{lines}")]);
    }

    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        let (value, _) = decode_map(b"on: [yes, 'yes', 010, 1e3, 1e20, -0.0, !!str 5, ~]\n? y\n: {0x10: a}\n").unwrap();
        assert_eq!(value, json!({"true": {"16": "a"}}));
        let (value, _) = decode_map(b"a: [yes, 'yes', 010, 1e3, 1e20, -0.0, !!str 5, !x 5, ~]\n").unwrap();
        assert_eq!(value, json!({"a": [true, "yes", 8, 1000, 1e20, 0, "5", "5", null]}));
    }

    #[test]
    fn mappings_are_merged() {
        let (value, complaints) = decode_map(b"a: &x {b: 1, c: 1}\nd:\n  <<: *x\n  e: 2\n").unwrap();
        assert_eq!(value["d"], json!({"b": 1, "c": 1, "e": 2}));
        assert!(complaints.is_empty());
        let (value, _) = decode_map(b"a: {<<: [{b: 1}, {b: 2, c: 3}]}\n").unwrap();
        assert_eq!(value["a"], json!({"b": 1, "c": 3}));
        assert_eq!(decode_map(b"a: {<<: 5}").unwrap_err().code, 400);
    }

    #[test]
    fn the_first_document_counts() {
        assert_eq!(decode_map(b"a: 1\n---\nb: 2\n").unwrap().0, json!({"a": 1}));
        assert_eq!(decode_map(b"").unwrap().0, json!(null));
    }

    #[test]
    fn deep_documents_are_refused() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(decode_map(nested(30).as_bytes()).is_ok());
        assert_eq!(decode_map(nested(200).as_bytes()).unwrap_err().code, 400);
        assert_eq!(decode_map(nested(100_000).as_bytes()).unwrap_err().code, 400);
        let aliases = (1..200).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect::<String>();
        assert_eq!(decode_map(format!("a0: &a0 [1]\n{aliases}").as_bytes()).unwrap_err().code, 400);
    }

    #[test]
    fn aliases_of_aliases_are_refused_before_they_unfold() {
        let nine = |name: &str| [name; 9].join(",");
        let levels = (1..12).map(|i| format!("a{i}: &a{i} [{}]\n", nine(&format!("*a{}", i - 1)))).collect::<String>();
        let refused = decode_map(format!("a0: &a0 [{}]\n{levels}", nine("x")).as_bytes()).unwrap_err();
        assert_eq!(refused.code, 400);
    }

    #[test]
    fn what_is_not_yaml_is_refused() {
        assert_eq!(decode_map(b"a: [").unwrap_err().code, 400);
        assert_eq!(decode_map(b"\xff").unwrap_err().code, 400);
        assert_eq!(read(b"a: .inf"), Err("json: unsupported value: +Inf".to_owned()));
        assert!(read(b"~: 1").unwrap_err().starts_with("unsupported map key of type"));
        assert!(read(b"a: &x [*x]").unwrap_err().contains("contains itself"));
    }
}
