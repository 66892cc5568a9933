//! String and number formats: those the API server enforces, and how.

use regex::Regex;
use std::net::Ipv6Addr;
use std::sync::OnceLock;

/// An enforced format.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Format {
    BsonObjectId,
    Uri,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Cidr,
    Mac,
    Uuid,
    Uuid3,
    Uuid4,
    Uuid5,
    Isbn,
    Isbn10,
    Isbn13,
    CreditCard,
    Ssn,
    HexColor,
    RgbColor,
    Byte,
    Password,
    Date,
    Duration,
    DateTime,
    ShortName,
    LongName,
    /// `int32`, `int64`, `float`, `double`: checked with the number, not here.
    Numeric,
}

impl Format {
    /// The format enforced for a type, if the server knows it there; dashes in names do not count for strings.
    pub(crate) fn for_type(kind: &str, format: &str) -> Option<Format> {
        if format.is_empty() {
            return None;
        }
        match kind {
            "" | "string" => Format::of_string(&format.replace('-', "")),
            "integer" => matches!(format, "int32" | "int64").then_some(Format::Numeric),
            "number" => matches!(format, "float" | "double").then_some(Format::Numeric),
            _ => None,
        }
    }

    fn of_string(name: &str) -> Option<Format> {
        Some(match name {
            "bsonobjectid" => Format::BsonObjectId,
            "uri" => Format::Uri,
            "email" => Format::Email,
            "hostname" => Format::Hostname,
            "ipv4" => Format::Ipv4,
            "ipv6" => Format::Ipv6,
            "cidr" => Format::Cidr,
            "mac" => Format::Mac,
            "uuid" => Format::Uuid,
            "uuid3" => Format::Uuid3,
            "uuid4" => Format::Uuid4,
            "uuid5" => Format::Uuid5,
            "isbn" => Format::Isbn,
            "isbn10" => Format::Isbn10,
            "isbn13" => Format::Isbn13,
            "creditcard" => Format::CreditCard,
            "ssn" => Format::Ssn,
            "hexcolor" => Format::HexColor,
            "rgbcolor" => Format::RgbColor,
            "byte" => Format::Byte,
            "password" => Format::Password,
            "date" => Format::Date,
            "duration" => Format::Duration,
            "datetime" => Format::DateTime,
            "k8sshortname" => Format::ShortName,
            "k8slongname" => Format::LongName,
            _ => return None,
        })
    }

    pub(crate) fn is_text(self) -> bool {
        self != Format::Numeric
    }

    /// Whether a string is of this format.
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Format::Numeric | Format::Password => true,
            Format::BsonObjectId => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
            Format::Uri => is_request_uri(text),
            Format::Email => is_email(text),
            Format::Hostname => is_hostname(text),
            Format::Ipv4 => parse_ip(text).is_some() && text.contains('.'),
            Format::Ipv6 => text.contains(':') && parse_ip(text).is_some(),
            Format::Cidr => is_cidr(text),
            Format::Mac => is_mac(text),
            Format::Uuid => uuid(text, None, false),
            Format::Uuid3 => uuid(text, Some(b'3'), false),
            Format::Uuid4 => uuid(text, Some(b'4'), true),
            Format::Uuid5 => uuid(text, Some(b'5'), true),
            Format::Isbn => is_isbn10(text) || is_isbn13(text),
            Format::Isbn10 => is_isbn10(text),
            Format::Isbn13 => is_isbn13(text),
            Format::CreditCard => is_credit_card(text),
            Format::Ssn => text.len() == 11 && matches(&SSN, r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$", text),
            Format::HexColor => matches(&HEX, r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", text),
            Format::RgbColor => matches(
                &RGB,
                concat!(
                    r"^rgb\(\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,",
                    r"\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,",
                    r"\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*\)$"
                ),
                text,
            ),
            Format::Byte => is_base64(text),
            Format::Date => is_date(text),
            Format::Duration => is_duration(text),
            Format::DateTime => is_date_time(text),
            Format::ShortName => text.len() <= 63 && is_label(text),
            Format::LongName => text.len() <= 253 && text.split('.').all(is_label),
        }
    }
}

