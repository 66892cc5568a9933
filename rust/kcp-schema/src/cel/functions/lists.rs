//! Lists.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::eval::Machine;
use crate::cel::value::{List, Outcome, Value};
use std::cmp::Ordering;

/// Bytes that a value takes in a list, about.
const ITEM: usize = 16;
/// Longest list that a count makes.
const MAX_RANGE: usize = 1_000_000;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "isSorted" => |_, _, args| match args {
            [Value::List(list)] => {
                let mut previous: Option<Value<'_>> = None;
                for item in list.items() {
                    let item = item?;
                    if let Some(previous) = &previous
                        && previous.order(&item)?.is_gt()
                    {
                        return Ok(Value::Bool(false));
                    }
                    previous = Some(item);
                }
                Ok(Value::Bool(true))
            }
            _ => no_overload(),
        },
        "sum" => |machine, call, args| match args {
            [Value::List(list)] => {
                let mut total = match call.overload {
                    "list_uint_sum_uint" => Value::Uint(0),
                    "list_double_sum_double" => Value::Double(0.0),
                    "list_duration_sum_duration" => Value::Duration(0),
                    _ => match list.get(0) {
                        Some(Ok(Value::Uint(_))) => Value::Uint(0),
                        Some(Ok(Value::Double(_))) => Value::Double(0.0),
                        Some(Ok(Value::Duration(_))) => Value::Duration(0),
                        _ => Value::Int(0),
                    },
                };
                let add = super::find("_+_").ok_or_else(Error::no_overload)?;
                for item in list.items() {
                    total = add(machine, call, &[total, item?])?;
                }
                Ok(total)
            }
            _ => no_overload(),
        },
        "max" => |_, _, args| extreme(args, "max", Ordering::Less),
        "min" => |_, _, args| extreme(args, "min", Ordering::Greater),
        "slice" => |machine, _, args| match args {
            [Value::List(list), Value::Int(start), Value::Int(end)] => {
                let (start, end) = (*start, *end);
                let failed = |why: String| Err(Error::new(format!("cannot slice({start}, {end}), {why}")));
                if start < 0 || end < 0 {
                    return failed("negative indexes not supported".to_owned());
                }
                if start > end {
                    return failed("start index must be less than or equal to end index".to_owned());
                }
                if (list.len() as i64) < end {
                    return failed(format!("list is length {}", list.len()));
                }
                let (start, end) = (start as usize, end as usize);
                machine.work((end - start) * ITEM)?;
                let items: Result<Vec<_>, Error> = (start..end).filter_map(|index| list.get(index)).collect();
                Ok(items?.into())
            }
            _ => no_overload(),
        },
        "flatten" => |machine, _, args| match args {
            [Value::List(list)] => flatten(machine, list, 1),
            [Value::List(_), Value::Int(depth)] if *depth < 0 => Err(Error::new("level must be non-negative")),
            [Value::List(list), Value::Int(depth)] => flatten(machine, list, *depth),
            _ => no_overload(),
        },
        "sort" => |machine, _, args| match args {
            [Value::List(list)] => sort(machine, list, list),
            _ => no_overload(),
        },
        "@sortByAssociatedKeys" => |machine, _, args| match args {
            [Value::List(list), Value::List(keys)] => sort(machine, list, keys),
            _ => no_overload(),
        },
        "lists.range" => |machine, _, args| match args {
            [Value::Int(count)] => {
                let Ok(size) = usize::try_from(*count) else {
                    return Err(Error::new(format!("lists.range: size must be non-negative, got {count}")));
                };
                if size > MAX_RANGE {
                    let detail = format!("lists.range: size {count} exceeds maximum allowed ({MAX_RANGE})");
                    return Err(Error::new(detail));
                }
                machine.work(size.saturating_mul(ITEM))?;
                Ok((0..*count).map(Value::Int).collect::<Vec<_>>().into())
            }
            _ => no_overload(),
        },
        "distinct" => |machine, _, args| match args {
            [Value::List(list)] => {
                let mut unique: Vec<Value<'_>> = Vec::new();
                for item in list.items() {
                    let item = item?;
                    machine.work(unique.len() + ITEM)?;
                    let mut seen = false;
                    for other in &unique {
                        seen = seen || item.equals(other)?;
                    }
                    if !seen {
                        unique.push(item);
                    }
                }
                Ok(unique.into())
            }
            _ => no_overload(),
        },
        "first" => |_, _, args| match args {
            [Value::List(list)] => Ok(Value::Optional(list.get(0).transpose()?.map(Into::into))),
            _ => no_overload(),
        },
        "last" => |_, _, args| match args {
            [Value::List(list)] => {
                let last = list.len().checked_sub(1).and_then(|index| list.get(index));
                Ok(Value::Optional(last.transpose()?.map(Into::into)))
            }
            _ => no_overload(),
        },
        _ => return None,
    })
}

