//! Label selectors: `app=web,tier in (a,b),!canary`, and the LabelSelector of objects.

mod parse;

use std::fmt;

use serde_json::{Map, Value};

use crate::field::{BadValue, Error, ErrorList, Path};
use crate::{names, text};

/// How a requirement relates a label to its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `key in (a,b)`: the label exists and has one of the values.
    In,
    /// `key notin (a,b)`: the label is missing or has none of the values.
    NotIn,
    /// `key=a`.
    Equals,
    /// `key==a`, the same as `key=a` but printed as it was written.
    DoubleEquals,
    /// `key!=a`: the label is missing or has another value.
    NotEquals,
    /// `key`: the label exists.
    Exists,
    /// `!key`: the label is missing.
    DoesNotExist,
    /// `key>1`: the label is a greater integer.
    GreaterThan,
    /// `key<1`: the label is a lesser integer.
    LessThan,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// A conjunction of requirements; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Requirement {
    /// Builds a requirement, checking its key and values.
    ///
    /// # Errors
    /// Everything wrong with the key and values, under the paths `key` and `values`.
    pub fn new(key: impl Into<String>, operator: Operator, values: Vec<String>) -> Result<Self, ErrorList> {
        let printed = BadValue::Json(Value::from(values.clone()));
        Self::checked(key.into(), operator, values, printed)
    }

    fn checked(key: String, operator: Operator, values: Vec<String>, printed: BadValue) -> Result<Self, ErrorList> {
        let mut errors = ErrorList::new();
        errors.extend(bad_key(&key, &Path::root("key")));
        let path = Path::root("values");
        let complaint = match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        };
        errors.extend(complaint.map(|detail| Error::invalid(&path, printed, detail)));
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (i, value) in values.iter().enumerate().filter(|(_, v)| v.parse::<i64>().is_err()) {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(Error::invalid(&path.index(i), value.as_str(), detail));
            }
        }
        for (i, value) in values.iter().enumerate() {
            let complaints = names::label_value(value);
            if !complaints.is_empty() {
                let path = path.index(i).key(key.as_str());
                errors.push(Error::invalid(&path, value.as_str(), complaints.join("; ")));
            }
        }
        errors.into_result()?;
        Ok(Self { key, operator, values })
    }

    /// The label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How label and values relate.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether an object matches whose label has this value; `None` when it lacks the label.
    pub fn matches(&self, label: Option<&str>) -> bool {
        let has = |label: &str| self.values.iter().any(|v| v == label);
        match (self.operator, label) {
            (Operator::In | Operator::Equals | Operator::DoubleEquals, label) => label.is_some_and(has),
            (Operator::NotIn | Operator::NotEquals, label) => !label.is_some_and(has),
            (Operator::Exists, label) => label.is_some(),
            (Operator::DoesNotExist, label) => label.is_none(),
            (Operator::GreaterThan, label) => self.numbers(label).is_some_and(|(label, value)| label > value),
            (Operator::LessThan, label) => self.numbers(label).is_some_and(|(label, value)| label < value),
        }
    }

    fn numbers(&self, label: Option<&str>) -> Option<(i64, i64)> {
        Some((label?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

fn bad_key(key: &str, path: &Path) -> Option<Error> {
    let complaints = names::qualified_name(key);
    (!complaints.is_empty()).then(|| Error::invalid(path, key, complaints.join("; ")))
}

impl Selector {
    /// Selects everything.
    pub const fn everything() -> Self {
        Self { requirements: Vec::new(), nothing: false }
    }

    /// Selects nothing.
    pub const fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Reads the `labelSelector` of a request.
    ///
    /// # Errors
    /// The message of Kubernetes' 400 for this text.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text)
    }

    /// The conjunction of these requirements, sorted by key.
    pub fn from_requirements(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements, nothing: false }
    }

    /// Reads a LabelSelector of an object, with `matchLabels` and `matchExpressions`. A missing one (`null`) selects
    /// nothing, an empty one everything.
    ///
    /// # Errors
    /// The message of Kubernetes for a selector that is not valid.
    pub fn from_label_selector(selector: &Value) -> Result<Self, String> {
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let values = vec![value.as_str().unwrap_or_default().to_owned()];
            requirements.push(Requirement::new(key, Operator::Equals, values).map_err(|e| e.to_string())?);
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |field| expression.get(field).and_then(Value::as_str).unwrap_or_default();
            let operator = match text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(format!("{} is not a valid label selector operator", text::quote(other)));
                }
            };
            let values = strings(expression.get("values"));
            // Without values Kubernetes prints its nil list.
            let printed = if values.is_empty() { Value::Null } else { Value::from(values.clone()) };
            let requirement = Requirement::checked(text("key").to_owned(), operator, values, printed.into());
            requirements.push(requirement.map_err(|e| e.to_string())?);
        }
        Ok(Self::from_requirements(requirements))
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether this restricts nothing.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether this selects nothing by construction.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// Whether labels that are looked up by key match.
    pub fn matches_with<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(lookup(&r.key)))
    }

    /// Whether a map of labels matches; `None` stands for no labels.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches_with(|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }

    /// Whether an object's labels match.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.is_everything() || self.matches(crate::meta::labels(object))
    }

    /// The one value that the first requirement on `label` demands, when it demands a single one.
    pub fn exact_match(&self, label: &str) -> Option<&str> {
        let requirement = self.requirements.iter().find(|r| r.key == label)?;
        match (requirement.operator, requirement.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            _ => None,
        }
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Checks a LabelSelector in an object as Kubernetes' validation does.
pub fn validate_label_selector(selector: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
        errors.extend(crate::meta::validate_labels(labels, &path.child("matchLabels")));
    }
    for (i, expression) in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        errors.extend(validate_requirement(expression, false, &path.child("matchExpressions").index(i)));
    }
    errors
}

