//! Acting as somebody else, for those whose rules allow it.
//!
//! Two things have to hold. Privileged groups are given to nobody who does not hold them, and warrants and origins that
//! count elsewhere to nobody at all. And the caller has to be let into the request's logical cluster, where rules grant either the constrained verbs (`impersonate:MODE` on each part of the wanted
//! identity and `impersonate-on:MODE:VERB` on what is requested) or the plain verb `impersonate` on each part. The
//! identity is then good in that logical cluster only.

use super::service_account;
use crate::authz::{
    ADMIN, ANONYMOUS, AUTHENTICATED, Attributes, Authorization, BASE, BOOTSTRAPPER, CLUSTER_ADMIN,
    EXTERNAL_CLUSTER_ADMIN, LIFECYCLE, MASTERS, ORIGIN, SCOPES, UNAUTHENTICATED, WARRANTS,
};
use crate::chain::{Next, StepResult};
use crate::exchange::{Cluster, Exchange, UserInfo};
use crate::server::ApiServer;
use http::{HeaderMap, HeaderName};
use kcp_apimachinery::status::Status;
use kcp_apimachinery::text;
use kcp_storage::BoxFuture;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::sync::Arc;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const EXTRA: &str = "impersonate-extra-";
const PREFIX: &str = "impersonate-";

const GROUP_OF_PARTS: &str = "authentication.k8s.io";

/// Groups that nobody hands on without holding them.
const PRIVILEGED: [&str; 6] = [MASTERS, ADMIN, CLUSTER_ADMIN, EXTERNAL_CLUSTER_ADMIN, BOOTSTRAPPER, AUTHENTICATED];

/// The chain's step: puts the impersonated user in the caller's place where that is allowed.
pub fn impersonate<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    if !exchange.headers().keys().any(|name| name.as_str().starts_with(PREFIX)) {
        return Box::pin(std::future::ready(Ok(Next::Continue)));
    }
    Box::pin(async move {
        let wanted = wanted(exchange.headers())?;
        let names: Vec<HeaderName> =
            exchange.headers().keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
        for name in names {
            exchange.parts.headers.remove(name);
        }
        let Some(wanted) = wanted else { return Ok(Next::Continue) };
        let requester = Arc::clone(&exchange.user);
        if !may_hand_on(&requester, &wanted, &exchange.cluster) {
            return Err(Status::forbidden_raw("impersonation is not allowed for the requestor"));
        }
        authorize(&server.authorization, exchange, &requester, &wanted).await?;
        exchange.user = Arc::new(finish(exchange, &requester, wanted));
        exchange.impersonator = Some(requester);
        Ok(Next::Continue)
    })
}

/// The identity that headers ask for, as they state it.
fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, Status> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name: &HeaderName| headers.get(name).map(text).unwrap_or_default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let key = percent_decode_str(key).decode_utf8().map_or_else(|_| key.to_owned(), |key| key.into_owned());
            extra.entry(key).or_default().push(text(value));
        }
    }
    let groups: Vec<String> = headers.get_all(&GROUP).iter().map(text).collect();
    let user = UserInfo { name: first(&USER), uid: first(&UID), groups, extra };
    if user.name.is_empty() {
        if user == UserInfo::default() {
            return Ok(None);
        }
        let message = format!("requested {} without impersonating a user name", printed(&user));
        return Err(Status::bad_request(message));
    }
    Ok(Some(user))
}

/// A user as Go prints one.
fn printed(user: &UserInfo) -> String {
    let slice = |values: &[String]| {
        if values.is_empty() { "[]string(nil)".to_owned() } else { text::go_string_slice(values) }
    };
    let extra = if user.extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        let entries: Vec<String> =
            user.extra.iter().map(|(key, values)| format!("{}:{}", text::quote(key), slice(values))).collect();
        format!("map[string][]string{{{}}}", entries.join(", "))
    };
    let (name, uid) = (text::quote(&user.name), text::quote(&user.uid));
    format!("&user.DefaultInfo{{Name:{name}, UID:{uid}, Groups:{}, Extra:{extra}}}", slice(&user.groups))
}

fn may_hand_on(requester: &UserInfo, wanted: &UserInfo, cluster: &Cluster) -> bool {
    if requester.is_in(MASTERS) {
        return true;
    }
    let privileged = |group: &&String| {
        PRIVILEGED.contains(&group.as_str()) || LIFECYCLE.iter().any(|prefix| group.starts_with(prefix))
    };
    requester.is_in(AUTHENTICATED)
        && wanted.groups.iter().filter(privileged).all(|group| requester.is_in(group))
        && is_of_here(wanted, cluster)
}