fn extreme<'a>(args: &[Value<'a>], name: &str, replaced: Ordering) -> Outcome<'a> {
    let [Value::List(list)] = args else { return no_overload() };
    let mut best: Option<Value<'a>> = None;
    for item in list.items() {
        let item = item?;
        if match &best {
            None => true,
            Some(best) => best.order(&item)? == replaced,
        } {
            best = Some(item);
        }
    }
    best.ok_or_else(|| Error::new(format!("{name} called on empty list")))
}

fn flatten<'a>(machine: &mut Machine<'a>, list: &List<'a>, depth: i64) -> Outcome<'a> {
    fn collect<'a>(
        machine: &mut Machine<'a>,
        list: &List<'a>,
        depth: i64,
        out: &mut Vec<Value<'a>>,
    ) -> Result<(), Error> {
        for item in list.items() {
            machine.work(ITEM)?;
            match item? {
                // Lists of an object nest no deeper than its schema, lists of an expression than the expression.
                Value::List(inner) if depth > 0 => collect(machine, &inner, depth - 1, out)?,
                other => out.push(other),
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    collect(machine, list, depth, &mut out)?;
    Ok(out.into())
}

fn sort<'a>(machine: &mut Machine<'a>, list: &List<'a>, keys: &List<'a>) -> Outcome<'a> {
    if list.len() != keys.len() {
        return Err(Error::new(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and {} \
             elements respectively",
            list.len(),
            keys.len()
        )));
    }
    machine.work(list.len() * ITEM * 2)?;
    let keys = keys.to_vec()?;
    let comparable = |value: &Value<'_>| {
        matches!(
            value,
            Value::Bool(_)
                | Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::Text(_)
                | Value::Bytes(_)
                | Value::Timestamp(_)
                | Value::Duration(_)
        )
    };
    if let Some(first) = keys.first() {
        if !comparable(first) {
            return Err(Error::new("list elements must be comparable"));
        }
        if keys.iter().any(|key| std::mem::discriminant(key) != std::mem::discriminant(first)) {
            return Err(Error::new("list elements must have the same type"));
        }
    }
    let mut pairs: Vec<(Value<'a>, Value<'a>)> = keys.into_iter().zip(list.to_vec()?).collect();
    pairs.sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(Ordering::Equal));
    Ok(pairs.into_iter().map(|(_, item)| item).collect::<Vec<_>>().into())
}

/// `list.indexOf(item)` and its counterpart from the end.
pub(super) fn index_of<'a>(list: &List<'a>, wanted: &Value<'a>, last: bool) -> Outcome<'a> {
    let mut found = -1;
    for (index, item) in list.items().enumerate() {
        if item?.equals(wanted)? {
            found = index as i64;
            if !last {
                break;
            }
        }
    }
    Ok(Value::Int(found))
}

/// `list.reverse()`.
pub(super) fn reverse<'a>(machine: &mut Machine<'a>, list: &List<'a>) -> Outcome<'a> {
    machine.work(list.len() * ITEM)?;
    let mut items = list.to_vec()?;
    items.reverse();
    Ok(items.into())
}