static SSN: OnceLock<Option<Regex>> = OnceLock::new();
static HEX: OnceLock<Option<Regex>> = OnceLock::new();
static RGB: OnceLock<Option<Regex>> = OnceLock::new();
static HOST: OnceLock<Option<Regex>> = OnceLock::new();
static CARD: OnceLock<Option<Regex>> = OnceLock::new();
static TIME: OnceLock<Option<Regex>> = OnceLock::new();
static SPELLED_DURATION: OnceLock<Option<Regex>> = OnceLock::new();

fn matches(cell: &'static OnceLock<Option<Regex>>, pattern: &str, text: &str) -> bool {
    cell.get_or_init(|| Regex::new(pattern).ok()).as_ref().is_some_and(|regex| regex.is_match(text))
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let end = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(end) && bytes.last().is_some_and(end) && bytes.iter().all(|b| end(b) || *b == b'-')
}

fn is_hostname(text: &str) -> bool {
    let pattern = concat!(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)",
        r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
    );
    text.len() <= 255 && matches(&HOST, pattern, text) && text.split('.').all(|label| label.len() <= 63)
}

/// An absolute URI or an absolute path, as an HTTP request line could carry it.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return false;
    }
    let rest = match scheme_end(text) {
        Some(end) => &text[end + 1..],
        None if text.starts_with('/') => text,
        None => return false,
    };
    let rest = rest.split('?').next().unwrap_or_default();
    if let Some(after) = rest.strip_prefix("//") {
        let authority = after.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let port = match host.strip_prefix('[') {
            Some(v6) => match v6.split_once(']') {
                Some((_, port)) => port,
                None => return false,
            },
            None => match host.split_once(':') {
                Some((name, port)) if !name.contains(' ') => return port.bytes().all(|b| b.is_ascii_digit()),
                Some(_) => return false,
                None => "",
            },
        };
        if host.contains(' ') || !port.trim_start_matches(':').bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
    }
    escapes_are_whole(rest)
}

fn scheme_end(text: &str) -> Option<usize> {
    let end = text.find(':')?;
    let scheme = &text.as_bytes()[..end];
    let valid = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    valid.then_some(end)
}

fn escapes_are_whole(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .all(|(i, b)| *b != b'%' || bytes.get(i + 1..i + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

/// An address as mail headers write it: bare, or in angle brackets after a display name.
fn is_email(text: &str) -> bool {
    let text = text.trim();
    let address = match text.rfind('<') {
        Some(open) => match text[open + 1..].strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let atom = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii())
    };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let literal = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|ip| parse_ip(ip.trim_start_matches("IPv6:")).is_some());
    (quoted || local.split('.').all(atom)) && (literal || domain.split('.').all(atom))
}

/// An address; leading zeros in decimal parts are tolerated.
fn parse_ip(text: &str) -> Option<bool> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(|_| true);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let valid = parts.len() == 4
        && parts.iter().all(|part| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_digit())
                && part.trim_start_matches('0').len() <= 3
                && part.parse::<u32>().is_ok_and(|n| n <= 255)
        });
    valid.then_some(false)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    match (parse_ip(address), bits.parse::<u8>()) {
        (Some(v6), Ok(bits)) if digits => bits <= if v6 { 128 } else { 32 },
        _ => false,
    }
}

fn is_mac(text: &str) -> bool {
    let hex = |part: &str, len: usize| part.len() == len && part.bytes().all(|b| b.is_ascii_hexdigit());
    for separator in [':', '-'] {
        let parts: Vec<&str> = text.split(separator).collect();
        if matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|part| hex(part, 2)) {
            return true;
        }
    }
    let parts: Vec<&str> = text.split('.').collect();
    matches!(parts.len(), 3 | 4 | 10) && parts.iter().all(|part| hex(part, 4))
}

/// Hex digits in groups of 8, 4, 4, 4 and 12, each dash optional.
fn uuid(text: &str, version: Option<u8>, variant: bool) -> bool {
    let mut digits = Vec::with_capacity(32);
    for b in text.bytes() {
        match b {
            b'-' if matches!(digits.len(), 8 | 12 | 16 | 20) => {}
            b if b.is_ascii_hexdigit() => digits.push(b.to_ascii_lowercase()),
            _ => return false,
        }
    }
    digits.len() == 32
        && !text.contains("--")
        && version.is_none_or(|version| digits[12] == version)
        && (!variant || matches!(digits[16], b'8' | b'9' | b'a' | b'b'))
}

