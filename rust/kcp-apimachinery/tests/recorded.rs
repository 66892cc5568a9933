//! Our answers beside those recorded from a real API server (`tests/conformance/recorded-http/`).

use std::fs;

use kcp_apimachinery::field::{ErrorList, Path};
use kcp_apimachinery::patch::{self, StrategicSchema};
use kcp_apimachinery::selector::{field, label};
use kcp_apimachinery::{GroupKind, Status, meta, names, strict};
use serde_json::{Value, json};

fn folder() -> String {
    format!("{}/../../tests/conformance/recorded-http", env!("CARGO_MANIFEST_DIR"))
}

fn exchanges(scenario: &str) -> Vec<Value> {
    let path = format!("{}/{scenario}.json", folder());
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut recorded: Value = serde_json::from_str(&text).expect(&path);
    match recorded["exchanges"].take() {
        Value::Array(exchanges) => exchanges,
        other => panic!("{path} holds no exchanges: {other}"),
    }
}

fn name(exchange: &Value) -> &str {
    exchange["name"].as_str().unwrap_or_default()
}

fn message(exchange: &Value) -> &str {
    exchange["body"]["message"].as_str().unwrap_or_default()
}

/// The body of a request as it was sent; `None` when the recording cut it.
fn sent(exchange: &Value) -> Option<Vec<u8>> {
    let body = match &exchange["request"]["body"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (!body.contains(" characters)")).then(|| body.into_bytes())
}

/// A query parameter, decoded.
fn parameter(exchange: &Value, wanted: &str) -> Option<String> {
    let (_, query) = exchange["request"]["path"].as_str()?.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(wanted)?.strip_prefix('='))?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(b) = rest.next() {
        let hex = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(if b == b'%' { hex(rest.next())? * 16 + hex(rest.next())? } else { b });
    }
    String::from_utf8(bytes).ok()
}

#[test]
fn every_recorded_status_is_read_and_written_alike() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).expect("the recordings") {
        let path = entry.expect("an entry").path();
        let scenario = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        for exchange in exchanges(&scenario) {
            let body = &exchange["body"];
            if body["kind"] != "Status" {
                continue;
            }
            let status = Status::from_json(body.to_string().as_bytes()).expect("a Status");
            assert_eq!(&status.to_value(), body, "{scenario}/{}", name(&exchange));
            assert_eq!(
                Some(u64::from(status.http_code())),
                exchange["status"].as_u64(),
                "{scenario}/{}",
                name(&exchange)
            );
            count += 1;
        }
    }
    assert!(count > 300, "only {count} recorded");
}

#[test]
fn metadata_is_refused_as_recorded() {
    for exchange in exchanges("builtin-invalid-metadata") {
        // The server ignores managed fields it cannot read before metadata is checked; generated names are random.
        if ["managed-fields", "generate-name"].contains(&name(&exchange)) {
            continue;
        }
        let Some(bytes) = sent(&exchange) else { continue };
        let mut object = strict::decode(&bytes).expect("a JSON object");
        meta::set_namespace(&mut object, "invalid");
        if let Some(warning) = meta::dedup_owner_references(&mut object) {
            let recorded = exchange["headers"]["Warning"].to_string();
            assert!(recorded.contains(&warning), "{recorded} has {warning}");
        }
        let path = Path::root("metadata");
        let mut errors: ErrorList = meta::validate_object_meta(&object, true, names::subdomain_name, &path);
        errors.extend(meta::validate_core_finalizers(&object, &path));
        if exchange["status"] == 201 {
            assert_eq!(errors.to_string(), "", "{}", name(&exchange));
        } else {
            let status = Status::invalid(&GroupKind::new("", "ConfigMap"), meta::name(&object), &errors);
            assert_eq!(status.to_value(), exchange["body"], "{}", name(&exchange));
        }
    }
}

