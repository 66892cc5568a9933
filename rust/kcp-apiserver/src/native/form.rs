//! The form that typed clients give objects of a kind: what is not set is not there, and an amount has one text.

use crate::protobuf::{self, Cardinality, Field, Type};
use kcp_schema::quantity::Amount;
use serde_json::{Map, Value};

/// Lists that are printed even where they are empty.
const SHOWN: [&str; 3] = ["containers", "nodeSelectorTerms", "sources"];

/// Walks an object along the messages of its kind, each message before those in it. Metadata of the object itself is
/// left to who serves it.
pub fn walk(object: &mut Value, definition: &'static str, visit: &mut impl FnMut(&mut Map<String, Value>, &str)) {
    let Some(fields) = object.as_object_mut() else { return };
    let metadata = fields.remove("metadata");
    below(fields, definition, visit);
    if let Some(metadata) = metadata {
        fields.insert("metadata".to_owned(), metadata);
    }
}

fn below(
    fields: &mut Map<String, Value>,
    definition: &'static str,
    visit: &mut impl FnMut(&mut Map<String, Value>, &str),
) {
    visit(fields, definition);
    for (name, value) in fields.iter_mut() {
        let Some(Field { kind: Type::Message(inner), .. }) = protobuf::field(definition, name) else { continue };
        match value {
            Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| {
                below(item, inner, visit);
            }),
            Value::Object(fields) => below(fields, inner, visit),
            _ => {}
        }
    }
}

/// Brings an object into the form. Values of a wrong type stay, for the schema to refuse.
pub fn normalize(object: &mut Value, definition: &'static str) {
    super::drop_nulls(object);
    walk(object, definition, &mut |fields, definition| {
        let field = |name: &str| protobuf::field(definition, name);
        fields.retain(|name, value| !field(name).is_some_and(|field| is_unset(field, value)));
        for (name, value) in fields.iter_mut() {
            match field(name) {
                Some(Field { kind: Type::Quantity, cardinality: Cardinality::One, .. }) => amount(value, false),
                Some(Field { kind: Type::Quantity, .. }) => {
                    value.as_object_mut().into_iter().flatten().for_each(|(_, value)| amount(value, true));
                }
                _ => {}
            }
        }
    });
}

/// Whether Go's encoder leaves a value out.
fn is_unset(field: &Field, value: &Value) -> bool {
    match (field.cardinality, field.kind, value) {
        (Cardinality::List, _, Value::Array(items)) => items.is_empty() && !SHOWN.contains(&field.name),
        (Cardinality::Map, _, Value::Object(entries)) => entries.is_empty(),
        (Cardinality::One, Type::Text, Value::String(text)) => field.omits_zero && text.is_empty(),
        (Cardinality::One, Type::Bool, Value::Bool(truth)) => field.omits_zero && !truth,
        (Cardinality::One, Type::Int, Value::Number(number)) => field.omits_zero && number.as_i64() == Some(0),
        _ => false,
    }
}

/// Writes an amount as servers show it; amounts of resources are rounded up to thousandths.
fn amount(value: &mut Value, of_resource: bool) {
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    let Some(amount) = Amount::parse(&text) else { return };
    let amount = if of_resource { amount.rounded_to_milli() } else { amount };
    *value = amount.canonical().into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const POD: &str = "io.k8s.api.core.v1.Pod";

    #[test]
    fn what_is_not_set_is_not_there() {
        let mut pod = json!({"spec": {"hostNetwork": false, "nodeSelector": {}, "volumes": [{"emptyDir": {}}],
            "automountServiceAccountToken": false, "containers": [{"command": [], "workingDir": "",
                "securityContext": {"privileged": false}}]}});
        normalize(&mut pod, POD);
        let expected = json!({"spec": {"volumes": [{"emptyDir": {}}], "automountServiceAccountToken": false,
            "containers": [{"securityContext": {"privileged": false}}]}});
        assert_eq!(pod, expected);
    }

    #[test]
    fn what_is_of_a_wrong_type_stays() {
        let wrong = json!({"spec": {"hostNetwork": "", "nodeSelector": [], "volumes": {}, "containers": 0,
            "overhead": {"cpu": true}, "unknown": ""}});
        let mut pod = wrong.clone();
        normalize(&mut pod, POD);
        assert_eq!(pod, wrong);
    }

    #[test]
    fn amounts_have_one_text() {
        let limits = json!({"cpu": 0.1, "memory": "1024Mi", "example.com/x": "0.00001", "odd": "much"});
        let mut pod = json!({"spec": {"containers": [{"resources": {"limits": limits}}]}});
        normalize(&mut pod, POD);
        let limits = json!({"cpu": "100m", "memory": "1Gi", "example.com/x": "1m", "odd": "much"});
        assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], limits);
    }
}