/// Checks a requirement of labels, `{key, operator, values}`, as Kubernetes' validation does; with `any_operator` one
/// that is not known is no error.
pub fn validate_requirement(expression: &Value, any_operator: bool, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let text = |field| expression.get(field).and_then(Value::as_str).unwrap_or_default();
    let values = strings(expression.get("values"));
    match text("operator") {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(Error::required(&path.child("values"), detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(Error::forbidden(&path.child("values"), detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ if any_operator => {}
        other => errors.push(Error::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    let key = text("key");
    errors.extend(names::qualified_name(key).into_iter().map(|e| Error::invalid(&path.child("key"), key, e)));
    for (i, value) in values.iter().enumerate() {
        let path = path.child("values").index(i);
        errors.extend(names::label_value(value).into_iter().map(|e| Error::invalid(&path, value.as_str(), e)));
    }
    errors
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_print_as_they_are_understood() {
        for (text, want) in [
            ("", ""),
            ("x=a,y=b,z=c", "x=a,y=b,z=c"),
            ("z=c, a==b", "a==b,z=c"),
            ("x!=a,y", "x!=a,y"),
            ("x in (c,a,b),!y", "x in (a,b,c),!y"),
            ("x notin (,a,,b)", "x notin (,a,b)"),
            ("x in ()", "x in ()"),
            ("x in (a,)", "x in (,a)"),
            ("x=", "x="),
            ("x=,y", "x=,y"),
            ("x>1,y<2", "x>1,y<2"),
            ("in in (in, notin)", "in in (in,notin)"),
            ("example.com/k = v", "example.com/k=v"),
            (" \tx ", "x"),
        ] {
            assert_eq!(Selector::parse(text).expect(text).to_string(), want, "{text}");
        }
    }

    #[test]
    fn errors_are_worded_as_kubernetes_words_them() {
        const KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        for (text, want) in [
            ("x=a||y=b", r#"unable to parse requirement: values[0][x]: Invalid value: "a||y": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#.to_owned()),
            (",x", "found ',', expected: !, identifier, or 'end of string'".to_owned()),
            ("x,", "found '', expected: identifier after ','".to_owned()),
            ("x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt".to_owned()),
            ("x=a b", "found 'b', expected: ',' or 'end of string'".to_owned()),
            ("!x=a", "found '=', expected: ',' or 'end of string'".to_owned()),
            ("!", "unable to parse requirement: found '', expected: identifier".to_owned()),
            ("x in a", "unable to parse requirement: found 'a' expected: '('".to_owned()),
            ("x in (", "unable to parse requirement: found '', expected: ',', ')' or identifier".to_owned()),
            ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'".to_owned()),
            ("x in (a,", "unable to parse requirement: found '', expected: ',', or identifier".to_owned()),
            ("x===a", "unable to parse requirement: found '=', expected: identifier".to_owned()),
            ("x>a", r#"unable to parse requirement: values[0]: Invalid value: "a": for 'Gt', 'Lt' operators, the value must be an integer"#.to_owned()),
            ("a_=b", format!(r#"unable to parse requirement: <nil>: Invalid value: "a_": {KEY}"#)),
        ] {
            assert_eq!(Selector::parse(text), Err(want), "{text}");
        }
    }

    #[test]
    fn labels_match_or_not() {
        let labels = json!({"app": "web", "n": "5", "empty": ""});
        let labels = labels.as_object();
        for (text, want) in [
            ("", true),
            ("app=web", true),
            ("app==db", false),
            ("app!=db", true),
            ("none!=db", true),
            ("app in (db,web)", true),
            ("none in (a)", false),
            ("app notin (web)", false),
            ("none notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!none", true),
            ("empty=", true),
            ("none=", false),
            ("n>4,n<6", true),
            ("n>5", false),
            ("app>1", false),
            ("none<1", false),
        ] {
            assert_eq!(Selector::parse(text).expect(text).matches(labels), want, "{text}");
        }
        assert!(!Selector::nothing().matches(labels));
        assert!(!Selector::parse("app").expect("exists").matches(None));
    }

    #[test]
    fn label_selectors_of_objects_are_understood() {
        let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["y", "x"]}, {"key": "d", "operator": "DoesNotExist"}]});
        assert_eq!(Selector::from_label_selector(&selector).map(|s| s.to_string()), Ok("a=b,c in (x,y),!d".to_owned()));
        assert_eq!(Selector::from_label_selector(&json!({})), Ok(Selector::everything()));
        assert_eq!(Selector::from_label_selector(&Value::Null), Ok(Selector::nothing()));
        let bad = json!({"matchExpressions": [{"key": "c", "operator": "Is"}]});
        assert_eq!(
            Selector::from_label_selector(&bad),
            Err(r#""Is" is not a valid label selector operator"#.to_owned())
        );
        let bad = json!({"matchExpressions": [{"key": "c", "operator": "In"}]});
        assert_eq!(
            Selector::from_label_selector(&bad),
            Err("values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty".to_owned())
        );
        assert_eq!(
            validate_label_selector(&bad, &Path::root("selector")).to_string(),
            "selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        );
    }

    #[test]
    fn exact_matches_are_found() {
        let selector = Selector::parse("a=b,c in (d),e in (f,g)").expect("valid");
        assert_eq!(selector.exact_match("a"), Some("b"));
        assert_eq!(selector.exact_match("c"), Some("d"));
        assert_eq!(selector.exact_match("e"), None);
    }

    fn requirement() -> impl Strategy<Value = Requirement> {
        let value = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,5}[A-Za-z0-9])?)?";
        let one_value = prop_oneof![Just(Operator::Equals), Just(Operator::DoubleEquals), Just(Operator::NotEquals)];
        let key = "([a-z0-9]{1,3}(\\.[a-z]{1,2})?/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,4})?[A-Za-z0-9]";
        prop_oneof![
            (key, one_value, value).prop_map(|(k, o, v)| Requirement::new(k, o, vec![v])),
            (key, prop_oneof![Just(Operator::Exists), Just(Operator::DoesNotExist)])
                .prop_map(|(k, o)| Requirement::new(k, o, Vec::new())),
            (key, prop_oneof![Just(Operator::In), Just(Operator::NotIn)], prop::collection::btree_set(value, 1..4))
                .prop_map(|(k, o, v)| Requirement::new(k, o, v.into_iter().collect())),
            (key, prop_oneof![Just(Operator::GreaterThan), Just(Operator::LessThan)], 0..i64::MAX)
                .prop_map(|(k, o, v)| Requirement::new(k, o, vec![v.to_string()])),
        ]
        .prop_map(|r| r.expect("generated requirements are valid"))
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(requirements in prop::collection::vec(requirement(), 0..5)) {
            let selector = Selector::from_requirements(requirements);
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn no_text_panics(text in "[a-c=!(),<> \u{0}é]{0,24}|.{0,40}") {
            let _ = Selector::parse(&text);
        }
    }
}
