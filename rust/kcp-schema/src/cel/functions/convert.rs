//! Conversions between types.

use super::{Run, no_overload, show, show_double, times};
use crate::cel::error::Error;
use crate::cel::value::{Text, Value};
use std::rc::Rc;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "dyn" => |_, _, args| args.first().cloned().ok_or_else(Error::no_overload),
        "bool" => |_, _, args| match args {
            [Value::Bool(b)] => Ok(Value::Bool(*b)),
            [Value::Text(text)] => match &**text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
                _ => Err(Error::new("type conversion error from 'string' to 'bool'")),
            },
            _ => no_overload(),
        },
        "bytes" => |machine, _, args| match args {
            [Value::Bytes(bytes)] => Ok(Value::Bytes(Rc::clone(bytes))),
            [Value::Text(text)] => {
                machine.work(text.len())?;
                Ok(Value::Bytes(text.as_bytes().into()))
            }
            _ => no_overload(),
        },
        "double" => |_, _, args| match args {
            [Value::Double(n)] => Ok(Value::Double(*n)),
            [Value::Int(n)] => Ok(Value::Double(*n as f64)),
            [Value::Uint(n)] => Ok(Value::Double(*n as f64)),
            [Value::Text(text)] => text
                .parse()
                .map(Value::Double)
                .map_err(|_| Error::new("type conversion error from 'string' to 'double'")),
            _ => no_overload(),
        },
        "int" => |_, _, args| match args {
            [Value::Int(n)] => Ok(Value::Int(*n)),
            [Value::Uint(n)] => i64::try_from(*n).map(Value::Int).map_err(|_| Error::new("integer overflow")),
            [Value::Double(n)] if *n > -(2f64.powi(63)) && *n < 2f64.powi(63) => Ok(Value::Int(*n as i64)),
            [Value::Double(_)] => Err(Error::new("integer overflow")),
            [Value::Text(text)] => {
                text.parse().map(Value::Int).map_err(|_| Error::new("type conversion error from 'string' to 'int'"))
            }
            [Value::Timestamp(nanos)] => Ok(Value::Int(nanos.div_euclid(1_000_000_000) as i64)),
            [Value::Duration(nanos)] => Ok(Value::Int(*nanos)),
            _ => no_overload(),
        },
        "uint" => |_, _, args| match args {
            [Value::Uint(n)] => Ok(Value::Uint(*n)),
            [Value::Int(n)] => u64::try_from(*n).map(Value::Uint).map_err(|_| Error::new("unsigned integer overflow")),
            [Value::Double(n)] if *n >= 0.0 && *n < 2f64.powi(64) => Ok(Value::Uint(*n as u64)),
            [Value::Double(_)] => Err(Error::new("unsigned integer overflow")),
            [Value::Text(text)] => {
                text.parse().map(Value::Uint).map_err(|_| Error::new("type conversion error from 'string' to 'uint'"))
            }
            _ => no_overload(),
        },
        "duration" => |_, _, args| match args {
            [Value::Duration(nanos)] => Ok(Value::Duration(*nanos)),
            [Value::Int(nanos)] => Ok(Value::Duration(*nanos)),
            [Value::Text(text)] => times::parse_duration(text)
                .map(Value::Duration)
                .ok_or_else(|| Error::new("type conversion error from 'string' to 'google.protobuf.Duration'")),
            _ => no_overload(),
        },
        "timestamp" => |_, _, args| match args {
            [Value::Timestamp(nanos)] => Ok(Value::Timestamp(*nanos)),
            [Value::Int(seconds)] => times::in_range(i128::from(*seconds) * 1_000_000_000).map(Value::Timestamp),
            [Value::Text(text)] => times::parse_timestamp(text)
                .map(Value::Timestamp)
                .ok_or_else(|| Error::new("type conversion error from 'string' to 'google.protobuf.Timestamp'")),
            _ => no_overload(),
        },
        "string" => |machine, _, args| match args {
            [Value::Text(text)] => Ok(Value::Text(text.clone())),
            [Value::Bytes(bytes)] => {
                machine.work(bytes.len())?;
                match std::str::from_utf8(bytes) {
                    Ok(text) => Ok(Value::Text(Text::Owned(text.into()))),
                    Err(_) => Err(Error::new("invalid UTF-8 in bytes, cannot convert to string")),
                }
            }
            [Value::Double(n)] => Ok(show_double(*n).into()),
            [Value::Cidr(cidr)] => Ok(cidr.to_string().into()),
            [Value::Ip(ip)] => Ok(ip.to_string().into()),
            [value @ (Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Timestamp(_) | Value::Duration(_))] => {
                Ok(show(value).into())
            }
            _ => no_overload(),
        },
        _ => return None,
    })
}
