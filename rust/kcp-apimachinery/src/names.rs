//! Which names are legal, and how Kubernetes says that one is not.
//!
//! Each check returns the complaints, none for a legal name; a legal name costs no allocation.

use std::fmt;
use std::sync::Arc;

/// Longest DNS-1123 or DNS-1035 label, and longest label name and value.
pub const LABEL_MAX: usize = 63;
/// Longest DNS-1123 subdomain, and longest key of a ConfigMap or Secret.
pub const SUBDOMAIN_MAX: usize = 253;

/// A rule for names of one kind. The flag says that the name is a `generateName` prefix, to which characters are added.
pub type NameFn = fn(&str, bool) -> Vec<String>;

const LABEL_RE: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_RE: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const DNS1035_RE: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_RE: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE_RE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY_RE: &str = "[-._a-zA-Z0-9]+";

/// The complaint that a value does not match a pattern, with examples of values that do.
pub fn regex_error(message: &str, pattern: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{pattern}')");
    }
    let mut out = format!("{message} (e.g. ");
    for (i, example) in examples.iter().enumerate() {
        if i > 0 {
            out.push_str(" or ");
        }
        out.push('\'');
        out.push_str(example);
        // The comma stands before every "or" as well; clients compare the text.
        out.push_str("', ");
    }
    out.push_str("regex used for validation is '");
    out.push_str(pattern);
    out.push_str("')");
    out
}

fn too_long(max: usize, unit: &str) -> String {
    format!("must be no more than {max} {unit}")
}

fn is_lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// `first middle* last` over bytes, where the whole may be one byte that is both first and last.
fn spans(text: &[u8], first: fn(u8) -> bool, middle: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    match text {
        [] => false,
        [only] => first(*only),
        [head, inner @ .., tail] => first(*head) && last(*tail) && inner.iter().all(|b| middle(*b)),
    }
}

fn label_shape(text: &[u8]) -> bool {
    spans(text, is_lower_alnum, |b| is_lower_alnum(b) || b == b'-', is_lower_alnum)
}

fn subdomain_shape(text: &str) -> bool {
    text.as_bytes().split(|b| *b == b'.').all(label_shape)
}

fn qualified_shape(text: &str) -> bool {
    spans(
        text.as_bytes(),
        |b| b.is_ascii_alphanumeric(),
        |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'),
        |b| b.is_ascii_alphanumeric(),
    )
}

fn subdomain_complaints(value: &str, unit: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(too_long(SUBDOMAIN_MAX, unit));
    }
    if !subdomain_shape(value) {
        errors.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
             and end with an alphanumeric character",
            SUBDOMAIN_RE,
            &["example.com"],
        ));
    }
    errors
}

/// DNS-1123 subdomain: the default for names of objects.
pub fn is_dns1123_subdomain(value: &str) -> Vec<String> {
    subdomain_complaints(value, "characters")
}

/// DNS-1123 label: names of namespaces.
pub fn is_dns1123_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX, "characters"));
    }
    if !label_shape(value.as_bytes()) {
        errors.push(if subdomain_shape(value) {
            "must not contain dots".to_owned()
        } else {
            regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                 end with an alphanumeric character",
                LABEL_RE,
                &["my-name", "123-abc"],
            )
        });
    }
    errors
}

/// DNS-1035 label: names of services, of CRD versions and of a CRD's plural.
pub fn is_dns1035_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX, "characters"));
    }
    if !spans(value.as_bytes(), |b| b.is_ascii_lowercase(), |b| is_lower_alnum(b) || b == b'-', is_lower_alnum) {
        errors.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            DNS1035_RE,
            &["my-name", "abc-123"],
        ));
    }
    errors
}

/// A name that only has to be one segment of a path: RBAC kinds, hence `system:node`.
pub fn path_segment_name(value: &str) -> Vec<String> {
    if value == "." || value == ".." {
        return vec![format!("may not be '{value}'")];
    }
    path_segment_prefix(value)
}

