//! What is wrong with an IP address, in the words of Go's parser.

use kcp_apimachinery::text::quote;

/// What is wrong, and the rest of the text from where it is.
type Fault<'t> = (&'static str, &'t str);

/// Says what keeps `text` from being an address.
pub(super) fn fault(text: &str) -> String {
    let found = match text.chars().find(|c| matches!(c, '.' | ':' | '%')) {
        Some('.') => v4(text),
        Some(':') => v6(text),
        Some(_) => Err(("missing IPv6 address", "")),
        None => Err(("unable to parse IP", "")),
    };
    let (message, rest) = found.err().unwrap_or(("unable to parse IP", ""));
    let place = if rest.is_empty() { String::new() } else { format!(" (at {})", quote(rest)) };
    format!("ParseAddr({}): {message}{place}", quote(text))
}

fn v4(text: &str) -> Result<(), Fault<'_>> {
    let bytes = text.as_bytes();
    let (mut fields, mut value, mut digits) = (0, 0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", ""));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", ""));
                }
            }
            b'.' => {
                if at == 0 || at + 1 == bytes.len() || bytes[at - 1] == b'.' {
                    return Err(("IPv4 field must have at least one digit", &text[at..]));
                }
                if fields == 3 {
                    return Err(("IPv4 address too long", ""));
                }
                fields += 1;
                (value, digits) = (0, 0);
            }
            _ => return Err(("unexpected character", &text[at..])),
        }
    }
    if fields < 3 { Err(("IPv4 address too short", "")) } else { Ok(()) }
}

fn v6(text: &str) -> Result<(), Fault<'_>> {
    let (mut rest, zone) = text.split_once('%').map_or((text, None), |(rest, zone)| (rest, Some(zone)));
    if zone == Some("") {
        return Err(("zone must be a non-empty string", ""));
    }
    let mut ellipsis = None;
    if let Some(after) = rest.strip_prefix("::") {
        ellipsis = Some(0);
        rest = after;
        if rest.is_empty() {
            return Ok(());
        }
    }
    let mut at = 0;
    while at < 16 {
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if hex > 4 {
            return Err(("each group must have 4 or less digits", rest));
        }
        if hex == 0 {
            return Err(("each colon-separated field must have at least one digit", rest));
        }
        if rest[hex..].starts_with('.') {
            if ellipsis.is_none() && at != 12 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if at + 4 > 16 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            v4(rest)?;
            (rest, at) = ("", at + 4);
            break;
        }
        at += 2;
        rest = &rest[hex..];
        if rest.is_empty() {
            break;
        }
        let Some(after) = rest.strip_prefix(':') else { return Err(("unexpected character, want colon", rest)) };
        if after.is_empty() {
            return Err(("colon must be followed by more characters", rest));
        }
        rest = after;
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis.is_some() {
                return Err(("multiple :: in address", rest));
            }
            ellipsis = Some(at);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    match (rest.is_empty(), at < 16, ellipsis) {
        (false, ..) => Err(("trailing garbage after address", rest)),
        (_, true, None) => Err(("address string too short", "")),
        (_, false, Some(_)) => Err(("the :: must expand to at least one field of zeros", "")),
        _ => Ok(()),
    }
}
