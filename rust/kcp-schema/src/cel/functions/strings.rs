//! Texts. Positions and lengths count characters.

use super::{Run, lists, no_overload, text_format};
use crate::cel::error::Error;
use crate::cel::value::{Outcome, Text, Value, count_chars};

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "contains" => |machine, _, args| match args {
            [Value::Text(text), Value::Text(part)] => {
                machine.work(text.len() + part.len())?;
                Ok(Value::Bool(text.contains(&**part)))
            }
            _ => no_overload(),
        },
        "startsWith" => |_, _, args| match args {
            [Value::Text(text), Value::Text(part)] => Ok(Value::Bool(text.starts_with(&**part))),
            _ => no_overload(),
        },
        "endsWith" => |_, _, args| match args {
            [Value::Text(text), Value::Text(part)] => Ok(Value::Bool(text.ends_with(&**part))),
            _ => no_overload(),
        },
        "charAt" => |_, _, args| match args {
            [Value::Text(text), Value::Int(at)] => {
                let index = usize::try_from(*at).map_err(|_| out_of_range(*at))?;
                match text.chars().nth(index) {
                    Some(c) => Ok(c.to_string().into()),
                    None if index == count_chars(text) => Ok("".into()),
                    None => Err(out_of_range(*at)),
                }
            }
            _ => no_overload(),
        },
        "indexOf" => |machine, _, args| match args {
            [Value::Text(text), Value::Text(part)] => index_of(text, part, 0),
            [Value::Text(text), Value::Text(part), Value::Int(start)] => index_of(text, part, *start),
            [Value::List(list), item] => {
                machine.work(list.len())?;
                lists::index_of(list, item, false)
            }
            _ => no_overload(),
        },
        "lastIndexOf" => |machine, _, args| match args {
            [Value::Text(text), Value::Text(part)] => last_index_of(text, part, None),
            [Value::Text(text), Value::Text(part), Value::Int(start)] => last_index_of(text, part, Some(*start)),
            [Value::List(list), item] => {
                machine.work(list.len())?;
                lists::index_of(list, item, true)
            }
            _ => no_overload(),
        },
        "lowerAscii" => |machine, _, args| match args {
            [Value::Text(text)] => {
                machine.work(text.len())?;
                Ok(text.to_ascii_lowercase().into())
            }
            _ => no_overload(),
        },
        "upperAscii" => |machine, _, args| match args {
            [Value::Text(text)] => {
                machine.work(text.len())?;
                Ok(text.to_ascii_uppercase().into())
            }
            _ => no_overload(),
        },
        "trim" => |machine, _, args| match args {
            [Value::Text(text)] => {
                machine.work(text.len())?;
                Ok(text.trim().to_owned().into())
            }
            _ => no_overload(),
        },
        "reverse" => |machine, _, args| match args {
            [Value::List(list)] => lists::reverse(machine, list),
            _ => no_overload(),
        },
        "substring" => |machine, _, args| match args {
            [Value::Text(text), Value::Int(start)] => {
                machine.work(text.len())?;
                substring(text, *start, None)
            }
            [Value::Text(text), Value::Int(start), Value::Int(end)] => {
                machine.work(text.len())?;
                substring(text, *start, Some(*end))
            }
            _ => no_overload(),
        },
        "replace" => |machine, _, args| match args {
            [Value::Text(text), Value::Text(from), Value::Text(to), count @ ..] => {
                let count = match count {
                    [Value::Int(count)] => usize::try_from(*count).unwrap_or(usize::MAX),
                    _ => usize::MAX,
                };
                let most = if from.is_empty() { text.len() + 1 } else { text.len() / from.len() };
                machine.work(text.len() + most.min(count).saturating_mul(to.len()))?;
                Ok(text.replacen(&**from, to, count).into())
            }
            _ => no_overload(),
        },
        "split" => |machine, _, args| match args {
            [Value::Text(text), Value::Text(separator), count @ ..] => {
                machine.work(text.len() * if separator.is_empty() { 48 } else { 17 })?;
                let count = match count {
                    [Value::Int(count)] => usize::try_from(*count).unwrap_or(usize::MAX),
                    _ => usize::MAX,
                };
                Ok(split(text, separator, count).into())
            }
            _ => no_overload(),
        },
        "join" => |machine, _, args| match args {
            [Value::List(list), separator @ ..] => {
                let separator = match separator {
                    [Value::Text(separator)] => &**separator,
                    _ => "",
                };
                let mut out = String::new();
                for (index, item) in list.items().enumerate() {
                    let Value::Text(item) = item? else { return no_overload() };
                    machine.work(item.len() + separator.len() + 1)?;
                    if index > 0 {
                        out.push_str(separator);
                    }
                    out.push_str(&item);
                }
                Ok(out.into())
            }
            _ => no_overload(),
        },
        "strings.quote" => |machine, _, args| match args {
            [Value::Text(text)] => {
                machine.work(text.len() * 2)?;
                let mut out = String::with_capacity(text.len() + 2);
                out.push('"');
                for c in text.chars() {
                    match c {
                        '\x07' => out.push_str("\\a"),
                        '\x08' => out.push_str("\\b"),
                        '\x0c' => out.push_str("\\f"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        '\t' => out.push_str("\\t"),
                        '\x0b' => out.push_str("\\v"),
                        '\\' => out.push_str("\\\\"),
                        '"' => out.push_str("\\\""),
                        c => out.push(c),
                    }
                }
                out.push('"');
                Ok(out.into())
            }
            _ => no_overload(),
        },
        "format" => |machine, _, args| match args {
            [Value::Text(text), Value::List(list)] => text_format::format(machine, text, list),
            _ => no_overload(),
        },
        _ => return None,
    })
}

