//! Secrets: types and what they require, `stringData`, sizes, immutability.

use super::base::{self, Base, map, text};
use super::configmaps::{MAX_SIZE, key_problems};
use super::turns::Turns;
use super::{Departure, Part, Strategy, cells, serviceaccounts};
use crate::codec::{self, Header};
use crate::garbage::{SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_TOKEN, SERVICE_ACCOUNT_UID};
use crate::server::ApiServer;
use crate::typed::check_base64;
use crate::verbs::storage_error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::{Status, meta};
use kcp_storage::{BoxFuture, Key};
use serde_json::{Map, Value};

const OPAQUE: &str = "Opaque";

/// Unfinished work of a secret that is to hold an account's token and does not yet.
pub const TOKEN_WORK: &str = "token-secret";

/// What a token secret holds.
const TOKEN_KEYS: [&str; 3] = ["token", "ca.crt", "namespace"];

/// The strategy of Secrets.
pub struct Secrets {
    base: Base,
    turns: Turns,
}

impl Secrets {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        Self { base: Base::new(definition), turns: Turns::default() }
    }

    /// The commit that removes a token secret takes its reference off the account.
    async fn leave_account(&self, server: &ApiServer, key: &Key) -> Result<Departure, Status> {
        let found = server.store.get(key).await.map_err(|error| storage_error(&error))?;
        let Some(item) = found else { return Ok(Departure::default()) };
        let secret =
            codec::decode_lean(&item, Header { api_version: "v1", kind: "Secret" }).map_err(Status::internal)?;
        if text(&secret, &["type"]) != SERVICE_ACCOUNT_TOKEN {
            return Ok(Departure::default());
        }
        // Secrets of one account that go together change it one after the other.
        let account = meta::annotation(&secret, SERVICE_ACCOUNT_NAME).unwrap_or_default();
        let turn = self.turns.take((key.cluster(), key.namespace(), account)).await;
        let also = serviceaccounts::without(server, &secret, key.cluster()).await?;
        let turn = also.is_some().then_some(turn);
        Ok(Departure { also: also.into_iter().collect(), turn, ..Departure::default() })
    }
}

/// Moves `stringData`, which is never stored, over `data`.
fn fold_string_data(object: &mut Value) {
    let Some(Value::Object(given)) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) else {
        return;
    };
    let Some(data) = base::section(object, "data") else { return };
    for (key, value) in given {
        data.insert(key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
    }
}

/// The rules that hold for every Secret.
fn validate(object: &Value, errors: &mut ErrorList) {
    let data = map(object, "data");
    let path = Path::root("data");
    let mut size = 0;
    for (key, value) in data {
        key_problems(key, &path, errors);
        let value = value.as_str().unwrap_or_default();
        size += check_base64(value).unwrap_or(value.len());
    }
    if size > MAX_SIZE {
        errors.push(Error::too_long(&path, MAX_SIZE));
    }
    let mut require = |keys: &[&str]| {
        for key in keys {
            errors.push(Error::required(&path.key(*key), ""));
        }
    };
    match text(object, &["type"]) {
        SERVICE_ACCOUNT_TOKEN if meta::annotation(object, SERVICE_ACCOUNT_NAME).unwrap_or_default().is_empty() => {
            let path = Path::root("metadata").child("annotations").key(SERVICE_ACCOUNT_NAME);
            errors.push(Error::required(&path, ""));
        }
        "kubernetes.io/dockercfg" => docker(data, ".dockercfg", &path, errors),
        "kubernetes.io/dockerconfigjson" => docker(data, ".dockerconfigjson", &path, errors),
        "kubernetes.io/basic-auth" if !data.contains_key("username") && !data.contains_key("password") => {
            require(&["username", "password"]);
        }
        "kubernetes.io/ssh-auth"
            if data.get("ssh-privatekey").and_then(Value::as_str).unwrap_or_default().is_empty() =>
        {
            require(&["ssh-privatekey"]);
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if !data.contains_key(key) {
                    require(&[key]);
                }
            }
        }
        _ => {}
    }
}

