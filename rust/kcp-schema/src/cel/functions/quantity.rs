//! Quantities such as `1500m` and `10Gi`, exact to a nano.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::value::Value;
use std::cmp::Ordering;
use std::rc::Rc;

const NANO: i128 = 1_000_000_000;
/// The largest amount that is told apart.
const MAX: i128 = i64::MAX as i128 * NANO;

/// An amount.
#[derive(Clone, Debug)]
pub(crate) struct Quantity {
    nanos: i128,
    /// The amount as a 64-bit number times a power of ten, while it is kept in that form: only then is it ever whole.
    small: Option<(i64, i32)>,
    /// Whether it was calculated: such an amount stands on the right of no comparison for equality.
    pub(crate) is_calculated: bool,
}

impl Quantity {
    /// Reads a quantity, or says what is wrong with it as the API server says it.
    pub(crate) fn parse(text: &str) -> Result<Quantity, &'static str> {
        const WRONG: &str =
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        const SUFFIX: &str = "unable to parse quantity's suffix";
        if text.is_empty() {
            return Err(WRONG);
        }
        if text == "0" {
            return Ok(Quantity { nanos: 0, small: Some((0, 0)), is_calculated: false });
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let whole_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut suffix) = rest.split_at(whole_len);
        let mut fraction = "";
        if let Some(after) = suffix.strip_prefix('.') {
            let len = after.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, suffix) = after.split_at(len);
        }
        // Without any digit it is nothing.
        let whole = whole.trim_start_matches('0');
        let binary = match suffix {
            "Ki" => 10,
            "Mi" => 20,
            "Gi" => 30,
            "Ti" => 40,
            "Pi" => 50,
            "Ei" => 60,
            _ => 0,
        };
        let decimal: i32 = match suffix {
            "n" => -9,
            "u" => -6,
            "m" => -3,
            "k" => 3,
            "M" => 6,
            "G" => 9,
            "T" => 12,
            "P" => 15,
            "E" => 18,
            "" => 0,
            _ if binary > 0 => 0,
            exponent => {
                // What is no suffix at all is told from what is none of the known ones.
                let rest = exponent.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
                let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
                if !rest.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(WRONG);
                }
                let digits = exponent.strip_prefix(['e', 'E']).ok_or(SUFFIX)?;
                let digits = digits.strip_prefix('+').unwrap_or(digits);
                let plain = digits.strip_prefix('-').unwrap_or(digits);
                if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(SUFFIX);
                }
                digits.parse::<i32>().map_err(|_| SUFFIX)?
            }
        };
        let sign = if negative { -1 } else { 1 };
        let small = small_form(whole, fraction, decimal, binary, negative);
        Ok(Quantity { nanos: sign * nanos(whole, fraction, decimal, binary), small, is_calculated: false })
    }

    /// The amount in units of 10⁻⁹.
    pub(crate) fn nanos(&self) -> i128 {
        self.nanos
    }

    pub(crate) fn compare(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }

    fn whole(&self) -> Option<i64> {
        let (value, scale) = self.small?;
        let scale = u32::try_from(scale).ok()?;
        value.checked_mul(10i64.checked_pow(scale)?)
    }

    fn plus(&self, other: &Quantity, sign: i64) -> Quantity {
        // The smallest number has no opposite: as in Go it stays what it is.
        let negated = if other.small == Some((i64::MIN, 0)) { 1 } else { i128::from(sign) };
        let nanos = self.nanos.saturating_add(other.nanos.saturating_mul(negated));
        let small = self.small.zip(other.small).and_then(|((a, a_scale), (b, b_scale))| {
            if a == 0 {
                return Some((b.wrapping_mul(sign), b_scale));
            }
            if b == 0 {
                return Some((a, a_scale));
            }
            let scale = a_scale.min(b_scale);
            let shift = |value: i64, from: i32| value.checked_mul(10i64.checked_pow((from - scale) as u32)?);
            Some((shift(a, a_scale)?.checked_add(shift(b, b_scale)?.wrapping_mul(sign))?, scale))
        });
        Quantity { nanos, small, is_calculated: true }
    }

    fn of_int(value: i64) -> Quantity {
        Quantity { nanos: i128::from(value) * NANO, small: Some((value, 0)), is_calculated: false }
    }
}

/// The compact form, for amounts of few digits and not below a nano.
fn small_form(whole: &str, fraction: &str, decimal: i32, binary: i32, negative: bool) -> Option<(i64, i32)> {
    let digits = (whole.len() + fraction.len()) as i32;
    let (precision, mantissa, mut scale) = if binary > 0 {
        if !fraction.is_empty() {
            return None;
        }
        (15 - whole.len() as i32 - (binary as f32 * 3.0 / 10.0) as i32 - 1, 1i64.checked_shl(binary as u32)?, 0)
    } else {
        (18 - digits, 1, decimal)
    };
    scale -= fraction.len() as i32;
    if precision < 0 || scale < -9 {
        return None;
    }
    let text = format!("{whole}{fraction}");
    let value = if text.is_empty() { 0 } else { text.parse::<i64>().ok()? };
    let value = value.checked_mul(mantissa)?;
    Some((if negative { -value } else { value }, scale))
}

