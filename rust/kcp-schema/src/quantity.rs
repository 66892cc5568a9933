//! Amounts such as `500m` and `1Gi` outside of rules: their canonical text, and comparing.

use crate::cel::Quantity;
use std::cmp::Ordering;

const NANO: i128 = 1_000_000_000;
const MILLI: i128 = NANO / 1000;

/// Which kind of suffix an amount was written with, and is written with again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    /// `n` to `E`, or none.
    Decimal,
    /// `Ki` to `Ei`.
    Binary,
    /// `e3`.
    Exponent,
}

/// An amount, exact to a nano.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    nanos: i128,
    notation: Notation,
}

impl Amount {
    /// Reads an amount; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = Quantity::parse(text).ok()?.nanos();
        let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
        let notation = match suffix {
            "" | "E" => Notation::Decimal,
            _ if suffix.ends_with('i') => Notation::Binary,
            _ if suffix.starts_with(['e', 'E']) => Notation::Exponent,
            _ => Notation::Decimal,
        };
        Some(Self { nanos, notation })
    }

    /// The same amount, or the next thousandth above it.
    #[must_use]
    pub fn rounded_to_milli(self) -> Self {
        let below = self.nanos.div_euclid(MILLI) * MILLI;
        Self { nanos: if below == self.nanos { below } else { below + MILLI }, ..self }
    }

    /// Whether it is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.nanos > 0
    }

    /// The text by which a Kubernetes API shows it: the largest suffix that leaves a whole number.
    pub fn canonical(self) -> String {
        match self.notation {
            // Few units are never worth a binary suffix, and a part of a unit has none.
            Notation::Binary if self.nanos.abs() >= 1024 * NANO => self.binary(),
            Notation::Exponent => self.decimal(|exponent| match exponent {
                0 => String::new(),
                _ => format!("e{exponent}"),
            }),
            _ => self.decimal(|exponent| {
                let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
                suffixes[usize::try_from(exponent / 3 + 3).unwrap_or_default()].to_owned()
            }),
        }
    }

    fn binary(self) -> String {
        let mut units = self.nanos.div_euclid(NANO) + i128::from(self.nanos.rem_euclid(NANO) != 0);
        let mut suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter();
        let mut suffix = suffixes.next().unwrap_or_default();
        while units % 1024 == 0
            && let Some(next) = suffixes.next()
        {
            (units, suffix) = (units / 1024, next);
        }
        format!("{units}{suffix}")
    }

    fn decimal(self, suffix: impl Fn(i32) -> String) -> String {
        let (mut mantissa, mut exponent) = (self.nanos, -9);
        if mantissa == 0 {
            return "0".to_owned();
        }
        while mantissa % 1000 == 0 && exponent < 18 {
            (mantissa, exponent) = (mantissa / 1000, exponent + 3);
        }
        format!("{mantissa}{}", suffix(exponent))
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_go_writes_them() {
        for (text, canonical) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("1.5Ki", "1536"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("100e1", "1e3"),
            ("1E", "1E"),
            ("-0.1", "-100m"),
            ("+5", "5"),
            ("0.000000001", "1n"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().canonical(), canonical, "{text}");
        }
        assert!(Amount::parse("much").is_none());
        assert_eq!(Amount::parse("0.0001").unwrap().rounded_to_milli().canonical(), "1m");
        assert!(Amount::parse("1Gi").unwrap() == Amount::parse("1024Mi").unwrap());
    }
}
