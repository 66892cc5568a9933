//! Times as metadata prints them, reading of times in other precisions and zones, and ages for people.
//!
//! No clock is read here: seconds arrive as arguments.

use jiff::civil::DateTime;

const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
const RFC3339_MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Prints seconds since 1970 as `2006-01-02T15:04:05Z`. Seconds outside the years 0 to 9999 are moved to the nearest end.
pub fn format_rfc3339(seconds: i64) -> String {
    civil(seconds).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Prints microseconds since 1970 as `2006-01-02T15:04:05.000000Z`, the form of Lease and Event.
pub fn format_micro(microseconds: i64) -> String {
    let (seconds, fraction) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
    format!("{}.{fraction:06}Z", civil(seconds).strftime("%Y-%m-%dT%H:%M:%S"))
}

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

fn civil(seconds: i64) -> DateTime {
    let seconds = seconds.clamp(*YEARS.start(), *YEARS.end());
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Both additions stay inside the years 0 to 9999, because the seconds do.
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
        .saturating_add(jiff::SignedDuration::from_hours(days * 24))
        .saturating_add(jiff::SignedDuration::from_secs(second))
}

/// Reads an RFC 3339 time of any precision and zone as seconds since 1970; fractions are cut off.
///
/// # Errors
/// Go's words for a text that is no such time.
pub fn parse(text: &str) -> Result<i64, String> {
    read(text, RFC3339).map(|(seconds, _)| seconds)
}

/// Reads an RFC 3339 time of any precision and zone as microseconds since 1970.
///
/// # Errors
/// Go's words for a text that is no such time.
pub fn parse_micro(text: &str) -> Result<i64, String> {
    let (seconds, micros) = read(text, RFC3339_MICRO)?;
    Ok(seconds * 1_000_000 + micros)
}

/// Brings a time into the form of `metav1.Time`: UTC, whole seconds.
///
/// # Errors
/// Go's words for a text that is no time.
pub fn normalize(text: &str) -> Result<String, String> {
    parse(text).map(format_rfc3339)
}

/// Brings a time into the form of `metav1.MicroTime`: UTC, six digits after the point.
///
/// # Errors
/// Go's words for a text that is no time.
pub fn normalize_micro(text: &str) -> Result<String, String> {
    parse_micro(text).map(format_micro)
}

/// What is still to be read, and how the part read so far is complained about.
struct Scanner<'a> {
    whole: &'a str,
    layout: &'static str,
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn cannot_parse(&self, element: &str) -> String {
        let (whole, rest) = (crate::text::quote(self.whole), crate::text::quote(self.rest));
        format!("parsing time {whole} as \"{}\": cannot parse {rest} as \"{element}\"", self.layout)
    }

    fn out_of_range(&self, part: &str) -> String {
        format!("parsing time {}: {part} out of range", crate::text::quote(self.whole))
    }

    fn digits(&mut self, count: usize, element: &str) -> Result<i64, String> {
        match self.rest.as_bytes().get(..count) {
            Some(digits) if digits.iter().all(u8::is_ascii_digit) => {
                self.rest = &self.rest[count..];
                Ok(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
            }
            _ => Err(self.cannot_parse(element)),
        }
    }

    fn literal(&mut self, literal: char) -> Result<(), String> {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.cannot_parse(literal.encode_utf8(&mut [0; 4]))),
        }
    }

    /// One or two digits: Go is lenient about the hour alone.
    fn hour(&mut self) -> Result<i8, String> {
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        match self.digits(digits.max(1), "15")? {
            hour @ 0..=23 => i8::try_from(hour).map_err(|_| self.out_of_range("hour")),
            _ => Err(self.out_of_range("hour")),
        }
    }

    fn two(&mut self, element: &str, range: std::ops::RangeInclusive<i64>, part: &str) -> Result<i8, String> {
        let value = self.digits(2, element)?;
        match i8::try_from(value) {
            Ok(small) if range.contains(&value) => Ok(small),
            _ => Err(self.out_of_range(part)),
        }
    }

    /// Microseconds of a fraction of any length; further digits are cut off.
    fn fraction(&mut self) -> i64 {
        let Some(after) = self.rest.strip_prefix(['.', ',']) else {
            return 0;
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        self.rest = &after[digits..];
        after[..digits].bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |n, d| n * 10 + i64::from(d - b'0'))
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let b = self.rest.as_bytes();
        if b.len() < 6 || b[3] != b':' {
            return Err(self.cannot_parse("Z07:00"));
        }
        let two = |at: usize| {
            let digits = &b[at..at + 2];
            digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
        };
        let hours = two(1);
        let minutes = hours.and_then(|_| two(4));
        // Go looks at the sizes before it looks at the shape.
        if hours.is_some_and(|h| h > 24) {
            return Err(self.out_of_range("time zone offset hour"));
        }
        if minutes.is_some_and(|m| m > 60) {
            return Err(self.out_of_range("time zone offset minute"));
        }
        let (Some(hours), Some(minutes), sign @ (b'+' | b'-')) = (hours, minutes, b[0]) else {
            return Err(self.cannot_parse("Z07:00"));
        };
        let size = hours * 3600 + minutes * 60;
        self.rest = &self.rest[6..];
        Ok(if sign == b'-' { -size } else { size })
    }
}

