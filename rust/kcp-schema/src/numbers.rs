//! Checks of numbers: ranges of types and formats, bounds, multiples.

use crate::structural::{Kind, Rule};
use crate::validate::{Failure, What};
use kcp_apimachinery::text::float;
use serde_json::{Number, Value};

/// A number as the API server's decoder sees it: 64-bit integers stay integers, all others are floats.
#[derive(Clone, Copy)]
pub(crate) enum Numeric {
    Int(i64),
    Float(f64),
}

impl Numeric {
    pub(crate) fn of(number: &Number) -> Numeric {
        match number.as_i64() {
            Some(int) => Numeric::Int(int),
            None => Numeric::Float(number.as_f64().unwrap_or(f64::MAX)),
        }
    }

    fn float(self) -> f64 {
        match self {
            Numeric::Int(int) => int as f64,
            Numeric::Float(float) => float,
        }
    }
}

/// Whether a float is a whole number that JSON can carry exactly.
pub(crate) fn is_json_integer(float: f64) -> bool {
    float.is_finite() && float.abs() <= 9_007_199_254_740_991.0 && {
        let whole = float.trunc();
        whole == float || (float - whole).abs() / (float.abs() + whole.abs()) < 1e-9
    }
}

pub(crate) fn in_range(value: Numeric, kind: Kind, format: Option<&str>) -> bool {
    match (kind, format) {
        (Kind::Integer, Some("int32")) => match value {
            Numeric::Int(int) => i32::try_from(int).is_ok(),
            Numeric::Float(float) => float.fract() == 0.0 && float.abs() <= f64::from(i32::MAX),
        },
        (Kind::Integer, _) => match value {
            Numeric::Int(_) => true,
            Numeric::Float(float) => float.fract() == 0.0 && float.abs() < 9.223_372_036_854_775e18,
        },
        (Kind::Number, Some("float")) => value.float().abs() <= f64::from(f32::MAX),
        _ => true,
    }
}

pub(crate) fn range_failure(prefix: &str, kind: Kind, format: Option<&str>, path: &str) -> Failure {
    Failure::Plain(match format {
        Some(format) => format!("{prefix} value must be of type {} with format {format} in {path}", kind.name()),
        None => format!("{prefix} value must be of type {} (default format) in {path}", kind.name()),
    })
}

/// How a number stands to a bound or factor.
#[derive(PartialEq)]
enum Verdict {
    Fits,
    Fails,
    /// The factor is not positive.
    NoFactor,
}

fn judge(value: Numeric, native: bool, bound: f64, rule: &Rule) -> Verdict {
    let as_int = match value {
        Numeric::Int(int) if native => Some((int, bound as i64)),
        _ => None,
    };
    let fits = match (rule, as_int) {
        (Rule::MultipleOf(_), Some((_, factor))) if factor <= 0 => return Verdict::NoFactor,
        (Rule::MultipleOf(_), None) if bound <= 0.0 => return Verdict::NoFactor,
        (Rule::MultipleOf(_), Some((int, factor))) => int % factor == 0,
        (Rule::MultipleOf(_), None) if bound < 1.0 => is_json_integer(1.0 / bound * value.float()),
        (Rule::MultipleOf(_), None) => is_json_integer(value.float() / bound),
        (Rule::Minimum { exclusive: true, .. }, Some((int, bound))) => int > bound,
        (Rule::Minimum { .. }, Some((int, bound))) => int >= bound,
        (Rule::Minimum { exclusive: true, .. }, None) => value.float() > bound,
        (Rule::Minimum { .. }, None) => value.float() >= bound,
        (Rule::Maximum { exclusive: true, .. }, Some((int, bound))) => int < bound,
        (Rule::Maximum { .. }, Some((int, bound))) => int <= bound,
        (Rule::Maximum { exclusive: true, .. }, None) => value.float() < bound,
        (Rule::Maximum { .. }, None) => value.float() <= bound,
        _ => true,
    };
    if fits { Verdict::Fits } else { Verdict::Fails }
}

fn bound_of(rule: &Rule) -> Option<(f64, &'static str)> {
    match rule {
        Rule::MultipleOf(factor) => Some((*factor, "MultipleOf")),
        Rule::Minimum { bound, .. } => Some((*bound, "Minimum boundary")),
        Rule::Maximum { bound, .. } => Some((*bound, "Maximum boundary")),
        _ => None,
    }
}

/// Whether a number satisfies a rule for numbers.
pub(crate) fn number_accepts(value: Numeric, kind: Kind, format: Option<&str>, rule: &Rule) -> bool {
    bound_of(rule).is_none_or(|(bound, _)| {
        in_range(Numeric::Float(bound), kind, format) && judge(value, true, bound, rule) == Verdict::Fits
    })
}

/// Bounds and multiples. A bound outside the range of the type is an error of its own, and then compared as a float.
pub(crate) fn number_rule(
    number: &Number,
    kind: Kind,
    format: Option<&str>,
    rule: &Rule,
    path: &str,
    failures: &mut Vec<Failure>,
) {
    let Some((bound, what)) = bound_of(rule) else { return };
    let value = Numeric::of(number);
    let native = in_range(Numeric::Float(bound), kind, format);
    if !native {
        failures.push(range_failure(what, kind, format, path));
    }
    let (message, printed) = match judge(value, native, bound, rule) {
        Verdict::Fits => return,
        Verdict::NoFactor => {
            // Whole numbers are divided by the whole part of the factor.
            let factor = if matches!(value, Numeric::Int(_)) && native { bound.trunc() } else { bound };
            (format!("factor MultipleOf declared for {path} must be positive: {}", float(factor)), json_float(factor))
        }
        Verdict::Fails => {
            let words = match rule {
                Rule::Minimum { exclusive: true, .. } => "should be greater than",
                Rule::Minimum { .. } => "should be greater than or equal to",
                Rule::Maximum { exclusive: true, .. } => "should be less than",
                Rule::Maximum { .. } => "should be less than or equal to",
                _ => "should be a multiple of",
            };
            let shown = match value {
                Numeric::Int(_) if native => (bound as i64).to_string(),
                _ => float(bound),
            };
            (format!("{path} in body {words} {shown}"), Value::Number(number.clone()))
        }
    };
    failures.push(Failure::Field(path.to_owned(), What::Invalid(printed), message));
}

fn json_float(float: f64) -> Value {
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}

/// Equality for `enum`: numbers compare after conversion to the type of the allowed value, null is never allowed.
pub(crate) fn same(value: &Value, allowed: &Value) -> bool {
    match (value, allowed) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Number(value), Value::Number(allowed)) => match (Numeric::of(value), Numeric::of(allowed)) {
            (Numeric::Int(value), Numeric::Int(allowed)) => value == allowed,
            (Numeric::Float(value), Numeric::Int(allowed)) => value as i64 == allowed,
            (value, Numeric::Float(allowed)) => value.float() == allowed,
        },
        (value, allowed) => value == allowed,
    }
}
