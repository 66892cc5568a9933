//! What a call costs when it runs, in the API server's units.

use super::program::Call;
use super::value::Value;

/// Cost of looking at one character of a text.
pub(super) const TEXT_FACTOR: f64 = 0.1;
/// Cost of one character of a pattern.
pub(super) const PATTERN_FACTOR: f64 = 0.25;

/// The size of a value as costs see it: what has none counts as 1.
pub(super) fn size(value: Option<&Value<'_>>) -> u64 {
    match value {
        Some(Value::Optional(Some(inner))) => size(Some(inner)),
        Some(Value::Ip(ip)) => {
            if ip.is_ipv4() {
                4
            } else {
                16
            }
        }
        Some(Value::Cidr(cidr)) => u64::from(cidr.bits.div_ceil(8)),
        Some(value) => value.size().map_or(1, |size| size as u64),
        None => 1,
    }
}

fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

fn matching(text: u64, pattern: u64) -> u64 {
    scaled(text.saturating_add(1), TEXT_FACTOR).saturating_mul(scaled(pattern, PATTERN_FACTOR))
}

/// Visiting everything in a value.
fn traversal(value: &Value<'_>) -> u64 {
    match value {
        Value::Text(text) => (text.len() as f64 * TEXT_FACTOR) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * TEXT_FACTOR) as u64,
        Value::List(list) => list.items().flatten().map(|item| traversal(&item)).sum(),
        Value::Map(map) => map
            .keys()
            .iter()
            .map(|key| traversal(key) + map.get(key).ok().flatten().map_or(0, |value| traversal(&value)))
            .sum(),
        _ => 1,
    }
}

/// A call that makes a list.
fn allocating(factor: f64, size: u64) -> u64 {
    ((size as f64 * factor.max(0.0)) as u64).saturating_add(11)
}

/// Comparing every item of a list with every other.
fn self_comparison(list: Option<&Value<'_>>) -> u64 {
    let Some(Value::List(list)) = list else { return 1 };
    let size = list.len() as u64;
    let texts = matches!(list.get(0), Some(Ok(Value::Text(_) | Value::Bytes(_))));
    allocating(if texts { 2.0 + TEXT_FACTOR } else { 2.0 }, size.saturating_mul(size))
}

/// Whether it is known that texts or bytes are compared or added.
fn is_of_text(call: &Call) -> bool {
    call.overload.ends_with("_string") || call.overload.ends_with("_bytes")
}

/// The cost of a call with these arguments.
pub(super) fn of_call(call: &Call, args: &[Value<'_>], result: Option<&Value<'_>>) -> u64 {
    let arg = |index: usize| size(args.get(index));
    match &*call.name {
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => args.first().map_or(0, traversal),
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP" | "isCIDR" | "quantity"
        | "isQuantity" | "semver" | "isSemver" => scaled(arg(0), TEXT_FACTOR),
        "ip" if call.overload == "cidr_ip" => 1,
        "ip" => scaled(arg(0), TEXT_FACTOR),
        "replace" | "split" | "ip.isCanonical" => scaled(arg(0), 2.0 * TEXT_FACTOR),
        "join" => scaled(size(result), 2.0 * TEXT_FACTOR),
        "find" | "findAll" | "matches" => matching(arg(0), arg(1)),
        "containsIP" => {
            let parsed = if call.overload == "cidr_contains_ip_string" { scaled(arg(1), TEXT_FACTOR) } else { 0 };
            scaled(2 * arg(0), TEXT_FACTOR) + parsed
        }
        "containsCIDR" => {
            let parsed = if call.overload == "cidr_contains_cidr_string" { scaled(arg(1), TEXT_FACTOR) } else { 0 };
            scaled(2 * arg(0), TEXT_FACTOR) + scaled(arg(0), TEXT_FACTOR) + 1 + parsed
        }
        "validate" => match args.first() {
            Some(Value::Format(format)) => matching(arg(1), format.pattern_size),
            _ => 1,
        },
        "slice" | "lists.range" | "reverse" => allocating(1.0, size(result)),
        "flatten" => {
            let depth = match args.get(1) {
                Some(Value::Int(depth)) => *depth as f64,
                _ => 1.0,
            };
            allocating(depth, arg(0))
        }
        "distinct" | "sort" => self_comparison(args.first()),
        "@sortByAssociatedKeys" => self_comparison(args.get(1)),
        "sets.contains" | "sets.intersects" => arg(0).saturating_mul(arg(1)).saturating_add(1),
        "sets.equivalent" => arg(0).saturating_mul(arg(1)).saturating_mul(2).saturating_add(1),
        "startsWith" | "endsWith" => scaled(arg(1), TEXT_FACTOR),
        "contains" => scaled(arg(0), TEXT_FACTOR).saturating_mul(scaled(arg(1), TEXT_FACTOR)),
        "strings.quote" | "format" => scaled(arg(0), TEXT_FACTOR),
        "bytes" if call.overload == "string_to_bytes" => scaled(arg(0), TEXT_FACTOR),
        "string" if call.overload == "bytes_to_string" => scaled(arg(0), TEXT_FACTOR),
        "@in" if call.overload == "in_list" => arg(1),
        "_==_" | "_!=_" => match (args.first(), &*call.name) {
            (
                Some(
                    Value::Quantity(_)
                    | Value::Ip(_)
                    | Value::Cidr(_)
                    | Value::Format(_)
                    | Value::Url(_)
                    | Value::Semver(_),
                ),
                "_==_",
            ) => 1,
            _ => scaled(arg(0).min(arg(1)), TEXT_FACTOR),
        },
        "_<_" | "_<=_" | "_>_" | "_>=_" if is_of_text(call) => scaled(arg(0).min(arg(1)), TEXT_FACTOR),
        "_+_" if is_of_text(call) => scaled(arg(0).saturating_add(arg(1)), TEXT_FACTOR),
        _ => 1,
    }
}