#[test]
fn selectors_are_refused_as_recorded() {
    let mut count = 0;
    for exchange in exchanges("refused-options") {
        let label = parameter(&exchange, "labelSelector").map(|text| label::Selector::parse(&text).map(|_| ()));
        let field = parameter(&exchange, "fieldSelector").map(|text| {
            let selector = field::Selector::parse(&text)?;
            selector.validate_metadata_only()
        });
        let Some(result) = label.or(field) else { continue };
        let wanted = if exchange["status"] == 200 { Ok(()) } else { Err(message(&exchange).to_owned()) };
        assert_eq!(result, wanted, "{}", name(&exchange));
        count += 1;
    }
    assert!(count > 10, "only {count} recorded");
}

#[test]
fn bodies_are_refused_as_recorded() {
    for exchange in exchanges("refused-bodies") {
        let Some(bytes) = sent(&exchange) else { continue };
        let is_json = exchange["request"]["headers"]["Content-Type"].as_str().is_none_or(|t| t.ends_with("json"));
        if !is_json {
            continue;
        }
        let decoded = strict::decode_strict(&bytes);
        let recorded = message(&exchange);
        match decoded {
            Err(error) => {
                assert_eq!(strict::unrecognized("ConfigMap", &error, &bytes), recorded, "{}", name(&exchange))
            }
            Ok(_) if recorded.contains("invalid character") => panic!("{} is read", name(&exchange)),
            Ok(decoded) if !decoded.duplicates.is_empty() && exchange["status"] == 400 => {
                let error = strict::strict_error(&decoded.duplicates);
                assert_eq!(strict::cannot_be_handled("ConfigMap", "v1", &error), recorded, "{}", name(&exchange));
            }
            Ok(_) => {}
        }
    }
}

/// Applies the patch of an exchange; `None` when its request is no patch.
fn patched(exchange: &Value, document: &mut Value) -> Option<Result<(), Status>> {
    let bytes = sent(exchange)?;
    let kind = exchange["request"]["headers"]["Content-Type"].as_str()?;
    Some(
        match kind {
            "application/json-patch+json" => patch::json(document, &bytes),
            "application/merge-patch+json" => patch::merge(document, &bytes),
            "application/strategic-merge-patch+json" => patch::strategic(document, &bytes, &StrategicSchema::object()),
            _ => return None,
        }
        .map(|_| ()),
    )
}

#[test]
fn patches_do_as_recorded() {
    let mut stored = json!({});
    let mut count = 0;
    for exchange in exchanges("writes") {
        let mut document = stored.clone();
        if let Some(result) = patched(&exchange, &mut document) {
            assert_eq!(result, Ok(()), "{}", name(&exchange));
            for field in [
                "/data",
                "/metadata/labels",
                "/metadata/annotations",
                "/metadata/finalizers",
                "/metadata/ownerReferences",
            ] {
                let wanted = exchange["body"].pointer(field);
                assert_eq!(document.pointer(field), wanted, "{} {field}", name(&exchange));
            }
            count += 1;
        }
        if exchange["body"]["metadata"]["name"] == "one" {
            stored = exchange["body"].clone();
        }
    }
    assert!(count > 7, "only {count} recorded");
}

#[test]
fn patches_are_refused_as_recorded() {
    let refused = [
        "not-json",
        "merge-array",
        "json-patch-object",
        "json-patch-test",
        "json-patch-missing",
        "json-patch-op",
        "strategic-directive",
    ];
    let mut found = Vec::new();
    for exchange in exchanges("refused-conflicts") {
        if !refused.contains(&name(&exchange)) {
            continue;
        }
        let mut document = json!({"data": {"a": "1"}});
        let status = patched(&exchange, &mut document).expect("a patch").expect_err(name(&exchange));
        assert_eq!(status.to_value(), exchange["body"], "{}", name(&exchange));
        found.push(name(&exchange).to_owned());
    }
    assert_eq!(found.len(), refused.len(), "{found:?}");
}
