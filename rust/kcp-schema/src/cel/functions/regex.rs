//! Regular expressions, in linear time and by Go's rules.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::eval::Machine;
use crate::cel::program::Call;
use crate::cel::value::{Text, Value};
use crate::pattern::Pattern;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "matches" => |machine, call, args| match args {
            [Value::Text(text), Value::Text(source)] => {
                with_pattern(machine, call, source, text.len(), |pattern| Value::Bool(pattern.regex.is_match(text)))
            }
            _ => no_overload(),
        },
        "find" => |machine, call, args| match args {
            [Value::Text(text), Value::Text(source)] => {
                with_pattern(machine, call, source, text.len(), |pattern| match pattern.regex.find(text) {
                    Some(found) => found.as_str().to_owned().into(),
                    None => "".into(),
                })
            }
            _ => no_overload(),
        },
        "findAll" => |machine, call, args| match args {
            [Value::Text(text), Value::Text(source), limit @ ..] => {
                let limit = match limit {
                    [Value::Int(limit)] => usize::try_from(*limit).unwrap_or(usize::MAX),
                    _ => usize::MAX,
                };
                machine.work(text.len() * 16)?;
                with_pattern(machine, call, source, text.len(), |pattern| {
                    let found = pattern.regex.find_iter(text).take(limit);
                    let found: Vec<Value<'_>> =
                        found.map(|part| Value::Text(Text::Owned(part.as_str().into()))).collect();
                    found.into()
                })
            }
            _ => no_overload(),
        },
        _ => return None,
    })
}

fn with_pattern<'a>(
    machine: &mut Machine<'a>,
    call: &Call,
    source: &str,
    length: usize,
    run: impl FnOnce(&Pattern) -> Value<'a>,
) -> Result<Value<'a>, Error> {
    let mut charge = |pattern: &Pattern| machine.work(length.saturating_mul(if pattern.heavy { 256 } else { 1 }) + 16);
    if let Some((fixed, pattern)) = call.fixed_pattern()
        && fixed == source
    {
        let pattern = pattern.ok_or_else(|| Error::new("invalid pattern"))?;
        charge(pattern)?;
        return Ok(run(pattern));
    }
    let pattern = machine.pattern(source)?;
    machine.work(length.saturating_mul(if pattern.heavy { 256 } else { 1 }) + 16)?;
    Ok(run(&pattern))
}
