//! The rules for conversion between versions.

use super::spec::Options;
use super::{list, text};
use crate::fault::{self, Faults};
use crate::path::At;
use kcp_apimachinery::names::{is_dns1035_label, is_dns1123_subdomain};
use serde_json::{Value, json};

/// Versions of ConversionReview that the server speaks.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

pub(super) fn has_accepted_version(versions: &[Value]) -> bool {
    versions.iter().filter_map(Value::as_str).any(|version| REVIEW_VERSIONS.contains(&version))
}

/// Whether objects would have to be sent to a webhook: there is one, and more than one version.
pub(super) fn needs_webhook(spec: &Value) -> bool {
    let strategy = spec.pointer("/conversion/strategy").and_then(Value::as_str);
    strategy == Some("Webhook") && list(spec.get("versions")).len() > 1
}

/// Holds the stanza against its rules. A webhook that would have to be called is refused, as none is: objects would be
/// served in a form that their version does not have.
pub(super) fn validate(spec: &Value, options: &Options, at: &At<'_>, errors: &mut Faults) {
    let Some(conversion) = spec.get("conversion").filter(|conversion| conversion.is_object()) else { return };
    let mut found = Faults::default();
    validate_stanza(conversion, options, at, &mut found);
    if found.is_empty() && options.refuse_webhook && needs_webhook(spec) {
        let detail = "conversion webhooks are not called by this server: several versions need the strategy None";
        found.push(fault::forbidden(&at.child("strategy"), detail));
    }
    errors.extend(found);
}

fn validate_stanza(conversion: &Value, options: &Options, at: &At<'_>, errors: &mut Faults) {
    let strategy = text(conversion, "strategy");
    let strategy_at = at.child("strategy");
    match strategy {
        "" => errors.push(fault::required(&strategy_at, "")),
        "None" | "Webhook" => {}
        other => errors.push(fault::not_supported(&strategy_at, &other.into(), &["None", "Webhook"])),
    }
    let client = conversion.pointer("/webhook/clientConfig").filter(|client| client.is_object());
    let versions = list(conversion.pointer("/webhook/conversionReviewVersions"));
    let client_at = at.child("webhookClientConfig");
    let versions_at = at.child("conversionReviewVersions");
    if strategy != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.push(fault::forbidden(&client_at, detail));
        }
        if !versions.is_empty() {
            errors.push(fault::forbidden(&versions_at, detail));
        }
        return;
    }
    match client {
        None => errors.push(fault::required(&client_at, "required when strategy is set to Webhook")),
        Some(client) => client_config(client, options, &client_at, errors),
    }
    review_versions(versions, options, &versions_at, errors);
}

fn client_config(client: &Value, options: &Options, at: &At<'_>, errors: &mut Faults) {
    let url = client.get("url").and_then(Value::as_str);
    let service = client.get("service").filter(|service| service.is_object());
    match (url, service) {
        (Some(url), None) => webhook_url(url, &at.child("url"), errors),
        (None, Some(service)) => webhook_service(service, &at.child("service"), errors),
        _ => errors.push(fault::required(at, "exactly one of url or service is required")),
    }
    let bundle = text(client, "caBundle");
    if options.check_bundle && !bundle.is_empty() && !holds_certificates(bundle) {
        errors.push(fault::invalid_text(&at.child("caBundle"), bundle, BAD_BUNDLE));
    }
}

const BAD_BUNDLE: &str = "unable to load root certificates: unable to parse bytes as PEM block";

/// Whether a stored CRD already has a CA bundle without certificates; it may keep it.
pub(super) fn has_bad_bundle(spec: &Value) -> bool {
    let bundle = spec.pointer("/conversion/webhook/clientConfig/caBundle").and_then(Value::as_str);
    bundle.is_some_and(|bundle| !bundle.is_empty() && !holds_certificates(bundle))
}

/// Whether a base64 bundle decodes to something with a PEM certificate in it.
fn holds_certificates(bundle: &str) -> bool {
    let mut bytes = Vec::with_capacity(bundle.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for b in bundle.bytes() {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----")
}

fn webhook_url(url: &str, at: &At<'_>, errors: &mut Faults) {
    let form = "; desired format: https://host[/path]";
    if let Some(bad) = url.chars().find(|c| c.is_control() || *c == ' ') {
        let what = if bad == ' ' {
            "invalid character \" \" in host name"
        } else {
            "net/url: invalid control character in URL"
        };
        let quoted = kcp_apimachinery::text::quote(url);
        errors.push(fault::required(at, &format!("url must be a valid URL: parse {quoted}: {what}{form}")));
        return;
    }
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            (scheme.to_lowercase(), rest)
        }
        _ => (String::new(), rest),
    };
    let authority = rest.strip_prefix("//").map(|rest| rest.split('/').next().unwrap_or_default());
    let (user, host) = match authority.unwrap_or_default().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.unwrap_or_default()),
    };
    if scheme != "https" {
        errors.push(fault::invalid_text(at, &scheme, &format!("'https' is the only allowed URL scheme{form}")));
    }
    if host.is_empty() {
        errors.push(fault::invalid_text(at, host, &format!("host must be specified{form}")));
    }
    if let Some(user) = user {
        errors.push(fault::invalid_text(at, user, "user information is not permitted in the URL"));
    }
    if !fragment.is_empty() {
        errors.push(fault::invalid_text(at, fragment, "fragments are not permitted in the URL"));
    }
    if !query.is_empty() {
        errors.push(fault::invalid_text(at, query, "query parameters are not permitted in the URL"));
    }
}

fn webhook_service(service: &Value, at: &At<'_>, errors: &mut Faults) {
    if text(service, "name").is_empty() {
        errors.push(fault::required(&at.child("name"), "service name is required"));
    }
    if text(service, "namespace").is_empty() {
        errors.push(fault::required(&at.child("namespace"), "service namespace is required"));
    }
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(fault::invalid(&at.child("port"), &port.into(), detail));
    }
    let path = text(service, "path");
    let at = at.child("path");
    if path.is_empty() || path == "/" {
        return;
    }
    if path == "//" {
        errors.push(fault::invalid_text(&at, path, "segment[0] may not be empty"));
        return;
    }
    if !path.starts_with('/') {
        errors.push(fault::invalid_text(&at, path, "must start with a '/'"));
    }
    // The first character is passed over whatever it is.
    let mut rest = path.chars();
    rest.next();
    let rest = rest.as_str();
    for (index, segment) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if segment.is_empty() {
            errors.push(fault::invalid_text(&at, path, &format!("segment[{index}] may not be empty")));
            continue;
        }
        for wrong in is_dns1123_subdomain(segment) {
            errors.push(fault::invalid_text(&at, path, &format!("segment[{index}]: {wrong}")));
        }
    }
}

fn review_versions(versions: &[Value], options: &Options, at: &At<'_>, errors: &mut Faults) {
    if versions.is_empty() {
        errors.push(fault::required(at, ""));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        let name = version.as_str().unwrap_or_default();
        if versions[..index].contains(version) {
            errors.push(fault::invalid_text(&at.index(index), name, "duplicate version"));
            continue;
        }
        for wrong in is_dns1035_label(name) {
            errors.push(fault::invalid_text(&at.index(index), name, &wrong));
        }
    }
    if options.recognized_review_version && !has_accepted_version(versions) {
        let detail = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(fault::invalid(at, &json!(versions), &detail));
    }
}