/// Whether extra attributes give nothing away: they are checked in one logical cluster, but a warrant or another origin
/// would count in others.
fn is_of_here(wanted: &UserInfo, cluster: &Cluster) -> bool {
    let origins = wanted.extra.get(ORIGIN).into_iter().flatten();
    !wanted.extra.contains_key(WARRANTS)
        && origins.map(|origin| Some(origin.as_str())).all(|origin| origin == cluster.name())
}

/// One part of an identity, with the resource that stands for it.
struct Part<'a> {
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

/// Checks the constrained form where one applies, then the plain one; the first refusal is the one told.
async fn authorize(
    authorization: &Authorization,
    exchange: &Exchange,
    requester: &UserInfo,
    wanted: &UserInfo,
) -> Result<(), Status> {
    // They may act as everybody, and whether the logical cluster is offline is asked of the request itself: its row can
    // be read then.
    if requester.is_in(MASTERS) {
        return Ok(());
    }
    let check = async |attributes: Attributes<'_>| {
        // Who may not be in the logical cluster acts as nobody there. A path that leads nowhere is a cluster that refuses.
        let decision = match &exchange.cluster {
            Cluster::Named(name) if name.is_path() => authorization.permits("", requester, &attributes).await?,
            Cluster::Named(name) => authorization.permits(name.as_str(), requester, &attributes).await?,
            Cluster::None | Cluster::Wildcard => authorization.allowed(BASE, requester, &attributes).await?,
        };
        if decision.allowed { Ok(()) } else { Err(attributes.forbidden(requester, &decision.reason.to_string())) }
    };
    let all = async |verb: &str, parts: Vec<Part<'_>>| {
        for part in parts {
            let Part { group, resource, subresource, namespace, name } = part;
            let path = "";
            check(Attributes { verb, group, resource, subresource, namespace, name, path, is_resource: true }).await?;
        }
        Ok(())
    };
    let mut refusal = None;
    if let Some(mode) = mode(wanted) {
        let request = Attributes::of(exchange);
        let on = format!("impersonate-on:{mode}:{}", request.verb);
        let constrained = match check(Attributes { verb: &on, ..request }).await {
            Ok(()) => all(&format!("impersonate:{mode}"), parts(wanted, true)).await,
            Err(refusal) => Err(refusal),
        };
        match constrained {
            Ok(()) => return Ok(()),
            Err(status) => refusal = Some(status),
        }
    }
    all("impersonate", parts(wanted, false)).await.map_err(|status| refusal.unwrap_or(status))
}

/// Which constrained form fits the wanted identity.
fn mode(wanted: &UserInfo) -> Option<&'static str> {
    let bare = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
    if service_account::split_user_name(&wanted.name).is_some() {
        return bare.then_some("serviceaccount");
    }
    if wanted.name.starts_with(NODE) {
        return bare.then_some("arbitrary-node");
    }
    Some("user-info")
}

const NODE: &str = "system:node:";

fn parts(wanted: &UserInfo, constrained: bool) -> Vec<Part<'_>> {
    let group = if constrained { GROUP_OF_PARTS } else { "" };
    let of = |group, resource, name| Part { group, resource, subresource: "", namespace: "", name };
    let mut parts = Vec::new();
    if let Some((namespace, name)) = service_account::split_user_name(&wanted.name) {
        parts.push(Part { namespace, ..of(group, "serviceaccounts", name) });
    } else if let Some(node) = wanted.name.strip_prefix(NODE).filter(|_| constrained) {
        parts.push(of(group, "nodes", node));
    } else {
        parts.push(of(group, "users", &wanted.name));
    }
    if !wanted.uid.is_empty() {
        parts.push(of(GROUP_OF_PARTS, "uids", &wanted.uid));
    }
    parts.extend(wanted.groups.iter().map(|name| of(group, "groups", name)));
    for (key, values) in &wanted.extra {
        parts.extend(values.iter().map(|value| Part { subresource: key, ..of(GROUP_OF_PARTS, "userextras", value) }));
    }
    parts
}

/// The identity as it acts: with the groups that follow from its name, and bound to the logical cluster of the request
/// unless the requester may do everything anyway.
fn finish(exchange: &Exchange, requester: &UserInfo, mut user: UserInfo) -> UserInfo {
    if user.groups.is_empty()
        && let Some((namespace, _)) = service_account::split_user_name(&user.name)
    {
        user.groups = service_account::groups(namespace);
    }
    if user.name == ANONYMOUS {
        if !user.is_in(UNAUTHENTICATED) {
            user.groups.push(UNAUTHENTICATED.to_owned());
        }
    } else if !user.is_in(UNAUTHENTICATED) && !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    if !requester.is_in(MASTERS)
        && let Some(cluster) = exchange.cluster.name()
    {
        user.extra.entry(SCOPES.to_owned()).or_default().push(format!("cluster:{cluster}"));
    }
    user
}