/// Seconds since 1970 and microseconds into that second.
fn read(text: &str, layout: &'static str) -> Result<(i64, i64), String> {
    let mut s = Scanner { whole: text, layout, rest: text };
    let year = s.digits(4, "2006")?;
    s.literal('-')?;
    let month = s.two("01", 1..=12, "month")?;
    s.literal('-')?;
    // Whether the month has that many days is looked at last.
    let day = s.digits(2, "02")?;
    s.literal('T')?;
    let hour = s.hour()?;
    s.literal(':')?;
    let minute = s.two("04", 0..=59, "minute")?;
    s.literal(':')?;
    let second = s.two("05", 0..=59, "second")?;
    let fraction = s.fraction();
    let offset = s.zone()?;
    if !s.rest.is_empty() {
        let (whole, rest) = (crate::text::quote(text), crate::text::quote(s.rest));
        return Err(format!("parsing time {whole}: extra text: {rest}"));
    }
    let year = i16::try_from(year).map_err(|_| s.out_of_range("year"))?;
    let day = i8::try_from(day).map_err(|_| s.out_of_range("day"))?;
    let date = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| s.out_of_range("day"))?;
    let since = date.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Ok((since.as_secs() - offset, fraction))
}

/// An age in seconds as kubectl's AGE column prints it: `95s`, `5m30s`, `3h5m`, `2d5h`, `2y30d`.
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match seconds {
        // Clocks of two machines differ a little.
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..=119 => format!("{seconds}s"),
        120..=599 => pair(minutes, "m", seconds % 60, "s"),
        600..=10_799 => format!("{minutes}m"),
        10_800..=28_799 => pair(hours, "h", minutes % 60, "m"),
        28_800..=172_799 => format!("{hours}h"),
        172_800..=691_199 => pair(days, "d", hours % 24, "h"),
        691_200..=63_071_999 => format!("{days}d"),
        63_072_000..=252_287_999 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// The age of something created at `created`, an RFC 3339 time, when it is `now` seconds since 1970.
pub fn age(created: &str, now: i64) -> String {
    match parse(created) {
        Ok(seconds) => human_duration(now.saturating_sub(seconds)),
        Err(_) => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_normalised() {
        for (text, want) in [
            ("2024-02-29T12:30:45Z", "2024-02-29T12:30:45Z"),
            ("2024-02-29T12:30:45.999999999Z", "2024-02-29T12:30:45Z"),
            ("2024-02-29T12:30:45+02:00", "2024-02-29T10:30:45Z"),
            ("1969-12-31T23:59:59-00:30", "1970-01-01T00:29:59Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("2024-02-29T1:30:45Z", "2024-02-29T01:30:45Z"),
        ] {
            assert_eq!(normalize(text), Ok(want.to_owned()), "{text}");
        }
        assert_eq!(normalize_micro("2024-02-29T12:30:45.1234567Z"), Ok("2024-02-29T12:30:45.123456Z".to_owned()));
        assert_eq!(normalize_micro("2024-02-29T12:30:45Z"), Ok("2024-02-29T12:30:45.000000Z".to_owned()));
        assert_eq!(format_micro(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(format_rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn texts_that_are_no_times_are_refused_as_go_does() {
        const AS: &str = r#"as "2006-01-02T15:04:05Z07:00": cannot parse"#;
        for (text, want) in [
            ("abc", format!(r#"parsing time "abc" {AS} "abc" as "2006""#)),
            ("2024-1-01T00:00:00Z", format!(r#"parsing time "2024-1-01T00:00:00Z" {AS} "1-01T00:00:00Z" as "01""#)),
            ("2024-01-01", format!(r#"parsing time "2024-01-01" {AS} "" as "T""#)),
            ("2024-01-01T00:00:00", format!(r#"parsing time "2024-01-01T00:00:00" {AS} "" as "Z07:00""#)),
            ("2024-13-01T00:00:00Z", r#"parsing time "2024-13-01T00:00:00Z": month out of range"#.to_owned()),
            ("2023-02-29T00:00:00Z", r#"parsing time "2023-02-29T00:00:00Z": day out of range"#.to_owned()),
            ("2024-01-01T00:00:00Zx", r#"parsing time "2024-01-01T00:00:00Zx": extra text: "x""#.to_owned()),
        ] {
            assert_eq!(parse(text), Err(want), "{text}");
        }
    }

    #[test]
    fn ages_have_two_or_three_digits_that_matter() {
        const H: i64 = 3600;
        const D: i64 = 86_400;
        for (seconds, want) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (600, "10m"),
            (179 * 60, "179m"),
            (3 * H, "3h"),
            (3 * H + 300, "3h5m"),
            (8 * H, "8h"),
            (47 * H, "47h"),
            (2 * D, "2d"),
            (2 * D + 5 * H, "2d5h"),
            (8 * D, "8d"),
            (729 * D, "729d"),
            (730 * D, "2y"),
            (760 * D, "2y30d"),
            (8 * 365 * D, "8y"),
            (9 * 365 * D + 5 * D, "9y"),
        ] {
            assert_eq!(human_duration(seconds), want);
        }
        assert_eq!(age("2024-01-01T00:00:00Z", 1_704_067_260), "60s");
        assert_eq!(age("x", 0), "<unknown>");
    }

    proptest! {
        #[test]
        fn seconds_survive_printing(seconds in -62_167_219_200i64..=253_402_300_799) {
            prop_assert_eq!(parse(&format_rfc3339(seconds)), Ok(seconds));
        }

        #[test]
        fn no_text_panics(text in "[0-9TZ:.+-]{0,30}|.{0,30}") {
            let _ = parse_micro(&text);
        }
    }
}
