//! Durations and timestamps: reading, printing, and the parts of a point in time.

use super::error::Error;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const SECOND: i128 = 1_000_000_000;
/// The range of timestamps: years 1 to 9999.
const FIRST: i128 = -62_135_596_800 * SECOND;
const LAST: i128 = 253_402_300_800 * SECOND - 1;

/// A point in time, if it is in range.
pub(super) fn in_range(nanos: i128) -> Result<i128, Error> {
    if (FIRST..=LAST).contains(&nanos) { Ok(nanos) } else { Err(Error::new("timestamp overflow")) }
}

/// A duration as Go writes it: `1h30m`, `-1.5s`, `300ms`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let whole = &rest[..digits];
        rest = &rest[digits..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            fraction = &after[..digits];
            rest = &after[digits..];
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let scale: i128 = match &rest[..unit] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        rest = &rest[unit..];
        let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok() };
        total += i128::from(number(whole)?) * scale;
        let digits = &fraction[..fraction.len().min(18)];
        if !digits.is_empty() {
            total += i128::from(number(digits)?) * scale / 10i128.pow(digits.len() as u32);
        }
        if total > i128::from(i64::MAX) + 1 {
            return None;
        }
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// A duration as the format of schemas has it: as Go writes it, or words such as `3 days`.
pub(super) fn format_duration(text: &str) -> Option<i64> {
    parse_duration(text).or_else(|| {
        let text = text.trim();
        let mut total: i128 = 0;
        let mut rest = text;
        let mut any = false;
        while !rest.is_empty() {
            rest = rest.trim_start();
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest.get(..digits)?.parse().ok()?;
            rest = rest[digits..].trim_start();
            let letters = rest.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
            let unit = rest[..letters].to_lowercase();
            rest = rest[letters..].trim_start_matches([',', ' ']);
            let scale: i128 = match unit.as_str() {
                "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
                "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
                "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
                "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
                "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
                "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * SECOND,
                "d" | "day" | "days" => 86_400 * SECOND,
                "w" | "wk" | "wks" | "week" | "weeks" => 7 * 86_400 * SECOND,
                _ => return None,
            };
            total += i128::from(number) * scale;
            any = true;
        }
        if any { i64::try_from(total).ok() } else { None }
    })
}

/// A day, as the format `date` has it.
pub(super) fn format_date(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let date: Date = shaped.then(|| text.parse().ok())??;
    Some(since_epoch(date.to_datetime(jiff::civil::Time::midnight())))
}

/// A point in time, as the format `date-time` has it.
pub(super) fn format_date_time(text: &str) -> Option<i128> {
    parse_timestamp(text).or_else(|| {
        let text = text.replace(' ', "T");
        parse_timestamp(&text).or_else(|| {
            // Without an offset it is in UTC.
            let civil: DateTime = text.parse().ok()?;
            Some(since_epoch(civil))
        })
    })
}

fn since_epoch(civil: DateTime) -> i128 {
    TimeZone::UTC.to_timestamp(civil).map_or(0, |timestamp| timestamp.as_nanosecond())
}

/// A point in time by RFC 3339.
pub(super) fn parse_timestamp(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[16] == b':'
        && bytes[..19].iter().enumerate().all(|(at, b)| matches!(at, 4 | 7 | 10 | 13 | 16) || b.is_ascii_digit());
    if !shaped || &text[17..19] == "60" {
        return None;
    }
    let offset = text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let whole = offset == "Z" || offset.len() == 6 && offset.starts_with(['+', '-']) && offset.as_bytes()[3] == b':';
    if !whole {
        return None;
    }
    let civil: DateTime = text[..text.len() - offset.len()].parse().ok()?;
    let shift = if offset == "Z" {
        0
    } else {
        let hours: i64 = offset[1..3].parse().ok()?;
        let minutes: i64 = offset[4..].parse().ok()?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        (hours * 3600 + minutes * 60) * if offset.starts_with('-') { -1 } else { 1 }
    };
    let nanos = civil_nanos(civil) - i128::from(shift) * SECOND;
    (FIRST..=LAST).contains(&nanos).then_some(nanos)
}