/// The beginning of a name that has to be one segment of a path.
pub fn path_segment_prefix(value: &str) -> Vec<String> {
    ["/", "%"].into_iter().filter(|c| value.contains(c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// A key of a ConfigMap's or Secret's data.
pub fn config_map_key(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(too_long(SUBDOMAIN_MAX, "characters"));
    }
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if value.is_empty() || !value.as_bytes().iter().all(legal) {
        errors.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            CONFIG_KEY_RE,
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    if value == "." || value == ".." {
        errors.push(format!("must not be '{value}'"));
    } else if value.starts_with("..") {
        errors.push("must not start with '..'".to_owned());
    }
    errors
}

/// A label key, `[prefix/]name`; finalizers and annotation keys are checked by the same rule.
pub fn qualified_name(value: &str) -> Vec<String> {
    const MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                           alphanumeric character";
    const EXAMPLES: &[&str] = &["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let name = match value.split_once('/') {
        None => value,
        Some((_, name)) if name.contains('/') => {
            let shape = regex_error(MESSAGE, QUALIFIED_RE, EXAMPLES);
            errors.push(format!(
                "a valid label key {shape} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return errors;
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(subdomain_complaints(prefix, "bytes").into_iter().map(|e| format!("prefix part {e}")));
            }
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part {}", too_long(LABEL_MAX, "bytes")));
    }
    if !qualified_shape(name) {
        errors.push(format!("name part {}", regex_error(MESSAGE, QUALIFIED_RE, EXAMPLES)));
    }
    errors
}

/// A label's value: empty, or like the name part of a key.
pub fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX, "bytes"));
    }
    if !value.is_empty() && !qualified_shape(value) {
        errors.push(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character",
            LABEL_VALUE_RE,
            &["MyValue", "my_value", "12345"],
        ));
    }
    errors
}

/// [`NameFn`] of DNS-1123 subdomains.
pub fn subdomain_name(name: &str, prefix: bool) -> Vec<String> {
    masked(name, prefix, is_dns1123_subdomain)
}

/// [`NameFn`] of DNS-1123 labels.
pub fn label_name(name: &str, prefix: bool) -> Vec<String> {
    masked(name, prefix, is_dns1123_label)
}

/// [`NameFn`] of DNS-1035 labels.
pub fn dns1035_name(name: &str, prefix: bool) -> Vec<String> {
    masked(name, prefix, is_dns1035_label)
}

/// [`NameFn`] of path segments.
pub fn path_name(name: &str, prefix: bool) -> Vec<String> {
    if prefix { path_segment_prefix(name) } else { path_segment_name(name) }
}

/// Checks a name, or a prefix of one, which may end in a dash because characters follow: it is checked with the dash and
/// the character before it replaced.
pub fn masked(name: &str, prefix: bool, check: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    match name.as_bytes() {
        [kept @ .., last, b'-'] if prefix && last.is_ascii() => check(&format!("{}a", &name[..kept.len()])),
        _ => check(name),
    }
}

/// Names one logical cluster, or a path to one: `root`, `system:admin`, `root:org:team`.
///
/// Only text that is safe in URLs and storage keys can become one: words of lower-case letters, digits and dashes,
/// joined by `:`. The wildcard `*` is not a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogicalClusterName(Arc<str>);

/// Longest accepted name or path of a logical cluster, in bytes.
pub const CLUSTER_PATH_MAX: usize = 2048;

/// A text that cannot name a logical cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid cluster: {} does not match the regex", crate::text::quote(&self.0))]
pub struct InvalidClusterName(pub String);

