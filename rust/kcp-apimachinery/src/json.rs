//! JSON as it is stored and sent: numbers written as Go writes them.
//!
//! In a request `1000.0` is a floating-point number, and rules may tell it from `1000`. Written down it is `1000`, so that
//! whoever reads the object back finds an integer.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

use crate::text;

/// Appends a value as compact JSON.
pub fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    // Values and strings always serialize into a vector.
    let _ = value.serialize(&mut Serializer::with_formatter(out, Numbers));
}

/// A value as compact JSON.
pub fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, value);
    out
}

/// Makes of the numbers in a value what writing it down and reading it back would make of them.
pub fn settle(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let written = number.as_f64().map(text::json_float).and_then(|text| text.parse::<i64>().ok());
            if let Some(whole) = written {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(fields) => fields.values_mut().for_each(settle),
        _ => {}
    }
}

struct Numbers;

impl Formatter for Numbers {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // A negative zero that was written down would be read as one again.
        let value = if value == 0.0 { 0.0 } else { value };
        writer.write_all(text::json_float(value).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let value = json!([1000.0, -0.0, 1e20, 1e21, 1e-7, 2.5, 1.234_567_890_123_456_7e18, 7, {"a": 1e17}]);
        let want = r#"[1000,0,100000000000000000000,1e+21,1e-7,2.5,1234567890123456800,7,{"a":100000000000000000}]"#;

        assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), want);
    }

    #[test]
    fn what_is_settled_is_what_is_read_back() {
        let mut value = json!([1000.0, -0.0, 1e20, 1e21, 2.5, 1.234_567_890_123_456_7e18, {"a": 1e17}]);
        let back: Value = crate::strict::decode(&to_vec(&value)).unwrap();
        settle(&mut value);

        assert_eq!(value, back);
        assert_eq!(value[0], json!(1000));
    }
}
