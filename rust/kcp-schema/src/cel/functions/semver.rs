//! Semantic versions.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::value::{Outcome, Value};
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
    Version::parse(text).map_err(|error| {
        Error::new(match text.splitn(3, '.').count() {
            _ if text.is_empty() => "Version string empty".to_owned(),
            3 => error.to_string(),
            _ => "No Major.Minor.Patch elements found".to_owned(),
        })
    })
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
