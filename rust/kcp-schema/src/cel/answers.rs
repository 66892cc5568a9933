//! Answers of a real API server's packages: verdict, cost and estimate of rules, recorded by `hack/cel-answers`.

use super::eval::PER_CALL_LIMIT;
use super::value::{Typed, Value};
use crate::structural::Structural;
use serde_json::{Value as Json, json};

const RECORDED: &str = include_str!("../../tests/data/cel-answers.jsonl");

/// What we say of a rule, in the form of the recording.
fn answer(shared: &Json, rule: &str, object: usize) -> Json {
    let mut schema = shared["schema"].clone();
    schema["properties"]["spec"]["x-kubernetes-validations"] = json!([{"rule": rule}]);
    let schema = Structural::compile(&schema).unwrap();
    let node = schema.property_index(schema.root(), "spec").unwrap();
    let compiled = &schema.compiled_rules(node)[0];
    let mut out = json!({"rule": rule, "object": object, "estimate": 0, "cost": 0});
    if let Some(error) = &compiled.error {
        out["refused"] = error.as_str().into();
        return out;
    }
    out["estimate"] = compiled.max_cost.into();
    let typed = Typed { schema: &schema, place: schema.place(node) };
    let variables = [typed.value(&shared["objects"][object]).unwrap(), Value::Optional(None)];
    let run = compiled.program.as_ref().unwrap().run(&variables, PER_CALL_LIMIT);
    out["cost"] = run.cost.into();
    match run.value {
        Ok(Value::Bool(result)) => out["result"] = result.to_string().into(),
        Ok(other) => panic!("{rule}: {other:?}"),
        Err(error) => out["error"] = error.to_string().into(),
    }
    out
}

fn differences(text: &str) -> (usize, Vec<String>) {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let shared = lines.next().unwrap();
    let mut asked = 0;
    let mut differences = Vec::new();
    for wanted in lines {
        asked += 1;
        let object = usize::try_from(wanted["object"].as_u64().unwrap()).unwrap();
        let found = answer(&shared, wanted["rule"].as_str().unwrap(), object);
        if found != wanted {
            let parts = ["refused", "estimate", "cost", "result", "error"]
                .iter()
                .filter(|part| found[**part] != wanted[**part]);
            let parts: Vec<String> =
                parts.map(|part| format!("    {part}: ours {} theirs {}\n", found[*part], wanted[*part])).collect();
            differences.push(format!("{} on {object}\n{}", wanted["rule"].as_str().unwrap(), parts.concat()));
        }
    }
    (asked, differences)
}

// kube-api 5.7.8
#[test]
fn rules_are_answered_as_a_real_api_server_answers_them() {
    let (asked, differences) = differences(RECORDED);
    assert!(differences.is_empty(), "{} of {asked} differ\n{}", differences.len(), differences.join("\n"));
    assert!(asked > 500, "{asked}");
}

/// Any number of rules: `go run . -seed N -count M` in `hack/cel-answers` makes the file.
#[test]
#[ignore = "needs a file of answers: KCP_CEL_ANSWERS"]
fn rules_of_a_file_are_answered_as_in_the_file() {
    let file = std::env::var("KCP_CEL_ANSWERS").expect("KCP_CEL_ANSWERS names the file");
    let (asked, differences) = differences(&std::fs::read_to_string(file).unwrap());
    assert!(differences.is_empty(), "{} of {asked} differ\n{}", differences.len(), differences.join("\n"));
}
