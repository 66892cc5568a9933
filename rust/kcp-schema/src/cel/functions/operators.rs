//! Arithmetic, comparison, membership and size.

use super::{Run, no_overload, times};
use crate::cel::error::Error;
use crate::cel::value::{List, Value};
use std::rc::Rc;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "_+_" => |machine, _, args| match args {
            [Value::Int(a), Value::Int(b)] => a.checked_add(*b).map(Value::Int).ok_or_else(overflow),
            [Value::Uint(a), Value::Uint(b)] => a.checked_add(*b).map(Value::Uint).ok_or_else(unsigned_overflow),
            [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a + b)),
            [Value::Text(a), Value::Text(b)] => {
                machine.work(a.len() + b.len())?;
                Ok(format!("{}{}", &**a, &**b).into())
            }
            [Value::Bytes(a), Value::Bytes(b)] => {
                machine.work(a.len() + b.len())?;
                Ok(Value::Bytes(a.iter().chain(b.iter()).copied().collect()))
            }
            [Value::List(a), Value::List(b)] => {
                machine.work((a.len() + b.len()) * 16)?;
                Ok(a.joined(b)?.into())
            }
            [Value::Duration(a), Value::Duration(b)] => {
                a.checked_add(*b).map(Value::Duration).ok_or_else(duration_overflow)
            }
            [Value::Timestamp(a), Value::Duration(b)] | [Value::Duration(b), Value::Timestamp(a)] => {
                times::in_range(a + i128::from(*b)).map(Value::Timestamp)
            }
            _ => no_overload(),
        },
        "_-_" => |_, _, args| match args {
            [Value::Int(a), Value::Int(b)] => a.checked_sub(*b).map(Value::Int).ok_or_else(overflow),
            [Value::Uint(a), Value::Uint(b)] => a.checked_sub(*b).map(Value::Uint).ok_or_else(unsigned_overflow),
            [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
            [Value::Duration(a), Value::Duration(b)] => {
                a.checked_sub(*b).map(Value::Duration).ok_or_else(duration_overflow)
            }
            [Value::Timestamp(a), Value::Duration(b)] => times::in_range(a - i128::from(*b)).map(Value::Timestamp),
            [Value::Timestamp(a), Value::Timestamp(b)] => {
                i64::try_from(a - b).map(Value::Duration).map_err(|_| duration_overflow())
            }
            _ => no_overload(),
        },
        "_*_" => |_, _, args| match args {
            [Value::Int(a), Value::Int(b)] => a.checked_mul(*b).map(Value::Int).ok_or_else(overflow),
            [Value::Uint(a), Value::Uint(b)] => a.checked_mul(*b).map(Value::Uint).ok_or_else(unsigned_overflow),
            [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
            _ => no_overload(),
        },
        "_/_" => |_, _, args| match args {
            [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(Error::new("division by zero")),
            [Value::Int(a), Value::Int(b)] => a.checked_div(*b).map(Value::Int).ok_or_else(overflow),
            [Value::Uint(a), Value::Uint(b)] => Ok(Value::Uint(a / b)),
            [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
            _ => no_overload(),
        },
        "_%_" => |_, _, args| match args {
            [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(Error::new("modulus by zero")),
            [Value::Int(a), Value::Int(b)] => a.checked_rem(*b).map(Value::Int).ok_or_else(overflow),
            [Value::Uint(a), Value::Uint(b)] => Ok(Value::Uint(a % b)),
            _ => no_overload(),
        },
        "-_" => |_, _, args| match args {
            [Value::Int(a)] => a.checked_neg().map(Value::Int).ok_or_else(overflow),
            [Value::Double(a)] => Ok(Value::Double(-a)),
            _ => no_overload(),
        },
        "!_" => |_, _, args| match args {
            [Value::Bool(b)] => Ok(Value::Bool(!b)),
            _ => no_overload(),
        },
        "_==_" => |_, _, args| match args {
            [a, b] => a.equals(b).map(Value::Bool),
            _ => no_overload(),
        },
        "_!=_" => |_, _, args| match args {
            [a, b] => Ok(Value::Bool(!a.equals(b).unwrap_or(false))),
            _ => no_overload(),
        },
        "_<_" => |_, _, args| match args {
            [a, b] => a.order(b).map(|order| Value::Bool(order.is_lt())),
            _ => no_overload(),
        },
        "_<=_" => |_, _, args| match args {
            [a, b] => a.order(b).map(|order| Value::Bool(order.is_le())),
            _ => no_overload(),
        },
        "_>_" => |_, _, args| match args {
            [a, b] => a.order(b).map(|order| Value::Bool(order.is_gt())),
            _ => no_overload(),
        },
        "_>=_" => |_, _, args| match args {
            [a, b] => a.order(b).map(|order| Value::Bool(order.is_ge())),
            _ => no_overload(),
        },
        "@in" => |machine, _, args| match args {
            [wanted, Value::List(list)] => {
                machine.work(list.len())?;
                list.contains(wanted).map(Value::Bool)
            }
            [wanted, Value::Map(map)] => Ok(Value::Bool(map.get(wanted)?.is_some())),
            _ => no_overload(),
        },
        "size" => |_, _, args| match args {
            [value] => value.size().map(|size| Value::Int(size as i64)).ok_or_else(Error::no_overload),
            _ => no_overload(),
        },
        "type" => |_, _, args| match args {
            [value] => Ok(Value::Type(value.type_name().into())),
            _ => no_overload(),
        },
        "sets.contains" => |machine, _, args| match args {
            [Value::List(all), Value::List(some)] => {
                machine.work(all.len().saturating_mul(some.len()))?;
                contains_all(all, some).map(Value::Bool)
            }
            _ => no_overload(),
        },
        "sets.equivalent" => |machine, _, args| match args {
            [Value::List(a), Value::List(b)] => {
                machine.work(a.len().saturating_mul(b.len()).saturating_mul(2))?;
                Ok(Value::Bool(contains_all(a, b)? && contains_all(b, a)?))
            }
            _ => no_overload(),
        },
        "sets.intersects" => |machine, _, args| match args {
            [Value::List(a), Value::List(b)] => {
                machine.work(a.len().saturating_mul(b.len()))?;
                for item in a.items() {
                    if b.contains(&item?)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            _ => no_overload(),
        },
        _ => return None,
    })
}

fn contains_all<'a>(all: &List<'a>, some: &List<'a>) -> Result<bool, Error> {
    let all = List::Owned(Rc::new(all.to_vec()?));
    for item in some.items() {
        if !all.contains(&item?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn overflow() -> Error {
    Error::new("integer overflow")
}

fn unsigned_overflow() -> Error {
    Error::new("unsigned integer overflow")
}

fn duration_overflow() -> Error {
    Error::new("duration overflow")
}
