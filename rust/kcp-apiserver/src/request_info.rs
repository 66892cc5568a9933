//! The chain's second step: what a method, a path and a query ask for.

use crate::chain::{Next, StepResult};
use crate::exchange::{Exchange, RequestInfo};
use crate::server::ApiServer;
use http::Method;
use kcp_apimachinery::names;
use kcp_apimachinery::selector::field::Selector;
use kcp_apimachinery::status::Status;
use percent_encoding::percent_decode_str;

/// Fills in [`Exchange::info`].
pub fn parse(_server: &ApiServer, exchange: &mut Exchange) -> StepResult {
    exchange.info = info(&exchange.parts.method, &exchange.path, exchange.query())?;
    Ok(Next::Continue)
}

/// Reads a request's intent.
///
/// # Errors
/// 400 for path parts that are not UTF-8 or that could climb out of their place (`.`, `..`, `/`, a zero byte).
pub fn info(method: &Method, path: &str, query: &str) -> Result<RequestInfo, Status> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').filter(|part| !part.is_empty()).collect();
    let prefix = match parts.as_slice() {
        ["api", _, _, ..] => 2,
        ["apis", _, _, _, ..] => 3,
        _ => return Ok(RequestInfo { verb: method_verb(method), ..RequestInfo::default() }),
    };
    let decoded = parts.iter().map(|part| segment(part)).collect::<Result<Vec<String>, Status>>()?;
    let mut info = RequestInfo { is_resource: true, ..RequestInfo::default() };
    let (head, mut rest) = decoded.split_at(prefix);
    if prefix == 3 {
        info.group.clone_from(&head[1]);
    }
    info.version.clone_from(&head[prefix - 1]);
    let mut watch_prefix = false;
    if rest[0] == "watch" && rest.len() > 1 {
        watch_prefix = true;
        rest = &rest[1..];
    }
    if rest[0] == "namespaces" && rest.len() > 1 {
        info.namespace.clone_from(&rest[1]);
        if rest.len() > 2 && !matches!(rest[2].as_str(), "status" | "finalize") {
            rest = &rest[2..];
        }
    }
    info.resource.clone_from(&rest[0]);
    if let Some(name) = rest.get(1) {
        info.name.clone_from(name);
        info.names_object = true;
    }
    info.subresource = rest.get(2..).unwrap_or_default().join("/");
    info.verb = match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD if watch_prefix => "watch",
        Method::GET | Method::HEAD if info.names_object => "get",
        Method::GET | Method::HEAD if truthy(query, "watch") => "watch",
        Method::GET | Method::HEAD => "list",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if info.names_object => "delete",
        Method::DELETE => "deletecollection",
        _ => method_verb(method),
    };
    if !info.names_object && matches!(info.verb, "list" | "watch") {
        info.name = selected_name(query).unwrap_or_default();
    }
    Ok(info)
}

/// The name that a collection request selects by: rules for single names then hold for it.
fn selected_name(query: &str) -> Option<String> {
    let selector = Selector::parse(&value(query, "fieldSelector")?).ok()?;
    let name = selector.exact_match("metadata.name")?;
    names::path_segment_name(name).is_empty().then(|| name.to_owned())
}

/// All values of a query parameter, decoded.
pub fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// The first value of a query parameter, decoded.
pub fn value(query: &str, name: &str) -> Option<String> {
    values(query, name).next()
}

/// Whether a boolean query parameter is on: present without a value, or anything but `false` and `0`.
pub fn truthy(query: &str, name: &str) -> bool {
    value(query, name).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn segment(raw: &str) -> Result<String, Status> {
    let text =
        percent_decode_str(raw).decode_utf8().map_err(|_| Status::bad_request("invalid path: a part is not UTF-8"))?;
    if text == "." || text == ".." || text.contains(['/', '\0']) {
        return Err(Status::bad_request(format!("invalid path: the part {text:?} is not allowed")));
    }
    Ok(text.into_owned())
}

fn method_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_upstream_reads_them() {
        let case = |method: Method, path: &str, query: &str| info(&method, path, query).unwrap();
        let i = case(Method::GET, "/api/v1/namespaces/a/configmaps/b", "");
        assert_eq!(
            (i.verb, i.namespace.as_str(), i.resource.as_str(), i.name.as_str()),
            ("get", "a", "configmaps", "b")
        );
        let i = case(Method::GET, "/api/v1/namespaces/a", "");
        assert_eq!((i.resource.as_str(), i.name.as_str(), i.namespace.as_str()), ("namespaces", "a", "a"));
        // kube-api 3.1.4
        let i = case(Method::GET, "/api/v1/namespaces/a/configmaps", "fieldSelector=metadata.name%3Db");
        assert_eq!((i.verb, i.name.as_str(), i.names_object), ("list", "b", false));
        let i = case(Method::GET, "/api/v1/configmaps", "watch=1&fieldSelector=metadata.name!%3Db");
        assert_eq!((i.verb, i.name.as_str()), ("watch", ""));
        let i = case(Method::PUT, "/api/v1/namespaces/a/finalize", "");
        assert_eq!((i.resource.as_str(), i.subresource.as_str()), ("namespaces", "finalize"));
        let i = case(Method::GET, "/apis/example.com/v1/cowboys", "watch=1");
        assert_eq!((i.verb, i.group.as_str(), i.version.as_str()), ("watch", "example.com", "v1"));
        assert_eq!(case(Method::GET, "/apis/example.com/v1/cowboys", "watch=false").verb, "list");
        assert!(!case(Method::GET, "/apis/example.com/v1", "").is_resource);
        assert_eq!(case(Method::DELETE, "/api/v1/namespaces/a/configmaps", "").verb, "deletecollection");
    }

    #[test]
    fn parts_that_climb_are_refused() {
        for path in ["/api/v1/namespaces/%2e%2e/configmaps", "/api/v1/namespaces/a%2fb/configmaps/x", "/api/v1/x/%00"] {
            assert_eq!(info(&Method::GET, path, "").unwrap_err().code, 400, "{path}");
        }
    }
}
