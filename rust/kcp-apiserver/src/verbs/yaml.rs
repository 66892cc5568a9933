//! YAML bodies: read into the same values JSON is read into.

use kcp_apimachinery::status::Status;
use kcp_apimachinery::strict;
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Error, Options};

/// Events that aliases may add to a document. Documents written by hand stay far below; a few hundred bytes of aliases
/// of aliases would keep a thread busy for as long as this allows.
const REPLAYED: usize = 50_000;

/// How complaints about repeated keys begin; a line each follows.
pub const COMPLAINT: &str = "yaml: unmarshal errors:\n";

/// Decodes one YAML document. Repeated keys are complained about; the last one counts.
///
/// # Errors
/// 400 for text that is not YAML, or that expands beyond the parser's budget.
pub fn decode(body: &[u8], kind: &str) -> Result<(Value, Vec<String>), Status> {
    read(body).map_err(|text| {
        let summary = strict::summarize(body);
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): yaml: {text} ({summary})"
        ))
    })
}

/// The same, with what is wrong as a text.
pub fn read(body: &[u8]) -> Result<(Value, Vec<String>), String> {
    let text = std::str::from_utf8(body).map_err(|_| "invalid leading UTF-8 octet".to_owned())?;
    let shallow = |value: Value| {
        // The same bound as JSON has, within which everything may recurse.
        if !strict::is_shallow(&value) {
            return Err("exceeded max depth".to_owned());
        }
        // Numbers are kept as those of JSON are.
        let json = serde_json::to_vec(&value).map_err(|error| error.to_string())?;
        strict::decode(&json)
    };
    match serde_saphyr::from_str_with_options::<Value>(text, options(DuplicateKeyPolicy::Error)) {
        Ok(value) => Ok((shallow(value)?, Vec::new())),
        Err(complaint) if is_duplicate(&complaint) => {
            let value = serde_saphyr::from_str_with_options::<Value>(text, options(DuplicateKeyPolicy::LastWins))
                .map_err(|error| first_line(&error.to_string()).to_owned())?;
            Ok((shallow(value)?, vec![repeated(&complaint.to_string())]))
        }
        Err(error) => Err(first_line(&error.to_string()).to_owned()),
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        duplicate_keys: duplicate_keys,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPLAYED },
    }
}

/// Whether a repeated key is all that is wrong so far; only then is a document read a second time.
fn is_duplicate(mut error: &Error) -> bool {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    matches!(error, Error::DuplicateMappingKey { .. })
}

/// The parser's text without its place, which the messages of clients' habits do not have.
fn first_line(text: &str) -> &str {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("not a document").trim();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    match line.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => line,
    }
}

/// What is said of a key given twice: `yaml: unmarshal errors:\n  line 7: key "a" already set in map`.
fn repeated(complaint: &str) -> String {
    let after = |text: &str| complaint.split_once(text).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let line: String = after("line ").chars().take_while(char::is_ascii_digit).collect();
    let key = after("duplicate mapping key: ");
    let key = key.split(", set ").next().unwrap_or_default().lines().next().unwrap_or_default();
    format!("{COMPLAINT}  line {line}: key {key:?} already set in map")
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
        assert_eq!(complaints.len(), 1);
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
    }
}
