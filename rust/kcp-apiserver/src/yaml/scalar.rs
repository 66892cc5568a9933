//! What a scalar of a YAML document stands for, by the rules of YAML 1.1 as Go's parser has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kcp_apimachinery::text;

/// A scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond `i64`.
    Large(u64),
    Float(f64),
    Text(String),
    /// The key that merges another mapping into its own.
    Merge,
}

impl Scalar {
    /// The tag that belongs to what the scalar is.
    const fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Large(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Merge => "merge",
        }
    }

    /// The field of a JSON object that a scalar is the key of; none for null.
    pub fn key(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Large(value) => value.to_string(),
            Self::Float(value) if value.is_nan() => ".nan".to_owned(),
            Self::Float(value) if value.is_infinite() => if *value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
            Self::Float(value) => single(*value),
            Self::Text(text) => text.clone(),
            Self::Merge => "<<".to_owned(),
        })
    }

    /// The scalar as Go's `%#v` prints it.
    pub fn go_syntax(&self) -> String {
        match self {
            Self::Null => "<nil>".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Large(value) => format!("{value:#x}"),
            Self::Float(value) => text::float(*value),
            Self::Text(value) => text::quote(value),
            Self::Merge => text::quote("<<"),
        }
    }
}

/// A floating-point key is printed with the digits of single precision, without an exponent below 10²¹.
fn single(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation)]
    let single = value as f32;
    let printed = format!("{single:e}");
    let exponent: i32 = printed.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default();
    if single == 0.0 || (-4..21).contains(&exponent) {
        return format!("{single}");
    }
    let (digits, _) = printed.split_once('e').unwrap_or((&printed, ""));
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Reads a scalar. `tag` is the short name of a tag of YAML's own (`int`), `plain` whether the text stood there without
/// quotes and without a tag.
///
/// # Errors
/// When the text is not what the tag says.
pub fn resolve(text: &str, tag: Option<&str>, plain: bool) -> Result<Scalar, String> {
    let own = || Scalar::Text(text.to_owned());
    let wanted = match tag {
        None if plain => return Ok(guess(text)),
        None | Some("str") => return Ok(own()),
        Some("binary") => {
            let refuse = |_| "!!binary value contains invalid base64 data".to_owned();
            let bytes = STANDARD.decode(text).map_err(refuse)?;
            return Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        Some("timestamp") if is_date(text) => return Ok(own()),
        Some(tag @ ("bool" | "int" | "float" | "null" | "timestamp")) => tag,
        Some(_) => return Ok(own()),
    };
    #[allow(clippy::cast_precision_loss)]
    match guess(text) {
        Scalar::Int(value) if wanted == "float" => Ok(Scalar::Float(value as f64)),
        found if found.tag() == wanted => Ok(found),
        found => Err(format!("cannot decode !!{} `{text}` as a !!{wanted}", found.tag())),
    }
}

/// What a scalar is that nothing is said of.
fn guess(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        "<<" => Scalar::Merge,
        _ => number(text).unwrap_or_else(|| Scalar::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Scalar> {
    let first = text.bytes().next()?;
    if first == b'.' {
        return float(text).map(Scalar::Float);
    }
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-')) || is_date(text) {
        return None;
    }
    let plain = text.replace('_', "");
    integer(&plain).or_else(|| float(&plain).map(Scalar::Float))
}

/// An integer: decimal, or with the prefix of another base, of which a bare zero is one.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|digit| char::from(digit).is_digit(base)) {
        return None;
    }
    let size = i128::from_str_radix(digits, base).ok()?;
    let value = if negative { -size } else { size };
    let large = || u64::try_from(value).ok().filter(|_| !text.starts_with(['+', '-'])).map(Scalar::Large);
    i64::try_from(value).ok().map(Scalar::Int).or_else(large)
}

/// A number with a fraction or an exponent that a float holds.
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(m, e)| (m, Some(e)));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    let fits = all(whole)
        && all(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && all(exponent));
    fits.then(|| text.parse().ok()).flatten().filter(|value: &f64| value.is_finite())
}

/// Whether a text is a date, or a date with a time.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = parts.next().is_some_and(|year| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()));
    let mut numbers = parts.map(|part| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    year && numbers.next() == Some(true)
        && numbers.next() == Some(true)
        && numbers.next().is_none()
        && time.is_none_or(|time| time.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_go_reads_them() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        for (given, want) in [
            ("y", Scalar::Bool(true)),
            ("NO", Scalar::Bool(false)),
            ("yEs", text("yEs")),
            ("nUll", text("nUll")),
            ("010", Scalar::Int(8)),
            ("-010", Scalar::Int(-8)),
            ("0_10", Scalar::Int(8)),
            ("0o10", Scalar::Int(8)),
            ("08", Scalar::Float(8.0)),
            ("0o8", text("0o8")),
            ("1__0", Scalar::Int(10)),
            ("1_", Scalar::Int(1)),
            ("_1", text("_1")),
            ("0x_1", Scalar::Int(1)),
            ("+0x1", Scalar::Int(1)),
            ("-0b11", Scalar::Int(-3)),
            ("0", Scalar::Int(0)),
            ("-0", Scalar::Int(0)),
            ("18446744073709551615", Scalar::Large(u64::MAX)),
            ("18446744073709551616", Scalar::Float(18_446_744_073_709_551_616.0)),
            ("1.", Scalar::Float(1.0)),
            ("+.5", Scalar::Float(0.5)),
            (".5.", text(".5.")),
            ("1.e3", Scalar::Float(1000.0)),
            ("1e", text("1e")),
            ("1e400", text("1e400")),
            ("1_000.5", Scalar::Float(1000.5)),
            ("0x1p4", text("0x1p4")),
            ("1:30", text("1:30")),
            ("2024-01-01", text("2024-01-01")),
            ("2024-01-01T00:00:00Z", text("2024-01-01T00:00:00Z")),
            ("+", text("+")),
            ("-", text("-")),
            ("0x", text("0x")),
            ("", Scalar::Null),
        ] {
            assert_eq!(resolve(given, None, true), Ok(want), "{given}");
            assert_eq!(resolve(given, None, false), Ok(text(given)), "{given} in quotes");
        }
    }

    #[test]
    fn a_tag_says_what_a_scalar_is() {
        for (given, tag, want) in [
            ("5", "str", Ok(Scalar::Text("5".into()))),
            ("5", "int", Ok(Scalar::Int(5))),
            ("5", "float", Ok(Scalar::Float(5.0))),
            ("yes", "bool", Ok(Scalar::Bool(true))),
            ("eA==", "binary", Ok(Scalar::Text("x".into()))),
            ("2024-01-01", "timestamp", Ok(Scalar::Text("2024-01-01".into()))),
            ("x", "int", Err("cannot decode !!str `x` as a !!int".to_owned())),
            ("*", "binary", Err("!!binary value contains invalid base64 data".to_owned())),
        ] {
            assert_eq!(resolve(given, Some(tag), false), want, "!!{tag} {given}");
        }
    }

    #[test]
    fn keys_are_texts() {
        for (given, want) in [
            ("on", "true"),
            ("0x10", "16"),
            ("1e3", "1000"),
            ("1000.0", "1000"),
            ("-0.0", "-0"),
            ("1.1", "1.1"),
            (".5", "0.5"),
            (".inf", ".inf"),
            ("a", "a"),
        ] {
            assert_eq!(resolve(given, None, true).unwrap().key().as_deref(), Some(want), "{given}");
        }
        assert_eq!(Scalar::Null.key(), None);
    }
}