fn out_of_range(index: i64) -> Error {
    Error::new(format!("index out of range: {index}"))
}

/// The byte at which a character stands; one past the last is the end.
fn byte_at(text: &str, index: usize) -> Option<usize> {
    if text.is_ascii() {
        return (index <= text.len()).then_some(index);
    }
    text.char_indices().map(|(byte, _)| byte).chain(std::iter::once(text.len())).nth(index)
}

fn index_of<'a>(text: &str, part: &str, start: i64) -> Outcome<'a> {
    if part.is_empty() {
        return Ok(Value::Int(start));
    }
    let index = usize::try_from(start).map_err(|_| out_of_range(start))?;
    let Some(byte) = byte_at(text, index) else {
        return Err(out_of_range(start));
    };
    Ok(Value::Int(text[byte..].find(part).map_or(-1, |found| count_chars(&text[..byte + found]) as i64)))
}

fn last_index_of<'a>(text: &str, part: &str, start: Option<i64>) -> Outcome<'a> {
    let length = count_chars(text);
    if part.is_empty() {
        return Ok(Value::Int(start.unwrap_or(length as i64)));
    }
    let end = match start {
        None => text.len(),
        Some(start) => {
            let index =
                usize::try_from(start).ok().filter(|index| *index < length).ok_or_else(|| out_of_range(start))?;
            // A match may begin at the offset: what counts is where it begins.
            let byte = byte_at(text, index).unwrap_or(text.len());
            let mut end = (byte + part.len()).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            end
        }
    };
    Ok(Value::Int(text[..end].rfind(part).map_or(-1, |found| count_chars(&text[..found]) as i64)))
}

fn substring<'a>(text: &Text<'a>, start: i64, end: Option<i64>) -> Outcome<'a> {
    let length = count_chars(text) as i64;
    if let Some(end) = end
        && start > end
    {
        return Err(Error::new(format!("invalid substring range. start: {start}, end: {end}")));
    }
    let end = end.unwrap_or(length);
    for index in [start, end] {
        if index < 0 || index > length {
            return Err(out_of_range(index));
        }
    }
    let byte = |index: i64| byte_at(text, index as usize).unwrap_or(text.len());
    let range = byte(start)..byte(end);
    Ok(match text {
        Text::Borrowed(text) => Value::Text(Text::Borrowed(&text[range])),
        Text::Owned(text) => text[range].to_owned().into(),
    })
}

fn split<'a>(text: &str, separator: &str, count: usize) -> Vec<Value<'a>> {
    let owned = |part: &str| Value::Text(Text::Owned(part.into()));
    if count == 0 {
        return Vec::new();
    }
    if separator.is_empty() {
        let mut parts: Vec<Value<'a>> = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if parts.len() + 1 >= count {
                break;
            }
            parts.push(owned(&rest[..c.len_utf8()]));
            rest = &rest[c.len_utf8()..];
        }
        if !rest.is_empty() {
            parts.push(owned(rest));
        }
        return parts;
    }
    text.splitn(count, separator).map(owned).collect()
}
