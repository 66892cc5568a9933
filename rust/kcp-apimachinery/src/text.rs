//! Go's way of printing values, which is part of Kubernetes' messages: quoted strings, compact JSON, numbers.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Quotes a string as Go's `%q` does: printable characters stay, everything else becomes an escape.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x80 => push(&mut out, format_args!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x10000 => push(&mut out, format_args!("\\u{:04x}", u32::from(c))),
            c => push(&mut out, format_args!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Whether Go calls the character printable: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_printable(c: char) -> bool {
    // `str::escape_debug` keeps exactly these, except that it escapes quotes, backslashes and, at the start, combining
    // marks; hence the letter in front.
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let mut buffer = [b'a', 0, 0, 0, 0];
    let len = 1 + c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..len]).is_ok_and(|s| s.escape_debug().nth(1) == Some(c))
}

/// Prints a list of strings as Go's `%#v` does: `[]string{"a", "b"}`.
pub fn go_string_slice<S: AsRef<str>>(items: &[S]) -> String {
    let mut out = String::from("[]string{");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(&quote(item.as_ref()));
    }
    out.push('}');
    out
}

/// Prints a value as Go's `%v` does: `map[a:1 b:[x y]]`, strings unquoted.
pub fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(s) => s.clone(),
        Value::Number(n) if n.is_f64() => float(n.as_f64().unwrap_or_default()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => go_list(items),
        Value::Object(map) => go_map(map),
    }
}

/// Prints a list as Go's `%v` does.
pub fn go_list(items: &[Value]) -> String {
    format!("[{}]", items.iter().map(go_value).collect::<Vec<_>>().join(" "))
}

/// Prints a map as Go's `%v` does.
pub fn go_map(map: &Map<String, Value>) -> String {
    let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_value(value))).collect();
    format!("map[{}]", entries.join(" "))
}

/// Prints a floating-point number as Go's `%v` does: `1.5`, `1e+06`, `1e-05`.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    // `{:e}` gives the shortest digits that read back as the same number, and their exponent.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Go decides by six digits when it prints the shortest form.
    if value == 0.0 || (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Encodes a value as Go's `json.Marshal` does: compact, `<`, `>`, `&` and line separators escaped, whole floats without
/// a fraction.
pub fn json(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value);
    out
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => out.push_str(&json_float(f)),
            _ => push(out, format_args!("{n}")),
        },
        Value::String(s) => write_json_string(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json_string(out, key);
                out.push(':');
                write_json(out, item);
            }
            out.push('}');
        }
    }
}

/// Encodes one string as a JSON string the way Go's `json.Marshal` does.
pub fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c if u32::from(c) < 0x20 => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Prints a floating-point number as Go's `json.Marshal` does: `1000`, `100000000000000000000`, `1e+21`, `1e-7`.
pub fn json_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        // JSON in Go writes e-9, not e-09, but keeps the plus sign.
        return if exponent < 0 { format!("{digits}e{exponent}") } else { format!("{digits}e+{exponent}") };
    }
    format!("{value}")
}

fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(args);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_are_quoted_as_go_does() {
        for (name, text, want) in [
            ("plain", "a b", r#""a b""#),
            ("quotes and backslashes", "a\"b\\", r#""a\"b\\""#),
            ("controls", "\n\t\r\x07\x08\x0b\x0c\x00\x1f\x7f", r#""\n\t\r\a\b\v\f\x00\x1f\x7f""#),
            ("printable unicode", "é日本", "\"é日本\""),
            ("combining mark", "e\u{301}", "\"e\u{301}\""),
            ("no-break space", "\u{a0}", r#""\u00a0""#),
            ("beyond the first plane", "\u{e0001}", r#""\U000e0001""#),
        ] {
            assert_eq!(quote(text), want, "{name}");
        }
    }

    #[test]
    fn json_is_encoded_as_go_does() {
        let value = json!({"b": "<&>\u{2028}", "a": [1, 1.0, 1.5, 1e21, 1e-7, null, true], "c": {}});
        assert_eq!(json(&value), r#"{"a":[1,1,1.5,1e+21,1e-7,null,true],"b":"\u003c\u0026\u003e\u2028","c":{}}"#);
    }

    #[test]
    fn values_are_printed_as_go_does() {
        let value = json!({"b": ["x", 1, null], "a": {"c": true, "d": 1.5}});
        assert_eq!(go_value(&value), "map[a:map[c:true d:1.5] b:[x 1 <nil>]]");
        assert_eq!(go_string_slice(&["a", "b"]), r#"[]string{"a", "b"}"#);
    }

    #[test]
    fn floats_are_printed_as_go_does() {
        for (value, want) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (1e21, "1e+21"),
            (1e-5, "1e-05"),
            (1e5, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e-4, "0.0001"),
        ] {
            assert_eq!(float(value), want);
        }
    }
}