/// Registry credentials have to be a JSON object; what they are is never repeated.
fn docker(data: &Map<String, Value>, key: &str, path: &Path, errors: &mut ErrorList) {
    let path = path.key(key);
    let Some(value) = data.get(key) else {
        errors.push(Error::required(&path, ""));
        return;
    };
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
    if let Err(detail) = json_object(&bytes) {
        errors.push(Error::invalid(&path, "<secret contents redacted>", detail));
    }
}

/// Whether bytes are a JSON object or `null`; otherwise the words of Go's decoder.
fn json_object(bytes: &[u8]) -> Result<(), String> {
    let parsed: Result<Value, serde_json::Error> = serde_json::from_slice(bytes);
    let noun = match parsed {
        Ok(Value::Object(_) | Value::Null) => return Ok(()),
        Ok(Value::Bool(_)) => "bool",
        Ok(Value::Number(_)) => "number",
        Ok(Value::String(_)) => "string",
        Ok(Value::Array(_)) => "array",
        Err(error) if error.is_eof() => return Err("unexpected end of JSON input".to_owned()),
        Err(_) => return Err(syntax_error(bytes)),
    };
    Err(format!("json: cannot unmarshal {noun} into Go value of type map[string]interface {{}}"))
}

/// The words of Go's decoder for bytes that are no JSON, by the first byte that cannot stand where it stands.
fn syntax_error(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.trim_start().chars().next();
    first.map_or_else(
        || "unexpected end of JSON input".to_owned(),
        |first| {
            let shown = if first == '\'' { r"'\''".to_owned() } else { format!("'{first}'") };
            format!("invalid character {shown} looking for beginning of value")
        },
    )
}

impl Strategy for Secrets {
    fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        let unknown = self.base.decode(object)?;
        fold_string_data(object);
        Ok(unknown)
    }

    fn default(&self, object: &mut Value) {
        if text(object, &["type"]).is_empty() {
            object["type"] = OPAQUE.into();
        }
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        let mut errors = base::errors(object);
        validate(object, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = base::errors(new);
        let given = text(new, &["type"]);
        if given != text(old, &["type"]) {
            errors.push(Error::invalid(&Path::root("type"), given, "field is immutable"));
        }
        base::immutable_rules(new, old, &["data"], &mut errors);
        validate(new, &mut errors);
        errors
    }

    fn work(&self, object: &Value) -> Vec<&'static str> {
        let is_token = text(object, &["type"]) == SERVICE_ACCOUNT_TOKEN && meta::deletion_timestamp(object).is_none();
        let filled = TOKEN_KEYS.iter().all(|key| map(object, "data").get(*key).is_some_and(|value| value != ""))
            && meta::annotation(object, SERVICE_ACCOUNT_UID).is_some_and(|uid| !uid.is_empty());
        if is_token && !filled { vec![TOKEN_WORK] } else { Vec::new() }
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(self.leave_account(server, key))
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        (label == "type").then(|| text(object, &["type"]).to_owned())
    }

    fn has_selectable_fields(&self) -> bool {
        true
    }

    fn selects_by(&self, label: &str) -> bool {
        label == "type"
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        if text(object, &["type"]) != "kubernetes.io/tls" {
            return Vec::new();
        }
        let missing = [("tls.crt", "certificate"), ("tls.key", "key")].into_iter().find(|(key, _)| {
            let given = map(object, "data").get(*key).and_then(Value::as_str).unwrap_or_default();
            let decoded = STANDARD.decode(given).unwrap_or_default();
            !String::from_utf8_lossy(&decoded).contains("-----BEGIN ")
        });
        let say = |(_, what)| format!("tls: failed to find any PEM data in {what} input");
        missing.map(say).into_iter().collect()
    }

    fn updates_unconditionally(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let count = map(object, "data").len();
        vec![cells::name(object), text(object, &["type"]).into(), count.into(), cells::age(object, now)]
    }
}