impl LogicalClusterName {
    /// Reads a name or path.
    ///
    /// # Errors
    /// [`InvalidClusterName`] when a word is empty, longer than 63 bytes, begins or ends with a dash or holds anything but
    /// `a-z`, `0-9` and `-`, or when the whole is longer than [`CLUSTER_PATH_MAX`].
    pub fn parse(text: &str) -> Result<Self, InvalidClusterName> {
        let legal = text.len() <= CLUSTER_PATH_MAX
            && text.as_bytes().split(|b| *b == b':').all(|word| word.len() <= LABEL_MAX && label_shape(word));
        if legal {
            return Ok(Self(Arc::from(text)));
        }
        // A hostile megabyte is not repeated to its sender.
        Err(InvalidClusterName(text.chars().take(256).collect()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the server's own clusters, `system:…`; such a text is one name, never a path.
    pub fn is_system(&self) -> bool {
        self.0.starts_with("system:")
    }

    /// Whether this is a path of several words, which has to be resolved to a name before it may touch storage.
    pub fn is_path(&self) -> bool {
        self.0.contains(':') && !self.is_system()
    }

    /// The path without its last word, and that word; `None` for a single name.
    pub fn split_last(&self) -> Option<(Self, &str)> {
        if !self.is_path() {
            return None;
        }
        self.0.rsplit_once(':').map(|(parent, name)| (Self(Arc::from(parent)), name))
    }
}

impl fmt::Display for LogicalClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for LogicalClusterName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for LogicalClusterName {
    type Err = InvalidClusterName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBDOMAIN: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    const KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

    fn long(n: usize) -> String {
        "a".repeat(n)
    }

    #[test]
    fn subdomains_are_checked() {
        for good in ["a", "a.b", "1-2.c", &long(253)] {
            assert!(is_dns1123_subdomain(good).is_empty(), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a/b", "é", "a\0"] {
            assert_eq!(is_dns1123_subdomain(bad), [SUBDOMAIN], "{bad:?}");
        }
        assert_eq!(is_dns1123_subdomain(&long(254)), ["must be no more than 253 characters"]);
    }

    #[test]
    fn labels_are_checked() {
        assert!(is_dns1123_label("my-name").is_empty());
        assert_eq!(is_dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(is_dns1123_label("A"), [LABEL]);
        assert_eq!(is_dns1123_label(&long(64)), ["must be no more than 63 characters"]);
        assert!(is_dns1035_label("v1").is_empty());
        assert_eq!(is_dns1035_label("1v").len(), 1);
    }

    #[test]
    fn path_segments_are_checked() {
        assert!(path_segment_name("system:node").is_empty());
        assert_eq!(path_segment_name("."), ["may not be '.'"]);
        assert_eq!(path_segment_name("a/b%c"), ["may not contain '/'", "may not contain '%'"]);
        assert!(path_name("..", true).is_empty());
    }

    #[test]
    fn config_keys_are_checked() {
        assert!(config_map_key("a.B_c-1").is_empty());
        assert_eq!(config_map_key("..a"), ["must not start with '..'"]);
        assert_eq!(config_map_key(".."), ["must not be '..'"]);
        assert!(config_map_key("")[0].starts_with("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex"));
    }

    #[test]
    fn label_keys_and_values_are_checked() {
        assert!(qualified_name("example.com/My_Name").is_empty());
        assert_eq!(qualified_name("a b"), [KEY]);
        assert_eq!(qualified_name("/a"), ["prefix part must be non-empty"]);
        assert_eq!(qualified_name("a/"), ["name part must be non-empty", KEY]);
        assert_eq!(qualified_name(&long(64)), ["name part must be no more than 63 bytes"]);
        assert!(qualified_name("a/b/c")[0].starts_with("a valid label key must consist of"));
        assert_eq!(qualified_name("A/b"), [format!("prefix part {SUBDOMAIN}")]);
        assert!(label_value("").is_empty());
        assert!(label_value("-a")[0].starts_with("a valid label must be an empty string or consist of"));
    }

    #[test]
    fn prefixes_may_end_in_a_dash() {
        assert!(subdomain_name("pod-", true).is_empty());
        assert!(!subdomain_name("pod-", false).is_empty());
        assert!(!subdomain_name("-", true).is_empty());
        assert!(!label_name("é-", true).is_empty());
    }

    #[test]
    fn cluster_names_are_words_joined_by_colons() {
        for good in ["root", "r", "system:admin", "root:org:team", "1ab-c", "system:bound-crds"] {
            assert_eq!(LogicalClusterName::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", "*", "a:", ":a", "a::b", "A", "a/b", "..", "a%2fb", "a\0", "é", "-a", "a-", "system:"] {
            assert!(LogicalClusterName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(LogicalClusterName::parse(&long(64)).is_err());
        assert!(LogicalClusterName::parse(&"a:".repeat(2000)).is_err());
        let error = LogicalClusterName::parse("A").expect_err("upper case");
        assert_eq!(error.to_string(), r#"invalid cluster: "A" does not match the regex"#);
        let path = LogicalClusterName::parse("root:a:b").expect("a path");
        assert_eq!(path.split_last().map(|(p, n)| (p.to_string(), n)), Some(("root:a".to_owned(), "b")));
        assert!(LogicalClusterName::parse("system:admin").expect("a name").split_last().is_none());
    }
}
