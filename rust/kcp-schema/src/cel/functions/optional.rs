//! Values that may be absent.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::value::Value;
use std::rc::Rc;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "optional.of" => |_, _, args| match args {
            [value] => Ok(Value::Optional(Some(Rc::new(value.clone())))),
            _ => no_overload(),
        },
        "optional.ofNonZeroValue" => |_, _, args| match args {
            [value] if value.is_zero() => Ok(Value::Optional(None)),
            [value] => Ok(Value::Optional(Some(Rc::new(value.clone())))),
            _ => no_overload(),
        },
        "optional.none" => |_, _, _| Ok(Value::Optional(None)),
        "value" => |_, _, args| match args {
            [Value::Optional(Some(value))] => Ok((**value).clone()),
            [Value::Optional(None)] => Err(Error::new("optional.none() dereference")),
            _ => no_overload(),
        },
        "hasValue" => |_, _, args| match args {
            [Value::Optional(value)] => Ok(Value::Bool(value.is_some())),
            _ => no_overload(),
        },
        "optional.unwrap" | "unwrapOpt" => |machine, _, args| match args {
            [Value::List(list)] => {
                machine.work(list.len() * 16)?;
                let mut values = Vec::new();
                for item in list.items() {
                    match item? {
                        Value::Optional(Some(value)) => values.push((*value).clone()),
                        Value::Optional(None) => {}
                        other => return Err(Error::new(format!("value {} is not optional", super::show(&other)))),
                    }
                }
                Ok(values.into())
            }
            _ => no_overload(),
        },
        _ => return None,
    })
}
