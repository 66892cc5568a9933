//! The public conformance cases of CEL. What does not concern rules of custom resources is named, with the reason.

use super::ast;
use super::check::{self, Environment};
use super::error::Error;
use super::program::Program;
use super::types::Type;
use super::value::{Key, Map, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::rc::Rc;

const FIXTURE: &str = include_str!("../../tests/data/cel-conformance.json");

/// Files of features that rules of custom resources do not have.
const FILES_LEFT_OUT: &[(&str, &str)] = &[
    ("bindings_ext", "cel.bind is not enabled for rules"),
    ("block_ext", "cel.block is not enabled for rules"),
    ("dynamic", "protobuf messages: google.protobuf.Value and the wrappers"),
    ("encoders_ext", "base64 is not enabled for rules"),
    ("enums", "protobuf enumerations"),
    ("math_ext", "math is not enabled for rules"),
    ("proto2", "protobuf messages"),
    ("proto2_ext", "protobuf extensions"),
    ("proto3", "protobuf messages"),
    ("wrappers", "protobuf messages: the wrappers"),
];

/// Single cases, by file and name.
const CASES_LEFT_OUT: &[(&str, &str)] = &[
    ("fields/quoted_map_fields/field_access_slash", BACKTICKS),
    ("fields/quoted_map_fields/field_access_dash", BACKTICKS),
    ("fields/quoted_map_fields/field_access_dot", BACKTICKS),
    ("fields/quoted_map_fields/has_field_slash", BACKTICKS),
    ("fields/quoted_map_fields/has_field_dash", BACKTICKS),
    ("fields/quoted_map_fields/has_field_dot", BACKTICKS),
    ("fields/qualified_identifier_resolution/map_value_repeat_key", REPEATED),
    ("fields/qualified_identifier_resolution/map_value_repeat_key_heterogeneous", MIXED),
    ("string_ext/format/scientific notation formatting clause", VERSION_2),
    ("string_ext/format/default precision for scientific notation", VERSION_2),
    ("string_ext/format/positive infinity support for scientific notation", VERSION_2),
    ("string_ext/format/negative infinity support for scientific notation", VERSION_2),
    ("string_ext/format/NaN support for decimal", VERSION_2),
    ("string_ext/format/positive infinity support for decimal", VERSION_2),
    ("string_ext/format/negative infinity support for decimal", VERSION_2),
    ("string_ext/format/positive infinity support for fixed-point", VERSION_2),
    ("string_ext/format/negative infinity support for fixed-point", VERSION_2),
    ("string_ext/format/list support for string", VERSION_2),
    ("string_ext/format/map support for string", VERSION_2),
    ("string_ext/format/map support (all key types)", VERSION_2),
    ("string_ext/format/dyntype support for scientific notation", VERSION_2),
    ("string_ext/format/dyntype NaN/infinity support", VERSION_2),
    ("string_ext/format/dyntype support for lists", VERSION_2),
    ("string_ext/format/dyntype support for maps", VERSION_2),
    ("string_ext/format/scientific notation formatting clause in a string variable", VERSION_2),
];

const REPEATED: &str = "of repeated keys the last stays, as in the API server";
const MIXED: &str = "maps of rules have keys of one type: others are refused before they run";
const BACKTICKS: &str = "names in backticks are not enabled for rules";
const VERSION_2: &str = "rules have version 2 of the strings, which writes numbers by locale and quotes what is inside";

/// Why a case does not concern rules, if it does not.
fn left_out(file: &str, case: &Json) -> Option<&'static str> {
    let name = format!("{file}/{}", case["name"].as_str().unwrap());
    if let Some((_, reason)) = FILES_LEFT_OUT.iter().find(|(left_out, _)| *left_out == file) {
        return Some(reason);
    }
    if let Some((_, reason)) = CASES_LEFT_OUT.iter().find(|(left_out, _)| name == *left_out) {
        return Some(reason);
    }
    let expr = case["expr"].as_str().unwrap();
    if case.get("container").is_some() {
        return Some("containers: rules have none");
    }
    if case.get("functions").is_some() {
        return Some("functions that a case declares itself");
    }
    if case.get("disable_check").is_some() {
        return Some("expressions that do not check: rules are always checked");
    }
    if case.get("disable_macros").is_some() || case.get("check_only").is_some() {
        return Some("switches of the test driver");
    }
    if case.get("unknown").is_some() {
        return Some("unknown values: rules have none");
    }
    let text = case.to_string();
    let speaks_of = |word: &str| text.contains(word);
    let other_message = expr.contains("google.protobuf.")
        && (expr.contains('{') || !expr.contains("protobuf.Timestamp") && !expr.contains("protobuf.Duration"));
    if speaks_of("TestAllTypes")
        || speaks_of("GlobalEnum")
        || speaks_of("\"other\"")
        || speaks_of("wrapper")
        || speaks_of("\"message\"")
        || other_message
    {
        return Some("protobuf messages");
    }
    None
}

