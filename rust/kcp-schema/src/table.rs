//! Cells of custom resources in tables.

use crate::crd::{Column, Version};
use kcp_apimachinery::{text, time};
use serde_json::Value;

/// The first second of year 1, which stands for no time at all.
const ZERO_TIME: i64 = -62_135_596_800;

/// The cells of an object after its name, one for each column of the version; `now` is in seconds since 1970.
pub fn cells(version: &Version, object: &Value, now: i64) -> Vec<Value> {
    version.columns.iter().map(|column| cell(column, object, now)).collect()
}

/// What a column shows of an object: null when nothing is there or it is of another type.
pub fn cell(column: &Column, object: &Value, now: i64) -> Value {
    let Some(value) = column.path.as_ref().and_then(|path| path.first(object)) else { return Value::Null };
    let cell = match (&*column.kind, value) {
        (_, Value::Null) => None,
        ("integer", Value::Number(number)) => {
            // Fractions are cut off, as a conversion to a whole number does.
            number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).map(Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => {
            Some(value.clone())
        }
        ("string", Value::Number(number)) if number.is_f64() => number.as_f64().map(|float| text::float(float).into()),
        ("string", value) => Some(text::json(value).into()),
        ("date", Value::String(date)) => Some(match time::parse(date) {
            _ if matches!(&**date, "" | "null") => "<unknown>".into(),
            Ok(ZERO_TIME) => "<unknown>".into(),
            Ok(seconds) => time::human_duration(now.saturating_sub(seconds)).into(),
            Err(_) => "<invalid>".into(),
        }),
        _ => None,
    };
    cell.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonpath::JsonPath;
    use serde_json::json;

    #[test]
    fn cells_are_of_their_columns_type_or_null() {
        let now = time::parse("2026-01-01T00:00:00Z").unwrap();
        for (kind, value, wanted) in [
            ("integer", json!(3), json!(3)),
            ("integer", json!(3.7), json!(3)),
            ("integer", json!("3"), Value::Null),
            ("number", json!(1.5), json!(1.5)),
            ("boolean", json!(true), json!(true)),
            ("boolean", json!("true"), Value::Null),
            ("string", json!("x"), json!("x")),
            ("string", json!(7), json!("7")),
            ("string", json!(1e21), json!("1e+21")),
            ("string", json!(true), json!("true")),
            ("string", json!({"a": [1]}), json!("{\"a\":[1]}")),
            ("string", Value::Null, Value::Null),
            ("date", json!("2025-12-31T23:58:30Z"), json!("90s")),
            ("date", json!("yesterday"), json!("<invalid>")),
            ("date", json!("0001-01-01T00:00:00Z"), json!("<unknown>")),
            ("date", json!(""), json!("<unknown>")),
            ("date", json!(1), Value::Null),
        ] {
            let column = Column {
                name: "C".into(),
                kind: kind.into(),
                format: "".into(),
                description: "".into(),
                priority: 0,
                path: JsonPath::parse(".v").ok(),
            };
            assert_eq!(cell(&column, &json!({"v": value}), now), wanted, "{kind} of {value}");
        }
    }
}
