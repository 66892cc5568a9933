//! Paths that are not resources: a table of routes, walked from the top.

use crate::authn::service_account;
use crate::chain::{Next, StepResult};
use crate::exchange::{Cluster, Exchange, Response};
use crate::registry::ClusterView;
use crate::server::ApiServer;
use crate::{discovery, health, metrics, openapi, questions, respond, version};
use http::header::{ALLOW, CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// What a handler finds.
pub type Answer = Result<Response, Status>;

/// How a path is answered. Handlers get the path's decoded parts.
pub enum Handler {
    /// At once, the same for every logical cluster.
    Now(fn(&ApiServer, &Exchange, &[String]) -> Answer),
    /// At once, from what the request's logical cluster serves.
    View(fn(&ApiServer, &Exchange, &ClusterView, &[String]) -> Answer),
    /// With awaits.
    Await(for<'a> fn(&'a ApiServer, &'a Exchange, Vec<String>) -> BoxFuture<'a, Answer>),
}

/// A route: `{name}` stands for one part, `{name...}` at the end for one or more.
pub struct Route {
    /// The path.
    pub pattern: &'static str,
    /// Who answers.
    pub handler: Handler,
}

/// Every route that is not a resource. Tests walk it as a stranger.
pub const ROUTES: &[Route] = &[
    Route { pattern: "/", handler: Handler::View(index) },
    Route { pattern: "/.well-known/openid-configuration", handler: Handler::Now(openid_configuration) },
    Route { pattern: "/api", handler: Handler::View(discovery::root) },
    Route { pattern: "/api/{version}", handler: Handler::View(discovery::version) },
    Route { pattern: "/apis", handler: Handler::View(discovery::root) },
    Route { pattern: "/apis/{group}", handler: Handler::View(discovery::group) },
    Route { pattern: "/apis/{group}/{version}", handler: Handler::View(discovery::version) },
    Route { pattern: "/healthz", handler: Handler::Await(health::serve) },
    Route { pattern: "/healthz/{check...}", handler: Handler::Await(health::serve) },
    Route { pattern: "/internal/entries", handler: Handler::Await(questions::entries) },
    Route { pattern: "/livez", handler: Handler::Await(health::serve) },
    Route { pattern: "/livez/{check...}", handler: Handler::Await(health::serve) },
    Route { pattern: "/metrics", handler: Handler::Now(metrics::serve) },
    Route { pattern: "/openapi/v2", handler: Handler::Await(openapi::whole) },
    Route { pattern: "/openapi/v3", handler: Handler::View(openapi::index) },
    Route { pattern: "/openapi/v3/{path...}", handler: Handler::Await(openapi::part) },
    Route { pattern: "/openid/v1/jwks", handler: Handler::Now(jwks) },
    Route { pattern: "/readyz", handler: Handler::Await(health::serve) },
    Route { pattern: "/readyz/{check...}", handler: Handler::Await(health::serve) },
    Route { pattern: "/version", handler: Handler::Now(version::serve) },
];

impl Route {
    fn matches(&self, parts: &[String]) -> bool {
        let mut wanted = self.pattern.split('/').filter(|part| !part.is_empty());
        let mut given = parts.iter();
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(_)) if part.ends_with("...}") => return true,
                (Some(part), Some(other)) if part.starts_with('{') || part == other => {}
                _ => return false,
            }
        }
    }
}

/// Answers a request that is not about a resource.
pub fn serve<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(async move {
        let parts: Vec<String> = exchange
            .path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let Some(route) = ROUTES.iter().find(|route| route.matches(&parts)) else {
            return Ok(Next::Answer(not_found()));
        };
        if !matches!(exchange.parts.method, Method::GET | Method::HEAD) {
            return Ok(Next::Answer(wrong_method(exchange)));
        }
        let answer = match route.handler {
            Handler::Now(handler) => handler(server, exchange, &parts),
            Handler::View(handler) => {
                // Across all logical clusters there is only what all of them have: the built-in resources.
                let cluster = match &exchange.cluster {
                    Cluster::Named(name) => name.as_str(),
                    Cluster::None | Cluster::Wildcard => "",
                };
                handler(server, exchange, &*server.registry.view(cluster).await?, &parts)
            }
            Handler::Await(handler) => handler(server, exchange, parts).await,
        };
        answer.map(Next::Answer)
    })
}

/// What a path that nobody serves answers.
pub fn not_found() -> Response {
    let mut response = respond::full(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What a path of a group that does not have the resource or the version answers. Groups of built-in resources know
/// what they have; everything else is nobody's path.
pub fn no_resource(server: &ApiServer, group: &str) -> Answer {
    let is_built_in = server.registry.plain().built_ins().groups.iter().any(|spec| spec.group == group);
    if is_built_in { Err(Status::not_found_route()) } else { Ok(not_found()) }
}

fn wrong_method(exchange: &Exchange) -> Response {
    let mut response = respond::status(exchange, &Status::method_not_allowed());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// `GET /.well-known/openid-configuration`: who issues service-account tokens.
fn openid_configuration(server: &ApiServer, _exchange: &Exchange, _parts: &[String]) -> Answer {
    Ok(published(service_account::openid_configuration(server), "application/json"))
}

/// `GET /openid/v1/jwks`: the keys that sign service-account tokens.
fn jwks(server: &ApiServer, _exchange: &Exchange, _parts: &[String]) -> Answer {
    Ok(published(service_account::jwks(server), "application/jwk-set+json"))
}

fn published(document: Option<Value>, content_type: &'static str) -> Response {
    let Some(document) = document else { return not_found() };
    let mut response = respond::full(StatusCode::OK, content_type, document.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// `GET /`: all paths there are.
fn index(_server: &ApiServer, _exchange: &Exchange, view: &ClusterView, _parts: &[String]) -> Answer {
    let is_listed =
        |pattern: &&str| !pattern.contains('{') && *pattern != "/" && !pattern.starts_with(questions::PREFIX);
    let fixed = ROUTES.iter().map(|route| route.pattern).filter(is_listed);
    let mut paths: Vec<String> = fixed.map(str::to_owned).collect();
    paths.extend(["/apis/".into(), "/openapi/v3/".into()]);
    paths.extend(health::paths());
    paths.extend(discovery::paths(view));
    paths.sort();
    paths.dedup();
    let body = serde_json::to_vec_pretty(&json!({"paths": paths})).map_err(Status::internal)?;
    Ok(respond::full(StatusCode::OK, "application/json", body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    fn pattern(path: &str) -> Option<&'static str> {
        ROUTES.iter().find(|route| route.matches(&parts(path))).map(|route| route.pattern)
    }

    #[test]
    fn every_route_is_found_by_its_own_pattern() {
        for route in ROUTES {
            assert_eq!(pattern(route.pattern), Some(route.pattern));
        }
    }

    #[test]
    fn placeholders_stand_for_one_part_or_for_the_rest() {
        assert_eq!(pattern("/apis/apps/v1/"), Some("/apis/{group}/{version}"));
        assert_eq!(pattern("/readyz/poststarthook/x"), Some("/readyz/{check...}"));
        assert_eq!(pattern("/openapi/v3/apis/a/v1"), Some("/openapi/v3/{path...}"));
        for nobody in ["/nope", "/version/x", "/openapi", "/metrics/x", "/api/v1/x"] {
            assert_eq!(pattern(nobody), None, "{nobody}");
        }
    }
}
