//! `text.format(list)`: texts with places for values.

use super::{show, show_double, times};
use crate::cel::error::Error;
use crate::cel::eval::Machine;
use crate::cel::value::{List, Map, Outcome, Value};
use kcp_apimachinery::text::quote;

const PRECISION: usize = 6;
/// Digits after the point that are really written.
const MAX_PRECISION: usize = 1_000;

/// One place for a value.
pub(crate) struct Clause {
    pub verb: char,
    precision: Option<usize>,
}

/// Reads what follows a percent sign.
pub(crate) fn clause(chars: &mut std::str::Chars<'_>) -> Result<Clause, Error> {
    let mut precision = None;
    if let Some(after) = chars.as_str().strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(failed("unable to find end of precision specifier"));
        }
        precision = Some(after[..digits].parse::<usize>().unwrap_or(MAX_PRECISION).min(MAX_PRECISION));
        *chars = after[digits..].chars();
    }
    let verb = chars.next().ok_or_else(|| failed("unexpected end of string"))?;
    match verb {
        '%' | 's' | 'd' | 'f' | 'e' | 'b' | 'o' | 'x' | 'X' => Ok(Clause { verb, precision }),
        other => Err(failed(&format!("unrecognized formatting clause \"{other}\""))),
    }
}

/// Says that a clause cannot show a value.
pub(crate) fn unfit(verb: char, given: &str) -> Error {
    let rule = match verb {
        's' => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and \
             timestamps"
        }
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'o' => "octal clause can only be used on integers",
        _ => "only integers, byte buffers, and strings can be formatted as hex",
    };
    Error::new(format!("error during formatting: {rule}, was given {given}"))
}

fn failed(what: &str) -> Error {
    Error::new(format!("could not parse formatting clause: {what}"))
}

pub(super) fn format<'a>(machine: &mut Machine<'a>, text: &str, args: &List<'a>) -> Outcome<'a> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let clause = clause(&mut chars)?;
        if clause.verb == '%' {
            out.push('%');
            continue;
        }
        let Some(arg) = args.get(next) else {
            return Err(Error::new(format!("index {next} out of range")));
        };
        next += 1;
        let before = out.len();
        write(machine, &clause, &arg?, &mut out)?;
        machine.work(out.len() - before + 1)?;
    }
    Ok(out.into())
}

fn write<'a>(machine: &mut Machine<'a>, clause: &Clause, arg: &Value<'a>, out: &mut String) -> Result<(), Error> {
    let verb = clause.verb;
    let wrong = || Err(unfit(verb, arg.type_name()));
    match verb {
        's' => text(machine, arg, out)?,
        'd' => match arg {
            Value::Int(_) | Value::Uint(_) => out.push_str(&show(arg)),
            _ => return wrong(),
        },
        'f' | 'e' => {
            let number = match arg {
                Value::Double(n) => *n,
                Value::Text(text) => match &**text {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return wrong(),
                },
                _ => return wrong(),
            };
            let precision = clause.precision.unwrap_or(PRECISION);
            out.push_str(&if verb == 'f' { fixed(number, precision) } else { scientific(number) });
        }
        'b' => match arg {
            Value::Int(n) if *n < 0 => out.push_str(&format!("-{:b}", n.unsigned_abs())),
            Value::Int(n) => out.push_str(&format!("{n:b}")),
            Value::Uint(n) => out.push_str(&format!("{n:b}")),
            Value::Bool(b) => out.push(if *b { '1' } else { '0' }),
            _ => return wrong(),
        },
        'o' => match arg {
            Value::Int(n) if *n < 0 => out.push_str(&format!("-{:o}", n.unsigned_abs())),
            Value::Int(n) => out.push_str(&format!("{n:o}")),
            Value::Uint(n) => out.push_str(&format!("{n:o}")),
            _ => return wrong(),
        },
        _ => {
            let hex = match arg {
                Value::Int(n) if *n < 0 => format!("-{:x}", n.unsigned_abs()),
                Value::Int(n) => format!("{n:x}"),
                Value::Uint(n) => format!("{n:x}"),
                Value::Text(text) => text.bytes().map(|b| format!("{b:02x}")).collect(),
                Value::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
                _ => return wrong(),
            };
            out.push_str(&if verb == 'X' { hex.to_uppercase() } else { hex });
        }
    }
    Ok(())
}

