//! Named formats, which say what is wrong with a text.

use super::{Run, no_overload};
use crate::cel::eval::Machine;
use crate::cel::program::Call;
use crate::cel::value::{Outcome, Value};
use crate::formats::Format;
use kcp_apimachinery::names;
use std::rc::Rc;

/// A format, how it is checked, and how long its pattern counts as.
#[derive(Debug)]
pub(crate) struct Named {
    pub name: &'static str,
    pub pattern_size: u64,
    check: fn(&str) -> Vec<String>,
}

fn one(valid: bool, message: &str) -> Vec<String> {
    if valid { Vec::new() } else { vec![message.to_owned()] }
}

static FORMATS: [Named; 13] = [
    Named { name: "dns1123Label", pattern_size: 30, check: |text| names::label_name(text, false) },
    Named { name: "dns1123Subdomain", pattern_size: 60, check: |text| names::subdomain_name(text, false) },
    Named { name: "dns1035Label", pattern_size: 30, check: |text| names::dns1035_name(text, false) },
    Named { name: "qualifiedName", pattern_size: 60, check: names::qualified_name },
    Named { name: "dns1123LabelPrefix", pattern_size: 30, check: |text| names::label_name(text, true) },
    Named { name: "dns1123SubdomainPrefix", pattern_size: 60, check: |text| names::subdomain_name(text, true) },
    Named { name: "dns1035LabelPrefix", pattern_size: 30, check: |text| names::dns1035_name(text, true) },
    Named { name: "labelValue", pattern_size: 40, check: names::label_value },
    Named {
        name: "uri",
        pattern_size: 1_103,
        check: |text| {
            let message = format!("parse {}: invalid URI for request", kcp_apimachinery::text::quote(text));
            one(Format::Uri.accepts(text), &message)
        },
    },
    Named {
        name: "uuid",
        pattern_size: 98,
        check: |text| one(Format::Uuid.accepts(text), "does not match the UUID format"),
    },
    Named { name: "byte", pattern_size: 84, check: |text| one(Format::Byte.accepts(text), "invalid base64") },
    Named { name: "date", pattern_size: 128, check: |text| one(Format::Date.accepts(text), "invalid date") },
    Named {
        name: "datetime",
        pattern_size: 128,
        check: |text| one(Format::DateTime.accepts(text), "invalid datetime"),
    },
];

fn named(name: &str) -> Option<&'static Named> {
    FORMATS.iter().find(|format| format.name == name)
}

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "validate" => |machine, _, args| match args {
            [Value::Format(format), Value::Text(text)] => {
                machine.work(text.len() * 4)?;
                let wrong = (format.check)(text);
                if wrong.is_empty() {
                    return Ok(Value::Optional(None));
                }
                let wrong: Vec<Value<'_>> = wrong.into_iter().map(Into::into).collect();
                Ok(Value::Optional(Some(Rc::new(wrong.into()))))
            }
            _ => no_overload(),
        },
        "format.named" => |_, _, args| match args {
            [Value::Text(name)] => Ok(Value::Optional(named(name).map(|format| Rc::new(Value::Format(format))))),
            _ => no_overload(),
        },
        name if name.strip_prefix("format.").and_then(named).is_some() => constant,
        _ => return None,
    })
}

fn constant<'a>(_: &mut Machine<'a>, call: &'a Call, _: &[Value<'a>]) -> Outcome<'a> {
    match call.name.strip_prefix("format.").and_then(named) {
        Some(format) => Ok(Value::Format(format)),
        None => no_overload(),
    }
}
