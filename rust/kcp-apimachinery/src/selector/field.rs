//! Field selectors: `metadata.name=x,status.phase!=Running`.

use std::borrow::Cow;
use std::fmt;

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The field's label, such as `metadata.name`.
    pub field: String,
    /// Whether the field must have another value than `value`.
    pub negated: bool,
    /// The value, unescaped.
    pub value: String,
}

/// A conjunction of requirements; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// Selects everything.
    pub const fn everything() -> Self {
        Self { requirements: Vec::new() }
    }

    /// Selects the objects whose `field` is `value`.
    pub fn equals(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self { requirements: vec![Requirement { field: field.into(), negated: false, value: value.into() }] }
    }

    /// Reads the `fieldSelector` of a request. Which fields are supported depends on the resource: see
    /// [`Selector::transform`].
    ///
    /// # Errors
    /// The message of Kubernetes' 400 for this text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|t| !t.is_empty()) {
            let (field, negated, value) =
                split_term(term).ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            let value = unescape(value)?;
            requirements.push(Requirement { field: field.to_owned(), negated, value });
        }
        Self { requirements }.transform(|field, value| Ok((field, value)))
    }

    /// Rewrites each field and value, the way a resource checks which fields it supports and renames old ones. A
    /// requirement whose field and value both become empty is dropped.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn transform<E>(self, mut f: impl FnMut(String, String) -> Result<(String, String), E>) -> Result<Self, E> {
        let mut requirements = Vec::with_capacity(self.requirements.len());
        for Requirement { field, negated, value } in self.requirements {
            let (field, value) = f(field, value)?;
            if !field.is_empty() || !value.is_empty() {
                requirements.push(Requirement { field, negated, value });
            }
        }
        Ok(Self { requirements })
    }

    /// Checks that every field is supported.
    ///
    /// # Errors
    /// `field label not supported: <label>` for the first one that is not.
    pub fn validate(&self, supported: impl Fn(&str) -> bool) -> Result<(), String> {
        match self.requirements.iter().find(|r| !supported(&r.field)) {
            Some(r) => Err(format!("field label not supported: {}", r.field)),
            None => Ok(()),
        }
    }

    /// Checks that only `metadata.name` and `metadata.namespace` are asked for: the rule of kinds that support no field
    /// of their own.
    ///
    /// # Errors
    /// Kubernetes' words for the first other field.
    pub fn validate_metadata_only(&self) -> Result<(), String> {
        let other = |r: &&Requirement| !matches!(r.field.as_str(), "metadata.name" | "metadata.namespace");
        match self.requirements.iter().find(other) {
            Some(r) => Err(format!(
                "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                crate::text::quote(&r.field)
            )),
            None => Ok(()),
        }
    }

    /// The requirements.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether this restricts nothing.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether fields that are looked up by label match; a missing field counts as empty.
    pub fn matches_with<'a>(&self, lookup: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.requirements.iter().all(|r| (lookup(&r.field).as_deref().unwrap_or_default() == r.value) != r.negated)
    }

    /// The value that `field` must have, when one is demanded.
    pub fn exact_match(&self, field: &str) -> Option<&str> {
        self.requirements.iter().find(|r| !r.negated && r.field == field).map(|r| r.value.as_str())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Requirement { field, negated, value }) in self.requirements.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let operator = if *negated { "!=" } else { "=" };
            write!(f, "{comma}{field}{operator}{}", escape(value))?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// Puts a backslash before each `\`, `,` and `=`.
pub fn escape(value: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '\\' | ',' | '=');
    if !value.contains(special) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 4);
    for c in value.chars() {
        if special(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => {
                    return Err(format!("invalid field selector: invalid escape sequence: \\{c}"));
                }
                None => {
                    return Err("invalid field selector: invalid escape sequence: \\".to_owned());
                }
            },
            // Kubernetes prints the character's number.
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Splits at commas that no backslash precedes; the backslashes stay.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Splits at the first operator; the second value tells whether it is `!=`.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let bytes = term.as_bytes();
    let at = (0..bytes.len()).find(|&i| bytes[i] == b'=' || bytes[i..].starts_with(b"!="))?;
    let (negated, width) = match (bytes[at], bytes.get(at + 1)) {
        (b'!', _) => (true, 2),
        (_, Some(b'=')) => (false, 2),
        _ => (false, 1),
    };
    Some((&term[..at], negated, &term[at + width..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_print_as_they_are_understood() {
        for (text, want) in [
            ("", ""),
            ("metadata.name=x", "metadata.name=x"),
            ("b==x,a!=y", "a!=y,b=x"),
            (",,a=b,", "a=b"),
            ("a=", "a="),
            ("=", ""),
            (r"a=x\,y\=z\\", r"a=x\,y\=z\\"),
        ] {
            assert_eq!(Selector::parse(text).expect(text).to_string(), want, "{text}");
        }
    }

    #[test]
    fn errors_are_worded_as_kubernetes_words_them() {
        for (text, want) in [
            ("a", "invalid selector: 'a'; can't understand 'a'"),
            ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
            (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
            ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
            ("a===b", "invalid field selector: unescaped character in value: 61"),
        ] {
            assert_eq!(Selector::parse(text), Err(want.to_owned()), "{text}");
        }
        let selector = Selector::parse("metadata.name=a,spec.x=b").expect("valid");
        assert_eq!(selector.validate(|f| f == "metadata.name"), Err("field label not supported: spec.x".to_owned()));
    }

    #[test]
    fn fields_match_or_not() {
        let lookup = |field: &str| (field == "a").then_some(Cow::Borrowed("x"));
        for (text, want) in [("", true), ("a=x", true), ("a!=x", false), ("a=y", false), ("b=", true), ("b!=x", true)] {
            assert_eq!(Selector::parse(text).expect(text).matches_with(lookup), want, "{text}");
        }
        assert_eq!(Selector::parse("a!=x,b=y").expect("valid").exact_match("b"), Some("y"));
        assert_eq!(Selector::parse("a!=x").expect("valid").exact_match("a"), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(terms in prop::collection::vec(("[a-z.]{1,8}", any::<bool>(), ".{0,8}"), 0..4)) {
            let text = terms
                .iter()
                .map(|(field, negated, value)| format!("{field}{}{}", if *negated { "!=" } else { "=" }, escape(value)))
                .collect::<Vec<_>>()
                .join(",");
            let selector = Selector::parse(&text).expect("escaped values are valid");
            prop_assert_eq!(selector.requirements().len(), terms.len());
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn no_text_panics(text in "[a-c=!,\\\\é]{0,24}|.{0,40}") {
            let _ = Selector::parse(&text);
        }
    }
}
