//! The parts of points in time and of durations.

use super::{Run, no_overload, times};
use crate::cel::error::Error;
use crate::cel::value::{Outcome, Value};
use jiff::civil::DateTime;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "getFullYear" => |_, _, args| part(args, |at| i64::from(at.year()), None),
        "getMonth" => |_, _, args| part(args, |at| i64::from(at.month()) - 1, None),
        "getDayOfYear" => |_, _, args| part(args, |at| i64::from(at.date().day_of_year()) - 1, None),
        "getDayOfMonth" => |_, _, args| part(args, |at| i64::from(at.day()) - 1, None),
        "getDate" => |_, _, args| part(args, |at| i64::from(at.day()), None),
        "getDayOfWeek" => |_, _, args| part(args, |at| i64::from(at.weekday().to_sunday_zero_offset()), None),
        "getHours" => |_, _, args| part(args, |at| i64::from(at.hour()), Some(|nanos| nanos / 3_600_000_000_000)),
        "getMinutes" => |_, _, args| part(args, |at| i64::from(at.minute()), Some(|nanos| nanos / 60_000_000_000)),
        "getSeconds" => |_, _, args| part(args, |at| i64::from(at.second()), Some(|nanos| nanos / 1_000_000_000)),
        "getMilliseconds" => {
            |_, _, args| part(args, |at| i64::from(at.millisecond()), Some(|nanos| nanos / 1_000_000 % 1_000))
        }
        _ => return None,
    })
}

fn part<'a>(args: &[Value<'a>], of_time: fn(DateTime) -> i64, of_duration: Option<fn(i64) -> i64>) -> Outcome<'a> {
    match (args, of_duration) {
        ([Value::Timestamp(nanos)], _) => times::in_zone(*nanos, None).map(|at| Value::Int(of_time(at))),
        ([Value::Timestamp(nanos), Value::Text(zone)], _) => {
            times::in_zone(*nanos, Some(zone)).map(|at| Value::Int(of_time(at)))
        }
        ([Value::Duration(nanos)], Some(of_duration)) => Ok(Value::Int(of_duration(*nanos))),
        ([Value::Timestamp(_), ..], _) => Err(Error::no_overload()),
        _ => no_overload(),
    }
}