/// The amount without its sign, rounded up to a nano and capped.
fn nanos(whole: &str, fraction: &str, decimal: i32, binary: i32) -> i128 {
    let mut digits = format!("{whole}{fraction}");
    let mut exponent = i64::from(decimal) - fraction.len() as i64 + 9;
    // More digits than can matter are cut, and count as a rest.
    let significant = digits.trim_start_matches('0').len();
    digits = digits[digits.len() - significant..].to_owned();
    let mut rest = false;
    if digits.len() > 30 {
        rest = digits[30..].bytes().any(|b| b != b'0');
        exponent += (digits.len() - 30) as i64;
        digits.truncate(30);
    }
    let mut value: i128 = digits.parse().unwrap_or_default();
    if value == 0 && !rest {
        return 0;
    }
    if binary > 0 {
        match value.checked_mul(1i128 << binary) {
            Some(scaled) => value = scaled,
            None => return MAX,
        }
    }
    while exponent > 0 {
        if value > MAX {
            return MAX;
        }
        value = value.saturating_mul(10);
        exponent -= 1;
    }
    while exponent < 0 && value > 0 {
        rest |= value % 10 != 0;
        value /= 10;
        exponent += 1;
    }
    (value + i128::from(rest || exponent < 0 && value == 0)).min(MAX)
}

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "quantity" => |_, _, args| match args {
            [Value::Text(text)] => {
                Quantity::parse(text).map(|quantity| Value::Quantity(Rc::new(quantity))).map_err(Error::new)
            }
            _ => no_overload(),
        },
        "isQuantity" => |_, _, args| match args {
            [Value::Text(text)] => Ok(Value::Bool(Quantity::parse(text).is_ok())),
            _ => no_overload(),
        },
        "sign" => |_, _, args| match args {
            [Value::Quantity(quantity)] => Ok(Value::Int(quantity.nanos.signum() as i64)),
            _ => no_overload(),
        },
        "isGreaterThan" => |_, _, args| compared(args, |order| Value::Bool(order.is_gt())),
        "isLessThan" => |_, _, args| compared(args, |order| Value::Bool(order.is_lt())),
        "compareTo" => |_, _, args| compared(args, |order| Value::Int(order as i64)),
        "asApproximateFloat" => |_, _, args| match args {
            [Value::Quantity(quantity)] => Ok(Value::Double(quantity.nanos as f64 / NANO as f64)),
            _ => no_overload(),
        },
        "asInteger" => |_, _, args| match args {
            [Value::Quantity(quantity)] => {
                quantity.whole().map(Value::Int).ok_or_else(|| Error::new("cannot convert value to integer"))
            }
            _ => no_overload(),
        },
        "isInteger" => |_, _, args| match args {
            [Value::Quantity(quantity)] => Ok(Value::Bool(quantity.whole().is_some())),
            _ => no_overload(),
        },
        "add" => |_, _, args| sum(args, 1),
        "sub" => |_, _, args| sum(args, -1),
        _ => return None,
    })
}

/// What quantities and versions have in common.
fn compared<'a>(args: &[Value<'a>], answer: impl Fn(Ordering) -> Value<'a>) -> Result<Value<'a>, Error> {
    match args {
        [Value::Quantity(a), Value::Quantity(b)] => Ok(answer(a.compare(b))),
        [Value::Semver(a), Value::Semver(b)] => Ok(answer(a.cmp_precedence(b))),
        _ => no_overload(),
    }
}

fn sum<'a>(args: &[Value<'a>], sign: i64) -> Result<Value<'a>, Error> {
    match args {
        [Value::Quantity(a), Value::Quantity(b)] => Ok(Value::Quantity(Rc::new(a.plus(b, sign)))),
        [Value::Quantity(a), Value::Int(b)] => Ok(Value::Quantity(Rc::new(a.plus(&Quantity::of_int(*b), sign)))),
        _ => no_overload(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_compared() {
        let same = |a: &str, b: &str| Quantity::parse(a).unwrap().compare(&Quantity::parse(b).unwrap()).is_eq();
        assert!(same("1500m", "1.5"));
        assert!(same("1Ki", "1024"));
        assert!(same("1e3", "1k"));
        assert!(same("0.5Gi", "512Mi"));
        assert!(same("-1", "-1000m"));
        // Below a nano it is rounded up, above 2^63 - 1 it is cut off.
        assert!(same("0.0000000001", "1n"));
        assert!(same("100E", "9223372036854775807"));
        for bad in ["", "x", "1x", "1e", "1.2.3", "--1", "1 ", "1KiB"] {
            assert!(Quantity::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Quantity::parse("50k").unwrap().whole(), Some(50_000));
        assert_eq!(Quantity::parse("1.5").unwrap().whole(), None);
        assert_eq!(Quantity::parse("9999999999999999999999999999999999999G").unwrap().whole(), None);
    }
}
