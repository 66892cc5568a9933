//! What functions do. One file for each library; a function decides by the values it gets which overload is meant.

mod address;
pub(super) mod cidr;
mod clock;
mod convert;
pub(super) mod format;
mod ip;
mod lists;
mod operators;
mod optional;
pub(super) mod quantity;
mod regex;
mod semver;
mod strings;
pub(super) mod text_format;
pub(super) mod url;

use super::error::Error;
use super::eval::Machine;
use super::program::Call;
use super::times;
use super::value::{Outcome, Value};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use kcp_apimachinery::text::quote;

/// A function: it gets the machine for what it may cost, the call, and the values of its arguments.
pub(super) type Run = for<'a> fn(&mut Machine<'a>, &'a Call, &[Value<'a>]) -> Outcome<'a>;

/// The function of a name.
pub(super) fn find(name: &str) -> Option<Run> {
    operators::find(name)
        .or_else(|| convert::find(name))
        .or_else(|| strings::find(name))
        .or_else(|| lists::find(name))
        .or_else(|| clock::find(name))
        .or_else(|| optional::find(name))
        .or_else(|| regex::find(name))
        .or_else(|| url::find(name))
        .or_else(|| ip::find(name))
        .or_else(|| cidr::find(name))
        .or_else(|| quantity::find(name))
        .or_else(|| semver::find(name))
        .or_else(|| format::find(name))
}

/// Standard base64, with or without its padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

fn no_overload<'a>() -> Outcome<'a> {
    Err(Error::no_overload())
}

/// A value as messages show it.
pub(super) fn show(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Uint(n) => n.to_string(),
        Value::Double(n) => show_double(*n),
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => quote(&String::from_utf8_lossy(bytes)),
        Value::Timestamp(nanos) => times::show_timestamp(*nanos),
        Value::Duration(nanos) => times::show_duration(*nanos),
        Value::List(list) => {
            let items: Vec<String> = list.items().take(100).flatten().map(|item| show(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.type_name().to_owned(),
    }
}

/// A double as Go prints it in its shortest form.
pub(super) fn show_double(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{n:e}");
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return n.to_string();
    }
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}