fn value(json: &Json) -> Value<'static> {
    let (kind, inner) = json.as_object().and_then(|map| map.iter().next()).unwrap();
    let text = || inner.as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "null" => Value::Null,
        "bool" => Value::Bool(inner.as_bool().unwrap()),
        "int" => Value::Int(text().parse().unwrap()),
        "uint" => Value::Uint(text().parse().unwrap()),
        "double" => Value::Double(text().parse().unwrap()),
        "string" => text().into(),
        "bytes" => {
            let text = text();
            let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
            Value::Bytes(digits.collect())
        }
        "type" => Value::Type(text().into()),
        "list" => inner.as_array().unwrap().iter().map(value).collect::<Vec<_>>().into(),
        "map" => {
            let entries = inner.as_array().unwrap().iter();
            let map: BTreeMap<Key<'_>, Value<'_>> =
                entries.map(|entry| (Key::of(&value(&entry[0])).unwrap(), value(&entry[1]))).collect();
            Value::Map(Map::Owned(Rc::new(map)))
        }
        other => panic!("{other}"),
    }
}

fn ty(text: &str) -> Type {
    match text {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "null" => Type::Null,
        _ => Type::Dyn,
    }
}

/// Equal, and of the same type.
fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) if a.is_nan() => b.is_nan(),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.items().zip(b.items()).all(|(a, b)| same(&a.unwrap(), &b.unwrap()))
        }
        (a, b) => a.type_name() == b.type_name() && a.equals(b).unwrap_or(false),
    }
}

fn run(case: &Json) -> Result<(), String> {
    let expr = case["expr"].as_str().unwrap();
    let wants_error = case.get("error").is_some();
    let mut variables: Vec<(&str, Type)> = Vec::new();
    let mut values = Vec::new();
    let env = case["env"].as_object();
    let bindings = case["bindings"].as_object();
    for (name, kind) in env.into_iter().flatten() {
        variables.push((name, ty(kind.as_str().unwrap())));
    }
    for name in bindings.into_iter().flat_map(|bindings| bindings.keys()) {
        if !variables.iter().any(|(known, _)| known == name) {
            variables.push((name, Type::Dyn));
        }
    }
    for (name, _) in &variables {
        values.push(match bindings.and_then(|bindings| bindings.get(*name)) {
            Some(bound) => value(bound),
            None => Value::Failed(Error::new("no such attribute")),
        });
    }
    let outcome = |result: Result<Value<'_>, String>| match (result, case.get("value")) {
        (Err(_), _) if wants_error => Ok(()),
        (Err(error), _) => Err(error),
        (Ok(found), _) if wants_error => Err(format!("an error was expected, not {found:?}")),
        (Ok(_), None) => Ok(()),
        (Ok(found), Some(wanted)) => {
            let wanted = value(wanted);
            if same(&found, &wanted) { Ok(()) } else { Err(format!("{found:?} instead of {wanted:?}")) }
        }
    };
    let environment = Environment { variables: &variables, declared: None, homogeneous: false };
    let compiled = ast::parse(expr)
        .and_then(|ast| check::check(ast, &environment))
        .map_err(|issues| issues.render(expr))
        .and_then(|checked| {
            let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
            Program::new(&checked, &names)
        });
    match compiled {
        Err(error) => outcome(Err(error)),
        Ok(program) => {
            // Both live as long as the value that comes out.
            let run = program.run(&values, u64::MAX);
            outcome(run.value.map_err(|error| error.to_string()))
        }
    }
}

// kube-api 5.7.8
#[test]
fn the_public_conformance_cases_hold() {
    let fixture: Json = serde_json::from_str(FIXTURE).unwrap();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for (file, cases) in fixture["files"].as_object().unwrap() {
        for case in cases.as_array().unwrap() {
            let count = counts.entry(file).or_default();
            if left_out(file, case).is_some() {
                count.1 += 1;
                continue;
            }
            count.0 += 1;
            if let Err(error) = run(case) {
                failures.push(format!("{file}/{}: {}\n    {error}", case["name"].as_str().unwrap(), case["expr"]));
            }
        }
    }
    let ran: usize = counts.values().map(|(ran, _)| ran).sum();
    assert!(failures.is_empty(), "{} of {ran} failed\n{}\n{counts:?}", failures.len(), failures.join("\n"));
    assert_eq!(ran, 1_273, "{counts:?}");
}

#[test]
fn every_case_that_is_left_out_by_name_exists() {
    let fixture: Json = serde_json::from_str(FIXTURE).unwrap();
    let exists = |name: &str| {
        let (file, case) = name.split_once('/').unwrap();
        fixture["files"][file].as_array().unwrap().iter().any(|known| known["name"] == case)
    };
    let gone: Vec<&str> = CASES_LEFT_OUT.iter().map(|(name, _)| *name).filter(|name| !exists(name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    assert!(FILES_LEFT_OUT.iter().all(|(file, _)| fixture["files"][file].is_array()));
}