fn is_isbn10(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b' ' | b'\t' | b'\n' | 0x0c | b'\r' | b'-')).collect();
    if digits.len() != 10 || !digits[..9].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let last = match digits[9] {
        b'X' => 10,
        b if b.is_ascii_digit() => u32::from(b - b'0'),
        _ => return false,
    };
    let sum: u32 = digits[..9].iter().zip(1..).map(|(b, weight)| weight * u32::from(b - b'0')).sum();
    (sum + 10 * last).is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b' ' | b'\t' | b'\n' | 0x0c | b'\r' | b'-')).collect();
    if digits.len() != 13 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = digits.iter().enumerate().map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 }).sum();
    sum.is_multiple_of(10)
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let pattern = concat!(
        r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}",
        r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$"
    );
    if !matches(&CARD, pattern, &digits) {
        return false;
    }
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let digit = u32::from(b - b'0');
            match (i % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Padded base64 of the standard alphabet, not empty.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return false;
    }
    let part = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(0);
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// A date, `T`, and a time with zone; what separates the fraction is not looked at.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let pattern = r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
    is_date(date) && matches(&TIME, pattern, time) && &time[..2] <= "23" && &time[3..5] <= "59" && &time[6..8] <= "59"
}

/// Go's duration syntax, or any text in which a number with a unit occurs.
fn is_duration(text: &str) -> bool {
    if is_go_duration(text) {
        return true;
    }
    let regex = SPELLED_DURATION.get_or_init(|| Regex::new(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)").ok());
    let mut found = false;
    for captures in regex.iter().flat_map(|regex| regex.captures_iter(text)) {
        if captures[1].parse::<i64>().is_err() {
            return false;
        }
        let unit = captures[2].to_lowercase();
        let short = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"];
        let long = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
        found |= short.contains(&unit.as_str()) || long.iter().any(|prefix| unit.starts_with(prefix));
    }
    found
}

fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let after_int = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let (after, digits) = match after_int.strip_prefix('.') {
            Some(fraction) => {
                let after = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
                (after, rest.len() - after.len() - 1)
            }
            None => (after_int, rest.len() - after_int.len()),
        };
        if digits == 0 {
            return false;
        }
        let Some(unit) = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"].into_iter().find(|unit| after.starts_with(unit))
        else {
            return false;
        };
        rest = &after[unit.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse_as_the_api_server_does() {
        for (format, good, bad) in [
            ("date", "2024-02-29", "2023-02-29"),
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-12-15"),
            ("datetime", "2014-12-15T19:30:20+01:00", "2014-12-15T25:30:20Z"),
            ("duration", "1h30m", "soon"),
            ("duration", "22 ns", "h"),
            ("duration", "about 2 hours ago", "2 moons"),
            ("date-time", "2014-12-15t19:30:20,5z", "2014-12-15T19:30:20+0100"),
            ("byte", "aGVsbG8=", "aGVsbG8"),
            ("uuid", "A987FBC9-4BED-3078-CF07-9141BA07C9F3", "A987FBC9"),
            ("uuid4", "57b73598-8764-4ad0-a76a-679bb6640eb1", "57b73598-8764-3ad0-a76a-679bb6640eb1"),
            ("ipv4", "127.0.0.001", "127.0.0.256"),
            ("ipv6", "::1", "127.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "01:02:03:04:ab:cd", "01:02:03"),
            ("hostname", "somewhere.com", "-bad-.com"),
            ("email", "a@example.com", "example.com"),
            ("uri", "https://example.com/a?b=c", "example"),
            ("hexcolor", "#FFF", "#GGG"),
            ("rgbcolor", "rgb(100,100,100)", "rgb(1000,1,1)"),
            ("ssn", "111-11-1111", "1"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("isbn10", "0321751043", "0321751044"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
            ("k8s-short-name", "a-b", "a.b"),
            ("k8s-long-name", "a-b.c", "A.b"),
        ] {
            let found = Format::for_type("string", format).unwrap();
            assert!(found.accepts(good), "{format}: {good}");
            assert!(!found.accepts(bad), "{format}: {bad}");
        }
    }

    #[test]
    fn unknown_formats_are_not_enforced() {
        assert_eq!(Format::for_type("string", "quantity"), None);
        assert_eq!(Format::for_type("integer", "date"), None);
        assert_eq!(Format::for_type("object", "date"), None);
    }
}