/// Nanoseconds since 1970 of a civil time in UTC, for all years that a date can have.
fn civil_nanos(civil: DateTime) -> i128 {
    let days = civil.date().duration_since(Date::constant(1970, 1, 1)).as_secs() / 86_400;
    let time = civil.time();
    let seconds = i128::from(days) * 86_400
        + i128::from(time.hour()) * 3_600
        + i128::from(time.minute()) * 60
        + i128::from(time.second());
    seconds * SECOND + i128::from(time.subsec_nanosecond())
}

fn civil_of(nanos: i128) -> Option<DateTime> {
    let seconds = i64::try_from(nanos.div_euclid(SECOND)).ok()?;
    let part = nanos.rem_euclid(SECOND) as i32;
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::new(seconds, part)).ok()
}

/// A point in time as it prints.
pub(super) fn show_timestamp(nanos: i128) -> String {
    let Some(civil) = civil_of(nanos) else { return String::new() };
    let mut out = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    let part = civil.time().subsec_nanosecond();
    if part > 0 {
        out.push_str(format!(".{part:09}").trim_end_matches('0'));
    }
    out.push('Z');
    out
}

/// A duration as it prints: in seconds.
pub(super) fn show_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let (seconds, part) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
    if part == 0 {
        return format!("{sign}{seconds}s");
    }
    format!("{sign}{seconds}.{}s", format!("{part:09}").trim_end_matches('0'))
}

/// A point in time as seen in a zone: a name, or an offset such as `-08:00`.
pub(super) fn in_zone(nanos: i128, zone: Option<&str>) -> Result<DateTime, Error> {
    let overflow = || Error::new("timestamp overflow");
    let Some(zone) = zone.filter(|zone| !matches!(*zone, "" | "UTC")) else {
        return civil_of(nanos).ok_or_else(overflow);
    };
    if let Some((hours, minutes)) = zone.split_once(':') {
        let bad = || Error::new(format!("unknown time zone {zone}"));
        let negative = hours.starts_with('-');
        let hours: i128 = hours.trim_start_matches(['-', '+']).parse().map_err(|_| bad())?;
        let minutes: i128 = minutes.parse().map_err(|_| bad())?;
        if !(0..=59).contains(&minutes) {
            return Err(Error::new(format!("timezone offset minutes out of range [0, 59]: {zone}")));
        }
        let shift = (hours * 3600 + minutes * 60) * SECOND * if negative { -1 } else { 1 };
        return civil_of(nanos + shift).ok_or_else(overflow);
    }
    let found = TimeZone::get(zone).map_err(|_| Error::new(format!("unknown time zone {zone}")))?;
    let timestamp = Timestamp::from_nanosecond(nanos).map_err(|_| overflow())?;
    Ok(found.to_datetime(timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_reads_them() {
        for (text, nanos) in [
            ("1h30m", Some(5_400_000_000_000)),
            ("-1.5s", Some(-1_500_000_000)),
            ("0", Some(0)),
            ("300ms2us", Some(300_002_000)),
            (".5h", Some(1_800_000_000_000)),
            ("1", None),
            ("", None),
            ("1d", None),
            ("9223372036854775807ns", Some(i64::MAX)),
            ("300000h9999999h", None),
        ] {
            assert_eq!(parse_duration(text), nanos, "{text}");
        }
        assert_eq!(format_duration("3 days"), Some(3 * 86_400_000_000_000));
        assert_eq!(show_duration(-1_500_000_000), "-1.5s");
    }

    #[test]
    fn timestamps_read_and_print() {
        let nanos = parse_timestamp("2009-02-13T23:31:30.5+01:00").unwrap();
        assert_eq!(nanos, 1_234_564_290 * SECOND + 500_000_000);
        assert_eq!(show_timestamp(nanos), "2009-02-13T22:31:30.5Z");
        assert_eq!(parse_timestamp("0001-01-01T00:00:00Z"), Some(FIRST));
        assert_eq!(parse_timestamp("9999-12-31T23:59:59.999999999Z"), Some(LAST));
        for bad in ["2009-02-13 23:31:30Z", "2009-02-30T00:00:00Z", "2009-02-13T23:31:30", "x"] {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
        assert_eq!(in_zone(0, Some("-08:00")).unwrap().hour(), 16);
        assert_eq!(in_zone(0, Some("Europe/Berlin")).unwrap().hour(), 1);
        assert!(in_zone(0, Some("Nowhere/Town")).is_err());
    }
}