fn text<'a>(machine: &mut Machine<'a>, arg: &Value<'a>, out: &mut String) -> Result<(), Error> {
    match arg {
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items().enumerate() {
                machine.work(16)?;
                if index > 0 {
                    out.push_str(", ");
                }
                nested(machine, &item?, out)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut pairs = Vec::new();
            for key in map.keys() {
                machine.work(16)?;
                let name = match &key {
                    Value::Text(text) => quote(text),
                    Value::Bool(_) | Value::Int(_) | Value::Uint(_) => show(&key),
                    other => {
                        return Err(Error::new(format!(
                            "no formatting function for map key of type {}",
                            other.type_name()
                        )));
                    }
                };
                let value = map.get(&key)?.ok_or_else(|| Error::new("could not find key"))?;
                let mut shown = String::new();
                nested(machine, &value, &mut shown)?;
                pairs.push((name, shown));
            }
            pairs.sort();
            let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
            out.push('{');
            out.push_str(&pairs.join(", "));
            out.push('}');
        }
        Value::Double(n) => out.push_str(&show_double(*n)),
        Value::Bytes(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        Value::Type(name) => out.push_str(name),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Uint(_)
        | Value::Text(_)
        | Value::Timestamp(_)
        | Value::Duration(_) => out.push_str(&show(arg)),
        other => {
            return Err(unfit('s', other.type_name()));
        }
    }
    Ok(())
}

/// A value inside a list or a map.
fn nested<'a>(machine: &mut Machine<'a>, value: &Value<'a>, out: &mut String) -> Result<(), Error> {
    match value {
        Value::Text(text) => out.push_str(&quote(text)),
        Value::Bytes(bytes) => out.push_str(&format!("b{}", quote(&String::from_utf8_lossy(bytes)))),
        Value::Double(n) if n.is_finite() => out.push_str(&format!("{n:.6}")),
        Value::Double(n) => out.push_str(&quote(&show_double(*n))),
        Value::Timestamp(nanos) => out.push_str(&format!("timestamp({})", quote(&times::show_timestamp(*nanos)))),
        Value::Duration(nanos) => out.push_str(&format!("duration({})", quote(&times::show_duration(*nanos)))),
        Value::Type(name) => out.push_str(&format!("type({name})")),
        Value::Map(Map::Json(..) | Map::Owned(_)) | Value::List(_) => text(machine, value, out)?,
        other => text(machine, other, out)?,
    }
    Ok(())
}

/// With a comma between thousands, as English has it.
fn fixed(number: f64, precision: usize) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let text = format!("{:.precision$}", number.abs());
    let (whole, rest) = match text.split_once('.') {
        Some((whole, _)) => (whole, &text[whole.len()..]),
        None => (text.as_str(), ""),
    };
    let mut out = String::new();
    if number.is_sign_negative() {
        out.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(rest);
    out
}

/// Always with six digits: the locale's printer looks at no precision here.
fn scientific(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let text = format!("{number:.PRECISION$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let mut out = format!("{mantissa}\u{d7}10");
    let digits = exponent.trim_start_matches('-');
    if exponent.starts_with('-') {
        out.push('\u{207b}');
    }
    for digit in format!("{digits:0>2}").chars() {
        out.push(match digit {
            '1' => '\u{b9}',
            '2' => '\u{b2}',
            '3' => '\u{b3}',
            digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or_default()).unwrap_or(digit),
        });
    }
    out
}
