//! Semantic versions.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::value::{Outcome, Value};
use kcp_apimachinery::text::quote;
use semver::Version;
use std::rc::Rc;

fn parse(text: &str, normalize: bool) -> Result<Version, Error> {
    let normalized;
    let text = if normalize {
        normalized = normalized_form(text)?;
        &normalized
    } else {
        text
    };
    Version::parse(text).map_err(|error| Error::new(fault(text).unwrap_or_else(|| error.to_string())))
}

/// What is wrong with a version, in the words of the API server's parser.
fn fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("Version string empty".to_owned());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, patch] = parts[..] else { return Some("No Major.Minor.Patch elements found".to_owned()) };
    let (patch, build) = patch.split_once('+').map_or((patch, None), |(patch, build)| (patch, Some(build)));
    let (patch, before) = patch.split_once('-').map_or((patch, None), |(patch, before)| (patch, Some(before)));
    let numbers = [("major", "Major", major), ("minor", "Minor", minor), ("patch", "Patch", patch)];
    numbers
        .into_iter()
        .find_map(|(name, title, digits)| number_fault(name, title, digits))
        .or_else(|| before.into_iter().flat_map(|before| before.split('.')).find_map(prerelease_fault))
        .or_else(|| build.into_iter().flat_map(|build| build.split('.')).find_map(build_fault))
}

fn number_fault(name: &str, title: &str, digits: &str) -> Option<String> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("Invalid character(s) found in {name} number {}", quote(digits)));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Some(format!("{title} number must not contain leading zeroes {}", quote(digits)));
    }
    parse_fault(digits)
}

/// What Go says of digits that are no number of 64 bits.
fn parse_fault(digits: &str) -> Option<String> {
    let why = match digits.parse::<u64>() {
        Ok(_) => return None,
        Err(_) if digits.is_empty() => "invalid syntax",
        Err(_) => "value out of range",
    };
    Some(format!("strconv.ParseUint: parsing {}: {why}", quote(digits)))
}

fn is_identifier(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn prerelease_fault(part: &str) -> Option<String> {
    if part.is_empty() {
        return Some("Prerelease is empty".to_owned());
    }
    if part.bytes().all(|byte| byte.is_ascii_digit()) {
        if part.len() > 1 && part.starts_with('0') {
            return Some(format!("Numeric PreRelease version must not contain leading zeroes {}", quote(part)));
        }
        return parse_fault(part);
    }
    (!is_identifier(part)).then(|| format!("Invalid character(s) found in prerelease {}", quote(part)))
}

fn build_fault(part: &str) -> Option<String> {
    if part.is_empty() {
        return Some("Build meta data is empty".to_owned());
    }
    (!is_identifier(part)).then(|| format!("Invalid character(s) found in build meta data {}", quote(part)))
}

/// Without a `v` in front and without leading zeros, and with all three numbers.
fn normalized_form(text: &str) -> Result<String, Error> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text
        .splitn(3, '.')
        .map(|part| {
            if part.len() < 2 {
                return part.to_owned();
            }
            let trimmed = part.trim_start_matches('0');
            if trimmed.starts_with(|c: char| c.is_ascii_digit()) { trimmed.to_owned() } else { format!("0{trimmed}") }
        })
        .collect();
    if parts.len() < 3 {
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err(Error::new("short version cannot contain PreRelease/Build meta data"));
        }
        parts.resize(3, "0".to_owned());
    }
    Ok(parts.join("."))
}

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "semver" => |_, _, args| match args {
            [Value::Text(text)] => parse(text, false).map(|version| Value::Semver(Rc::new(version))),
            [Value::Text(text), Value::Bool(normalize)] => {
                parse(text, *normalize).map(|version| Value::Semver(Rc::new(version)))
            }
            _ => no_overload(),
        },
        "isSemver" => |_, _, args| match args {
            [Value::Text(text)] => Ok(Value::Bool(parse(text, false).is_ok())),
            [Value::Text(text), Value::Bool(normalize)] => Ok(Value::Bool(parse(text, *normalize).is_ok())),
            _ => no_overload(),
        },
        "major" => |_, _, args| number(args, |version| version.major),
        "minor" => |_, _, args| number(args, |version| version.minor),
        "patch" => |_, _, args| number(args, |version| version.patch),
        _ => return None,
    })
}

fn number<'a>(args: &[Value<'a>], get: impl Fn(&Version) -> u64) -> Outcome<'a> {
    match args {
        [Value::Semver(version)] => Ok(Value::Int(get(version) as i64)),
        _ => no_overload(),
    }
}
